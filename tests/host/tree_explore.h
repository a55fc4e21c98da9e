/*
 * Exhaustive search: every sequence of operations, from no address space at
 * all up to a depth, all checks made after each.
 *
 * Breadth first. A state is the trees and their models, up to the names of
 * frames and of spaces: two sequences that lead to the same state are one from
 * there on. Of a state only a hash is kept, and the operation that led to it
 * from which other; to go on from it, the sequence is run again. Each operation
 * is also tried with each of its allocations failing.
 */
#ifndef HOST_TREE_EXPLORE_H
#define HOST_TREE_EXPLORE_H

#include "tree_arena.h"

enum op_kind {
    OP_CREATE,
    OP_READ,
    OP_WRITE,
    OP_BLOCK,
    OP_UNMAP,
    OP_PROTECT,
    OP_PGACCESS,
    OP_THAW,
    OP_FORK,
    OP_EXIT,
};

/* The tables that a fork shares: none, those of leaves, the largest. */
enum op_fork { FORK_PAGES, FORK_LOW, FORK_TOP };

/* One operation on any space. */
struct op {
    enum op_kind kind;
    uint8_t page, n; /* not of CREATE, FORK, EXIT; n only of UNMAP, PROTECT, PGACCESS */
    uint8_t how;     /* PROTECT: enum tree_prot; FORK: enum op_fork */
};

struct exploration {
    const struct op *ops;
    unsigned nops;
    double seconds;     /* of processor time: go on for as long, */
    unsigned min_depth; /* but at least to here */
};

/* Explore the world that tree_start() has begun; prints how far it came. */
void explore(const struct exploration *exploration);

#endif
