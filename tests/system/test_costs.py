"""What fork may cost: in instructions, so that a busy machine counts the same,
and in frames."""
import re
import subprocess

import pytest

import harness
from harness import BUILD, RELEASE, ROOT

pytestmark = pytest.mark.quire_only


def test_fork_of_a_gigabyte_is_fork():
    done = subprocess.run([ROOT / "quire", "bench", "--only", "quire", "--no-boot", "--icount",
                           "--rows", "fork-1m,fork-1g"], capture_output=True, text=True,
                          timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    cost = {name: int(count.replace(",", ""))
            for name, count in re.findall(r"^(\S+) +([\d,]+) ", done.stdout, re.M)}
    assert cost["fork-1g"] <= 1.2 * cost["fork-1m"], cost


def test_ten_thousand_programs_leave_nothing():
    """fork, exec and exit, from four harts at once."""
    result = harness.run(RELEASE, BUILD / "guest/frames", 10, smp=4, timeout=400)
    assert result.status == 0 and result.lines[-1] == "PASS", result.text + result.messages
