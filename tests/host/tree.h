/*
 * Address spaces for tests of the page-table tree: several trees that share
 * tables, each with a model that says what every page of a window holds.
 *
 * The operations do to the tree what kernel/vm does to it (faults, unmapping,
 * protection, fork, exit, pgaccess), by the same calls into kernel/mem, with
 * regions, locks and flushes left out. Each changes the model only if it
 * succeeds, so that a failed one is seen to have changed nothing.
 *
 *      tree_space.c    the operations
 *      tree_walker.c   the hardware
 *      tree_check.c    compares trees with models, and counts every reference
 */
#ifndef HOST_TREE_H
#define HOST_TREE_H

#include "host.h"

#include "mem/freeze.h"
#include "mem/pagetable.h"

#if PT_FANOUT_SHIFT <= 2
#define TREE_SPACES 3
#define TREE_MAX_PAGES 12
#else
#define TREE_SPACES 8
#define TREE_MAX_PAGES 2048
#endif

enum tree_access { TREE_READ, TREE_WRITE, TREE_EXEC };

/* What a hart does when an entry allows an access but its A or D is clear. */
enum tree_hardware { TREE_SETS_AD, TREE_FAULTS_FOR_AD };

enum tree_prot { TREE_RW, TREE_RO, TREE_NONE };

struct tree_page {
    uint32_t words[2]; /* the newest write's number, and the number it replaced */
    bool mapped;
    bool accessed;
    uint8_t prot; /* enum tree_prot; TREE_RW if not mapped */
};

struct tree_space {
    paddr_t root; /* 0: there is no such space now */
    paddr_t mirror;
    enum tree_hardware hardware;
    struct tree_page pages[TREE_MAX_PAGES];
};

extern struct tree_space tree_spaces[TREE_SPACES];
extern vaddr_t tree_base;    /* of the window that the models tell of */
extern unsigned tree_npages; /* in it */
/* Numbers the writes. */
extern uint32_t tree_nwrites;

static inline vaddr_t
tree_va(unsigned page)
{
    return tree_base + (vaddr_t)page * PAGE_SIZE;
}

/* Forget all spaces, make the zero frame. The window is within the user half. */
void tree_start(unsigned levels, vaddr_t base, unsigned npages);
/* Give the zero frame back. */
void tree_stop(void);

/*
 * The operations. 0; -ENOMEM: the model is as it was; -EINVAL, -EACCES: there is nothing to do.
 */
int tree_create(struct tree_space *space, bool mirror);
void tree_exit(struct tree_space *space);
/* Access a page as a program does, faults and all; what is read is compared. */
int tree_touch(struct tree_space *space, unsigned page, enum tree_access access);
/* Map the empty span round a page by a superpage, and write to all of it. */
int tree_touch_block(struct tree_space *space, unsigned page);
/* Map the empty sixteen pages round a page by a leaf of 64 KiB, likewise. */
int tree_touch_napot(struct tree_space *space, unsigned page);
int tree_unmap(struct tree_space *space, unsigned page, unsigned n);
/* Those of the pages that are mapped. */
int tree_protect(struct tree_space *space, unsigned page, unsigned n, enum tree_prot prot);
/*
 * Tables are shared where an entry of level `how` names one;
 * if there is no such level, here and there.
 */
int tree_fork(struct tree_space *parent, struct tree_space *child, uint64_t how);
/* Ask which pages were accessed, and compare. */
int tree_pgaccess(struct tree_space *space, unsigned page, unsigned n);
int tree_isolate(struct tree_space *space, unsigned page, unsigned n);
int tree_own(struct tree_space *space, unsigned page, unsigned n, bool leaves);
/* Thaw one entry on the way to a page; on -ENOMEM nothing at all has changed. */
int tree_thaw(struct tree_space *space, unsigned page);

/* Translate as a hart in user mode does. False: a page fault. */
bool tree_translate(paddr_t root, vaddr_t va, enum tree_access access, enum tree_hardware hardware,
                    paddr_t *pa);

/* What a tree says of a page, frozen tables read through. */
struct tree_found {
    pte_t pte; /* of one page's leaf of 64 KiB, as a leaf of its own */
    unsigned level;
    bool valid;      /* the hardware can get there */
    unsigned npages; /* that the leaf, or what is empty there, spans */
};
struct tree_found tree_find(paddr_t root, vaddr_t va);

void tree_check_pages(const struct tree_space *space, unsigned page, unsigned n);
/* Everything: all pages of all spaces, every count, every frame. */
void tree_check(void);
/* The references that tree_check() found to a frame: for the canonical form of a state. */
unsigned tree_units_found(const struct frame *head);

/* Something is not as it must be: print it, and what tree_explain() adds. */
void tree_failed(const char *file, int line, const char *what) __noreturn;
extern void (*tree_explain)(void);

#define TREE_EXPECT(condition)                                                                     \
    do {                                                                                           \
        if (unlikely(!(condition)))                                                                \
            tree_failed(__FILE__, __LINE__, #condition);                                           \
    } while (0)

#endif
