"""Guest programs under the hostile scheduler (kernel/sched/hostile.c).

A few programs whose threads and processes meet often, each time with another
seed; HOSTILE=SEED repeats one. `HOSTILE=SEED ./quire test -k test_guest` runs
all programs, on 1, 2 and 4 harts.
"""
import os
import random

import pytest

import harness
from test_guest import check

PROGRAMS = ["epollrace", "exec", "filerace", "fork", "futex", "jobs", "pipes",
            "signals", "threads", "wait"]
SEED = os.environ.get("HOSTILE") or str(random.randrange(1, 10000))


@pytest.fixture(scope="module")
def reports():
    return harness.run_programs(
        harness.DEBUG, [harness.BUILD / "guest" / name for name in PROGRAMS],
        smp=4, append=f"hostile={SEED}")


@pytest.mark.quire_only
@pytest.mark.parametrize("name", PROGRAMS)
def test_hostile(reports, name):
    status, report = reports[name]
    try:
        check(status, report)
    except AssertionError as error:
        raise AssertionError(f"under hostile={SEED}: {error}") from None


@pytest.mark.quire_only
def test_only_by_argument():
    """The argument starts it, in the debug kernel, and nothing else does."""
    words = "the hostile scheduler is on, seed 5"
    for kernel, append, starts in ((harness.DEBUG, "hostile=5", True),
                                   (harness.DEBUG, "", False),
                                   (harness.RELEASE, "hostile=5", False)):
        result = harness.run(kernel, "dmesg", smp=2, append=append)
        assert result.status == 0 and (words in result.text) == starts, result.text
