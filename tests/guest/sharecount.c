/*
 * What sharing page tables costs: the pages that count as resident, in parent
 * and child, and the tables that a fork shares, revives and copies.
 *
 * The counters of tables are Quire's own; those checks are skipped where there
 * are none.
 */
#include "sharing.h"

#define NPAGES (4 * TABLE)

static char *area;
static volatile long *expected; /* seen by the child */

static long
resident_pages(void)
{
    char text[128] = "";
    long size = 0, resident = -1;
    int fd = open("/proc/self/statm", O_RDONLY);

    read(fd, text, sizeof(text) - 1);
    close(fd);
    sscanf(text, "%ld %ld", &size, &resident);
    return resident;
}

/* About so many pages; Linux counts in batches. */
static int
about(long pages, long wanted)
{
    return labs(pages - wanted) < 600;
}

static int
resident_child(void)
{
    long before = resident_pages();
    int bad = !about(before, *expected);

    munmap(area, NPAGES / 2 * PAGE);
    bad |= !about(resident_pages(), before - NPAGES / 2) << 1;
    for (int i = NPAGES / 2; i < NPAGES; i++)
        area[i * PAGE] = 1;
    bad |= !about(resident_pages(), before - NPAGES / 2) << 2;
    madvise(area + NPAGES / 2 * PAGE, NPAGES / 2 * PAGE, MADV_DONTNEED);
    bad |= !about(resident_pages(), before - NPAGES) << 3;
    return bad;
}

static void
test_resident(void)
{
    area = region(NPAGES * PAGE, 2 * MIB, 0);
    long empty = resident_pages();
    for (int i = 0; i < NPAGES; i++)
        area[i * PAGE] = 1;
    long full = resident_pages();
    ok(about(full, empty + NPAGES), "%ld pages resident, then %ld", empty, full);
    *expected = full;
    is(tap_status_of(resident_child), 0);
    ok(about(resident_pages(), full), "after a child's end %ld", resident_pages());
    munmap(area, NPAGES * PAGE);
    ok(about(resident_pages(), empty), "unmapped %ld", resident_pages());
}

static int
do_nothing(void)
{
    return 0;
}

static int
touch_three(void)
{
    for (int table = 0; table < 3; table++)
        area[table * 2 * MIB + 5 * PAGE] = 9;
    return 0;
}

static void
test_counters(void)
{
    if (vmstat("table_shared") < 0) {
        tap_skip("no counters of tables");
        return;
    }
    area = region(64 * MIB, 2 * MIB, 0);
    for (size_t i = 0; i < 64 * MIB; i += PAGE)
        area[i] = 1;
    long shared = vmstat("table_shared"), copied = vmstat("table_copied");
    long revived = vmstat("table_revived"), faults = vmstat("ncow");
    is(tap_status_of(do_nothing), 0);
    ok(vmstat("table_shared") - shared >= 32, "a fork of 64 MiB shares %ld tables",
       vmstat("table_shared") - shared);
    is(vmstat("table_copied") - copied, 0);
    is(vmstat("table_revived") - revived, 0);
    ok(vmstat("ncow") - faults < 20, "and few pages are copied: %ld", vmstat("ncow") - faults);
    for (size_t i = 0; i < 64 * MIB; i += 2 * MIB)
        area[i] = 2;
    is(vmstat("table_copied") - copied, 0);
    is(vmstat("table_revived") - revived, 32);
    is(tap_status_of(touch_three), 0);
    is(vmstat("table_copied") - copied, 3);
    munmap(area, 64 * MIB);             /* frozen tables: dropped as they are */
    is(vmstat("table_copied") - copied, 3);
    is(vmstat("table_revived") - revived, 32);
}

static void
test_all(void)
{
    test_resident();
    test_counters();
}

int
main(void)
{
    tap_begin("sharecount");
    alarm(3 * TAP_SECONDS);
    expected = (volatile long *)shared_pages(1);
    tap_child(test_all);
    return tap_end();
}
