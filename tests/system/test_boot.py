"""Boot: every number of harts and size of memory, init's rule, the log, and
how machines end."""
import gzip
import re
import subprocess

import pytest

import cpio
import harness
import image

MIB = {"32M": 32, "64M": 64, "1G": 1024, "8G": 8192}


@pytest.mark.parametrize("mem", MIB)
def test_harts_and_memory(kernel, run, smp, mem):
    if kernel.is_linux and MIB[mem] < 128:
        pytest.skip("Linux needs more")
    result = run("sh", "-c", "nproc; awk '/MemTotal/ {print $2}' /proc/meminfo",
                 smp=smp, mem=mem)
    assert result.status == 0, result.messages
    harts, kib = map(int, result.lines)
    assert harts == smp
    least = 0.6 if MIB[mem] == 32 else 0.8
    assert least * MIB[mem] <= kib / 1024 <= MIB[mem]


def test_shell_in_32_mib(kernel, run):
    if kernel.is_linux:
        pytest.skip("Linux needs more")
    result = run("sh", "-c", "seq 1000 | sort -r | tail -n 1; ls / | wc -l",
                 mem="32M")
    assert result.status == 0 and result.lines[0] == "1"


@pytest.mark.quire_only
def test_runs_on_after_days(run):
    """Deadlines are exact however long the machine has been up. Idle time costs nothing here."""
    result = run("sh", "-c", "sleep 864000; seq 1000 | sort -r | tail -n 1; cat /proc/uptime",
                 smp=1, options=["--icount"], timeout=100)
    assert result.status == 0, result.messages
    assert result.lines[0] == "1" and float(result.lines[1].split()[0]) >= 864000


@pytest.mark.parametrize("command, status", [
    ("poweroff -f", 0), ("poweroff", 0), ("reboot -f", 0), ("reboot", 0),
    ("halt -f & sleep 100", 0),
])
def test_ends(run, kernel, command, status):
    if "halt" in command and kernel.is_linux:
        pytest.skip("Linux stays halted")
    result = run("sh", "-c", command + "; sleep 30", timeout=25)
    assert result.status == status, result.messages


def test_panic_has_a_failing_status(run):
    result = run("sh", "-c", "echo before; echo c >/proc/sysrq-trigger; echo after")
    assert result.status == 125
    assert result.text.startswith("before\n") and "after\n" not in result.text
    assert "panic" in result.text.lower()


def test_init_killed_is_a_panic(run, kernel):
    archive = tiny_image({"init": "#!/bin/sh\nexit 3\n"})
    result = boot_image(kernel, archive.finish(), "linux-or-quire.cpio")
    assert result.status == 125
    assert "panic" in (result.text + result.messages).lower()


# --- init's rule ------------------------------------------------------------

def tiny_image(scripts):
    """busybox and some scripts; no init of ours."""
    archive = cpio.Archive()
    archive.add_file("bin/busybox", (image.CACHE / "busybox").read_bytes(), 0o755)
    for name in ("sh", "echo", "poweroff", "cat"):
        archive.add_symlink(f"bin/{name}", "busybox")
    archive.add_device("dev/console", 0o600, 5, 1)
    for name, text in scripts.items():
        archive.add_file(name, text.encode(), 0o755)
    return archive


def boot_image(kernel, data, name, append=""):
    path = harness.BUILD / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return harness.run(kernel, options=["--initrd", path], append=append,
                       timeout=30)


SAYS = "#!/bin/sh\necho \"init is $0 with <$*>\"\npoweroff -f\n"


@pytest.mark.parametrize("scripts, append, said", [
    (["init", "sbin/init"], "", "init is /init with <>"),
    (["init"], "-- one two", "init is /init with <one two>"),
])
def test_init_of_an_initrd(kernel, scripts, append, said):
    archive = tiny_image({name: SAYS for name in scripts})
    assert said in boot_image(kernel, archive.finish(), "init.cpio", append).text


