/*
 * The flattened device tree, read in place.
 *
 * The structure block is a run of 4-byte aligned tokens: the begin of a node
 * with its name, its properties, its children, its end. Everything here goes
 * through step(), the one place that moves over a token, and it refuses to
 * leave the block; as each step goes forward, every loop ends.
 *
 * Offsets are 32 bits and blocks below 2 GiB, so sums of an offset and a
 * length are formed in 64 bits and cannot wrap.
 */
#include "lib/fdt.h"

#include "lib/bits.h"
#include "lib/errno.h"
#include "lib/string.h"

/* devicetree spec 5.2: the header, as offsets of its 32-bit fields */
enum {
    HEADER_MAGIC = 0,
    HEADER_TOTALSIZE = 4,
    HEADER_OFF_STRUCT = 8,
    HEADER_OFF_STRINGS = 12,
    HEADER_OFF_RESERVE = 16,
    HEADER_VERSION = 20,
    HEADER_LAST_COMPATIBLE = 24,
    HEADER_BOOT_HART = 28,
    HEADER_SIZE_STRINGS = 32,
    HEADER_SIZE_STRUCT = 36,    /* version 17 */
    HEADER_SIZE = 40,
};

#define MAGIC 0xd00dfeed

/* devicetree spec 5.4.1 */
enum {
    TOKEN_BEGIN_NODE = 1,
    TOKEN_END_NODE = 2,
    TOKEN_PROP = 3,
    TOKEN_NOP = 4,
    TOKEN_END = 9,
};

#define CELL 4u

uint32_t
fdt_total_size(const void *blob)
{
    const uint8_t *header = blob;
    return get_be32(header + HEADER_MAGIC) == MAGIC ? get_be32(header + HEADER_TOTALSIZE) : 0;
}

static bool
block_fits(const struct fdt *fdt, uint32_t off, uint32_t size, uint32_t align)
{
    return off % align == 0 && (uint64_t)off + size <= fdt->size;
}

int
fdt_init(struct fdt *fdt, const void *blob, size_t max)
{
    const uint8_t *header = blob;

    if (max < HEADER_SIZE || get_be32(header + HEADER_MAGIC) != MAGIC)
        return -EINVAL;

    uint32_t version = get_be32(header + HEADER_VERSION);
    *fdt = (struct fdt){
        .blob = header,
        .size = get_be32(header + HEADER_TOTALSIZE),
        .struct_off = get_be32(header + HEADER_OFF_STRUCT),
        .struct_size = get_be32(header + HEADER_SIZE_STRUCT),
        .strings_off = get_be32(header + HEADER_OFF_STRINGS),
        .strings_size = get_be32(header + HEADER_SIZE_STRINGS),
        .reserve_off = get_be32(header + HEADER_OFF_RESERVE),
        .boot_hart = get_be32(header + HEADER_BOOT_HART),
    };
    if (version < 16 || get_be32(header + HEADER_LAST_COMPATIBLE) > 17)
        return -EINVAL;
    if (fdt->size < HEADER_SIZE || fdt->size > max || fdt->size > INT32_MAX)
        return -EINVAL;
    if (version == 16 && fdt->struct_off <= fdt->size)
        fdt->struct_size = fdt->size - fdt->struct_off;
    if (!block_fits(fdt, fdt->struct_off, fdt->struct_size, CELL) ||
        !block_fits(fdt, fdt->strings_off, fdt->strings_size, 1) ||
        !block_fits(fdt, fdt->reserve_off, 0, 8))
        return -EINVAL;
    return 0;
}

static const uint8_t *
struct_at(const struct fdt *fdt, uint32_t off)
{
    return fdt->blob + fdt->struct_off + off;
}

/* Move over the token at off with what belongs to it, and say which it was.
 * Returns the next token's offset, or 0 if the block ends or makes no sense
 * here. */
static uint32_t
step(const struct fdt *fdt, uint32_t off, uint32_t *token)
{
    if (off % CELL || (uint64_t)off + CELL > fdt->struct_size)
        return 0;
    *token = get_be32(struct_at(fdt, off));
    off += CELL;

    uint64_t end = off;
    uint32_t left = fdt->struct_size - off;
    if (*token == TOKEN_BEGIN_NODE) {
        const uint8_t *name = struct_at(fdt, off);
        const uint8_t *nul = memchr(name, 0, left);
        if (!nul)
            return 0;
        end += (uint64_t)(nul - name) + 1;
    } else if (*token == TOKEN_PROP) {
        if (left < 2 * CELL)
            return 0;
        end += 2 * CELL + (uint64_t)get_be32(struct_at(fdt, off));
    } else if (*token != TOKEN_END_NODE && *token != TOKEN_NOP) {
        return 0;
    }
    end = ALIGN_UP(end, CELL);
    return end <= fdt->struct_size ? (uint32_t)end : 0;
}

