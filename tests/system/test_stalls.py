"""No call keeps its hart for long, whatever its arguments (docs/security.md, "Time").

The programs of tests/stalls make calls with large arguments; /proc/stalls of the debug kernel
says what held the hart. Under -icount the machine's time is its instructions, so a
busy machine measures the same. STALLS_ALL=1 in the environment takes the largest sizes that
a gigabyte of memory can build, which is long.
"""
import os
import subprocess

import harness
import pytest
from harness import BUILD, DEBUG, ROOT

pytestmark = pytest.mark.quire_only
PROGRAMS = ["large", "many"]
ALL = bool(os.environ.get("STALLS_ALL"))

# What a thread holds its hart for after it was to give way.
HELD_MS = 20
# Interrupts off. Debug kernels fill and check what they give back, and check every lock.
OFF_MS = 1
# At the largest sizes the debug kernel fills the 2 MiB of a table of 2^18 descriptors, at once.
LONGER = {"many-descriptors": 4} if ALL else {}
# From SIGKILL until the call has ended, the freeing of memory left out.
KILL_MS = 100


@pytest.fixture(scope="module", params=PROGRAMS)
def stalls(request):
    program = BUILD / "stalls" / request.param
    subprocess.run(["make", "-s", f"BUILD={BUILD}", "stalls"], cwd=ROOT, check=True)
    done = harness.run(DEBUG, program, *["--all"] * ALL, options=["--icount"], smp=1,
                       timeout=3600 if ALL else 230)
    assert done.status == 0 and done.lines[-1] == "done", done.text[-2000:] + done.messages
    return [line.split() for line in done.lines if line.strip()]


def too_long(stalls, kind, bound_ms):
    for word, *rest in stalls:
        if word != "stall" or rest[1] != kind:
            continue
        job, _, nsec, count, call, name, since, *functions = rest
        if int(nsec) > max(bound_ms, LONGER.get(job, 0)) * 1_000_000:
            yield (f"{' < '.join(functions[:4])} held the hart for {int(nsec) // 1000} us in job {job} "
                   f"by call {call} of {name}, since {since}")


def test_interrupts_are_taken(stalls):
    found = list(too_long(stalls, "off", OFF_MS))
    assert not found, "\n".join(found)


def test_others_run(stalls):
    found = list(too_long(stalls, "held", HELD_MS))
    assert not found, "\n".join(found)


def test_killed_calls_end(stalls):
    late = [f"{job} went on for {(int(killed) - int(plain)) // 1000} us after SIGKILL"
            for word, job, killed, plain in (line for line in stalls if line[0] == "kill")
            if int(killed) - int(plain) > KILL_MS * 1_000_000]
    assert not late, "\n".join(late)


def test_every_job_ran(stalls):
    jobs = [rest[0] for word, *rest in stalls if word == "job"]
    assert len(jobs) >= 20 and len(set(jobs)) == len(jobs)
