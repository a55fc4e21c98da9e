"""Superpages: on harts with Svnapot, and by the boot argument."""
import pytest

import harness

pytestmark = pytest.mark.quire_only

# What maps, shares and splits memory.
PROGRAMS = ["superpage", "superrandom", "vmrandom", "cow", "mmap", "fork"]
MADE = "superpage_64k"


@pytest.mark.parametrize("isolation", ["shared", "strict"])
def test_svnapot(kernel, isolation):
    """Leaves of 64 KiB come and go under every program, and all pass."""
    programs = [harness.BUILD / "guest" / n for n in PROGRAMS]
    options = ["--cpu", "rv64,svnapot=on"]
    for p in programs:
        options += ["--add", f"{p}:/root/{p.name}"]
    script = "for t in $*; do ./$t > out; tail -n 1 out; done; grep ^%s /proc/vmstat" % MADE
    result = harness.run(kernel, "sh", "-c", script, "sh", *PROGRAMS, timeout=240,
                         options=options, append=f"isolation={isolation}")
    assert result.lines[:-1] == ["PASS"] * len(PROGRAMS), result.text + result.messages
    assert int(result.lines[-1].split()[1]) > 100


# The program's own counters tell: with "advise" only what asked for them.
BOOT_ARGUMENTS = [("on", 2), ("advise", 1), ("off", 0)]


@pytest.mark.parametrize("word, made", BOOT_ARGUMENTS)
def test_boot_argument(kernel, word, made):
    program = harness.BUILD / "guest/superpage"
    result = harness.run(kernel, program, "modes", append=f"superpages={word}")
    assert result.lines[-1] == f"superpages: {made}", result.text


def test_a_wrong_word_is_told_and_on(run):
    result = run("dmesg", append="superpages=sometimes")
    assert "superpages=sometimes: there are off, advise and on" in result.text
