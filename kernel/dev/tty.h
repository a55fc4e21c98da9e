/*
 * Terminals.
 *
 * A struct tty joins three parts, each with one file of its own:
 *
 *      driver (uart.c)  <-- output ring --  line discipline (ldisc.c)  <--  write(2)
 *      driver (uart.c)  --  tty_input() ->  line discipline, line buffer -->  read(2)
 *
 * and tty.c, termios.c give programs file_ops and ioctls. The driver hands
 * over what arrived, from its interrupt handler; the line discipline edits
 * the line, echoes it into the output ring, and turns ^C into a signal. The
 * driver takes bytes out of the ring when its device can send.
 *
 * Locks: tty->lock guards everything below but the ring's consumer side, which
 * is the driver's. It is a spinlock, because interrupt handlers take it. A
 * driver's own lock may be taken inside it, never the other way round. Signals
 * are sent after it is let go.
 *
 * Job control. A terminal belongs to at most one session, and one process
 * group of that session is in the foreground: the one that ^C and ^Z reach and
 * that may read. The terminal keeps the keys of both; everything else about
 * processes is asked through tty_job_ops, which proc/ fills in at boot.
 *
 * A key is a number in its low 32 bits and, above, which use of the number is
 * meant (proc/pid.h pid_key()). So a group that has gone stays the foreground
 * group, as on Linux, and one that gets its number later is another.
 *
 * Which session has which terminal is changed under tty_job.c's one mutex, on
 * both sides: tty->session, and the session's pointer to the terminal.
 */
#ifndef QUIRE_DEV_TTY_H
#define QUIRE_DEV_TTY_H

#include <asm/termbits.h>
#include <asm/termios.h>
#include "arch/riscv/spinlock.h"
#include "lib/bitmap.h"
#include "lib/ring.h"
#include "lib/types.h"
#include "sched/wait.h"
#include "vfs/device.h"
#include "vfs/file.h"

struct tty;

/*
 * What terminals ask of processes. All but signal_group and signal_session
 * are about the current thread's process and called without tty->lock; those
 * two may be called from interrupt handlers and with no lock held.
 */
struct tty_job_ops {
    /* Send a signal to every process of a group (from the kernel: SI_KERNEL). */
    void (*signal_group)(uint64_t group, int signal);
    /* The same from the current process, to those members that it may signal. */
    void (*signal_group_as_user)(uint64_t group, int signal);
    /* Send a signal to the leader of a session. */
    void (*signal_session)(uint64_t session, int signal);
    /* Keys of the current process's session and group. */
    uint64_t (*session)(void);
    uint64_t (*group)(void);
    /* Is the current process the leader of its session? */
    bool (*is_session_leader)(void);
    /* Does the current thread ignore or block the signal? */
    bool (*ignores)(int signal);
    /* Is the current process's group orphaned (no parent in the session to continue it)? */
    bool (*is_orphaned)(void);
    /*
     * The key of a number, and of the session of the group that bears it, or else of the
     * process, which may yet make a group of it. 0; -ESRCH.
     */
    int (*find_group)(uint32_t number, uint64_t *group, uint64_t *session);
    /* The current process's controlling terminal; NULL: none. */
    struct tty *(*controlling)(void);
    /* The current session (the caller is its leader) gets the terminal as its controlling one. */
    void (*set_controlling)(struct tty *tty);
    /* No process of a session has a controlling terminal any more; `group` was its foreground. */
    void (*clear_controlling)(uint64_t session, uint64_t group);
    /* The group in the foreground when the current session's terminal was hung up; 0: none. */
    uint64_t (*old_foreground)(void);
    /* The current process alone gives its controlling terminal up (TIOCNOTTY). */
    void (*drop_controlling)(void);
};
extern struct tty_job_ops tty_job_ops;

/* What a terminal asks of the device behind it. tty->lock is held. */
struct tty_driver {
    /* There are bytes in tty->output, or output was resumed: send, unless tty->stopped. */
    void (*start)(struct tty *tty);
    /* Drop what is in tty->output and not yet sent. */
    void (*discard)(struct tty *tty);
    /* There is room in the line buffer again, after tty_input_room() said there was none. */
    void (*unthrottle)(struct tty *tty);
    /* Bytes that left the ring but not yet the device; NULL: none. */
    uint32_t (*in_flight)(struct tty *tty);
};

#define TTY_LINE_SIZE 4096    /* as Linux's: a line has at most 4095 letters */
#define TTY_OUTPUT_SIZE 16384 /* a power of two */
#define TTY_ECHO_RESERVE 1024 /* bytes of the ring that only echoes use, so that writers cannot starve them */

