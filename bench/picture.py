# SPDX-License-Identifier: MIT
"""A bar chart of ratios as SVG."""
from xml.sax.saxutils import escape

ROW, TOP, LABEL, UNIT, RIGHT, BOTTOM = 22, 64, 380, 420, 170, 34
MOST = 1.25  # of the scale; a longer bar is cut
FONT = "font-family='Helvetica, Arial, sans-serif'"
GOOD, MIDDLE, BAD = "#2e7d32", "#e09f1f", "#c62828"
INK, PALE = "#222222", "#cccccc"


def _text(x, y, text, size=13, anchor="start", colour=INK):
    return (f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' "
            f"text-anchor='{anchor}' fill='{colour}'>{escape(text)}</text>")


def _line(x1, y1, x2, y2, colour, width=1):
    return (f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' "
            f"stroke='{colour}' stroke-width='{width}'/>")


def _bar(at, bar):
    title, ratio, text, goal = bar
    y = TOP + at * ROW
    colour = GOOD if ratio <= goal else MIDDLE if ratio <= 1 else BAD
    end = LABEL + min(ratio, MOST) * UNIT
    mark = LABEL + min(goal, MOST) * UNIT
    return [_text(LABEL - 8, y + 15, title, anchor="end"),
            f"<rect x='{LABEL}' y='{y + 3}' width='{end - LABEL:.1f}' "
            f"height='{ROW - 7}' fill='{colour}'/>",
            _line(mark, y + 1, mark, y + ROW - 2, INK, 2),
            _text(LABEL + MOST * UNIT + 8, y + 15,
                  f"{ratio:.2f}  ({text})", 12)]


def bars(rows, title):
    """[(title, ratio, text, goal)] -> the picture."""
    width = LABEL + MOST * UNIT + RIGHT
    bottom = TOP + len(rows) * ROW
    height = bottom + BOTTOM
    out = [f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:.0f}' "
           f"height='{height}' viewBox='0 0 {width:.0f} {height}'>",
           "<!-- SPDX-License-Identifier: MIT -->",
           f"<rect width='{width:.0f}' height='{height}' fill='white'/>",
           _text(width / 2, 26, title, 17, "middle")]
    for part in (0, 0.25, 0.5, 0.75, 1):
        x = LABEL + part * UNIT
        out.append(_line(x, TOP - 4, x, bottom, INK if part == 1 else PALE))
        out.append(_text(x, TOP - 10, f"{part:g}", 12, "middle"))
    for at, row in enumerate(rows):
        out += _bar(at, row)
    out.append(_text(LABEL, bottom + 22,
                     "Shorter is better; 1 is Xen. Black mark: the goal. "
                     "Green: reached; amber: not yet; red: worse than Xen.",
                     12))
    return "\n".join(out + ["</svg>"]) + "\n"
