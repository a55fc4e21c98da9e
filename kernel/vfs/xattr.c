/*
 * Extended attributes (xattr.h).
 */
#include "vfs/xattr.h"

#include <linux/capability.h>
#include <linux/limits.h>
#include <linux/xattr.h>

#include "arch/riscv/trap.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "vfs/cred.h"
#include "vfs/dcache.h"
#include "vfs/inode.h"
#include "vfs/mount.h"

/* Names in inode->xattrs, by strcmp(). */
struct xattr {
    struct rbnode node;
    uint32_t size;
    uint32_t name_size; /* with the NUL */
    char data[];        /* the name, then the value */
};

#define NAMES_AT_ONCE 64 /* between two preemption points */

static int
check_security(const char *name)
{
    bool capability = strcmp(name, XATTR_SECURITY_PREFIX "capability") == 0;
    return capable(capability ? CAP_SETFCAP : CAP_SYS_ADMIN) ? 0 : -EPERM;
}

/* May the attribute be read, or written? By the rules of its name; xattr(7). */
static int
check_access(struct inode *inode, const char *name, bool write)
{
    struct inode_access access = inode_access(inode);
    int denied = write ? -EPERM : -ENODATA;

    if (write && (inode->immutable || inode->append_only))
        return -EPERM;
    if (str_starts_with(name, XATTR_SECURITY_PREFIX))
        return write ? check_security(name) : 0;
    if (str_starts_with(name, XATTR_SYSTEM_PREFIX))
        return 0;
    if (str_starts_with(name, XATTR_TRUSTED_PREFIX))
        return capable(CAP_SYS_ADMIN) ? 0 : denied;
    if (str_starts_with(name, XATTR_USER_PREFIX)) {
        if (!inode_is_reg(inode) && !inode_is_dir(inode))
            return denied;
        if (write && S_ISDIR(access.mode) && (access.mode & S_ISVTX) &&
            current_cred()->fsuid != access.uid && !capable(CAP_FOWNER))
            return -EPERM;
    }
    return inode_permission_by(inode, &access, write ? MAY_WRITE : MAY_READ);
}

/*
 * Is it a name of a kind that files can have? 0, -EINVAL, -EOPNOTSUPP. What a program that
 * carries security.capability may do is decided at exec, which does not look there: it can
 * not be set, so that nobody takes it for granted.
 */
static int
check_kind(const char *name, bool set)
{
    const char *const known[] = {XATTR_SECURITY_PREFIX, XATTR_TRUSTED_PREFIX, XATTR_USER_PREFIX};

    if (set && strcmp(name, XATTR_SECURITY_PREFIX "capability") == 0)
        return -EOPNOTSUPP;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (str_starts_with(name, known[i]))
            return name[strlen(known[i])] ? 0 : -EINVAL;
    return -EOPNOTSUPP;
}

static int
change(struct inode *inode, const char *name, const void *value, size_t size, unsigned flags)
{
    int error = check_access(inode, name, true);

    if (!error)
        error = check_kind(name, value != NULL);
    if (!error && !inode->ops->setxattr)
        error = value || str_starts_with(name, XATTR_USER_PREFIX) ? -EOPNOTSUPP : -ENODATA;
    if (!error)
        error = inode->ops->setxattr(inode, name, value, size, flags);
    if (!error)
        inode_touch(inode, TOUCH_CTIME);
    return error;
}

int
vfs_setxattr(const struct path *path, const char *name, const void *value, size_t size,
             unsigned flags)
{
    struct inode *inode = path->dentry->inode;
    int error = mount_begin_write(path->mount);

    if (error)
        return error;
    mutex_lock(&inode->lock);
    error = change(inode, name, value, size, flags);
    mutex_unlock(&inode->lock);
    mount_end_write(path->mount);
    return error;
}

ssize_t
vfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
    ssize_t result = check_access(inode, name, false);

    if (!result)
        result = check_kind(name, false);
    if (result)
        return result;
    if (!inode->ops->getxattr)
        return str_starts_with(name, XATTR_USER_PREFIX) ? -EOPNOTSUPP : -ENODATA;
    mutex_lock(&inode->lock);
    result = inode->ops->getxattr(inode, name, buf, size);
    mutex_unlock(&inode->lock);
    return result;
}

