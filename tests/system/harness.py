"""What the system tests share: starting machines and talking to them.

Everything goes through tools/run.py, as `./quire run` does, so the front
command's way with consoles and statuses is tested by every test.
"""
import hashlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pexpect

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from machine import LINUX  # noqa: E402

BUILD = Path(os.environ.get("BUILD") or ROOT / "build")
RESULTS = ROOT / ".cache/results"
PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class Kernel:
    name: str
    path: Path

    @property
    def is_linux(self):
        return self.path == LINUX

    @property
    def is_debug(self):
        return self.name == "debug"


RELEASE = Kernel("release", BUILD / "kernel.elf")
DEBUG = Kernel("debug", BUILD / "debug/kernel.elf")
DEBIAN = Kernel("linux", LINUX)
# HOSTILE=SEED in the environment: guest programs run under the debug kernel's
# hostile scheduler (kernel/sched/hostile.c), and on no other kernel.
HOSTILE = os.environ.get("HOSTILE")


@dataclass
class Result:
    status: int
    output: bytes           # what the command printed, and nothing else
    messages: str           # what the front command itself had to say

    @property
    def text(self):
        return self.output.decode(errors="replace")

    @property
    def lines(self):
        return self.text.splitlines()


def run_line(kernel, *options, smp=2, mem="1G", append=""):
    """The beginning of a command line that boots kernel."""
    line = [PYTHON, str(ROOT / "tools/run.py"), "--kernel", str(kernel.path),
            "--smp", str(smp), "--mem", mem]
    if append:
        line += ["--append", append]
    return line + [str(o) for o in options]


def run(kernel, *command, options=(), stdin=b"", timeout=60, **machine):
    """Boot, run one command, power off."""
    line = run_line(kernel, "--timeout", timeout, *options, **machine)
    feed = {"input": stdin} if stdin else {"stdin": subprocess.DEVNULL}
    done = subprocess.run(line + ["--", *map(str, command)] if command else line,
                          capture_output=True, timeout=timeout + 30, **feed)
    return Result(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


class Shell:
    """A login shell on a terminal, typed at as a person would."""

    PROMPT = "<<quire>> "

    def __init__(self, kernel, rows=24, cols=80, options=(), **machine):
        line = run_line(kernel, "--timeout", 90, *options, **machine)
        self.p = pexpect.spawn(line[0], line[1:], dimensions=(rows, cols),
                               timeout=20, encoding="utf-8", codec_errors="replace")
        self.p.delaybeforesend = None
        self.p.expect("# ")
        self.send("PS1='<<'\"quire>> \"\r")
        self.prompt()

    def send(self, keys):
        self.p.send(keys)

    def expect(self, pattern):
        """Wait for a pattern; returns the match."""
        self.p.expect(pattern)
        return self.p.match

    def prompt(self):
        """Wait for the next prompt; returns what came before it. The shell
        asks where the cursor is (ESC [6n) once it waits for a key."""
        self.p.expect_exact(self.PROMPT + "\x1b[6n")
        return self.p.before

    def type(self, line):
        """Type a line and wait for the prompt; returns what it printed."""
        self.send(line + "\r")
        shown = self.prompt().replace("\r\n", "\n")
        echo, _, output = shown.partition("\n")
        assert line in echo, f"typed {line!r}, echoed {echo!r}"
        return output

    def start(self, line):
        """Type a line and leave it running. When this returns, the terminal
        is in the mode that the line's programs find, not the shell's own."""
        self.send(f"echo re''ady; {line}\r")
        self.p.expect("ready\r\n")
        time.sleep(0.3)

    def end(self):
        """Wait until the machine is down; returns the exit status."""
        self.p.expect(pexpect.EOF)
        self.p.close()
        return self.p.exitstatus

    def close(self):
        if self.p.isalive():
            self.p.terminate(force=True)


# --- many programs on one machine -------------------------------------------

RUNNER = """\
set -m
for name; do
    echo "@@ begin $name"
    (cd /root/guest && exec ./$name) 2>&1 </dev/null
    echo "@@ end $name $?"
done
"""


def split_reports(output):
    """{name: (status or None, report)} of RUNNER's output, in order."""
    reports, name, lines = {}, None, []
    for line in output.decode(errors="replace").splitlines():
        if line.startswith("@@ begin "):
            name, lines = line.split()[2], []
            reports[name] = (None, "")
        elif name and line.startswith(f"@@ end {name} "):
            reports[name] = (int(line.split()[3]), "\n".join(lines))
            name = None
        elif name:
            lines.append(line)
            reports[name] = (None, "\n".join(lines))
    return reports


def run_programs(kernel, programs, **machine):
    """Run programs (paths) in a row; {name: (status, report)}. One that takes
    the machine down gets status None, and a new machine runs the rest."""
    reports = {}
    left = list(programs)
    patience = 20
    if HOSTILE and kernel.is_debug:
        machine["append"] = f"{machine.get('append', '')} hostile={HOSTILE}".strip()
        patience = 120
    while left:
        options = []
        for program in left:
            options += ["--add", f"{program}:/root/guest/{program.name}"]
        result = run(kernel, "sh", "-c", RUNNER, "sh", *(p.name for p in left),
                     options=options, timeout=60 + patience * len(left), **machine)
        got = split_reports(result.output)
        if not got:
            got = {left[0].name: (None, result.text)}
        last = list(got)[-1]
        if got[last][0] is None:
            got[last] = (None, f"{got[last][1]}\n{result.messages}\n"
                         f"(the machine ended with status {result.status})")
        reports.update(got)
        left = [p for p in left if p.name not in reports]
    return reports


class Ahead:
    """Long runs whose results several cases wait for: the first that asks
    starts them all, as many at a time as the host has processors.

    Each case calls get() with its own key; work(*key) gives the result, and
    an exception in it is raised in that case alone.
    """

    def __init__(self, work):
        self._work = work
        self._futures = {}

    def get(self, key, keys):
        """The result for key. keys are all that this session will ask for,
        in the order of asking."""
        if not self._futures:
            pool = ThreadPoolExecutor(os.cpu_count() or 1)
            self._futures = {k: pool.submit(self._work, *k) for k in keys}
        return self._futures[key].result()


def keys_of(request, *names):
    """The distinct values of these parameters among the session's cases of
    the asking case's function."""
    function = request.node.originalname
    params = (i.callspec.params for i in request.session.items
              if getattr(i, "originalname", None) == function)
    return list(dict.fromkeys(tuple(p[n] for n in names) for p in params))


# --- what Linux says, remembered --------------------------------------------

def kernel_name():
    return Path(f"{LINUX}.name").read_text().strip()


def remembered(kind, parts, make):
    """make()'s value (JSON), kept by the contents of parts and by the Linux
    that gave it."""
    digest = hashlib.sha256(kernel_name().encode())
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    path = RESULTS / kind / f"{digest.hexdigest()[:32]}.json"
    if path.is_file():
        return json.loads(path.read_text())
    value = make()
    if value is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    return value
