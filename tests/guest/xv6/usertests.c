/* usertests: the system calls, as xv6's programs see them. See test.h. */
#include "usertests.h"

static const struct test tests[] = {
    TEST(copyin),       TEST(copyout),     TEST(copyinstr1),  TEST(copyinstr2),
    TEST(copyinstr3),   TEST(rwsbrk),      TEST(truncate1),   TEST(truncate2),
    TEST(truncate3),    TEST(openiput),    TEST(exitiput),    TEST(iput),
    TEST(opentest),     TEST(openmodes),   TEST(writetest),   TEST(writebig),
    TEST(createtest),   TEST(dirtest),     TEST(exectest),    TEST(pipe1),
    TEST(pipeends),     TEST(killstatus),  TEST(preempt),     TEST(exitwait),
    TEST(reparent),     TEST(twochildren), TEST(forkfork),    TEST(forkforkfork),
    TEST(reparent2),    TEST(mem),         TEST(sharedfd),    TEST(fourfiles),
    TEST(createdelete), TEST(unlinkread),  TEST(linktest),    TEST(concreate),
    TEST(linkunlink),   TEST(subdir),      TEST(bigwrite),    TEST(bigfile),
    TEST(fourteen),     TEST(rmdot),       TEST(dirfile),     TEST(iref),
    TEST(forktest),     TEST(sbrkbasic),   TEST(sbrkmuch),    TEST(kernmem),
    TEST(MAXVAplus),    TEST(sbrkfail),    TEST(sbrkarg),     TEST(validatetest),
    TEST(bsstest),      TEST(bigargtest),  TEST(argptest),    TEST(stacktest),
    TEST(textwrite),    TEST(nowrite),     TEST(pgbug),       TEST(sbrkbugs),
    TEST(sbrklast),     TEST(sbrk8000),    TEST(badarg),      SLOW_TEST(bigdir),
    SLOW_TEST(manywrites), SLOW_TEST(badwrite), SLOW_TEST(execout), SLOW_TEST(diskfull),
    SLOW_TEST(outofinodes), {0, 0, 0},
};

int
main(int argc, char **argv)
{
    return run_tests(tests, argc, argv);
}