/* Terminals are never freed: pointers to them are [S]. Guarded by: (L) lock  (C) constant */
struct tty {
    struct spinlock lock;
    const char *name;                /* (C) [S] "ttyS0" */
    uint64_t rdev;                   /* (C) device number */
    const struct tty_driver *driver; /* (C) [S] */
    void *driver_data;               /* (C) [S] */

    struct ktermios termios;         /* (L) */
    struct winsize winsize;          /* (L) */
    uint64_t session;                /* (L, and the mutex of tty_job.c to write) key; 0: it controls no session */
    uint64_t pgrp;                   /* (L) key of the foreground process group; 0: none */
    uint32_t nopen;                  /* (L) open files */
    uint32_t generation;             /* (L) counts hang-ups; a file of an older one is dead */
    bool exclusive;                  /* (L) TIOCEXCL */

    /*
     * The line buffer: bytes tail .. head, counted for ever, at index modulo
     * its size. In canonical mode only tail .. line_head may be read, and
     * delimiter has a bit for each byte that ends a line; an end of file is
     * kept as a NUL with such a bit.
     */
    uint32_t head, tail, line_head;  /* (L) */
    bool literal_next;               /* (L) ^V was typed */
    bool erasing;                    /* (L) ECHOPRT: between \ and / */
    bool throttled;                  /* (L) the driver was told there is no room */
    bool stopped;                    /* (L) ^S */
    uint8_t line[TTY_LINE_SIZE];     /* (L) */
    uint64_t delimiter[BITMAP_WORDS(TTY_LINE_SIZE)]; /* (L) */

    uint32_t column;                 /* (L) of the cursor, as far as we know */
    uint32_t line_column;            /* (L) column where the line being edited starts */
    struct ring output;              /* producer: (L); consumer: the driver */

    struct waitq readers;            /* woken with POLLIN, POLLHUP */
    struct waitq writers;            /* woken with POLLOUT when there is room, and when all is sent */
};

/* Make a terminal (allocates its output ring) with Linux's default settings. 0 or -ENOMEM. */
int tty_init(struct tty *tty, const char *name, uint64_t rdev, const struct tty_driver *driver,
             void *driver_data);
/* Register its device node, and make it /dev/console if there is none yet. */
void tty_register(struct tty *tty);
/* /dev/tty and /dev/console. */
void tty_dev_init(void);
/* Is this an open terminal? */
bool file_is_tty(const struct file *file);

/* For drivers, from interrupt handlers too, without their own lock: */

/* Bytes that the line discipline takes now; 0 makes it call driver->unthrottle later. */
uint32_t tty_input_room(struct tty *tty);
/* n bytes arrived. */
void tty_input(struct tty *tty, const uint8_t *bytes, size_t n);
/* A break condition arrived. */
void tty_input_break(struct tty *tty);
/* The ring has room or is empty: wake writers. */
void tty_output_ready(struct tty *tty);
/* The line is gone: SIGHUP to the session's leader, every open file dead. May sleep. */
void tty_hangup(struct tty *tty);

/*
 * For proc/: the current process, a session's leader, ends. Its controlling terminal is hung
 * up: SIGHUP to the foreground group, and the terminal is free for another session. If it
 * was hung up before, the group then in the foreground gets SIGHUP and SIGCONT. May sleep.
 */
void tty_session_exit(void);

/* Between tty.c, tty_job.c and termios.c (see also ldisc.h). */

/*
 * May the current process act on the terminal from where it is, foreground or
 * background? 0; -EIO; -ERESTARTSYS after its group was sent `signal`
 * (SIGTTIN, SIGTTOU). Lock not held.
 */
int tty_job_check(struct tty *tty, int signal);
/* Wait until all output has been sent. 0, -ERESTARTSYS. Lock not held. */
int tty_wait_sent(struct tty *tty);
/* An open by a session leader that has no controlling terminal makes a free one its own. */
void tty_acquire(struct tty *tty);
/* The ioctls that are about settings; -ENOIOCTLCMD: not one of them. Lock not held. */
int64_t termios_ioctl(struct tty *tty, uint32_t command, uint64_t arg);
/* Those that act on the queues, and those about sessions and groups. */
int64_t tty_queue_ioctl(struct tty *tty, uint32_t command, uint64_t arg);
int64_t tty_job_ioctl(struct file *file, struct tty *tty, uint32_t command, uint64_t arg);
#define ENOIOCTLCMD 515 /* never reaches a user: asks the next layer */

extern const struct ktermios tty_default_termios;

#endif
