/*
 * Cyclic redundancy checks of 32 bits, reflected: the IEEE 802.3 polynomial
 * (gzip) and Castagnoli's (ext4 metadata).
 */
#ifndef QUIRE_LIB_CRC32_H
#define QUIRE_LIB_CRC32_H

#include "lib/types.h"

/*
 * Continue a gzip-style CRC over n bytes; begin with 0. The customary
 * inversions are inside, so the result is the checksum and can be passed on.
 */
uint32_t crc32(uint32_t crc, const void *data, size_t n);

/*
 * Continue a CRC-32C over n bytes without any inversion, as ext4 chains it;
 * begin with 0xffffffff (and invert the result for the standard checksum).
 */
uint32_t crc32c(uint32_t crc, const void *data, size_t n);

#endif
