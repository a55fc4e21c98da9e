"""What fork may cost: in instructions, so that a busy machine counts the same,
and in frames."""
import re
import subprocess

import pytest

import harness
from harness import BUILD, RELEASE, ROOT

pytestmark = pytest.mark.quire_only


def costs(*rows):
    """Instructions an operation, by row."""
    done = subprocess.run([ROOT / "quire", "bench", "--only", "quire", "--no-boot", "--icount",
                           "--rows", ",".join(rows)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: int(count.replace(",", ""))
             for name, count in re.findall(r"^(\S+) +([\d,]+) ", done.stdout, re.M)}
    assert set(rows) <= set(found), done.stdout
    return found


def test_fork_of_a_gigabyte_is_fork():
    cost = costs("fork-1m", "fork-1g")
    assert cost["fork-1g"] <= 1.2 * cost["fork-1m"], cost


def test_pages_that_tell():
    """USYSCALL, pgaccess, and user copies beside the program's own."""
    cost = costs("null", "ugetpid", "pgaccess", "read-file-1m", "memcpy-1m")
    assert cost["pgaccess"] <= 15, cost
    assert cost["ugetpid"] <= 12 < cost["null"], cost   # the loop's own are among them
    assert cost["memcpy-1m"] >= 0.9 * cost["read-file-1m"], cost


def test_ten_thousand_programs_leave_nothing():
    """fork, exec and exit, from four harts at once."""
    result = harness.run(RELEASE, BUILD / "guest/frames", 10, smp=4, timeout=400)
    assert result.status == 0 and result.lines[-1] == "PASS", result.text + result.messages
