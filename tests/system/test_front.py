"""The front command: words, statuses, what goes in and comes out."""
import os
import signal
import subprocess
import time

import pexpect
import pytest

import harness
from harness import ROOT


def quire(*words, **how):
    return subprocess.run([ROOT / "quire", *words], capture_output=True,
                          text=True, timeout=300, **how)


# --- its own words ----------------------------------------------------------

def test_help():
    for words in ([], ["nonsense"]):
        done = quire(*words)
        assert done.returncode == 2 and "usage: ./quire" in done.stderr
    done = quire("help")
    assert done.returncode == 0 and "usage: ./quire" in done.stdout


def test_setup_is_silent_when_nothing_is_missing():
    start = time.monotonic()
    done = quire("setup")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - start < 2


def test_setup_names_what_is_missing_without_root(tmp_path):
    """No root, no sudo, and a package that is not there."""
    if os.getuid() != 0:
        pytest.skip("needs root to stop being root")
    front = (ROOT / "quire").read_text()
    copy = tmp_path / "quire"
    copy.write_text(front.replace('packages="gcc', 'packages="no-such-package gcc'))
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
         "env", "PATH=/usr/bin:/bin", "sh", copy, "setup"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "no-such-package" in done.stderr


@pytest.mark.parametrize("words", [
    ["run", "--no-such-option"], ["run", "ls"], ["run", "--"],
    ["run", "--kernel", "/nonexistent"], ["run", "--disk", "/nonexistent"],
    ["run", "--initrd", "/nonexistent"], ["run", "--smp", "many"],
])
def test_wrong_words(words):
    done = quire(*words, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and done.stderr and not done.stdout


@pytest.mark.quire_only
def test_the_whole_way():
    done = quire("run", "--", "sh", "-c", "echo one; exit 7",
                 stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (7, "one\n")


# --- statuses ---------------------------------------------------------------

@pytest.mark.parametrize("script, status, output", [
    ("echo one; exit 7", 7, b"one\n"),
    ("exit 255", 255, b""),
    ("kill -TERM $$", 143, b""),
    ("kill -KILL $$", 137, b""),
    ("kill -SEGV $$", 139, b""),
])
def test_status(run, script, status, output):
    result = run("sh", "-c", script)
    assert (result.status, result.output) == (status, output)


def test_no_such_command(run):
    result = run("no-such-command")
    assert result.status == 127 and "no-such-command" in result.text


def test_not_executable(run):
    assert run("/etc/passwd").status == 126


def test_timeout(run, kernel):
    limit = 30 if kernel.is_linux else 10
    start = time.monotonic()
    result = run("sh", "-c", "echo early; sleep 100", timeout=limit)
    assert result.status == 124 and result.output == b"early\n"
    assert time.monotonic() - start < limit + 5


def test_a_signal_to_us_ends_the_machine(kernel):
    line = harness.run_line(kernel)
    proc = subprocess.Popen(line + ["--", "sh", "-c", "echo up; sleep 100"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert proc.stdout.readline() == b"up\n"
    proc.send_signal(signal.SIGTERM)
    assert proc.wait(10) == 143


# --- what goes in and comes out ---------------------------------------------

def test_arguments_arrive_untouched(run):
    words = ["a b", "", "*", "$HOME", "new\nline", "ünïcode", "-x", "'\"\\"]
    result = run("printf", "%s|", *words)
    assert result.output == ("|".join(words) + "|").encode()


def test_output_is_exact(run):
    result = run("sh", "-c", r"printf 'a\nb\r\nc\t\001\020\0\377'; echo err >&2")
    assert result.output == b"a\nb\r\nc\t\x01\x10\0\xffterr\n".replace(b"t", b"")


def test_much_output(run):
    result = run("sh", "-c", "seq 1 40000")
    assert result.lines == [str(n) for n in range(1, 40001)]


def test_standard_input(run):
    data = os.urandom(50000)
    result = run("sh", "-c", "wc -c; echo $?", stdin=data)
    assert result.lines == ["50000", "0"]
    result = run("cat", stdin=data)
    assert result.output == data


def test_standard_input_is_a_script(run):
    result = run(stdin=b"echo from a script\nexit 5\n")
    assert (result.status, result.output) == (5, b"from a script\n")


def test_standard_input_unread(run):
    assert run("echo", "done", stdin=b"x" * 100000).output == b"done\n"


def test_no_standard_input(run):
    result = run("sh", "-c", "cat; echo [$?]")
    assert result.output == b"[0]\n"


def test_carried_script(run, tmp_path):
    script = tmp_path / "carried"
    script.write_text("#!/bin/sh\necho carried $1\nexit 3\n")
    script.chmod(0o755)
    result = run(script, "along")
    assert (result.status, result.output) == (3, b"carried along\n")


def test_carried_program(run, tmp_path):
    source = tmp_path / "a.c"
    source.write_text('#include <stdio.h>\n'
                      'int main(int c, char **v) { puts(v[1]); return 9; }\n')
    program = tmp_path / "a.out"
    subprocess.run(["riscv64-linux-gnu-gcc", "-static", "-o", program, source],
                   check=True)
    result = run(program, "hello")
    assert (result.status, result.output) == (9, b"hello\n")


def test_program_for_another_machine(run):
    result = run("./" + os.path.relpath("/usr/bin/env"))
    assert result.status == 2 and "riscv64" in result.messages


def test_added_file(run, tmp_path):
    (tmp_path / "data").write_bytes(b"\0\1\2")
    result = run("md5sum", "/somewhere/else",
                 options=["--add", f"{tmp_path}/data:/somewhere/else"])
    assert result.text.startswith("b95f67f61ebb03619622d798f45fc2d3")


def test_disk(run, tmp_path):
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    result = run("true", options=["--disk", tmp_path / "disk"])
    assert result.status == 0, result.messages


def test_counted_instructions_repeat(run):
    first, second = (run("sh", "-c", "seq 100 | sort | md5sum; cat /proc/uptime",
                         smp=1, options=["--icount"], timeout=120)
                     for _ in range(2))
    assert first.status == 0
    assert first.output == second.output


# --- the debugger -----------------------------------------------------------

@pytest.mark.quire_only
def test_gdb_line_works(kernel):
    line = harness.run_line(kernel, "--gdb", "--timeout", 60)
    machine = pexpect.spawn(line[0], line[1:] + ["--", "true"], timeout=30,
                            encoding="utf-8")
    machine.expect("gdb-multiarch [^\r\n]*")
    paste = machine.match.group(0)
    done = subprocess.run(
        f"{paste} -batch -ex 'break kernel_main' -ex continue -ex backtrace -ex detach",
        shell=True, capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL)
    assert "Breakpoint 1, kernel_main" in done.stdout, done.stdout + done.stderr
    machine.expect(pexpect.EOF)
    machine.close()
    assert machine.exitstatus == 0
