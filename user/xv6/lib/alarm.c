/*
 * sigalarm(ticks, handler): call handler after every so many ticks of the
 * processor's time that the program uses, but never while it runs already;
 * sigreturn(), called at its end, goes on where the program was.
 *
 * Underneath is SIGPROF with a stack of its own. sigreturn() jumps back into
 * the signal's handler, whose return restores all registers.
 */
#include "call.h"

#define SIGPROF 27
#define ITIMER_PROF 2
#define SA_RESTART 0x10000000
#define SA_ONSTACK 0x08000000
#define USEC_PER_TICK 100000L
#define TICKS_PER_SECOND 10

static void (*handler)();
static void *within[5]; /* where sigreturn() jumps to */

static void __attribute__((noinline))
on_signal(int signal)
{
    (void)signal;
    if (__builtin_setjmp(within) == 0)
        handler();
}

int
sigreturn(void)
{
    __builtin_longjmp(within, 1);
}

int
sigalarm(int ticks, void (*function)())
{
    static char stack[16384] __attribute__((aligned(16)));
    struct {
        void *at;
        int flags;
        uint64 size;
    } alternate = {stack, 0, sizeof(stack)};
    struct {
        void (*handler)(int);
        uint64 flags, mask;
    } action = {on_signal, SA_RESTART | SA_ONSTACK, 0};
    long period[2] = {ticks / TICKS_PER_SECOND, ticks % TICKS_PER_SECOND * USEC_PER_TICK};
    long timer[4] = {period[0], period[1], period[0], period[1]};

    if (ticks < 0)
        return xv6_result(SYS_sigalarm, -1);
    if (ticks > 0) {
        handler = function;
        linux_call(sigaltstack, &alternate, 0);
        linux_call(rt_sigaction, SIGPROF, &action, 0, 8);
    }
    return xv6_result(SYS_sigalarm, linux_call(setitimer, ITIMER_PROF, timer, 0));
}
