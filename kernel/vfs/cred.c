/*
 * Credentials: references, and the questions asked of them.
 */
#include "vfs/cred.h"

#include <linux/capability.h>
#include "mem/slab.h"
#include "sched/thread.h"

#define ALL_CAPS (BIT(CAP_LAST_CAP + 1) - 1)

struct cred root_cred = {
    .refs = REF_INIT(1), /* never put */
    .cap_effective = ALL_CAPS,
    .cap_permitted = ALL_CAPS,
    .cap_bounding = ALL_CAPS,
};

void
cred_get(struct cred *cred)
{
    ref_get(&cred->refs);
}

void
cred_put(struct cred *cred)
{
    if (!ref_put(&cred->refs))
        return;
    kmfree(cred->groups);
    kmfree(cred);
}

struct cred *
current_cred(void)
{
    struct cred *cred = current_thread()->cred;
    return cred ? cred : &root_cred;
}

bool
capable(int cap)
{
    return current_cred()->cap_effective & BIT(cap);
}

bool
cred_in_group(const struct cred *cred, uint32_t gid)
{
    if (cred->fsgid == gid)
        return true;
    uint32_t low = 0, high = cred->ngroups;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (cred->groups[middle] == gid)
            return true;
        if (cred->groups[middle] < gid)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}
