/*
 * ELF: from a file's headers to mappings; see exec.h.
 *
 * plan_make() reads and checks the headers of a file before anything is mapped:
 * what is wrong there is -ENOEXEC, or -ELIBBAD of an interpreter. Segments are
 * mapped in the order of the headers, a later one over an earlier one, so they
 * may overlap and come in any order. A segment that cannot be mapped as it
 * stands (its size, its place, its offset in the file) is EXEC_DOOMED.
 */
#include <linux/elf.h>
#include "lib/bits.h"
#include "lib/errno.h"
#include "lib/path.h"
#include "lib/string.h"
#include "mem/slab.h"
#include "proc/exec.h"
#include "vfs/file.h"
#include "vfs/inode.h"
#include "vm/usercopy.h"
#include "vm/vmspace.h"

#define EM_RISCV 243          /* ELF for RISC-V, 8.1 */
#define MAX_HEADERS_SIZE 65536 /* Linux refuses larger tables of program headers */
#define PIE_BASE (user_top / 3 * 2) /* where Linux puts position-independent programs */

/* A file's headers, checked. */
struct plan {
    struct file *file;
    Elf64_Ehdr header;
    Elf64_Phdr *segments;   /* kmalloc'ed; header.e_phnum of them */
    uint64_t low, high;     /* pages that PT_LOAD segments take, before they are moved; equal: none */
    uint64_t align;         /* greatest p_align */
    uint64_t bias;          /* what is added to the file's addresses */
    const Elf64_Phdr *interpreter; /* PT_INTERP, or NULL */
    bool executable_stack;
};

static bool
header_is_valid(const Elf64_Ehdr *header)
{
    uint64_t size = (uint64_t)header->e_phnum * sizeof(Elf64_Phdr);

    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_machine == EM_RISCV &&
           header->e_phentsize == sizeof(Elf64_Phdr) && size > 0 && size <= MAX_HEADERS_SIZE &&
           header->e_phoff <= INT64_MAX - size;
}

static bool
is_program(const Elf64_Ehdr *header)
{
    return header->e_type == ET_EXEC || header->e_type == ET_DYN;
}

/* Note what the segments are about. */
static void
survey(struct plan *plan)
{
    plan->low = ~0UL;
    plan->align = PAGE_SIZE;
    plan->executable_stack = false;
    for (unsigned i = 0; i < plan->header.e_phnum; i++) {
        const Elf64_Phdr *segment = &plan->segments[i];
        if (segment->p_type == PT_INTERP && !plan->interpreter)
            plan->interpreter = segment;
        if (segment->p_type == PT_GNU_STACK)
            plan->executable_stack = segment->p_flags & PF_X;
        if (segment->p_type != PT_LOAD)
            continue;
        plan->low = min(plan->low, PAGE_ALIGN_DOWN(segment->p_vaddr));
        plan->high = max(plan->high, PAGE_ALIGN_UP(segment->p_vaddr + segment->p_memsz));
        if (is_pow2(segment->p_align))
            plan->align = max(plan->align, segment->p_align);
    }
    plan->low = min(plan->low, plan->high);
}

/* Read and check a file's headers. plan_free() it, whatever comes. */
static int
plan_make(struct plan *plan, const struct exec_image *image)
{
    memset(plan, 0, sizeof(*plan));
    plan->file = image->file;
    memcpy(&plan->header, image->header, sizeof(plan->header));
    if (!header_is_valid(&plan->header))
        return -ENOEXEC;
    size_t size = plan->header.e_phnum * sizeof(Elf64_Phdr);
    plan->segments = kmalloc(size);
    if (!plan->segments)
        return -ENOMEM;
    uint64_t offset = plan->header.e_phoff;
    if (offset + size <= image->header_size)
        memcpy(plan->segments, image->header + offset, size);
    else if (file_read_kernel(plan->file, plan->segments, size, offset) != (ssize_t)size)
        return -ENOEXEC;
    survey(plan);
    return 0;
}

static void
plan_free(struct plan *plan)
{
    kmfree(plan->segments);
}

static uint32_t
region_flags(uint32_t p_flags)
{
    return (p_flags & PF_R ? REGION_READ : 0) | (p_flags & PF_W ? REGION_WRITE : 0) |
           (p_flags & PF_X ? REGION_EXEC : 0);
}

