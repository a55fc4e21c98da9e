/*
 * Address spaces.
 *
 * A struct vmspace is a set of regions (what may be touched, and how to fill
 * it) and a page table (what has been touched). Regions promise, faults keep
 * the promise a page at a time: nothing is allocated by mapping.
 *
 * One mutex guards both regions and the user half of the tree. Locks are
 * taken in this order: an inode's lock, vm->lock, then a file's mapping lock, then
 * spinlocks of frames. File data comes through region_ops, which vfs fills in.
 */
#ifndef QUIRE_VM_VMSPACE_H
#define QUIRE_VM_VMSPACE_H

#include "arch/riscv/tlb.h"
#include "arch/riscv/trap.h"
#include "lib/interval.h"
#include "lib/list.h"
#include "lib/rbtree.h"
#include "lib/refcount.h"
#include "lib/types.h"
#include "mem/pagetable.h"
#include "sched/mutex.h"

struct frame;
struct region;
struct vmspace;

#define REGION_READ BIT(0)
#define REGION_WRITE BIT(1)
#define REGION_EXEC BIT(2)
#define REGION_SHARED BIT(3)   /* MAP_SHARED: writes go to the object */
#define REGION_STACK BIT(4)    /* grows down by faulting */
#define REGION_HEAP BIT(5)     /* brk's */
#define REGION_MAY_READ BIT(6) /* what mprotect may add */
#define REGION_MAY_WRITE BIT(7)
#define REGION_MAY_EXEC BIT(8)
#define REGION_NORESERVE BIT(9)
#define REGION_DONTFORK BIT(10)
#define REGION_WIPEONFORK BIT(11)
#define REGION_LOCKED BIT(12)
#define REGION_SPECIAL BIT(13) /* USYSCALL, vDSO: no merge, no mremap */
#define REGION_GUARD BIT(14)
#define REGION_HUGE BIT(15)    /* MADV_HUGEPAGE: superpages, while there is memory */
#define REGION_NOHUGE BIT(16)  /* MADV_NOHUGEPAGE, MAP_STACK: none */

/*
 * What fills a region that is not plain anonymous memory. `object` is
 * counted by the region through get/put. All are called with vm->lock held,
 * but for put, which is called with no lock held.
 */
struct region_ops {
    /*
     * The frame for page `pgoff` of the object, with a reference for the
     * caller. write: a shared mapping is about to be written (mark it dirty,
     * allocate blocks). May sleep. -EFAULT maps to SIGBUS; -ENOMEM.
     */
    int (*get_frame)(void *object, uint64_t pgoff, bool write, struct frame **frame);
    /*
     * Up to n frames that are in memory, from page pgoff on, each with a
     * reference; stops at the first that is not. Never sleeps. May be NULL.
     */
    unsigned (*get_run)(void *object, uint64_t pgoff, unsigned n, struct frame **run);
    void (*get)(void *object);
    void (*put)(void *object);
    /*
     * The object lists its regions, so that truncation finds them (vfs/maplist.h):
     * a region comes, goes, or has other bounds or another `pass`. All NULL, or none.
     */
    void (*attach)(void *object, struct region *region);
    void (*detach)(void *object, struct region *region);
    void (*moved)(void *object, struct region *region);
    /* Fork is about to copy the region: what a truncation has still to unmap of it goes now. With `attach`. */
    void (*settle)(void *object, struct region *region);
    /*
     * mmap begins: may a mapping with these flags be made? 0 or -EPERM; takes
     * REGION_MAY_WRITE away where it may not become writable. What is allowed is
     * kept so until dismiss(), with the same flags. No lock held. Both NULL, or none.
     */
    int (*admit)(void *object, uint32_t *flags);
    void (*dismiss)(void *object, uint32_t flags);
    /* Write dirty pages of a shared mapping back (msync, MS_SYNC). May be NULL. */
    int (*sync)(void *object, uint64_t pgoff, uint64_t npages);
    /*
     * The first page from *pgoff on that is in memory and may be mapped, in *pgoff; false: there
     * is none. Never sleeps for long: what is not there is skipped at once. May be NULL: none.
     */
    bool (*next_resident)(void *object, uint64_t *pgoff);
    /* May the current thread learn which pages are in memory (mincore)? NULL: it may. */
    bool (*may_tell)(void *object);
    /* For /proc/PID/maps: name into buf, device and number. May be NULL. */
    ssize_t (*name)(void *object, char *buf, size_t size);
    void (*identity)(void *object, uint64_t *dev, uint64_t *ino);
    /*
     * The object's number from vm_new_serial(), by which a futex in a shared mapping is
     * known. NULL: a futex there is known by address space and address.
     */
    uint64_t (*serial)(void *object);
};

