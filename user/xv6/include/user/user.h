/*
 * user.h: everything that a program of xv6 may call.
 *
 * The calls have xv6's meanings on Linux's ABI; what differs is told in
 * ../../README.md. All that can fail return -1, or a null pointer.
 */
#ifndef QUIRE_XV6_USER_H
#define QUIRE_XV6_USER_H

#include "kernel/types.h"

struct stat;
struct sysinfo;

/* Processes. */
int fork(void);
int exit(int) __attribute__((noreturn));
int wait(int *);
int kill(int);
int exec(const char *, char **);
int getpid(void);
int sleep(int);
int pause(int);
int uptime(void);
char *sbrk(int);
char *sbrklazy(int);

/* Files. */
int pipe(int *);
int write(int, const void *, int);
int read(int, void *, int);
int close(int);
int open(const char *, int);
int mknod(const char *, short, short);
int unlink(const char *);
int fstat(int, struct stat *);
int link(const char *, const char *);
int mkdir(const char *);
int chdir(const char *);
int dup(int);

/* The course's additions. */
int trace(int);
int sysinfo(struct sysinfo *);
int sigalarm(int, void (*)());
int sigreturn(void);
int symlink(const char *, const char *);
void *mmap(void *, int, int, int, int, int);
int munmap(void *, int);
int ugetpid(void);
int pgaccess(void *, int, void *);
int statistics(void *, int);

/* Library. */
int stat(const char *, struct stat *);
char *strcpy(char *, const char *);
void *memmove(void *, const void *, int);
char *strchr(const char *, char);
int strcmp(const char *, const char *);
void fprintf(int, const char *, ...);
void printf(const char *, ...);
char *gets(char *, int);
uint strlen(const char *);
void *memset(void *, int, uint);
void *malloc(uint);
void free(void *);
int atoi(const char *);
int memcmp(const void *, const void *, uint);
void *memcpy(void *, const void *, uint);

#endif
