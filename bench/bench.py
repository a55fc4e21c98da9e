"""quire bench: the same static program on Linux and on Quire, in turns.

Each round boots every kernel once, one after the other, so that what else
the host does falls on all of them alike; a row's number is its fastest round.
With --icount a nanosecond of the machine is an instruction, one round is
enough, and the numbers repeat. It has one hart: where several take turns,
QEMU lets one that waits for another spin for billions of instructions.

Prints a table, with the geometric mean of the ratios, and writes
build/bench.json and build/bench.svg. A row in which the last column is
slower than the first is marked with a !. With --isolation the columns are
Quire with shared and with strict isolation, and the ratio is strict's price:
how many times as long, or as many instructions, it takes. Exit status: 0, or 1 if a run
failed, 2 for wrong usage.
"""
import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tools"))

import chart                                            # noqa: E402
import image                                            # noqa: E402
from machine import LINUX, Machine, stop                # noqa: E402

BUILD = Path(os.environ.get("BUILD") or ROOT / "build")
RUN = [sys.executable, str(ROOT / "tools/run.py")]
BOOT_SIZES = [1, 2, 4]                  # GiB
BOOT_TIMEOUT = 60
HAND_OVER = b"Boot HART MEDELEG"        # the last thing OpenSBI prints
ARRIVAL = b"init is here"               # what bench/boot.c prints


@dataclass
class Column:
    """A kernel with its boot arguments, and what was measured on it."""
    name: str
    kernel: str                         # "linux" or "quire"
    append: str = ""
    rows: dict = field(default_factory=dict)    # row: ns an operation
    boot: dict = field(default_factory=dict)    # GiB: seconds

    def keep(self, table, key, value):
        """Remember the best of what the rounds gave."""
        table[key] = min(value, table.get(key, math.inf))


def parse(argv):
    p = argparse.ArgumentParser(prog="./quire bench", description="Measure "
                                "Quire against Debian's Linux.")
    p.add_argument("--icount", action="store_true",
                   help="count instructions: numbers that repeat")
    p.add_argument("--rows", default="", metavar="A,B",
                   help="only these rows (bench --list names them), or 'boot'")
    p.add_argument("--rounds", type=int, metavar="N",
                   help="boots of each kernel (3; with --icount 1)")
    p.add_argument("--smp", type=int, metavar="N",
                   help="harts (2; with --icount 1)")
    p.add_argument("--mem", default="2G", metavar="SIZE", help="memory (2G)")
    p.add_argument("--isolation", action="store_true",
                   help="Quire with shared and with strict isolation")
    p.add_argument("--only", choices=["linux", "quire"],
                   help="measure one kernel alone")
    p.add_argument("--no-boot", action="store_true",
                   help="do not measure the time to boot")
    p.add_argument("--timeout", type=float, default=300, metavar="SECONDS",
                   help="give up on one run after so long (300)")
    args = p.parse_args(argv)
    args.rows = [r for r in args.rows.split(",") if r]
    if args.rounds is None:
        args.rounds = 1 if args.icount else 3
    if args.smp is None:
        args.smp = 1 if args.icount else 2
    if args.isolation and args.only == "linux":
        p.error("--isolation is about Quire")
    if args.rounds < 1 or args.smp < 1:
        p.error("--rounds and --smp count from 1")
    args.time_boot = not (args.no_boot or args.icount)
    if args.rows:
        args.time_boot = args.time_boot and "boot" in args.rows
    return args


def choose_columns(args):
    if args.isolation:
        return [Column(kind, "quire", f"isolation={kind}")
                for kind in ("shared", "strict")]
    columns = [Column("Linux", "linux"), Column("Quire", "quire")]
    return [c for c in columns if args.only in (None, c.kernel)]


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def make(goals):
    cmd = ["make", "-s", "-C", str(ROOT), f"-j{os.cpu_count() or 1}",
           f"BUILD={BUILD}"]
    if subprocess.run(cmd + goals, stdout=sys.stderr).returncode:
        sys.exit(1)


