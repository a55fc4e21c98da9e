/*
 * The table of rights: what a program has after exec, by who executes it, its
 * owner and set-ID bits, securebits, no_new_privs, inheritable and ambient
 * capabilities, and the mount that it is on. tests/rights/show.c is executed;
 * it prints the result.
 */
#include "rights.h"
#include <sys/ioctl.h>

#define PROGRAM DIR "/show"
#define NOSUID DIR "/nosuid"
#define NOEXEC DIR "/noexec"

struct begin {
    const char *name;
    unsigned ids[3], gid; /* 0 to begin with: root's */
    uint64_t permitted, effective, inheritable, ambient, drop;
    unsigned secure;
    bool nnp, undumpable;
};

static void
run(const struct begin *b, const char *path, const char *what)
{
    char words[300];

    flush_lines();
    snprintf(words, sizeof(words), "execs: %s: %s: ", b->name, what);
    pid_t pid = vfork();
    if (pid == 0) {
        for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
            if (b->drop & BIT(cap))
                prctl(PR_CAPBSET_DROP, cap);
        if (b->secure)
            prctl(PR_SET_SECUREBITS, b->secure);
        syscall(SYS_setgroups, 0, NULL);
        syscall(SYS_setresgid, b->gid, b->gid, b->gid);
        prctl(PR_SET_KEEPCAPS, 1);
        syscall(SYS_setresuid, b->ids[0], b->ids[1], b->ids[2]);
        set_caps(b->permitted, b->permitted, b->inheritable);
        for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
            if (b->ambient & BIT(cap))
                prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
        set_caps(b->effective, b->permitted, b->inheritable);
        if (b->nnp)
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        prctl(PR_SET_PDEATHSIG, SIGURG);
        char *argv[] = {words, NULL};
        execve(path, argv, argv + 1);
        strcat(words, error_name(errno));
        strcat(words, "\n");
        write(STDOUT_FILENO, words, strlen(words));
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static void
install(const char *path, const char *from)
{
    char buf[4096];
    int in = open(from, O_RDONLY), out = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0755);
    ssize_t n;

    while ((n = read(in, buf, sizeof(buf))) > 0)
        write(out, buf, (size_t)n);
    close(in);
    close(out);
}

static void
with_each_file(const struct begin *b)
{
    static const struct {
        unsigned mode, uid, gid;
    } kinds[] = {{0755, 0, 0},       {04755, 0, 0},   {04755, ANN, ANN}, {02755, 0, CLUB},
                 {02745, 0, CLUB},   {06755, 0, 0},   {06755, BOB, CLUB}, {04700, BOB, BOB}};
    char what[64];

    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        snprintf(what, sizeof(what), "%05o %u:%u", kinds[k].mode, kinds[k].uid, kinds[k].gid);
        chown(PROGRAM, kinds[k].uid, kinds[k].gid);
        chmod(PROGRAM, kinds[k].mode);
        run(b, PROGRAM, what);
    }
}

