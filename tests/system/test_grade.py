"""`make grade`: full marks in time, and no check that cannot fail.

One machine shows the first. For the second tools/grade hears a run that is
made up, once without a fault and then with one fault after the other; each
must cost its own check's points, and nobody else's.
"""
import re
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest

from harness import BUILD, ROOT

SECONDS = 120               # that `make grade` may take
SOURCE = SourceFileLoader("grade", str(ROOT / "tools/grade"))
NAMES = ["pte printout", "count copyin", "ugetpid", "pgaccess", "usertests: copyin",
         "usertests: copyinstr1", "usertests: copyinstr2", "usertests: copyinstr3",
         "usertests: sbrkmuch", "usertests: execout", "usertests: lazy heap",
         "usertests: copy-on-write", "usertests: all tests", "answers", "time"]

TABLE = """\
[    0.123456] page table 0x0000000087f6b000
[    0.123457]  ..0: pte 0x0000000021fd9c01 pa 0x0000000087f67000
[    0.123458]  .. ..0: pte 0x0000000021fd9801 pa 0x0000000087f66000
[    0.123459]  .. .. ..0: pte 0x0000000021fda01b pa 0x0000000087f68000
[    0.123460]  .. .. ..2: pte 0x0000000021fdac17 pa 0x0000000087f6b000
[    0.123461]  ..255: pte 0x0000000021fda801 pa 0x0000000087f6a000
[    0.123462]  .. ..511: pte 0x0000000021fda401 pa 0x0000000087f69000
[    0.123463]  .. .. ..509: pte 0x0000000021fdb013 pa 0x0000000087f6c000
[    0.123464] init: hello
"""
TESTS = {
    "pgtbltest": ["ugetpid", "usyscall", "pgaccess", "pgaccess_edges", "pgaccess_errors",
                  "count_copyin"],
    "usertests": ["copyin", "copyinstr1", "copyinstr2", "copyinstr3", "sbrkmuch", "execout",
                  "pipe1"],
    "lazytests": ["sparse_memory", "oom"],
    "cowtest": ["simple", "file"],
}


def transcript():
    lines = []
    for program, names in TESTS.items():
        lines += [f"@@ {program}"] + [f"test {n}: OK" for n in names] + ["ALL TESTS PASSED"]
    return "\n".join(lines + ["@@ end"])


@pytest.fixture
def grade(monkeypatch, tmp_path):
    """tools/grade as a module, with a tree of its own that has full marks."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = module_from_spec(spec_from_loader("grade", SOURCE))
    SOURCE.exec_module(module)
    (tmp_path / "docs").mkdir()
    answers = 6 * ("## Why?\n" + 50 * "so " + "\n")
    (tmp_path / "docs/answers.md").write_text(answers)
    (tmp_path / "docs/time.txt").write_text("3\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def lost(grade, table=TABLE, said=None, status=0):
    """The checks that fail."""
    run = grade.Run(BUILD)
    for line in table.splitlines():
        run.hear_console(line + "\n", 1.0)
    for line in (said or transcript()).splitlines():
        run.hear(line + "\n", 2.0)
    run.status = status
    failed = set()
    for name, _, check in grade.checks():
        try:
            check(run)
        except grade.Wrong:
            failed.add(name)
    return failed


def test_nothing_wrong(grade):
    assert [name for name, _, _ in grade.checks()] == NAMES
    assert lost(grade) == set()


@pytest.mark.parametrize("old, new", [
    ("page table 0x", "page 0x"),                                   # none is printed
    ("table 0x0000000087f6b000", "table 0x0000000087f6b010"),       # the root is no page
    ("pa 0x0000000087f66000", "pa 0x0000000087f65000"),             # pa is not what pte says
    (" .. .. ..2: ", " .. .. ..512: "),                             # no such index
    (" ..255: ", " ..0: "),                                         # twice the same
    (" .. ..0: ", " .. .. ..0: "),                                  # nothing to hang from
    ("21fda01b pa", "21fda00b pa"),                                 # a leaf without U
])
def test_table_that_is_wrong(grade, old, new):
    assert old in TABLE
    assert lost(grade, table=TABLE.replace(old, new)) == {"pte printout"}


@pytest.mark.parametrize("program, test, check", [
    ("pgtbltest", "count_copyin", "count copyin"), ("pgtbltest", "ugetpid", "ugetpid"),
    ("pgtbltest", "usyscall", "ugetpid"), ("pgtbltest", "pgaccess", "pgaccess"),
    ("pgtbltest", "pgaccess_edges", "pgaccess"), ("pgtbltest", "pgaccess_errors", "pgaccess"),
    *[("usertests", name, f"usertests: {name}") for name in TESTS["usertests"][:-1]],
    ("usertests", "pipe1", None), ("lazytests", "oom", "usertests: lazy heap"),
    ("cowtest", "file", "usertests: copy-on-write"),
])
@pytest.mark.parametrize("how", ["fails", "fails after a line of the log", "dies"])
def test_test_that_fails(grade, program, test, check, how):
    """Of a program that dies nothing more is heard, so more checks fail."""
    said = transcript()
    if how == "dies":
        said = re.sub(rf"@@ {program}\n(.*?)test {test}: OK\n.*?PASSED\n",
                      rf"@@ {program}\n\1test {test}: \n", said, flags=re.S)
    else:
        between = "[    1.5] killed\n" if "log" in how else ""
        said = re.sub(rf"(@@ {program}\n.*?test {test}: )OK\n(.*?)ALL TESTS PASSED\n",
                      rf"\1{between}FAILED\n\2SOME TESTS FAILED\n", said, flags=re.S)
    assert said != transcript()
    wanted = {"usertests: all tests"} | ({check} if check else set())
    failed = lost(grade, said=said)
    assert failed >= wanted and (how == "dies" or failed == wanted)


@pytest.mark.parametrize("status, end", [(124, "@@ end"), (0, "")])
def test_machine_that_ends_early(grade, status, end):
    said = transcript().replace("@@ end", end)
    assert lost(grade, said=said, status=status) == {"usertests: all tests"}


@pytest.mark.parametrize("name, text, check", [
    ("answers.md", 5 * ("## Why?\n" + 50 * "so "), "answers"),
    ("answers.md", 6 * "## Why?\nSo.\n", "answers"), ("time.txt", "", "time"),
    ("time.txt", "a day\n", "time"),
])
def test_page_that_is_wrong(grade, tmp_path, name, text, check):
    (tmp_path / "docs" / name).write_text(text)
    assert lost(grade) == {check}
    (tmp_path / "docs" / name).unlink()
    assert lost(grade) == {check}


@pytest.mark.quire_only
def test_full_marks():
    done = subprocess.run(["make", "-s", "-C", ROOT, f"BUILD={BUILD}", "grade"],
                          capture_output=True, text=True, timeout=300)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("== ", "Score"))]
    marks = [re.fullmatch(r"== Test (.+) == \1: OK(?: \((\d+\.\d)s\))? (\d+)/\3", line)
             for line in lines[:-1]]
    assert done.returncode == 0 and all(marks) and lines[-1] == "Score: 100/100", \
        done.stdout + done.stderr
    assert [mark[1] for mark in marks] == NAMES
    seconds = {mark[1]: float(mark[2] or 0) for mark in marks}
    assert seconds["usertests: all tests"] < SECONDS