# --- rows -------------------------------------------------------------------

def run_rows(column, args, kernels):
    """One run of the program on a fresh boot; True if it went well."""
    rows = [r for r in args.rows if r != "boot"]
    if args.rows and not rows:
        return True
    cmd = RUN + ["--smp", str(args.smp), "--mem", args.mem,
                 "--timeout", str(args.timeout),
                 "--kernel", str(kernels[column.kernel])]
    if column.append:
        cmd += ["--append", column.append]
    if args.icount:
        cmd += ["--icount"]
    cmd += ["--", str(BUILD / "bench/bench")]
    if args.icount:
        cmd += ["--counts"]
    run = subprocess.run(cmd + rows, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, text=True)
    for line in run.stdout.splitlines():
        name, _, rest = line.partition("\t")
        try:
            column.keep(column.rows, name, float(rest.split("\t")[0]))
        except ValueError:
            say(f"{column.name} printed: {line}")
    if run.returncode:
        say(f"{column.name}: the run ended with status {run.returncode}")
    return run.returncode == 0


# --- boot -------------------------------------------------------------------

def boot_initrd():
    """The default image and the init that is timed."""
    archive = image.base(BUILD)
    archive.add_file("boot", (BUILD / "bench/boot").read_bytes(), 0o755)
    return archive.finish()


def time_boot(column, gib, initrd, args, kernels):
    """Seconds from OpenSBI's last line to init's first, or None."""
    machine = Machine(kernels[column.kernel], args.smp, f"{gib}G")
    append = f"quiet init=/boot rdinit=/boot {column.append}".strip()
    qemu = machine.start(initrd, append, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE)
    seen, left, began = b"", time.monotonic() + BOOT_TIMEOUT, None
    try:
        os.set_blocking(qemu.stdout.fileno(), False)
        while time.monotonic() < left:
            data = qemu.stdout.read()
            if data == b"":
                break
            seen += data or b""
            if began is None and HAND_OVER in seen:
                began = time.monotonic()
            if ARRIVAL in seen:
                return time.monotonic() - began if began else None
            time.sleep(0.0002)
    finally:
        stop(qemu)
    return None


def run_boots(column, args, initrd, kernels):
    good = True
    for gib in BOOT_SIZES:
        took = time_boot(column, gib, initrd, args, kernels)
        if took is None:
            say(f"{column.name} with {gib} GiB: init was not seen")
            good = False
        else:
            column.keep(column.boot, gib, took)
    return good


# --- the table --------------------------------------------------------------

def human(ns, icount):
    if icount:
        return f"{ns:,.0f}"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns < 1000 * size \
                else f"{ns / size:.0f} {unit}"
    return f"{ns:.0f} ns"


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def row_texts():
    """What each row does, from the tables in the sources."""
    texts = {}
    entry = re.compile(r'\{ "([a-z0-9-]+)",\s+"([^"]+)"')
    for name in ("files.c", "memory.c", "own.c", "processes.c"):
        texts.update(entry.findall((HERE / name).read_text()))
    return texts


def collect(columns):
    """[(name, what, [ns for each column])] of rows that all columns have."""
    texts = row_texts()
    names = [n for n in columns[0].rows if all(n in c.rows for c in columns)]
    rows = [(n, texts.get(n, n), [c.rows[n] for c in columns]) for n in names]
    for gib in BOOT_SIZES:
        if all(gib in c.boot for c in columns):
            rows.append((f"boot-{gib}g", f"OpenSBI to init, {gib} GiB",
                         [c.boot[gib] * 1e9 for c in columns]))
    return rows


def compare(values, args):
    """The ratio of each later column to the first: how many times as fast,
    or with --isolation how many times as slow."""
    if args.isolation:
        return [v / values[0] for v in values[1:]]
    return [values[0] / v for v in values[1:]]