/* The offset behind a node's begin token, where its properties are; 0 if node
 * is no node. */
static uint32_t
node_body(const struct fdt *fdt, fdt_node node)
{
    uint32_t token;
    uint32_t off = node < 0 ? 0 : step(fdt, (uint32_t)node, &token);

    return off && token == TOKEN_BEGIN_NODE ? off : 0;
}

/* The first node at or behind off. */
static fdt_node
seek_node(const struct fdt *fdt, uint32_t off, int *depth)
{
    uint32_t token, next;

    for (; (next = step(fdt, off, &token)); off = next) {
        if (token == TOKEN_BEGIN_NODE) {
            ++*depth;
            return (fdt_node)off;
        }
        if (token == TOKEN_END_NODE)
            --*depth;
    }
    return FDT_NONE;
}

fdt_node
fdt_root(const struct fdt *fdt)
{
    int depth = 0;
    return seek_node(fdt, 0, &depth);
}

fdt_node
fdt_next_node(const struct fdt *fdt, fdt_node node, int *depth)
{
    int unused = 0;

    if (!depth)
        depth = &unused;
    if (node == FDT_NONE) {
        *depth = 0;
        return fdt_root(fdt);
    }
    uint32_t body = node_body(fdt, node);
    return body ? seek_node(fdt, body, depth) : FDT_NONE;
}

fdt_node
fdt_first_child(const struct fdt *fdt, fdt_node node)
{
    int depth = 0;
    if (node == FDT_NONE)
        return FDT_NONE;
    fdt_node child = fdt_next_node(fdt, node, &depth);
    return depth == 1 ? child : FDT_NONE;
}

fdt_node
fdt_next_sibling(const struct fdt *fdt, fdt_node node)
{
    int depth = 0;
    if (node == FDT_NONE)
        return FDT_NONE;
    do
        node = fdt_next_node(fdt, node, &depth);
    while (node != FDT_NONE && depth > 0);
    return depth == 0 ? node : FDT_NONE;
}

/* Find the node's ancestors, the root first; returns how many, or -1 if it is
 * not found or lies too deep. */
static int
ancestors(const struct fdt *fdt, fdt_node node, fdt_node chain[FDT_MAX_DEPTH])
{
    int depth;

    for (fdt_node n = fdt_next_node(fdt, FDT_NONE, &depth); n != FDT_NONE;
         n = fdt_next_node(fdt, n, &depth)) {
        if (depth < 0)
            return -1;
        if (n == node)
            return depth < FDT_MAX_DEPTH ? depth : -1;
        if (depth < FDT_MAX_DEPTH)
            chain[depth] = n;
    }
    return -1;
}

fdt_node
fdt_parent(const struct fdt *fdt, fdt_node node)
{
    fdt_node chain[FDT_MAX_DEPTH];
    int depth = ancestors(fdt, node, chain);
    return depth > 0 ? chain[depth - 1] : FDT_NONE;
}

const char *
fdt_name(const struct fdt *fdt, fdt_node node)
{
    return node_body(fdt, node) ? (const char *)struct_at(fdt, (uint32_t)node + CELL) : "";
}

bool
fdt_enabled(const struct fdt *fdt, fdt_node node)
{
    const char *status = fdt_prop_string(fdt, node, "status", 0);
    return !fdt_has_prop(fdt, node, "status") ||
           (status && (strcmp(status, "okay") == 0 || strcmp(status, "ok") == 0));
}

/* True if a node's name is the n bytes at want, which may leave out the unit
 * address. */
static bool
name_matches(const char *name, const char *want, size_t n)
{
    if (strncmp(name, want, n) != 0)
        return false;
    return name[n] == '\0' || (name[n] == '@' && !memchr(want, '@', n));
}

/* Follow the components in [path, end) down from node. */
static fdt_node
descend(const struct fdt *fdt, fdt_node node, const char *path, const char *end)
{
    while (node != FDT_NONE) {
        while (path < end && *path == '/')
            path++;
        if (path == end)
            break;
        size_t n = 0;
        while (path + n < end && path[n] != '/')
            n++;

        fdt_node child;
        FDT_FOREACH_CHILD(child, fdt, node)
            if (name_matches(fdt_name(fdt, child), path, n))
                break;
        node = child;
        path += n;
    }
    return node;
}

