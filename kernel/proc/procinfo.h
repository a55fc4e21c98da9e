/*
 * What the floors below ask about processes: procfs, locks, pipes, files.
 */
#ifndef QUIRE_PROC_PROCINFO_H
#define QUIRE_PROC_PROCINFO_H

/* Fill in the hooks. */
void procinfo_init(void);

#endif