/* Zeroes for whole pages that the file has nothing for. They can be written, as on Linux. */
static int
map_zeroes(struct vmspace *vm, vaddr_t start, vaddr_t end, uint32_t flags)
{
    if (end <= start)
        return 0;
    struct map_request request = {
        .va = start,
        .size = end - start,
        .flags = REGION_READ | REGION_WRITE | (flags & REGION_EXEC) | REGION_MAY_READ |
                 REGION_MAY_WRITE | REGION_MAY_EXEC,
        .fixed = true,
    };
    int64_t at = vm_map(vm, &request);
    return at < 0 ? (int)at : 0;
}

/* Map what the file has of a segment, and zero the rest of its last page, if the segment goes on. */
static int
map_contents(struct plan *plan, struct vmspace *vm, const Elf64_Phdr *segment, uint32_t flags)
{
    vaddr_t va = segment->p_vaddr + plan->bias, end = va + segment->p_filesz;
    uint64_t before = va & PAGE_MASK;
    struct map_request request = {
        .va = va - before,
        .size = PAGE_ALIGN_UP(segment->p_filesz + before),
        .flags = flags,
        .fixed = true,
        .pgoff = (segment->p_offset - before) >> PAGE_SHIFT,
    };
    int error = file_mmap(plan->file, &request);
    if (error)
        return error;
    int64_t at = vm_map(vm, &request);
    if (at < 0)
        return (int)at;
    size_t rest = PAGE_ALIGN_UP(end) - end;
    if (segment->p_memsz == segment->p_filesz || !(flags & REGION_WRITE) || rest == 0)
        return 0;
    return zeroout_some(end, rest) < rest ? -EFAULT : 0;
}

/* Can the segment be in memory at all, where it would come to lie? */
static bool
segment_fits(const struct plan *plan, const Elf64_Phdr *segment)
{
    return segment->p_filesz <= segment->p_memsz &&
           range_below(segment->p_vaddr, segment->p_memsz, user_top) &&
           range_below(segment->p_vaddr + plan->bias, segment->p_memsz, user_top) &&
           (!segment->p_filesz ||
            (((segment->p_vaddr ^ segment->p_offset) & PAGE_MASK) == 0 &&
             range_below(segment->p_offset, segment->p_filesz, INT64_MAX - PAGE_SIZE)));
}

static int
map_segment(struct plan *plan, struct vmspace *vm, const Elf64_Phdr *segment)
{
    uint32_t flags = region_flags(segment->p_flags);
    vaddr_t va = segment->p_vaddr + plan->bias, zeroes = PAGE_ALIGN_DOWN(va);

    if (!segment_fits(plan, segment))
        return -EINVAL;
    if (segment->p_filesz) {
        int error = map_contents(plan, vm, segment, flags);
        if (error)
            return error;
        zeroes = PAGE_ALIGN_UP(va + segment->p_filesz);
    }
    if (segment->p_filesz == segment->p_memsz)
        return 0;
    return map_zeroes(vm, zeroes, PAGE_ALIGN_UP(va + segment->p_memsz), flags);
}

/* 0, -ENOMEM, EXEC_DOOMED. */
static int
map_all(struct plan *plan, struct vmspace *vm)
{
    for (unsigned i = 0; i < plan->header.e_phnum; i++) {
        const Elf64_Phdr *segment = &plan->segments[i];
        if (segment->p_type != PT_LOAD)
            continue;
        int error = map_segment(plan, vm, segment);
        if (error)
            return error == -ENOMEM ? -ENOMEM : EXEC_DOOMED;
    }
    return 0;
}

/* The address of the program headers in memory, 0 if no segment holds them. */
static vaddr_t
headers_address(const struct plan *plan)
{
    uint64_t offset = plan->header.e_phoff;

    for (unsigned i = 0; i < plan->header.e_phnum; i++) {
        const Elf64_Phdr *segment = &plan->segments[i];
        if (segment->p_type == PT_LOAD && segment->p_offset <= offset &&
            offset - segment->p_offset < segment->p_filesz)
            return offset - segment->p_offset + segment->p_vaddr + plan->bias;
    }
    return 0;
}

/* Where code and data are, for /proc, and where the heap begins. */
static void
note_layout(const struct plan *plan, struct vmspace *vm)
{
    vm->start_code = ~0UL;
    for (unsigned i = 0; i < plan->header.e_phnum; i++) {
        const Elf64_Phdr *segment = &plan->segments[i];
        if (segment->p_type != PT_LOAD)
            continue;
        vaddr_t start = segment->p_vaddr + plan->bias;
        vaddr_t end = start + segment->p_filesz;
        vm->start_code = min(vm->start_code, start);
        if (segment->p_flags & PF_X)
            vm->end_code = max(vm->end_code, end);
        vm->start_data = max(vm->start_data, start);
        vm->end_data = max(vm->end_data, end);
    }
    vm->brk_start = vm->brk = plan->high + plan->bias;
}

