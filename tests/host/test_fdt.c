/*
 * The device tree reader: a tree built here, QEMU's, and damaged ones.
 */
#include "host.h"

#include "lib/bits.h"
#include "lib/errno.h"
#include "lib/fdt.h"
#include "lib/string.h"

/* A blob being written; all offsets are in 32-bit cells of the structure. */
struct builder {
    uint8_t structure[4096];
    size_t n;
    char strings[1024];
    size_t strings_n;
};

static void
put_cell(struct builder *b, uint32_t cell)
{
    put_be32(b->structure + b->n, cell);
    b->n += 4;
}

static void
put_bytes(struct builder *b, const void *data, size_t n)
{
    memcpy(b->structure + b->n, data, n);
    b->n += n;
    while (b->n % 4)
        b->structure[b->n++] = 0;
}

static void
begin(struct builder *b, const char *name)
{
    put_cell(b, 1);
    put_bytes(b, name, strlen(name) + 1);
}

static void
end(struct builder *b)
{
    put_cell(b, 2);
}

static void
prop(struct builder *b, const char *name, const void *value, size_t n)
{
    put_cell(b, 4);             /* a NOP, which may stand anywhere */
    put_cell(b, 3);
    put_cell(b, (uint32_t)n);
    put_cell(b, (uint32_t)b->strings_n);
    strcpy(b->strings + b->strings_n, name);
    b->strings_n += strlen(name) + 1;
    put_bytes(b, value, n);
}

static void
prop_cells(struct builder *b, const char *name, size_t n, const uint32_t *cells)
{
    uint8_t value[64];

    for (size_t i = 0; i < n; i++)
        put_be32(value + 4 * i, cells[i]);
    prop(b, name, value, 4 * n);
}

#define CELLS(b, name, ...)                                                             \
    prop_cells(b, name, sizeof((uint32_t[]){ __VA_ARGS__ }) / 4, (uint32_t[]){ __VA_ARGS__ })
#define STRINGS(b, name, value) prop(b, name, value, sizeof(value))

static void
build_cpus(struct builder *b)
{
    begin(b, "cpus");
    CELLS(b, "#address-cells", 1);
    CELLS(b, "#size-cells", 0);
    begin(b, "cpu@3");
    STRINGS(b, "device_type", "cpu");
    CELLS(b, "reg", 3);
    STRINGS(b, "status", "okay");
    begin(b, "interrupt-controller");
    CELLS(b, "phandle", 7);
    end(b);
    end(b);
    begin(b, "cpu@4");
    STRINGS(b, "device_type", "cpu");
    STRINGS(b, "status", "disabled");
    CELLS(b, "reg", 4);
    end(b);
    end(b);
}

static void
build_soc(struct builder *b)
{
    begin(b, "soc");
    CELLS(b, "#address-cells", 1);
    CELLS(b, "#size-cells", 1);
    /* 0x1000..0x2000 is at 0x8_0000_0000, 0x8000..0x9000 where it says */
    CELLS(b, "ranges", 0x1000, 8, 0, 0x1000, 0x8000, 0, 0x8000, 0x1000);
    begin(b, "serial@1100");
    STRINGS(b, "compatible", "acme,uart\0ns16550a");
    CELLS(b, "reg", 0x1100, 0x100, 0x8000, 0x10, 0x3000, 0x10, 0x1ff0, 0x20);
    end(b);
    begin(b, "bus");
    prop(b, "ranges", "", 0);
    CELLS(b, "#address-cells", 1);
    CELLS(b, "#size-cells", 1);
    begin(b, "serial@1200");
    STRINGS(b, "compatible", "ns16550a");
    CELLS(b, "reg", 0x1200, 0x10);
    end(b);
    end(b);
    begin(b, "pci");
    CELLS(b, "#address-cells", 3);
    CELLS(b, "#size-cells", 2);
    begin(b, "device");
    CELLS(b, "reg", 1, 2, 3, 4, 5);
    end(b);
    end(b);
    begin(b, "island");
    begin(b, "device");
    CELLS(b, "reg", 0, 0x1100, 0x10);
    end(b);
    end(b);
    end(b);
}