ssize_t
vfs_listxattr(struct inode *inode, char *buf, size_t size)
{
    if (!inode->ops->listxattr)
        return 0;
    mutex_lock(&inode->lock);
    ssize_t result = inode->ops->listxattr(inode, buf, size);
    mutex_unlock(&inode->lock);
    return result;
}

/* The store. */

static struct xattr *
xattr_of(struct rbnode *node)
{
    return container_of(node, struct xattr, node);
}

/* The attribute of a name, or NULL; then *parent and *link say where one belongs. */
static struct xattr *
find(struct inode *inode, const char *name, struct rbnode **parent, struct rbnode ***link)
{
    *parent = NULL;
    *link = &inode->xattrs.root;
    while (**link) {
        struct xattr *attr = xattr_of(**link);
        int order = strcmp(name, attr->data);
        if (order == 0)
            return attr;
        *parent = **link;
        *link = order < 0 ? &(*parent)->left : &(*parent)->right;
    }
    return NULL;
}

static struct xattr *
look_up(struct inode *inode, const char *name)
{
    struct rbnode *parent, **link;
    return find(inode, name, &parent, &link);
}

size_t
xattr_space_for(const char *name, size_t size)
{
    return sizeof(struct xattr) + strlen(name) + 1 + size;
}

size_t
xattr_space(struct inode *inode, const char *name)
{
    struct xattr *attr = look_up(inode, name);
    return attr ? sizeof(*attr) + attr->name_size + attr->size : 0;
}

static struct xattr *
make(const char *name, const void *value, size_t size)
{
    struct xattr *attr = kmalloc(xattr_space_for(name, size));

    if (!attr)
        return NULL;
    attr->name_size = (uint32_t)strlen(name) + 1;
    attr->size = (uint32_t)size;
    memcpy(attr->data, name, attr->name_size);
    memcpy(attr->data + attr->name_size, value, size);
    return attr;
}

int
xattr_set(struct inode *inode, const char *name, const void *value, size_t size, unsigned flags)
{
    struct rbnode *parent, **link;
    struct xattr *old = find(inode, name, &parent, &link), *new = NULL;

    if (old && (flags & XATTR_CREATE))
        return -EEXIST;
    if (!old && (!value || (flags & XATTR_REPLACE)))
        return -ENODATA;
    if (value && !(new = make(name, value, size)))
        return -ENOMEM;
    if (old && new)
        rb_replace(&inode->xattrs, &old->node, &new->node);
    else if (new)
        rb_insert_at(&inode->xattrs, &new->node, parent, link);
    else
        rb_erase(&inode->xattrs, &old->node);
    kmfree(old);
    return 0;
}

ssize_t
xattr_get(struct inode *inode, const char *name, void *buf, size_t size)
{
    struct xattr *attr = look_up(inode, name);

    if (!attr)
        return -ENODATA;
    if (size > 0 && size < attr->size)
        return -ERANGE;
    if (size > 0)
        memcpy(buf, attr->data + attr->name_size, attr->size);
    return attr->size;
}

ssize_t
xattr_list(struct inode *inode, char *buf, size_t size)
{
    bool trusted = capable(CAP_SYS_ADMIN);
    size_t total = 0;
    unsigned nsteps = 0;

    for (struct rbnode *node = rb_first(&inode->xattrs); node; node = rb_next(node)) {
        const struct xattr *attr = xattr_of(node);
        if (!trusted && str_starts_with(attr->data, XATTR_TRUSTED_PREFIX))
            continue;
        if (size > 0 && total + attr->name_size > size)
            return -ERANGE;
        if (size > 0)
            memcpy(buf + total, attr->data, attr->name_size);
        total += attr->name_size;
        preempt_every(&nsteps, NAMES_AT_ONCE);
    }
    return (ssize_t)total;
}

void
xattr_destroy(struct inode *inode)
{
    unsigned nsteps = 0;

    for (struct rbnode *node; (node = rb_first(&inode->xattrs)) != NULL;) {
        rb_erase(&inode->xattrs, node);
        kmfree(xattr_of(node));
        preempt_every(&nsteps, NAMES_AT_ONCE);
    }
}
