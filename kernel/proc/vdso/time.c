/*
 * The clocks without a trap: the time CSR, scaled exactly as clock_now() scales
 * it, and for the time of day the offset that the kernel itself adds. Clocks
 * of processes and threads, alarm clocks, clocks that there are not, and
 * machines whose harts keep the time CSR from user mode take the system call.
 *
 * Results are what the kernel's functions of the same names return: 0 or a
 * negative errno. The C library makes -1 and errno of them.
 */
#include <asm/unistd.h>
#include <linux/time.h>
#include <linux/time_types.h>
#include "arch/riscv/clock.h"
#include "arch/riscv/csr.h"
#include "proc/clock.h"
#include "proc/vdso/user.h"

#define COARSE_CLOCKS (BIT(CLOCK_REALTIME_COARSE) | BIT(CLOCK_MONOTONIC_COARSE))
#define UPTIME_CLOCKS                                                                              \
    (BIT(CLOCK_MONOTONIC) | BIT(CLOCK_MONOTONIC_RAW) | BIT(CLOCK_BOOTTIME) |                       \
     BIT(CLOCK_MONOTONIC_COARSE))
#define REALTIME_CLOCKS (BIT(CLOCK_REALTIME) | BIT(CLOCK_REALTIME_COARSE) | BIT(CLOCK_TAI))

/* The functions are found by name, in the dynamic symbol table alone. */
int __vdso_clock_gettime(int clock, struct __kernel_timespec *ts);
int __vdso_gettimeofday(struct __kernel_old_timeval *tv, struct timezone *tz);
int __vdso_clock_getres(int clock, struct __kernel_timespec *res);

static inline bool
clock_in(int clock, uint64_t clocks)
{
    return (unsigned)clock < 64 && (clocks >> clock & 1);
}

/* Nanoseconds since boot. The CSR first and the offset after it, as in the kernel. */
static inline uint64_t
uptime(void)
{
    return clock_scale(rdtime() - vdso_data.clock_base, vdso_data.clock_mult,
                       vdso_data.clock_shift);
}

static inline uint64_t
realtime(void)
{
    uint64_t nsec = uptime();
    return nsec + __atomic_load_n(&vdso_data.realtime_offset, __ATOMIC_RELAXED);
}

static inline bool
put_timespec(struct __kernel_timespec *ts, uint64_t nsec)
{
    return put((uint64_t *)&ts->tv_sec, nsec / NSEC_PER_SEC) &&
           put((uint64_t *)&ts->tv_nsec, nsec % NSEC_PER_SEC);
}

int
__vdso_clock_gettime(int clock, struct __kernel_timespec *ts)
{
    if (vdso_data.time_readable) {
        if (clock_in(clock, UPTIME_CLOCKS)) {
            if (put_timespec(ts, uptime()))
                return 0;
        } else if (clock_in(clock, REALTIME_CLOCKS)) {
            if (put_timespec(ts, realtime()))
                return 0;
        }
    }
    return (int)system_call(__NR_clock_gettime, clock, (long)ts, 0, 0, 0);
}

/* Either pointer may be NULL. */
int
__vdso_gettimeofday(struct __kernel_old_timeval *tv, struct timezone *tz)
{
    if (vdso_data.time_readable) {
        uint64_t nsec = realtime();
        bool good = !tv || (put((uint64_t *)&tv->tv_sec, nsec / NSEC_PER_SEC) &&
                            put((uint64_t *)&tv->tv_usec, nsec % NSEC_PER_SEC / NSEC_PER_USEC));
        if (good && (!tz || (put32(&tz->tz_minuteswest, 0) && put32(&tz->tz_dsttime, 0))))
            return 0;
    }
    return (int)system_call(__NR_gettimeofday, (long)tv, (long)tz, 0, 0, 0);
}

int
__vdso_clock_getres(int clock, struct __kernel_timespec *res)
{
    if (clock_in(clock, UPTIME_CLOCKS | REALTIME_CLOCKS))
        if (!res || put_timespec(res, clock_in(clock, COARSE_CLOCKS) ? CLOCK_COARSE_NSEC : 1))
            return 0;
    return (int)system_call(__NR_clock_getres, clock, (long)res, 0, 0, 0);
}
