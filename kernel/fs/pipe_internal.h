/*
 * Inside a pipe: what pipe.c and fifo.c share.
 */
#ifndef QUIRE_FS_PIPE_INTERNAL_H
#define QUIRE_FS_PIPE_INTERNAL_H

#include "fs/pipe.h"
#include "mem/frame.h"
#include "sched/mutex.h"
#include "vfs/device.h"
#include "vfs/inode.h"

#define PIPE_SLOTS 16 /* pages of a new pipe (pipe(7)); a power of two */
#define PIPE_FEW_SLOTS 2 /* the same for a user over pipe-user-pages-soft */

struct pipe_slot {
    struct frame *frame;
    uint32_t offset;
    uint32_t length : 31; /* never 0 in a slot in use */
    uint32_t packet : 1;  /* written with O_DIRECT: read alone, not appended to */
};

/* Guarded by: (M) mutex (poll reads counts and positions without it: pipe.c)  (A) atomic  (C) constant */
struct pipe {
    struct mutex mutex;
    struct spinlock wait_lock;      /* between letting the mutex go and being on a queue */
    uint32_t nfiles;                /* (A) open files; the last one frees the pipe */
    uint32_t nreaders, nwriters;    /* (M) open files that read, that write */
    uint64_t nreaders_ever, nwriters_ever; /* (M) opens so far; FIFO opens wait for them to change */
    uint32_t head, tail;            /* (M) slots ever filled and emptied, modulo 2^32 */
    uint32_t nslots;                /* (M) a power of two */
    struct pipe_slot *slots;        /* (M) */
    struct user *user;              /* (C) counted; nslots are in its npipe_pages */
    struct frame *spare;            /* (M) an empty page, or NULL */
    uint32_t readers_waiting, writers_waiting; /* (M) asleep, or about to be */
    struct waitq readers, writers;
    struct inode *inode;            /* (C) inode->pipe is this; kept by the open files */
    bool named;                     /* (C) a FIFO: its opens wait, and writing changes its times */
    struct pipe_slot first_slots[PIPE_SLOTS]; /* slots, until resized */
};

extern const struct file_ops pipe_file_ops;

/*
 * An empty pipe without ends, for the current user. An error pointer: -ENOMEM, or -ENFILE if
 * the user's pipes have more pages than pipe-user-pages-hard.
 */
struct pipe *pipe_alloc(void);
/* Nobody uses it any more. May sleep. */
void pipe_free(struct pipe *pipe);
/*
 * Sleep on a queue, counted in *nwaiting, with the mutex let go meanwhile. 0:
 * look again; -ERESTARTSYS.
 */
int pipe_wait(struct pipe *pipe, struct waitq *queue, uint32_t *nwaiting);
/* Wake a queue; the mutex may be held. */
void pipe_wake(struct pipe *pipe, struct waitq *queue, uint64_t events);

/* file_ops.open and release. */
int fifo_open(struct inode *inode, struct file *file);
void pipe_release(struct file *file);

#endif