def print_table(columns, rows, args):
    head = f"{'row':<15}" + "".join(f"{c.name:>14}" for c in columns)
    head += "".join(f"{'price' if args.isolation else 'x ' + c.name:>10}"
                    for c in columns[1:])
    print(head)
    slower = []
    for name, what, ns in rows:
        line = f"{name:<15}" + "".join(f"{human(v, args.icount):>14}"
                                       for v in ns)
        ratios = compare(ns, args)
        line += "".join(f"{r:>10.2f}" for r in ratios)
        if ratios and min(ratios) < 1 and not args.isolation:
            slower.append(name)
            line += "  !"
        print(f"{line:<{len(head) + 3}}  {what}")
    if len(columns) > 1 and rows:
        ratios = [compare(ns, args) for name, _, ns in rows
                  if not name.startswith("boot")] or [[1] * len(columns)]
        means = map(geometric_mean, zip(*ratios))
        print(f"{'geometric mean':<15}" + " " * 14 * len(columns)
              + "".join(f"{m:>10.2f}" for m in means))
        if not args.isolation:
            print("slower than Linux: " + (", ".join(slower) or "none"))
    unit = "instructions" if args.icount else "time"
    print(f"({unit} an operation; fastest of {args.rounds} "
          f"round{'s' * (args.rounds > 1)}, {args.smp} "
          f"hart{'s' * (args.smp > 1)}, {args.mem})")


def print_own(columns, args):
    """Rows that only Quire has, and how they compare with others of its own."""
    ours = [c for c in columns if c.kernel == "quire"]
    texts = row_texts()
    for name in ("memcpy-1m", "ugetpid", "pgaccess"):
        if name not in columns[0].rows and all(name in c.rows for c in ours):
            print(f"{name:<15}" + " " * 14 * (len(columns) - len(ours))
                  + "".join(f"{human(c.rows[name], args.icount):>14}" for c in ours)
                  + f"   {texts[name]}")
    for what, slow, fast in (("ugetpid is faster than null by", "null", "ugetpid"),
                             ("read-file-1m to memcpy-1m, in speed", "memcpy-1m",
                              "read-file-1m")):
        if all(slow in c.rows and fast in c.rows for c in ours) and ours:
            print(f"{what:<43}" + "".join(f"{c.rows[slow] / c.rows[fast]:>14.2f}"
                                          for c in ours))


def save(columns, rows, args):
    BUILD.mkdir(parents=True, exist_ok=True)
    data = {"harts": args.smp, "mem": args.mem, "rounds": args.rounds,
            "unit": "instructions" if args.icount else "ns",
            "columns": [c.name for c in columns],
            "rows": [{"name": n, "what": w, "values": v} for n, w, v in rows]}
    (BUILD / "bench.json").write_text(json.dumps(data, indent=1) + "\n")
    if rows:
        (BUILD / "bench.svg").write_text(
            chart.svg([c.name for c in columns], rows, args.icount))
        say(f"wrote {BUILD / 'bench.json'} and {BUILD / 'bench.svg'}")


def prepare(columns, args, folder):
    """Build all, and take copies, so that every round runs the same. Returns
    the kernels by name, and the initrd that the boots need."""
    kernels = {"linux": LINUX, "quire": folder / "kernel.elf"}
    wanted = {c.kernel for c in columns}
    make(["user", "bench"] + ["all"] * ("quire" in wanted))
    if "quire" in wanted:
        shutil.copy(BUILD / "kernel.elf", kernels["quire"])
    initrd = folder / "boot.cpio"
    if args.time_boot:
        initrd.write_bytes(boot_initrd())
    return kernels, initrd


def main(argv):
    args = parse(argv)
    columns = choose_columns(args)
    good = True
    with tempfile.TemporaryDirectory() as folder:
        kernels, initrd = prepare(columns, args, Path(folder))
        for number in range(1, args.rounds + 1):
            for column in columns:
                say(f"round {number} of {args.rounds}: {column.name}")
                good &= run_rows(column, args, kernels)
                if args.time_boot:
                    good &= run_boots(column, args, initrd, kernels)
    rows = collect(columns)
    print_table(columns, rows, args)
    print_own(columns, args)
    save(columns, rows, args)
    return 0 if good and rows else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
