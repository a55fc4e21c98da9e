"""Calls drawn at random (tests/fuzz), on machines of each kind.

FUZZ_SEED=0x... begins elsewhere, FUZZ_CELLS=N runs more of them on each
machine; `tests/fuzz/fuzz.py --minutes 240` goes on for hours.
"""
import os
import subprocess
import sys

import pytest

from harness import BUILD, ROOT

sys.path.insert(0, str(ROOT / "tests/fuzz"))

import fuzz  # noqa: E402

SEED = int(os.environ.get("FUZZ_SEED", "0x20261130"), 0)
CELLS = int(os.environ.get("FUZZ_CELLS", "12"))
KINDS = [fuzz.Machine(debug, smp, strict, mem, hostile)
         for debug, smp, strict, mem, hostile in (
             (True, 4, False, "256M", 1), (True, 2, True, "1G", 2), (False, 4, False, "256M", 0),
             (True, 1, False, "128M", 0), (False, 2, True, "256M", 0))]


@pytest.fixture(scope="session")
def fuzzer():
    subprocess.run(["make", "-s", f"BUILD={BUILD}", "fuzz"], cwd=ROOT, check=True)
    fuzz.BUILD = BUILD


@pytest.mark.quire_only
@pytest.mark.parametrize("machine", KINDS, ids=str)
def test_fuzz(fuzzer, machine):
    seed = SEED + KINDS.index(machine) * 0x1000
    why, text = fuzz.boot(machine, ["run", seed, CELLS, fuzz.OPS], limit=400)
    assert why is None and "FUZZ DONE status 0" in text, \
        f"cell {fuzz.last_seed(text, seed):#x}: {why}\n{text[-4000:]}"
