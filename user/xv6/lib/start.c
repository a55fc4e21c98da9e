/* What happens before main() and after it. */
#include "call.h"

#define SIGPIPE 13
#define SIG_DFL 0UL
#define SIG_IGN 1UL

char **xv6_environment;
extern char xv6_guard[] LOCAL;

void
xv6_ignore_sigpipe(int ignore)
{
    struct {
        uint64 handler, flags, mask;
    } action = {ignore ? SIG_IGN : SIG_DFL, 0, 0};

    linux_call(rt_sigaction, SIGPIPE, &action, 0, 8);
}

/* exec hands trace()'s mask on as a variable. */
static void
find_trace_mask(void)
{
    static const char name[] = XV6_TRACE_VARIABLE;

    for (char **at = xv6_environment; *at; at++)
        if (memcmp(*at, name, sizeof(name) - 1) == 0)
            xv6_trace_mask = atoi(*at + sizeof(name) - 1);
}

/* The kernel's stack: argc, argv, a null pointer, the environment, another. */
void LOCAL
xv6_start(long *stack)
{
    extern int main(int argc, char **argv);
    int argc = (int)stack[0];
    char **argv = (char **)(stack + 1);

    xv6_environment = argv + argc + 1;
    linux_call(mprotect, xv6_guard, 4096, 0);
    xv6_ignore_sigpipe(1);
    find_trace_mask();
    exit(main(argc, argv));
}
