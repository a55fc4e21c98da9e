/*
 * The start-up stack: System V ABI for RISC-V, and Linux's auxiliary vector.
 *
 *      stack_top ->  8 zero bytes
 *                    AT_EXECFN's string
 *                    environment strings
 *                    argument strings
 *                    16 random bytes
 *                    (padding to 16)
 *                    auxv: pairs, ended by AT_NULL
 *                    envp: pointers, NULL
 *                    argv: pointers, NULL
 *      sp ->         argc               16-byte aligned
 *
 * The strings are copied page by page out of the chain they were gathered in;
 * the pointers to them are found by looking for their NULs there.
 */
#include <asm/auxvec.h>
#include <asm/hwcap.h>
#include <linux/auxvec.h>
#include "arch/riscv/trap.h"
#include "dev/random.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "proc/exec.h"
#include "proc/limits.h"
#include "vfs/cred.h"
#include "vm/usercopy.h"
#include "vm/vmspace.h"

#define STACK_FIRST_SIZE (128UL << 10) /* mapped at once; the rest grows by faults */
#define HWCAP                                                                                      \
    (COMPAT_HWCAP_ISA_I | COMPAT_HWCAP_ISA_M | COMPAT_HWCAP_ISA_A | COMPAT_HWCAP_ISA_F |          \
     COMPAT_HWCAP_ISA_D | COMPAT_HWCAP_ISA_C)
#define CLOCK_TICKS 100 /* USER_HZ */

/* Words on their way to rising user addresses. */
struct words {
    vaddr_t at;
    unsigned n;
    bool failed;
    uint64_t buffer[64];
};

static void
words_flush(struct words *words)
{
    size_t size = words->n * sizeof(uint64_t);

    if (size && copyout(words->at, words->buffer, size) < 0)
        words->failed = true;
    words->at += size;
    words->n = 0;
}

static void
words_put(struct words *words, uint64_t word)
{
    if (words->n == ARRAY_SIZE(words->buffer))
        words_flush(words);
    words->buffer[words->n++] = word;
}

/* Copy n bytes to *at and move it on. */
static int
put_bytes(vaddr_t *at, const void *bytes, size_t n)
{
    int error = copyout(*at, bytes, n);

    *at += n;
    return error;
}

/* Copy what #! lines put in front, then the gathered text without what they took away. */
static int
put_strings(vaddr_t *at, const struct exec_args *args)
{
    size_t left = args->size, skip = args->skip;

    for (unsigned i = 0; i < args->nprefix; i++)
        if (put_bytes(at, args->prefix[i], strlen(args->prefix[i]) + 1) < 0)
            return -EFAULT;
    for (const struct exec_page *page = args->first; page && left; page = page->next) {
        size_t n = min(left, sizeof(page->text)), cut = min(n, skip);
        if (n > cut && put_bytes(at, page->text + cut, n - cut) < 0)
            return -EFAULT;
        left -= n;
        skip -= cut;
        preempt_point();
    }
    return 0;
}

/* Put pointers to all strings, which lie at rising addresses from `string`: argv, envp. */
static void
put_pointers(struct words *words, const struct exec_args *args, vaddr_t string, struct vmspace *vm)
{
    size_t left = args->size, skip = args->skip;
    uint32_t n = 0;
    bool begins = true;

    vm->arg_start = string;
    for (unsigned i = 0; i < args->nprefix; i++) {
        words_put(words, string);
        string += strlen(args->prefix[i]) + 1;
    }
    if (args->argc == 0)
        words_put(words, 0);
    vm->arg_end = string;
    for (const struct exec_page *page = args->first; page && left; page = page->next) {
        size_t size = min(left, sizeof(page->text)), i = min(size, skip);
        skip -= i;
        left -= size;
        while (i < size) {
            if (begins)
                words_put(words, string);
            size_t length = strnlen(page->text + i, size - i);
            begins = i + length < size;
            i += length + begins;
            string += length + begins;
            if (!begins)
                continue;
            n++;
            if (n == args->argc) {
                words_put(words, 0);
                vm->arg_end = string;
            }
        }
        preempt_point();
    }
    words_put(words, 0);
    vm->env_start = vm->arg_end;
    vm->env_end = string;
}

