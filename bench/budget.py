# SPDX-License-Identifier: MIT
"""The limits of bench/budget, for the tests: what Xen executes in a boot and
for xl's commands, and what Ringlet does in the eight hottest operations."""
import os

import measure
from rows import RINGLET, ROOT, XEN

PATH = os.path.join(ROOT, "bench", "budget")
# Whose counts are the limits of a group.
SIDE = {"alone": RINGLET, "boot": XEN, "xl": XEN}
HOT = ("hypercall", "multicall", "set_timer", "map_batch", "update_va",
       "system_call", "page_fault", "event_self")
# The one XRSTOR that gives Dom0's first vcpu its FPU state: Xen waits for the
# first use of it, which later was found to leak state between guests.
MORE = {("first", "xsave"): 1}
HEAD = """\
# SPDX-License-Identifier: MIT
# Limits of the tests bench/*: group, section or phase, kind, number.
# alone: what Ringlet executes itself. boot, xl: what Xen 4.17 executes, one
# xsave more (bench/budget.py). Made by bench/bench.py --record.
"""


def counts_of(group, found):
    """{(section or phase, kind): number} of what has a limit."""
    if group == "boot":
        return {(phase, kind): value for phase in ("first", "init")
                for kind, value in measure.totals(
                    found["phases"].get(phase, {})).items()}
    have = found["sections"]
    if group == "alone":
        return {(name, "count"): have[name]["count"] for name in HOT
                if name in have}
    return {(name, "executed"): one["count"] + one["rep"]
            for name, one in have.items()}


def _lines():
    with open(PATH, encoding="utf-8") as file:
        return [line.split() for line in file if not line.startswith("#")]


def over(group, found):
    """Messages for what exceeds its limit, and for what is missing."""
    counts = counts_of(group, found)
    for name, what, kind, limit in _lines():
        if name != group:
            continue
        got = counts.get((what, kind))
        if got is None:
            yield f"{what}: {kind} was not counted"
        elif got > int(limit):
            yield f"{what}: {got} {kind}, limit {limit}"


def write(results):
    """{group: what was found, or None}: those groups' lines are made anew."""
    lines = [line for line in _lines() if not results.get(line[0])]
    for group, found in results.items():
        if found:
            lines += [[group, what, kind,
                       str(value + MORE.get((what, kind), 0))]
                      for (what, kind), value in
                      counts_of(group, found).items()]
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(HEAD)
        file.writelines(" ".join(line) + "\n" for line in
                        sorted(lines, key=lambda line: list(SIDE).index(
                            line[0])))
