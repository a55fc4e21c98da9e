"""The terminal: a shell typed at by hand, and the line discipline under it."""
import re
import time

import pytest


@pytest.fixture
def sh(shell):
    return shell()


def test_a_shell(sh):
    assert sh.type("echo $((6 * 7))") == "42\n"
    assert sh.type("tty") in ("/dev/ttyS0\n", "/dev/console\n", "/dev/tty\n")
    assert sh.type("pwd; whoami") == "/root\nroot\n"
    sh.send("exit 5\r")
    assert sh.end() == 5


def test_end_of_file_ends_the_shell(sh):
    sh.type("false")
    sh.send("\x04")
    assert sh.end() == 1


def test_window_size(shell):
    sh = shell(rows=33, cols=99)
    assert sh.type("stty size") == "33 99\n"


def test_modes(sh):
    shown = " ".join(sh.type("stty -a").split())
    for word in ("intr = ^C", "quit = ^\\", "erase = ^?", "kill = ^U", "eof = ^D",
                 "susp = ^Z", "werase = ^W", " icrnl", " onlcr", " isig",
                 " icanon", " echo", " echoe", " -tostop"):
        assert word in shown, word
    sh.type("stty tostop intr ^B")
    shown = sh.type("stty -a")
    assert " tostop" in shown and "intr = ^B" in shown


# --- line editing -----------------------------------------------------------

def test_editing_by_the_shell(sh):
    sh.send("echo wrong\x7f\x7f\x7f\x7f\x7fright\x1b[D\x1b[D\x1b[DX\r")
    sh.expect("\r\nriXght\r\n")
    sh.prompt()
    sh.send("\x1b[A\x01\x1b[C\x1b[C\x1b[C\x1b[C\x1b[Cagain\x05!\r")
    sh.expect("\r\nagainriXght!\r\n")
    sh.prompt()


@pytest.mark.parametrize("keys, line", [
    ("abc\r", "abc"),
    ("abd\x7fc\r", "abc"),
    ("\x7f\x7fab\r", "ab"),
    ("lost\x15kept\r", "kept"),
    ("one two\x17three\r", "one three"),
    ("one  two  \x17\x17x\r", "x"),
    ("\x16\x03literal\r", "\x03literal"),
    ("no newline\x04\x04", "no newline"),
], ids=["plain", "erase", "erase nothing", "kill", "word", "words", "literal", "eof"])
def test_editing_by_the_kernel(sh, keys, line):
    """cat reads in canonical mode; od shows what it got."""
    sh.start("cat | od -An -tx1 -v")
    sh.send(keys)
    if not keys.endswith("\x04"):
        sh.send("\x04")
    shown = sh.prompt()
    got = re.findall(r"(?<![0-9a-f])[0-9a-f]{2}(?![0-9a-f])", shown.split("\n")[-2])
    text = bytes(int(h, 16) for h in got).decode()
    assert text.rstrip("\n") == line


def test_echo(sh):
    sh.start("cat")
    sh.send("ab\x7f")
    sh.expect("ab\b \b")
    sh.send("\x02\r")
    sh.expect(r"\^B\r\n")
    sh.expect("a\x02\r\n")
    sh.send("\x04")
    sh.prompt()
    sh.start("stty -echo; read x; stty echo; echo \"<$x>\"")
    sh.send("secret\r")
    assert sh.prompt() == "<secret>\r\n"


def test_raw_mode(sh):
    sh.start("stty -icanon -echo min 3 time 0; "
             "dd bs=100 count=1 2>/dev/null | od -An -c; stty sane")
    sh.send("xy")
    sh.send("\x04")
    assert sh.prompt().split() == ["x", "y", "004"]


def test_raw_mode_with_a_time_limit(sh):
    sh.start("stty -icanon min 0 time 3; dd bs=1 count=1 2>/dev/null | wc -c; stty sane")
    assert sh.prompt().split()[-1] == "0"


def test_read_with_a_time_limit(sh):
    assert sh.type("read -t 1 x; echo $?") == "1\n"


# --- job control ------------------------------------------------------------

def test_interrupt(sh):
    sh.start("sleep 100")
    sh.send("\x03")
    sh.expect(r"\^C")
    sh.prompt()
    assert sh.type("echo $?") == "130\n"


