/*
 * Rows about calls and files: the bare call, reading and writing of devices
 * and of cached files, names, directories.
 */
#include "bench.h"
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KIB 1024
#define MIB (1024 * 1024)
#define NAMES 1000
#define WATCHED 100

static char *buffer;
static int zero, null, file;

REPEAT(run_null, syscall(SYS_getppid))
REPEAT(run_clock, now())
REPEAT(run_read_zero_1, read(zero, buffer, 1))
REPEAT(run_read_zero_4k, read(zero, buffer, 4 * KIB))
REPEAT(run_read_zero_1m, read(zero, buffer, MIB))
REPEAT(run_write_null_1, write(null, buffer, 1))
REPEAT(run_write_null_4k, write(null, buffer, 4 * KIB))
REPEAT(run_write_null_1m, write(null, buffer, MIB))
REPEAT(run_read_file_1, pread(file, buffer, 1, 0))
REPEAT(run_read_file_4k, pread(file, buffer, 4 * KIB, 0))
REPEAT(run_read_file_1m, pread(file, buffer, MIB, 0))
REPEAT(run_write_file_1, pwrite(file, buffer, 1, 0))
REPEAT(run_write_file_4k, pwrite(file, buffer, 4 * KIB, 0))
REPEAT(run_write_file_1m, pwrite(file, buffer, MIB, 0))

static void
open_all(void)
{
    buffer = malloc(MIB);
    must(buffer != NULL, "a buffer");
    memset(buffer, 1, MIB);
    zero = open("/dev/zero", O_RDONLY);
    null = open("/dev/null", O_WRONLY);
    file = open("file", O_CREAT | O_RDWR, 0600);
    must(zero >= 0 && null >= 0 && file >= 0, "opening files");
    must(write(file, buffer, MIB) == MIB, "writing a file of 1 MiB");
}

static void
close_all(void)
{
    close(zero);
    close(null);
    close(file);
    unlink("file");
    free(buffer);
}

static struct stat status;

REPEAT(run_stat, stat("name", &status))
REPEAT(run_open, close(open("name", O_RDONLY)))
REPEAT(run_create, close(open("new", O_CREAT | O_EXCL | O_RDWR, 0600));
                   unlink("new"))

static void
make_name(void)
{
    int fd = open("name", O_CREAT | O_RDWR, 0600);

    must(fd >= 0, "creating a file");
    close(fd);
}

static void
remove_name(void)
{
    unlink("name");
}

static int directory;
static char records[32 * KIB];

REPEAT(run_getdents,
       lseek(directory, 0, SEEK_SET);
       while (syscall(SYS_getdents64, directory, records, sizeof(records)) > 0)
           ;
)

static void
make_directory(void)
{
    char name[32];

    must(mkdir("many", 0755) == 0, "mkdir");
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "many/name%d", i);
        int fd = open(name, O_CREAT | O_RDWR, 0600);
        must(fd >= 0, name);
        close(fd);
    }
    directory = open("many", O_RDONLY);
}

static void
remove_directory(void)
{
    char name[32];

    close(directory);
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "many/name%d", i);
        unlink(name);
    }
    rmdir("many");
}

static struct pollfd watched[WATCHED];

REPEAT(run_poll, poll(watched, WATCHED, 0))

static void
open_watched(void)
{
    for (int i = 0; i < WATCHED; i += 2) {
        int fd[2];
        must(pipe(fd) == 0, "pipe");
        watched[i] = (struct pollfd){ fd[0], POLLIN, 0 };
        watched[i + 1] = (struct pollfd){ fd[1], POLLPRI, 0 };
    }
}

static void
close_watched(void)
{
    for (int i = 0; i < WATCHED; i++)
        close(watched[i].fd);
}

const struct row file_rows[] = {
    { "null", "getppid", run_null, NULL, NULL, 2000 },
    { "clock", "clock_gettime", run_clock, NULL, NULL, 2000 },
    { "read-zero-1", "read 1 B of /dev/zero", run_read_zero_1, open_all,
      close_all, 2000 },
    { "read-zero-4k", "read 4 KiB of /dev/zero", run_read_zero_4k, open_all,
      close_all, 1000 },
    { "read-zero-1m", "read 1 MiB of /dev/zero", run_read_zero_1m, open_all,
      close_all, 10 },
    { "write-null-1", "write 1 B to /dev/null", run_write_null_1, open_all,
      close_all, 2000 },
    { "write-null-4k", "write 4 KiB to /dev/null", run_write_null_4k, open_all,
      close_all, 2000 },
    { "write-null-1m", "write 1 MiB to /dev/null", run_write_null_1m, open_all,
      close_all, 2000 },
    { "read-file-1", "read 1 B of a cached file", run_read_file_1, open_all,
      close_all, 2000 },
    { "read-file-4k", "read 4 KiB of a cached file", run_read_file_4k,
      open_all, close_all, 1000 },
    { "read-file-1m", "read 1 MiB of a cached file", run_read_file_1m,
      open_all, close_all, 10 },
    { "write-file-1", "write 1 B of a cached file", run_write_file_1, open_all,
      close_all, 2000 },
    { "write-file-4k", "write 4 KiB of a cached file", run_write_file_4k,
      open_all, close_all, 1000 },
    { "write-file-1m", "write 1 MiB of a cached file", run_write_file_1m,
      open_all, close_all, 10 },
    { "stat", "stat a file", run_stat, make_name, remove_name, 1000 },
    { "open-close", "open and close a file", run_open, make_name, remove_name,
      500 },
    { "create-unlink", "create and unlink a file", run_create, NULL, NULL,
      200 },
    { "getdents", "list a directory of 1000", run_getdents, make_directory,
      remove_directory, 5 },
    { "poll-100", "poll 100 descriptors", run_poll, open_watched,
      close_watched, 200 },
    { 0 },
};
