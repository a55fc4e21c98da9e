/*
 * The table of rights: what each subject's file shares.
 *
 * The program tries, as many callers, what the kernel may refuse, and prints
 * one line for each trial:
 *
 *      subject: caller: operation: result
 *
 * where the result is a number, or the name of the error. The lines are the
 * same on each run. tests/system/test_rights.py compares Quire's with Linux's.
 *
 * A caller is a struct who. act_as() makes a process that becomes the caller
 * and tries a list of things; fixture() has its parent, which stays root, make
 * the file that the next trial needs. in_thread() is for trials that change
 * credentials: each gets a thread that begins with all rights.
 */
#ifndef RIGHTS_H
#define RIGHTS_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1UL << (n))
#define ALL_CAPS (BIT(CAP_LAST_CAP + 1) - 1)
#define DIR "/tmp/rights" /* each subject begins with this directory empty */

/* Users, each with a group of the same number. Ann and Bob are members of CLUB, too. */
enum { ANN = 1001, BOB = 1002, EVE = 1003, CLUB = 3001 };

struct who {
    const char *name;
    unsigned uid;
    bool member;     /* of CLUB */
    uint64_t caps;   /* permitted and effective */
    unsigned secure; /* securebits */
    bool nnp;        /* no_new_privs */
};

#define ROOT {.name = "root", .caps = ALL_CAPS}
#define BARE {.name = "root without caps"}
#define ROOT_BUT(c) {.name = "root but " #c, .caps = ALL_CAPS & ~BIT(c)}
#define USER(n, u, m) {.name = n, .uid = u, .member = m}
#define ANN_WITH(c) {.name = "ann with " #c, .uid = ANN, .member = true, .caps = BIT(c)}
#define EVE_WITH(c) {.name = "eve with " #c, .uid = EVE, .caps = BIT(c)}

extern const char *const cap_names[CAP_LAST_CAP + 1];

/* Begin a subject: its name, and an empty DIR of mode 0755. */
void subject(const char *name);
/* The caller's name in the lines that follow. */
void caller(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* One line: the operation, and result, or errno's name if it is negative. Returns result. */
long tried(long result, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line with a text of its own for the result. */
void told(const char *operation, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As tried(), and close the descriptor; the line says "open" for it. */
void tried_fd(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Write out the lines so far. Before fork and _exit. */
void flush_lines(void);
/* errno's name. */
const char *error_name(int error);

/* Take a caller's credentials, in this thread alone. */
void become(const struct who *who);
/* Run fn in a process that is who, and wait for it. */
void act_as(const struct who *who, void (*fn)(void));
/* Have root make path anew: the type and permissions of mode, the owner and the group. */
void fixture(const char *path, unsigned mode, unsigned uid, unsigned gid);
/* Have root remove path, whatever it is (directories with what is in them). */
void remove_fixture(const char *path);
/* Have root call fn(arg) in the parent. */
void by_root(long (*fn)(long), long arg);
/* Run fn(arg) in a new thread, which has its own credentials. */
void in_thread(void (*fn)(void *), void *arg);
/* A child that is who (after act_as' way) and sleeps; end_sleeper() ends it. */
pid_t sleeper(const struct who *who, void (*before)(void));
void end_sleeper(pid_t pid);

/* Capability sets of the calling thread. */
struct capsets {
    uint64_t effective, permitted, inheritable;
};
struct capsets get_caps(pid_t pid, long *result);
long set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable);

void ids(void);
void caps(void);
void execs(void);
void files(void);
void bits(void);
void dirs(void);
void procs(void);
void procfs(void);
void knobs(void);
void descriptors(void);
void mounts(void);
void machine(void);

#endif
