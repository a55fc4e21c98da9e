"""Dynamic programs: the dynamic linker and the C library find the vDSO, use it
for the clocks, and unwind through its rt_sigreturn.

The guest tests are static; these two are linked again, against the cross
compiler's libraries, which go into the image.
"""
import subprocess
from pathlib import Path

import pytest

from harness import ROOT

LIBRARIES = Path("/usr/riscv64-linux-gnu/lib")
NAMES = ["ld-linux-riscv64-lp64d.so.1", "libc.so.6", "libgcc_s.so.1"]
CC = ["riscv64-linux-gnu-gcc", "-std=gnu11", "-O2", "-pthread", "-Wno-nonnull",
      "-fasynchronous-unwind-tables", "-fexceptions", f"-I{ROOT}/user/include"]


def libraries():
    return [word for n in NAMES for word in ("--add", f"{LIBRARIES / n}:/lib/{n}")]


@pytest.mark.parametrize("name", ["vdso", "unwind"])
def test_dynamic(run, tmp_path, name):
    program = tmp_path / name
    subprocess.run(CC + ["-o", program, ROOT / f"tests/guest/{name}.c"], check=True)
    result = run(f"/root/{name}", options=["--add", str(program)] + libraries())
    bad = [line for line in result.lines if line.startswith("not ok")]
    assert result.status == 0 and not bad and result.lines[-1] == "PASS", \
        "\n".join(bad or result.lines[-10:]) + result.messages


def test_linker_lists_it(run, tmp_path):
    program = tmp_path / "vdso"
    subprocess.run(CC + ["-o", program, ROOT / "tests/guest/vdso.c"], check=True)
    result = run("env", "LD_TRACE_LOADED_OBJECTS=1", "/root/vdso",
                 options=["--add", str(program)] + libraries())
    assert "linux-vdso.so.1" in result.text
