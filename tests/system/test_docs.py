"""The documents name files, functions and tests that exist."""
import re
from functools import cache

import pytest

from harness import ROOT

DOCS = [p.relative_to(ROOT).as_posix() for p in sorted(ROOT.glob("docs/*.md"))] + ["README.md"]
# Where a path that a document names may begin.
BASES = ["", "kernel", "kernel/arch/riscv", "kernel/proc", "kernel/proc/vdso", "kernel/vm",
         "kernel/mem", "kernel/lib", "kernel/sched", "kernel/vfs", "kernel/dev", "kernel/fs",
         "kernel/syscall", "user/include", "docs", "tests/model", "tests/guest/xv6"]
# What the tour's table of the course's parts says of tests.
KINDS = {"host": "tests/host/test_{}.c", "guest": "tests/guest/{}.c",
         "system": "tests/system/test_{}.py", "xv6": "tests/guest/xv6/{}.c"}
FOREIGN = {"sbrk", "fork", "exec", "system", "printf", "read", "getpid", "madvise", "mmap",
           "mprotect", "clone", "vfork", "brk", "munmap", "wait"}     # calls, not our functions
ELSEWHERE = {"prog.c", "watch.c", "pan.c"}


def code(doc):
    """The words in backquotes, outside of indented blocks."""
    text = "\n".join(line for line in (ROOT / doc).read_text().splitlines()
                     if not line.startswith("    "))
    return re.findall(r"`([^`]+)`", text)


@cache
def sources():
    parts = [p.read_text(errors="replace")
             for folder in ("kernel", "user", "tests", "tools", "bench")
             for p in (ROOT / folder).rglob("*") if p.suffix in (".c", ".h", ".S", ".py", "")
             and p.is_file() and p.stat().st_size < 200_000]
    return "\n".join(parts)


@pytest.mark.parametrize("doc", DOCS)
def test_files_exist(doc):
    named = {word for word in code(doc)
             if re.fullmatch(r"[\w/.-]+\.(c|h|S|py|md|pml|mk|svg)", word)}
    missing = [name for name in named - ELSEWHERE
               if "NAME" not in name and not any((ROOT / base / name).exists() for base in BASES)]
    assert not missing


@pytest.mark.parametrize("doc", DOCS)
def test_functions_exist(doc):
    named = {m[1] for word in code(doc) if (m := re.fullmatch(r"(\w+)\([^)]*\)", word))}
    missing = [name for name in named - FOREIGN if not re.search(rf"\b{name}\b", sources())]
    assert not missing


def test_tests_of_the_tour_exist():
    found = 0
    for row in (ROOT / "docs/tour.md").read_text().splitlines():
        if not row.startswith("| ") or "`" not in row:
            continue
        for part in row.rstrip(" |").rsplit("|", 1)[-1].split(";"):
            kind, _, names = part.strip().partition(" ")
            if kind not in KINDS:
                continue
            source = None
            for name in re.findall(r"`([\w/.]+)`", names):
                path = ROOT / KINDS[kind].format(name)
                if path.exists():
                    source = path
                    found += 1
                else:       # one of its functions
                    assert source and name in source.read_text() or (ROOT / name).exists(), part
    assert found > 60


def test_edits_of_the_exercises_fit():
    edits = re.findall(r"sed -i 's/([^/]+)/[^/]*/' (\S+)", (ROOT / "docs/exercises.md").read_text())
    assert len(edits) >= 2
    for old, path in edits:
        assert old in (ROOT / path).read_text(), f"{old} is not in {path}"
