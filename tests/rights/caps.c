/*
 * The table of rights: capability sets, securebits and the prctl() options
 * that guard them. Each trial is a thread with its own credentials.
 */
#include "rights.h"

static void
tell_caps(long result, const char *operation)
{
    int error = errno;
    struct capsets c = get_caps(0, NULL);
    char text[24];

    snprintf(text, sizeof(text), "%ld", result);
    told(operation, "%s effective %lx permitted %lx inheritable %lx",
         result < 0 ? error_name(error) : text, c.effective, c.permitted, c.inheritable);
}

/* capset() from one triple of sets over three capabilities to another. */

#define A BIT(CAP_CHOWN)
#define B BIT(CAP_KILL)
#define SETPCAP BIT(CAP_SETPCAP)

struct sets {
    uint64_t e, p, i;
};

struct capset_trial {
    struct sets from, to;
    uint64_t drop; /* from the bounding set */
    unsigned uid;
};

static void
try_capset(void *arg)
{
    const struct capset_trial *t = arg;
    char operation[80];

    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (t->drop & BIT(cap))
            prctl(PR_CAPBSET_DROP, cap);
    if (t->uid) {
        prctl(PR_SET_KEEPCAPS, 1);
        syscall(SYS_setresuid, t->uid, t->uid, t->uid);
    }
    set_caps(t->from.p, t->from.p, t->from.i);
    set_caps(t->from.e, t->from.p, t->from.i);
    snprintf(operation, sizeof(operation), "capset(%lx, %lx, %lx)", t->to.e, t->to.p, t->to.i);
    tell_caps(set_caps(t->to.e, t->to.p, t->to.i), operation);
}

static void
capsets(void)
{
    static const struct sets from[] = {
        {A | SETPCAP, A | SETPCAP, 0}, {A, A | SETPCAP, 0},        {A, A, A},
        {0, A | B, B},                 {A | B | SETPCAP, A | B | SETPCAP, A},
    };
    static const struct sets to[] = {
        {0, 0, 0},         {A, A, 0},     {A, A, A},     {0, A, A},          {A, 0, 0},
        {0, 0, A},         {0, 0, B},     {0, A, B},     {A | B, A | B, 0},  {A | B, A, 0},
        {SETPCAP, SETPCAP, 0},            {0, A, A | B}, {A, A, A | B | SETPCAP},
        {0, A | B, A | B}, {A, A | SETPCAP, A | SETPCAP},
    };
    static const uint64_t drops[] = {0, A, B};

    for (unsigned uid = 0; uid <= ANN; uid += ANN)
        for (size_t d = 0; d < ARRAY_SIZE(drops); d++)
            for (size_t f = 0; f < ARRAY_SIZE(from); f++) {
                caller("uid %u caps %lx,%lx,%lx bounds without %lx", uid, from[f].e, from[f].p,
                       from[f].i, drops[d]);
                for (size_t t = 0; t < ARRAY_SIZE(to); t++)
                    in_thread(try_capset,
                              &(struct capset_trial){from[f], to[t], drops[d], uid});
            }
}

/* Ambient capabilities, the bounding set, securebits and keepcaps. */

struct option_trial {
    uint64_t permitted, inheritable;
    bool setpcap;   /* has it in the effective set */
    unsigned uid, secure;
    int option;
    unsigned long args[2];
};

static void
tell_state(long result, const char *operation)
{
    int error = errno;
    struct capsets c = get_caps(0, NULL);
    uint64_t ambient = 0, bounding = 0;
    char text[24];

    for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
            ambient |= BIT(cap);
        if (prctl(PR_CAPBSET_READ, cap) == 1)
            bounding |= BIT(cap);
    }
    snprintf(text, sizeof(text), "%ld", result);
    told(operation, "%s permitted %lx inheritable %lx ambient %lx bounding %lx secure %x keep %d",
         result < 0 ? error_name(error) : text, c.permitted, c.inheritable, ambient, bounding,
         prctl(PR_GET_SECUREBITS), prctl(PR_GET_KEEPCAPS));
}

