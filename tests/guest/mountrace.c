/*
 * Mounting and unmounting against walks, removals and the cache of names: what
 * each holds must outlive the mount. The verdict is that the machine lives, and
 * that of two calls that exclude each other one fails.
 */
#include "tap.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mount.h>

#define ROUNDS_NS 1200000000    /* how long each race goes on */

static volatile int stop;
static int64_t deadline;

static int
in_time(void)
{
    return now_ns() < deadline;
}

static void
start_clock(void)
{
    stop = 0;
    deadline = now_ns() + ROUNDS_NS;
}

static void *
walk_link(void *unused)
{
    struct stat st;

    while (!stop)
        stat("a/link", &st);
    return unused;
}

/* The file system of a link goes while the link's long text is walked elsewhere. */
static void
test_link(void)
{
    char text[3000] = "/proc/self";
    pthread_t walkers[2];
    int rounds = 0;

    mkdir("a", 0755);
    while (strlen(text) < 2900)
        strcat(text, "/fd/..");
    strcat(text, "/status");
    start_clock();
    for (int i = 0; i < 2; i++)
        pthread_create(&walkers[i], NULL, walk_link, NULL);
    for (; in_time(); rounds++) {
        if (mount("none", "a", "tmpfs", 0, "size=64k") || symlink(text, "a/link"))
            break;
        sleep_ms(rounds % 4);
        if (umount2("a", 0))
            umount2("a", MNT_DETACH);
        for (int i = 0; i < 4; i++)
            close(eventfd(0, 0));
    }
    ok(rounds > 0 && !in_time(), "%d mounts with walkers in them", rounds);
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(walkers[i], NULL);
}

static void *
drop_names(void *unused)
{
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

    while (!stop && pwrite(fd, "2", 1, 0) == 1)
        ;
    close(fd);
    return unused;
}

static void *
come_and_go(void *directory)
{
    static const char *const names[] = { "version", "uptime", "meminfo", "sys/kernel/ostype",
                                         "sys/vm/swappiness", "sys/fs/pipe-max-size" };
    char path[64];
    struct stat st;

    while (!stop) {
        mount("none", directory, "proc", 0, NULL);
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            snprintf(path, sizeof(path), "%s/%s", (char *)directory, names[i]);
            stat(path, &st);
        }
        umount2(directory, MNT_DETACH);
    }
    return NULL;
}

/* Names are thrown out of the cache while their file system goes. */
static void
test_cache(void)
{
    pthread_t threads[4];

    mkdir("p0", 0755);
    mkdir("p1", 0755);
    start_clock();
    pthread_create(&threads[0], NULL, come_and_go, "p0");
    pthread_create(&threads[1], NULL, come_and_go, "p1");
    for (int i = 2; i < 4; i++)
        pthread_create(&threads[i], NULL, drop_names, NULL);
    while (in_time())
        sleep_ms(20);
    stop = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ok(1, "the cache of names shrank while its file systems went");
}

static atomic_int round_no, done;
static int delay, removed;

static void *
remove_at_once(void *how)
{
    for (int seen = 0;; seen++) {
        while (atomic_load(&round_no) == seen)
            if (stop)
                return NULL;
        for (volatile int i = delay; i > 0; i--)
            ;
        if (*(char *)how == 'd')
            removed = rmdir("x") == 0;
        else if (*(char *)how == 'f')
            removed = unlink("x") == 0;
        else
            removed = rename("y", "x") == 0;
        atomic_store(&done, seen + 1);
    }
}

