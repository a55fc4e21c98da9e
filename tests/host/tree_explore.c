/*
 * Exhaustive search over a small world (see tree_explore.h).
 */
#include "tree_explore.h"

#include <time.h>

#include "lib/hash.h"

#define MAX_STATES (12U << 20)
#define SLOTS (1U << 24)
#define MAX_DEPTH 64

/* How a state was reached first. */
struct node {
    uint32_t parent;
    uint8_t space, op; /* ops[op] on that space, */
    uint8_t fail;      /* with its allocation of this number failing; 0: none */
};

static const struct exploration *world;
static struct node *nodes; /* 0 is the start; in the order of their depth */
static uint32_t nnodes;
static uint32_t *slots; /* open hashing: number of a node; 0: free */
static uint64_t *hashes; /* of each node's state */
static struct node now; /* what is being tried */

/* The hash of a state, without the names of frames. */

static struct {
    uint64_t hash;
    uint32_t epoch;
    uint16_t count;
} naming;

static struct {
    uint32_t epoch;
    uint16_t name;
} names[ARENA_FRAMES];

static void
mix(uint64_t value)
{
    naming.hash = hash64(naming.hash * 31 + value);
}

/* Mix in a frame's name, in the order in which they are met; true: for the first time. */
static bool
mix_name(const struct frame *frame)
{
    unsigned i = frame - frames;
    bool first = names[i].epoch != naming.epoch;
    if (first) {
        names[i].epoch = naming.epoch;
        names[i].name = ++naming.count;
    }
    mix(names[i].name);
    return first;
}

static void
mix_leaf(pte_t pte, unsigned level)
{
    const struct frame *frame = frame_of(pte_pa(pte));
    if ((pte & PTE_PPN_MASK) == pt_zero_ppn) {
        mix(0);
        return;
    }
    if (!mix_name(frame))
        return;
    /* A page of a block that somebody still has as a whole: which. */
    const struct frame *head = &frames[ALIGN_DOWN(frame - frames, BLOCK_FRAMES)];
    if (level == 0 && tree_units_found(head) > 0) {
        mix(frame - head);
        mix_name(head);
    }
}

static void
mix_table(paddr_t pa, unsigned level)
{
    const pte_t *entries = phys_to_virt(pa);

    mix(frame_of(pa)->copied | frame_of(pa)->refs << 1);
    for (unsigned i = 0; i < PT_FANOUT; i++) {
        mix(entries[i] & PTE_FLAGS);
        if (pte_maps(entries[i]))
            mix_leaf(entries[i], level);
        else if (entries[i] != 0 && mix_name(frame_of(pte_pa(entries[i]))))
            mix_table(pte_pa(entries[i]), level - 1);
    }
}

static uint64_t
mix_space(const struct tree_space *space)
{
    uint64_t prots = 1;
    for (unsigned i = 0; i < tree_npages; i++)
        prots = prots << 2 | space->pages[i].prot;
    mix(prots);
    mix_table(space->root, pt_levels - 1);
    return naming.hash;
}

static void
start_naming(void)
{
    naming.hash = 0;
    naming.count = 0;
    naming.epoch++;
}

/* The spaces are taken in an order that does not depend on their names either. */
static uint64_t
state_hash(void)
{
    uint64_t own[TREE_SPACES] = {0};
    bool done[TREE_SPACES] = {false};

    for (unsigned i = 0; i < TREE_SPACES; i++)
        if (tree_spaces[i].root) {
            start_naming();
            own[i] = mix_space(&tree_spaces[i]);
        }
    start_naming();
    for (unsigned n = 0; n < TREE_SPACES; n++) {
        unsigned next = TREE_SPACES;
        for (unsigned i = 0; i < TREE_SPACES; i++)
            if (!done[i] && (next == TREE_SPACES || own[i] < own[next]))
                next = i;
        done[next] = true;
        if (tree_spaces[next].root)
            mix_space(&tree_spaces[next]);
    }
    return naming.hash;
}

/* Operations. */

static struct tree_space *
any_space(bool alive)
{
    for (unsigned i = 0; i < TREE_SPACES; i++)
        if (!tree_spaces[i].root == !alive)
            return &tree_spaces[i];
    return NULL;
}

static int
apply(const struct op *op, struct tree_space *space)
{
    const unsigned level_of_fork[] = {
        [FORK_PAGES] = 0, [FORK_LOW] = 1, [FORK_TOP] = pt_levels - 1,
    };
    struct tree_space *child;

    if (op->kind == OP_CREATE)
        return any_space(true) || space != tree_spaces ? -EINVAL : tree_create(space, false);
    if (!space->root)
        return -EINVAL;
    switch (op->kind) {
    case OP_READ:
        return tree_touch(space, op->page, TREE_READ);
    case OP_WRITE:
        return tree_touch(space, op->page, TREE_WRITE);
    case OP_BLOCK:
        return tree_touch_block(space, op->page);
    case OP_UNMAP:
        return tree_unmap(space, op->page, op->n);
    case OP_PROTECT:
        return tree_protect(space, op->page, op->n, op->how);
    case OP_PGACCESS:
        return tree_pgaccess(space, op->page, op->n);
    case OP_THAW:
        return tree_thaw(space, op->page);
    case OP_FORK:
        child = any_space(false);
        return child ? tree_fork(space, child, level_of_fork[op->how]) : -EINVAL;
    default:
        tree_exit(space);
        return 0;
    }
}

