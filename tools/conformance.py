#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes docs/conformance.md: how the suite stands, and where Ringlet answers
otherwise than Xen 4.17 (tests/conformance).

Usage: conformance.py [--print]"""
import os
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from lib import conformance as conf

PAGE = "docs/conformance.md"
HEAD = """<!-- SPDX-License-Identifier: MIT -->
<!-- Made by tools/conformance.py; do not edit. -->
# Conformance

The small kernels of `guests/` are a suite about what a PV guest meets: the same
binaries run on Ringlet's debug build and on Debian's Xen 4.17, in the same QEMU,
under the same runner.

    make conformance              # runs it, compares, fails on any surprise
    make conformance KEEP=1       # and keeps what it found: tests/conformance
    make conformance ONLY=memory  # one guest

A test counts when it passes on both. Where Ringlet is meant to answer otherwise,
`tests/conformance/differences.toml` lists the test with what it says on Xen, to
the letter, and the rule that makes Ringlet right; that list is the table below.
Wrong is: a test that does not pass on Ringlet, one that differs and is not
listed, one that is listed and does not differ, or says something else on Xen, a
rule that does not stand in the header it is quoted from, and more entries than
`tools/budget` allows. `check/conformance`, a part of every test run, looks at all
that again in what was kept, and that each operation of each hypercall has a
test: [hypercalls.md](hypercalls.md).

The guests run in Dom0's place, without tools. `dom0/suite` runs those that can
as DomU, created by xl in one boot of Dom0, their console read from the log of
xenconsoled; tests about Dom0's place are left out there by name
(`tests/boot/suite.py`). The word `calls` on a guest's command line makes it tell
after each test which hypercalls it made and what they answered.

Verdicts: PASS; SKIP (what the test needs is not there); FAIL (the hypervisor
answered wrongly); ERROR (the test could not be run); CRASH (inferred: a panic,
or the machine ended before its verdict); none (not run there, or never reached).
What skips in QEMU, whose processor has no alignment checks and no SSE exceptions,
counts as it runs in Bochs, on both.

Debian's Xen has no 32-bit PV guests. What those kernels test is held against the
public headers (`arch-x86/xen-x86_32.h`, `arch-x86/xen.h`) and the processor's
manual; see [pv32.md](pv32.md).
"""


def counts(rows):
    """A line for each guest."""
    guests = {}
    for row in rows.values():
        guests.setdefault(row.name.split("/")[0], []).append(row)
    out = ("\n## Tests\n\n| guest | tests | pass on Ringlet | pass on Xen |\n"
           "| --- | --- | --- | --- |\n")
    total = [0, 0, 0]
    for guest, found in sorted(guests.items()):
        numbers = [len(found), sum(row.ringlet == conf.PASS for row in found),
                   sum(row.xen == conf.PASS for row in found)]
        total = [a + b for a, b in zip(total, numbers)]
        xen = "no such guests" if guest.endswith("32") else numbers[2]
        out += f"| {guest} | {numbers[0]} | {numbers[1]} | {xen} |\n"
    return out + f"| all | {total[0]} | {total[1]} | {total[2]} |\n"


def page():
    listed = conf.differences()
    out = HEAD + counts(conf.stored())
    out += (f"\n## Accepted differences\n\n{len(listed)} of them; "
            f"{conf.budget()} are allowed.\n")
    for name, entry in listed.items():
        out += (f"\n### {name}\n\nOn Xen: `{entry['xen']}`\n\n{entry['why']}\n\n"
                f"> {entry['rule']}\n\n{entry['source']}\n")
    return out


def main():
    if sys.argv[1:] == ["--print"]:
        print(page(), end="")
        return
    with open(os.path.join(ROOT, PAGE), "w", encoding="utf-8") as file:
        file.write(page())


if __name__ == "__main__":
    main()
