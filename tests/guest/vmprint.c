/*
 * The printed page table: /proc/PID/pagetable and the call vmprint()
 * (user/include/quire.h). Every line must be what its entry says, hang where
 * its indices say, and agree with /proc/self/maps; what was touched is there,
 * what was not is not.
 *
 * Quire only.
 */
#include "tap.h"
#include "quire.h"
#include <sys/klog.h>

#define MAX_LINES 4096
#define MAX_REGIONS 64

struct leaf {
    unsigned long va, pte, size;
    char flags[8], seen[4], rest[32];
};

static char text[1 << 19], log_text[1 << 19];
static struct leaf leaves[MAX_LINES];
static int nleaves, nbad, levels;

/* A whole file of /proc, in one reading. */
static void
read_text(const char *path)
{
    size_t n = 0;
    ssize_t got;
    int fd = open(path, O_RDONLY);

    while (fd >= 0 && (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = 0;
    close(fd);
}

static void
bad(const char *line, const char *why)
{
    if (nbad++ < 5)
        ok(0, "%s: %s", why, line);
}

/* One line below the first: an entry. path[] has the index at each depth. */
static void
check_line(char *line, unsigned path[])
{
    unsigned long pte, pa, va = 0;
    unsigned index;
    int depth = 0, used = 0;
    char *p = line;

    for (; !strncmp(p, " ..", 3); p += 3)
        depth++;
    if (depth < 1 || depth > levels || p != line + 3 * depth ||
        sscanf(p, "%u: pte 0x%16lx pa 0x%16lx%n", &index, &pte, &pa, &used) != 3 || !used) {
        bad(line, "the form");
        return;
    }
    if ((pte >> 10 & ((1UL << 44) - 1)) << 12 != pa)
        bad(line, "the address is not the entry's");
    if (index > 511 || (depth == 1 && index > 255))
        bad(line, "the index");
    path[depth] = index;
    for (int i = 1; i <= depth; i++)
        va |= (unsigned long)path[i] << (12 + 9 * (levels - i));
    p += used;
    if (depth < levels && (pte & 0xf) == 1) {
        if (*p)
            bad(line, "a table with flags");
        return;
    }
    struct leaf *leaf = &leaves[nleaves++];
    memset(leaf, 0, sizeof(*leaf));
    leaf->va = va;
    leaf->pte = pte;
    leaf->size = 1UL << (12 + 9 * (levels - depth));
    if (sscanf(p, " %7s %3s %31[^\n]", leaf->flags, leaf->seen, leaf->rest) < 2)
        bad(line, "a leaf without flags");
    const char *letters = "rwxu";
    for (int i = 0; i < 4; i++)
        if (leaf->flags[i] != (pte >> (1 + i) & 1 ? letters[i] : '-'))
            bad(line, "its letters are not its flags");
    if (leaf->seen[0] != (pte & 1 << 6 ? 'a' : '-') || leaf->seen[1] != (pte & 1 << 7 ? 'd' : '-'))
        bad(line, "accessed, dirty");
    if ((strstr(leaf->rest, "parked") == NULL) != (pte & 1))
        bad(line, "parked");
}

/* Take text apart into leaves. */
static void
parse_text(void)
{
    unsigned path[5] = { 0 };
    unsigned long root;
    char *save, *line = strtok_r(text, "\n", &save);

    nleaves = 0;
    if (!line || sscanf(line, "page table 0x%16lx", &root) != 1 || (root & 0xfff) ||
        strlen(line) != 29)
        bad(line ? line : "", "the first line");
    while ((line = strtok_r(NULL, "\n", &save)) && nleaves < MAX_LINES)
        check_line(line, path);
}

static const struct leaf *
find(const void *at)
{
    unsigned long va = (unsigned long)at;

    for (int i = 0; i < nleaves; i++)
        if (va >= leaves[i].va && va - leaves[i].va < leaves[i].size)
            return &leaves[i];
    return NULL;
}

/* Every leaf lies in a region and allows no more than it. */
static void
compare_with_maps(void)
{
    char *save, *line;
    int inside = 0;

    read_text("/proc/self/maps");
    for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        unsigned long start, end;
        char rights[8] = "";
        sscanf(line, "%lx-%lx %7s", &start, &end, rights);
        for (int i = 0; i < nleaves; i++) {
            if (leaves[i].va < start || leaves[i].va >= end)
                continue;
            inside++;
            if ((leaves[i].flags[1] == 'w' && rights[1] != 'w') ||
                (leaves[i].flags[2] == 'x' && rights[2] != 'x') ||
                (leaves[i].pte & 1 && leaves[i].flags[3] != 'u'))
                bad(line, "a leaf that allows too much");
        }
    }
    is(inside, nleaves);
}

static void
test_file(void)
{
    char *p = pages(8);

    p[0] = 1;                           /* written */
    (void)*(volatile char *)(p + PAGE); /* read: the zero page, to be copied */
    p[2 * PAGE] = 1;
    mprotect(p + 2 * PAGE, PAGE, PROT_NONE);
    p[3 * PAGE] = 1;
    munmap(p + 3 * PAGE, PAGE);
    (void)ugetpid();
    read_text("/proc/self/pagetable");
    read_text("/proc/self/pagetable");  /* the buffer is there now */
    parse_text();
    is(nbad, 0);
    ok(nleaves > 10 && nleaves < MAX_LINES, "%d leaves", nleaves);
    const struct leaf *l = find(p);
    ok(l && !strcmp(l->flags, "rw-u") && !strcmp(l->seen, "ad"), "a page that was written");
    l = find(p + PAGE);
    ok(l && !strcmp(l->flags, "r--u") && !strcmp(l->seen, "a-") && !strcmp(l->rest, "cow"),
       "one that was read");
    l = find(p + 2 * PAGE);
    ok(l && !strncmp(l->flags, "---", 3) && strstr(l->rest, "parked"), "one that is barred");
    ok(!find(p + 3 * PAGE), "one that is gone");
    ok(!find(p + 4 * PAGE), "one that never was");
    l = find((void *)USYSCALL);
    ok(l && !strncmp(l->flags, "r--u", 4), "USYSCALL");
    l = find((void *)test_file);
    ok(l && !strncmp(l->flags, "r-xu", 4), "code");
    compare_with_maps();
}

/* The lines that vmprint() puts into the log are those of the file, but for A and D. */
static void
test_call(void)
{
    read_text("/proc/self/pagetable");
    read_text("/proc/self/pagetable");
    is(vmprint(), 0);
    int n = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, log_text, sizeof(log_text) - 1);
    log_text[n > 0 ? n : 0] = 0;

    char *save, *at = log_text, *line, *next;
    while ((next = strstr(at, "page table 0x")))
        at = next + 1;
    ok(at > log_text, "the log has a page table");
    at -= at > log_text;
    int nlines = 0, missing = 0;
    for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *address = strstr(line, "pte ");
        char head[64];
        nlines++;
        snprintf(head, sizeof(head), "%.*s", address ? (int)(address - line) : 29, line);
        next = strstr(at, head);        /* in the same order */
        char *pa = address ? strstr(line, "pa ") : NULL;
        if (!next || (pa && strncmp(next + (pa - line), pa, 21)))
            missing++;
        else
            at = next;
    }
    ok(nlines > 10, "%d lines", nlines);
    is(missing, 0);
}

static int
look_at_parent(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/pagetable", (int)getppid());
    if (setuid(65534) < 0)
        return 3;
    int fd = open(path, O_RDONLY);
    return fd < 0 && errno == EACCES ? 0 : 1;
}

int
main(void)
{
    struct stat st;

    tap_begin("vmprint");
    if (access("/proc/frames", F_OK) < 0) {
        tap_skip("not Quire");
        return tap_end();
    }
    works(stat("/proc/self/pagetable", &st));
    is(st.st_mode, S_IFREG | 0400);
    levels = (unsigned long)&st >= 1UL << 38 ? 4 : 3;
    test_file();
    test_call();
    if (getuid() == 0)
        is(tap_status_of(look_at_parent), 0);
    return tap_end();
}
