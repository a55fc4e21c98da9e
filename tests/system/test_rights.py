"""The table of rights: what the kernel refuses and what it allows, line by line.

tests/rights prints some thousands of lines. Linux's are remembered until the
program changes; none of Quire's may differ.
"""
from collections import Counter

import pytest

import harness
from harness import BUILD, DEBIAN, DEBUG, RELEASE

PROGRAM = BUILD / "rights/rights"
SHOW = BUILD / "rights/show"
SHOWN = 40              # lines of a difference


def table(kernel, smp):
    result = harness.run(kernel, PROGRAM, options=["--add", f"{SHOW}:/root/show"],
                         timeout=400, smp=smp)
    assert result.status == 0, f"status {result.status}\n{result.text[-2000:]}\n{result.messages}"
    return [line for line in result.lines if line.count(": ") >= 3 and line[0] != "["]


@pytest.fixture(scope="session")
def linux_table():
    parts = [PROGRAM.read_bytes(), SHOW.read_bytes()]
    return harness.remembered("rights", parts, lambda: table(DEBIAN, smp=1))


@pytest.mark.quire_only
@pytest.mark.parametrize("quire", [RELEASE, DEBUG], ids=lambda k: k.name)
def test_rights(linux_table, quire):
    lines = table(quire, smp=2)
    missing = list((Counter(linux_table) - Counter(lines)).elements())
    extra = list((Counter(lines) - Counter(linux_table)).elements())
    differences = [f"linux: {l}" for l in missing] + [f"quire: {l}" for l in extra]
    assert not differences, f"{len(missing)} of {len(linux_table)} lines differ:\n" + \
        "\n".join(sorted(differences, key=lambda d: d[7:])[:SHOWN])
    assert len(linux_table) > 8000, "the program says less than it should"
