/*
 * The flattened device tree, read in place (devicetree spec 0.4, chapter 5).
 *
 * A node is named by its offset in the structure block, an fdt_node; there is
 * no unpacked copy. fdt_init() checks the header once, and every later read
 * is checked against the blob's size, so that no blob, however broken, makes
 * these functions read outside it or loop forever: a malformed part looks
 * like one that is not there. A typical use is
 *
 *      struct fdt fdt;
 *      if (fdt_init(&fdt, blob, SIZE_MAX) < 0) ...
 *      fdt_node n = FDT_NONE;
 *      while ((n = fdt_find_compatible(&fdt, n, "virtio,mmio")) != FDT_NONE)
 *          if (fdt_reg(&fdt, n, 0, &base, &size) == 0) ...
 */
#ifndef QUIRE_LIB_FDT_H
#define QUIRE_LIB_FDT_H

#include "lib/types.h"

/* A node: the offset of its FDT_BEGIN_NODE token, or FDT_NONE. */
typedef int32_t fdt_node;
#define FDT_NONE ((fdt_node)-1)

/* Deepest nesting that is followed. */
#define FDT_MAX_DEPTH 16

struct fdt {
    const uint8_t *blob;
    uint32_t size;              /* of the whole blob: header totalsize */
    uint32_t struct_off;
    uint32_t struct_size;
    uint32_t strings_off;
    uint32_t strings_size;
    uint32_t reserve_off;
    uint32_t boot_hart;         /* header boot_cpuid_phys */
};

struct fdt_prop {
    const char *name;           /* NUL-terminated, inside the blob */
    const uint8_t *value;       /* 4-byte aligned if the blob is 8-byte aligned */
    uint32_t len;
    uint32_t next;              /* where fdt_prop_next goes on */
};

/* The size a blob claims in its header, or 0 if the 8 bytes at blob are no
 * device tree's: for mapping it before fdt_init. */
uint32_t fdt_total_size(const void *blob);

/*
 * Check the header of the blob, of which max bytes may be read, and fill fdt.
 * Returns 0, or -EINVAL if it is no device tree of version 16 or 17, or its
 * blocks leave the blob.
 */
int fdt_init(struct fdt *fdt, const void *blob, size_t max);

/* Nodes. */

/* The root, or FDT_NONE in an empty tree. */
fdt_node fdt_root(const struct fdt *fdt);

/*
 * The next node in file order, that is depth first: the first child, else the
 * next sibling, else an ancestor's. *depth, unless NULL, changes along with
 * it. FDT_NONE after the last node; with FDT_NONE for node, the root (and
 * *depth is 0).
 */
fdt_node fdt_next_node(const struct fdt *fdt, fdt_node node, int *depth);

/* The first child and the next node with the same parent, or FDT_NONE. */
fdt_node fdt_first_child(const struct fdt *fdt, fdt_node node);
fdt_node fdt_next_sibling(const struct fdt *fdt, fdt_node node);

#define FDT_FOREACH_CHILD(child, fdt, parent)                   \
    for ((child) = fdt_first_child(fdt, parent);                \
         (child) != FDT_NONE;                                   \
         (child) = fdt_next_sibling(fdt, child))

/* The parent, found by a walk from the root; FDT_NONE for the root. */
fdt_node fdt_parent(const struct fdt *fdt, fdt_node node);

/* The node's name with its unit address ("" for the root), inside the blob. */
const char *fdt_name(const struct fdt *fdt, fdt_node node);

/* True if the node's status property is missing, "okay" or "ok". */
bool fdt_enabled(const struct fdt *fdt, fdt_node node);

/*
 * The node at a path such as "/soc/uart@10000000", or FDT_NONE. A component
 * without @ matches the first child of that name with any unit address. A
 * path that does not begin with / begins with an alias from /aliases; it ends
 * at a ':', so that /chosen/stdout-path can be given as it is.
 */
fdt_node fdt_find_path(const struct fdt *fdt, const char *path);

/* The next node after `after` (FDT_NONE: from the root on) whose compatible
 * list holds the string, or FDT_NONE. */
fdt_node fdt_find_compatible(const struct fdt *fdt, fdt_node after,
                             const char *compatible);

/* The next node after `after` whose device_type is the string ("cpu",
 * "memory"), or FDT_NONE. */
fdt_node fdt_find_device_type(const struct fdt *fdt, fdt_node after,
                              const char *type);

/* The node with this phandle, or FDT_NONE. */
fdt_node fdt_find_phandle(const struct fdt *fdt, uint32_t phandle);

/* Properties. */

/* The node's first property, and the one after p: true with *p filled, false
 * at the end. */
bool fdt_prop_first(const struct fdt *fdt, fdt_node node, struct fdt_prop *p);
bool fdt_prop_next(const struct fdt *fdt, struct fdt_prop *p);

/* The value of a property, its length in *len (unless NULL); NULL if the node
 * has none of that name. The value of an empty property is not NULL. */
const void *fdt_prop(const struct fdt *fdt, fdt_node node, const char *name,
                     uint32_t *len);

/* True if the property is there. */
bool fdt_has_prop(const struct fdt *fdt, fdt_node node, const char *name);

/* The index'th 32-bit cell of a property. Returns 0, -ENOENT if there is no
 * such property, or -ERANGE if it is shorter. */
int fdt_prop_cell(const struct fdt *fdt, fdt_node node, const char *name,
                  uint32_t index, uint32_t *value);

/* A property that is one number, of one or two cells. Returns 0, -ENOENT if
 * it is missing, or -EINVAL if it has another length. */
int fdt_prop_number(const struct fdt *fdt, fdt_node node, const char *name,
                    uint64_t *value);

/* The index'th string of a property that is a list of strings, or NULL if it
 * is missing, has fewer, or the string is not terminated. */
const char *fdt_prop_string(const struct fdt *fdt, fdt_node node,
                            const char *name, uint32_t index);

/* True if the property is a list of strings with this one among them. */
bool fdt_prop_has_string(const struct fdt *fdt, fdt_node node,
                         const char *name, const char *string);

/* Addresses. */

/* The node's own #address-cells and #size-cells, which count for its
 * children; 2 and 1 if they are missing (spec 2.3.5). */
uint32_t fdt_address_cells(const struct fdt *fdt, fdt_node node);
uint32_t fdt_size_cells(const struct fdt *fdt, fdt_node node);

/*
 * The index'th (address, size) pair of the node's reg, read by the parent's
 * cells and translated through the ranges of every bus above it to an address
 * of the root's. Where the parent's #size-cells is 0 (cpus and the like) the
 * address is an identifier: it is not translated, and *size is 0.
 *
 * Returns 0, -ENOENT if there is no index'th pair, -EINVAL if cell counts are
 * not 1 or 2 for an address and 0 to 2 for a size, or -ENXIO if a bus on the
 * way does not map the address. Either result pointer may be NULL.
 */
int fdt_reg(const struct fdt *fdt, fdt_node node, uint32_t index,
            uint64_t *addr, uint64_t *size);

/* The index'th entry of the memory reservation block: true with addr and size
 * filled, false after the last. */
bool fdt_reserved(const struct fdt *fdt, uint32_t index,
                  uint64_t *addr, uint64_t *size);

#endif
