/*
 * The tree of dentries as a whole: moving branches, naming paths, listing
 * directories whose dentries are pinned, and taking a tree apart.
 */
#include "arch/riscv/panic.h"
#include "arch/riscv/trap.h"
#include "lib/atomic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vfs/dcache.h"
#include "vfs/file.h"
#include "vfs/mount.h"

/* Between two points where the hart may be given away: */
#define STEPS_AT_ONCE 256  /* up the tree */
#define DESTROY_AT_ONCE 16 /* dentries, each of which may end */

static bool
has_long_name(const struct dentry *dentry)
{
    return dentry->name != dentry->inline_name;
}

/* Exchange two dentries' names. tree_lock held, both unhashed. */
static void
swap_names(struct dentry *a, struct dentry *b)
{
    const char *a_long = has_long_name(a) ? a->name : NULL;
    const char *b_long = has_long_name(b) ? b->name : NULL;
    char text[DNAME_INLINE];
    uint32_t length = a->name_length;

    memcpy(text, a->inline_name, DNAME_INLINE);
    memcpy(a->inline_name, b->inline_name, DNAME_INLINE);
    memcpy(b->inline_name, text, DNAME_INLINE);
    a->name = b_long ? b_long : a->inline_name;
    b->name = a_long ? a_long : b->inline_name;
    a->name_length = b->name_length;
    b->name_length = length;
}

/* Give dentry target's name; copy is its own copy of it if it is long. tree_lock held. */
static void
take_name(struct dentry *dentry, const struct dentry *target, const char *copy)
{
    const char *old = has_long_name(dentry) ? dentry->name : NULL;

    if (copy) {
        dentry->name = copy;
    } else {
        memcpy(dentry->inline_name, target->inline_name, DNAME_INLINE);
        dentry->name = dentry->inline_name;
    }
    dentry->name_length = target->name_length;
    if (old)
        d_free_long_name(old);
}

/* Hang a dentry under another directory, last. tree_lock held, dentry unhashed. */
static void
set_parent(struct dentry *dentry, struct dentry *parent)
{
    struct dentry *old = dentry->parent;

    if (old->cursor == dentry)
        old->cursor = NULL;
    spin_lock(&old->child_lock);
    list_del(&dentry->sibling);
    spin_unlock(&old->child_lock);

    dentry->parent = parent;
    if (dentry->pinned)
        dentry->cookie = parent->next_cookie++;
    spin_lock(&parent->child_lock);
    list_add_tail(&parent->children, &dentry->sibling);
    spin_unlock(&parent->child_lock);
}

void
d_move(struct dentry *dentry, struct dentry *target, bool exchange)
{
    struct dentry *old_dir = dentry->parent, *new_dir = target->parent;
    const char *copy = NULL;
    bool swap = exchange;

    /* A replaced file that is still open keeps its name, if there is memory for it. */
    if (!exchange && has_long_name(target)) {
        copy = target->inode ? d_long_name(target->name, target->name_length) : NULL;
        swap = !copy;
    }

    tree_write_begin();
    d_unhash(dentry);
    d_unhash(target);
    if (swap)
        swap_names(dentry, target);
    else
        take_name(dentry, target, copy);
    set_parent(dentry, new_dir);
    d_rehash(dentry, name_hash(new_dir, dentry->name, dentry->name_length), true);
    if (exchange) {
        set_parent(target, old_dir);
        d_rehash(target, name_hash(old_dir, target->name, target->name_length), true);
    } else {
        dentry_get(new_dir); /* exchanged dentries exchange these references too */
    }
    tree_write_end();

    if (!exchange)
        dentry_put(old_dir);
}

bool
d_is_ancestor(const struct dentry *ancestor, const struct dentry *dentry)
{
    assert(mutex_held(&dentry->sb->rename_lock));
    for (unsigned steps = 0;; dentry = dentry->parent) {
        if (dentry == ancestor)
            return true;
        if (dentry->parent == dentry)
            return false;
        preempt_every(&steps, STEPS_AT_ONCE);
    }
}

bool
d_is_under(struct dentry *root, struct dentry *dentry)
{
    if (root->sb != dentry->sb)
        return false;
    if (root == dentry || root == root->sb->root)
        return true;
    SCOPED_LOCK(&root->sb->rename_lock);
    return d_is_ancestor(root, dentry);
}

