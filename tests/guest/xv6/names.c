/* usertests: names, links and directories. */
#include "usertests.h"

void
test_dirtest(void)
{
    CHECK(mkdir("dir0") == 0);
    CHECK(mkdir("dir0") == -1);
    CHECK(chdir("dir0") == 0);
    CHECK(chdir("..") == 0);
    CHECK(unlink("dir0") == 0);
    CHECK(chdir("dir0") == -1);
}

/* The current directory may be removed; whoever stands in it goes on. */
void
test_iput(void)
{
    CHECK(mkdir("iputdir") == 0);
    CHECK(chdir("iputdir") == 0);
    CHECK(unlink("../iputdir") == 0);
    CHECK(chdir("/") == 0);
}

static void
remove_where_we_stand(void *unused)
{
    (void)unused;
    CHECK(mkdir("iputdir") == 0);
    CHECK(chdir("iputdir") == 0);
    CHECK(unlink("../iputdir") == 0);
}

void
test_exitiput(void)
{
    CHECK(status_of(remove_where_we_stand, 0) == 0);
}

static void
open_to_write(void *name)
{
    if (open(name, O_RDWR) >= 0)
        exit(1);
}

/* A directory is removed while it is being opened in vain. */
void
test_openiput(void)
{
    CHECK(mkdir("oidir") == 0);
    start(open_to_write, "oidir");
    sleep(1);
    CHECK(unlink("oidir") == 0);
    expect_status(0);
}

void
test_linktest(void)
{
    struct stat st;

    make_file("lf1", 'l', 5);
    CHECK(link("lf1", "lf2") == 0);
    CHECK(stat("lf2", &st) == 0 && st.nlink == 2);
    CHECK(unlink("lf1") == 0 && !exists("lf1"));
    CHECK(count_file("lf2", 'l') == 5);
    CHECK(link("lf2", "lf2") == -1);
    CHECK(unlink("lf2") == 0);
    CHECK(link("lf2", "lf1") == -1);
    CHECK(link(".", "lf1") == -1);
}

/* Two processes link, create and unlink the same names; readdir sees each once. */
static void
create_or_link(void *child)
{
    char name[] = "C0";

    for (int i = 0; i < 40; i++) {
        name[1] = (char)('0' + i);
        if (i % 3 == (child ? 1 : 2))
            link("C0", name);
        else
            close(open(name, O_CREATE | O_RDWR));
    }
}

void
test_concreate(void)
{
    char seen[40], name[] = "C0";
    struct dirent entry;
    int n = 0;

    start(create_or_link, "child");
    create_or_link(0);
    expect_status(0);
    memset(seen, 0, sizeof(seen));
    int fd = open(".", O_RDONLY);
    CHECK(fd >= 0);
    while (read(fd, &entry, sizeof(entry)) == sizeof(entry)) {
        if (entry.inum == 0 || entry.name[0] != 'C' || entry.name[2])
            continue;
        int i = entry.name[1] - '0';
        CHECK(i >= 0 && i < 40 && !seen[i]);
        seen[i] = 1;
        n++;
    }
    close(fd);
    CHECK(n == 40);
    for (int i = 0; i < 40; i++) {
        name[1] = (char)('0' + i);
        CHECK(unlink(name) == 0);
    }
}

static void
link_and_unlink(void *seed)
{
    uint x = *(uint *)seed;

    for (int i = 0; i < 300; i++) {
        x = x * 1103515245 + 12345;
        if (x / 65536 % 3 == 0)
            close(open("x", O_RDWR | O_CREATE));
        else if (x / 65536 % 3 == 1)
            link("cat", "x");
        else
            unlink("x");
    }
}

void
test_linkunlink(void)
{
    uint seeds[] = {1, 97};

    make_file("cat", 'c', 10);
    start(link_and_unlink, &seeds[0]);
    link_and_unlink(&seeds[1]);
    expect_status(0);
    unlink("x");
    CHECK(unlink("cat") == 0);
}

