#!/usr/bin/python3
"""Fuzz the kernel's system calls (tests/fuzz/fuzz.h tells how).

    tests/fuzz/fuzz.py --minutes 240            all machines in turn, random seeds
    tests/fuzz/fuzz.py --seed 0x12 --cells 1    one cell again
    tests/fuzz/fuzz.py --shrink 0x12            fewer calls that still fail, as a C program

A machine is a kernel (release, debug), a number of harts, an isolation and
some memory, little of it at times. The seed of each run is printed first;
what fails is printed with the cell's seed, and the whole output is kept in
build/fuzz/. Failures: a panic, a machine that says nothing for two minutes,
a process that SIGKILL does not end, frames that are lost.
"""
import argparse
import itertools
import random
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
SILENCE = 120           # seconds without a word
OPS = 150               # calls a stream


@dataclass(frozen=True)
class Machine:
    debug: bool
    smp: int
    strict: bool
    mem: str
    hostile: int = 0

    def options(self):
        append = ["isolation=strict"] if self.strict else []
        if self.hostile:
            append.append(f"hostile={self.hostile}")
        return ["--smp", str(self.smp), "--mem", self.mem, "--append", " ".join(append)] + \
            ["--kernel", str(BUILD / ("debug/kernel.elf" if self.debug else "kernel.elf"))]

    def __str__(self):
        return (f"{'debug' if self.debug else 'release'}, {self.smp} harts, "
                f"{'strict' if self.strict else 'shared'}, {self.mem}"
                + (f", hostile={self.hostile}" if self.hostile else ""))


def machines():
    """All kinds, the cheap and the fruitful ones first; for ever."""
    for round_ in itertools.count(1):
        for smp, mem in ((4, "256M"), (2, "1G"), (1, "128M"), (4, "1G")):
            for strict in (False, True):
                yield Machine(True, smp, strict, mem, hostile=round_ if smp > 1 else 0)
                yield Machine(False, smp, strict, mem)


def boot(machine, arguments, keep=None, limit=None):
    """Run the guest program; (why it failed or None, output)."""
    add = ["--add", f"{keep}:/root/keep"] if keep else []
    line = ["/usr/bin/python3", str(ROOT / "tools/run.py"), "-v", *machine.options(), *add, "--",
            str(BUILD / "fuzz/fuzz"), *map(str, arguments), *(["/root/keep"] if keep else [])]
    with tempfile.TemporaryFile() as out:
        p = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        size, heard, started, silent = 0, time.monotonic(), time.monotonic(), False
        while p.poll() is None:
            time.sleep(0.2)
            now = out.seek(0, 2)
            if now != size:
                size, heard = now, time.monotonic()
            if time.monotonic() - heard > SILENCE:
                silent = True
                break
            if limit and time.monotonic() - started > limit:
                break
        if p.poll() is None:
            p.terminate()
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        out.seek(0)
        text = out.read().decode(errors="replace")
    return verdict(text, silent), text


def verdict(text, silent):
    panic = re.search(r"kernel panic[^\n]*\n([^\n]*)", text)
    if panic:
        return "panic: " + re.sub(r"^\[[^]]*\] *", "", panic[1]).strip()
    for word in ("STUCK", "LEAK"):
        if (hit := re.search(rf"^{word}[^\n]*", text, re.M)):
            return hit[0]
    if silent:
        return "silence"
    return None


def last_seed(text, first):
    """The cell that ran when the machine stopped."""
    done = re.findall(r"^cell (0x[0-9a-f]+):", text, re.M)
    return int(done[-1], 16) + 1 if done else first


def build():
    for debug in ("0", "1"):
        build_dir = BUILD / "debug" if debug == "1" else BUILD
        subprocess.run(["make", "-s", "-j2", f"DEBUG={debug}", f"BUILD={build_dir}", "all", "user"],
                       cwd=ROOT, check=True)
    subprocess.run(["make", "-s", f"BUILD={BUILD}", "fuzz"], cwd=ROOT, check=True)


def keep_file(ops):
    file = tempfile.NamedTemporaryFile("w", suffix=".keep")
    file.writelines(f"{stream} {index}\n" for stream, index in ops)
    file.flush()
    return file


def shrink(machine, seed, tries):
    """Drop calls while the cell still fails."""
    _, text = boot(machine, ["list", seed, OPS])
    ops = [(int(a), int(b)) for a, b in re.findall(r"^(\d+) (\d+)", text, re.M)]

    def fails(kept):
        with keep_file(kept) as file:
            for _ in range(tries):
                why, _ = boot(machine, ["run", seed, 3 if len(kept) < 40 else 1, OPS], file.name, 60)
                if why:
                    return why
        return None

    why = fails(ops)
    if not why:
        print(f"cell {seed:#x} does not fail again in {tries} tries")
        return 1
    parts = 2
    while len(ops) > 1:
        size = max(1, len(ops) // parts)
        for at in range(0, len(ops), size):
            fewer = ops[:at] + ops[at + size:]
            if fewer and (now := fails(fewer)):
                ops, why, parts = fewer, now, max(2, parts - 1)
                print(f"{len(ops)} calls: {why}", flush=True)
                break
        else:
            if size == 1:
                break
            parts = min(len(ops), parts * 2)
    with keep_file(ops) as file:
        _, text = boot(machine, ["print", seed, OPS], file.name)
    body = text[text.index("  /* stream"):] if "  /* stream" in text else text
    print(f"/* {why} ({machine}) */\n{body}")
    return 0


def campaign(kinds, seed, cells, deadline):
    """Run cells until the deadline; the failures."""
    failures = []
    (BUILD / "fuzz").mkdir(exist_ok=True)
    for machine in kinds:
        if time.monotonic() > deadline:
            break
        print(f"seed {seed:#x}, {cells} cells: {machine}", flush=True)
        why, text = boot(machine, ["run", seed, cells, OPS],
                         limit=max(30, deadline - time.monotonic()))
        if why:
            bad = last_seed(text, seed)
            log = BUILD / f"fuzz/{bad:#x}.log"
            log.write_text(text)
            print(f"FAILED cell {bad:#x}: {why} ({log})", flush=True)
            failures.append((machine, bad, why))
        seed += cells
    return failures


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--minutes", type=float, default=5)
    p.add_argument("--seed", type=lambda s: int(s, 0), default=random.getrandbits(40))
    p.add_argument("--cells", type=int, default=40, help="cells of one boot")
    p.add_argument("--shrink", type=lambda s: int(s, 0), metavar="SEED")
    p.add_argument("--tries", type=int, default=3, help="runs of a cell before it is taken for good")
    p.add_argument("--smp", type=int)
    p.add_argument("--mem", default="256M")
    p.add_argument("--release", action="store_true")
    p.add_argument("--strict", action="store_true")
    p.add_argument("--hostile", type=int, default=0)
    a = p.parse_args()
    build()
    one = Machine(not a.release, a.smp or 4, a.strict, a.mem, a.hostile)
    if a.shrink is not None:
        return shrink(one, a.shrink, a.tries)
    kinds = itertools.repeat(one) if a.smp else machines()
    failures = campaign(kinds, a.seed, a.cells, time.monotonic() + a.minutes * 60)
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
