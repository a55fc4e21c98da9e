/*
 * test_tree_random.c with tables of 512 entries, superpages of 2 MiB and leaves of
 * 64 KiB.
 */
#include "test_tree_random.c"
