/*
 * procfs: the tree.
 *
 * Nothing of it is stored. A directory is a table of entries, or a range of
 * numbers (process ids, thread ids, descriptors) that are asked for each time,
 * or both. Looking a name up makes an inode whose target says what it is
 * about; inodes about processes ask, whenever they are met again, whether their
 * process is still there (revalidate), and are forgotten when unused.
 */
#include <linux/magic.h>
#include "arch/riscv/trap.h"
#include "fs/proc_entry.h"
#include "lib/hash.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "vfs/cred.h"
#include "vfs/fdtable.h"

#define FIRST_ENTRY 2     /* positions in a directory: . and .. come first, */
#define FIRST_NUMBER 1024 /* then the table's entries, then the numbers */
#define ROOT_INO 1
#define NUMBERS_AT_ONCE 8 /* found between two preemption points: each may take a look at all threads */
#define DT_OF(mode) (((mode) & S_IFMT) >> 12) /* DT_* are the type bits of the mode */

struct procfs_ops procfs_ops;

static const struct inode_ops dir_inode_ops, pid_dir_inode_ops, guarded_dir_inode_ops,
    knob_dir_inode_ops, knob_inode_ops, file_inode_ops, pid_file_inode_ops, link_inode_ops,
    pid_link_inode_ops, magic_inode_ops;
static const struct file_ops dir_file_ops;

/* Is what the target is about still there? */
static bool
target_exists(const struct proc_target *target)
{
    if (!target->id.tgid)
        return true;
    if (!procfs_ops.exists(&target->id))
        return false;
    if (target->fd < 0)
        return true;
    struct fdtable *files = procfs_ops.files(&target->id);
    bool there = files && fd_next(files, target->fd) == target->fd;
    if (files)
        fdtable_put(files);
    return there;
}

/*
 * Owner, mode and size, which change with the process. What all may list and
 * search is its user's; anything else is root's if the user may not inspect it.
 */
static void
refresh(struct inode *inode)
{
    const struct proc_target *target = proc_target_of(inode);
    if (!target->id.tgid)
        return;
    const struct cred *cred = procfs_ops.cred(&target->id);
    bool users = cred && (target->entry->mode == (S_IFDIR | 0555) ||
                          procfs_ops.dumpable(&target->id));
    inode_attr_begin(inode);
    store_relaxed(&inode->uid, users ? cred->euid : 0);
    store_relaxed(&inode->gid, users ? cred->egid : 0);
    inode_attr_end(inode);
    if (cred)
        cred_put(cred);
    if (target->entry == &proc_fd_link)
        inode->mode = S_IFLNK | proc_fd_mode(target);
    if (target->entry->dir == &proc_fd_dir)
        inode->size = proc_count_fds(target);
}

/* A number that is the same for the same target. */
static uint64_t
target_ino(const struct proc_target *target)
{
    uint64_t hash = hash64_pair((uint64_t)target->id.tgid << 32 | (uint32_t)target->id.tid,
                                (uint64_t)target->entry + (uint64_t)(target->fd + 1) * 0x10001);
    return (hash >> 16 & 0x3fffffff) + ROOT_INO + 1;
}

static void
choose_ops(struct inode *inode, const struct proc_target *target)
{
    const struct proc_entry *entry = target->entry;
    bool of_process = target->id.tgid != 0;
    if (inode_is_dir(inode)) {
        bool guarded = entry->guard == PROC_GUARDED && !entry->own;
        inode->ops = guarded        ? &guarded_dir_inode_ops
                     : of_process   ? &pid_dir_inode_ops
                     : target->knob ? &knob_dir_inode_ops
                                    : &dir_inode_ops;
        inode->file_ops = &dir_file_ops;
    } else if (inode_is_link(inode)) {
        inode->ops = entry->follow ? &magic_inode_ops
                     : of_process  ? &pid_link_inode_ops
                                   : &link_inode_ops;
    } else {
        inode->ops = of_process     ? &pid_file_inode_ops
                     : target->knob ? &knob_inode_ops
                                    : &file_inode_ops;
        inode->file_ops = entry->ops ? entry->ops : &proc_text_ops;
    }
}

/* A new inode for a target; NULL: memory is out. */
static struct inode *
make_inode(struct superblock *sb, const struct proc_target *target, uint64_t ino)
{
    struct proc_inode *pi = kzalloc(sizeof(*pi));
    if (!pi)
        return NULL;
    pi->target = *target;
    inode_init(&pi->inode, sb, NULL, target->entry->mode, ino);
    pi->inode.uid = pi->inode.gid = 0;
    pi->inode.size = target->entry->size;
    choose_ops(&pi->inode, target);
    refresh(&pi->inode);
    return &pi->inode;
}

static void
free_inode(struct inode *inode)
{
    kmfree(container_of(inode, struct proc_inode, inode));
}