/* Returns the blob, of exactly its size, to be freed. */
static uint8_t *
build(size_t *size)
{
    static struct builder b;

    b.n = b.strings_n = 0;
    begin(&b, "");
    CELLS(&b, "#address-cells", 2);
    CELLS(&b, "#size-cells", 2);
    STRINGS(&b, "model", "test");
    CELLS(&b, "number64", 1, 2);
    prop(&b, "unterminated", "abc", 3);
    prop(&b, "empty", "", 0);
    begin(&b, "aliases");
    STRINGS(&b, "serial0", "/soc/serial@1100");
    STRINGS(&b, "soc", "/soc");
    STRINGS(&b, "loop", "loop");
    end(&b);
    begin(&b, "memory@80000000");
    STRINGS(&b, "device_type", "memory");
    CELLS(&b, "reg", 0, 0x80000000, 1, 0, 4, 0, 0, 0x10000);
    end(&b);
    build_cpus(&b);
    build_soc(&b);
    end(&b);
    put_cell(&b, 9);

    size_t reserve = 40, structure = reserve + 32, strings = structure + b.n;
    *size = strings + b.strings_n;
    uint8_t *blob = calloc(1, *size);
    const uint32_t header[10] = {
        0xd00dfeed, (uint32_t)*size, (uint32_t)structure, (uint32_t)strings, (uint32_t)reserve,
        17, 16, 5, (uint32_t)b.strings_n, (uint32_t)b.n,
    };
    for (int i = 0; i < 10; i++)
        put_be32(blob + 4 * i, header[i]);
    put_be64(blob + reserve, 0x80000000);
    put_be64(blob + reserve + 8, 0x20000);
    memcpy(blob + structure, b.structure, b.n);
    memcpy(blob + strings, b.strings, b.strings_n);
    return blob;
}

static struct fdt fdt;

static int
open_built(void **state)
{
    size_t size;
    uint8_t *blob = build(&size);

    *state = blob;
    assert_int_equal(fdt_total_size(blob), size);
    assert_int_equal(fdt_init(&fdt, blob, size), 0);
    return 0;
}

static int
close_built(void **state)
{
    free(*state);
    return 0;
}

static void
test_nodes(void **state)
{
    static const char *const names[] = {
        "", "aliases", "memory@80000000", "cpus", "cpu@3", "interrupt-controller", "cpu@4", "soc",
        "serial@1100", "bus", "serial@1200", "pci", "device", "island", "device",
    };
    static const int depths[] = { 0, 1, 1, 1, 2, 3, 2, 1, 2, 2, 3, 2, 3, 2, 3 };
    fdt_node parents[4];
    int depth, i = 0;

    for (fdt_node n = fdt_next_node(&fdt, FDT_NONE, &depth); n != FDT_NONE;
         n = fdt_next_node(&fdt, n, &depth), i++) {
        assert_string_equal(fdt_name(&fdt, n), names[i]);
        assert_int_equal(depth, depths[i]);
        parents[depth] = n;
        assert_int_equal(fdt_parent(&fdt, n), depth ? parents[depth - 1] : FDT_NONE);
    }
    assert_int_equal(i, 15);

    fdt_node child;
    i = 0;
    FDT_FOREACH_CHILD(child, &fdt, fdt_find_path(&fdt, "/soc"))
        i += fdt_name(&fdt, child)[0];
    assert_int_equal(i, 's' + 'b' + 'p' + 'i');
    assert_int_equal(fdt_first_child(&fdt, fdt_find_path(&fdt, "/cpus/cpu@4")), FDT_NONE);
    assert_int_equal(fdt_next_sibling(&fdt, fdt_root(&fdt)), FDT_NONE);
    assert_int_equal(fdt.boot_hart, 5);
}

