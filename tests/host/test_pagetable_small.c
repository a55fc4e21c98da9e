/*
 * test_pagetable.c with tables of four entries: the whole tree is small enough
 * to be compared after every step.
 */
#define PT_FANOUT_SHIFT 2
#include "test_pagetable.c"