void
test_subdir(void)
{
    CHECK(mkdir("dd") == 0);
    make_file("dd/ff", 'f', 2);
    CHECK(unlink("dd") == -1); /* not empty */
    CHECK(mkdir("/xv6-sub") == 0 && unlink("/xv6-sub") == 0);
    CHECK(mkdir("dd/dd") == 0);
    make_file("dd/dd/ff", 'F', 2);
    CHECK(count_file("dd/dd/../ff", 'f') == 2);
    CHECK(link("dd/dd/ff", "dd/dd/ffff") == 0);
    CHECK(unlink("dd/dd/ff") == 0 && !exists("dd/dd/ff"));
    CHECK(chdir("dd") == 0 && chdir("../dd/dd/..") == 0 && chdir("./..") == 0);
    CHECK(count_file("dd/dd/ffff", 'F') == 2);

    /* All that must fail: a file as a directory, a directory as a file. */
    CHECK(open("dd/dd/ff", O_RDONLY) == -1);
    CHECK(open("dd/ff/ff", O_CREATE | O_RDWR) == -1);
    CHECK(open("dd/xx/ff", O_CREATE | O_RDWR) == -1);
    CHECK(open("dd", O_CREATE) == -1);
    CHECK(open("dd", O_RDWR) == -1 && open("dd", O_WRONLY) == -1);
    CHECK(link("dd/ff/ff", "dd/dd/xx") == -1 && link("dd/xx/ff", "dd/dd/xx") == -1);
    CHECK(link("dd/ff", "dd/dd/ffff") == -1);
    CHECK(mkdir("dd/ff/ff") == -1 && mkdir("dd/xx/ff") == -1 && mkdir("dd/dd/ffff") == -1);
    CHECK(unlink("dd/xx/ff") == -1 && unlink("dd/ff/ff") == -1);
    CHECK(chdir("dd/ff") == -1 && chdir("dd/xx") == -1);

    CHECK(unlink("dd/dd/ffff") == 0 && unlink("dd/ff") == 0);
    CHECK(unlink("dd") == -1);
    CHECK(unlink("dd/dd") == 0 && unlink("dd") == 0);
}

/* Names count to fourteen letters. */
void
test_fourteen(void)
{
    CHECK(mkdir("12345678901234") == 0);
    CHECK(mkdir("12345678901234/123456789012345") == 0);
    int fd = open("123456789012345/123456789012345/123456789012345", O_CREATE);
    CHECK(fd >= 0);
    close(fd);
    CHECK(exists("12345678901234/12345678901234/12345678901234"));
    CHECK(mkdir("12345678901234/12345678901234") == -1);
    CHECK(mkdir("123456789012345/12345678901234") == -1);
    CHECK(unlink("123456789012345/12345678901234/12345678901234") == 0);
    CHECK(unlink("12345678901234/12345678901234") == 0);
    CHECK(unlink("123456789012345") == 0);
}

void
test_rmdot(void)
{
    CHECK(mkdir("dots") == 0);
    CHECK(chdir("dots") == 0);
    CHECK(unlink(".") == -1 && unlink("..") == -1);
    CHECK(chdir("..") == 0);
    CHECK(unlink("dots/.") == -1 && unlink("dots/..") == -1);
    CHECK(unlink("dots") == 0);
}

void
test_dirfile(void)
{
    make_file("dirfile", 'x', 1);
    CHECK(chdir("dirfile") == -1);
    CHECK(open("dirfile/xx", O_RDONLY) == -1 && open("dirfile/xx", O_CREATE) == -1);
    CHECK(mkdir("dirfile/xx") == -1 && unlink("dirfile/xx") == -1);
    CHECK(link("dirfile", "dirfile/xx") == -1);
    CHECK(unlink("dirfile") == 0);
    CHECK(open(".", O_RDWR) == -1);
    int fd = open(".", O_RDONLY);
    CHECK(fd >= 0 && write(fd, "x", 1) == -1);
    close(fd);
}

/* Empty names refer to nothing, and lose no reference. */
void
test_iref(void)
{
    enum { DEEP = NINODE + 1 };

    for (int i = 0; i < DEEP; i++) {
        CHECK(mkdir("irefd") == 0);
        CHECK(chdir("irefd") == 0);
        CHECK(mkdir("") == -1 && link(".", "") == -1 && open("", O_CREATE) == -1);
        CHECK(close(open("xx", O_CREATE)) == 0 && unlink("xx") == 0);
    }
    for (int i = 0; i < DEEP; i++) {
        CHECK(chdir("..") == 0);
        CHECK(unlink("irefd") == 0);
    }
}

/* A directory of 500 names of one file. */
void
test_bigdir(void)
{
    char name[4] = "x00";

    make_file("bd", 'b', 1);
    for (int i = 0; i < 500; i++) {
        name[1] = (char)('0' + i / 64);
        name[2] = (char)('0' + i % 64);
        CHECK(link("bd", name) == 0);
    }
    CHECK(unlink("bd") == 0);
    for (int i = 0; i < 500; i++) {
        name[1] = (char)('0' + i / 64);
        name[2] = (char)('0' + i % 64);
        CHECK(unlink(name) == 0);
    }
}

/* As many files as xv6's disk has inodes, and more. */
void
test_outofinodes(void)
{
    char name[] = "zz00";
    int n = 0;

    for (; n < 32 * 32; n++) {
        name[2] = (char)('0' + n / 32);
        name[3] = (char)('0' + n % 32);
        int fd = open(name, O_CREATE | O_RDWR | O_TRUNC);
        if (fd < 0)
            break;
        close(fd);
    }
    while (n-- > 0) {
        name[2] = (char)('0' + n / 32);
        name[3] = (char)('0' + n % 32);
        CHECK(unlink(name) == 0);
    }
}