static void
begin_option(const struct option_trial *t)
{
    uint64_t more = t->setpcap ? SETPCAP : 0;

    if (t->secure)
        prctl(PR_SET_SECUREBITS, t->secure);
    if (t->uid) {
        prctl(PR_SET_KEEPCAPS, 1);
        syscall(SYS_setresuid, t->uid, t->uid, t->uid);
    }
    set_caps(t->permitted | more, t->permitted | more | SETPCAP, t->inheritable);
}

static void
try_option(void *arg)
{
    const struct option_trial *t = arg;
    char operation[80];

    begin_option(t);
    snprintf(operation, sizeof(operation), "prctl(%d, %ld, %ld)", t->option, t->args[0],
             t->args[1]);
    tell_state(prctl(t->option, t->args[0], t->args[1], 0, 0), operation);
}

static void
ambient(void)
{
    static const uint64_t inheritable[] = {0, A, B};
    static const unsigned secure[] = {0, SECBIT_NO_CAP_AMBIENT_RAISE,
                                      SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED};

    for (size_t i = 0; i < ARRAY_SIZE(inheritable); i++)
        for (size_t s = 0; s < ARRAY_SIZE(secure); s++) {
            caller("caps %lx inheritable %lx secure %x", A, inheritable[i], secure[s]);
            for (unsigned op = 0; op <= 5; op++)
                for (unsigned cap = 0; cap <= 41; cap += cap == 5 ? 36 : 5)
                    in_thread(try_option, &(struct option_trial){
                                              A, inheritable[i], false, 0, secure[s],
                                              PR_CAP_AMBIENT, {op, cap}});
        }
}

static void
bounding(void)
{
    for (int with = 0; with < 2; with++)
        for (unsigned uid = 0; uid <= ANN; uid += ANN) {
            caller("uid %u %s CAP_SETPCAP", uid, with ? "with" : "without");
            for (unsigned long cap = 0; cap <= 42; cap += 6)
                for (int option = PR_CAPBSET_READ; option <= PR_CAPBSET_DROP; option++)
                    in_thread(try_option,
                              &(struct option_trial){A, 0, with, uid, 0, option, {cap}});
        }
}

static void
securebits(void)
{
    static const unsigned from[] = {0, 1, 2, 3, 4, 0x10, 0x20, 0x30, 0x15, 0x44, 0xff};

    for (int with = 0; with < 2; with++)
        for (size_t f = 0; f < ARRAY_SIZE(from); f++) {
            caller("%s CAP_SETPCAP secure %x", with ? "with" : "without", from[f]);
            struct option_trial t = {A, 0, with, 0, from[f], PR_SET_SECUREBITS, {0}};
            for (unsigned to = 0; to <= 0x100; to = to ? to << 1 : 1) {
                t.args[0] = to;
                in_thread(try_option, &t);
                t.args[0] = from[f] | to;
                in_thread(try_option, &t);
            }
            t.option = PR_SET_KEEPCAPS;
            for (t.args[0] = 0; t.args[0] < 3; t.args[0]++)
                in_thread(try_option, &t);
        }
}

/* What keeps capabilities over setuid(), by securebits. */

struct keep_trial {
    unsigned secure;
    bool keep, ambient;
    unsigned r, e, s;
};

static void
try_keep(void *arg)
{
    const struct keep_trial *t = arg;
    char operation[80];

    set_caps(ALL_CAPS, ALL_CAPS, A | B);
    if (t->ambient)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
    if (t->keep)
        prctl(PR_SET_KEEPCAPS, 1);
    if (t->secure)
        prctl(PR_SET_SECUREBITS, t->secure | (t->keep ? SECBIT_KEEP_CAPS : 0));
    snprintf(operation, sizeof(operation), "setresuid(%d, %d, %d)", (int)t->r, (int)t->e,
             (int)t->s);
    long result = syscall(SYS_setresuid, t->r, t->e, t->s);
    struct capsets c = get_caps(0, NULL);
    char with[120];
    snprintf(with, sizeof(with), "%s%s", operation, t->ambient ? " ambient" : "");
    tell_state(result, with);
    told(with, "effective %lx", c.effective);
    result = syscall(SYS_setresuid, -1, 0, -1);
    c = get_caps(0, NULL);
    told("setresuid(-1, 0, -1) after that", "%s effective %lx permitted %lx",
         result ? error_name(errno) : "0", c.effective, c.permitted);
}