/* Looking up. */

/* The number that a name of `length` letters is, or -1. */
static int
parse_name(const char *name, size_t length)
{
    int value = 0;
    if (length == 0 || length > 9 || (name[0] == '0' && length > 1))
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9')
            return -1;
        value = value * 10 + (name[i] - '0');
    }
    return value;
}

static void
set_number(struct proc_target *target, const struct proc_dir *dir, int number)
{
    target->entry = dir->number;
    *(int *)((char *)target + dir->number_offset) = number;
}

/* Find a name in a directory. 0 with *target filled in, or -ENOENT. */
static int
find(const struct proc_target *parent, const char *name, size_t length, struct proc_target *target)
{
    const struct proc_dir *dir = parent->entry->dir;
    *target = *parent;
    for (size_t i = 0; i < dir->nentries; i++) {
        const char *entry = dir->entries[i].name;
        if (entry[0] == name[0] && str_equals_n(name, length, entry)) {
            target->entry = &dir->entries[i];
            target->knob |= target->entry->dir == &proc_sys_dir;
            return 0;
        }
    }
    int number = parse_name(name, length);
    if (number < 0 || !dir->next_number)
        return -ENOENT;
    target->entry = dir->number;
    if (dir->next_number(parent, number) == number)
        set_number(target, dir, number);
    else if (!dir->find_unlisted || !dir->find_unlisted(target, number))
        return -ENOENT;
    bool names_process = target->fd < 0;
    return names_process && !procfs_ops.identify(&target->id) ? -ENOENT : 0;
}

static int
proc_lookup(struct inode *dir, struct dentry *dentry)
{
    const struct proc_target *parent = proc_target_of(dir);
    struct proc_target target;
    if (!target_exists(parent))
        return -ENOENT;
    int error = find(parent, dentry->name, dentry->name_length, &target);
    if (error)
        return error; /* no negative dentry: the name may come into being any time */
    struct inode *inode = make_inode(dir->sb, &target, target_ino(&target));
    if (!inode)
        return -ENOMEM;
    d_add(dentry, inode);
    return 0;
}

static bool
proc_revalidate(struct dentry *dentry)
{
    if (!dentry->inode || !target_exists(proc_target_of(dentry->inode)))
        return false;
    refresh(dentry->inode);
    return true;
}

/*
 * Nothing is found below a process that has gone. A process may list its own
 * descriptors even where they count as root's.
 */
static int
proc_permission(struct inode *inode, unsigned mask)
{
    const struct proc_target *target = proc_target_of(inode);
    bool of_process = (!target->id.tid || target->entry == &proc_pid_entry) &&
                      target->entry->guard == PROC_OPEN;
    if (of_process && !procfs_ops.exists(&target->id))
        return -ESRCH;
    struct inode_access access = inode_access(inode);
    int error = inode_permission_by_mode(&access, mask);
    if (error && target->entry->own && procfs_ops.is_own(&target->id))
        return 0;
    return error;
}

/* A process may name its threads even where their files count as root's. */
static int
pid_file_permission(struct inode *inode, unsigned mask)
{
    const struct proc_target *target = proc_target_of(inode);
    struct inode_access access = inode_access(inode);
    int error = inode_permission_by_mode(&access, mask);
    bool own = target->entry->own && target->id.tid && !(mask & MAY_EXEC);
    return error && own && procfs_ops.is_own(&target->id) ? 0 : error;
}

static int
knob_permission(struct inode *inode, unsigned mask)
{
    return proc_knob_allowed(inode->mode, mask) ? 0 : -EACCES;
}

/* What a process has open is seen, by name too, by those who may look into it. */
static int
guarded_dir_permission(struct inode *inode, unsigned mask)
{
    int error = proc_check_access(proc_target_of(inode));
    return error ? error : proc_permission(inode, mask);
}

static int
proc_getattr(struct inode *inode)
{
    refresh(inode);
    return 0;
}

/* Opening for truncation changes nothing; other changes do not last and are refused. */
static int
proc_setattr(struct inode *inode __unused, const struct attributes *attr)
{
    return attr->mask & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}

static ssize_t
proc_readlink(struct inode *inode, char *buf, size_t size)
{
    const struct proc_target *target = proc_target_of(inode);
    return target->entry->link(target, buf, size);
}

static int
proc_follow(struct inode *inode, struct path *path)
{
    const struct proc_target *target = proc_target_of(inode);
    int error = proc_check_access(target);
    if (!error)
        error = target->entry->follow(target, path);
    if (error)
        return error;
    error = proc_check_access(target); /* of what was found */
    if (error)
        path_put(path);
    return error;
}

