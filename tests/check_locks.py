#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The table in docs/locks.md, the ranks of x86/spinlock.h and the locks that
the code initialises agree."""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import csource

HEADER = "hv/x86/spinlock.h"
TABLE = "docs/locks.md"
FIRST = "RANK_IRQ_FIRST"
USE = re.compile(r"(?:SPINLOCK_INIT\s*\(|spin_init\s*\([^;]*,)\s*(RANK_\w+)")


def ranks(text):
    """[(name, taken from interrupts)] in the order of the enum."""
    body = re.search(r"enum lock_rank \{(.*?)\};", text, re.DOTALL).group(1)
    names = re.findall(r"\b(RANK_\w+)\b(?:\s*=\s*\w+)?\s*,", body)
    first = names.index(FIRST)
    return [(name, at > first) for at, name in enumerate(names)
            if name != FIRST]


def rows(text):
    """[(name, taken from interrupts)] of the document's table."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in text.splitlines() if line.startswith("| RANK_")]
    return [(row[0], row[-1] == "yes") for row in cells]


def findings():
    wanted = ranks(csource.without_comments(csource.read(HEADER)))
    found = rows(csource.read(TABLE))
    if found != wanted:
        yield f"{TABLE}: not the ranks of {HEADER}, in their order:"
        listed = dict(found)
        for name, irq in wanted:
            if listed.get(name) != irq:
                yield f"    {name}, interrupt: {'yes' if irq else 'no'}"
        for name in sorted(set(listed) - {name for name, _ in wanted}):
            yield f"    {name} does not exist"
    used = {name for path in csource.files("hv", ".c", ".h")
            for name in USE.findall(
                csource.without_comments(csource.read(path)))}
    for name, _ in found:
        if name not in used:
            yield f"{TABLE}: {name} is not used in hv/"


def main():
    bad = list(findings())
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
