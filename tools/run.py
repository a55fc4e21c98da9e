"""quire run: build what changed, boot it, be its terminal.

Exit status: the command's (128+n when a signal ended it), or
  2    wrong usage
  124  --timeout ran out
  125  the machine ended before the command did; the console is shown
"""
import argparse
import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import tty
from pathlib import Path

import cpio
import image
from machine import LINUX, Console, Machine, answer, free_port, nonce, \
    shell_form, stop

PIECE = 1024                # of standard input at a time
EM_RISCV = 243
GUEST_HOME = "/root"


class Trouble(Exception):
    """Something the user can mend; shown as one line."""


def say(text):
    print(f"quire: {text}", file=sys.stderr, flush=True)


def parse(argv):
    p = argparse.ArgumentParser(prog="./quire run", allow_abbrev=False,
                                description="Build what changed and boot it.")
    p.add_argument("--smp", type=int, default=2, metavar="N", help="harts (2)")
    p.add_argument("--mem", default="1G", metavar="SIZE", help="memory (1G)")
    p.add_argument("--cpu", default="", metavar="MODEL",
                   help="QEMU's harts, rv64,svinval=on say")
    p.add_argument("--append", default="", metavar="ARGS",
                   help="more arguments for the kernel")
    p.add_argument("--initrd", type=Path, metavar="CPIO",
                   help="boot this image instead of the default one")
    p.add_argument("--add", action="append", default=[], metavar="FILE[:PATH]",
                   help="take a file along into the image (to /root)")
    p.add_argument("--disk", action="append", default=[], metavar="IMAGE",
                   help="a raw disk image; may be given again")
    p.add_argument("--kernel", metavar="FILE",
                   help="boot another kernel; 'linux' is Debian's")
    p.add_argument("--icount", action="store_true",
                   help="count instructions as time: runs repeat")
    p.add_argument("--gdb", action="store_true",
                   help="wait for a debugger before the first instruction")
    p.add_argument("--debug", action="store_true",
                   default=bool(os.environ.get("QUIRE_DEBUG")),
                   help="use the debug build (also: QUIRE_DEBUG=1)")
    p.add_argument("--timeout", type=float, metavar="SECONDS",
                   help="end the machine after so long, with status 124")
    p.add_argument("-v", "--verbose", action="store_true",
                   help="show QEMU's command line and the kernel's log")
    p.add_argument("command", nargs="*", metavar="COMMAND ARG",
                   help="after --: run this instead of a shell")
    own, command = argv, None
    if "--" in argv:
        at = argv.index("--")
        own, command = argv[:at], argv[at + 1:]
    args = p.parse_args(own)
    if args.command:
        p.error(f"put -- before the command: -- {shell_form(args.command)}")
    args.command = command
    if command == []:
        p.error("no command after --")
    return args


# --- building ---------------------------------------------------------------

def build_dir(debug):
    build = Path(os.environ.get("BUILD") or image.ROOT / "build")
    return build / "debug" if debug else build


def make(goals, debug):
    """Build; on a terminal make's words come and go in one line."""
    cmd = ["make", "-s", "-C", str(image.ROOT), f"-j{os.cpu_count() or 1}"]
    if debug:
        cmd.append("DEBUG=1")
    if os.environ.get("BUILD"):
        cmd.append(f"BUILD={build_dir(debug)}")
    proc = subprocess.Popen(cmd + goals, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, text=True)
    lines = 0
    for lines, line in enumerate(proc.stdout, 1):
        if sys.stderr.isatty():
            print(f"\r\033[Kquire: building: {line.strip()[:60]}", end="",
                  file=sys.stderr, flush=True)
    if lines and sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    if proc.wait():
        raise Trouble("the build failed")


def choose_kernel(args):
    """Build what this run needs; returns (kernel, build folder)."""
    build = build_dir(args.debug)
    if args.kernel is None:
        make(["all", "user"], args.debug)
        return build / "kernel.elf", build
    make(["user"], args.debug)
    kernel = LINUX if args.kernel == "linux" else Path(args.kernel)
    if not kernel.is_file():
        raise Trouble(f"{kernel}: no such kernel")
    return kernel, build


# --- the image --------------------------------------------------------------

def runs_on_guest(path):
    with open(path, "rb") as f:
        head = f.read(20)
    if head.startswith(b"#!"):
        return True
    return (head[:5] == b"\x7fELF\x02" and len(head) == 20 and
            struct.unpack_from("<H", head, 18)[0] == EM_RISCV)


