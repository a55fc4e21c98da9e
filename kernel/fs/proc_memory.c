/*
 * What /proc tells of memory: meminfo and vmstat with Linux's names, frames
 * with ours.
 *
 * frames is the leak test: one line an owner, and their sum, which is all of
 * RAM at every moment.
 */
#include "arch/riscv/tlb.h"
#include "fs/proc_entry.h"
#include "mem/frame.h"
#include "mem/freeze.h"
#include "mem/slab.h"
#include "vfs/pagecache.h"
#include "vm/superpage.h"
#include "vm/usercopy.h"
#include "vm/vmspace.h"

#define KIB_PER_PAGE (PAGE_SIZE / 1024)

int
proc_show_frames(struct seq *seq, const struct proc_target *target __unused)
{
    uint64_t counts[FRAME_NOWNERS];
#ifdef DEBUG
    slab_reclaim(); /* what is only kept back is free to a reader who looks for leaks */
#endif
    frame_counts(counts);
    for (unsigned owner = 0; owner < FRAME_NOWNERS; owner++)
        seq_printf(seq, "%s %lu\n", frame_owner_name(owner), counts[owner]);
    seq_printf(seq, "total %lu\n", nframes_ram);
    return 0;
}

static void
meminfo_line(struct seq *seq, const char *name, uint64_t npages)
{
    size_t start = seq->length;
    seq_printf(seq, "%s:", name);
    seq_pad(seq, start, 16);
    seq_printf(seq, "%8lu kB\n", npages * KIB_PER_PAGE);
}

int
proc_show_meminfo(struct seq *seq, const struct proc_target *target __unused)
{
    uint64_t n[FRAME_NOWNERS];
    frame_counts(n);
    uint64_t free = n[FRAME_FREE] + n[FRAME_CACHED];
    uint64_t cached = n[FRAME_PAGE];
    const struct {
        const char *name;
        uint64_t npages;
    } lines[] = {
        {"MemTotal", nframes_ram - n[FRAME_KERNEL] - n[FRAME_RESERVED]},
        {"MemFree", free},
        {"MemAvailable", free},
        {"Buffers", 0},
        {"Cached", cached},
        {"SwapCached", 0},
        {"Active", n[FRAME_ANON] + cached},
        {"Inactive", 0},
        {"Active(anon)", n[FRAME_ANON] + cached},
        {"Inactive(anon)", 0},
        {"Active(file)", 0},
        {"Inactive(file)", 0},
        {"Unevictable", 0},
        {"Mlocked", 0},
        {"SwapTotal", 0},
        {"SwapFree", 0},
        {"Dirty", 0},
        {"Writeback", 0},
        {"AnonPages", n[FRAME_ANON]},
        {"Mapped", 0},
        {"Shmem", cached}, /* every file there is lives in memory alone */
        {"KReclaimable", 0},
        {"Slab", n[FRAME_SLAB]},
        {"SReclaimable", 0},
        {"SUnreclaim", n[FRAME_SLAB]},
        {"KernelStack", n[FRAME_STACK]},
        {"PageTables", n[FRAME_TABLE]},
        {"AnonHugePages", block_nlive * BLOCK_FRAMES},
        {"Bounce", 0},
        {"CommitLimit", (nframes_ram - n[FRAME_KERNEL] - n[FRAME_RESERVED]) / 2},
        {"Committed_AS", n[FRAME_ANON] + cached},
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        meminfo_line(seq, lines[i].name, lines[i].npages);
    return 0;
}

int
proc_show_vmstat(struct seq *seq, const struct proc_target *target __unused)
{
    uint64_t n[FRAME_NOWNERS];
    struct usercopy_stats copies;
    frame_counts(n);
    usercopy_stats(&copies);
    const struct {
        const char *name;
        uint64_t value;
    } lines[] = {
        {"nr_free_pages", n[FRAME_FREE] + n[FRAME_CACHED]},
        {"nr_anon_pages", n[FRAME_ANON]},
        {"nr_file_pages", n[FRAME_PAGE]},
        {"nr_shmem", n[FRAME_PAGE]},
        {"nr_page_table_pages", n[FRAME_TABLE]},
        {"nr_kernel_stack", n[FRAME_STACK] * KIB_PER_PAGE},
        {"nr_slab_unreclaimable", n[FRAME_SLAB]},
        {"nr_dirty", 0},
        {"nr_writeback", 0},
        {"pgfault", vm_nfault},
        {"pgmajfault", vm_nmajfault},
        {"nr_anon_transparent_hugepages", block_nlive},
        {"thp_fault_alloc", block_nalloc},
        {"thp_fault_fallback", superpage_nfallback},
        {"thp_split_pmd", block_nbroken},
        /* Quire's own. */
        {"ncow", vm_ncow},
        {"nzero", vm_nzero},
        {"ncopyin", copies.ncopyin},
        {"ncopyinstr", copies.ncopyinstr},
        {"ncopyout", copies.ncopyout},
        {"copyin_bytes", copies.copyin_bytes},
        {"copyout_bytes", copies.copyout_bytes},
        {"table_shared", pt_nshared},
        {"table_revived", pt_nrevived},
        {"table_copied", pt_ncopied},
        {"superpage_prepared", block_nprepared},
        {"superpage_thinned", superpage_nthinned},
        {"superpage_64k", superpage_n64k},
        {"tlb_flush_local", tlb_nflush_local},
        {"tlb_flush_remote", tlb_nflush_remote},
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        seq_printf(seq, "%s %lu\n", lines[i].name, lines[i].value);
    return 0;
}

static void
list_cache(void *ctx, const char *name, size_t size, uint64_t used, uint64_t total,
           uint64_t npages)
{
    uint64_t per_slab = npages ? total / npages : 0;
    seq_printf(ctx, "%-17s %6lu %6lu %6lu %4lu %4u", name, used, total, size, per_slab, 1);
    seq_printf(ctx, " : tunables %4u %4u %4u : slabdata %6lu %6lu %6u\n", 0, 0, 0, npages, npages,
               0);
}

int
proc_show_slabinfo(struct seq *seq, const struct proc_target *target __unused)
{
    seq_puts(seq, "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> "
                  "<objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> "
                  ": slabdata <active_slabs> <num_slabs> <sharedavail>\n");
    slab_foreach(list_cache, seq);
    return 0;
}
