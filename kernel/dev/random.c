/*
 * The random generator: ChaCha20 with fast key erasure.
 *
 * A generator is a key. To draw from it, its block function makes a buffer
 * whose first 32 bytes become the next key and whose rest is the output; the
 * old key and all output handed out are erased at once. So whoever sees the
 * memory later learns nothing of the past.
 *
 *      seed (the device tree's, clocks, what is stirred in)
 *        |  drawn from under base_lock
 *      one generator a hart       used without a lock: the kernel is not
 *        |                        preempted, and interrupt handlers stay away
 *      random_bytes(), and a key of its own for every long read
 *
 * Stirring in replaces the seed's key by a function of itself and the new
 * bytes, and moves the generation on; each hart draws a new key when it sees
 * that. All of it counts as seeded from the start: there is no blocking.
 */
#include <asm/ioctl.h>
#include <linux/capability.h>
#include <linux/random.h>
#include "arch/riscv/clock.h"
#include "arch/riscv/csr.h"
#include "arch/riscv/hart.h"
#include "arch/riscv/klog.h"
#include "arch/riscv/machine.h"
#include "arch/riscv/spinlock.h"
#include "arch/riscv/trap.h"
#include "dev/random.h"
#include "dev/rtc.h"
#include "lib/atomic.h"
#include "lib/chacha20.h"
#include "lib/string.h"
#include "sched/thread.h"
#include "vfs/cred.h"
#include "vfs/device.h"
#include "vfs/inode.h"
#include "vm/usercopy.h"

#define NBLOCKS 4 /* made at a time: one key and 224 bytes of output */
#define BUFFER_SIZE (NBLOCKS * CHACHA20_BLOCK_SIZE)
#define LONG_READ 512 /* from here on a read gets a key of its own */
#define ENTROPY_BITS 256

/* One hart's generator. Bytes buffer[used .. BUFFER_SIZE) have not been handed out. */
struct generator {
    uint8_t key[CHACHA20_KEY_SIZE];
    uint8_t buffer[BUFFER_SIZE];
    uint32_t used;
    uint64_t generation; /* of the seed it was drawn from; 0: none yet */
} __cacheline;

static struct generator generators[MAX_HARTS];

static struct spinlock base_lock = SPINLOCK_INIT("random");
static uint8_t base_key[CHACHA20_KEY_SIZE]; /* base_lock */
static uint64_t base_generation = 1;        /* base_lock to write */

static const uint8_t no_nonce[CHACHA20_NONCE_SIZE];

/* Make n whole blocks of key stream. */
static void
key_stream(const uint8_t key[CHACHA20_KEY_SIZE], uint8_t *out, unsigned nblocks)
{
    struct chacha20 state;
    chacha20_init(&state, key, 0, no_nonce);
    for (unsigned i = 0; i < nblocks; i++)
        chacha20_block(&state, out + i * CHACHA20_BLOCK_SIZE);
    memset(&state, 0, sizeof(state));
    __asm__ volatile("" : : "r"(&state) : "memory"); /* the erasing is meant */
}

/* Replace the base key by half a block of its stream; the other half goes to `out`. base_lock held. */
static void
base_step(uint8_t *out)
{
    uint8_t block[CHACHA20_BLOCK_SIZE];
    key_stream(base_key, block, 1);
    memcpy(base_key, block, CHACHA20_KEY_SIZE);
    if (out)
        memcpy(out, block + CHACHA20_KEY_SIZE, CHACHA20_KEY_SIZE);
    memset(block, 0, sizeof(block));
    __asm__ volatile("" : : "r"(block) : "memory");
}

void
random_mix(const void *data, size_t n)
{
    const uint8_t *bytes = data;
    uint64_t now = rdtime();
    SCOPED_SPIN(&base_lock);
    for (size_t i = 0; i < sizeof(now); i++)
        base_key[i] ^= (uint8_t)(now >> (8 * i));
    for (size_t done = 0; done < n;) {
        size_t part = min(n - done, (size_t)CHACHA20_KEY_SIZE);
        for (size_t i = 0; i < part; i++)
            base_key[i] ^= bytes[done + i];
        base_step(NULL);
        done += part;
    }
    store_release(&base_generation, base_generation + 1);
}

/* This hart's generator, with a key no older than the seed. */
static struct generator *
my_generator(void)
{
    struct generator *g = &generators[this_hart()->index];
    uint64_t generation = __atomic_load_n(&base_generation, __ATOMIC_ACQUIRE);
    if (unlikely(g->generation != generation)) {
        SCOPED_SPIN(&base_lock);
        base_step(g->key);
        g->generation = base_generation;
        g->used = BUFFER_SIZE;
    }
    return g;
}

