#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where the hypervisor's instructions go: the plugin's block counts summed
by function. Usage: profile.py BLOCKS [hypervisor ELF [rows]]."""
import bisect
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HV_ELF = os.path.join(ROOT, "build/release/hv.elf")
HV_START, HV_END = 0xffff800000000000, 0xffff880000000000


def functions(elf):
    """Sorted addresses of the functions, and their names."""
    text = subprocess.run(["nm", "-n", elf], check=True, text=True,
                          capture_output=True).stdout
    rows = [line.split() for line in text.splitlines()]
    rows = [(int(row[0], 16), row[2]) for row in rows
            if len(row) == 3 and row[1] in "tT"]
    return [row[0] for row in rows], [row[1] for row in rows]


def sums(path, elf):
    """{function: [instructions, REP iterations]}"""
    starts, names = functions(elf)
    found = {}
    with open(path) as file:
        for line in file:
            at, _, plain, rep = line.split()
            at = int(at, 16)
            name = "outside"
            if HV_START <= at < HV_END:
                index = bisect.bisect_right(starts, at) - 1
                name = names[index] if index >= 0 else hex(at)
            row = found.setdefault(name, [0, 0])
            row[0] += int(plain)
            row[1] += int(rep)
    return found


def main():
    arguments = sys.argv[1:]
    if not arguments:
        sys.exit(__doc__)
    elf = arguments[1] if len(arguments) > 1 else HV_ELF
    rows = int(arguments[2]) if len(arguments) > 2 else 40
    found = sums(arguments[0], elf)
    print(f"{'instructions':>14} {'REP':>12}  function")
    for name, (plain, rep) in sorted(found.items(), key=lambda item:
                                     -sum(item[1]))[:rows]:
        print(f"{plain:14} {rep:12}  {name}")


if __name__ == "__main__":
    main()