#define PASS_NONE UINT64_MAX /* region->pass of what is mapped anew */

/*
 * Guarded by: (L) vm->lock  (M) the object's mapping lock  (C) constant
 * [C], [L] ... : as in struct dentry, vfs/namei.h. A region itself is [L]: by (L), or by (M) while listed.
 */
struct region {
    /* How it is found. */
    struct rbnode node;  /* (L) [L] in vm->regions */
    struct list drop_link; /* (L) [L] in vm->dropped */
    struct interval listed; /* (M) [L] the object's pages shown here, for its list of regions ... */
    bool dealt;          /* (M) ... and in which of its trees that is (vfs/maplist.h) */
    struct vmspace *vm;  /* (C) [L] by vm->lock, or by (M), which keeps the region listed */
    uint64_t gap;        /* (L) free bytes before start */
    uint64_t max_gap;    /* (L) greatest gap in this subtree */
    /* What it maps: region_copy_mapped(). */
    vaddr_t start, end;  /* (L) page-aligned, end exclusive */
    uint64_t pgoff;      /* (L) page of the object at start */
    uint64_t pass;       /* (L) the latest truncation that need not come here, or PASS_NONE */
    uint32_t flags;      /* (L) REGION_* */
    const struct region_ops *ops; /* (C) [S] NULL: anonymous */
    void *object;        /* (C) [C] by ops->get, ops->put */
    const char *label;   /* (C) [S] "[heap]", "[stack]", "[vdso]" or NULL */
};

/*
 * Guarded by: (L) lock  (A) atomic  (C) constant  (E) set by exec, for /proc, before others reach it
 *             (T) thin.c's list lock
 * [C], [L] ... : as in struct dentry. An address space is counted twice: `holders` keeps the
 * structure and its lock, `refs` what is mapped, and vm_tryget() fails once `refs` is 0.
 */
struct vmspace {
    struct mmu mmu;         /* root table, ASID, harts; its tables are used under (L) */
    uint64_t serial;        /* (C) vm_new_serial(): what futexes in private memory are known by */
    struct refcount holders; /* (A) of this structure and its lock: all of refs together count as one */
    struct refcount refs;   /* (A) threads and others that use it; at 0 it is emptied */
    struct mutex lock;
    struct rbtree regions;  /* (L) [L] by start, no two overlap */
    struct region *last;    /* (L) [L] region of the last fault or lookup; may be NULL */
    struct list dropped;    /* (L) [L] regions whose objects are let go of when vm is unlocked */
    uint64_t nregions;      /* (L) */
    uint64_t npages_mapped; /* (L) bytes in regions / PAGE_SIZE: total_vm */
    uint64_t npages_stack;  /* (L) of those, in regions that grow down */
    uint64_t npages_data;   /* (L) of those, private, writable, no stack: what RLIMIT_DATA limits */
    uint64_t nresident_anon, nresident_file; /* (L) leaves by kind: rss */
    uint64_t max_resident;  /* (L) pages: ru_maxrss */
    uint64_t npages_locked; /* (L) */
    vaddr_t brk_start, brk; /* (L) */
    vaddr_t mmap_top;       /* (C) mmap searches down from here */
    vaddr_t stack_top;      /* (C) */
    vaddr_t start_code, end_code, start_data, end_data, arg_start, arg_end, env_start, env_end; /* (E) */
    uint64_t auxv[48];      /* (E) */
    uint32_t nauxv;         /* (E) */
    void *exe;              /* (E) [C] struct file, for as long as `refs` is not 0 */
    struct list thin_link;  /* (T) [L] among those that have superpages: thin.c */
    uint32_t ending;        /* (A) its processes were killed for want of memory: oom.c */
    uint64_t spared_in;     /* the killer's alone: the last choice that spared it */
    uint8_t dumpable;       /* (A) may others look into it? prctl(PR_SET_DUMPABLE); kept by fork */
    uint32_t barriers;      /* (A) MEMBARRIER_CMD_REGISTER_*, what it has registered; kept by fork */
    bool no_superpages;     /* (A) prctl(PR_SET_THP_DISABLE); kept by fork and exec */
    uint64_t nfaults_minor, nfaults_major; /* (L) */
    uint32_t nowners;       /* (L) processes, not threads, that run on it: usyscall.c */
    uint64_t owner_ids;     /* (L) the sum of their ids */
};

struct vm_limits { /* resource limits that mapping calls honour, in bytes */
    uint64_t as, data, stack, memlock;
    bool low; /* may map below VM_LOWEST, at an address that it names */
};
/* A number that is never given again, unlike an address: to know an object by that may be gone. */
uint64_t vm_new_serial(void);

