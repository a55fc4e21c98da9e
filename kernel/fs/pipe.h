/*
 * Pipes and FIFOs.
 */
#ifndef QUIRE_FS_PIPE_H
#define QUIRE_FS_PIPE_H

#include "lib/types.h"
#include "vfs/file.h"

/*
 * Make a pipe: ends[0] reads, ends[1] writes, each with one reference. flags:
 * O_NONBLOCK, O_DIRECT (O_CLOEXEC is the descriptor's). 0, -ENOMEM, -ENFILE.
 */
int pipe_create(uint32_t flags, struct file *ends[2]);
/* Is the file a pipe or an open FIFO? */
bool file_is_pipe(const struct file *file);
/* F_GETPIPE_SZ: capacity in bytes. */
int64_t pipe_get_size(struct file *file);
/*
 * F_SETPIPE_SZ: at least `size` bytes, rounded up to a power of two of pages. The
 * new size; -EBUSY (more is in it), -EPERM (over pipe_max_size without
 * CAP_SYS_RESOURCE, or over what the pipe's user may have), -EINVAL, -ENOMEM.
 */
int64_t pipe_set_size(struct file *file, uint64_t size);
/* The least capacity that holds `size` bytes, a power of two of pages; 0: there is none so large. */
uint32_t pipe_round_size(uint64_t size);
/* /proc/sys/fs/: pipe-max-size; pipe-user-pages-soft and -hard (0: no limit). */
extern uint32_t pipe_max_size;
extern uint64_t pipe_user_pages_soft, pipe_user_pages_hard;

/* A write to a pipe without readers: send SIGPIPE to the current thread. proc/ fills this in. */
extern void (*pipe_sigpipe)(void);

/* Fill in fifo_file_ops, and make caches. */
void pipe_init(void);

#endif