struct dentry *
d_parent(const struct dentry *dentry)
{
    SCOPED_SPIN(&tree_lock);
    dentry_get(dentry->parent);
    return dentry->parent;
}

/* tree_lock held, or the directory's: a rename unhashes its dentry for a moment. */
static bool
unlinked(const struct dentry *dentry)
{
    return !dentry->hashed && dentry->parent != dentry;
}

bool
path_unlinked(const struct path *path)
{
    SCOPED_SPIN(&tree_lock);
    return unlinked(path->dentry);
}

/* Put text in front of *p, not before buf. False: no room. */
static bool
prepend(char *buf, char **p, const char *text, size_t n)
{
    if ((size_t)(*p - buf) < n)
        return false;
    *p -= n;
    memcpy(*p, text, n);
    return true;
}

/* The name of a file that is in no tree. */
static char *
loose_name(const struct dentry *dentry, char *buf, size_t size)
{
    bool plain = dentry->inode->mode & S_IFMT; /* pipes and sockets have a type */
    char text[64];
    int n = plain ? snprintf(text, sizeof(text), "%s:[%lu]", dentry->name, dentry->inode->ino)
                  : snprintf(text, sizeof(text), "anon_inode:[%s]", dentry->name);
    if ((size_t)n >= min(size, sizeof(text)))
        return err_ptr(-ENAMETOOLONG);
    return memcpy(buf + size - n - 1, text, (size_t)n + 1);
}

/*
 * Prepend the names from path up to root, or as far as they lead: to a mount that hangs nowhere,
 * or out of what a bind mount shows; *reached tells. False: no room. tree_lock held.
 */
static bool
prepend_names(const struct path *path, const struct path *root, char *buf, char **p, bool *reached)
{
    const struct mount *mount = path->mount;
    const struct dentry *dentry = path->dentry;
    const char *end = *p;

    *reached = true;
    while (dentry != root->dentry || mount != root->mount) {
        bool at_root = dentry == mount->root;
        if (at_root ? mount->parent == mount : dentry->parent == dentry) {
            *reached = false;
            if (!at_root)
                *p = (char *)end; /* such names lead nowhere: Linux shows none */
            break;
        }
        if (at_root) {
            dentry = mount->mountpoint;
            mount = mount->parent;
            continue;
        }
        if (!prepend(buf, p, dentry->name, dentry->name_length) || !prepend(buf, p, "/", 1))
            return false;
        dentry = dentry->parent;
    }
    return *p != end || prepend(buf, p, "/", 1);
}

/* path_name(), and whether the path can be reached from the current root. */
static char *
find_name(const struct path *path, char *buf, size_t size, bool *reached)
{
    *reached = true;
    if (size < 2)
        return err_ptr(-ENAMETOOLONG);
    if (path->dentry->sb == &anon_superblock)
        return loose_name(path->dentry, buf, size);

    char *p = buf + size;
    struct path root;
    current_root(&root);
    spin_lock(&tree_lock);
    bool fits = prepend(buf, &p, "", 1) &&
                (!unlinked(path->dentry) || prepend(buf, &p, " (deleted)", 10)) &&
                prepend_names(path, &root, buf, &p, reached);
    spin_unlock(&tree_lock);
    path_put(&root);
    return fits ? p : err_ptr(-ENAMETOOLONG);
}

char *
path_name(const struct path *path, char *buf, size_t size)
{
    bool reached;
    return find_name(path, buf, size, &reached);
}

char *
path_name_from_root(const struct path *path, char *buf, size_t size)
{
    bool reached;
    char *name = find_name(path, buf, size, &reached);
    if (is_err(name) || reached)
        return name;
    return prepend(buf, &name, "(unreachable)", 13) ? name : err_ptr(-ENAMETOOLONG);
}

