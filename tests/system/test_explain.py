"""A program that a fault kills: one line in the log says why, in words."""
import re
import subprocess

import pytest

pytestmark = pytest.mark.quire_only

# (what the program does, what the log says of it)
CASES = [
    ("*(volatile char *)0x40000000 = 1;",
     r"store to 0x40000000: level \d entry is empty, nothing is mapped there "
     r"\(0x\w+ bytes below the stack, which must not grow so far\)"),
    ("char *p = map(0x50000000, 8192, PROT_READ, MAP_SHARED, open(\"/root/data\", O_RDONLY));"
     "(void)*(volatile char *)(p + 4096); *(volatile char *)(p + 4096) = 1;",
     r"store to 0x50001000: level 0 entry is read-only, mapped r-- \(mapped file data \+0x1000\)"),
    ("char *p = map(0x60000000, 4096, PROT_READ | PROT_WRITE, PRIVATE, -1);"
     "*p = 1; ((void (*)(void))p)();",
     r"jump to 0x60000000: level 0 entry is not executable, mapped rw- "
     r"\(anonymous memory \+0x0\)"),
    ("char *p = map(0x60000000, 4096, PROT_READ | PROT_WRITE, PRIVATE, -1);"
     "*p = 1; mprotect(p, 4096, PROT_NONE); (void)*(volatile char *)(p + 8);",
     r"load from 0x60000008: level 0 entry allows no access, mapped --- "
     r"\(anonymous memory \+0x8\)"),
    ("*(volatile char *)&main = 1;",
     r"store to 0x1\w{4}: level 0 entry is read-only, mapped r-x \(mapped file wrong \+0x\w+\)"),
    ("(void)*(volatile char *)0x3fffffd000; *(volatile char *)0x3fffffd000 = 1;",
     r"store to 0x3fffffd000: level 0 entry is read-only, mapped r-- \(\[usyscall\] \+0x0\)"),
    ("(void)*(volatile char *)0xffffffff80000000;",
     r"load from 0xffffffff80000000: the kernel's half"),
    ("(void)*(volatile char *)0x4000000000;", r"load from 0x4000000000: no canonical address"),
]

PROGRAM = """
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)

static char *
map(unsigned long at, size_t size, int rights, int flags, int fd)
{
    return mmap((void *)at, size, rights, flags | MAP_FIXED, fd, 0);
}

int
main(int argc, char **argv)
{
    switch (atoi(argv[1])) {
    %s
    }
    return 0;
}
"""


@pytest.mark.parametrize("append", ["", "isolation=strict"])
def test_faults_in_words(run, tmp_path, append):
    cases = "".join(f"case {i}: {{ {code} break; }}\n" for i, (code, _) in enumerate(CASES))
    (tmp_path / "wrong.c").write_text(PROGRAM % cases)
    (tmp_path / "data").write_bytes(bytes(8192))
    subprocess.run(["riscv64-linux-gnu-gcc", "-w", "-static", "-o", tmp_path / "wrong",
                    tmp_path / "wrong.c"], check=True)
    script = f"for i in $(seq 0 {len(CASES) - 1}); do ./wrong $i; echo $?; done; dmesg"
    result = run("sh", "-c", script, append=append,
                 options=["--add", tmp_path / "wrong", "--add", tmp_path / "data"])
    lines = result.text.splitlines()
    assert [line for line in lines if line.isdigit()] == [str(128 + 11)] * len(CASES), result.text
    said = [m[1] for line in lines if (m := re.search(r"\bwrong\[\d+\]: (.*) \(pc 0x\w+\)", line))]
    assert len(said) == len(CASES), result.text
    for words, (_, wanted) in zip(said, CASES):
        assert re.fullmatch(wanted, words)