static const struct inode_ops dir_inode_ops = {.lookup = proc_lookup, .setattr = proc_setattr};
static const struct inode_ops pid_dir_inode_ops = {
    .lookup = proc_lookup,
    .setattr = proc_setattr,
    .getattr = proc_getattr,
    .revalidate = proc_revalidate,
    .permission = proc_permission,
};
static const struct inode_ops guarded_dir_inode_ops = {
    .lookup = proc_lookup,
    .setattr = proc_setattr,
    .getattr = proc_getattr,
    .revalidate = proc_revalidate,
    .permission = guarded_dir_permission,
};
static const struct inode_ops knob_dir_inode_ops = {
    .lookup = proc_lookup, .setattr = proc_setattr, .permission = knob_permission};
static const struct inode_ops knob_inode_ops = {
    .setattr = proc_setattr, .permission = knob_permission};
static const struct inode_ops file_inode_ops = {.setattr = proc_setattr};
static const struct inode_ops pid_file_inode_ops = {
    .setattr = proc_setattr,
    .getattr = proc_getattr,
    .revalidate = proc_revalidate,
    .permission = pid_file_permission,
};
static const struct inode_ops link_inode_ops = {.readlink = proc_readlink};
static const struct inode_ops pid_link_inode_ops = {
    .readlink = proc_readlink, .getattr = proc_getattr, .revalidate = proc_revalidate};
static const struct inode_ops magic_inode_ops = {
    .follow = proc_follow, .getattr = proc_getattr, .revalidate = proc_revalidate};

/* Listing. */

static bool
emit(struct dir_context *ctx, const char *name, const struct proc_target *target, uint64_t next)
{
    if (!ctx->emit(ctx, name, strlen(name), target_ino(target), DT_OF(target->entry->mode), next))
        return false;
    ctx->pos = next;
    return true;
}

/* The numbers of a directory from ctx->pos on. */
static void
emit_numbers(const struct proc_target *parent, struct dir_context *ctx)
{
    const struct proc_dir *dir = parent->entry->dir;
    ctx->pos = max(ctx->pos, (uint64_t)FIRST_NUMBER);
    int number = (int)(ctx->pos - FIRST_NUMBER);
    unsigned n = 0;
    while ((number = dir->next_number(parent, number)) >= 0) {
        preempt_every(&n, NUMBERS_AT_ONCE);
        struct proc_target target = *parent;
        set_number(&target, dir, number);
        char name[12];
        snprintf(name, sizeof(name), "%d", number);
        number++;
        if (!emit(ctx, name, &target, (uint64_t)FIRST_NUMBER + number))
            return;
    }
}

static int
proc_iterate(struct file *file, struct dir_context *ctx)
{
    struct inode *inode = file->inode;
    const struct proc_target *parent = proc_target_of(inode);
    const struct proc_dir *dir = parent->entry->dir;
    int error = proc_check_access(parent);
    if (error)
        return error;
    if (!target_exists(parent))
        return -ENOENT;

    while (ctx->pos < FIRST_ENTRY) {
        uint64_t ino = ctx->pos ? file->path.dentry->parent->inode->ino : inode->ino;
        if (!ctx->emit(ctx, "..", ctx->pos + 1, ino, DT_OF(S_IFDIR), ctx->pos + 1))
            return 0;
        ctx->pos++;
    }
    while (ctx->pos - FIRST_ENTRY < dir->nentries) {
        struct proc_target target = *parent;
        target.entry = &dir->entries[ctx->pos - FIRST_ENTRY];
        if (!emit(ctx, target.entry->name, &target, ctx->pos + 1))
            return 0;
    }
    if (dir->next_number)
        emit_numbers(parent, ctx);
    return 0;
}

static const struct file_ops dir_file_ops = {.iterate = proc_iterate};

/* Mounting. */

static const struct superblock_ops super_ops = {.free_inode = free_inode};
static const struct proc_entry root_entry = {
    .name = "/", .mode = S_IFDIR | 0555, .dir = &proc_root_dir};

static struct superblock *
proc_mount(const struct fs_type *type, uint64_t flags, const char *source __unused,
           const char *options __unused)
{
    struct superblock *sb = superblock_alloc(type);
    if (!sb)
        return err_ptr(-ENOMEM);
    sb->flags = flags;
    sb->magic = PROC_SUPER_MAGIC;
    sb->ops = &super_ops;
    struct proc_target target = {.entry = &root_entry, .fd = -1};
    struct inode *root = make_inode(sb, &target, ROOT_INO);
    sb->root = root ? d_alloc_root(sb, root) : NULL;
    if (!sb->root) {
        if (root)
            inode_put(root);
        superblock_put(sb);
        return err_ptr(-ENOMEM);
    }
    return sb;
}

void
procfs_init(void)
{
    static struct fs_type type = {.name = "proc", .nodev = true, .mount = proc_mount};
    fs_register(&type);
}
