"""No path of calls is deeper than a kernel stack (docs/security.md, "Depth")."""
import re
import subprocess

import pytest

from harness import BUILD, ROOT

TOOL = ROOT / "tools/stackdepth"


def node(name, nbytes):
    return f'node: {{ title: "{name}" label: "{name}\\nx.c:1:1\\n{nbytes} bytes (static)\\n0 dynamic objects" }}\n'


def edge(caller, callee):
    return f'edge: {{ sourcename: "{caller}" targetname: "{callee}" label: "x.c:2:1" }}\n'


def depth(folder, size, *functions):
    return subprocess.run([TOOL, folder, str(size), *functions], capture_output=True, text=True)


@pytest.mark.parametrize("debug", [[], ["DEBUG=1"]], ids=["release", "debug"])
def test_deepest_path(debug):
    build = BUILD / "debug" if debug else BUILD
    done = subprocess.run(["make", "-s", "-j2", f"BUILD={build}", *debug, "stackdepth"],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^(\w+): (\d+) bytes of (\d+)$", done.stdout, re.M)
    assert [name for name, *_ in found] == ["program", "thread", "boot"], done.stdout
    # The paths are whole: through the table of calls, a pointer of file_ops, a fault, an interrupt.
    program = done.stdout.split("thread:")[0]
    for step in ("trap_from_user", "syscall_dispatch", "(interrupt)"):
        assert step in program, program
    assert all(4096 < int(used) < int(size) for _, used, size in found), done.stdout


def test_what_is_refused(tmp_path):
    """A path that is too deep, and a ring of calls that has no bound."""
    calls = node("outer", 100) + node("inner", 60) + node("trap_from_kernel", 16) + edge("outer", "inner")
    (tmp_path / "x.o").touch()
    (tmp_path / "x.ci").write_text(calls)
    assert depth(tmp_path, 160, "outer").stdout.startswith("outer: 160 bytes of 160\n")
    deep = depth(tmp_path, 159, "outer")
    assert deep.returncode == 1 and "outer is too deep" in deep.stdout
    (tmp_path / "x.ci").write_text(calls + edge("inner", "outer"))
    ring = depth(tmp_path, 160, "outer")
    assert ring.returncode == 1 and "a ring without a bound: inner, outer" in ring.stdout, ring.stdout
