"""The benchmark's picture: a bar for each kernel in each row, on one
logarithmic scale, with the ratio to the first kernel at the right.

svg(names, rows, icount) returns the SVG's text; rows are (name, what, values)
in nanoseconds, or in instructions with icount.
"""
import math
from html import escape

COLOURS = ["#8a8f98", "#2166ac", "#b2610f"]
LEFT, RIGHT, WIDTH = 250, 90, 1000
TOP, BOTTOM, BAR, GAP = 78, 34, 9, 8
STYLE = """text { font: 12px system-ui, sans-serif; fill: #222; }
.title { font-size: 17px; font-weight: 600; }
.faint { fill: #666; }
.ratio { font-weight: 600; text-anchor: end; }
.slow { fill: #b00020; }
.name { text-anchor: end; }
.grid { stroke: #ddd; }"""


def label(decade, icount):
    """The name of a power of ten on the scale."""
    if icount:
        return f"10^{decade}" if decade > 5 else f"{10 ** decade:,}"
    unit = ["ns", "µs", "ms", "s"][min(decade // 3, 3)]
    return f"{10 ** (decade - 3 * min(decade // 3, 3))} {unit}"


def text(x, y, words, kind=""):
    mark = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{mark}>{escape(words)}</text>'


def rect(x, y, width, height, colour, words):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{height}" fill="{colour}"><title>{escape(words)}'
            f'</title></rect>')


def svg(names, rows, icount):
    values = [v for _, _, vs in rows for v in vs]
    low = math.floor(math.log10(min(values)))
    high = max(math.ceil(math.log10(max(values))), low + 1)
    step = len(names) * BAR + GAP
    bottom = TOP + len(rows) * step
    scale = (WIDTH - LEFT - RIGHT) / (high - low)

    def place(value):
        return LEFT + (math.log10(value) - low) * scale

    what = "instructions" if icount else "time"
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" '
             f'viewBox="0 0 {WIDTH} {bottom + BOTTOM}" '
             f'width="{WIDTH}" height="{bottom + BOTTOM}">',
             f"<style>{STYLE}</style>",
             '<rect width="100%" height="100%" fill="#fff"/>',
             text(20, 28, " and ".join(names) + f": {what} an operation",
                  "title"),
             text(20, 48, "logarithmic scale, shorter is better; at the right "
                  f"how many times faster than {names[0]}", "faint")]
    for i, name in enumerate(names):
        x = WIDTH - RIGHT - 90 * (len(names) - i)
        parts += [rect(x, 18, 12, 12, COLOURS[i % 3], name),
                  text(x + 17, 29, name)]
    for decade in range(low, high + 1):
        x = place(10 ** decade)
        parts += [f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" '
                  f'y2="{bottom}"/>',
                  text(x - 12, bottom + 18, label(decade, icount), "faint")]
    for n, (name, about, vs) in enumerate(rows):
        y = TOP + n * step
        parts.append(text(LEFT - 8, y + len(vs) * BAR / 2 + 4, about, "name"))
        for i, v in enumerate(vs):
            parts.append(rect(LEFT, y + i * BAR, place(v) - LEFT, BAR - 1,
                              COLOURS[i % 3], f"{names[i]}, {name}: {v:,.0f}"))
        if len(vs) > 1:
            ratio = vs[0] / vs[1]
            parts.append(text(WIDTH - 20, y + len(vs) * BAR / 2 + 4,
                              f"{ratio:.1f}×" if ratio < 100
                              else f"{ratio:.0f}×",
                              "ratio" + (" slow" if ratio < 1 else "")))
    return "\n".join(parts + ["</svg>"]) + "\n"
