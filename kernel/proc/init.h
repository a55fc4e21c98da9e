/*
 * Process 1.
 */
#ifndef QUIRE_PROC_INIT_H
#define QUIRE_PROC_INIT_H

/*
 * Make process 1, which starts on its own from here: it opens /dev/console as
 * its descriptors 0, 1 and 2 and executes
 *
 *      what init= (or rdinit=) names, and nothing else if that fails
 *      else /init, if there is one
 *      else the first of /sbin/init, /etc/init, /bin/init, /bin/sh that works
 *
 * or panics. Its arguments are the boot arguments the kernel does not know
 * that have no "=", and all that follow "--"; those with "=" join its
 * environment. The file systems are mounted and the initramfs is unpacked.
 */
void proc_start_init(void);

#endif