def guest_path(host):
    """Where a host file goes: a plain relative path under root's home, so
    that the command line means the same there; anything else by its name."""
    path = os.path.normpath(host)
    if os.path.isabs(path) or path.startswith(".."):
        path = os.path.basename(path)
    return os.path.join(GUEST_HOME, path)


def add_host_file(archive, host, guest):
    if guest in archive:
        raise Trouble(f"{guest} is in the image already")
    mode = 0o755 if os.access(host, os.X_OK) else 0o644
    archive.add_file(guest, Path(host).read_bytes(), mode)


def take_command(archive, command):
    """If the command is a file of the host, take it along. Returns the
    command as the guest shall run it."""
    host = command[0]
    if "/" not in host or (os.path.isabs(host) and host in archive) \
            or not os.path.isfile(host):
        return command
    if not runs_on_guest(host):
        raise Trouble(f"{host} is neither a riscv64 program nor a script")
    guest = guest_path(host)
    if guest not in archive:
        archive.add_file(guest, Path(host).read_bytes(), 0o755)
    return [guest] + command[1:]


def terminal_size():
    """(rows, columns) of the terminal we are on, or None."""
    for fd in (0, 1, 2):
        try:
            raw = fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))
        except OSError:
            continue
        rows, cols, _, _ = struct.unpack("4H", raw)
        if rows and cols:
            return rows, cols
    return None


def stdin_kind():
    """How the guest's command gets our standard input."""
    if os.isatty(0):
        return "tty"
    try:
        here, null = os.fstat(0), os.stat("/dev/null")
    except OSError:
        return "null"
    return "null" if here.st_rdev == null.st_rdev else "relay"


def make_initrd(args, build, word, stdin, output):
    """The initrd's bytes. An image of the user's own goes untouched, unless
    there is a command to bring in: then our init and it are appended."""
    if args.initrd and args.command is None and not args.add:
        return args.initrd.read_bytes()
    if args.initrd:
        archive = cpio.Archive()
        image.add_init(archive, build)
    else:
        archive = image.base(build)
    words = [("nonce", word), ("stdin", stdin), ("output", output)]
    if size := terminal_size():
        words += [("rows", size[0]), ("cols", size[1])]
    if term := os.environ.get("TERM"):
        words.append(("env", f"TERM={term}"))
    for item in args.add:
        host, _, guest = item.partition(":")
        add_host_file(archive, host, guest or guest_path(host))
    if args.command is not None:
        words += [("arg", a) for a in take_command(archive, args.command)]
    archive.add_file(image.SETTINGS, image.settings(words))
    if not args.initrd:
        return archive.finish()
    given = args.initrd.read_bytes()
    return given + bytes(-len(given) % 4) + archive.finish()


# --- the terminal -----------------------------------------------------------

class Relay:
    """Moves bytes between us and QEMU until it ends or time is up.

    Where we are the guest's terminal, its line discipline does all there is
    to do, so ours must do nothing; QEMU leaves output processing on, and it
    is turned off with the first byte of the guest's.
    """

    def __init__(self, qemu, console, verbose, deadline, raw_terminal):
        self.qemu, self.console = qemu, console
        self.verbose, self.deadline = verbose, deadline
        self.raw_terminal = raw_terminal
        self.shown = 0                  # bytes of console.before on stderr

    def run(self):
        """Returns False if time ran out."""
        out = self.qemu.stdout.fileno()
        while self.console.status is None:
            fds = [out]
            if self.console.wants_input:
                fds.append(0)
            left = None
            if self.deadline is not None:
                left = self.deadline - time.monotonic()
                if left <= 0:
                    return False
            ready, _, _ = select.select(fds, [], [], left)
            if 0 in ready and self.console.wants_input:
                self.console.wants_input = False
                self.send(answer(os.read(0, PIECE)))
            if out in ready:
                data = os.read(out, 65536)
                if not data:
                    self.write(self.console.finish())
                    self.qemu.wait(10)  # its status tells of a panic
                    return True
                self.write(self.console.feed(data))
        return self.wait_for_end()

    def wait_for_end(self):
        """The job has ended: the machine is about to. What it prints while
        going down still has to be read, or it would wait for us."""
        limit = time.monotonic() + 10
        while time.monotonic() < limit:
            ready, _, _ = select.select([self.qemu.stdout], [], [], 1)
            if ready and not os.read(self.qemu.stdout.fileno(), 65536):
                break
        return True

    def send(self, data):
        try:
            self.qemu.stdin.write(data)
            self.qemu.stdin.flush()
        except BrokenPipeError:
            pass

    def write(self, data):
        if self.verbose and len(self.console.before) > self.shown:
            sys.stderr.buffer.write(self.console.before[self.shown:])
            sys.stderr.buffer.flush()
            self.shown = len(self.console.before)
        if data and self.raw_terminal:
            tty.setraw(0, termios.TCSANOW)
            self.raw_terminal = False
        if data:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()


