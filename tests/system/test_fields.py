"""Fields that only one file may name, because only its functions read or
change them by the rule that keeps them whole. See vfs/cred.h for the first
two: another thread's credentials are read in one way."""
import re

import harness

# field: files under kernel/ that may name it
FIELDS = {
    "cred_published": {"sched/thread.h", "vfs/cred.c"},
    "cred_acting": {"sched/thread.h", "vfs/cred.h", "vfs/cred.c"},
}

# What another thread reads of these, it reads by proc/share.h, or under proc->lock (procinfo.c,
# which prints the umask). The other files use the fields of the current thread, or of one that
# no other thread can see yet or any more.
THREADS_OWN = re.compile(r"\bthread(?:\.|->)(?:vm|files|fs)\b")
MAY_NAME = {"proc/share.c", "proc/procinfo.c", "proc/exec.c", "proc/exit.c", "proc/fork.c",
            "proc/futex.c", "proc/credentials.c", "proc/sigdeliver.c", "vm/vmspace.c"}

# Ways to take the const off a published struct cred: only where its count changes.
CASTS = re.compile(r"\(\s*struct cred \*\s*\)")


def sources():
    kernel = harness.ROOT / "kernel"
    for path in sorted(kernel.rglob("*.[ch]")):
        yield str(path.relative_to(kernel)), path.read_text()


def test_fields_are_named_where_their_rule_is():
    for name, text in sources():
        for field, allowed in FIELDS.items():
            if name not in allowed:
                assert not re.search(rf"\b{field}\b", text), \
                    f"{name} names {field}: use what vfs/cred.h offers"


def test_what_threads_share_is_reached_in_one_way():
    for name, text in sources():
        if name not in MAY_NAME:
            assert not THREADS_OWN.search(text.replace("current_thread()->", "")), \
                f"{name} reaches what a thread shares: use what proc/share.h offers"


def test_published_credentials_stay_constant():
    for name, text in sources():
        if name != "vfs/cred.c":
            assert not CASTS.search(text), f"{name} takes the const off a struct cred"
