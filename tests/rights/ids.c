/*
 * The table of rights: changing one's own user and group ids.
 *
 * Each trial is a thread that begins in one state of the ids and makes one
 * call. The line tells the call's result, the ids, the capabilities and
 * whether the process may still be dumped.
 */
#include "rights.h"
#include <sys/fsuid.h>

struct state {
    unsigned real, effective, saved;
};

struct call {
    int number; /* SYS_* */
    int nargs;
    unsigned args[3];
};

struct trial {
    const struct state *state;
    const struct call *call;
    uint64_t caps;
    unsigned secure;
    bool groups; /* group ids, not user ids */
};

static unsigned
file_system_id(bool group)
{
    return (unsigned)syscall(group ? SYS_setfsgid : SYS_setfsuid, -1);
}

static const char *
name_of(int number)
{
    switch (number) {
    case SYS_setuid: return "setuid";
    case SYS_setreuid: return "setreuid";
    case SYS_setresuid: return "setresuid";
    case SYS_setfsuid: return "setfsuid";
    case SYS_setgid: return "setgid";
    case SYS_setregid: return "setregid";
    case SYS_setresgid: return "setresgid";
    default: return "setfsgid";
    }
}

static void
try(void *arg)
{
    const struct trial *trial = arg;
    const struct state *s = trial->state;
    const unsigned *a = trial->call->args;
    unsigned r, e, v;
    char call[80];

    prctl(PR_SET_SECUREBITS, trial->secure);
    if (trial->groups) {
        syscall(SYS_setresgid, s->real, s->effective, s->saved);
    } else {
        prctl(PR_SET_KEEPCAPS, 1);
        syscall(SYS_setresuid, s->real, s->effective, s->saved);
        prctl(PR_SET_KEEPCAPS, 0);
    }
    set_caps(trial->caps, trial->caps | BIT(CAP_CHOWN) | BIT(CAP_KILL), 0);
    prctl(PR_SET_DUMPABLE, 1);
    long result = syscall(trial->call->number, a[0], a[1], a[2]);
    int error = errno;
    int n = snprintf(call, sizeof(call), "%s(%d", name_of(trial->call->number), (int)a[0]);
    for (int i = 1; i < trial->call->nargs; i++)
        n += snprintf(call + n, sizeof(call) - (size_t)n, ", %d", (int)a[i]);
    snprintf(call + n, sizeof(call) - (size_t)n, ")");
    if (trial->groups)
        syscall(SYS_getresgid, &r, &e, &v);
    else
        syscall(SYS_getresuid, &r, &e, &v);
    struct capsets c = get_caps(0, NULL);
    char text[24];
    snprintf(text, sizeof(text), "%ld", result);
    told(call, "%s %u,%u,%u,%u effective %lx permitted %lx dumpable %d",
         result < 0 ? error_name(error) : text, r, e, v, file_system_id(trial->groups),
         c.effective, c.permitted, prctl(PR_GET_DUMPABLE));
}

/* Each call with each of some ids. -1 leaves one as it is. */
static void
try_all(struct trial *trial)
{
    static const unsigned ids[] = {-1U, 0, 7, 8, 9};
    int base[4] = {SYS_setuid, SYS_setreuid, SYS_setresuid, SYS_setfsuid};
    int group[4] = {SYS_setgid, SYS_setregid, SYS_setresgid, SYS_setfsgid};
    const int *numbers = trial->groups ? group : base;

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        struct call one = {numbers[0], 1, {ids[i]}}, fs = {numbers[3], 1, {ids[i]}};
        trial->call = &one;
        in_thread(try, trial);
        trial->call = &fs;
        in_thread(try, trial);
        for (size_t j = 0; j < ARRAY_SIZE(ids); j++) {
            struct call two = {numbers[1], 2, {ids[i], ids[j]}};
            trial->call = &two;
            in_thread(try, trial);
            /* Of the triples, those where the third is no repetition of the pairs' rules. */
            struct call three = {numbers[2], 3, {ids[i], ids[j], ids[(i + 2 * j) % 5]}};
            trial->call = &three;
            in_thread(try, trial);
        }
    }
}

void
ids(void)
{
    static const struct state states[] = {{0, 0, 0}, {7, 7, 7}, {7, 0, 0},
                                          {0, 7, 0}, {7, 8, 9}, {7, 8, 0}};
    static const unsigned secure[] = {0, SECBIT_NO_SETUID_FIXUP};
    struct trial trial = {};

    subject("ids");
    for (size_t s = 0; s < ARRAY_SIZE(states); s++) {
        trial.state = &states[s];
        for (int with = 0; with < 2; with++) {
            for (size_t b = 0; b < ARRAY_SIZE(secure); b++) {
                trial.groups = false;
                trial.secure = secure[b];
                trial.caps = with ? BIT(CAP_SETUID) : BIT(CAP_CHOWN);
                caller("uids %u,%u,%u %s secure %x", states[s].real, states[s].effective,
                       states[s].saved, with ? "CAP_SETUID" : "CAP_CHOWN", secure[b]);
                if (b == 0 || s == 0 || s == 3)
                    try_all(&trial);
            }
            trial.groups = true;
            trial.secure = 0;
            trial.caps = with ? BIT(CAP_SETGID) : 0;
            caller("gids %u,%u,%u %s", states[s].real, states[s].effective, states[s].saved,
                   with ? "CAP_SETGID" : "no capability");
            if (s != 0 && s != 2)
                try_all(&trial);
        }
    }
}
