#!/usr/bin/python3
"""Draw docs/quire.svg: a shell session on Quire, typed here and now.

Everything in the picture is what the machine printed; run this again when
that has changed.
"""
import html
import re
import sys

import pexpect

import image

COMMANDS = (
    "uname -srm; nproc; uptime",
    "seq 1 100000 | awk '{s += $1} END {print s}'",
    "sleep 100 & jobs; kill %1; wait",
    "ps | tail -n 4",
    "cat /proc/frames",
    "exit",
)
COLS, ROWS = 80, 40
CHAR_WIDTH, LINE_HEIGHT, MARGIN = 8.43, 18, 16


def session():
    """What the terminal showed, as lines."""
    shell = pexpect.spawn(str(image.ROOT / "quire"), ["run"], encoding="utf-8",
                          dimensions=(ROWS, COLS), timeout=30)
    shell.delaybeforesend = None
    shown = "$ ./quire run\n"
    for command in COMMANDS:
        shell.expect_exact("# \x1b[6n")
        shown += shell.before + "# "
        shell.send(command + "\r")
    shell.expect(pexpect.EOF)
    shown += shell.before
    shell.close()
    if shell.exitstatus:
        sys.exit(f"the session ended with status {shell.exitstatus}:\n{shown}")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    # a carriage return takes back what stood before it in the line
    lines = [line.rstrip("\r").split("\r")[-1].rstrip()
             for line in shown.split("\n")]
    return [line for line in lines if line]


def draw(lines):
    width = MARGIN * 2 + CHAR_WIDTH * max(map(len, lines))
    height = MARGIN * 2 + LINE_HEIGHT * len(lines)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
           f'height="{height}" font-family="monospace" font-size="14">',
           '<rect width="100%" height="100%" rx="8" fill="#1d1f21"/>']
    for i, line in enumerate(lines):
        typed = line.startswith(("~ #", "$ "))
        y = MARGIN + LINE_HEIGHT * i + 13
        out.append(f'<text x="{MARGIN}" y="{y}" xml:space="preserve" '
                   f'textLength="{CHAR_WIDTH * len(line):.1f}" '
                   f'fill="{"#b5e8b0" if typed else "#d8dee9"}">'
                   f'{html.escape(line)}</text>')
    return "\n".join(out + ["</svg>", ""])


if __name__ == "__main__":
    (image.ROOT / "docs/quire.svg").write_text(draw(session()))
