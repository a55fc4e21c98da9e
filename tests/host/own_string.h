/*
 * Gives the kernel's string functions names of their own, so that a test can
 * hold them against the C library's. Included before lib/string.{h,c}.
 */
#ifndef HOST_OWN_STRING_H
#define HOST_OWN_STRING_H

#define OWN_STRING

#define memcpy         own_memcpy
#define memmove        own_memmove
#define memset         own_memset
#define memcmp         own_memcmp
#define memchr         own_memchr
#define strlen         own_strlen
#define strnlen        own_strnlen
#define strcmp         own_strcmp
#define strncmp        own_strncmp
#define strchr         own_strchr
#define strrchr        own_strrchr
#define strstr         own_strstr
#define strspn         own_strspn
#define strcspn        own_strcspn
#define strscpy        own_strscpy
#define strscat        own_strscat
#define str_starts_with own_str_starts_with
#define str_equals_n   own_str_equals_n
#define mem_is_zero    own_mem_is_zero

#endif