static void
test_finding(void **state)
{
    fdt_node uart = fdt_find_path(&fdt, "/soc/serial@1100");

    assert_int_not_equal(uart, FDT_NONE);
    assert_int_equal(fdt_find_path(&fdt, "/"), fdt_root(&fdt));
    assert_int_equal(fdt_find_path(&fdt, "/soc/serial"), uart);
    assert_int_equal(fdt_find_path(&fdt, "//soc//serial@1100/"), uart);
    assert_int_equal(fdt_find_path(&fdt, "serial0"), uart);
    assert_int_equal(fdt_find_path(&fdt, "serial0:115200n8"), uart);
    assert_int_equal(fdt_find_path(&fdt, "/soc/serial@1100:115200"), uart);
    assert_int_equal(fdt_find_path(&fdt, "soc/serial"), uart);
    assert_int_equal(fdt_find_path(&fdt, "loop"), FDT_NONE);
    assert_int_equal(fdt_find_path(&fdt, ""), FDT_NONE);
    assert_int_equal(fdt_find_path(&fdt, "/soc/seria"), FDT_NONE);
    assert_int_equal(fdt_find_path(&fdt, "/soc/serial@110"), FDT_NONE);
    assert_int_equal(fdt_find_path(&fdt, "/soc/serial@11000"), FDT_NONE);

    fdt_node n = fdt_find_compatible(&fdt, FDT_NONE, "ns16550a");
    assert_int_equal(n, uart);
    n = fdt_find_compatible(&fdt, n, "ns16550a");
    assert_string_equal(fdt_name(&fdt, n), "serial@1200");
    assert_int_equal(fdt_find_compatible(&fdt, n, "ns16550a"), FDT_NONE);
    assert_int_equal(fdt_find_compatible(&fdt, FDT_NONE, "ns16550"), FDT_NONE);
    n = fdt_find_phandle(&fdt, 7);
    assert_string_equal(fdt_name(&fdt, n), "interrupt-controller");
    assert_int_equal(fdt_find_phandle(&fdt, 8), FDT_NONE);
    n = fdt_find_device_type(&fdt, FDT_NONE, "cpu");
    assert_true(fdt_enabled(&fdt, n));
    n = fdt_find_device_type(&fdt, n, "cpu");
    assert_false(fdt_enabled(&fdt, n));
    assert_int_equal(fdt_find_device_type(&fdt, n, "cpu"), FDT_NONE);
    assert_true(fdt_enabled(&fdt, uart));
}

static void
test_properties(void **state)
{
    fdt_node root = fdt_root(&fdt), uart = fdt_find_path(&fdt, "serial0");
    uint32_t cell, len;
    uint64_t number;

    assert_string_equal(fdt_prop_string(&fdt, root, "model", 0), "test");
    assert_null(fdt_prop_string(&fdt, root, "model", 1));
    assert_null(fdt_prop_string(&fdt, root, "unterminated", 0));
    assert_null(fdt_prop_string(&fdt, root, "absent", 0));
    assert_string_equal(fdt_prop_string(&fdt, uart, "compatible", 1), "ns16550a");
    assert_true(fdt_prop_has_string(&fdt, uart, "compatible", "acme,uart"));
    assert_false(fdt_prop_has_string(&fdt, uart, "compatible", "acme"));

    assert_int_equal(fdt_prop_number(&fdt, root, "number64", &number), 0);
    assert_int_equal(number, 0x100000002);
    assert_int_equal(fdt_prop_number(&fdt, root, "#size-cells", &number), 0);
    assert_int_equal(number, 2);
    assert_int_equal(fdt_prop_number(&fdt, root, "model", &number), -EINVAL);
    assert_int_equal(fdt_prop_number(&fdt, root, "absent", &number), -ENOENT);
    assert_int_equal(fdt_prop_cell(&fdt, root, "number64", 1, &cell), 0);
    assert_int_equal(cell, 2);
    assert_int_equal(fdt_prop_cell(&fdt, root, "number64", 2, &cell), -ERANGE);
    assert_int_equal(fdt_prop_cell(&fdt, root, "absent", 0, &cell), -ENOENT);
    assert_non_null(fdt_prop(&fdt, root, "empty", &len));
    assert_int_equal(len, 0);
    assert_true(fdt_has_prop(&fdt, root, "empty"));
    assert_false(fdt_has_prop(&fdt, root, "reg"));

    struct fdt_prop p;
    int n = 0;
    for (bool more = fdt_prop_first(&fdt, root, &p); more; more = fdt_prop_next(&fdt, &p))
        n++;
    assert_int_equal(n, 6);
}

static void
check_reg(const char *path, uint32_t index, int expected, uint64_t addr, uint64_t size)
{
    uint64_t a = 0, s = 0;

    assert_int_equal(fdt_reg(&fdt, fdt_find_path(&fdt, path), index, &a, &s), expected);
    assert_int_equal(a, addr);
    assert_int_equal(s, size);
}