void
execs(void)
{
#define CHOWN BIT(CAP_CHOWN)
#define KILL BIT(CAP_KILL)
#define SETUID BIT(CAP_SETUID)
#define ALL .permitted = ALL_CAPS, .effective = ALL_CAPS
    static const struct begin all[] = {
        {"root", ALL},
        {"root, NOROOT", ALL, .secure = SECBIT_NOROOT},
        {"root, NO_SETUID_FIXUP", ALL, .secure = SECBIT_NO_SETUID_FIXUP},
        {"root, KEEP_CAPS", ALL, .secure = SECBIT_KEEP_CAPS},
        {"root, all bits", ALL, .secure = 0xff & ~(unsigned)SECBIT_KEEP_CAPS_LOCKED},
        {"root without caps", .gid = 0},
        {"root without caps, nnp", .nnp = true},
        {"root, nnp", ALL, .nnp = true},
        {"root with CHOWN", .permitted = CHOWN, .effective = CHOWN},
        {"root with CHOWN not effective", .permitted = CHOWN},
        {"root with CHOWN inheritable", .permitted = CHOWN, .effective = CHOWN, .inheritable = CHOWN},
        {"root with CHOWN, nnp", .permitted = CHOWN, .effective = CHOWN, .nnp = true},
        {"root but CHOWN in the bounds", ALL, .drop = CHOWN},
        {"root with ambient CHOWN", ALL, .inheritable = CHOWN, .ambient = CHOWN},
        {"root with ambient CHOWN, NOROOT", ALL, .inheritable = CHOWN, .ambient = CHOWN,
         .secure = SECBIT_NOROOT},
        {"ann", .ids = {ANN, ANN, ANN}, .gid = ANN},
        {"ann, nnp", .ids = {ANN, ANN, ANN}, .gid = ANN, .nnp = true},
        {"ann, NOROOT", .ids = {ANN, ANN, ANN}, .gid = ANN, .secure = SECBIT_NOROOT},
        {"ann but CHOWN in the bounds", .ids = {ANN, ANN, ANN}, .gid = ANN, .drop = CHOWN},
        {"ann with CHOWN", .ids = {ANN, ANN, ANN}, .gid = ANN, .permitted = CHOWN, .effective = CHOWN},
        {"ann with CHOWN inheritable", .ids = {ANN, ANN, ANN}, .gid = ANN, .permitted = CHOWN,
         .effective = CHOWN, .inheritable = CHOWN | KILL},
        {"ann with ambient CHOWN", .ids = {ANN, ANN, ANN}, .gid = ANN, .permitted = CHOWN,
         .effective = CHOWN, .inheritable = CHOWN, .ambient = CHOWN},
        {"ann with ambient CHOWN, nnp", .ids = {ANN, ANN, ANN}, .gid = ANN, .permitted = CHOWN,
         .effective = CHOWN, .inheritable = CHOWN, .ambient = CHOWN, .nnp = true},
        {"ann with all", .ids = {ANN, ANN, ANN}, .gid = ANN, ALL},
        {"ann, saved root", .ids = {ANN, ANN, 0}, .gid = ANN},
        {"ann, effective root", .ids = {ANN, 0, 0}, .gid = ANN, ALL},
        {"ann, effective root without caps", .ids = {ANN, 0, 0}, .gid = ANN},
        {"ann, effective root, nnp", .ids = {ANN, 0, 0}, .gid = ANN, ALL, .nnp = true},
        {"ann, effective root, NOROOT", .ids = {ANN, 0, 0}, .gid = ANN, ALL, .secure = SECBIT_NOROOT},
        {"ann, effective bob, nnp", .ids = {ANN, BOB, BOB}, .gid = ANN, .nnp = true},
        {"ann, effective bob with SETUID, nnp", .ids = {ANN, BOB, BOB}, .gid = ANN,
         .permitted = SETUID, .effective = SETUID, .nnp = true},
        {"ann, effective bob", .ids = {ANN, BOB, BOB}, .gid = ANN},
        {"root, effective ann", .ids = {0, ANN, ANN}, .gid = ANN},
        {"root, effective ann, NOROOT", .ids = {0, ANN, ANN}, .gid = ANN, .secure = SECBIT_NOROOT},
        {"root, effective ann with CHOWN", .ids = {0, ANN, ANN}, .gid = ANN, .permitted = CHOWN},
        {"root, saved ann", .ids = {0, 0, ANN}, .gid = 0, ALL},
    };
    char what[64];

    subject("execs");
    caller("root");
    install(PROGRAM, "/root/show");
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        with_each_file(&all[i]);

    /* Mounts. */
    mkdir(NOSUID, 0755);
    mkdir(NOEXEC, 0755);
    mount("none", NOSUID, "tmpfs", MS_NOSUID, "mode=0755");
    mount("none", NOEXEC, "tmpfs", MS_NOEXEC, "mode=0755");
    static const char *const places[] = {NOSUID "/show", NOEXEC "/show"};
    for (size_t p = 0; p < ARRAY_SIZE(places); p++) {
        install(places[p], "/root/show");
        for (unsigned kind = 0; kind < 2; kind++) {
            chown(places[p], BOB, CLUB);
            chmod(places[p], kind ? 06755 : 0755);
            snprintf(what, sizeof(what), "%s %s", p ? "noexec" : "nosuid", kind ? "06755" : "0755");
            for (size_t i = 0; i < ARRAY_SIZE(all); i += 5)
                run(&all[i], places[p], what);
        }
        umount(p ? NOEXEC : NOSUID);
    }
}