static void
fill_auxv(struct vmspace *vm, const struct exec_image *image, vaddr_t random, vaddr_t execfn)
{
    const struct cred *cred = image->cred;
    const uint64_t pairs[][2] = {
        {AT_SYSINFO_EHDR, image->vdso},
        {AT_HWCAP, HWCAP},
        {AT_PAGESZ, PAGE_SIZE},
        {AT_CLKTCK, CLOCK_TICKS},
        {AT_PHDR, image->program_headers},
        {AT_PHENT, 56}, /* sizeof(Elf64_Phdr) */
        {AT_PHNUM, image->nprogram_headers},
        {AT_BASE, image->interpreter_base},
        {AT_FLAGS, 0},
        {AT_ENTRY, image->entry},
        {AT_UID, cred->uid},
        {AT_EUID, cred->euid},
        {AT_GID, cred->gid},
        {AT_EGID, cred->egid},
        {AT_SECURE, image->rights.secure},
        {AT_RANDOM, random},
        {AT_HWCAP2, 0},
        {AT_EXECFN, execfn},
        {AT_NULL, 0},
    };
    _Static_assert(sizeof(pairs) <= sizeof(vm->auxv), "auxv has room");

    memcpy(vm->auxv, pairs, sizeof(pairs));
    vm->nauxv = 2 * ARRAY_SIZE(pairs);
}

/* Map the stack, at least `size` bytes of it. */
static int
map_stack(struct vmspace *vm, uint64_t size, bool executable)
{
    uint64_t more = min(STACK_FIRST_SIZE, PAGE_ALIGN_DOWN(limit_soft(RLIMIT_STACK)));
    uint64_t mapped = PAGE_ALIGN_UP(size) + more;
    struct map_request request = {
        .va = vm->stack_top - mapped,
        .size = mapped,
        .flags = REGION_READ | REGION_WRITE | REGION_STACK | REGION_MAY_READ | REGION_MAY_WRITE |
                 REGION_MAY_EXEC | (executable ? REGION_EXEC : 0),
        .fixed = true,
        .noreplace = true,
        .label = "[stack]",
    };
    int64_t at = vm_map(vm, &request);
    return at < 0 ? (int)at : 0;
}

int
exec_stack_build(struct vmspace *vm, struct exec_image *image, struct exec_args *args,
                 const char *execfn)
{
    size_t name_size = strlen(execfn) + 1;
    size_t text = args->size - args->skip;
    for (unsigned i = 0; i < args->nprefix; i++)
        text += strlen(args->prefix[i]) + 1;
    uint32_t argc = args->nprefix + args->argc;

    vaddr_t top = vm->stack_top - sizeof(uint64_t);
    vaddr_t strings = top - name_size - text;
    vaddr_t random = strings - 16;
    fill_auxv(vm, image, random, top - name_size);
    uint64_t nwords = 1 + (argc + 1) + (args->envc + 1) + vm->nauxv;
    image->sp = ALIGN_DOWN(random - nwords * sizeof(uint64_t), 16);

    int error = map_stack(vm, vm->stack_top - image->sp, image->executable_stack);
    if (error)
        return error;
    uint8_t bytes[16];
    random_bytes(bytes, sizeof(bytes));
    vaddr_t at = random;
    if (put_bytes(&at, bytes, sizeof(bytes)) < 0 || put_strings(&at, args) < 0 ||
        put_bytes(&at, execfn, name_size) < 0)
        return -ENOMEM;

    struct words words __uninitialized;
    words.at = image->sp;
    words.n = 0;
    words.failed = false;
    words_put(&words, argc);
    put_pointers(&words, args, strings, vm);
    for (unsigned i = 0; i < vm->nauxv; i++)
        words_put(&words, vm->auxv[i]);
    words_flush(&words);
    return words.failed ? -ENOMEM : 0;
}
