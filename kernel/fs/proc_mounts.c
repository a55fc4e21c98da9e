/*
 * /proc/PID/mounts and mountinfo (proc(5)): what is mounted where.
 */
#include <linux/mount.h>
#include "fs/proc_entry.h"
#include "lib/string.h"

#define ESCAPED " \t\n#"

struct mount_list {
    struct seq *seq;
    char *buf; /* for path_name(): PATH_MAX */
};

static void
show_flags(struct seq *seq, const struct mount *mount, bool with_super)
{
    static const struct {
        uint64_t flag;
        const char *text;
    } names[] = {
        {MS_NOSUID, ",nosuid"}, {MS_NODEV, ",nodev"}, {MS_NOEXEC, ",noexec"},
        {MS_NOATIME, ",noatime"}, {MS_NODIRATIME, ",nodiratime"}, {MS_RELATIME, ",relatime"},
        {MS_NOSYMFOLLOW, ",nosymfollow"},
    };
    uint64_t flags = mount->flags;
    bool read_only = (flags | (with_super ? mount->sb->flags : 0)) & MS_RDONLY;
    seq_puts(seq, read_only ? "ro" : "rw");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (flags & names[i].flag)
            seq_puts(seq, names[i].text);
    }
}

static void
show_super_options(struct seq *seq, const struct superblock *sb)
{
    char options[256];
    if (sb->flags & MS_SYNCHRONOUS)
        seq_puts(seq, ",sync");
    if (!sb->ops->show_options)
        return;
    int n = sb->ops->show_options((struct superblock *)sb, options, sizeof(options));
    seq_write(seq, options, max(n, 0));
}

/* The path where something is mounted, as the reader sees it. */
static void
show_mountpoint(struct mount_list *list, const struct mount *mount)
{
    struct path path = {.mount = (struct mount *)mount, .dentry = mount->root};
    const char *name = path_name(&path, list->buf, PATH_MAX);
    seq_escape(list->seq, is_err(name) ? "/" : name, ESCAPED);
}

static const char *
source_of(const struct mount *mount)
{
    return mount->source && *mount->source ? mount->source : "none";
}

static void
mounts_line(void *ctx, const struct mount *mount)
{
    struct mount_list *list = ctx;
    struct seq *seq = list->seq;
    seq_escape(seq, source_of(mount), ESCAPED);
    seq_putc(seq, ' ');
    show_mountpoint(list, mount);
    seq_printf(seq, " %s ", mount->sb->type->name);
    show_flags(seq, mount, true);
    show_super_options(seq, mount->sb);
    seq_puts(seq, " 0 0\n");
}

/* The name of a mount's root within its file system, "/" unless it is a bind mount. */
static void
show_root(struct mount_list *list, const struct dentry *dentry)
{
    const char *name = d_name_in_sb(dentry, list->buf, PATH_MAX);
    seq_escape(list->seq, is_err(name) ? "/" : name, ESCAPED);
}

static void
mountinfo_line(void *ctx, const struct mount *mount)
{
    struct mount_list *list = ctx;
    struct seq *seq = list->seq;
    const struct superblock *sb = mount->sb;
    seq_printf(seq, "%u %u %u:%u ", mount->id, mount->parent->id, dev_major(sb->dev),
               dev_minor(sb->dev));
    show_root(list, mount->root);
    seq_putc(seq, ' ');
    show_mountpoint(list, mount);
    seq_putc(seq, ' ');
    show_flags(seq, mount, false);
    seq_printf(seq, " - %s ", sb->type->name);
    seq_escape(seq, source_of(mount), ESCAPED);
    seq_puts(seq, sb->flags & MS_RDONLY ? " ro" : " rw");
    show_super_options(seq, sb);
    seq_putc(seq, '\n');
}

static int
next_line(struct seq *seq, struct seq_cursor *cursor, void (*line)(void *, const struct mount *))
{
    struct mount_list list = {.seq = seq, .buf = seq_scratch(seq)};
    if (!list.buf)
        return -ENOMEM;
    return mount_pass(&cursor->at, line, &list);
}

int
proc_next_mounts(struct seq *seq, const struct proc_target *target __unused,
                 struct seq_cursor *cursor)
{
    return next_line(seq, cursor, mounts_line);
}

int
proc_next_mountinfo(struct seq *seq, const struct proc_target *target __unused,
                    struct seq_cursor *cursor)
{
    return next_line(seq, cursor, mountinfo_line);
}
