/*
 * Physical frames: who owns each 4 KiB of RAM.
 *
 * Every frame of RAM has a struct frame. Free memory is kept by a buddy
 * allocator in blocks of 2^order frames; in front of it each hart keeps a
 * small cache of single frames, which it uses without any lock (the kernel
 * runs with interrupts disabled, see hart.h). The counts by owner add up to
 * all of RAM at every moment; /proc/frames prints them.
 *
 * A block of 2^order frames is named by its first frame; the reference count
 * and owner are there. Debug builds fill freed and fresh frames with junk and
 * panic, naming frame, owner and caller, on a double free, a misaligned or
 * foreign pointer, and on freeing a frame that is still mapped.
 */
#ifndef QUIRE_MEM_FRAME_H
#define QUIRE_MEM_FRAME_H

#include "arch/riscv/layout.h"
#include "lib/list.h"
#include "lib/types.h"

enum frame_owner {
    FRAME_FREE,
    FRAME_CACHED,  /* free, in a hart's cache */
    FRAME_KERNEL,  /* kernel image, frame descriptors, the device tree */
    FRAME_RESERVED,/* firmware and other memory the device tree reserves */
    FRAME_INITRD,  /* until it is unpacked */
    FRAME_TABLE,   /* page tables */
    FRAME_SLAB,    /* object allocator */
    FRAME_STACK,   /* kernel stacks */
    FRAME_ANON,    /* anonymous user memory */
    FRAME_PAGE,    /* page cache: contents of files */
    FRAME_BUFFER,  /* pipes and other kernel buffers */
    FRAME_DEVICE,  /* rings and buffers that devices read and write */
    FRAME_NOWNERS
};

#define FRAME_MAX_ORDER 10 /* 4 MiB */

#define FRAME_DIRTY BIT(0)    /* page cache: newer than the disk */
#define FRAME_UPTODATE BIT(1) /* page cache: filled */
#define FRAME_LOCKED BIT(2)   /* page cache: being filled or written */
#define FRAME_HEAD BIT(3)     /* first frame of an allocated or free block */
#define FRAME_JUNKED BIT(4)   /* debug builds: free, and full of junk */

/* Guarded by: (A) atomic  (O) whoever owns the frame  (C) constant while allocated */
struct frame {
    uint32_t refs;     /* (A) references: mappings, the page cache, users in flight */
    union {
        struct {
            uint8_t order; /* (C) of the block whose first frame this is */
            uint8_t owner; /* (C) enum frame_owner */
            uint8_t flags; /* (O) FRAME_* */
            uint8_t reserved;
        };
        uint32_t state;    /* (A) all of these at once: frame_state() */
    };
    union {
        struct list link; /* (O) free lists; slabs; anything while allocated */
        struct frame *next; /* (O) in a hart's cache */
        struct {          /* page cache */
            void *mapping;
            uint64_t index; /* in pages from the start of the file */
        };
        struct {            /* page tables; refs counts the entries that name one */
            uint32_t nptes; /* (O) entries in use */
            uint8_t level;  /* (C) */
            uint8_t copied; /* (A) copied while shared: its leaves have more owners than it has */
            union {
                struct { /* level 0 */
                    uint16_t nanon; /* (O) leaves of anonymous frames ... */
                    uint16_t nfile; /* (O) ... and of others, the zero frame not counted */
                };
                uint32_t ntables; /* (A) a root: tables below; others, with nbelow: the same */
            };
            uint32_t nbelow; /* (A) above level 0, while frozen: 1 + pages below; 0: not counted */
        };
    };
    union {
        uint64_t private; /* (O) undefined when allocated */
        paddr_t mirror;   /* (C) page tables: of a root, its second root, or 0 */
        uint32_t nunits;  /* (A) first frame of a block: references to all of it (mem/block.h) */
        struct {          /* slabs, guarded by their cache's lock */
            uint16_t cache; /* number of the cache; SLAB_NO_CACHE for whole frames */
            uint16_t nused; /* objects not on the slab's own list */
            uint16_t free;  /* first free object: offset / 8, SLAB_END for none */
        } slab;
    };
};
_Static_assert(sizeof(void *) != 8 || sizeof(struct frame) == 32,
               "a frame descriptor takes 32 bytes");

