/*
 * RAM for host tests of kernel/mem: an arena that stands for physical memory
 * from HOST_RAM_BASE up, and a panic that a test can expect.
 */
#ifndef HOST_MEM_H
#define HOST_MEM_H

#include <setjmp.h>

#include "arch/riscv/machine.h"
#include "lib/types.h"

#define HOST_RAM_BASE 0x80000000UL
#define HOST_RAM_SIZE (256UL << 20) /* of address space; only what is touched costs memory */

/* One bank of this size from HOST_RAM_BASE, 1 MiB of it reserved, and frame_init(). */
void host_mem_init(uint64_t size);

/* The last line that printk() was given. */
extern char host_log[256];
/* The message of the last panic that was expected. */
extern char host_panic_message[512];
extern jmp_buf host_panic_return;
extern int host_panic_expected;

/* True if the statement panics with a message that contains `text`. */
#define PANICS(statement, text)                                                                    \
    ({                                                                                             \
        volatile bool panicked_ = false;                                                           \
        if (setjmp(host_panic_return) == 0) {                                                      \
            host_panic_expected = 1;                                                               \
            statement;                                                                             \
        } else {                                                                                   \
            panicked_ = strstr(host_panic_message, text) != NULL;                                  \
            if (!panicked_)                                                                        \
                print_message("panic says: %s\n", host_panic_message);                             \
        }                                                                                          \
        host_panic_expected = 0;                                                                   \
        panicked_;                                                                                 \
    })

/*
 * Run a function in a process of its own, for what can be initialised only
 * once; true if it returns. It checks with CHECK(), for cmocka's assertions
 * would go on with the next test there.
 */
bool host_in_child(void (*fn)(void *arg), void *arg);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
