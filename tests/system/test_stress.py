"""The stress test (tests/guest/stress.c) on four harts with little memory, in
both isolations, on both builds, and on harts with more extensions than QEMU's
own.

A minute in all; `SECONDS=1200 ./quire test -k test_stress` takes twenty.
SEED=N chooses what the sessions do; without it, each day is another.
"""
import os
import time

import pytest

import harness
from harness import BUILD, DEBUG, RELEASE

EXTENDED = "rv64,svnapot=on,svinval=on"
CASES = [
    pytest.param(RELEASE, "shared", EXTENDED, id="release-shared-extended"),
    pytest.param(DEBUG, "shared", "", id="debug-shared"),
    pytest.param(RELEASE, "strict", "", id="release-strict"),
    pytest.param(DEBUG, "strict", EXTENDED, id="debug-strict-extended"),
]


@pytest.mark.quire_only
@pytest.mark.parametrize("build, isolation, cpu", CASES)
def test_stress(build, isolation, cpu):
    seconds = float(os.environ.get("SECONDS") or 60) / len(CASES)
    seed = int(os.environ.get("SEED") or time.time() // 86400)
    options = ["--cpu", cpu] if cpu else []
    result = harness.run(build, BUILD / "guest/stress", seconds, seed, options=options,
                         append=f"isolation={isolation}", smp=4, mem="128M",
                         timeout=seconds + 120)
    assert result.status == 0 and result.lines[-1:] == ["PASS"], \
        f"seed {seed}, status {result.status}\n{result.text}\n{result.messages}"
