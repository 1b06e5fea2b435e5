# SPDX-License-Identifier: MIT
"""What bench.py found, as JSON, as tables for docs/benchmarks.md, as a
picture."""
import bisect
import json
import os
import re
import shutil
import statistics
import subprocess

import budget
import measure
import picture
from rows import (CLOCKED, GROUP, GROUPS, LONGEST, RINGLET, ROOT, ROWS,
                  ROWS32, SCALES, VALUES, XEN)

DOC = "benchmarks.md"
DOCS = os.path.join(ROOT, "docs")
HV_ELF = os.path.join(ROOT, "build/release/hv.elf")
# Beside the instructions: title, and what the plugin calls it.
HEAVY = [("REP", "rep"), ("CR3 writes", "cr3"), ("invlpg", "invlpg"),
         ("MSR accesses", "msr"), ("locked", "locked"),
         ("returns to guests", "iret+sysret")]
HARDENING = {
    XEN: "Debian's build: retpolines, return thunks, speculation barriers "
         "where arrays are indexed, branches decided and guests' memory "
         "reached; no page-table isolation on this CPU (AMD's)",
    RINGLET: "indexes from guests are masked; no retpolines, no return "
             "thunks (caveats.md); no page-table isolation on this CPU",
}


def found(runs):
    """{(group's name, side): what is kept of it}"""
    results = {}
    for group in GROUPS:
        for side in group.sides:
            try:
                one = measure.kept(group, side)
            except measure.Failed:
                one = None
            if one and (group.by_clock or measure.runs_of(one) >= runs):
                results[group.name, side] = one
    return results


def count(results, side, row, kind="count"):
    """One operation's, or None."""
    have = results.get((row.group, side), {}).get("sections", {})
    if row.section not in have or (row.minus and row.minus not in have):
        return None
    value = have[row.section][kind]
    if row.minus:
        value -= have[row.minus][kind]
    return value / row.parts


def number(value):
    if value is None:
        return ""
    if value < 10 and round(value) != round(value, 1):
        return f"{value:.1f}"
    return f"{value:,.0f}"


def goal_of(row, xen):
    goals = [row.goal, xen / 2 if xen else 0]
    return min((goal for goal in goals if goal), default=None)


def table(heads, lines):
    """Lines of a table, the first column on the left; none without lines."""
    if not lines:
        return None
    return (["| " + " | ".join(heads) + " |",
             "| --- |" + " ---: |" * (len(heads) - 1)] +
            ["| " + " | ".join(line) + " |" for line in lines])


def _operations(results, groups):
    lines = []
    for row in ROWS:
        xen, ours = (count(results, side, row) for side in (XEN, RINGLET))
        if row.group not in groups or xen is None or ours is None:
            continue
        goal = goal_of(row, xen)
        lines.append([row.title, number(xen), number(ours),
                      f"{ours / xen:.2f}", number(goal),
                      "yes" if ours <= goal else "no"])
    return table(["hypervisor instructions", XEN, RINGLET, "ratio", "goal",
                  "reached"], lines)


def _heavy(results):
    lines = []
    for row in ROWS:
        if count(results, XEN, row) is None or \
                count(results, RINGLET, row) is None:
            continue
        lines.append([row.title] + [
            " / ".join(number(count(results, side, row, kind))
                       for side in (XEN, RINGLET)) for _, kind in HEAVY])
    return table([f"{XEN} / {RINGLET}"] + [title for title, _ in HEAVY],
                 lines)


def _bits32(results):
    lines = []
    for narrow in ROWS32:
        wide = next(row for row in ROWS if row.title == narrow.title)
        values = [count(results, RINGLET, row) for row in (wide, narrow)]
        if None not in values:
            lines.append([narrow.title] + [number(one) for one in values])
    return table([RINGLET, "64-bit kernel", "32-bit kernel"], lines)


def _scale(results, name):
    lines, heads = [], None
    for title, section, parts, minus, groups in SCALES[name]:
        line = [title]
        for side in (XEN, RINGLET):
            for _, group in groups:
                have = results.get((group, side), {}).get("sections", {})
                value = have.get(section, {}).get("count")
                if value is not None and minus:
                    value -= have[minus]["count"]
                line.append(number(value and value / parts))
        heads = [f"{side}, {label}" for side in (XEN, RINGLET)
                 for label, _ in groups]
        if any(line[1:]):
            lines.append(line)
    return table([{"cpus": "by CPUs of the machine",
                   "pairs": "two vcpus, by CPUs of the machine",
                   "domains": "by domains beside"}[name]] + (heads or []),
                 lines)


def _values(results):
    lines = []
    for title, group, name in VALUES:
        values = [results.get((group, side), {}).get("values", {}).get(name)
                  for side in (XEN, RINGLET)]
        if None not in values:
            lines.append([title] + [number(value) for value in values])
    return table(["", XEN, RINGLET], lines)


def function_at(address):
    """The hypervisor's function there, or nothing."""
    if not os.path.exists(HV_ELF):
        return ""
    text = subprocess.run(["nm", "-n", HV_ELF], check=True, text=True,
                          capture_output=True).stdout
    rows = [line.split() for line in text.splitlines()]
    rows = [(int(row[0], 16), row[2]) for row in rows
            if len(row) == 3 and row[1] in "tT"]
    at = bisect.bisect_right([row[0] for row in rows], address) - 1
    return rows[at][1] if at >= 0 else ""


