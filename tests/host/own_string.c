/*
 * The kernel's string functions under names of their own.
 */
#include "own_string.h"

#include "lib/string.c"
