/*
 * Walking over the components of a path, without copying it.
 *
 *      struct path_iter it = path_iter(path);
 *      struct path_component c;
 *      while ((r = path_next(&it, &c)) > 0)
 *          dir = step(dir, c.name, c.len);
 *
 * Slashes in a row count as one; "." and ".." are components like any other
 * (see path_is_dot); a slash after the last component is no component, but
 * shows in its `slash`. An absolute path differs only in path_is_absolute().
 */
#ifndef QUIRE_LIB_PATH_H
#define QUIRE_LIB_PATH_H

#include "lib/types.h"

/* Linux's limits: linux/limits.h. PATH_MAX counts the NUL, NAME_MAX does not. */
#ifndef NAME_MAX
#define NAME_MAX 255
#endif
#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

struct path_iter {
    const char *next;           /* what is left of the path */
};

struct path_component {
    const char *name;           /* inside the path; not NUL-terminated */
    size_t len;                 /* 1 to NAME_MAX */
    bool slash;                 /* a slash follows: it must be a directory */
    bool last;                  /* no component follows */
};

/* Begin at the start of a NUL-terminated path. */
static inline struct path_iter
path_iter(const char *path)
{
    return (struct path_iter){ .next = path };
}

static inline bool
path_is_absolute(const char *path)
{
    return path[0] == '/';
}

/* True if the component is "." or, for path_is_dotdot, "..". */
static inline bool
path_is_dot(const struct path_component *c)
{
    return c->len == 1 && c->name[0] == '.';
}

static inline bool
path_is_dotdot(const struct path_component *c)
{
    return c->len == 2 && c->name[0] == '.' && c->name[1] == '.';
}

/*
 * Get the next component.
 *
 * Returns 1 with *c filled, 0 at the path's end (*c is untouched), or
 * -ENAMETOOLONG if the component is longer than NAME_MAX; the iterator then
 * stays in front of it.
 */
int path_next(struct path_iter *it, struct path_component *c);

#endif