/* Mount on x, and at the same time remove it, or rename another over it. */
static void
race_removal(const char *how)
{
    pthread_t remover;
    int both = 0, rounds = 0;
    const char *on = *how == 'f' ? "file" : "dir";

    atomic_store(&round_no, 0);
    atomic_store(&done, 0);
    start_clock();
    pthread_create(&remover, NULL, remove_at_once, (void *)how);
    for (; in_time(); rounds++) {
        if (*how == 'f') {
            put_file("x", "", 0, 0644);
        } else {
            mkdir("x", 0755);
            mkdir("y", 0755);
        }
        delay = rounds * 131 % 6000;
        atomic_fetch_add(&round_no, 1);
        int mounted = mount(on, "x", NULL, MS_BIND, NULL) == 0;
        while (atomic_load(&done) != rounds + 1)
            sched_yield();
        both += mounted && removed && access("x/mark", F_OK) != 0;
        if (mounted)
            umount2("x", MNT_DETACH);
        unlink("x");
        rmdir("x");
        rmdir("y");
    }
    stop = 1;
    pthread_join(remover, NULL);
    is(both, 0);
}

static void *
change_mode(void *unused)
{
    for (unsigned mode = 0; !stop; mode ^= 0100)
        chmod("ro/f", 0600 | mode);
    return unused;
}

/* Once a mount is read-only, no change of an attribute that began before is still to come. */
static void
test_readonly(void)
{
    struct stat before, after;
    pthread_t thread;
    int late = 0;

    mkdir("ro", 0755);
    is(mount("none", "ro", "tmpfs", 0, "size=64k"), 0);
    put_file("ro/f", "", 0, 0600);
    start_clock();
    pthread_create(&thread, NULL, change_mode, NULL);
    while (in_time()) {
        if (mount(NULL, "ro", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
            continue; /* EBUSY: a change is under way */
        stat("ro/f", &before);
        sleep_ms(1);
        stat("ro/f", &after);
        late += before.st_mode != after.st_mode;
        mount(NULL, "ro", NULL, MS_REMOUNT | MS_BIND, NULL);
    }
    stop = 1;
    pthread_join(thread, NULL);
    is(late, 0);
    is(umount2("ro", MNT_DETACH), 0);
}

static int
pivot(const char *new_root, const char *put_old)
{
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

static void *
rename_across(void *unused)
{
    /* One of these is the way, according to what the root is just now. */
    while (!stop) {
        rename("/w/a/x", "/w/x");
        rename("/w/x", "/w/a/x");
        rename("/a/x", "/x");
        rename("/x", "/a/x");
    }
    return unused;
}

/* The root changes to a bind mount and back while directories move in the directory of put_old. */
static void
pivot_and_rename(void)
{
    pthread_t thread;
    int rounds = 0, failed = 0;

    works(chroot("n"));
    works(chdir("/"));
    start_clock();
    pthread_create(&thread, NULL, rename_across, NULL);
    for (; in_time(); rounds++) {
        failed += pivot("/w", "/w/old") != 0;
        failed += pivot("/old", "/old/w") != 0;
    }
    stop = 1;
    pthread_join(thread, NULL);
    is(failed, 0);
    ok(rounds > 0, "%d rounds", rounds);
}

static void
test_pivot(void)
{
    mkdir("n", 0755);
    is(mount("none", "n", "tmpfs", 0, NULL), 0);
    mkdir("n/w", 0755);
    mkdir("n/r", 0755);
    mkdir("n/r/old", 0755);
    mkdir("n/r/a", 0755);
    mkdir("n/r/a/x", 0755);
    is(mount("n/r", "n/w", NULL, MS_BIND, NULL), 0);
    tap_child(pivot_and_rename);
    is(umount2("n", MNT_DETACH), 0);
}

int
main(void)
{
    tap_begin("mountrace");
    is(mount("none", ".", "tmpfs", 0, NULL), 0);
    chdir(tap_directory);
    mkdir("dir", 0755);
    put_file("dir/mark", "", 0, 0644);
    put_file("file", "", 0, 0644);
    test_link();
    test_cache();
    race_removal("directory");
    race_removal("file");
    race_removal("over");
    test_readonly();
    is(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    test_pivot();
    chdir("/");
    umount2(tap_directory, MNT_DETACH);
    return tap_end();
}
