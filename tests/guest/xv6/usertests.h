/* usertests: all tests, by the names that the course gave them. */
#ifndef QUIRE_USERTESTS_H
#define QUIRE_USERTESTS_H

#include "test.h"

/* copy.c */
void test_copyin(void), test_copyout(void), test_copyinstr1(void), test_copyinstr2(void);
void test_copyinstr3(void), test_rwsbrk(void), test_badarg(void), test_pgbug(void);
void test_argptest(void), test_validatetest(void), test_badwrite(void), test_textwrite(void);
void test_nowrite(void);

/* files.c */
void test_truncate1(void), test_truncate2(void), test_truncate3(void), test_opentest(void);
void test_writetest(void), test_writebig(void), test_createtest(void), test_sharedfd(void);
void test_fourfiles(void), test_createdelete(void), test_bigwrite(void), test_bigfile(void);
void test_manywrites(void), test_diskfull(void), test_unlinkread(void), test_openmodes(void);

/* names.c */
void test_dirtest(void), test_iput(void), test_exitiput(void), test_openiput(void);
void test_linktest(void), test_concreate(void), test_linkunlink(void), test_subdir(void);
void test_fourteen(void), test_rmdot(void), test_dirfile(void), test_iref(void);
void test_bigdir(void), test_outofinodes(void);

/* processes.c */
void test_pipe1(void), test_killstatus(void), test_preempt(void), test_exitwait(void);
void test_reparent(void), test_twochildren(void), test_forkfork(void), test_forkforkfork(void);
void test_reparent2(void), test_forktest(void), test_exectest(void), test_bigargtest(void);
void test_pipeends(void);

/* memory.c */
void test_mem(void), test_sbrkbasic(void), test_sbrkmuch(void), test_kernmem(void);
void test_MAXVAplus(void), test_sbrkfail(void), test_sbrkarg(void), test_bsstest(void);
void test_stacktest(void), test_sbrkbugs(void), test_sbrklast(void), test_sbrk8000(void);
void test_execout(void);

#endif
