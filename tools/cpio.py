"""Write newc cpio archives, the form both kernels take as initrd.

No file is made on the host, so device nodes and owners need no root. The
same calls give the same bytes: times, inode numbers and order are fixed.

A typical use is

    archive = Archive()
    archive.add_file("bin/busybox", data, 0o755)
    archive.add_symlink("bin/sh", "busybox")
    Path("x.cpio").write_bytes(archive.finish())
"""
import os
import stat

EPOCH = 1735689600          # 2025-01-01: when every file of an image was made


def _padded(data):
    return data + bytes(-len(data) % 4)


class Archive:
    """Members are added in order; folders above a member come by themselves."""

    def __init__(self):
        self._parts = []
        self._names = set()

    def __contains__(self, name):
        return _clean(name) in self._names

    def add_dir(self, name, mode=0o755):
        self._add(name, stat.S_IFDIR | mode, b"")

    def add_file(self, name, data, mode=0o644):
        self._add(name, stat.S_IFREG | mode, data)

    def add_symlink(self, name, target):
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def add_device(self, name, mode, major, minor):
        self._add(name, stat.S_IFCHR | mode, b"", major, minor)

    def finish(self):
        """The archive's bytes, trailer included."""
        return b"".join(self._parts) + self._member("TRAILER!!!", 0, b"", 0, 0, 0)

    def _add(self, name, mode, data, major=0, minor=0):
        name = _clean(name)
        if name in self._names:
            raise ValueError(f"{name} is in the archive already")
        parent = os.path.dirname(name)
        if parent and parent not in self._names:
            self.add_dir(parent)
        self._names.add(name)
        ino = len(self._names)
        self._parts.append(self._member(name, mode, data, major, minor, ino))

    @staticmethod
    def _member(name, mode, data, major, minor, ino):
        raw = os.fsencode(name) + b"\0"
        nlink = 2 if stat.S_ISDIR(mode) else 1
        fields = (ino, mode, 0, 0, nlink, EPOCH if mode else 0, len(data),
                  0, 0, major, minor, len(raw), 0)
        header = b"070701" + b"".join(b"%08X" % f for f in fields)
        return _padded(header + raw) + _padded(data)


def _clean(name):
    return os.path.normpath(str(name)).lstrip("/")