fdt_node
fdt_find_path(const struct fdt *fdt, const char *path)
{
    const char *end = path + strcspn(path, ":");
    if (*path == '/')
        return descend(fdt, fdt_root(fdt), path, end);

    char alias[32];
    size_t n = strcspn(path, ":/");
    if (n == 0 || n >= sizeof(alias))
        return FDT_NONE;
    memcpy(alias, path, n);
    alias[n] = '\0';

    fdt_node aliases = fdt_find_path(fdt, "/aliases");
    const char *target = fdt_prop_string(fdt, aliases, alias, 0);
    if (!target || *target != '/')
        return FDT_NONE;
    return descend(fdt, fdt_find_path(fdt, target), path + n, end);
}

fdt_node
fdt_find_compatible(const struct fdt *fdt, fdt_node after, const char *compatible)
{
    fdt_node n = after;
    do
        n = fdt_next_node(fdt, n, NULL);
    while (n != FDT_NONE && !fdt_prop_has_string(fdt, n, "compatible", compatible));
    return n;
}

fdt_node
fdt_find_device_type(const struct fdt *fdt, fdt_node after, const char *type)
{
    fdt_node n = after;
    do
        n = fdt_next_node(fdt, n, NULL);
    while (n != FDT_NONE && !fdt_prop_has_string(fdt, n, "device_type", type));
    return n;
}

fdt_node
fdt_find_phandle(const struct fdt *fdt, uint32_t phandle)
{
    fdt_node n = FDT_NONE;
    while ((n = fdt_next_node(fdt, n, NULL)) != FDT_NONE) {
        uint32_t value;
        if (fdt_prop_cell(fdt, n, "phandle", 0, &value) == 0 && value == phandle)
            break;
    }
    return n;
}

/* Find the first property at or behind off, within its node. */
static bool
seek_prop(const struct fdt *fdt, uint32_t off, struct fdt_prop *p)
{
    uint32_t token, next;

    for (; (next = step(fdt, off, &token)); off = next) {
        if (token == TOKEN_NOP)
            continue;
        if (token != TOKEN_PROP)
            return false;

        uint32_t name_off = get_be32(struct_at(fdt, off + 2 * CELL));
        if (name_off >= fdt->strings_size)
            continue;
        const uint8_t *name = fdt->blob + fdt->strings_off + name_off;
        if (!memchr(name, 0, fdt->strings_size - name_off))
            continue;
        p->name = (const char *)name;
        p->len = get_be32(struct_at(fdt, off + CELL));
        p->value = struct_at(fdt, off + 3 * CELL);
        p->next = next;
        return true;
    }
    return false;
}

bool
fdt_prop_first(const struct fdt *fdt, fdt_node node, struct fdt_prop *p)
{
    uint32_t body = node_body(fdt, node);
    return body && seek_prop(fdt, body, p);
}

bool
fdt_prop_next(const struct fdt *fdt, struct fdt_prop *p)
{
    return seek_prop(fdt, p->next, p);
}

const void *
fdt_prop(const struct fdt *fdt, fdt_node node, const char *name, uint32_t *len)
{
    struct fdt_prop p;

    for (bool more = fdt_prop_first(fdt, node, &p); more; more = fdt_prop_next(fdt, &p)) {
        if (strcmp(p.name, name) == 0) {
            if (len)
                *len = p.len;
            return p.value;
        }
    }
    return NULL;
}

bool
fdt_has_prop(const struct fdt *fdt, fdt_node node, const char *name)
{
    return fdt_prop(fdt, node, name, NULL) != NULL;
}

int
fdt_prop_cell(const struct fdt *fdt, fdt_node node, const char *name, uint32_t index,
              uint32_t *value)
{
    uint32_t len;
    const uint8_t *cells = fdt_prop(fdt, node, name, &len);

    if (!cells)
        return -ENOENT;
    if (index >= len / CELL)
        return -ERANGE;
    *value = get_be32(cells + index * CELL);
    return 0;
}

int
fdt_prop_number(const struct fdt *fdt, fdt_node node, const char *name, uint64_t *value)
{
    uint32_t len;
    const uint8_t *cells = fdt_prop(fdt, node, name, &len);

    if (!cells)
        return -ENOENT;
    if (len != CELL && len != 2 * CELL)
        return -EINVAL;
    *value = len == CELL ? get_be32(cells) : get_be64(cells);
    return 0;
}

