"""The host tests (cmocka), one case for each of their functions."""
import os
import re
import subprocess

import pytest

from harness import BUILD, ROOT

UNIT = re.compile(r"\bcmocka_unit_test\w*\(\s*(\w+)")
# a test that is another one with other macros
VARIANT = re.compile(r'^#include "(test_\w+\.c)"', re.M)
HOST = ROOT / "tests/host"


def units(source):
    """The names of the functions that a host test runs."""
    text = source.read_text()
    for other in VARIANT.findall(text):
        text += (HOST / other).read_text()
    return UNIT.findall(text)


CASES = [(source.stem, unit)
         for source in sorted(HOST.glob("test_*.c")) for unit in units(source)]


@pytest.fixture(scope="session")
def outputs():
    """outputs(program) runs it once; returns (status, output)."""
    done = {}

    def get(program):
        if program not in done:
            ran = subprocess.run(
                [BUILD / "host" / program], stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=600, cwd=ROOT,
                env=dict(os.environ, CMOCKA_MESSAGE_OUTPUT="stdout"))
            done[program] = ran.returncode, ran.stdout.decode(errors="replace")
        return done[program]
    return get


@pytest.mark.parametrize("program, unit", CASES)
def test_host(outputs, program, unit):
    status, output = outputs(program)
    if re.search(rf"^\[ +SKIPPED +\] {unit}$", output, re.M):
        pytest.skip("this host lacks what it needs")
    if status == 0 and not re.search(rf"^\[ +RUN +\] {unit}$", output, re.M):
        pytest.skip("not with these macros")
    held = re.search(rf"^\[ +OK +\] {unit}$", output, re.M)
    # a sanitizer ends the program at once: then its last words matter
    assert held, output[-4000:]
    assert status == 0 or "[  FAILED  ]" in output, output[-4000:]
