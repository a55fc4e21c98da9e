"""The default image: unmodified busybox, its commands' names, our init.

build() gives an initrd's bytes. Everything in it is either Debian's, built
from user/, or written out below; nothing needs root.
"""
from pathlib import Path

import cpio

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
SETTINGS = "etc/quire.run"          # what user/init.c reads

TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
                  "nobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "etc/hostname": "quire\n",
    "etc/hosts": "127.0.0.1 localhost quire\n",
    "etc/shells": "/bin/sh\n",
    "etc/profile": "PS1='\\w \\$ '\nexport PS1\nalias ll='ls -l'\n",
}


def applets(busybox):
    """The names in busybox's own table: sorted, NUL-terminated, one after
    another, from "[" up to an empty one."""
    start = busybox.find(b"[\0[[\0")
    end = busybox.find(b"\0\0", start)
    if start < 0 or end < 0:
        raise ValueError("this busybox has no table of applets")
    return [n.decode() for n in busybox[start:end].split(b"\0")]


def base(build):
    """The default image as an open archive; build is the build folder."""
    busybox = (CACHE / "busybox").read_bytes()
    archive = cpio.Archive()
    archive.add_dir("bin")
    for link in ("sbin", "usr/bin", "usr/sbin"):
        archive.add_symlink(link, "../bin" if "/" in link else "bin")
    archive.add_file("bin/busybox", busybox, 0o755)
    for name in applets(busybox):
        if name != "busybox":
            archive.add_symlink(f"bin/{name}", "busybox")
    for name, text in TEXTS.items():
        archive.add_file(name, text.encode())
    for name, mode in (("dev", 0o755), ("proc", 0o555), ("sys", 0o555),
                       ("root", 0o700), ("run", 0o755), ("mnt", 0o755),
                       ("tmp", 0o1777), ("var/tmp", 0o1777), ("var/log", 0o755)):
        archive.add_dir(name, mode)
    archive.add_symlink("etc/mtab", "/proc/mounts")
    archive.add_file("README", (ROOT / "README.md").read_bytes())
    archive.add_device("dev/console", 0o600, 5, 1)
    archive.add_device("dev/null", 0o666, 1, 3)
    add_init(archive, build)
    return archive


def add_init(archive, build):
    archive.add_file("init", (Path(build) / "user/init").read_bytes(), 0o755)


def settings(words):
    """SETTINGS' contents from (name, value) pairs; values may be bytes."""
    out = b""
    for name, value in words:
        raw = value if isinstance(value, bytes) else str(value).encode(
            errors="surrogateescape")
        if b"\0" in raw:
            raise ValueError("a NUL cannot be passed to the guest")
        out += name.encode() + b"=" + raw + b"\0"
    return out
