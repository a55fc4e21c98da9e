"""The same script, the same bytes: Debian's Linux against Quire."""
import difflib

import pytest

import harness
from harness import DEBIAN, ROOT, Ahead, keys_of

SCRIPT = ROOT / "tests/system/busybox-script.sh"
BUSYBOX = ROOT / ".cache/busybox"


def play(kernel, smp):
    """The script's output on a kernel, as lines."""
    result = harness.run(kernel, "sh", "script", smp=smp, timeout=240,
                         options=["--add", f"{SCRIPT}:/root/script"])
    assert result.status == 0, f"{result.text[-2000:]}\n{result.messages}"
    return result.text.splitlines()


def linux_output():
    parts = [SCRIPT.read_bytes(), BUSYBOX.read_bytes(),
             (ROOT / "user/init.c").read_bytes()]
    return harness.remembered("busybox", parts, lambda: play(DEBIAN, 2))


@pytest.fixture(scope="session")
def plays():
    return Ahead(play)


def test_same_as_linux(request, plays, kernel, smp):
    wanted = linux_output()
    assert len(wanted) > 400
    got = plays.get((kernel, smp), keys_of(request, "kernel", "smp"))
    difference = list(difflib.unified_diff(wanted, got, "Linux", "Quire",
                                           lineterm=""))
    assert not difference, "\n" + "\n".join(difference[:200])
