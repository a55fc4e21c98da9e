/*
 * The directory of a process, /proc/PID, and of a thread, /proc/PID/task/TID,
 * which has the same entries but for task.
 */
#include "fs/proc_entry.h"
#include "lib/bitmap.h"
#include "lib/parse.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vfs/fdtable.h"

static const struct proc_dir fdinfo_dir, task_dir;

/* Names that are numbers. */

int
proc_next_process(const struct proc_target *dir __unused, int from)
{
    int tgid = procfs_ops.next_process ? procfs_ops.next_process(max(from, 1)) : 0;
    return tgid > 0 ? tgid : -1;
}

/* Every thread has its /proc/TID, as if it were a process; only processes are listed. */
bool
proc_find_thread(struct proc_target *target, int number)
{
    target->id.tgid = procfs_ops.process_of ? procfs_ops.process_of(number) : 0;
    target->id.tid = number;
    return target->id.tgid != 0;
}

static int
next_thread(const struct proc_target *dir, int from)
{
    int tid = procfs_ops.next_thread ? procfs_ops.next_thread(&dir->id, max(from, 1)) : 0;
    return tid > 0 ? tid : -1;
}

static struct fdtable *
files_of(const struct proc_target *target)
{
    return procfs_ops.files(&target->id);
}

static int
next_fd(const struct proc_target *dir, int from)
{
    struct fdtable *files = files_of(dir);
    if (!files)
        return -1;
    int fd = fd_next(files, from);
    fdtable_put(files);
    return fd;
}

/* Links. */

ssize_t
proc_self_link(const struct proc_target *target __unused, char *buf, size_t size)
{
    int tgid = procfs_ops.current_tgid ? procfs_ops.current_tgid() : 0;
    return tgid ? scnprintf(buf, size, "%d", tgid) : -ENOENT;
}

ssize_t
proc_thread_self_link(const struct proc_target *target __unused, char *buf, size_t size)
{
    int tgid = procfs_ops.current_tgid ? procfs_ops.current_tgid() : 0;
    int tid = procfs_ops.current_tid ? procfs_ops.current_tid() : 0;
    return tgid ? scnprintf(buf, size, "%d/task/%d", tgid, tid) : -ENOENT;
}

static int
follow_cwd(const struct proc_target *target, struct path *path)
{
    return procfs_ops.cwd(&target->id, path);
}

static int
follow_root(const struct proc_target *target, struct path *path)
{
    return procfs_ops.root(&target->id, path);
}

static int
follow_exe(const struct proc_target *target, struct path *path)
{
    return procfs_ops.exe(&target->id, path);
}

/* Descriptors. */

/* The open file behind an fd/ entry, with a reference, or NULL. */
static struct file *
file_of(const struct proc_target *target, bool *cloexec)
{
    struct fdtable *files = files_of(target);
    if (!files)
        return NULL;
    struct file *file = fd_file(files, target->fd);
    if (file && cloexec) {
        SCOPED_SPIN(&files->lock);
        *cloexec =
            (uint32_t)target->fd < files->capacity && bitmap_test(files->cloexec, target->fd);
    }
    fdtable_put(files);
    return file;
}

static int
follow_fd(const struct proc_target *target, struct path *path)
{
    struct file *file = file_of(target, NULL);
    if (!file)
        return -ENOENT;
    *path = file->path;
    path_get(path);
    file_put(file);
    return 0;
}

uint32_t
proc_fd_mode(const struct proc_target *target)
{
    struct file *file = file_of(target, NULL);
    if (!file)
        return 0500;
    uint32_t mode = 0100;
    if (file->access & FILE_READ)
        mode |= 0400;
    if (file->access & FILE_WRITE)
        mode |= 0200;
    file_put(file);
    return mode;
}

uint32_t
proc_count_fds(const struct proc_target *target)
{
    struct fdtable *files = files_of(target);
    uint32_t n = files ? fd_count(files) : 0;
    if (files)
        fdtable_put(files);
    return n;
}