/* Do what a node says, with all checks. */
static int
try(const struct node *node)
{
    now = *node;
    arena_nallocs = 0;
    frame_fail_after(node->fail, false);
    int error = apply(&world->ops[node->op], &tree_spaces[node->space]);
    frame_fail_after(0, false);
    TREE_EXPECT(error != -ENOMEM || node->fail > 0);
    if (error != -EINVAL && error != -EACCES)
        tree_check();
    return error;
}

static void
print_op(const struct node *node)
{
    static const char *const kinds[] = {"create",  "read",     "write", "block", "unmap",
                                        "protect", "pgaccess", "thaw",  "fork",  "exit"};
    const struct op *op = &world->ops[node->op];
    print_message("    %-8s space %u  page %u, n %u, how %u", kinds[op->kind], node->space,
                  op->page, op->n, op->how);
    if (node->fail)
        print_message("  (allocation %u fails)", node->fail);
    print_message("\n");
}

/* The nodes from the start to this one, the start left out; returns how many. */
static unsigned
path_to(uint32_t to, struct node *path)
{
    unsigned n = 0;
    for (uint32_t at = to; at != 0; at = nodes[at].parent)
        n++;
    TREE_EXPECT(n <= MAX_DEPTH);
    unsigned i = n;
    for (uint32_t at = to; at != 0; at = nodes[at].parent)
        path[--i] = nodes[at];
    return n;
}

static void
print_path(void)
{
    struct node path[MAX_DEPTH];
    unsigned n = path_to(now.parent, path);

    print_message("after:\n");
    for (unsigned i = 0; i < n; i++)
        print_op(&path[i]);
    print_op(&now);
}

/* States. */

static void
remember(const struct node *node)
{
    uint64_t hash = state_hash();
    uint32_t slot = hash % SLOTS;

    for (; slots[slot] != 0; slot = (slot + 1) % SLOTS)
        if (hashes[slots[slot]] == hash)
            return;
    TREE_EXPECT(nnodes < MAX_STATES);
    slots[slot] = nnodes;
    hashes[nnodes] = hash;
    nodes[nnodes++] = *node;
}

/* Bring the world to a state by the way that led there first. */
static void
replay(uint32_t to, const struct arena_image *start)
{
    struct node path[MAX_DEPTH];
    unsigned n = path_to(to, path);

    arena_restore(start);
    tree_nwrites = 0;
    for (unsigned i = 0; i < n; i++) {
        frame_fail_after(path[i].fail, false);
        apply(&world->ops[path[i].op], &tree_spaces[path[i].space]);
        frame_fail_after(0, false);
    }
}

/* Try everything from one state; returns how many operations there were to try. */
static uint64_t
expand(uint32_t from, const struct arena_image *start)
{
    static struct arena_image here;
    uint64_t ntried = 0;
    bool restored = true;

    replay(from, start);
    arena_save(&here);
    for (unsigned space = 0; space < TREE_SPACES; space++)
        for (unsigned op = 0; op < world->nops; op++) {
            struct node node = {from, space, op, 0};
            unsigned nallocs = 0;
            do {
                if (!restored)
                    arena_restore(&here);
                int error = try(&node);
                restored = error == -EINVAL;
                if (error == -EINVAL || error == -EACCES)
                    break;
                if (node.fail == 0)
                    nallocs = arena_nallocs;
                remember(&node);
                ntried++;
            } while (node.fail++ < nallocs);
        }
    return ntried;
}

static double
seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

/* The processor's time is up; or twice as much by the clock, if others keep it busy. */
static bool
time_is_up(double nseconds, double cpu_start, double clock_start)
{
    return seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start > nseconds ||
           seconds(CLOCK_MONOTONIC) - clock_start > 2 * nseconds;
}

void
explore(const struct exploration *exploration)
{
    static struct arena_image start;
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), clock = seconds(CLOCK_MONOTONIC);
    uint64_t ntried = 0;
    uint32_t next = 0;
    unsigned depth = 0;
    bool late = false;

    world = exploration;
    tree_explain = print_path;
    free(nodes); /* an exploration that failed has left them */
    free(hashes);
    free(slots);
    nodes = malloc(MAX_STATES * sizeof(*nodes));
    hashes = malloc(MAX_STATES * sizeof(*hashes));
    slots = calloc(SLOTS, sizeof(*slots));
    assert_true(nodes && hashes && slots);
    nnodes = 1;
    arena_save(&start);
    for (uint32_t last = nnodes; !late && next < nnodes; depth++, last = nnodes)
        for (; !late && next < last; next++) {
            ntried += expand(next, &start);
            late = nnodes > MAX_STATES * 9UL / 10 ||
                   (depth >= exploration->min_depth && next % 64 == 0 &&
                    time_is_up(exploration->seconds, cpu, clock));
        }
    depth -= late; /* the last one is not complete */
    print_message("fan-out %u, %u levels: every sequence of up to %u operations%s; %u states "
                  "reached, %lu operations checked\n",
                  PT_FANOUT, pt_levels, depth, late ? "" : " (there are no further states)",
                  nnodes, (unsigned long)ntried);
    assert_true(depth >= exploration->min_depth);
    arena_restore(&start);
    tree_explain = NULL;
}