def test_quit(sh):
    sh.type("ulimit -c 0")
    sh.start("sleep 100")
    sh.send("\x1c")
    sh.expect(r"\^\\")
    sh.prompt()
    assert sh.type("echo $?") == "131\n"


def test_interrupt_reaches_the_whole_pipeline(sh):
    sh.start("sleep 100 | sleep 100 | "
             "(trap 'echo trapped; exit 3' INT; sleep 100; sleep 100)")
    sh.send("\x03")
    sh.expect("trapped")
    sh.prompt()
    assert sh.type("pidof sleep; echo $?") == "1\n"


def test_interrupt_while_output_flows(sh):
    sh.send("yes\r")
    sh.expect("y\r\ny\r\ny\r\n")
    sh.send("\x03")
    sh.prompt()
    assert sh.type("echo $?") == "130\n"


def test_stop_and_continue(sh):
    sh.start("sleep 100")
    sh.send("\x1a")
    sh.expect(r"\^Z")
    assert "Stopped" in sh.prompt()
    assert "Stopped" in sh.type("jobs")
    sh.type("bg")
    assert "Running" in sh.type("jobs")
    sh.send("fg\r")
    sh.expect("sleep 100\r\n")
    sh.send("\x1a")
    assert "Stopped" in sh.prompt()
    sh.type("kill %1; kill -CONT %1")
    sh.type("wait")
    sh.type("jobs") # if the shell has not said yet that it ended, it says so here, once
    assert sh.type("jobs") == ""


def test_stop_and_fg_goes_on(sh):
    sh.start("sleep 1; echo slept")
    sh.send("\x1a")
    sh.expect("Stopped")
    sh.prompt()
    sh.send("fg; echo resumed $?\r")
    sh.expect("resumed 0\r\n")
    sh.prompt()


def test_background_read_is_stopped(sh):
    said = sh.type("cat &")  # it may stop before the prompt, or behind it
    assert "Stopped (tty input)" in said + sh.type("sleep 1; true")
    sh.send("fg\r")
    sh.expect("fg\r\ncat\r\n")
    sh.send("now it reads\r")
    sh.expect("now it reads\r\nnow it reads\r\n")
    sh.send("\x04")
    sh.prompt()


def test_background_write_goes_through_unless_tostop(sh):
    sh.send("(sleep 0.2; echo from behind) & wait\r")
    sh.expect("from behind\r\n")
    sh.prompt()
    sh.type("stty tostop")
    said = sh.type("(sleep 0.2; exec /bin/busybox echo from behind) &")
    assert "Stopped (tty output)" in said + sh.type("sleep 1; true")
    sh.type("stty -tostop")
    sh.send("fg\r")
    sh.expect("from behind\r\n")
    sh.prompt()


def test_output_stops_and_starts(sh):
    sh.send("\x13")
    sh.send("echo shown\r")
    with pytest.raises(Exception):
        sh.p.expect("shown", timeout=1)
    sh.send("\x11")
    sh.expect("shown")
    sh.prompt()


def test_hang_up_of_a_session(sh):
    """A background job survives its shell's end only by asking for it."""
    sh.type("setsid sh -c 'sleep 0.3; echo alive >/tmp/alive' &")
    sh.type("sleep 1")
    assert sh.type("cat /tmp/alive") == "alive\n"


def test_type_ahead(sh):
    sh.start("sleep 1")
    sh.send("echo ahead of time\r")
    sh.expect("\r\nahead of time\r\n")
    sh.prompt()


def test_a_long_line(sh):
    """Canonical lines end at 4095 characters; the rest is refused, not lost
    with the line."""
    sh.start("stty -echo; cat | wc -c; stty echo")
    for _ in range(50):
        sh.send("x" * 100)
    sh.send("\r\x04")
    assert sh.prompt().split() == ["4096"]


def test_vi(sh):
    sh.start("vi /tmp/text")
    sh.send("ihello\x1b")
    time.sleep(0.5)             # an escape is a key of its own only if alone
    sh.send(":wq\r")
    sh.prompt()
    assert sh.type("cat /tmp/text") == "hello\n"
