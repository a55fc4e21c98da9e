/*
 * The careful walk, for who needs more of it than path_lookup(): open.
 *
 *      walk_begin(&w, start, name, flags);
 *      do {
 *          error = walk_to_last(&w);           w.at: its directory, w.last: its name
 *          if (!error)
 *              error = walk_last(&w);          or something else with them
 *      } while (error == WALK_AGAIN);          it was a link to follow
 *      ... w.at is where it ended ...
 *      walk_end(&w);
 *
 * Every step holds a reference to where it stands, so it may sleep. A long walk lets others run,
 * and ends with -EINTR if the process is ending.
 */
#ifndef QUIRE_VFS_WALK_H
#define QUIRE_VFS_WALK_H

#include "vfs/namei.h"

#define WALK_AGAIN 1

struct walk {
    struct path at;      /* [C] */
    struct path root;    /* [C] ".." and absolute links go no further */
    const char *rest;    /* of the text being walked */
    unsigned flags;      /* LOOKUP_* */
    uint64_t sequence;   /* LOOKUP_SCOPED: the tree's (dcache.h) when the walk began */
    unsigned nlinks;     /* links followed so far */
    unsigned steps;      /* components walked so far, those of links too */
    unsigned depth;
    const char *outer[MAX_SYMLINKS]; /* what follows the links we are in */
    struct path links[MAX_SYMLINKS]; /* [C] they own the texts; empty where buffers do */
    char *buffers[MAX_SYMLINKS];
    bool must_be_dir;    /* a slash follows the last component */
    struct last_name last;
};

/*
 * Begin at start (NULL: the current directory) or, by name, at the root. name is not empty.
 * 0; -EXDEV: LOOKUP_BENEATH and an absolute name, and there is no walk to end.
 */
int walk_begin(struct walk *walk, const struct path *start, const char *name, unsigned flags);
/* Walk all components but the last; walk->last names that. */
int walk_to_last(struct walk *walk);
/* Take the last step too: 0, an error, or WALK_AGAIN after stepping into a link. */
int walk_last(struct walk *walk);
/*
 * Step to child, a positive dentry of walk->at.dentry (whose reference is taken over),
 * over mounts, and into a link if `follow`: 0, WALK_AGAIN, or an error.
 */
int walk_to_child(struct walk *walk, struct dentry *child, bool follow);
/*
 * The walk is over, or something is to be made where it stands: has it kept within its scope?
 * 0; -EXDEV: with LOOKUP_SCOPED, a rename or mount has taken walk->at out of its root.
 */
int walk_confined(struct walk *walk);
void walk_end(struct walk *walk);

#endif
