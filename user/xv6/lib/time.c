/* Time in ticks of a tenth of a second. */
#include "call.h"

#define TICKS_PER_SECOND 10
#define NSEC_PER_TICK 100000000L
#define CLOCK_BOOTTIME 7

struct time {
    long seconds, nsec;
};

int
sleep(int ticks)
{
    struct time left = {ticks / TICKS_PER_SECOND, ticks % TICKS_PER_SECOND * NSEC_PER_TICK};

    while (ticks > 0 && linux_call(nanosleep, &left, &left) == -EINTR)
        ;
    return xv6_result(SYS_sleep, 0);
}

/* sleep's newer name. */
int
pause(int ticks)
{
    return sleep(ticks);
}

/* Ticks since the machine started. */
int
uptime(void)
{
    struct time now = {0, 0};

    linux_call(clock_gettime, CLOCK_BOOTTIME, &now);
    return xv6_result(SYS_uptime, now.seconds * TICKS_PER_SECOND + now.nsec / NSEC_PER_TICK);
}