const char *
fdt_prop_string(const struct fdt *fdt, fdt_node node, const char *name, uint32_t index)
{
    uint32_t len;
    const char *s = fdt_prop(fdt, node, name, &len);

    while (s && len) {
        const char *nul = memchr(s, 0, len);
        if (!nul)
            return NULL;
        if (index-- == 0)
            return s;
        len -= (uint32_t)(nul + 1 - s);
        s = nul + 1;
    }
    return NULL;
}

bool
fdt_prop_has_string(const struct fdt *fdt, fdt_node node, const char *name, const char *string)
{
    const char *s;

    for (uint32_t i = 0; (s = fdt_prop_string(fdt, node, name, i)); i++)
        if (strcmp(s, string) == 0)
            return true;
    return false;
}

static uint32_t
cells_or(const struct fdt *fdt, fdt_node node, const char *name, uint32_t fallback)
{
    uint32_t cells;
    return fdt_prop_cell(fdt, node, name, 0, &cells) == 0 ? cells : fallback;
}

uint32_t
fdt_address_cells(const struct fdt *fdt, fdt_node node)
{
    return cells_or(fdt, node, "#address-cells", 2);
}

uint32_t
fdt_size_cells(const struct fdt *fdt, fdt_node node)
{
    return cells_or(fdt, node, "#size-cells", 1);
}

/* Read the cell counts of a bus; false if they are not ones we can read. */
static bool
bus_cells(const struct fdt *fdt, fdt_node bus, uint32_t *na, uint32_t *ns)
{
    *na = fdt_address_cells(fdt, bus);
    *ns = fdt_size_cells(fdt, bus);
    return *na >= 1 && *na <= 2 && *ns <= 2;
}

static uint64_t
read_cells(const uint8_t *at, uint32_t cells)
{
    return cells == 0 ? 0 : cells == 1 ? get_be32(at) : get_be64(at);
}

/* Translate [*addr, *addr + size) from the bus's address space to that of its
 * parent (devicetree spec 2.3.8). */
static int
translate(const struct fdt *fdt, fdt_node bus, fdt_node parent, uint64_t *addr, uint64_t size)
{
    uint32_t len, na, ns, parent_na, parent_ns;
    const uint8_t *entry = fdt_prop(fdt, bus, "ranges", &len);

    if (!entry)
        return -ENXIO;
    if (len == 0)
        return 0;
    if (!bus_cells(fdt, bus, &na, &ns) || !bus_cells(fdt, parent, &parent_na, &parent_ns))
        return -EINVAL;

    uint32_t entry_size = (na + parent_na + ns) * CELL;
    for (; len >= entry_size; len -= entry_size, entry += entry_size) {
        uint64_t from = read_cells(entry, na);
        uint64_t to = read_cells(entry + na * CELL, parent_na);
        uint64_t span = read_cells(entry + (na + parent_na) * CELL, ns);
        if (*addr >= from && range_below(*addr - from, size, span)) {
            *addr = *addr - from + to;
            return 0;
        }
    }
    return -ENXIO;
}

int
fdt_reg(const struct fdt *fdt, fdt_node node, uint32_t index, uint64_t *addr, uint64_t *size)
{
    fdt_node chain[FDT_MAX_DEPTH];
    uint32_t len, na, ns;
    const uint8_t *reg = fdt_prop(fdt, node, "reg", &len);
    int depth = ancestors(fdt, node, chain);

    if (!reg || depth < 1)
        return -ENOENT;
    if (!bus_cells(fdt, chain[depth - 1], &na, &ns))
        return -EINVAL;
    uint32_t pair = (na + ns) * CELL;
    if (index >= len / pair)
        return -ENOENT;

    uint64_t where = read_cells(reg + index * pair, na);
    uint64_t span = read_cells(reg + index * pair + na * CELL, ns);
    if (ns > 0) {
        for (int i = depth - 1; i > 0; i--) {
            int err = translate(fdt, chain[i], chain[i - 1], &where, span);
            if (err)
                return err;
        }
    }
    if (addr)
        *addr = where;
    if (size)
        *size = span;
    return 0;
}

bool
fdt_reserved(const struct fdt *fdt, uint32_t index, uint64_t *addr, uint64_t *size)
{
    uint64_t off = fdt->reserve_off;

    for (uint32_t i = 0;; i++, off += 16) {
        if (off + 16 > fdt->size)
            return false;
        *addr = get_be64(fdt->blob + off);
        *size = get_be64(fdt->blob + off + 8);
        if (*addr == 0 && *size == 0)
            return false;
        if (i == index)
            return true;
    }
}
