/*
 * The memory of a small world: few frames, an allocator that hands out the
 * lowest that is free, and all of it (the models of the spaces, too) saved and
 * restored in a microsecond. It stands for mem/frame.c, buddy.c and
 * framecheck.c.
 */
#ifndef HOST_TREE_ARENA_H
#define HOST_TREE_ARENA_H

#include "tree.h"

#define ARENA_FRAMES (PT_FANOUT == 2 ? 64 : 128)
/* What is kept of a frame's contents: a table's entries, or a page's two words. */
#define ARENA_HEAD (PT_FANOUT * sizeof(pte_t))

struct arena {
    struct frame frames[ARENA_FRAMES];
    bool used[ARENA_FRAMES];
    uint8_t mapped[ARENA_FRAMES]; /* valid user leaves that name it */
    uint32_t counts[FRAME_NOWNERS];
};

struct arena_image {
    struct arena arena;
    struct tree_space spaces[TREE_SPACES];
    uint8_t heads[ARENA_FRAMES][ARENA_HEAD];
};

/* All frames free. */
void arena_start(void);
void arena_save(struct arena_image *image);
void arena_restore(const struct arena_image *image);

/* Allocations tried since somebody set it to 0. */
extern unsigned arena_nallocs;

#endif
