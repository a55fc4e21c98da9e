/*
 * execve: what comes over and what does not, limits of arguments, #! lines,
 * and every way to be no program. The test executes itself; with a first
 * argument of "--NAME" it plays the part of the program executed.
 */
#include "tap.h"
#include <elf.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static char self[512];
static int in_bss[5000];

/* The parts played after exec. The exit status is the answer. */

/* --args COUNT BYTES...: 0 if argv and envp hold what test_sizes() gave. */
static int
play_args(int argc, char **argv, char **envp)
{
    size_t bytes = 0;
    int count = 0;

    for (int i = 3; i < argc; i++)
        bytes += strlen(argv[i]);
    for (char **e = envp; *e; e++) {
        bytes += strlen(*e);
        count++;
    }
    return !(argc - 3 + count == atoi(argv[1] + 6) &&
             bytes == (size_t)atol(argv[2]));
}

/* --script: 0 if run as INTERPRETER --script PATH a b. */
static int
play_script(int argc, char **argv)
{
    return !(argc == 5 && strstr(argv[2], "script") &&
             !strcmp(argv[3], "a") && !strcmp(argv[4], "b") &&
             !strcmp((char *)getauxval(AT_EXECFN), argv[2]));
}

/* "--words xxx...", of a #! line that is longer than the 256 bytes Linux
 * looks at: 51 if it was cut there. */
static int
play_long_line(char **argv)
{
    return 50 + (strlen("#! ") + strlen(argv[0]) + strlen(argv[1]) == 255);
}

/* --state FD: 0 if what exec keeps is kept, and what it resets is reset. */
static int
play_state(char **argv)
{
    struct sigaction action;
    sigset_t set;
    struct rlimit limit;
    char name[16], path[128];
    int fd = atoi(argv[2]);

    for (size_t i = 0; i < ARRAY_LEN(in_bss); i++)
        if (in_bss[i])
            return 10;
    if (fcntl(fd, F_GETFD) != 0 || fcntl(fd + 1, F_GETFD) != -1)
        return 11;
    sigaction(SIGUSR1, NULL, &action);
    if (action.sa_handler != SIG_DFL)
        return 12;
    sigaction(SIGUSR2, NULL, &action);
    if (action.sa_handler != SIG_IGN)
        return 13;
    sigprocmask(SIG_BLOCK, NULL, &set);
    if (!sigismember(&set, SIGHUP) || sigismember(&set, SIGUSR1))
        return 14;
    sigpending(&set);
    if (!sigismember(&set, SIGHUP))
        return 15;
    if (alarm(0) == 0)
        return 16;
    if (umask(022) != 031)
        return 17;
    if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur != 4096)
        return 18;
    if (prctl(PR_GET_NAME, name) < 0 || strcmp(name, "exec"))
        return 19;
    if (!getcwd(path, sizeof(path)) || strncmp(path, "/tmp/exec.", 10))
        return 20;
    if (getpid() != atoi(argv[3]))
        return 21;
    stack_t stack;
    if (sigaltstack(NULL, &stack) < 0 || stack.ss_flags != SS_DISABLE)
        return 22;
    return 0;
}

static int
play(int argc, char **argv, char **envp)
{
    if (!strncmp(argv[1], "--args", 6))
        return play_args(argc, argv, envp);
    if (!strcmp(argv[1], "--script"))
        return play_script(argc, argv);
    if (!strcmp(argv[1], "--words"))        /* exit with argc */
        return argc;
    if (!strncmp(argv[1], "--words x", 9))
        return play_long_line(argv);
    if (!strcmp(argv[1], "--state"))
        return play_state(argv);
    if (!strncmp(argv[1], "--optional ", 11))   /* a #! with one long word */
        return argc == 3 && !strcmp(argv[1], "--optional  a  b") ? 33 : 1;
    return 99;
}

/*
 * Execute in a child; return the exit status, minus the signal that killed
 * it, or 1000 + errno if execve returned.
 */