static int
show_fdinfo(struct seq *seq, const struct proc_target *target)
{
    bool cloexec = false;
    struct file *file = file_of(target, &cloexec);
    if (!file)
        return -ENOENT;
    uint32_t flags = file_open_flags(file) | (cloexec ? O_CLOEXEC : 0);
    seq_printf(seq, "pos:\t%lu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%lu\n", file->pos, flags,
               file->path.mount ? file->path.mount->id : 0, file->inode->ino);
    file_put(file);
    return 0;
}

const struct proc_entry proc_fd_link = {
    .name = "fd", .mode = S_IFLNK | 0700, .size = 64, .guard = PROC_GUARDED, .follow = follow_fd};
static const struct proc_entry fdinfo_entry = {
    .name = "fdinfo", .mode = S_IFREG | 0444, .guard = PROC_GUARDED, .show = show_fdinfo};

const struct proc_dir proc_fd_dir = {
    .next_number = next_fd,
    .number = &proc_fd_link,
    .number_offset = offsetof(struct proc_target, fd),
};
static const struct proc_dir fdinfo_dir = {
    .next_number = next_fd,
    .number = &fdinfo_entry,
    .number_offset = offsetof(struct proc_target, fd),
};

/* Small files. */

static int
info_of(const struct proc_target *target, struct proc_info *info)
{
    memset(info, 0, sizeof(*info));
    return procfs_ops.info(&target->id, info);
}

static int
show_comm(struct seq *seq, const struct proc_target *target)
{
    struct proc_info p;
    int error = info_of(target, &p);
    if (error)
        return error;
    seq_printf(seq, "%s\n", p.comm);
    return 0;
}

static int
store_comm(const struct proc_target *target, char *text)
{
    if (strlen(text) > sizeof(((struct proc_info *)0)->comm) - 1)
        text[sizeof(((struct proc_info *)0)->comm) - 1] = 0;
    return procfs_ops.set_name(&target->id, text);
}

static int
show_oom_score(struct seq *seq, const struct proc_target *target)
{
    int score = procfs_ops.oom_score(&target->id);
    if (score < 0)
        return score;
    seq_printf(seq, "%d\n", score);
    return 0;
}

static int
show_oom_score_adj(struct seq *seq, const struct proc_target *target)
{
    struct proc_info p;
    int error = info_of(target, &p);
    if (error)
        return error;
    seq_printf(seq, "%d\n", p.oom_score_adj);
    return 0;
}

/* The text without blanks before and behind it. */
static char *
strip(char *text)
{
    static const char blanks[] = " \t\n\v\f\r";
    size_t length;

    while (*text && strchr(blanks, *text))
        text++;
    for (length = strlen(text); length && strchr(blanks, text[length - 1]); length--)
        text[length - 1] = 0;
    return text;
}

static int
store_oom_score_adj(const struct proc_target *target, char *text)
{
    int64_t value;
    if (parse_s64(strip(text), &value) || value < -1000 || value > 1000)
        return -EINVAL;
    return procfs_ops.set_oom_score_adj(&target->id, (int)value);
}

static int
show_personality(struct seq *seq, const struct proc_target *target)
{
    struct proc_info p;
    int error = info_of(target, &p);
    if (error)
        return error;
    if (!procfs_ops.may_inspect(&target->id, NULL))
        return -EPERM;
    seq_printf(seq, "%08x\n", p.personality);
    return 0;
}

static int
show_wchan(struct seq *seq, const struct proc_target *target)
{
    struct proc_info p;
    int error = info_of(target, &p);
    if (error)
        return error;
    bool told = p.wchan[0] && procfs_ops.may_inspect(&target->id, NULL);
    seq_puts(seq, told ? p.wchan : "0");
    return 0;
}

/* Files whose text is the same for every process. */
static int
show_text(struct seq *seq, const struct proc_target *target)
{
    seq_puts(seq, target->entry->data);
    return 0;
}