def _longest(results):
    have = {side: results.get(("longest", side)) for side in (XEN, RINGLET)}
    if not all(have.values()):
        return None
    places = [(title, {side: have[side]["sections"].get(name)
                       for side in have}) for title, name in LONGEST]
    places.append(("everything since Dom0's first instruction",
                   {side: have[side]["phases"].get("stop") for side in have}))
    lines = []
    for title, sides in places:
        if all(sides.values()):
            lines.append([title] + [
                number(sides[side][kind]) for kind in ("off", "inside")
                for side in (XEN, RINGLET)] +
                [function_at(sides[RINGLET]["off-end"])])
    return table(["longest stretch, instructions"] + [
        f"{what}: {side}" for what in ("interrupts off", "not left")
        for side in (XEN, RINGLET)] + ["Ringlet's ends in"], lines)


def _clock(results):
    have = {side: results.get(("clock", side), {}).get("clock", {})
            for side in (XEN, RINGLET)}
    lines = []
    for title, name in CLOCKED:
        if not all(have[side].get(name) for side in have):
            continue
        xen, ours = have[XEN][name], have[RINGLET][name]
        ratios = [mine / other for mine, other in zip(ours, xen)]
        lines.append([title, *(f"{statistics.median(one):,.0f}"
                               for one in (xen, ours)),
                      f"{statistics.median(ratios):.2f}",
                      f"{min(ratios):.2f} to {max(ratios):.2f}"])
    return table(["nanoseconds, median", XEN, RINGLET, "ratio",
                  "of single pairs"], lines)


def _boot(results, phase, title):
    have = [results.get(("boot", side), {}).get("phases", {}).get(phase)
            for side in (XEN, RINGLET)]
    if not all(have):
        return None
    both = [dict(counts, **measure.totals(counts)) for counts in have]
    return table([title, XEN, RINGLET],
                 [[name] + [f"{one[name]:,}" for one in both]
                  for name in both[0]])


def _groups():
    return table(["group", "runs", "words", "CPUs", "memory",
                  "hypervisor's words", "plugin"],
                 [[group.name, {"guest": group.image}.get(group.kind, "Linux"),
                   group.words, str(group.cpus), group.memory,
                   group.hv_words, group.options or
                   ("nothing counted" if group.by_clock else "")]
                  for group in GROUPS])


def tables(results):
    """{name: lines, or None for what has not been measured}"""
    guests = [group.name for group in GROUPS if group.kind == "guest"]
    made = {"groups": _groups(),
            "operations": _operations(results, guests),
            "linux": _operations(results, ["linux"]),
            "io": _operations(results, ["io"]),
            "xl": _operations(results, ["xl"]),
            "heavy": _heavy(results), "bits32": _bits32(results),
            "values": _values(results), "longest": _longest(results),
            "clock": _clock(results),
            "boot-first": _boot(results, "first",
                                "to Dom0's first instruction"),
            "boot-init": _boot(results, "init",
                               "to Dom0's first user program")}
    made.update((name, _scale(results, name)) for name in SCALES)
    return made


def document(text, made):
    """The text with its generated tables replaced, but for those that have
    not been measured."""
    def fill(match):
        lines = made.get(match.group(2))
        if not lines:
            return match.group(0)
        return match.group(1) + "\n".join(lines) + "\n" + match.group(4)
    return re.sub(r"(<!-- table (\S+) -->\n)(.*?)(<!-- end -->)", fill, text,
                  flags=re.DOTALL)


def as_json(results, runs):
    rows = []
    for row in ROWS:
        sides = {side: {kind: count(results, side, row, kind)
                        for kind in ["count"] + [kind for _, kind in HEAVY]}
                 for side in (XEN, RINGLET)
                 if count(results, side, row) is not None}
        if sides:
            xen = sides.get(XEN, {}).get("count")
            rows.append({"operation": row.title, "group": row.group,
                         "section": row.section,
                         "goal": goal_of(row, xen), "sides": sides})
    return {"qemu": measure.qemu_version(), "machine": measure.MACHINE,
            "counting": measure.COUNTED, "runs that agree": runs,
            "hardening": HARDENING, "rows": rows,
            "groups": {f"{group}, {side}": {
                name: value for name, value in one.items() if name != "raw"}
                       for (group, side), one in sorted(results.items())}}


def chart(results):
    """[(title, ratio, text, goal's ratio)] of what both sides have."""
    bars = []
    for row in ROWS:
        xen, ours = (count(results, side, row) for side in (XEN, RINGLET))
        if xen and ours is not None:
            bars.append((row.title, ours / xen,
                         f"{number(ours)} of {number(xen)}",
                         goal_of(row, xen) / xen))
    return bars


def _put(path, text):
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def write(runs, keep, record):
    """Everything to build/bench; with `keep` to docs/ as well."""
    results = found(runs)
    with open(os.path.join(DOCS, DOC), encoding="utf-8") as file:
        text = file.read()
    names = [DOC, "benchmarks.json", "benchmarks.svg"]
    made = tables(results)
    _put(os.path.join(measure.OUT, names[0]), document(text, made))
    _put(os.path.join(measure.OUT, names[1]),
         json.dumps(as_json(results, runs), indent=1, sort_keys=True) + "\n")
    _put(os.path.join(measure.OUT, names[2]), picture.bars(
        chart(results), "Instructions in the hypervisor, "
        "Ringlet as a part of Xen 4.17"))
    if keep:
        for name in names:
            shutil.copy(os.path.join(measure.OUT, name),
                        os.path.join(DOCS, name))
    if record:
        budget.write({name: results.get((name, side)) for name in GROUP
                      for side in [budget.SIDE.get(name)] if side})
    for name in ("operations", "linux", "io", "xl"):
        print("\n" + "\n".join(made[name] or []))
    print(f"\nAll of it: {os.path.relpath(measure.OUT, ROOT)}/" +
          ", ".join(names))
