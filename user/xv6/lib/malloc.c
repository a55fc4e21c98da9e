/*
 * malloc and free: a list of free blocks in order of address, the first that
 * is large enough is taken, neighbours are joined. Memory comes from sbrk in
 * pieces of 64 KiB or more and is not given back.
 *
 * A block begins with its size; the list's link lies in what the user had.
 */
#include "call.h"

#define UNIT 16UL
#define PIECE (64UL << 10)

struct block {
    uint64 size; /* bytes, with this header; a multiple of UNIT */
    struct block *next; /* while free: the next free block above */
};

static struct block *first;

static struct block *
block_end(struct block *block)
{
    return (struct block *)((char *)block + block->size);
}

/* Put a block into the list and join it with what touches it. */
static void
insert(struct block *block)
{
    struct block **link = &first, *below = 0;

    while (*link && *link < block) {
        below = *link;
        link = &below->next;
    }
    block->next = *link;
    *link = block;
    if (block->next == block_end(block)) {
        block->size += block->next->size;
        block->next = block->next->next;
    }
    if (below && block_end(below) == block) {
        below->size += block->size;
        below->next = block->next;
    }
}

/* More memory from the kernel, at least size bytes, into the list. */
static int
grow(uint64 size)
{
    struct block *block;

    if (size < PIECE)
        size = PIECE;
    if (size > 0x7ffffff0)
        return -1;
    block = (struct block *)sbrk((int)size);
    if (block == (struct block *)-1)
        return -1;
    block->size = size;
    insert(block);
    return 0;
}

/* Take size bytes from the first block that has them. */
static struct block *
take(uint64 size)
{
    for (struct block **link = &first; *link; link = &(*link)->next) {
        struct block *block = *link;
        if (block->size < size)
            continue;
        if (block->size - size < 2 * UNIT) {
            *link = block->next;
            return block;
        }
        struct block *rest = (struct block *)((char *)block + size);
        rest->size = block->size - size;
        rest->next = block->next;
        *link = rest;
        block->size = size;
        return block;
    }
    return 0;
}

void *
malloc(uint nbytes)
{
    uint64 size = ((uint64)nbytes + UNIT - 1) / UNIT * UNIT + UNIT;
    struct block *block;

    block = take(size);
    if (!block && grow(size) == 0)
        block = take(size);
    return block ? (char *)block + UNIT : 0;
}

void
free(void *p)
{
    if (p)
        insert((struct block *)((char *)p - UNIT));
}