static int
run(const char *path, char *const *argv, char *const *envp)
{
    int *error = shared_pages(1);

    pid_t pid = tap_fork();
    if (pid == 0) {
        syscall(SYS_execve, path, argv, envp);
        *error = errno;
        _exit(0);
    }
    int status = tap_wait(pid);
    int failed = *error;
    munmap(error, PAGE);
    if (failed)
        return 1000 + failed;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static char *plain[] = { "program", "--words", NULL };
static char *no_env[] = { NULL };

static int
run_plain(const char *path)
{
    return run(path, plain, no_env);
}

static void
test_paths(void)
{
    char longname[5000];

    is(run_plain(self), 2);
    is(run_plain("missing"), 1000 + ENOENT);
    is(run_plain(""), 1000 + ENOENT);
    is(run_plain("."), 1000 + EACCES);
    is(run_plain("/dev/null"), 1000 + EACCES);
    put_file("file", "text\n", 5, 0644);
    is(run_plain("file"), 1000 + EACCES);
    is(run_plain("file/under"), 1000 + ENOTDIR);
    put_file("noexec", "text\n", 5, 0755);
    is(run_plain("noexec"), 1000 + ENOEXEC);
    put_file("empty", "", 0, 0755);
    is(run_plain("empty"), 1000 + ENOEXEC);
    memset(longname, 'x', sizeof(longname));
    longname[300] = 0;
    is(run_plain(longname), 1000 + ENAMETOOLONG);
    longname[300] = 'x';
    longname[4999] = 0;
    is(run_plain(longname), 1000 + ENAMETOOLONG);
    symlink("loop", "loop");
    is(run_plain("loop"), 1000 + ELOOP);
    symlink(self, "link");
    is(run_plain("link"), 2);
    mkdir("dir", 0755);
    is(run_plain("dir"), 1000 + EACCES);
}

static void
test_pointers(void)
{
    char *bad[] = { "program", hole(), NULL };
    char *kernel[] = { "program", KERNEL_POINTER, NULL };
    char **edge = (char **)(island(1) + PAGE) - 2;
    char *unended = island(1);

    edge[0] = "program";
    edge[1] = "--words";
    unended += PAGE - 100;
    memset(unended, 'a', 100);
    is(run(hole(), plain, no_env), 1000 + EFAULT);
    is(run(KERNEL_POINTER, plain, no_env), 1000 + EFAULT);
    is(run(NULL, plain, no_env), 1000 + EFAULT);
    is(run(unended, plain, no_env), 1000 + EFAULT);
    is(run(self, hole(), no_env), 1000 + EFAULT);
    is(run(self, KERNEL_POINTER, no_env), 1000 + EFAULT);
    is(run(self, LAST_POINTER, no_env), 1000 + EFAULT);
    is(run(self, bad, no_env), 1000 + EFAULT);
    is(run(self, kernel, no_env), 1000 + EFAULT);
    is(run(self, edge, no_env), 1000 + EFAULT);
    is(run(self, plain, bad), 1000 + EFAULT);
    is(run(self, plain, hole()), 1000 + EFAULT);
    bad[1] = unended;
    is(run(self, bad, no_env), 1000 + EFAULT);
    is(run(self, plain, NULL), 2);
}

/* count strings of size bytes each, NUL and all, as arguments or else. */
static int
run_sized(int count, size_t size, int as_environment)
{
    char **argv = calloc(count + 8, sizeof(char *));
    char *string = malloc(size), number[32], total[32];
    char *one_env[] = { NULL };

    memset(string, 'y', size);
    string[size - 1] = 0;
    snprintf(number, sizeof(number), "--args%d", count);
    snprintf(total, sizeof(total), "%zu", count * (size - 1));
    char *head[] = { "program", number, total, NULL };
    int n = 0, result;
    if (!as_environment)
        for (; n < 3; n++)
            argv[n] = head[n];
    for (int i = 0; i < count; i++)
        argv[n++] = string;
    result = as_environment ? run(self, head, argv) : run(self, argv, one_env);
    free(string);
    free(argv);
    return result;
}

static void
test_sizes(void)
{
    is(run_sized(0, 1, 0), 0);
    is(run_sized(1, 1, 0), 0);
    is(run_sized(3000, 10, 0), 0);
    is(run_sized(3000, 10, 1), 0);
    is(run_sized(1, 4096, 0), 0);
    is(run_sized(1, 131072, 0), 0);
    is(run_sized(1, 131072, 1), 0);
    is(run_sized(1, 131073, 0), 1000 + E2BIG);
    is(run_sized(1, 131073, 1), 1000 + E2BIG);

    /* The room is a quarter of the stack's limit, but at least 128 KiB. */
    struct rlimit old, low;
    getrlimit(RLIMIT_STACK, &old);
    low = old;
    low.rlim_cur = 1 << 20;
    works(setrlimit(RLIMIT_STACK, &low));
    is(run_sized(2, 100000, 0), 0);
    is(run_sized(3, 100000, 0), 1000 + E2BIG);
    is(run_sized(3, 100000, 1), 1000 + E2BIG);
    is(run_sized(35000, 1, 0), 1000 + E2BIG);
    low.rlim_cur = 1 << 16;
    works(setrlimit(RLIMIT_STACK, &low));
    is(run_sized(2, 60000, 0), 1000 + E2BIG);
    works(setrlimit(RLIMIT_STACK, &old));
}

/* Write a script of one line, run it with arguments a and b. */
static int
run_script(const char *line)
{
    char *argv[] = { "ignored", "a", "b", NULL };

    put_file("script", line, strlen(line), 0755);
    return run("./script", argv, no_env);
}

static void
test_scripts(void)
{
    char line[1024];

    snprintf(line, sizeof(line), "#!%s --script\n", self);
    is(run_script(line), 0);
    snprintf(line, sizeof(line), "#! \t %s   --script  \t \nmore\n", self);
    is(run_script(line), 0);
    snprintf(line, sizeof(line), "#!%s --script", self);
    is(run_script(line), 0);
    snprintf(line, sizeof(line), "#!%s --optional  a  b\n", self);
    put_file("script", line, strlen(line), 0755);
    char *argv[] = { "ignored", NULL };
    is(run("script", argv, no_env), 33);

    is(run_script("#!\n"), 1000 + ENOEXEC);
    is(run_script("#!   \t \n"), 1000 + ENOEXEC);
    is(run_script("#!/missing/interpreter\n"), 1000 + ENOENT);
    is(run_script("#!/dev\n"), 1000 + EACCES);
    put_file("text", "hello\n", 6, 0755);
    is(run_script("#!./text\n"), 1000 + ENOEXEC);
    put_file("data", "hello\n", 6, 0644);
    is(run_script("#!./data\n"), 1000 + EACCES);
    memset(line, 'x', 300);
    memcpy(line, "#!/", 3);
    strcpy(line + 300, "\n");
    is(run_script(line), 1000 + ENOEXEC);
    memset(line, 'x', 300);
    int n = snprintf(line, sizeof(line), "#!%s --words", self);
    line[n] = ' ';
    strcpy(line + 300, "\n");
    is(run_script(line), 51);
}

static void
test_nested_scripts(void)
{
    char line[600], name[16];
    char *argv[] = { "ignored", NULL };

    snprintf(line, sizeof(line), "#!%s --words\n", self);
    put_file("n0", line, strlen(line), 0755);
    for (int i = 1; i < 7; i++) {
        snprintf(line, sizeof(line), "#!./n%d\n", i - 1);
        snprintf(name, sizeof(name), "n%d", i);
        put_file(name, line, strlen(line), 0755);
    }
    is(run("./n0", argv, no_env), 3);
    is(run("./n1", argv, no_env), 4);
    is(run("./n4", argv, no_env), 7);
    is(run("./n5", argv, no_env), 1000 + ELOOP);
    /* With an argument in each line the strings in front are as many as they can be. */
    for (int i = 1; i < 9; i++) {
        snprintf(line, sizeof(line), "#!./n%d argument\n", i - 1);
        snprintf(name, sizeof(name), "n%d", i);
        put_file(name, line, strlen(line), 0755);
    }
    is(run("./n4", argv, no_env), 11);
    is(run("./n5", argv, no_env), 1000 + ELOOP);
    is(run("./n8", argv, no_env), 1000 + ELOOP);
    put_file("self", "#!./self\n", 9, 0755);
    is(run("./self", argv, no_env), 1000 + ELOOP);
}

static void
on_signal(int number)
{
    (void)number;
}

static void
test_state(void)
{
    pid_t pid = tap_fork();
    if (pid == 0) {
        char number[16], me[16];
        struct rlimit limit = { 4096, RLIM_INFINITY };
        stack_t stack = { .ss_sp = pages(8), .ss_size = 8 * PAGE };
        sigset_t set;
        int fd = open("/dev/null", O_RDONLY);

        fd = fcntl(fd, F_DUPFD, 100);
        fcntl(fd, F_DUPFD_CLOEXEC, 101);
        signal(SIGUSR1, on_signal);
        signal(SIGUSR2, SIG_IGN);
        sigemptyset(&set);
        sigaddset(&set, SIGHUP);
        sigprocmask(SIG_BLOCK, &set, NULL);
        raise(SIGHUP);
        umask(031);
        getrlimit(RLIMIT_CORE, &limit);
        limit.rlim_cur = 4096;
        setrlimit(RLIMIT_CORE, &limit);
        sigaltstack(&stack, NULL);
        memset(in_bss, 1, sizeof(in_bss));
        snprintf(number, sizeof(number), "%d", fd);
        snprintf(me, sizeof(me), "%d", getpid());
        char *argv[] = { "name", "--state", number, me, NULL };
        execve(self, argv, no_env);
        _exit(1);
    }
    int status = tap_wait(pid);
    ok(WIFEXITED(status), "the program did not die by a signal");
    is(WEXITSTATUS(status), 0);
}

static void
test_unharmed(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char *argv[] = { "name", NULL };

    signal(SIGUSR1, on_signal);
    for (int i = 0; i < 20; i++)
        execve("noexec", argv, no_env);
    fails(execve("noexec", argv, no_env), ENOEXEC);
    is(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ok(signal(SIGUSR1, SIG_DFL) == on_signal, "the handler is still there");
    close(fd);
}

static void
test_execveat(void)
{
    int dir = open(".", O_RDONLY | O_DIRECTORY);
    int fd = open(self, O_RDONLY | O_CLOEXEC);

    fails(syscall(SYS_execveat, -100, "missing", plain, no_env, 0), ENOENT);
    fails(syscall(SYS_execveat, dir, "missing", plain, no_env, 0), ENOENT);
    fails(syscall(SYS_execveat, dir, "", plain, no_env, 0), ENOENT);
    fails(syscall(SYS_execveat, dir, "", plain, no_env, AT_EMPTY_PATH),
          EACCES);
    fails(syscall(SYS_execveat, 999, "link", plain, no_env, 0), EBADF);
    fails(syscall(SYS_execveat, fd, "link", plain, no_env, 0), ENOTDIR);
    fails(syscall(SYS_execveat, dir, "link", plain, no_env, 1), EINVAL);
    fails(syscall(SYS_execveat, dir, "link", plain, no_env,
                  AT_SYMLINK_NOFOLLOW), ELOOP);
    pid_t pid = tap_fork();
    if (pid == 0) {
        syscall(SYS_execveat, dir, "link", plain, no_env, 0);
        _exit(1);
    }
    is(WEXITSTATUS(tap_wait(pid)), 2);
    pid = tap_fork();
    if (pid == 0) {
        syscall(SYS_execveat, fd, "", plain, no_env, AT_EMPTY_PATH);
        _exit(1);
    }
    is(WEXITSTATUS(tap_wait(pid)), 2);
    close(dir);
    close(fd);
}

/* An interpreter cannot open a script whose name leads through a descriptor that exec closes. */
static void
test_closed_name(void)
{
    char line[1024];

    snprintf(line, sizeof(line), "#!%s --words\n", self);
    put_file("script", line, strlen(line), 0755);
    for (int mark = 0; mark <= FD_CLOEXEC; mark += FD_CLOEXEC) {
        int dir = open(".", O_RDONLY | O_DIRECTORY), file = open("script", O_RDONLY);
        fcntl(dir, F_SETFD, mark);
        fcntl(file, F_SETFD, mark);
        for (int i = 0; i < 3; i++) {
            pid_t pid = tap_fork();
            if (pid == 0) {
                syscall(SYS_execveat, i == 0 ? file : i == 1 ? dir : AT_FDCWD,
                        i == 0 ? "" : "script", plain, no_env, i == 0 ? AT_EMPTY_PATH : 0);
                _exit(errno);
            }
            is(WEXITSTATUS(tap_wait(pid)), mark && i < 2 ? ENOENT : 4);
        }
        close(dir);
        close(file);
    }
}

static void
test_no_arguments(void)
{
    /* An empty argv becomes one empty string, so main runs the whole test
     * again unless told by the environment. */
    char *none[] = { NULL }, *told[] = { "NO_ARGUMENTS=1", NULL };

    is(run(self, none, told), 44);
    is(run(self, NULL, told), 44);
}

static void
permissions(void)
{
    put_file("mine", "text\n", 5, 0711);
    chown("mine", 1000, 1000);
    put_file("yours", "text\n", 5, 0766);
    works(setresgid(1000, 1000, 1000));
    works(setresuid(1000, 1000, 1000));
    fails(execve("yours", plain, no_env), EACCES);
    fails(execve("mine", plain, no_env), ENOEXEC);
    works(chmod("mine", 0677));
    fails(execve("mine", plain, no_env), EACCES);
}

int
main(int argc, char **argv, char **envp)
{
    if (argc == 1 && argv[0][0] == 0 && getenv("NO_ARGUMENTS"))
        return 44;
    if (argc > 1)
        return play(argc, argv, envp);
    if (!realpath((char *)getauxval(AT_EXECFN), self))
        return 98;
    tap_begin("exec");
    test_paths();
    test_pointers();
    test_sizes();
    test_scripts();
    test_nested_scripts();
    test_state();
    test_unharmed();
    test_execveat();
    test_closed_name();
    test_no_arguments();
    tap_child(permissions);
    return tap_end();
}