static void
test_reg(void **state)
{
    uint64_t addr, size;

    check_reg("/memory", 0, 0, 0x80000000, 0x100000000);
    check_reg("/memory", 1, 0, 0x400000000, 0x10000);
    check_reg("/memory", 2, -ENOENT, 0, 0);
    check_reg("/cpus/cpu@3", 0, 0, 3, 0);
    check_reg("/cpus/cpu@3", 1, -ENOENT, 0, 0);
    check_reg("/soc/serial", 0, 0, 0x800000100, 0x100);
    check_reg("/soc/serial", 1, 0, 0x8000, 0x10);
    check_reg("/soc/serial", 2, -ENXIO, 0, 0);
    check_reg("/soc/serial", 3, -ENXIO, 0, 0);
    check_reg("/soc/bus/serial", 0, 0, 0x800000200, 0x10);
    check_reg("/soc/pci/device", 0, -EINVAL, 0, 0);
    check_reg("/soc/island/device", 0, -ENXIO, 0, 0);
    check_reg("/soc", 0, -ENOENT, 0, 0);
    check_reg("/", 0, -ENOENT, 0, 0);
    assert_int_equal(fdt_reg(&fdt, FDT_NONE, 0, NULL, NULL), -ENOENT);
    assert_int_equal(fdt_reg(&fdt, fdt_find_path(&fdt, "/memory"), 0, NULL, NULL), 0);

    assert_true(fdt_reserved(&fdt, 0, &addr, &size));
    assert_int_equal(addr, 0x80000000);
    assert_int_equal(size, 0x20000);
    assert_false(fdt_reserved(&fdt, 1, &addr, &size));
}

/* Open a blob that ends with the structure block given, in cells, and has its
 * reservations in the same place; to be freed. */
static uint8_t *
open_bare(const uint32_t *cells, size_t n)
{
    size_t size = 40 + 4 * n;
    const uint32_t header[10] = {
        0xd00dfeed, (uint32_t)size, 40, 0, 40, 17, 16, 0, 40, (uint32_t)(4 * n),
    };
    uint8_t *blob = malloc(size);

    for (size_t i = 0; i < 10 + n; i++)
        put_be32(blob + 4 * i, i < 10 ? header[i] : cells[i - 10]);
    assert_int_equal(fdt_init(&fdt, blob, size), 0);
    return blob;
}

#define OPEN_BARE(...) \
    open_bare((uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / 4)

/* Blobs that end in the middle of something. */
static void
test_edges(void **state)
{
    struct fdt_prop p;
    uint64_t a, s;
    uint8_t *blob;

    blob = OPEN_BARE(1, 0x61626364);            /* a name that does not end */
    assert_int_equal(fdt_root(&fdt), FDT_NONE);
    assert_string_equal(fdt_name(&fdt, 0), "");
    free(blob);

    blob = OPEN_BARE(1, 0, 3, 0);               /* half a property */
    assert_int_equal(fdt_root(&fdt), 0);
    assert_false(fdt_prop_first(&fdt, 0, &p));
    assert_int_equal(fdt_next_node(&fdt, 0, NULL), FDT_NONE);
    free(blob);

    blob = OPEN_BARE(1, 0, 3);                  /* less than half of one */
    assert_false(fdt_prop_first(&fdt, 0, &p));
    free(blob);

    blob = OPEN_BARE(1, 0, 3, 0xffffffff, 0);   /* one that wraps */
    assert_false(fdt_prop_first(&fdt, 0, &p));
    free(blob);

    blob = OPEN_BARE(1, 0, 3, 1, 0);            /* a value beyond the end */
    assert_false(fdt_prop_first(&fdt, 0, &p));
    free(blob);

    blob = OPEN_BARE(1, 0, 3, 0, 40);           /* a name beyond the strings */
    assert_false(fdt_prop_first(&fdt, 0, &p));
    free(blob);

    blob = OPEN_BARE(7, 0);                     /* no such token */
    assert_int_equal(fdt_root(&fdt), FDT_NONE);
    free(blob);

    blob = OPEN_BARE(0, 5, 0, 6, 0, 7);         /* half a reservation */
    assert_true(fdt_reserved(&fdt, 0, &a, &s));
    assert_int_equal(a, 5);
    assert_int_equal(s, 6);
    assert_false(fdt_reserved(&fdt, 1, &a, &s));
    free(blob);
}

/* Read everything that can be read, following whatever the blob says. */
static void
read_all(const void *blob, size_t size)
{
    struct fdt tree;
    struct fdt_prop p;
    uint64_t a, s;
    volatile uint64_t sum = 0;

    if (fdt_init(&tree, blob, size) < 0)
        return;
    fdt_node n = FDT_NONE;
    for (int i = 0; i < 200 && (n = fdt_next_node(&tree, n, NULL)) != FDT_NONE; i++) {
        sum += strlen(fdt_name(&tree, n));
        for (bool more = fdt_prop_first(&tree, n, &p); more; more = fdt_prop_next(&tree, &p)) {
            sum += strlen(p.name);
            for (uint32_t k = 0; k < p.len; k++)
                sum += p.value[k];
        }
        for (uint32_t k = 0; k < 3; k++)
            fdt_reg(&tree, n, k, &a, &s);
        fdt_parent(&tree, n);
        fdt_enabled(&tree, n);
        fdt_next_sibling(&tree, n);
    }
    for (uint32_t i = 0; i < 10 && fdt_reserved(&tree, i, &a, &s); i++)
        sum += a;
    fdt_find_path(&tree, "serial0");
    fdt_find_path(&tree, "/soc/serial@1100");
    fdt_find_compatible(&tree, FDT_NONE, "nothing");
    fdt_find_phandle(&tree, 0x12345);
}

static void
damage(struct prng *rng, const uint8_t *blob, size_t size, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        size_t n = prng_one_in(rng, 4) ? prng_below(rng, size) : size;
        uint8_t *copy = exact_copy(blob, n);
        if (n >= 8 && n < size && prng_one_in(rng, 2))
            put_be32(copy + 4, (uint32_t)n);
        if (n)
            prng_mutate(rng, copy, prng_one_in(rng, 4) ? min(n, (size_t)40) : n);
        if (n >= 8 && prng_one_in(rng, 2)) {
            put_be32(copy, 0xd00dfeed);
            put_be32(copy + 4, (uint32_t)n);
        }
        read_all(copy, n);
        free(copy);
    }
}

