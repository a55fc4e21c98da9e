/*
 * /proc/frames, Quire's account of every physical frame by owner: it adds
 * up, and a thousand programs later it says what it said before. An argument
 * makes it so many thousand.
 */
#include "tap.h"
#include "account.h"
#include <sys/auxv.h>

#define WORKERS 4
#define RUNS 250                /* of each worker */

static char self[512];

/* fork, exec, exit, so often, in several processes at once. */
static int
run_programs(int runs)
{
    char *argv[] = { "frames", "--exit", NULL }, *envp[] = { NULL };
    pid_t worker[WORKERS];
    int good = 0;

    for (int w = 0; w < WORKERS; w++) {
        worker[w] = tap_fork();
        if (worker[w] == 0) {
            for (int i = 0; i < runs; i++) {
                pid_t pid = i & 1 ? fork() : vfork();
                if (pid == 0) {
                    execve(self, argv, envp);
                    _exit(1);
                }
                if (pid < 0 || tap_wait(pid) != 0)
                    _exit(1);
            }
            _exit(0);
        }
    }
    for (int w = 0; w < WORKERS; w++)
        good += tap_wait(worker[w]) == 0;
    return good;
}

int
main(int argc, char **argv)
{
    static struct account before, after;

    if (argc > 1 && !strcmp(argv[1], "--exit"))
        return 0;
    if (!realpath((char *)getauxval(AT_EXECFN), self))
        return 98;
    tap_begin("frames");
    if (account_read(&before) < 0) {
        tap_skip("no /proc/frames");
        return tap_end();
    }
    ok(before.n >= 5, "%d owners", before.n);
    is(account_sum(&before), before.total);
    is(run_programs(RUNS), WORKERS);    /* to fill the caches of every hart */
    sleep_ms(20);
    account_read(&before);
    for (int rounds = argc > 1 ? atoi(argv[1]) : 1; rounds > 0; rounds--) {
        is(run_programs(RUNS), WORKERS);
        alarm(TAP_SECONDS);
    }
    account_settle(&before, &after);    /* the last of the dead may still be leaving */
    account_alike(&before, &after, 1);
    is(account_sum(&after), after.total);
    is(after.total, before.total);
    return tap_end();
}
