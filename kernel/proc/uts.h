/*
 * What the system is called: uname(2), sethostname(2), setdomainname(2).
 */
#ifndef QUIRE_PROC_UTS_H
#define QUIRE_PROC_UTS_H

#include <linux/utsname.h>
#include "lib/types.h"

/* A consistent copy. */
void uts_get(struct new_utsname *uts);
/* Set the host name, or (domain) the domain's, for a caller that may: 0, -EINVAL (too long). */
int uts_set(bool domain, const char *name, size_t length);

#endif
