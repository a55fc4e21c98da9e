/*
 * What names are relative to: each thread's root, current directory, umask.
 *
 * A context mostly has one user; then only that thread changes it, and it
 * reads it without the lock. Observers (/proc) and sharers take the lock.
 */
#include "lib/errno.h"
#include "mem/slab.h"
#include "sched/thread.h"
#include "vfs/mounttree.h"
#include "vfs/namei.h"

#define UMASK_DEFAULT 022 /* of the first process, as on Linux */

struct fs_context *
fs_context_copy(struct fs_context *from)
{
    struct fs_context *fs = kmalloc(sizeof(*fs));
    if (!fs)
        return NULL;
    ref_init(&fs->users, 1);
    ref_init(&fs->refs, 1);
    fs->nexecs = 0;
    spin_init(&fs->lock, "fs context");
    if (from) {
        SCOPED_SPIN(&from->lock);
        fs->root = from->root;
        fs->cwd = from->cwd;
        fs->umask = from->umask;
        path_get(&fs->root);
        path_get(&fs->cwd);
    } else {
        current_root(&fs->root);
        current_root(&fs->cwd);
        fs->umask = UMASK_DEFAULT;
    }
    return fs;
}

int
fs_context_use(struct fs_context *fs)
{
    SCOPED_SPIN(&fs->lock);
    if (fs->nexecs)
        return -EAGAIN;
    ref_get(&fs->users);
    return 0;
}

bool
fs_context_leave(struct fs_context *fs)
{
    return ref_put(&fs->users);
}

bool
fs_exec_begin(struct fs_context *fs, uint32_t own)
{
    SCOPED_SPIN(&fs->lock);
    if (ref_count(&fs->users) > own)
        return true;
    fs->nexecs++;
    return false;
}

void
fs_exec_end(struct fs_context *fs)
{
    SCOPED_SPIN(&fs->lock);
    fs->nexecs--;
}

void
fs_context_get(struct fs_context *fs)
{
    ref_get(&fs->refs);
}

void
fs_context_put(struct fs_context *fs)
{
    if (!ref_put(&fs->refs))
        return;
    path_put(&fs->root);
    path_put(&fs->cwd);
    kmfree(fs);
}

static void
replace(struct fs_context *fs, struct path *which, const struct path *with)
{
    path_get(with);
    spin_lock(&fs->lock);
    struct path old = *which;
    *which = *with;
    spin_unlock(&fs->lock);
    path_put(&old);
}

void
fs_set_root(struct fs_context *fs, const struct path *root)
{
    replace(fs, &fs->root, root);
}

void
fs_set_cwd(struct fs_context *fs, const struct path *cwd)
{
    replace(fs, &fs->cwd, cwd);
}

/* Copy one of a context's paths, with references. */
static void
copy_path(struct fs_context *fs, const struct path *which, struct path *path)
{
    SCOPED_SPIN(&fs->lock);
    *path = *which;
    path_get(path);
}

/* The bottom of the mount tree, with references. */
static void
get_first_root(struct path *path)
{
    for (;;) {
        read_enter();
        first_root(path);
        bool have = mount_tryget(path->mount);
        read_leave();
        if (have)
            break;
    }
    path->dentry = path->mount->root;
    dentry_get(path->dentry);
}

void
current_root(struct path *path)
{
    struct fs_context *fs = current_thread()->fs;
    if (fs)
        copy_path(fs, &fs->root, path);
    else
        get_first_root(path);
}

void
current_cwd(struct path *path)
{
    struct fs_context *fs = current_thread()->fs;
    if (fs)
        copy_path(fs, &fs->cwd, path);
    else
        get_first_root(path);
}

uint32_t
current_umask(void)
{
    struct fs_context *fs = current_thread()->fs;
    return fs ? fs->umask : 0;
}
