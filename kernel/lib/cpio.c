/*
 * Reading newc cpio archives.
 */
#include "lib/cpio.h"

#include "lib/errno.h"
#include "lib/path.h"
#include "lib/string.h"

/* The header: a magic of 6 characters, then 13 fields of 8 hexadecimal digits
 * (cpio(5), "New ASCII Format"). */
enum {
    FIELD_INO, FIELD_MODE, FIELD_UID, FIELD_GID, FIELD_NLINK, FIELD_MTIME, FIELD_SIZE,
    FIELD_DEV_MAJOR, FIELD_DEV_MINOR, FIELD_RDEV_MAJOR, FIELD_RDEV_MINOR, FIELD_NAME_SIZE,
    FIELD_CHECK, NFIELDS,
};

#define MAGIC_SIZE  6
#define DIGITS      8
_Static_assert(CPIO_HEADER_SIZE == MAGIC_SIZE + NFIELDS * DIGITS, "the header's fields");

bool
cpio_detect(const void *buf, size_t size)
{
    /* 070702 differs only in a checksum, which nobody fills in. */
    return size >= CPIO_HEADER_SIZE &&
           (memcmp(buf, "070701", MAGIC_SIZE) == 0 || memcmp(buf, "070702", MAGIC_SIZE) == 0);
}

void
cpio_init(struct cpio *reader, const void *buf, size_t size)
{
    *reader = (struct cpio){ .buf = buf, .size = size };
}

static bool
parse_field(const uint8_t *text, uint32_t *value)
{
    uint32_t n = 0;

    for (int i = 0; i < DIGITS; i++) {
        uint8_t c = text[i];
        if (c >= '0' && c <= '9')
            n = n << 4 | (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            n = n << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return false;
    }
    *value = n;
    return true;
}

static bool
parse_fields(const uint8_t *header, uint32_t fields[NFIELDS])
{
    for (int i = 0; i < NFIELDS; i++)
        if (!parse_field(header + MAGIC_SIZE + i * DIGITS, &fields[i]))
            return false;
    return true;
}

bool
cpio_parse_header(const void *header, struct cpio_entry *entry, size_t *name_size)
{
    uint32_t f[NFIELDS];

    if (!cpio_detect(header, CPIO_HEADER_SIZE) || !parse_fields(header, f))
        return false;
    if (f[FIELD_NAME_SIZE] < 1 || f[FIELD_NAME_SIZE] > PATH_MAX)
        return false;
    *name_size = f[FIELD_NAME_SIZE];
    *entry = (struct cpio_entry){
        .size = f[FIELD_SIZE],
        .mode = f[FIELD_MODE],
        .uid = f[FIELD_UID],
        .gid = f[FIELD_GID],
        .nlink = f[FIELD_NLINK],
        .ino = f[FIELD_INO],
        .mtime = f[FIELD_MTIME],
        .dev_major = f[FIELD_DEV_MAJOR],
        .dev_minor = f[FIELD_DEV_MINOR],
        .rdev_major = f[FIELD_RDEV_MAJOR],
        .rdev_minor = f[FIELD_RDEV_MINOR],
    };
    return true;
}

/* The position, at most the size, where what ends at `end` is padded to. */
static size_t
padded(const struct cpio *reader, size_t end)
{
    size_t pos = reader->start + ALIGN_UP(end - reader->start, 4);
    return min(pos, reader->size);
}

/* Read the member at pos and move behind it; false if it is malformed. */
static bool
read_member(struct cpio *reader, struct cpio_entry *entry)
{
    const uint8_t *header = reader->buf + reader->pos;
    size_t left = reader->size - reader->pos, name_size;

    if (left < CPIO_HEADER_SIZE || !cpio_parse_header(header, entry, &name_size))
        return false;
    if (name_size > left - CPIO_HEADER_SIZE)
        return false;
    const uint8_t *name = header + CPIO_HEADER_SIZE;
    if (name[name_size - 1] != '\0')
        return false;

    size_t data = padded(reader, reader->pos + CPIO_HEADER_SIZE + name_size);
    if (entry->size > reader->size - data)
        return false;

    entry->name = (const char *)name;
    entry->data = reader->buf + data;
    entry->archive = reader->archive;
    reader->pos = padded(reader, data + entry->size);
    return true;
}

int
cpio_next(struct cpio *reader, struct cpio_entry *entry)
{
    for (;;) {
        if (!reader->inside) {
            while (reader->pos < reader->size && reader->buf[reader->pos] == 0)
                reader->pos++;
            reader->start = reader->pos;
            bool more = cpio_detect(reader->buf + reader->pos, reader->size - reader->pos);
            if (!more && (reader->archive > 0 || reader->pos == reader->size))
                return 0;
        }
        if (!read_member(reader, entry))
            return -EINVAL;
        if (strcmp(entry->name, CPIO_TRAILER) != 0) {
            reader->inside = true;
            return 1;
        }
        reader->inside = false;
        reader->archive++;
    }
}
