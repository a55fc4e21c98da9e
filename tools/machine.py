"""A QEMU machine: its command line, and its console with init's marks.

    machine = Machine(kernel="build/kernel.elf", smp=2)
    with machine.start("x.cpio", "quiet", stdin=subprocess.PIPE) as qemu: ...

Console is the other half: it takes the console's bytes as they come and tells
the output of the job from everything else (see user/init.c's protocol).
"""
import ctypes
import os
import shlex
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import image

DLE = b"\x10"
TAIL = 1 << 14
PR_SET_PDEATHSIG = 1

LINUX = image.CACHE / "linux/vmlinuz"


def free_port(wanted):
    """A TCP port for the debugger: the usual one unless it is taken."""
    with socket.socket() as s:
        for port in (wanted, 0):
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return s.getsockname()[1]
    raise OSError("no free TCP port")


@dataclass
class Machine:
    kernel: Path
    smp: int = 2
    mem: str = "1G"
    disks: list = field(default_factory=list)
    icount: bool = False
    gdb_port: int = 0               # not 0: wait for a debugger there
    escape: bool = False            # ctrl-] goes before a word to QEMU
    cpu: str = ""                   # QEMU's -cpu; empty: its default

    def command(self, initrd, append):
        """QEMU's command line. The console is its standard input and output;
        a reboot ends it, as poweroff does."""
        cmd = ["qemu-system-riscv64", "-machine", "virt", "-smp", str(self.smp),
               "-m", self.mem, "-display", "none", "-no-reboot",
               "-global", "virtio-mmio.force-legacy=false",
               "-kernel", str(self.kernel)]
        if self.cpu:
            cmd += ["-cpu", self.cpu]
        if initrd:
            cmd += ["-initrd", str(initrd)]
        cmd += ["-append", append]
        if self.escape:
            cmd += ["-echr", "0x1d", "-chardev", "stdio,id=con,signal=off,mux=on",
                    "-mon", "chardev=con,mode=readline"]
        else:
            cmd += ["-chardev", "stdio,id=con,signal=off", "-monitor", "none"]
        cmd += ["-serial", "chardev:con"]
        for i, disk in enumerate(self.disks):
            cmd += ["-drive", f"if=none,id=disk{i},format=raw,file={disk}",
                    "-device", f"virtio-blk-device,drive=disk{i}"]
        if self.icount:
            cmd += ["-icount", "shift=0,sleep=off", "-seed", "1",
                    "-rtc", "base=2025-01-01,clock=vm"]
        if self.gdb_port:
            cmd += ["-gdb", f"tcp:127.0.0.1:{self.gdb_port}", "-S"]
        return cmd

    def start(self, initrd, append, **popen):
        """Start QEMU; it dies with us, whatever kills us."""
        prctl = ctypes.CDLL(None).prctl
        return subprocess.Popen(
            self.command(initrd, append),
            preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL), **popen)


def shell_form(command):
    return " ".join(shlex.quote(str(w)) for w in command)


def stop(qemu):
    """End QEMU if it still runs. What it wrote to a disk image is in the
    host's hands by then, so nothing is lost."""
    if qemu.poll() is None:
        qemu.kill()
    qemu.wait()


class Console:
    """Splits the console's bytes.

    before      what came before init's first mark (firmware, kernel's log)
    tail        the last of the job's output
    status      the job's exit status, None until it has ended
    wants_input init has asked for a piece of standard input
    """

    def __init__(self, nonce):
        self._start = DLE + nonce.encode() + b":"
        self._held = b""            # a mark, or the beginning of one
        self.before = b""
        self.tail = b""
        self.began = False
        self.status = None
        self.wants_input = False

    def feed(self, data):
        """Take bytes; return those that are the job's output. What follows
        the job's end is nobody's."""
        data = self._held + data
        out = []
        while True:
            at = data.find(self._start)
            end = data.find(DLE, at + len(self._start)) if at >= 0 else -1
            if end < 0:
                break
            self._take(data[:at], out)
            self._mark(data[at + len(self._start):end].decode("latin-1"))
            data = data[end + 1:]
        keep = at if at >= 0 else len(data) - self._partial(data)
        self._take(data[:keep], out)
        self._held = data[keep:]
        return b"".join(out)

    def finish(self):
        """No more bytes will come: the rest of the output."""
        out = []
        self._take(self._held, out)
        self._held = b""
        return b"".join(out)

    def _take(self, data, out):
        if not self.began:
            self.before += data
        elif self.status is None:
            out.append(data)
            self.tail = (self.tail + data)[-TAIL:]

    def _mark(self, word):
        if word == "begin":
            self.began = True
        elif word == "read":
            self.wants_input = True
        elif word.startswith("end ") and self.status is None:
            self.status = int(word[4:])

    def _partial(self, data):
        """How many bytes at data's end may be the beginning of a mark."""
        for n in range(min(len(data), len(self._start) - 1), 0, -1):
            if data.endswith(self._start[:n]):
                return n
        return 0


def answer(piece):
    """What to send when init wants input: a piece of at most 4095 bytes, or
    nothing for the end."""
    return b"%04x" % len(piece) + piece


def nonce(fixed=False):
    """A word that no program will print by accident; always as long."""
    return "q" + ("0" * 16 if fixed else os.urandom(8).hex())
