/*
 * The devices that are only memory, or the lack of it: null, zero, full.
 */
#ifndef QUIRE_DEV_MEM_H
#define QUIRE_DEV_MEM_H

void mem_dev_init(void);

#endif
