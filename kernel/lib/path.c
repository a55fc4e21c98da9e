/*
 * Walking over the components of a path.
 */
#include "lib/path.h"

#include "lib/errno.h"

int
path_next(struct path_iter *it, struct path_component *c)
{
    const char *name = it->next;

    while (*name == '/')
        name++;
    it->next = name;
    if (!*name)
        return 0;

    const char *end = name;
    while (*end && *end != '/')
        end++;
    if (end - name > NAME_MAX)
        return -ENAMETOOLONG;

    c->name = name;
    c->len = (size_t)(end - name);
    c->slash = *end == '/';
    while (*end == '/')
        end++;
    c->last = !*end;
    it->next = end;
    return 1;
}
