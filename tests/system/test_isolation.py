"""Isolation, two ways: what the roots of a process hold in each, and what
harts with and without Svinval make of the flushes."""
import re
import subprocess

import pytest

import harness

pytestmark = pytest.mark.quire_only

V, R, W, X, U, G = (1 << i for i in range(6))
CONTINUED = re.compile(r"((?: \.\.)+)(\d+): pte 0x([0-9a-f]{16}) pa 0x([0-9a-f]{16})(.*)")


class Tree:
    """One tree of /proc/PID/roots: leaves {address: (pte, level)}, and how
    many tables lie below the root in each half."""

    def __init__(self, lines, levels):
        self.user, self.kernel, self.tables = {}, {}, [0, 0]
        path = []
        for line in lines:
            entry = CONTINUED.fullmatch(line)
            assert entry, line
            depth, pte = len(entry[1]) // 3, int(entry[3], 16)
            del path[depth - 1:]
            path.append(int(entry[2]))
            assert len(path) == depth <= levels, line
            half = path[0] >= 256
            if pte & (V | R | W | X) == V and depth < levels:
                self.tables[half] += 1
                continue
            va = 0
            for i in range(levels):
                va = va << 9 | (path[i] if i < depth else 0)
            va <<= 12
            if half:
                va |= ~0 << (12 + 9 * levels) & (1 << 64) - 1
            (self.kernel if half else self.user)[va] = (pte, levels - depth)

    def lookup(self, va):
        """Physical address behind an address of the kernel's half, or None."""
        for level in range(4):
            base = va & ~((1 << 12 + 9 * level) - 1)
            pte, at = self.kernel.get(base, (0, None))
            if at == level:
                return (pte >> 10 & (1 << 44) - 1) * 4096 + va - base
        return None


def symbols(kernel):
    out = subprocess.run(["riscv64-linux-gnu-nm", kernel.path], text=True,
                         capture_output=True, check=True).stdout
    return {name: int(address, 16)
            for address, _, name in map(str.split, out.splitlines())}


def roots(run, append):
    """(kind of isolation, [Tree]) of a process that shows its own."""
    levels = 4 if "sv48" in append else 3
    result = run("cat", "/proc/self/roots", append=append)
    assert result.status == 0, result.messages
    kind, *lines = result.lines
    trees = []
    for line in lines:
        if line.startswith("page table 0x"):
            trees.append([])
        else:
            trees[-1].append(line)
    return kind, [Tree(t, levels) for t in trees]


def check_kernel_tree(tree, kernel, g):
    """All of the kernel is there, none of it the user's; all or none global."""
    names = symbols(kernel)
    for name in ("_text", "_trampoline", "gates", "harts", "_rodata"):
        assert tree.lookup(names[name]) is not None, name
    assert tree.lookup(0xffffffc000000000) is not None    # the direct map
    assert all(pte & (U | G) == g for pte, _ in tree.kernel.values())
    assert tree.user and all(pte & U for pte, _ in tree.user.values())


@pytest.mark.parametrize("append", ["", "isolation=shared", "isolation=shared paging=sv48"])
def test_shared_has_one_root_with_all(run, kernel, append):
    kind, trees = roots(run, append)
    assert kind == "isolation: shared" and len(trees) == 1
    check_kernel_tree(trees[0], kernel, G)


@pytest.mark.parametrize("append", ["isolation=strict", "isolation=strict paging=sv48"])
def test_strict_shows_user_mode_no_kernel(run, kernel, append):
    kind, trees = roots(run, append)
    assert kind == "isolation: strict" and len(trees) == 2
    own, user = trees
    check_kernel_tree(own, kernel, 0)
    # The user's half is the same, to the bit.
    assert user.user == own.user and user.tables[0] == own.tables[0]
    # Of the kernel: one path to two pages, each with the least it needs.
    names = symbols(kernel)
    trampoline, gates = names["_trampoline"], names["gates"]
    assert names["_etrampoline"] - trampoline == 4096
    assert {va: (pte & (R | W | X | U | G), level)
            for va, (pte, level) in user.kernel.items()} == \
        {trampoline: (X, 0), gates: (R | W, 0)}
    for va in (trampoline, gates):
        assert user.lookup(va) == own.lookup(va)
    levels = 4 if "sv48" in append else 3
    same_2m = trampoline >> 21 == gates >> 21
    assert user.tables[1] == levels - 1 + (not same_2m)


def test_a_wrong_word_is_told_and_shared(run):
    result = run("sh", "-c", "dmesg; head -n 1 /proc/self/roots",
                 append="isolation=tight")
    assert "isolation=tight: there are shared and strict" in result.text
    assert result.lines[-1] == "isolation: shared"


@pytest.mark.parametrize("isolation", ["shared", "strict"])
@pytest.mark.parametrize("cpu, said", [
    ("rv64", "ASIDs"), ("rv64,svinval=on", "ASIDs, Svinval")])
def test_svinval(kernel, cpu, said, isolation):
    """What maps, protects and unmaps ranges of pages, on harts with and
    without the extension for it."""
    names = ["isolation", "mmap", "cow", "vmrandom"]
    programs = [harness.BUILD / "guest" / n for n in names]
    options = ["--cpu", cpu]
    for p in programs:
        options += ["--add", f"{p}:/root/{p.name}"]
    script = "dmesg | grep ' isolation, '; for t in $*; do ./$t | tail -n 1; done"
    result = harness.run(kernel, "sh", "-c", script, "sh", *names, timeout=150,
                         options=options, append=f"isolation={isolation}")
    assert result.lines[0].endswith(f" {isolation} isolation, 65536 {said}")
    assert result.lines[1:] == ["PASS"] * len(names), result.text + result.messages


def test_bench_shows_the_price():
    """Both columns and their ratio, in instructions: strict's way through
    the gate is a few more than shared's."""
    done = subprocess.run([harness.ROOT / "quire", "bench", "--isolation", "--icount",
                           "--rows", "null"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    head, row = map(str.split, done.stdout.splitlines()[:2])
    assert head == ["row", "shared", "strict", "price"] and row[0] == "null"
    shared, strict = int(row[1]), int(row[2])
    assert 10 <= strict - shared <= 30
