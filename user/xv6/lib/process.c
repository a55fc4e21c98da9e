/*
 * Processes: fork, exit, wait.
 *
 * Two things of xv6 do not fit into Linux's calls: an exit status is a whole
 * int, and no more than NPROC processes exist. Both are kept in a table on a
 * page that a program shares with all its descendants until they exec:
 *
 *      a slot is free (pid 0), claimed by a fork under way (-1), or belongs to
 *      the process pid, a zombie too, until its parent has waited for it
 *
 * Orphans are waited for by init, which knows nothing of the table; so when no
 * slot is free, those whose process is gone are taken back.
 *
 * Slots are changed by atomic operations only.
 */
#include "call.h"

/* init, the shell and the first program itself take none. */
#define NSLOTS (NPROC - 3)
#define SIGCHLD 17
#define PAGE_SIZE 4096
#define PROT_READ_WRITE 3
#define MAP_SHARED_ANONYMOUS 0x21

struct slot {
    int pid;
    int has_status; /* the status did not fit into Linux's eight bits */
    int status;
};

static struct slot *slots;   /* the table; NULL before the first fork */
static struct slot *own;     /* this process's; NULL: begun by exec */

static int
claim(struct slot *slot)
{
    int none = 0;

    return __atomic_compare_exchange_n(&slot->pid, &none, -1, 0, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

static void
take_back(void)
{
    for (int i = 0; i < NSLOTS; i++) {
        int pid = __atomic_load_n(&slots[i].pid, __ATOMIC_SEQ_CST);
        if (pid > 0 && linux_call(kill, pid, 0) == -ESRCH)
            __atomic_compare_exchange_n(&slots[i].pid, &pid, 0, 0, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST);
    }
}

static struct slot *
claim_any(void)
{
    if (!slots) {
        long page = linux_call(mmap, 0, PAGE_SIZE, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, -1, 0);
        if (page < 0)
            return 0;
        slots = (struct slot *)page;
    }
    for (int tries = 0; tries < 2; tries++) {
        for (int i = 0; i < NSLOTS; i++)
            if (claim(&slots[i]))
                return &slots[i];
        take_back();
    }
    return 0;
}

int
fork(void)
{
    struct slot *slot = claim_any();

    if (!slot)
        return xv6_result(SYS_fork, -1);
    slot->has_status = 0;
    long pid = linux_call(clone, SIGCHLD);
    if (pid == 0) {
        own = slot;
        __atomic_store_n(&slot->pid, (int)linux_call(getpid), __ATOMIC_SEQ_CST);
        return 0;
    }
    __atomic_store_n(&slot->pid, pid < 0 ? 0 : (int)pid, __ATOMIC_SEQ_CST);
    return xv6_result(SYS_fork, pid);
}

int
exit(int status)
{
    /* 255 without more stands for -1, which is what programs mean by it. */
    if (own && (status < 0 || status >= 255)) {
        own->status = status;
        __atomic_store_n(&own->has_status, 1, __ATOMIC_SEQ_CST);
    }
    for (;;)
        linux_call(exit_group, status & 0xff);
}

/* What xv6's wait would tell of pid, of which Linux's told status; frees its slot. */
static int
translate(int pid, int status)
{
    int result = status & 0x7f ? -1 : status >> 8 & 0xff;

    if (result == 255)
        result = -1;
    for (int i = 0; slots && i < NSLOTS; i++)
        if (__atomic_load_n(&slots[i].pid, __ATOMIC_SEQ_CST) == pid) {
            if (slots[i].has_status && !(status & 0x7f))
                result = slots[i].status;
            __atomic_store_n(&slots[i].pid, 0, __ATOMIC_SEQ_CST);
            break;
        }
    return result;
}

int
wait(int *status)
{
    int unused = 0;
    long pid;

    do {
        pid = linux_call(wait4, -1, status ? status : &unused, 0, 0);
    } while (pid == -EINTR);
    if (pid > 0) {
        int translated = translate((int)pid, status ? *status : unused);
        if (status)
            *status = translated;
    }
    return xv6_result(SYS_wait, pid);
}

int
kill(int pid)
{
    return xv6_result(SYS_kill, pid > 0 ? linux_call(kill, pid, 9 /* SIGKILL */) : -1);
}

int
getpid(void)
{
    return xv6_result(SYS_getpid, linux_call(getpid));
}
