"""Programs of xv6, built by `make xv6`: the library, and the course's tests in
our own version (tests/guest/xv6). What needs nothing of Quire's own must pass
on Debian's Linux, too."""
import subprocess

import pytest

import harness
from harness import BUILD, DEBIAN, ROOT

HEADERS = ["kernel/types.h", "kernel/stat.h", "kernel/fcntl.h", "kernel/param.h",
           "kernel/memlayout.h", "kernel/riscv.h", "kernel/fs.h", "kernel/syscall.h",
           "user/user.h"]
PROGRAM = """
int
main(int argc, char *argv[])
{
    int pid = fork(), status;
    if(pid == 0)
        exit(1000);
    wait(&status);
    printf("%d arguments, the last is %s; a child ended with %d\\n",
           argc, argv[argc - 1], status);
    exit(3);
}
"""


def make(*goals):
    subprocess.run(["make", "-s", "-C", ROOT, f"BUILD={BUILD}", *goals], check=True, timeout=300)


@pytest.fixture(scope="module", autouse=True)
def built():
    make("xv6tests")


def passes(kernel, program, *arguments, **machine):
    done = harness.run(kernel, f"/root/{program}", *arguments, timeout=170,
                       options=["--add", BUILD / "xv6" / program], **machine)
    lines = done.lines
    assert lines and lines[-1] == "ALL TESTS PASSED" and done.status == 0, \
        "\n".join(lines[-30:]) + done.messages
    return lines


@pytest.mark.parametrize("program, arguments", [
    ("libtest", []), ("usertests", ["-q"]), ("cowtest", []), ("lazytests", [])])
def test_on_linux(program, arguments):
    def verdict():
        passes(DEBIAN, program, *arguments, mem="2G", append="norandmaps")
        return True
    assert harness.remembered("xv6", [(BUILD / "xv6" / program).read_bytes()], verdict)


@pytest.mark.quire_only
@pytest.mark.parametrize("program", ["libtest", "usertests", "cowtest", "lazytests", "pgtbltest"])
def test_on_quire(kernel, program):
    passes(kernel, program)


@pytest.mark.quire_only
def test_one_by_name(kernel):
    assert passes(kernel, "usertests", "copyin", "mem") == [
        "test copyin: OK", "test mem: OK", "ALL TESTS PASSED"]


@pytest.mark.quire_only
def test_make_xv6(kernel, tmp_path):
    """A program as xv6's own are written, all headers included."""
    source, program = tmp_path / "prog.c", tmp_path / "prog"
    source.write_text("".join(f'#include "{h}"\n' for h in HEADERS) + PROGRAM)
    make("xv6", f"SRC={source}", f"OUT={program}")
    done = harness.run(kernel, program, "a", "b")
    assert (done.status, done.lines) == \
        (3, ["3 arguments, the last is b; a child ended with 1000"])