/* The current process's limits; proc/ fills this in at boot. */
extern void (*vm_get_limits)(struct vm_limits *limits);
/* Take and drop a reference on vm->exe, for vm_fork() and the end of a vm; proc/ fills these in. */
extern void (*vm_exe_get)(void *exe), (*vm_exe_put)(void *exe);

/* Regions of one address space, at most: /proc/sys/vm/max_map_count. */
extern uint32_t vm_max_regions;

void vm_init(void);
/* An empty address space with one reference; NULL if memory is out. */
struct vmspace *vm_create(void);
void vm_get(struct vmspace *vm);
/* Drop a reference; the last one unmaps all and frees the tree. May sleep. */
void vm_put(struct vmspace *vm);
/* A copy-on-write copy, of the current or any address space. NULL: memory is out, nothing changed. */
struct vmspace *vm_fork(struct vmspace *parent);
/* Make the current thread run on vm (taking over the caller's reference); old reference returned. */
struct vmspace *vm_install(struct vmspace *vm);

/* What to map. */
struct map_request {
    vaddr_t va;      /* page-aligned; a hint unless fixed */
    uint64_t size;   /* bytes, rounded up to pages */
    uint32_t flags;  /* REGION_* */
    bool fixed;      /* exactly at va, replacing what is there */
    bool noreplace;  /* with fixed: -EEXIST if something is there */
    bool populate;   /* touch all pages now */
    const struct region_ops *ops;
    void *object;    /* counted by the region itself: vm_map calls ops->get */
    uint64_t pgoff;
    const char *label;
};

/*
 * Map. Returns the address, or a negative errno: -EINVAL, -ENOMEM, -EEXIST,
 * -EPERM (below VM_LOWEST, without the right to). Takes vm->lock; so do all below.
 */
int64_t vm_map(struct vmspace *vm, const struct map_request *request);
int vm_unmap(struct vmspace *vm, vaddr_t va, uint64_t size);
int vm_protect(struct vmspace *vm, vaddr_t va, uint64_t size, uint32_t rwx);
int64_t vm_remap(struct vmspace *vm, vaddr_t old, uint64_t old_size, uint64_t new_size,
                 uint32_t mremap_flags, vaddr_t new_address);
int vm_advise(struct vmspace *vm, vaddr_t va, uint64_t size, int advice);
int vm_sync(struct vmspace *vm, vaddr_t va, uint64_t size, int ms_flags);
/* One byte a page into the user's vec. */
int vm_incore(struct vmspace *vm, vaddr_t va, uint64_t size, vaddr_t vec);
/*
 * Does RLIMIT_MEMLOCK let the caller lock memory at all, and, if current, what vm maps now?
 * 0, -EPERM, -ENOMEM.
 */
int vm_may_lock_all(struct vmspace *vm, bool current);
int vm_lock_range(struct vmspace *vm, vaddr_t va, uint64_t size, bool lock);
/* brk(2): the new break, or the old one if it cannot be. */
vaddr_t vm_brk(struct vmspace *vm, vaddr_t brk);

/*
 * The page USYSCALL (user/include/quire.h): in every address space, at one
 * address. Users can neither unmap it nor change its rights, and map nothing
 * on or right beside it.
 */
#define USYSCALL 0x3fffffd000UL
#define USYSCALL_ROOM_START (USYSCALL - PAGE_SIZE)
#define USYSCALL_ROOM_END (USYSCALL + 3 * PAGE_SIZE)
/* Put the page into an address space that only the process `pid` will run on. 0 or -ENOMEM. */
int vm_usyscall_map(struct vmspace *vm, uint32_t pid);
/* A process that shares vm with others will run on it; will run on it no more. Once each. */
void vm_usyscall_join(struct vmspace *vm, uint32_t pid);
void vm_usyscall_leave(struct vmspace *vm, uint32_t pid);

/* What a fault needs from the process: 0 to retry, or a signal's number and code. */
struct fault_verdict {
    int signal; /* 0: go on; else SIGSEGV, SIGBUS; SIGKILL when memory is out */
    int code;   /* si_code */
    enum fault_access access; /* what was tried, for vm_explain() */
};
/* Resolve a fault at va. Any user or copyin/copyout access. Takes vm->lock. */
struct fault_verdict vm_fault(struct vmspace *vm, vaddr_t va, enum fault_access access);

/*
 * trap_ops.page_fault. A fault of the user's that cannot be resolved goes to
 * vm_signal_hook; one of a user copy goes on at its fixup. False: the kernel
 * itself is at fault.
 */
