/*
 * Files under several threads and processes at once: names that come, go and
 * move, descriptors that are closed while used, mappings of files that
 * shrink, mounts that go. Afterwards nothing is left over and the counts are
 * right.
 */
#include "tap.h"
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/vfs.h>

#define NTHREADS 4
#define ROUNDS 600
#define NDIRS 3
#define NNAMES 6

static uint64_t
next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* A name in one of the directories; some are too long to fit a small buffer. */
static void
random_name(uint64_t *state, char name[128])
{
    uint64_t r = next_random(state);

    snprintf(name, 128, "d%u/%s%u", (unsigned)(r % NDIRS),
             r & 1024 ? "a-name-of-more-than-thirty-two-letters-" : "n",
             (unsigned)(r / 16 % NNAMES));
}

static void
list(const char *name)
{
    DIR *dir = opendir(name);

    if (!dir)
        return;
    while (readdir(dir))
        ;
    closedir(dir);
}

static void
one_operation(uint64_t *state)
{
    char a[128], b[128], target[128];
    struct stat st;
    int fd;

    random_name(state, a);
    random_name(state, b);
    switch (next_random(state) % 12) {
    case 0:
    case 1:
        fd = open(a, O_CREAT | O_RDWR, 0644);
        if (fd >= 0) {
            write(fd, a, strlen(a));
            close(fd);
        }
        break;
    case 2: unlink(a); break;
    case 3: rename(a, b); break;
    case 4: syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2); break;
    case 5: mkdir(a, 0755); break;
    case 6: rmdir(a); break;
    case 7: link(a, b); break;
    case 8:
        snprintf(target, sizeof(target), "../%s", b);
        symlink(target, a);
        break;
    case 9: stat(a, &st); break;
    case 10: readlink(a, target, sizeof(target)); break;
    case 11: list("d0"); break;
    }
}

static void *
shuffle(void *argument)
{
    uint64_t state = (uintptr_t)argument * 7919 + 17;

    for (int i = 0; i < ROUNDS; i++)
        one_operation(&state);
    return NULL;
}

/* Remove all that is in a directory (directories in it are empty, or have directories). */
static void
clear(const char *name)
{
    char path[600];
    struct dirent *entry;
    DIR *dir = opendir(name);

    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
        if (unlink(path) < 0 && errno == EISDIR && rmdir(path) < 0) {
            clear(path);
            rmdir(path);
        }
    }
    closedir(dir);
}

static void
run_threads(void *(*fn)(void *))
{
    pthread_t threads[NTHREADS];

    for (long i = 0; i < NTHREADS; i++)
        pthread_create(&threads[i], NULL, fn, (void *)(i + 1));
    for (int i = 0; i < NTHREADS; i++)
        pthread_join(threads[i], NULL);
}

static void
test_names(void)
{
    char name[8];
    struct stat st;
    struct statfs before, after;

    statfs(".", &before);
    for (int i = 0; i < NDIRS; i++) {
        snprintf(name, sizeof(name), "d%d", i);
        mkdir(name, 0755);
    }
    run_threads(shuffle);
    for (int i = 0; i < NDIRS; i++) {
        snprintf(name, sizeof(name), "d%d", i);
        clear(name);
        stat(name, &st);
        is(st.st_nlink, 2);
        is(rmdir(name), 0);
    }
    statfs(".", &after);
    is(before.f_ffree - after.f_ffree, 0);
    is(before.f_bfree - after.f_bfree, 0);
}

static atomic_int stop, wrong;

/* The name always leads to one of two files, however often it is replaced. */
static void *
watch(void *argument)
{
    struct stat st;

    (void)argument;
    while (!stop)
        if (stat("target", &st) < 0)
            wrong++;
    return NULL;
}

static void
test_replace(void)
{
    pthread_t threads[2];

    close(open("target", O_CREAT | O_RDWR, 0644));
    stop = wrong = 0;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, watch, NULL);
    for (int i = 0; i < 1000; i++) {
        close(open("fresh", O_CREAT | O_RDWR, 0644));
        rename("fresh", "target");
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    is(wrong, 0);
    is(unlink("target"), 0);
}

#define SHARED_PAGES 16

static __thread sigjmp_buf escape;
static char *mapped;