static void
keeping(void)
{
    static const unsigned secure[] = {0, SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP,
                                      SECBIT_KEEP_CAPS_LOCKED, SECBIT_NO_SETUID_FIXUP_LOCKED};
    static const unsigned to[][3] = {{7, 7, 7}, {-1, 7, -1}, {7, 0, 0}, {7, 7, 0}, {0, 7, 7}};

    for (size_t s = 0; s < ARRAY_SIZE(secure); s++)
        for (int keep = 0; keep < 2; keep++) {
            caller("secure %x keepcaps %d", secure[s], keep);
            for (int ambient = 0; ambient < 2; ambient++)
                for (size_t t = 0; t < ARRAY_SIZE(to); t++)
                    in_thread(try_keep, &(struct keep_trial){secure[s], keep, ambient, to[t][0],
                                                             to[t][1], to[t][2]});
        }
}

/* Arguments of the other options. */

static void
other_options(void *arg)
{
    static const int options[] = {PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS,
                                  PR_GET_NO_NEW_PRIVS, PR_SET_KEEPCAPS, PR_GET_KEEPCAPS,
                                  PR_CAPBSET_READ, PR_SET_CHILD_SUBREAPER, PR_GET_DUMPABLE};
    const struct who *who = arg;

    become(who);
    prctl(PR_SET_DUMPABLE, 1);
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        for (long value = -1; value < 4; value++)
            for (long more = 0; more < 2; more++)
                tried(prctl(options[i], value, more, 0, 0), "prctl(%d, %ld, %ld)", options[i],
                      value, more);
    prctl(PR_SET_PDEATHSIG, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    for (int version = 0; version < 5; version++) {
        static const uint32_t versions[] = {0, 0x19980330, 0x20071026, 0x20080522, 0x20080523};
        for (int pid = -2; pid < 2; pid++) {
            struct __user_cap_header_struct header = {versions[version], pid};
            struct __user_cap_data_struct d[2] = {};
            tried(syscall(SYS_capget, &header, d), "capget version %x pid %d", versions[version],
                  pid);
            header.version = versions[version];
            tried(syscall(SYS_capget, &header, NULL), "capget version %x pid %d to NULL",
                  versions[version], pid);
            header.version = versions[version];
            tried(syscall(SYS_capset, &header, d), "capset version %x pid %d", versions[version],
                  pid);
            tried(header.version, "version left by capset");
        }
    }
}

/* PDEATHSIG and DUMPABLE after each change of ids. */
static void
after_changes(void *arg)
{
    static const struct {
        int number;
        unsigned id;
    } calls[] = {{SYS_setuid, 0}, {SYS_setgid, 0}, {SYS_setgid, 7}, {SYS_setfsgid, 8},
                 {SYS_setfsuid, 8}, {SYS_setregid, 9}, {SYS_setuid, 7}, {SYS_setuid, 8}};
    int signal;

    (void)arg;
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        prctl(PR_SET_DUMPABLE, 1);
        prctl(PR_SET_PDEATHSIG, SIGURG);
        tried(syscall(calls[i].number, calls[i].id, calls[i].id), "call %d(%u)", calls[i].number,
              calls[i].id);
        tried(prctl(PR_GET_DUMPABLE), "dumpable after call %d(%u)", calls[i].number, calls[i].id);
        prctl(PR_GET_PDEATHSIG, &signal);
        tried(signal, "pdeathsig after call %d(%u)", calls[i].number, calls[i].id);
    }
    prctl(PR_SET_PDEATHSIG, 0);
}

void
caps(void)
{
    subject("caps");
    capsets();
    ambient();
    bounding();
    securebits();
    keeping();
    static const struct who callers[] = {ROOT, BARE, USER("ann", ANN, true)};
    for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
        caller("%s", callers[i].name);
        in_thread(other_options, (void *)&callers[i]);
    }
    caller("root");
    in_thread(after_changes, NULL);
}