#define AT_READ(n, perms, fn)                                                                      \
    {.name = n, .mode = S_IFREG | (perms), .guard = PROC_AT_READ, .show = fn}
#define MEMORY(n, perms, fn)                                                                       \
    {.name = n, .mode = S_IFREG | (perms), .guard = PROC_GUARDED, .next_vm = fn}
#define LINK(n, fn) {.name = n, .mode = S_IFLNK | 0777, .guard = PROC_GUARDED, .follow = fn}
#define TEXT(n, text) {.name = n, .mode = S_IFREG | 0444, .show = show_text, .data = text}
#define UNSET_ID "4294967295" /* loginuid and sessionid that nobody set */

#define COMMON_ENTRIES                                                                             \
    MEMORY("auxv", 0400, proc_next_auxv), TEXT("cgroup", "0::/\n"),                               \
        {.name = "cmdline", .mode = S_IFREG | 0444, .peek = proc_peek_cmdline},                    \
        {.name = "comm",                                                                           \
         .mode = S_IFREG | 0644,                                                                   \
         .own = true,                                                                              \
         .show = show_comm,                                                                        \
         .store = store_comm},                                                                     \
        LINK("cwd", follow_cwd),                                                                   \
        {.name = "environ",                                                                        \
         .mode = S_IFREG | 0400,                                                                   \
         .guard = PROC_GUARDED,                                                                    \
         .peek = proc_peek_environ},                                                               \
        LINK("exe", follow_exe),                                                                   \
        {.name = "fd",                                                                             \
         .mode = S_IFDIR | 0500,                                                                   \
         .guard = PROC_GUARDED,                                                                    \
         .own = true,                                                                              \
         .dir = &proc_fd_dir},                                                                     \
        {.name = "fdinfo",                                                                         \
         .mode = S_IFDIR | 0555,                                                                   \
         .guard = PROC_GUARDED,                                                                    \
         .dir = &fdinfo_dir},                                                                      \
        AT_READ("io", 0400, proc_show_io), PROC_FILE("limits", 0444, proc_show_limits),            \
        TEXT("loginuid", UNSET_ID), MEMORY("maps", 0444, proc_next_maps),                         \
        PROC_LIST("mountinfo", 0444, proc_next_mountinfo),                                         \
        PROC_LIST("mounts", 0444, proc_next_mounts),                                               \
        MEMORY("pagetable", 0400, proc_next_pagetable), PROC_FILE("oom_score", 0444, show_oom_score), \
        {.name = "oom_score_adj",                                                                  \
         .mode = S_IFREG | 0644,                                                                   \
         .show = show_oom_score_adj,                                                               \
         .store = store_oom_score_adj},                                                            \
        PROC_FILE("personality", 0400, show_personality), LINK("root", follow_root),                 \
        MEMORY("roots", 0400, proc_next_roots),                                                   \
        TEXT("sessionid", UNSET_ID), PROC_FILE("stat", 0444, proc_show_stat),                      \
        PROC_FILE("statm", 0444, proc_show_statm), PROC_LIST("status", 0444, proc_next_status),    \
        PROC_FILE("wchan", 0444, show_wchan)

static const struct proc_entry thread_entries[] = {COMMON_ENTRIES};
static const struct proc_entry process_entries[] = {COMMON_ENTRIES,
                                                    PROC_DIR("task", 0555, &task_dir)};

static const struct proc_dir thread_dir = {
    .entries = thread_entries, .nentries = ARRAY_SIZE(thread_entries)};
static const struct proc_dir process_dir = {
    .entries = process_entries, .nentries = ARRAY_SIZE(process_entries)};

static const struct proc_entry thread_entry = PROC_DIR("task", 0555, &thread_dir);
const struct proc_entry proc_pid_entry = PROC_DIR("process", 0555, &process_dir);

static const struct proc_dir task_dir = {
    .next_number = next_thread,
    .number = &thread_entry,
    .number_offset = offsetof(struct proc_target, id.tid),
};
