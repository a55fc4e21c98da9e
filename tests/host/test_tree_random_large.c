/*
 * test_tree_random.c with tables of 512 entries and superpages of 2 MiB.
 */
#include "test_tree_random.c"