bool vm_page_fault(struct trapframe *tf, vaddr_t va, enum fault_access access, bool user);
/* Post the verdict's signal to the current thread; proc/ fills this in at boot. */
extern void (*vm_signal_hook)(struct trapframe *tf, vaddr_t va, struct fault_verdict verdict);
/*
 * Memory is out: choose an address space, mark it as ending, kill every process on it, and
 * return it with a reference; NULL: there is none to choose. For the killer (oom.c) alone;
 * proc/ fills this in at boot.
 */
extern struct vmspace *(*vm_oom_pick)(void);
/* A process was killed by vm_oom_pick(), or (ended) one of these has let go of memory and files. */
void vm_oom_victim(bool ended);
/* Start the killer. Boot, once. */
void vm_oom_start(void);
/* Pages of vm in memory. Any context; other threads may be changing it. */
static inline uint64_t
vm_resident(const struct vmspace *vm)
{
    return __atomic_load_n(&vm->nresident_anon, __ATOMIC_RELAXED) +
           __atomic_load_n(&vm->nresident_file, __ATOMIC_RELAXED);
}
/* Its page tables, the roots not counted; the same. Tables that a fork shares count on both sides. */
static inline uint64_t
vm_ntables(const struct vmspace *vm)
{
    return pt_ntables(vm->mmu.root);
}
/* Is the current thread's process about to end? Long work stops then. proc/ fills this in at boot. */
extern bool (*vm_end_hook)(void);
/*
 * Say in words why an access to va fails, one line into buf, for example
 * "store to 0x3ff0001000: level 0 entry is read-only (mapped file libc.so.6 +0x1000)".
 * Returns buf. Takes vm->lock.
 */
const char *vm_explain(struct vmspace *vm, vaddr_t va, enum fault_access access, char *buf,
                       size_t size);

/*
 * Read or write another process's memory (ptrace-like, /proc/PID/cmdline):
 * through the tree, faulting pages in. Returns bytes moved.
 */
size_t vm_peek(struct vmspace *vm, vaddr_t va, void *buf, size_t n);

/*
 * Which of npages pages, from the one that holds va upwards, were accessed since the
 * last call, lowest page in the lowest bit of bits[0], the unused bits of the last word 0;
 * their marks are cleared. Pages that are not mapped were not accessed; each page of a larger
 * leaf answers for the leaf; a child of fork begins with its parent's marks. Returns 0, -EINVAL if
 * the range leaves the user half, or -ENOMEM (a shared table could not be copied). Takes vm->lock; flushes once. (pgaccess.c)
 */
int vm_accessed(struct vmspace *vm, vaddr_t va, uint64_t npages, uint64_t *bits);
#define VM_ACCESSED_BYTES(npages) (ALIGN_UP((uint64_t)(npages), 64UL) / 8) /* what bits needs */

/*
 * The next line of vm's tree, or of the one that user mode runs on (strict isolation; without it
 * there is none), as pt_print_next() does with how and place. Takes vm->lock. (print.c)
 */
struct pt_place;
bool vm_print_next(struct vmspace *vm, bool users, unsigned how, struct pt_place *place, char *line,
                   size_t size);
/*
 * All lines of vm's user half to the log and the console; `spelt`: with flags in letters. Other
 * threads run between two lines; ends early if the current process is about to end.
 */
void vm_print_log(struct vmspace *vm, bool spelt);

/* The region that holds va, or the first above it if `next`. vm->lock held. */
struct region *region_find(struct vmspace *vm, vaddr_t va, bool next);
struct region *region_first(struct vmspace *vm);
struct region *region_next(struct region *region);

/*
 * Unmap what a region shows of its object's pages [first, last]; with `copies` also
 * the pages that a private mapping has written. vm->lock held; flushes once.
 */
void region_unmap_pages(struct region *region, uint64_t first, uint64_t last, bool copies);
/* Take a reference unless the last one is gone. */
bool vm_tryget(struct vmspace *vm);
/*
 * Keep the structure and its lock, and not the memory: a holder can ask with vm_tryget() whether
 * the address space still lives, or lock it and look what is mapped, and never mistakes
 * another for it. The caller of vm_hold() has a reference or is a holder, or has the lock of
 * an object that lists a region of it. vm_release() frees nothing but the structure, so
 * it may be called with any lock held.
 */
void vm_hold(struct vmspace *vm);
void vm_release(struct vmspace *vm);

/* Counters for /proc/vmstat. */
extern uint64_t vm_nfault, vm_nmajfault, vm_ncow, vm_nzero;

#endif
