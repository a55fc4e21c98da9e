"""Faults of the kernel's own: the panic walks the page table and says, level
by level, what the hardware found and what stopped it."""
import re

import pytest

pytestmark = pytest.mark.quire_only

LEVEL = re.compile(r"level (\d): entry +(\d+) of 0x([0-9a-f]{16}) is 0x([0-9a-f]{16}): (.*)")


def crash_at(run, address, append=""):
    """Store to an address in the kernel; what the console showed."""
    result = run("sh", "-c", f"echo 'c {address:#x}' >/proc/sysrq-trigger",
                 append=append)
    assert result.status == 125
    said = result.text.replace("\r", "")
    assert "kernel panic on hart" in said and "store_sysrq" in said
    assert f"walk for the store to 0x{address:016x}:" in said
    return said


@pytest.mark.parametrize("address, last, why", [
    (0xffffffff80001000, 0, "it is read-only"),
    (0xfffffffe80001000, 2, "it is empty"),
    (0xfffffff800000100, 0, "it is empty: the guard below a kernel stack"),
    (0x0000000000000010, 0, "it is empty"),
])
@pytest.mark.parametrize("append", ["", "isolation=strict", "paging=sv48"])
def test_walk_of_a_fault(run, append, address, last, why):
    said = crash_at(run, address, append)
    walk = [m.groups() for m in LEVEL.finditer(said)]
    top = 3 if "sv48" in append else 2
    assert [int(level) for level, *_ in walk] == list(range(top, last - 1, -1))
    table = walk[0][2]
    for level, index, where, entry, what in walk:
        assert int(index) == address >> 12 + 9 * int(level) & 511
        assert where == table       # each level where the one above says
        table = f"{(int(entry, 16) >> 10 & (1 << 44) - 1) << 12:016x}"
        assert what.strip() == (why if int(level) == last else "a table")


def test_walk_of_no_address(run):
    said = crash_at(run, 0x8000000000000000)
    assert "no walk: bits 63 to 38 of an address must all be equal" in said
    assert not LEVEL.search(said)


def test_panic_without_a_fault_has_no_walk(run):
    result = run("sh", "-c", "echo c >/proc/sysrq-trigger")
    assert result.status == 125 and "walk for" not in result.text


@pytest.mark.parametrize("append", ["", "isolation=strict"])
def test_overflow_of_a_stack(run, append):
    """It ends in words, said on a spare stack, and not in silence."""
    result = run("sh", "-c", "echo 'c stack' >/proc/sysrq-trigger", append=append)
    said = result.text.replace("\r", "")
    assert result.status == 125
    assert "kernel stack overflow in sh\n" in said
    assert "use_stack" in said and "it is empty: the guard below a kernel stack" in said


def test_a_stack_has_no_place_in_the_direct_map(run, kernel):
    """A driver must not hand out the address of what is on its stack."""
    result = run("sh", "-c", "echo 'c phys' >/proc/sysrq-trigger")
    refused = re.search("virt_to_phys of 0x[0-9a-f]+, which is no address of the direct map but a "
                        "kernel stack's", result.text)
    assert result.status == 125 and bool(refused) == kernel.is_debug


@pytest.mark.parametrize("how, said", [
    ("publish", "an object that others can reach lies in a kernel stack: 0x"),
    ("twice", r"slab kmalloc-128: double free of object 0x\w+, freed before by misuse_object\+"
              r"0x\w+, called from misuse_object\+"),
    ("late", r"slab kmalloc-128: object 0x\w+ was written to after it was freed by misuse_object\+"
             r"0x\w+: 0x\w+ at offset 48;"),
])
def test_the_life_of_an_object(run, kernel, how, said):
    """What lies in a stack is not for others; what was freed is not used."""
    result = run("sh", "-c", f"echo 'c {how}' >/proc/sysrq-trigger")
    assert result.status == 125
    assert bool(re.search(said, result.text)) == kernel.is_debug


TOUCH_OWN_STACK = """
while read range rest; do
    case "$rest" in *'[stack]') break;; esac
done </proc/self/maps
printf 'c 0x%x' $((0x${range#*-} - 16)) >/proc/sysrq-trigger
"""


@pytest.mark.parametrize("append", ["", "usercopy=guard", "usercopy=open"])
def test_user_memory_is_shut_outside_of_copies(run, kernel, append):
    """A pointer of the user's that the kernel follows by itself is found out,
    in the debug kernel and wherever user copies are guarded."""
    result = run("sh", "-c", TOUCH_OWN_STACK, append=append)
    guarded = append == "usercopy=guard" or (kernel.is_debug and not append)
    assert result.status == 125
    assert ("it is a user's page, and SUM is not set" in result.text) == guarded
    assert ("a crash was asked for" in result.text) != guarded
