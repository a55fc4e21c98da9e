/*
 * Random numbers.
 */
#ifndef QUIRE_DEV_RANDOM_H
#define QUIRE_DEV_RANDOM_H

#include "lib/types.h"

struct uio;

/* Seed the generator from the device tree and the clocks, and register the devices. Once, at boot. */
void random_init(void);
/* Fill buf with n bytes nobody can predict. Any context but an interrupt handler; takes no lock as a rule. */
void random_bytes(void *buf, size_t n);
/* Stir in what a device or a program offers; harmless if it is known to an adversary. */
void random_mix(const void *data, size_t n);
/*
 * getrandom(2) and the devices: fill the rest of uio. Returns bytes, -EFAULT, or
 * -ERESTARTSYS if a signal came before the first.
 */
ssize_t random_read(struct uio *uio);

#endif
