/*
 * A fuzzer of system calls that knows what their arguments are.
 *
 * A cell is a handful of processes with a few threads each, of three users,
 * with common files and memory. Each thread is a stream of calls. Call i of
 * stream s of a cell depends on the cell's seed, s and i alone, and on no
 * result: descriptors are small numbers, memory is a fixed arena, processes
 * are slots of a table. So a cell can be run again without some of its
 * calls, which is how a fault is shrunk, and what is left can be printed as
 * a C program.
 *
 *      calls.c   the table: each call and the kinds of its arguments
 *      args.c    values for each kind, and the C text of a call
 *      cell.c    the processes and threads of a cell
 *      main.c    the supervisor: one cell after another, and what must hold
 *                after each; see its head for the command line
 */
#ifndef FUZZ_H
#define FUZZ_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What an argument is. */
enum kind {
    NONE,
    FD,         /* a descriptor, mostly one that may be open */
    DIRFD,      /* the same, or AT_FDCWD */
    PATH,       /* any name */
    OWNPATH,    /* a name below the cell's own tree: what destroys, mounts, writes */
    PROGRAM,    /* a file to execute */
    ARGV,       /* argument or environment vector */
    BUFFER,     /* memory of LENGTH bytes: argument buffers, the arena, or nonsense */
    LENGTH,
    ADDRESS,    /* of pages in the arena */
    SPAN,       /* a length in bytes, mostly a few pages of the arena */
    OFFSET,     /* in a file */
    NUMBER,     /* anything; extremes often */
    SMALL,      /* 0 .. 8 */
    ZERO,
    BITS,       /* a few bits of 32 */
    MODE,
    OPENFLAGS,
    ATFLAGS,
    MMAPFLAGS,
    PROT,
    ADVICE,
    REMAPFLAGS,
    CLONEFLAGS, /* for unshare() */
    PID,        /* a process or thread of the cell, or 0, or none */
    WHOM,       /* who is to get a signal: for root, the cell's alone */
    SIGNAL,
    SIGSET,     /* struct: a signal set; its size is 8 */
    SIGSETSIZE,
    SIGACTION,
    SIGINFO,
    SIGSTACK,
    SIGEVENT,
    SIGHOW,
    UID,
    IDLIST,
    CLOCK,
    TIMER,      /* a POSIX timer's number */
    TIMESPEC,   /* short, or nonsense */
    ITIMERSPEC,
    ITIMERVAL,
    TIMERFLAGS,
    IOVEC,
    POLLFDS,
    FDSET,
    EPOLLOP,
    EPOLLEVENT,
    FUTEXWORD,
    FUTEXOP,
    RESOURCE,
    RLIMIT,
    POLICY,
    SCHEDPARAM,
    CPUSET,
    NICE,
    WHICH,      /* PRIO_*, RUSAGE_*, ITIMER_*: -2 .. 3 */
    FCNTLCMD,
    FLOCK,      /* struct flock, or a number */
    IOCTLCMD,
    PRCTLOP,
    CAPHEADER,
    CAPDATA,
    XATTRNAME,
    FSTYPE,
    MOUNTFLAGS,
    MOUNTDATA,
    OPENHOW,
    WHENCE,
    FALLOCMODE,
    SEEKABLE,   /* NULL, or an offset in memory */
    MEMBARRIER,
    NKINDS,
};

struct call {
    const char *name;       /* as in <sys/syscall.h>, without SYS_; specials begin with '*' */
    int number;
    int weight;
    uint8_t args[6];        /* enum kind */
};

/* Calls that the fuzzer makes by more than one instruction. */
enum special { SPECIAL_FORK = 100000, SPECIAL_TOUCH };

extern const struct call calls[];
extern const unsigned ncalls;

#define NARGS 6
#define SLOT_BYTES 512              /* an argument's buffer */
#define PID_SLOTS 32
#define IS_PID (1ULL << 63 | 0x5a5a5a5a00000000ULL) /* + slot: a process of the cell */

/* One call with its arguments, ready to be made or printed. */
struct op {
    const struct call *call;
    uint64_t args[NARGS];
    bool is_pid[NARGS];             /* args[i] is a slot of the table of processes */
    uint16_t filled[NARGS];         /* bytes of buffer i that are set */
    uint8_t buffer[NARGS][SLOT_BYTES];
};

/* Where things are, in every process of a cell. */
#define ARENA 0x2000000000UL        /* memory that calls map, unmap, protect */
#define ARENA_PAGES 2048UL
#define ARENA_SHARED (ARENA + 0x10000000UL) /* the same frames in all processes */
#define SHARED_PAGES 16UL
#define BUFFERS 0x2100000000UL      /* argument buffers, by stream */
#define STREAM_BYTES 0x10000UL
#define TREE "/fuzz"                /* the cell's files */

#define NSTREAMS 12

/* Argument buffer i of a stream. */
static inline uint64_t
buffer_address(unsigned stream, unsigned i)
{
    return BUFFERS + stream * STREAM_BYTES + i * 0x1000;
}

/* A generator whose state is all in one word (splitmix64's step). */
struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *rng);
/* 0 .. n - 1. */
uint64_t rng_below(struct rng *rng, uint64_t n);
bool rng_one_in(struct rng *rng, uint64_t n);
struct rng rng_of(uint64_t seed, uint64_t stream, uint64_t index);

/* Make call `index` of a stream of a cell. `root`: the stream's user is root, who must not harm the supervisor. */
void op_make(struct op *op, uint64_t seed, unsigned stream, unsigned index, bool root);
/* Print a call as lines of C. */
void op_print(const struct op *op, unsigned stream);

/* Which calls of a cell are made: those of the file given by --keep, or all. */
bool kept(unsigned stream, unsigned index);

/* What the processes of a cell share with the supervisor. */
struct board {
    volatile int32_t pids[PID_SLOTS];
    volatile uint32_t npids;
    volatile uint64_t nops;
    volatile uint32_t at[NSTREAMS];     /* the call each stream is at */
    volatile uint32_t number[NSTREAMS]; /* and its system call */
    volatile int32_t go;
};
extern struct board *board;

/* The number of calls of a stream. */
extern unsigned nops_per_stream;

/* The user that a stream runs as: 0, 1000 or 1001. */
unsigned stream_user(uint64_t seed, unsigned stream);
/* Processes and threads of a cell: streams p * threads .. are one process's. */
void cell_shape(uint64_t seed, unsigned *nprocesses, unsigned *nthreads);
/* Run a cell's processes: forks them and returns at once. */
void cell_start(uint64_t seed);

#endif
