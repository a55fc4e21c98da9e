"""No file includes a header of a floor above its own."""
import subprocess

from harness import ROOT


def test_layers():
    done = subprocess.run([ROOT / "tools/layers"], capture_output=True, text=True)
    assert done.returncode == 0, "\n" + done.stdout