static void
on_bus_error(int signal)
{
    siglongjmp(escape, signal);
}

/* A function of its own, so that nothing changes between sigsetjmp and siglongjmp. */
static void __attribute__((noinline))
touch(size_t offset)
{
    if (sigsetjmp(escape, 1) == 0)
        mapped[offset]++;
}

static void *
touch_mapping(void *argument)
{
    uint64_t state = (uintptr_t)argument;

    for (int i = 0; i < 2000; i++)
        touch(next_random(&state) % (SHARED_PAGES * PAGE));
    return NULL;
}

static void *
resize(void *argument)
{
    uint64_t state = 99;

    while (!stop)
        ftruncate(*(int *)argument, next_random(&state) % (SHARED_PAGES * PAGE));
    return NULL;
}

/* Pages that truncation takes are gone for every mapping, at once and for good. */
static void
test_truncate(void)
{
    static char page[PAGE];
    pthread_t resizer;
    int fd = open("mapped", O_CREAT | O_RDWR, 0644), dirty = 0;

    signal(SIGBUS, on_bus_error);
    ftruncate(fd, SHARED_PAGES * PAGE);
    mapped = mmap(NULL, SHARED_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    stop = 0;
    pthread_create(&resizer, NULL, resize, &fd);
    run_threads(touch_mapping);
    stop = 1;
    pthread_join(resizer, NULL);

    ftruncate(fd, 0);
    ftruncate(fd, SHARED_PAGES * PAGE);
    for (int i = 0; i < SHARED_PAGES; i++) {
        pread(fd, page, PAGE, i * PAGE);
        for (size_t j = 0; j < PAGE; j++)
            dirty += page[j] != 0;
        dirty += mapped[i * PAGE] != 0;
    }
    is(dirty, 0);
    mapped[0] = 'x';
    is(pread(fd, page, 1, 0), 1);
    is(page[0], 'x');
    munmap(mapped, SHARED_PAGES * PAGE);
    close(fd);
    unlink("mapped");
}

/* Descriptors that others close and reuse meanwhile lead somewhere or nowhere. */
static void *
juggle(void *argument)
{
    uint64_t state = (uintptr_t)argument;
    struct stat st;
    char byte = 0;

    for (int i = 0; i < 1500; i++) {
        int fd = 100 + next_random(&state) % 8;
        switch (next_random(&state) % 6) {
        case 0: dup2(open("juggled", O_RDWR), fd); break;
        case 1: close(fd); break;
        case 2: fstat(fd, &st); break;
        case 3: pwrite(fd, &byte, 1, 0); break;
        case 4: pread(fd, &byte, 1, 0); break;
        case 5: fcntl(fd, F_DUPFD, 100); break;
        }
        close(3 + next_random(&state) % 60);
    }
    return NULL;
}

static void
test_descriptors(void)
{
    pid_t pid = tap_fork();
    int status;

    if (pid == 0) {
        close(open("juggled", O_CREAT | O_RDWR, 0644));
        run_threads(juggle);
        _exit(0);
    }
    is(waitpid(pid, &status, 0), pid);
    is(status, 0);
    unlink("juggled");
}

/* Appending from several processes loses nothing. */
static void
test_append(void)
{
    char line[32];
    struct stat st;

    for (int i = 0; i < NTHREADS; i++) {
        if (tap_fork() == 0) {
            int fd = open("log", O_CREAT | O_WRONLY | O_APPEND, 0644);
            memset(line, 'a' + i, sizeof(line));
            for (int j = 0; j < 200; j++)
                write(fd, line, sizeof(line));
            _exit(0);
        }
    }
    for (int i = 0; i < NTHREADS; i++)
        wait(NULL);
    stat("log", &st);
    is(st.st_size, NTHREADS * 200 * (int)sizeof(line));
    int fd = open("log", O_RDONLY), torn = 0;
    while (read(fd, line, sizeof(line)) == sizeof(line))
        for (size_t j = 1; j < sizeof(line); j++)
            torn += line[j] != line[0];
    is(torn, 0);
    close(fd);
    unlink("log");
}

/* A lock that one holds keeps the other out: a counter in the file never loses a step. */
static void
test_locked_counter(void)
{
    int fd = open("counter", O_CREAT | O_RDWR, 0644), value = 0;

    pwrite(fd, &value, sizeof(value), 0);
    for (int i = 0; i < NTHREADS; i++) {
        if (tap_fork() == 0) {
            int mine = open("counter", O_RDWR);
            struct flock lock = {.l_type = F_WRLCK};
            for (int j = 0; j < 100; j++) {
                if (i % 2)
                    flock(mine, LOCK_EX);
                lock.l_type = F_WRLCK;
                fcntl(mine, F_SETLKW, &lock);
                pread(mine, &value, sizeof(value), 0);
                value++;
                sched_yield();
                pwrite(mine, &value, sizeof(value), 0);
                lock.l_type = F_UNLCK;
                fcntl(mine, F_SETLK, &lock);
                if (i % 2)
                    flock(mine, LOCK_UN);
            }
            _exit(0);
        }
    }
    for (int i = 0; i < NTHREADS; i++)
        wait(NULL);
    pread(fd, &value, sizeof(value), 0);
    is(value, NTHREADS * 100);
    close(fd);
    unlink("counter");
}

static void *
look_under(void *argument)
{
    char path[64];
    struct stat st;
    int i = 0;

    (void)argument;
    while (!stop) {
        snprintf(path, sizeof(path), "m/a/../a/f%d", i++ % 3);
        stat(path, &st);
        int fd = open(path, O_CREAT | O_RDWR, 0644);
        if (fd >= 0)
            close(fd);
    }
    return NULL;
}

/* Mounting and unmounting over names that others walk through. */
static void
test_mounts(void)
{
    pthread_t threads[2];
    int mounted = 0;

    mkdir("m", 0755);
    mkdir("m/a", 0755);
    stop = 0;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, look_under, NULL);
    for (int i = 0; i < 40; i++) {
        if (mount("none", "m", "tmpfs", 0, "size=1m") < 0)
            break;
        mounted++;
        mkdir("m/a", 0755);
        sched_yield();
        umount2("m", MNT_DETACH);
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    is(mounted, 40);
    clear("m");
    is(rmdir("m"), 0);
}

static int full[2]; /* a pipe without room */
static int source;
static atomic_int sender; /* thread id */

static void *
send_and_wait(void *unused)
{
    atomic_store(&sender, gettid());
    return sendfile(full[1], source, NULL, 100) == 100 ? unused : &full;
}

/* A sendfile() that waits for its reader does not hold the input's position meanwhile. */
static void
test_sendfile(void)
{
    char path[64], text[64], *state;
    pthread_t thread;
    void *failed = &full;

    put_file("source", "0123456789", 10, 0644);
    works(source = open("source", O_RDWR));
    is(ftruncate(source, 1000), 0);
    works(pipe2(full, O_NONBLOCK));
    while (write(full[1], text, 1) == 1)
        ;
    fcntl(full[1], F_SETFL, 0);
    pthread_create(&thread, NULL, send_and_wait, NULL);
    do { /* until it sleeps */
        sched_yield();
        snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&sender));
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        close(fd);
        state = strrchr(text, ')');
    } while (!state || state[2] != 'S');
    is(lseek(source, 5, SEEK_SET), 5);
    is(read(source, text, 2), 2);
    is(text[0], '5');
    fcntl(full[0], F_SETFL, O_NONBLOCK);
    for (size_t got = 0; got < 65536 + 100;) {
        char buffer[4096];
        ssize_t n = read(full[0], buffer, sizeof(buffer));
        got += n > 0 ? (size_t)n : 0;
        if (n < 0)
            sched_yield();
    }
    pthread_join(thread, &failed);
    ok(!failed, "all was sent");
    is(lseek(source, 0, SEEK_CUR), 100);
    close(source);
    close(full[0]);
    close(full[1]);
    unlink("source");
}

int
main(void)
{
    tap_begin("filerace");
    mkdir("t", 0755);
    is(mount("none", "t", "tmpfs", 0, "size=16m"), 0);
    chdir("t");
    test_names();
    test_replace();
    test_truncate();
    test_descriptors();
    test_append();
    test_locked_counter();
    test_mounts();
    test_sendfile();
    chdir("..");
    is(umount("t"), 0);
    is(rmdir("t"), 0);
    return tap_end();
}
