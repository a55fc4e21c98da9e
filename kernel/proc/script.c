/*
 * The file that exec was given: opening it, and #! lines; see exec.h.
 */
#include <linux/fcntl.h>
#include <linux/mount.h>
#include "lib/errno.h"
#include "lib/string.h"
#include "proc/exec.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vfs/mount.h"

/* May it be executed, whatever it holds? */
static int
check_path(const struct path *path)
{
    struct inode *inode = path->dentry->inode;

    if (inode_is_link(inode))
        return -ELOOP;
    if (!inode_is_reg(inode) || (path->mount->flags & MS_NOEXEC))
        return -EACCES;
    return inode_permission(inode, MAY_EXEC);
}

int
exec_open(struct exec_image *image, const struct path *start, const char *name, unsigned flags)
{
    unsigned lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
    struct file *file;
    struct path path;

    if (flags & AT_EMPTY_PATH)
        lookup |= LOOKUP_EMPTY;
    int error = path_lookup(start, name, lookup, &path);
    if (error)
        return error;
    error = check_path(&path);
    if (!error)
        error = vfs_open_path(&path, O_RDONLY, true, &file);
    path_put(&path);
    if (error)
        return error;
    error = file_execute(file);
    if (error) {
        file_put(file);
        return error;
    }

    memset(image->header, 0, sizeof(image->header));
    ssize_t n = file_read_kernel(file, image->header, sizeof(image->header), 0);
    if (n < 0) {
        file_put(file);
        return (int)n;
    }
    if (image->file)
        file_put(image->file);
    image->file = file;
    image->header_size = (size_t)n;
    return 0;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *
skip_blanks(char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    return p;
}

/* The next blank, NUL or the end. */
static char *
word_end(char *p, const char *end)
{
    while (p < end && *p && !is_blank(*p))
        p++;
    return p;
}

/*
 * Find interpreter and argument (NULL: none) in a #! line, NUL-terminating
 * both in place. A line longer than the header is cut, but not within the
 * interpreter's name. 0 or -ENOEXEC.
 */
static int
parse_line(char *line, size_t size, char **name, char **argument)
{
    char *limit = line + size - 1, *end = line + 2;

    while (end < limit && *end && *end != '\n')
        end++;
    bool cut = *end != '\n';
    *name = skip_blanks(line + 2, end);
    if (*name == end || (cut && end == limit && word_end(*name, limit) == limit))
        return -ENOEXEC;
    while (end > *name && is_blank(end[-1]))
        end--;
    *end = '\0';
    char *after = word_end(*name, end);
    *argument = skip_blanks(after, end);
    if (*argument == end)
        *argument = NULL;
    *after = '\0';
    return 0;
}

int
exec_script(struct exec_image *image, struct exec_args *args, const char *script,
            char *interpreter)
{
    char *line = (char *)image->header, *name, *argument;

    if (line[0] != '#' || line[1] != '!')
        return 0;
    int error = parse_line(line, sizeof(image->header), &name, &argument);
    if (!error && !script)
        error = -ENOENT;
    if (!error)
        error = exec_args_prepend(args, name, argument, script);
    if (error)
        return error;
    strscpy(interpreter, name, EXEC_HEADER_SIZE);
    error = exec_open(image, NULL, interpreter, 0);
    return error ? error : 1;
}
