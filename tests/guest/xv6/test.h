/*
 * What the course's tests share, in our own version of them: usertests,
 * pgtbltest, cowtest, lazytests. They are programs of xv6, built as `make xv6`
 * builds any, so they test its library and the kernel below it at once; and
 * they run on Linux, too, but for what only Quire has.
 *
 *      usertests               all tests, the slow ones last
 *      usertests copyin        some of them, by name
 *      usertests -q            all but the slow ones
 *
 * Each test runs in a process of its own and in an empty directory, prints
 * "test NAME: OK" or FAILED, and passes if it exits with 0. When the last one
 * did: "ALL TESTS PASSED".
 */
#ifndef QUIRE_XV6_TEST_H
#define QUIRE_XV6_TEST_H

#include "kernel/param.h"
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fs.h"
#include "kernel/fcntl.h"
#include "kernel/memlayout.h"
#include "kernel/riscv.h"
#include "user/user.h"

enum { FAST, SLOW };

struct test {
    const char *name;
    void (*run)(void);
    int slow;
};

#define TEST(name) {#name, test_##name, FAST}
#define SLOW_TEST(name) {#name, test_##name, SLOW}

#define FAILED_SBRK ((char *)-1)

/* Say why and end this process with 1. */
#define FAIL(...) (printf("%s:%d: ", __FILE__, __LINE__), printf(__VA_ARGS__), printf("\n"), exit(1))
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            FAIL("not so: %s", #condition);                                                        \
    } while (0)

/* Run tests, ended by one without a name, as the arguments say; main's value. */
int run_tests(const struct test *tests, int argc, char **argv);

/* Run f in a child; what wait() tells of it. 0 if it returns. */
int status_of(void (*f)(void *), void *argument);
/* Start f in a child; its pid. */
int start(void (*f)(void *), void *argument);
/* Wait for a child that must have ended so. */
void expect_status(int wanted);

/* Touch what must kill: a byte read or written at an address. */
int kills_by_reading(uint64 address);
int kills_by_writing(uint64 address);

/* A file with n bytes of the letter c; open or read errors end the process. */
void make_file(const char *name, char c, int n);
/* Its size, all of whose bytes must be c. */
int count_file(const char *name, char c);
int exists(const char *name);

/* Move the heap's top up to a page, and return it. */
char *page_top(void);

/* Addresses where no program may have memory. */
extern const uint64 wild_addresses[];
extern const int nwild_addresses;

#endif
