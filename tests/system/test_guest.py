"""The programs of tests/guest, each a test case on each machine.

A machine is booted once and runs all of them in a row. Every program must
also pass on Debian's Linux, which proves that it tests what Linux does;
that is remembered until the program changes.
"""
import pytest

import harness
from harness import BUILD, DEBIAN, ROOT, Ahead, keys_of

NAMES = sorted(p.stem for p in (ROOT / "tests/guest").glob("*.c"))
# Programs about what only Quire has.
QUIRE_ONLY = {p.stem for p in (ROOT / "tests/guest").glob("*.c")
              if "quire only" in p.read_text()[:2000].lower()}

# Programs that are run with strict isolation, too: all that makes, changes,
# shares and ends address spaces, and what crosses the border in odd ways.
STRICT = ["badcalls", "cow", "exec", "failalloc", "fork", "frames", "futex", "hostile",
          "isolation", "mmap", "pgaccess", "sharing", "sigfault", "signals", "threads",
          "usercopy", "vmrandom"]


def selected(request, function=None):
    """The programs that this session's cases name (those of one function)."""
    return [BUILD / "guest" / name for name in NAMES
            if any(i.callspec.params.get("name") == name
                   for i in request.session.items if hasattr(i, "callspec")
                   and function in (None, i.originalname))]


@pytest.fixture(scope="session")
def machines(request):
    """Each machine's reports by name."""
    return Ahead(lambda kernel, smp: harness.run_programs(
        kernel, selected(request), smp=smp))


@pytest.fixture(scope="session")
def strict_machines(request):
    return Ahead(lambda kernel, smp: harness.run_programs(
        kernel, selected(request, "test_guest_strict"), smp=smp,
        append="isolation=strict"))


@pytest.fixture(scope="session")
def linux_reports(request):
    """The same on Linux, but only for programs whose verdict is not known."""
    programs = [p for p in selected(request) if p.name not in QUIRE_ONLY]
    verdicts = {p.name: harness.remembered("guest", [p.read_bytes()], lambda: None)
                for p in programs}
    unknown = [p for p in programs if verdicts[p.name] is None]
    fresh = harness.run_programs(DEBIAN, unknown) if unknown else {}
    for program in unknown:
        status, report = fresh[program.name]
        verdicts[program.name] = [status, report]
        if status == 0:
            harness.remembered("guest", [program.read_bytes()],
                               lambda: verdicts[program.name])
    return verdicts


def check(status, report):
    bad = [l for l in report.splitlines() if l.startswith("not ok")]
    assert status == 0 and not bad and report.splitlines()[-1:] == ["PASS"], \
        f"status {status}\n" + "\n".join(bad[:30] or report.splitlines()[-30:])


@pytest.mark.parametrize("name", NAMES)
def test_on_linux(linux_reports, name):
    if name in QUIRE_ONLY:
        pytest.skip("about what only Quire has")
    check(*linux_reports[name])


@pytest.mark.quire_only
@pytest.mark.parametrize("name", NAMES)
def test_guest(request, machines, kernel, smp, name):
    reports = machines.get((kernel, smp), keys_of(request, "kernel", "smp"))
    check(*reports[name])


@pytest.mark.quire_only
@pytest.mark.parametrize("name", STRICT)
def test_guest_strict(request, strict_machines, kernel, smp, name):
    reports = strict_machines.get((kernel, smp), keys_of(request, "kernel", "smp"))
    check(*reports[name])
