"""The protocols of kernel/arch/riscv/tlb.c and kernel/sched/sched.c, model-checked by Spin.

Each model of tests/model is checked for every interleaving; then once for
each step that it can be built without, and must then find an error. That
proves the model, and that the protocol has no step too many.
"""
import re
import shutil
import subprocess

import pytest

from harness import ROOT

MODELS = ROOT / "tests/model"
# A step that is found missing only by a deadlock, not by an assertion.
DEADLOCKS = {("tlb", "HELP")}


def mutants():
    for model in sorted(MODELS.glob("*.pml")):
        yield model.stem, None
        for step in re.findall(r"^ \*\s+WITHOUT_(\w+)\s", model.read_text(), re.M):
            yield model.stem, step


def check(model, step, where):
    """Build the checker and run it; returns what it prints."""
    define = [f"-DWITHOUT_{step}"] if step else []
    source = shutil.copy(MODELS / f"{model}.pml", where)
    subprocess.run(["spin", "-a", *define, source], cwd=where, check=True,
                   capture_output=True, timeout=60)
    subprocess.run(["gcc", "-w", "-O2", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"],
                   cwd=where, check=True, timeout=120)
    done = subprocess.run(["./pan", "-m1000000", "-w23"], cwd=where, check=True,
                          capture_output=True, text=True, timeout=300)
    return done.stdout


@pytest.mark.parametrize("model, step", mutants())
def test_model(model, step, tmp_path):
    if not shutil.which("spin"):
        pytest.skip("the package spin is not installed")
    said = check(model, step, tmp_path)
    assert "Search not completed" not in said or step, said
    errors = int(re.search(r"errors: (\d+)", said).group(1))
    if step is None:
        assert errors == 0, said
    else:
        wanted = "invalid end state" if (model, step) in DEADLOCKS else "assertion violated"
        assert errors and wanted in said, f"without {step} nothing is found\n{said}"
