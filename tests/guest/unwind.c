/*
 * Unwinding a stack from a signal handler to what the signal interrupted, as
 * debuggers, backtraces and exceptions do it: through the vDSO's rt_sigreturn,
 * with every register as it was, and with clean-ups run on the way.
 */
#include "vdso.h"
#include <setjmp.h>
#include <ucontext.h>
#include <unwind.h>

static void *vdso_sigreturn;

static volatile unsigned long handler_return, saved_s1;
static struct {
    unsigned long pc, s1;
    int found_sigreturn, found_trap, found_caller, before_insn, depth;
} unwound;
static unsigned long trap_pc;

static void break_caller(void);

static _Unwind_Reason_Code
frame_seen(struct _Unwind_Context *context, void *unused)
{
    int before = 0;
    unsigned long pc = _Unwind_GetIPInfo(context, &before);

    (void)unused;
    unwound.depth++;
    if (pc == (unsigned long)vdso_sigreturn)
        unwound.found_sigreturn = 1;
    if (pc == trap_pc) {
        unwound.found_trap = 1;
        unwound.before_insn = before;
        unwound.s1 = _Unwind_GetGR(context, 9);
    }
    if (_Unwind_FindEnclosingFunction((void *)(pc - 1)) == (void *)break_caller)
        unwound.found_caller = unwound.found_trap;
    return unwound.depth < 64 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void
on_trap(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)number;
    (void)info;
    handler_return = (unsigned long)__builtin_return_address(0);
    trap_pc = uc->uc_mcontext.__gregs[REG_PC];
    saved_s1 = uc->uc_mcontext.__gregs[9];
    memset(&unwound, 0, sizeof(unwound));
    _Unwind_Backtrace(frame_seen, NULL);
    uc->uc_mcontext.__gregs[REG_PC] += 4;
}

/* Stop in the middle of a function, with a value in a register that is saved. */
static long __attribute__((noipa)) /* who knows its body knows that it throws nothing */
break_here(long value)
{
    register long s1 __asm__("s1") = value;

    __asm__ volatile(".option push\n.option norvc\nebreak\n.option pop"
                     : "+r"(s1) : : "memory");
    return s1;
}

static void __attribute__((noinline))
break_caller(void)
{
    is(break_here(0x123456789), 0x123456789);
    __asm__ volatile("" : : : "memory");
}

static void
test_unwinding(int flags)
{
    struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | flags };
    char *altstack = pages(16);
    stack_t stack = { .ss_sp = altstack, .ss_size = 16 * PAGE };

    sigaltstack(&stack, NULL);
    sigaction(SIGTRAP, &action, NULL);
    break_caller();
    ok(handler_return == (unsigned long)vdso_sigreturn, "handlers return into the vDSO");
    ok(unwound.found_sigreturn, "the unwinder finds it (%d frames)", unwound.depth);
    ok(unwound.found_trap, "and what the signal interrupted, to the instruction");
    ok(unwound.before_insn, "which it knows to be no call's");
    ok(unwound.s1 == 0x123456789 && saved_s1 == 0x123456789, "with its registers");
    ok(unwound.found_caller, "and its caller");
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    munmap(altstack, 16 * PAGE);
    signal(SIGTRAP, SIG_DFL);
}

/* --- exceptions ------------------------------------------------------------ */

static sigjmp_buf out;
static struct _Unwind_Exception exception;
static volatile int cleaned;
static volatile long kept;

static void test_throwing(void);

static _Unwind_Reason_Code
stop_at_test(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
             struct _Unwind_Exception *e, struct _Unwind_Context *context, void *unused)
{
    int before = 0;
    unsigned long pc = _Unwind_GetIPInfo(context, &before);

    (void)version, (void)class, (void)e, (void)unused;
    if (actions & _UA_END_OF_STACK)
        siglongjmp(out, 2);
    if (_Unwind_FindEnclosingFunction((void *)(pc - !before)) == (void *)test_throwing)
        siglongjmp(out, 1);
    return _URC_NO_REASON;
}

static void
throw(int number)
{
    (void)number;
    _Unwind_ForcedUnwind(&exception, stop_at_test, NULL);
    _exit(1);
}

static void
clean(long *value)
{
    cleaned++;
    kept = *value;
}

/* The value to clean up is in a saved register while the trap happens further down. */
static void __attribute__((noinline))
with_cleanup(long value)
{
    long mine __attribute__((cleanup(clean))) = value * 3;

    break_here(mine);
    break_here(mine);
}

static void __attribute__((noinline))
test_throwing(void)
{
    struct sigaction action = { .sa_handler = throw, .sa_flags = SA_NODEFER };

    sigaction(SIGTRAP, &action, NULL);
    for (volatile int i = 1; i <= 3; i++) {
        int how = sigsetjmp(out, 1);
        if (how == 0)
            with_cleanup(i * 1000003L);
        is(how, 1);
        is(cleaned, i);
        is(kept, i * 3000009L);
    }
    signal(SIGTRAP, SIG_DFL);
}

int
main(void)
{
    tap_begin("unwind");
    vdso_open();
    vdso_sigreturn = vdso_find("__vdso_rt_sigreturn");
    if (on_quire())             /* others leave it to the unwinder to know the two instructions */
        ok(_Unwind_FindEnclosingFunction(vdso_sigreturn) != NULL,
           "rt_sigreturn's frame is described");
    test_unwinding(0);
    test_unwinding(SA_ONSTACK);
    test_throwing();
    return tap_end();
}