/*
 * Order, owner and flags as one word. The buddy allocator looks at a
 * neighbour's to see whether it is free while its owner may be changing it; so
 * nothing but that allocator ever stores one that says FRAME_FREE with
 * FRAME_HEAD, not even halfway.
 */
static inline uint32_t
frame_state(unsigned order, enum frame_owner owner, unsigned flags)
{
    return order | owner << 8 | flags << 16;
}

extern struct frame *frames;     /* descriptor of the frame at frames_base */
extern paddr_t frames_base;      /* lowest RAM address, rounded down to a largest block */
extern uint64_t nframes;         /* from frames_base, holes included; whole blocks */

static inline struct frame *
frame_of(paddr_t pa)
{
    return &frames[(pa - frames_base) >> PAGE_SHIFT];
}

static inline paddr_t
frame_pa(const struct frame *frame)
{
    return frames_base + ((uint64_t)(frame - frames) << PAGE_SHIFT);
}

static inline void *
frame_va(const struct frame *frame)
{
    return phys_to_virt(frame_pa(frame));
}

/* The frame behind a direct-map address. */
static inline struct frame *
frame_of_va(const void *va)
{
    return frame_of(virt_to_phys(va));
}

/* True if pa is RAM that has a descriptor. */
bool frame_valid(paddr_t pa);

/*
 * Build the descriptors and free lists from machine.ram minus reservations.
 * Boot hart, once, with the direct map in place.
 */
void frame_init(void);

/*
 * Allocate 2^order frames, aligned to their size, with one reference and
 * junk contents. NULL if there is none. No locks needed; never sleeps.
 */
struct frame *frame_alloc(unsigned order, enum frame_owner owner);
/*
 * The same for who can do without: NULL rather than take memory from other
 * harts' caches or from what frame_reclaim() would free.
 */
struct frame *frame_alloc_spare(unsigned order, enum frame_owner owner);
/* The same for one frame, zeroed. */
struct frame *frame_alloc_zeroed(enum frame_owner owner);
/* Take another reference. */
void frame_get(struct frame *frame);
/* Drop a reference; the last one frees the block. */
void frame_put(struct frame *frame);
/* Free a block whose last reference the caller holds, without the atomic decrement. */
void frame_free(struct frame *frame);
/* Turn a block of 2^order frames into single frames of one reference each. */
void frame_split(struct frame *frame);
/* The reverse, for who has split them and holds the only reference to each. */
void frame_join(struct frame *frame, unsigned order);
/* Move a frame's count from its owner to another. */
void frame_set_owner(struct frame *frame, enum frame_owner owner);
/*
 * Add n frames to an owner's count without touching descriptors: for whoever
 * keeps frames in a cache of its own and counts them as FRAME_CACHED there.
 */
void frame_account(enum frame_owner owner, int64_t n);
/* Give the initrd's frames to the allocator. Page-aligned inward. */
void frame_release_range(paddr_t start, uint64_t size);

/* xv6's names: one 4 KiB frame, by its kernel address. kfree takes what kalloc gave. */
void *kalloc(void);
void kfree(void *page);

/* Choose how to zero pages on this machine. Called by frame_init(). */
void page_zero_init(void);
/* Zero or copy one page, as fast as memory allows. Both page-aligned. */
void page_zero(void *page);
void page_copy(void *to, const void *from);

/* Frames by owner, summed over harts; they add up to nframes_ram. */
void frame_counts(uint64_t counts[FRAME_NOWNERS]);
extern uint64_t nframes_ram;
const char *frame_owner_name(enum frame_owner owner);
/* Free frames, those in the harts' caches and in others' included. */
uint64_t frame_nfree(void);
/*
 * Called when an allocation found nothing, before it gives up: frees what it
 * can (page cache, object caches) and returns the number of frames freed.
 * The allocation's caller may hold any lock, so this must not sleep and may
 * only try locks; it is not called again from inside itself. slab_init() sets
 * it to slab_reclaim(); whoever replaces it calls that too.
 */
extern size_t (*frame_reclaim)(size_t wanted);
/*
 * Debug builds: make the Nth allocation from now (frames and objects alike)
 * fail, and every one after it if `all`. 0: off.
 */
void frame_fail_after(uint64_t n, bool all);
/* How many allocations are left until one fails; 0: it has failed, or none was to. */
uint64_t frame_fail_left(void);

#endif