@pytest.mark.quire_only
@pytest.mark.parametrize("scripts, append, said", [
    (["init", "my/own"], "init=/my/own", "init is /my/own with <>"),
    (["init", "my/own"], "init=/my/own -- a b", "init is /my/own with <a b>"),
    (["sbin/init", "etc/init"], "", "init is /sbin/init with <>"),
    (["etc/init", "bin/init"], "", "init is /etc/init with <>"),
    (["bin/init"], "", "init is /bin/init with <>"),
])
def test_init_elsewhere(kernel, scripts, append, said):
    archive = tiny_image({name: SAYS for name in scripts})
    assert said in boot_image(kernel, archive.finish(), "init.cpio", append).text


@pytest.mark.quire_only
def test_no_init_is_a_panic(kernel):
    archive = cpio.Archive()
    archive.add_dir("empty")
    result = boot_image(kernel, archive.finish(), "empty.cpio")
    assert result.status == 125 and "init" in result.text + result.messages


def test_compressed_initrd(kernel):
    archive = tiny_image({"init": SAYS})
    data = gzip.compress(archive.finish(), mtime=0)
    assert "init is /init" in boot_image(kernel, data, "init.cpio.gz").text


def test_two_archives_in_a_row(kernel):
    first = tiny_image({"init": "#!/bin/sh\necho the first\npoweroff -f\n"})
    second = cpio.Archive()
    second.add_file("init", SAYS.encode(), 0o755)
    data = first.finish() + bytes(512) + second.finish()
    assert "init is /init" in boot_image(kernel, data, "two.cpio").text


def test_damaged_initrd_is_no_disaster(kernel):
    """Half an archive: the kernel says so and goes on as far as it can."""
    data = tiny_image({"init": SAYS}).finish()
    result = boot_image(kernel, data[:len(data) // 2], "half.cpio")
    assert result.status == 125


# --- the log ----------------------------------------------------------------

def test_quiet_unless_asked(kernel):
    quiet = harness.run(kernel, "dmesg", "-s", "65536")
    assert quiet.status == 0 and len(quiet.lines) >= 2
    line = harness.run_line(kernel, "-v", "--timeout", 60)
    loud = subprocess.run(line + ["--", "true"], capture_output=True, timeout=90,
                          stdin=subprocess.DEVNULL)
    assert loud.returncode == 0
    shown = loud.stderr.decode(errors="replace")
    assert "qemu-system-riscv64" in shown
    said = quiet.lines[0].split("] ", 1)[-1]
    assert said.strip() in shown


def test_command_line_is_seen(run):
    result = run("cat", "/proc/cmdline", append="some.word=1 other")
    assert "some.word=1 other" in result.text


@pytest.mark.quire_only
def test_page_table_of_the_first_process(kernel):
    """vmprint=/init: the tree, each line where the one above says it is."""
    archive = tiny_image({"init": SAYS})
    said = boot_image(kernel, archive.finish(), "vmprint.cpio", "vmprint=/init").text
    table = re.search(r"page table 0x[0-9a-f]{16}\r?\n(.*?)init is", said, re.S)
    assert table
    parent, leaves = [0], []
    for line in table[1].splitlines():
        entry = re.fullmatch(r"(?:\[[ .0-9]*\])? ((?: \.\.)+)(\d+): pte 0x([0-9a-f]{16}) "
                             r"pa 0x([0-9a-f]{16})", line.rstrip())
        if not entry:
            continue
        depth, pte, pa = len(entry[1]) // 3, int(entry[3], 16), int(entry[4], 16)
        assert depth <= len(parent) <= 3 and int(entry[2]) < 512
        assert pa == (pte >> 10 & (1 << 44) - 1) << 12
        del parent[depth:]
        if depth < 3:
            assert pte & 0xf == 1
            parent.append(pa)
        else:
            assert pte & 0x10
            leaves.append(int(entry[2]))
    assert len(leaves) > 1