/* The interpreter's name from PT_INTERP. */
static int
read_interpreter_name(const struct plan *plan, char *name)
{
    uint64_t size = plan->interpreter->p_filesz, offset = plan->interpreter->p_offset;

    if (size < 2 || size > PATH_MAX || offset > INT64_MAX - size)
        return -ENOEXEC;
    ssize_t n = file_read_kernel(plan->file, name, size, offset);
    if (n != (ssize_t)size)
        return n < 0 ? (int)n : -EIO;
    return name[size - 1] ? -ENOEXEC : 0;
}

/* Open the interpreter. image->file gets a reference, header its first bytes. */
static int
open_interpreter(const struct plan *plan, struct exec_image *image)
{
    char *name = kmalloc(PATH_MAX);

    if (!name)
        return -ENOMEM;
    int error = read_interpreter_name(plan, name);
    if (!error)
        error = exec_open(image, NULL, name, 0);
    kmfree(name);
    return error;
}

/* A free place for size bytes where mappings go. Address or error. */
static int64_t
find_room(struct vmspace *vm, uint64_t size, uint64_t align)
{
    struct map_request request = {.size = size + align - PAGE_SIZE};
    int64_t at = vm_map(vm, &request);

    if (at < 0)
        return at;
    int error = vm_unmap(vm, (vaddr_t)at, request.size);
    return error ? error : (int64_t)ALIGN_UP((uint64_t)at, align);
}

static int
load_interpreter(struct exec_image *image, struct vmspace *vm, struct plan *interpreter)
{
    if (!is_program(&interpreter->header) || interpreter->low == interpreter->high)
        return EXEC_DOOMED;
    if (interpreter->header.e_type == ET_DYN) {
        uint64_t size = interpreter->high - interpreter->low;
        if (interpreter->high < interpreter->low || size > user_top || interpreter->align > user_top)
            return EXEC_DOOMED;
        int64_t at = find_room(vm, size, interpreter->align);
        if (at < 0)
            return (int)at;
        interpreter->bias = (uint64_t)at - interpreter->low;
    }
    int error = map_all(interpreter, vm);
    image->interpreter_base = interpreter->bias;
    image->start = interpreter->header.e_entry + interpreter->bias;
    return error;
}

static int
load_program(struct exec_image *image, struct vmspace *vm, struct plan *plan)
{
    if (plan->header.e_type == ET_DYN)
        plan->bias = ALIGN_DOWN(PIE_BASE, plan->align) - ALIGN_DOWN(plan->low, plan->align);
    image->entry = image->start = plan->header.e_entry + plan->bias;
    image->program_headers = headers_address(plan);
    image->nprogram_headers = plan->header.e_phnum;
    image->executable_stack = plan->executable_stack;
    int error = map_all(plan, vm);
    note_layout(plan, vm);
    return error;
}

/* Open the program's interpreter and read its headers. -ELIBBAD: they are wrong. */
static int
plan_interpreter(const struct plan *plan, struct exec_image *other, struct plan *interpreter)
{
    int error = open_interpreter(plan, other);

    if (error)
        return error;
    if (other->header_size < sizeof(interpreter->header))
        return -EIO;
    error = plan_make(interpreter, other);
    return error == -ENOEXEC ? -ELIBBAD : error;
}

int
elf_load(struct exec_image *image, struct vmspace *vm)
{
    struct plan plan __uninitialized, interpreter __uninitialized; /* plan_make() writes them whole */
    struct exec_image other __uninitialized;                       /* exec_open() writes what is read */
    interpreter.segments = NULL;
    other.file = NULL;
    int error = plan_make(&plan, image);

    if (!error && !is_program(&plan.header))
        error = -ENOEXEC;
    if (!error && plan.interpreter) {
        error = plan_interpreter(&plan, &other, &interpreter);
        if (!error && inode_permission(other.file->inode, MAY_READ) < 0)
            image->unreadable = true;
    }
    if (!error)
        error = load_program(image, vm, &plan);
    if (!error && other.file)
        error = load_interpreter(image, vm, &interpreter);
    if (!error && image->start >= user_top)
        error = EXEC_DOOMED;
    plan_free(&plan);
    plan_free(&interpreter);
    if (other.file)
        file_put(other.file);
    return error;
}
