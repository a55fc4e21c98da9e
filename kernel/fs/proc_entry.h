/*
 * Inside procfs: entries, and the tables they are in.
 */
#ifndef QUIRE_FS_PROC_ENTRY_H
#define QUIRE_FS_PROC_ENTRY_H

#include "fs/procfs.h"
#include "fs/seq.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/mount.h"

struct proc_dir;
struct proc_entry;

/* What an inode of procfs is about. */
struct proc_target {
    const struct proc_entry *entry;
    struct proc_id id;
    int fd;   /* below fd/ and fdinfo/ */
    bool knob; /* /proc/sys, or below it: proc_knob_allowed() decides */
};

/* Of whom a file of a process's asks whether it may inspect the process (procfs.h). */
enum proc_guard {
    PROC_OPEN,    /* of nobody */
    PROC_GUARDED, /* of the opener, and of the reader at each read */
    PROC_AT_READ, /* of the reader at each read */
};

/* One name, or (in proc_dir.number) all names that are numbers. What is NULL does not apply. */
struct proc_entry {
    const char *name;
    uint32_t mode;                /* type and permissions */
    uint32_t size;                /* what stat shows */
    enum proc_guard guard;
    bool own;                     /* a directory, or a thread's file: its process may use it whatever its mode says */
    /* Files that are one record, a page or so: print it. 0 or an error. */
    int (*show)(struct seq *seq, const struct proc_target *target);
    /* Files of any length: print the record at the cursor, as seq_next_fn (seq.h). */
    int (*next)(struct seq *seq, const struct proc_target *target, struct seq_cursor *cursor);
    /*
     * The same for files about memory, that is, of the address space that was found at open.
     * NULL: there was none. If it does not live any more, only the structure is there.
     */
    int (*next_vm)(struct seq *seq, struct vmspace *vm, bool lives, const struct file *file,
                   struct seq_cursor *cursor);
    /*
     * Files that are a process's memory: up to n bytes, n <= PAGE_SIZE, at a position of the
     * file; less at the end. Guarded: of the address space that was found at open.
     */
    size_t (*peek)(struct vmspace *vm, uint64_t pos, char *buf, size_t n);
    /* Take a write (NUL-terminated). 0 or an error. */
    int (*store)(const struct proc_target *target, char *text);
    const struct file_ops *ops;   /* files that are no text */
    /* Links: the text, as inode_ops.readlink; or what it stands for, as inode_ops.follow. */
    ssize_t (*link)(const struct proc_target *target, char *buf, size_t size);
    int (*follow)(const struct proc_target *target, struct path *path);
    const struct proc_dir *dir;   /* directories */
    const void *data;             /* for show and store */
};

struct proc_dir {
    const struct proc_entry *entries;
    size_t nentries;
    /* Directories of numbers: the lowest one >= from that exists; -1: none. */
    int (*next_number)(const struct proc_target *dir, int from);
    /* Numbers that are not listed, but found: make the target that of one. False: there is none. */
    bool (*find_unlisted)(struct proc_target *target, int number);
    /* What such a name is; its target has the number at this offset. */
    const struct proc_entry *number;
    size_t number_offset;
};

struct proc_inode {
    struct inode inode;
    struct proc_target target;
};

static inline const struct proc_target *
proc_target_of(const struct inode *inode)
{
    return &container_of(inode, struct proc_inode, inode)->target;
}

/* -EACCES if the entry is guarded and the current thread may not look (any more). */
int proc_check_access(const struct proc_target *target);

/*
 * May the current thread use a file of /proc/sys of this mode so (MAY_*)? By its effective ids,
 * no capability counts. Asked at open, and again at each read and write: a descriptor gives
 * no more rights than its user has.
 */
bool proc_knob_allowed(uint32_t mode, unsigned mask);

/* The operations of text files (proc_file.c). */
extern const struct file_ops proc_text_ops;

/* The tables. */
extern const struct proc_dir proc_root_dir;      /* procfs.c's root: proc_system.c */
extern const struct proc_entry proc_pid_entry;   /* /proc/PID: proc_pid.c */
extern const struct proc_dir proc_sys_dir;       /* /proc/sys: proc_sys.c */
int proc_next_process(const struct proc_target *dir, int from);
bool proc_find_thread(struct proc_target *target, int number);
ssize_t proc_self_link(const struct proc_target *target, char *buf, size_t size);
ssize_t proc_thread_self_link(const struct proc_target *target, char *buf, size_t size);
/* The permissions of a link in fd/, and the number of links there. */
uint32_t proc_fd_mode(const struct proc_target *target);
uint32_t proc_count_fds(const struct proc_target *target);
extern const struct proc_entry proc_fd_link;
extern const struct proc_dir proc_fd_dir;

/* Printers that a table of another file names. */
int proc_show_meminfo(struct seq *seq, const struct proc_target *target);
int proc_show_vmstat(struct seq *seq, const struct proc_target *target);
int proc_show_frames(struct seq *seq, const struct proc_target *target);
int proc_show_slabinfo(struct seq *seq, const struct proc_target *target);
int proc_next_mounts(struct seq *seq, const struct proc_target *target, struct seq_cursor *cursor);
int proc_next_mountinfo(struct seq *seq, const struct proc_target *target,
                        struct seq_cursor *cursor);
int proc_show_stat(struct seq *seq, const struct proc_target *target);
int proc_next_status(struct seq *seq, const struct proc_target *target, struct seq_cursor *cursor);
int proc_show_statm(struct seq *seq, const struct proc_target *target);
int proc_show_limits(struct seq *seq, const struct proc_target *target);
int proc_show_io(struct seq *seq, const struct proc_target *target);
int proc_next_maps(struct seq *seq, struct vmspace *vm, bool lives, const struct file *file,
                   struct seq_cursor *cursor);
int proc_next_pagetable(struct seq *seq, struct vmspace *vm, bool lives, const struct file *file,
                        struct seq_cursor *cursor);
int proc_next_roots(struct seq *seq, struct vmspace *vm, bool lives, const struct file *file,
                    struct seq_cursor *cursor);
int proc_next_auxv(struct seq *seq, struct vmspace *vm, bool lives, const struct file *file,
                   struct seq_cursor *cursor);
size_t proc_peek_cmdline(struct vmspace *vm, uint64_t pos, char *buf, size_t n);
size_t proc_peek_environ(struct vmspace *vm, uint64_t pos, char *buf, size_t n);

#define PROC_FILE(n, perms, fn) {.name = n, .mode = S_IFREG | (perms), .show = fn}
#define PROC_LIST(n, perms, fn) {.name = n, .mode = S_IFREG | (perms), .next = fn}
#define PROC_DIR(n, perms, d) {.name = n, .mode = S_IFDIR | (perms), .dir = d}

#endif
