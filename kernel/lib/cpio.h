/*
 * Reading cpio archives in the "newc" form, the form of an initramfs.
 *
 * An archive is a run of members, each a header of 110 ASCII characters, a
 * name and data, name and data each padded to 4 bytes; a member called
 * TRAILER!!! ends it. An initramfs may be several archives one behind the
 * other with zeros between, so reading goes on behind a trailer.
 *
 *      struct cpio r;
 *      struct cpio_entry e;
 *      cpio_init(&r, buf, size);
 *      while ((err = cpio_next(&r, &e)) > 0)
 *          unpack(&e);
 *
 * Members of one archive with the same (dev, ino) and nlink > 1 are hard
 * links of one file; only one of them, usually the last, carries the data.
 */
#ifndef QUIRE_LIB_CPIO_H
#define QUIRE_LIB_CPIO_H

#include "lib/types.h"

struct cpio {
    const uint8_t *buf;
    size_t size;
    size_t pos;                 /* of the next header */
    size_t start;               /* of the present archive: padding counts from it */
    bool inside;                /* behind a member, so a trailer must follow */
    uint32_t archive;           /* trailers passed so far */
};

struct cpio_entry {
    const char *name;           /* NUL-terminated, inside the buffer */
    const uint8_t *data;        /* inside the buffer */
    size_t size;
    uint32_t mode;              /* type and permissions, as in stat */
    uint32_t uid, gid;
    uint32_t nlink;
    uint32_t ino;
    uint32_t mtime;             /* seconds since 1970 */
    uint32_t dev_major, dev_minor;
    uint32_t rdev_major, rdev_minor;
    uint32_t archive;           /* which of several archives, from 0 */
};

/* Begin reading the size bytes at buf. */
void cpio_init(struct cpio *reader, const void *buf, size_t size);

/*
 * Get the next member. Returns 1 with *entry filled; 0 at the end of all
 * archives, where reader->pos is the buffer's size or the first byte behind
 * an archive that is neither zero nor the beginning of another; -EINVAL if a
 * member is malformed or cut short, where reader->pos is its header's.
 */
int cpio_next(struct cpio *reader, struct cpio_entry *entry);

/*
 * For an archive that comes in pieces: read the CPIO_HEADER_SIZE bytes of one member's
 * header into *entry, all but name, data and archive; *name_size is the name's length with
 * its NUL, at most PATH_MAX. Header and name together, and the data, are padded to
 * multiples of 4. False if it is malformed.
 */
#define CPIO_HEADER_SIZE 110
bool cpio_parse_header(const void *header, struct cpio_entry *entry, size_t *name_size);

/* The name of the member that ends an archive. */
#define CPIO_TRAILER "TRAILER!!!"

/* True if the bytes at buf begin like a newc archive. */
bool cpio_detect(const void *buf, size_t size);

#endif