/* Draw from a generator. */
static void
draw(struct generator *g, uint8_t *out, size_t n)
{
    while (n) {
        if (g->used == BUFFER_SIZE) {
            key_stream(g->key, g->buffer, NBLOCKS);
            memcpy(g->key, g->buffer, CHACHA20_KEY_SIZE);
            memset(g->buffer, 0, CHACHA20_KEY_SIZE);
            g->used = CHACHA20_KEY_SIZE;
        }
        size_t part = min(n, (size_t)(BUFFER_SIZE - g->used));
        memcpy(out, g->buffer + g->used, part);
        memset(g->buffer + g->used, 0, part);
        g->used += part;
        out += part;
        n -= part;
    }
}

void
random_bytes(void *buf, size_t n)
{
    draw(my_generator(), buf, n);
}

/* Fill uio from a key drawn for it alone. */
static ssize_t
long_read(struct uio *uio)
{
    uint8_t key[CHACHA20_KEY_SIZE], buf[BUFFER_SIZE];
    struct chacha20 state;
    random_bytes(key, sizeof(key));
    chacha20_init(&state, key, 0, no_nonce);
    memset(key, 0, sizeof(key));

    size_t done = 0;
    ssize_t error = 0;
    while (uio->residue) {
        for (unsigned i = 0; i < NBLOCKS; i++)
            chacha20_block(&state, buf + i * CHACHA20_BLOCK_SIZE);
        size_t n = min(uio->residue, sizeof(buf));
        size_t copied = uio_copyout(uio, buf, n);
        done += copied;
        if (copied < n) {
            error = -EFAULT;
            break;
        }
        if (done % PAGE_SIZE == 0) {
            preempt_point();
            if (thread_interrupted())
                break;
        }
    }
    memset(&state, 0, sizeof(state));
    memset(buf, 0, sizeof(buf));
    __asm__ volatile("" : : "r"(&state), "r"(buf), "r"(key) : "memory");
    return done ? (ssize_t)done : error;
}

ssize_t
random_read(struct uio *uio)
{
    if (uio->residue > LONG_READ)
        return long_read(uio);
    uint8_t buf[LONG_READ] __uninitialized;
    size_t n = uio->residue;
    random_bytes(buf, n);
    size_t copied = uio_copyout(uio, buf, n);
    memset(buf, 0, n);
    __asm__ volatile("" : : "r"(buf) : "memory");
    return copied || !n ? (ssize_t)copied : -EFAULT;
}

/* The devices. */

static ssize_t
random_file_read(struct file *file __unused, struct uio *uio, uint64_t *pos __unused)
{
    return random_read(uio);
}

static ssize_t
random_file_write(struct file *file __unused, struct uio *uio, uint64_t *pos __unused)
{
    size_t done = 0;
    while (uio->residue) {
        uint8_t buf[256];
        size_t n = min(uio->residue, sizeof(buf));
        size_t copied = uio_copyin(uio, buf, n);
        random_mix(buf, copied);
        done += copied;
        if (copied < n)
            return done ? (ssize_t)done : -EFAULT;
        if (done % PAGE_SIZE == 0) {
            preempt_point();
            if (thread_interrupted())
                break;
        }
    }
    return (ssize_t)done;
}

/* RNDADDENTROPY: a count of bits, a size in bytes, and the bytes. */
static int
add_entropy(uint64_t arg)
{
    uint32_t header[2];
    if (copyin(header, arg, sizeof(header)))
        return -EFAULT;
    if ((int)header[0] < 0 || (int)header[1] < 0)
        return -EINVAL;
    struct uio_segment segment;
    struct uio uio;
    uio_user(&uio, &segment, arg + sizeof(header), header[1]);
    ssize_t mixed = random_file_write(NULL, &uio, NULL);
    if (mixed < 0)
        return (int)mixed;
    return mixed == header[1] ? 0 : thread_interrupted() ? -EINTR : -EFAULT;
}

static int64_t
random_ioctl(struct file *file __unused, uint32_t command, uint64_t arg)
{
    if (command == RNDGETENTCNT)
        return put_user32(arg, ENTROPY_BITS);
    if (command != RNDADDTOENTCNT && command != RNDADDENTROPY && command != RNDZAPENTCNT &&
        command != RNDCLEARPOOL && command != RNDRESEEDCRNG)
        return -EINVAL;
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (command == RNDADDENTROPY)
        return add_entropy(arg);
    random_mix(NULL, 0);
    return 0;
}

static const struct file_ops random_file_ops = {
    .read = random_file_read,
    .write = random_file_write,
    .ioctl = random_ioctl,
};

void
random_init(void)
{
    uint64_t now;
    if (rtc_read(&now))
        random_mix(&now, sizeof(now));
    if (!machine.rng_seed_size)
        pr_warn("random: no seed in the device tree; the clocks alone are a poor one");
    random_mix(machine.rng_seed, machine.rng_seed_size);
    memset(machine.rng_seed, 0, sizeof(machine.rng_seed));

    static struct device random_device = {
        .name = "random", .mode = S_IFCHR | 0666, .rdev = 1 << 8 | 8, .ops = &random_file_ops};
    static struct device urandom_device = {
        .name = "urandom", .mode = S_IFCHR | 0666, .rdev = 1 << 8 | 9, .ops = &random_file_ops};
    device_register(&random_device);
    device_register(&urandom_device);
}
