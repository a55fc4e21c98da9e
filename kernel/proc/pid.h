/*
 * Process numbers.
 *
 * One space of numbers names threads, processes, process groups and sessions.
 * A number is taken from the moment pid_alloc() hands it out until nothing
 * bears it any more: a group's number is not given to a new process while the
 * group lives. Numbers are handed out in rising order and wrap at PID_MAX.
 *
 * The table is an array of chunks made when first needed; each chunk has a
 * spinlock of its own, so lookups of different processes do not meet.
 */
#ifndef QUIRE_PROC_PID_H
#define QUIRE_PROC_PID_H

#include "lib/types.h"

#define PID_MAX 32768 /* Linux's default; numbers are below it */

struct group;
struct proc;
struct session;
struct task;

/* What a number may name; any mixture at once. */
enum pid_kind { PID_TASK, PID_PROC, PID_GROUP, PID_SESSION, PID_NKINDS };

/* A free number, reserved for a task to come: > 0, -EAGAIN (none is free), -ENOMEM. */
int pid_alloc(void);
/* This very number (clone3's set_tid). -EEXIST, -EINVAL, -ENOMEM. */
int pid_take(uint32_t nr);
/* Give a reserved number back unused. */
void pid_cancel(uint32_t nr);
/* Let nr, which its caller has reserved or bears, name a task, a process, the first group or session. */
void pid_set(uint32_t nr, enum pid_kind kind, void *object);
/* Let nr name `new` in place of `old`. */
void pid_replace(uint32_t nr, enum pid_kind kind, void *old, void *new);
/* `object` gives up its number, which must name it. */
void pid_clear(uint32_t nr, enum pid_kind kind, void *object);
/*
 * Let proc's number name a group and (unless NULL) a session too. False, and nothing is
 * changed: it names such already, or proc has been released.
 */
bool pid_claim(const struct proc *proc, struct group *group, struct session *session);
/* What a number names, with a reference; NULL: nothing of this kind. */
struct task *pid_task(uint32_t nr);
struct proc *pid_proc(uint32_t nr);
struct group *pid_group(uint32_t nr);
struct session *pid_session(uint32_t nr);
/* Does a number name something of these kinds (a bit each) now? PID_ANY: of any kind. */
bool pid_names(uint32_t nr, unsigned kinds);
#define PID_ANY ((1U << PID_NKINDS) - 1)
/* The process with the lowest number >= nr, zombies included, with a reference; NULL: no more. */
struct proc *pid_next_proc(uint32_t nr);
/* The number handed out last. */
uint32_t pid_last(void);
/*
 * Which use of a number this is: it changes each time the number is handed out. If it is the
 * same before and after a lookup, what was found bore the number all the time between.
 */
uint32_t pid_serial(uint32_t nr);

/*
 * A number in use and which use it is, in one word that never comes again: for what names a
 * group or session without keeping it, as a terminal does.
 */
static inline uint64_t
pid_key(uint32_t nr)
{
    return (uint64_t)pid_serial(nr) << 32 | nr;
}

static inline uint32_t
pid_of_key(uint64_t key)
{
    return (uint32_t)key;
}

#endif