class SavedTerminal:
    """QEMU makes the terminal raw; put it back however QEMU ended."""

    def __enter__(self):
        self.mode = termios.tcgetattr(0) if os.isatty(0) else None

    def __exit__(self, *_):
        if self.mode is not None:
            termios.tcsetattr(0, termios.TCSANOW, self.mode)


# --- all of it --------------------------------------------------------------

def append_line(args):
    words = [] if args.verbose else ["quiet"]
    if args.kernel is not None:
        words.append("panic=-1")        # Linux would hang; Quire never does
    return " ".join(words + args.append.split())


def show_boot(relay):
    """Show what the console said if the machine never got as far as init."""
    if not relay.console.began and not relay.verbose:
        sys.stderr.buffer.write(relay.console.before)
        sys.stderr.flush()


def conclude(args, relay, qemu):
    """The status to exit with when the machine has ended by itself."""
    console = relay.console
    if console.status is not None:
        return console.status
    panicked = qemu.returncode != 0 or any(
        b"Kernel panic" in text for text in (console.before, console.tail))
    if console.began and not panicked:
        return 0                        # the job ended the machine: poweroff
    show_boot(relay)
    say(f"the machine ended (QEMU's status {qemu.returncode}) before "
        + ("the command" if args.command else "the shell") + " did")
    return 125


def boot(args, kernel, build):
    """Boot and stay until the machine ends; returns our exit status."""
    ours = not args.initrd or args.command is not None or bool(args.add)
    stdin = stdin_kind()
    on_tty = stdin == "tty"
    output = "tty" if on_tty and os.isatty(1) else "raw"
    if args.command is None and ours and not on_tty:
        args.command = ["sh"]           # a script on our standard input
    word = nonce(args.icount)
    machine = Machine(kernel, args.smp, args.mem, args.disk, args.icount,
                      free_port(1234) if args.gdb else 0, escape=on_tty,
                      cpu=args.cpu)
    append = append_line(args)
    deadline = time.monotonic() + args.timeout if args.timeout else None
    console = Console(word)
    console.began = not ours            # a stranger's init makes no marks

    with tempfile.NamedTemporaryFile(suffix=".cpio") as initrd, SavedTerminal():
        initrd.write(make_initrd(args, build, word, stdin, output))
        initrd.flush()
        if args.verbose:
            say(shell_form(machine.command(initrd.name, append)))
        if args.gdb:
            print(f"gdb-multiarch {os.path.relpath(kernel)} "
                  f"-ex 'target remote :{machine.gdb_port}'",
                  file=sys.stderr, flush=True)
        elif on_tty and args.command is None:
            say("exit or ctrl-d powers off; ctrl-] x ends the machine at once")
        qemu = machine.start(initrd.name, append, stdout=subprocess.PIPE,
                             stdin=subprocess.PIPE if ours and not on_tty else None)
        try:
            relay = Relay(qemu, console, args.verbose, deadline,
                          raw_terminal=output == "tty")
            in_time = relay.run()
        finally:
            stop(qemu)
    if not in_time:
        show_boot(relay)
        say(f"not done after {args.timeout:g} seconds")
        return 124
    return conclude(args, relay, qemu)


def main(argv):
    args = parse(argv)
    for name in args.disk + ([args.initrd] if args.initrd else []):
        if not Path(name).is_file():
            raise Trouble(f"{name}: no such file")
    if not shutil.which("qemu-system-riscv64"):
        raise Trouble("qemu-system-riscv64 is missing; ./quire setup brings it")
    kernel, build = choose_kernel(args)
    return boot(args, kernel, build)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except Trouble as trouble:
        say(trouble)
        sys.exit(2)
    except OSError as error:
        say(error)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
