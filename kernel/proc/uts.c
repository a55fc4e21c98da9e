/*
 * Names of the system; see uts.h. Programs ask for Linux and compare its
 * release with the features they need, so sysname and release are those of
 * the Linux whose ABI this is; the version says who it really is.
 */
#include "proc/uts.h"
#include <linux/capability.h>
#include "arch/riscv/spinlock.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "vfs/cred.h"

static struct spinlock lock = SPINLOCK_INIT("system name");
static struct new_utsname names = { /* guarded by lock */
    .sysname = "Linux",
    .nodename = "(none)",
    .release = "6.1.0-quire",
    .version = "#1 SMP Quire",
    .machine = "riscv64",
    .domainname = "(none)",
};

void
uts_get(struct new_utsname *uts)
{
    SCOPED_SPIN(&lock);
    *uts = names;
}

int
uts_set(bool domain, const char *name, size_t length)
{
    char *field = domain ? names.domainname : names.nodename;

    if (length > __NEW_UTS_LEN)
        return -EINVAL;
    SCOPED_SPIN(&lock);
    memset(field, 0, __NEW_UTS_LEN + 1);
    memcpy(field, name, length);
    return 0;
}
