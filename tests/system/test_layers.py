"""The house is in order: no include of a floor above, no pointer without a rule."""
import subprocess

import pytest

from harness import ROOT


@pytest.mark.parametrize("tool", ["layers", "lifetimes"])
def test_order(tool):
    done = subprocess.run([ROOT / "tools" / tool], capture_output=True, text=True)
    assert done.returncode == 0, "\n" + done.stdout
