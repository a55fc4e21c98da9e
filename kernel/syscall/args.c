/*
 * Arguments that many calls share: times, signal sets, paths; see syscall.h.
 */
#include <linux/time_types.h>
#include "arch/riscv/clock.h"
#include "lib/path.h"
#include "mem/slab.h"
#include "sched/wait.h"
#include "syscall/syscall.h"
#include "vm/usercopy.h"

int
get_timespec(struct timespec64 *ts, vaddr_t user)
{
    struct __kernel_timespec raw;

    if (copyin(&raw, user, sizeof(raw)) < 0)
        return -EFAULT;
    if (raw.tv_sec < 0 || raw.tv_nsec < 0 || raw.tv_nsec >= (long long)NSEC_PER_SEC)
        return -EINVAL;
    *ts = (struct timespec64){raw.tv_sec, (uint32_t)raw.tv_nsec};
    return 0;
}

int
put_timespec(vaddr_t user, const struct timespec64 *ts)
{
    struct __kernel_timespec raw = {.tv_sec = ts->sec, .tv_nsec = ts->nsec};

    return copyout(user, &raw, sizeof(raw));
}

uint64_t
timespec_nsec(const struct timespec64 *ts)
{
    if ((uint64_t)ts->sec >= INT64_MAX / NSEC_PER_SEC)
        return INT64_MAX;
    return (uint64_t)ts->sec * NSEC_PER_SEC + ts->nsec;
}

struct timespec64
nsec_timespec(uint64_t nsec)
{
    return (struct timespec64){(int64_t)(nsec / NSEC_PER_SEC), (uint32_t)(nsec % NSEC_PER_SEC)};
}

uint64_t
deadline_after(uint64_t nsec)
{
    uint64_t now = clock_now();

    return nsec >= INT64_MAX - now ? DEADLINE_NEVER : now + nsec;
}

int
get_timeout(uint64_t *deadline, vaddr_t user)
{
    struct timespec64 ts;

    *deadline = DEADLINE_NEVER;
    if (!user)
        return 0;
    int error = get_timespec(&ts, user);
    if (!error)
        *deadline = deadline_after(timespec_nsec(&ts));
    return error;
}

int
get_sigset(uint64_t *set, vaddr_t user, uint64_t size)
{
    if (size != sizeof(*set))
        return -EINVAL;
    return get_user64(set, user);
}

char *
get_path(vaddr_t user)
{
    char *path = kmalloc(PATH_MAX);

    if (!path)
        return err_ptr(-ENOMEM);
    ssize_t length = copyinstr(path, user, PATH_MAX);
    if (length < 0) {
        kmfree(path);
        return err_ptr(length);
    }
    return path;
}
