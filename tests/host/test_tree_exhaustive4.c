/*
 * test_tree_exhaustive.c with tables of four entries.
 */
#include "test_tree_exhaustive.c"
