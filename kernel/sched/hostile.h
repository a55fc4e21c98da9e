/*
 * The hostile scheduler of debug builds; see hostile.c.
 */
#ifndef QUIRE_SCHED_HOSTILE_H
#define QUIRE_SCHED_HOSTILE_H

/* Start it if the boot argument hostile=SEED is there. Boot hart, before the others start. */
#ifdef DEBUG
void hostile_init(void);
#else
static inline void
hostile_init(void)
{
}
#endif

#endif