char *
d_name_in_sb(const struct dentry *dentry, char *buf, size_t size)
{
    char *p = buf + size;
    bool fits = prepend(buf, &p, "", 1);

    SCOPED_SPIN(&tree_lock);
    if (fits && unlinked(dentry))
        fits = prepend(buf, &p, "//deleted", 9);
    if (dentry->parent == dentry)
        fits = fits && prepend(buf, &p, "/", 1);
    for (; fits && dentry->parent != dentry; dentry = dentry->parent)
        fits = prepend(buf, &p, dentry->name, dentry->name_length) && prepend(buf, &p, "/", 1);
    return fits ? p : err_ptr(-ENAMETOOLONG);
}

/*
 * The pinned child after `child` (NULL: the first), with a cookie of at least pos.
 * The directory's lock keeps pinned ones in place; others come and go.
 */
static struct dentry *
next_pinned(struct dentry *dir, struct dentry *child, uint64_t pos)
{
    SCOPED_SPIN(&dir->child_lock);
    struct list *at = child ? &child->sibling : &dir->children;
    while ((at = at->next) != &dir->children) {
        struct dentry *next = LIST_ENTRY(at, struct dentry, sibling);
        if (next->pinned && next->cookie >= pos)
            return next;
    }
    return NULL;
}

/* The pinned child before `child` (NULL: the last), or NULL. */
static struct dentry *
previous_pinned(struct dentry *dir, struct dentry *child)
{
    SCOPED_SPIN(&dir->child_lock);
    struct list *at = child ? &child->sibling : &dir->children;
    while ((at = at->prev) != &dir->children) {
        struct dentry *previous = LIST_ENTRY(at, struct dentry, sibling);
        if (previous->pinned)
            return previous;
    }
    return NULL;
}

/* The first child to list from pos on: mostly where the last call stopped. */
static struct dentry *
first_from(struct dentry *dir, uint64_t pos)
{
    struct dentry *cursor = dir->cursor;
    struct dentry *previous = previous_pinned(dir, cursor);

    if (!previous || previous->cookie < pos) {
        if (!cursor || cursor->cookie >= pos)
            return cursor;
    }
    return next_pinned(dir, NULL, pos);
}

int
dcache_iterate(struct file *file, struct dir_context *ctx)
{
    struct dentry *dir = file->path.dentry;

    if (ctx->pos == 0) {
        if (!ctx->emit(ctx, ".", 1, dir->inode->ino, S_IFDIR >> 12, 1))
            return 0;
        ctx->pos = 1;
    }
    if (ctx->pos == 1) {
        read_enter(); /* a rename may give it another parent, and this one may go */
        uint64_t ino = __atomic_load_n(&dir->parent, __ATOMIC_RELAXED)->inode->ino;
        read_leave();
        if (!ctx->emit(ctx, "..", 2, ino, S_IFDIR >> 12, 2))
            return 0;
        ctx->pos = 2;
    }
    struct dentry *child = first_from(dir, ctx->pos);
    while (child) {
        const struct inode *inode = child->inode;
        uint8_t type = (inode->mode & S_IFMT) >> 12; /* DT_*: the mode's type */
        if (!ctx->emit(ctx, child->name, child->name_length, inode->ino, type, child->cookie + 1))
            break;
        ctx->pos = child->cookie + 1;
        child = next_pinned(dir, child, 0);
    }
    dir->cursor = child;
    return 0;
}

/* Some child that is not dying, with a reference; NULL: none. */
static struct dentry *
any_child(struct dentry *dir)
{
    SCOPED_SPIN(&dir->child_lock);
    struct dentry *child;
    LIST_FOREACH(child, &dir->children, sibling)
        if (dentry_tryget(child))
            return child;
    return NULL;
}

void
d_destroy_tree(struct dentry *root)
{
    struct dentry *dentry = root;
    unsigned steps = 0;

    for (;; preempt_every(&steps, DESTROY_AT_ONCE)) {
        struct dentry *child = any_child(dentry);
        if (child) {
            dentry = child; /* and keep the reference, on the way back up */
            continue;
        }
        if (dentry == root)
            return;

        struct dentry *parent = dentry->parent;
        spin_lock(&parent->child_lock);
        list_del(&dentry->sibling);
        spin_unlock(&parent->child_lock);
        d_unhash(dentry);
        if (dentry->pinned)
            d_unpin(dentry);
        dentry_put(dentry); /* drops its reference to the parent; we hold another */
        dentry = parent;
    }
}
