/*
 * Zeroing and copying whole pages.
 *
 * Where every hart has Zicboz, a page is zeroed a cache block at a time, by an
 * instruction that needs not read the block first. Elsewhere by plain stores:
 * sixteen doublewords a round, so that under emulation little is left but the
 * loads and stores themselves; copies load eight before they store eight, for
 * hardware that has several loads in flight.
 */
#include "arch/riscv/cbo.h"
#include "arch/riscv/machine.h"
#include "mem/frame.h"

#define WORDS_PER_ROUND 16

static uint64_t cache_block; /* bytes that cbo.zero clears; 0: not to be used */

void
page_zero_init(void)
{
    uint32_t size = machine.extensions & EXT_ZICBOZ ? machine.cboz_size : 0;
    cache_block = size && PAGE_SIZE % size == 0 ? size : 0;
}

static void
zero_by_blocks(char *page)
{
    for (char *end = page + PAGE_SIZE; page != end; page += cache_block)
        cbo_zero(page);
}

void
page_zero(void *page)
{
    if (cache_block) {
        zero_by_blocks(page);
        return;
    }
    uint64_t *p = page;
    uint64_t *end = p + PAGE_SIZE / sizeof(*p);

    do {
        p[0] = 0, p[1] = 0, p[2] = 0, p[3] = 0;
        p[4] = 0, p[5] = 0, p[6] = 0, p[7] = 0;
        p[8] = 0, p[9] = 0, p[10] = 0, p[11] = 0;
        p[12] = 0, p[13] = 0, p[14] = 0, p[15] = 0;
        p += WORDS_PER_ROUND;
    } while (p != end);
}

static inline void
copy_eight(uint64_t *to, const uint64_t *from)
{
    uint64_t a = from[0], b = from[1], c = from[2], d = from[3];
    uint64_t e = from[4], f = from[5], g = from[6], h = from[7];

    to[0] = a, to[1] = b, to[2] = c, to[3] = d;
    to[4] = e, to[5] = f, to[6] = g, to[7] = h;
}

void
page_copy(void *to, const void *from)
{
    uint64_t *t = to;
    const uint64_t *f = from;
    uint64_t *end = t + PAGE_SIZE / sizeof(*t);

    do {
        copy_eight(t, f);
        copy_eight(t + 8, f + 8);
        t += WORDS_PER_ROUND;
        f += WORDS_PER_ROUND;
    } while (t != end);
}
