/*
 * The types and small macros that every file uses.
 */
#ifndef QUIRE_LIB_TYPES_H
#define QUIRE_LIB_TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t paddr_t; /* physical address */
typedef uint64_t vaddr_t; /* virtual address, the kernel's or a user's */
#ifndef QUIRE_HOST
typedef int64_t ssize_t;
#else
#include <sys/types.h>
#endif

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (PAGE_SIZE - 1)

#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define ALIGN_UP(x, a) ALIGN_DOWN((x) + (a) - 1, a)
#define PAGE_ALIGN_DOWN(x) ALIGN_DOWN((x), PAGE_SIZE)
#define PAGE_ALIGN_UP(x) ALIGN_UP((x), PAGE_SIZE)
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define BIT(n) (1UL << (n))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define min(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) min_a = (a);                                                                 \
        __typeof__(b) min_b = (b);                                                                 \
        min_a < min_b ? min_a : min_b;                                                             \
    })
#define max(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) max_a = (a);                                                                 \
        __typeof__(b) max_b = (b);                                                                 \
        max_a > max_b ? max_a : max_b;                                                             \
    })
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define CONCAT_(a, b) a##b
#define CONCAT(a, b) CONCAT_(a, b)

#define __noreturn __attribute__((noreturn))
#define __must_check __attribute__((warn_unused_result))
#define __unused __attribute__((unused))
/*
 * The compiler zeroes all local variables (Makefile), so that none tells what the stack held.
 * Not this one: it is large, on a hot path, and written before it is read.
 */
#define __uninitialized __attribute__((uninitialized))
#define __packed __attribute__((packed))
#define __aligned(n) __attribute__((aligned(n)))
#define __cacheline __attribute__((aligned(64)))
#define __noinline __attribute__((noinline))
#define __printf_like(fmt, args) __attribute__((format(printf, fmt, args)))

/* True if [start, start + size) does not wrap and lies below limit. */
static inline bool
range_below(uint64_t start, uint64_t size, uint64_t limit)
{
    return size <= limit && start <= limit - size;
}

#endif