static void
test_damaged(void **state)
{
    struct prng rng = prng_start(__func__);
    size_t size = fdt.size;
    struct fdt tree;

    damage(&rng, *state, size, 20000);
    for (size_t n = 0; n < size; n++) {
        uint8_t *copy = exact_copy(*state, n);
        assert_int_equal(fdt_init(&tree, copy, n), -EINVAL);
        free(copy);
    }
}

/* The board that all of this is for. */
static void
test_qemu(void **state)
{
    struct prng rng = prng_start(__func__);
    size_t size;
    uint64_t addr, length, number;
    uint8_t *blob = command_output(
        "command -v qemu-system-riscv64 >/dev/null || exit 1; f=$(mktemp) &&"
        "timeout 20 qemu-system-riscv64 -machine virt,dumpdtb=$f -smp 4 -m 256M"
        " -display none >/dev/null 2>&1; cat $f; s=$?; rm -f $f; exit $s", &size);

    if (!blob || size == 0) {
        free(blob);
        skip();
    }
    uint8_t *copy = exact_copy(blob, size);
    free(blob);
    assert_int_equal(fdt_init(&fdt, copy, size), 0);

    fdt_node n = fdt_find_device_type(&fdt, FDT_NONE, "memory");
    assert_int_equal(fdt_reg(&fdt, n, 0, &addr, &length), 0);
    assert_int_equal(addr, 0x80000000);
    assert_int_equal(length, 256 << 20);
    assert_int_equal(fdt_prop_number(&fdt, fdt_find_path(&fdt, "/cpus"), "timebase-frequency",
                                     &number), 0);
    assert_int_equal(number, 10000000);

    uint64_t harts = 0;
    n = FDT_NONE;
    while ((n = fdt_find_device_type(&fdt, n, "cpu")) != FDT_NONE) {
        assert_int_equal(fdt_reg(&fdt, n, 0, &addr, NULL), 0);
        harts |= 1ULL << addr;
        assert_true(str_starts_with(fdt_prop_string(&fdt, n, "riscv,isa", 0), "rv64"));
    }
    assert_int_equal(harts, 0xf);

    int slots = 0;
    n = FDT_NONE;
    while ((n = fdt_find_compatible(&fdt, n, "virtio,mmio")) != FDT_NONE)
        slots += fdt_reg(&fdt, n, 0, &addr, &length) == 0 && length >= 0x200;
    assert_int_equal(slots, 8);

    n = fdt_find_path(&fdt, "/chosen");
    n = fdt_find_path(&fdt, fdt_prop_string(&fdt, n, "stdout-path", 0));
    assert_true(fdt_prop_has_string(&fdt, n, "compatible", "ns16550a"));
    assert_int_equal(fdt_reg(&fdt, n, 0, &addr, &length), 0);
    assert_int_equal(addr, 0x10000000);

    damage(&rng, copy, size, 1500);
    free(copy);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nodes, open_built, close_built),
        cmocka_unit_test_setup_teardown(test_finding, open_built, close_built),
        cmocka_unit_test_setup_teardown(test_properties, open_built, close_built),
        cmocka_unit_test_setup_teardown(test_reg, open_built, close_built),
        cmocka_unit_test_setup_teardown(test_damaged, open_built, close_built),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_qemu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
