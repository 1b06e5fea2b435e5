#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Count the hypervisor's instructions of xl commands in Dom0, each with all
that the machine did from its start to its end. docs/benchmarks.md explains.

Usage: xl_count.py [--runs N] [--record] [--only NAME]
                   [--blocks FILE [--section N]]
--record writes Xen's numbers to bench/budget-xl."""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import types

import boot_count

sys.path.insert(0, os.path.join(boot_count.ROOT, "tests"))
from lib import image  # pylint: disable=wrong-import-position

BUDGET = os.path.join(boot_count.ROOT, "bench", "budget-xl")
MARK_SOURCE = "bench/mark.c"
GUEST = "build/guests/mortal"
SCRIPT = "console=hvc0 quiet ringlet.script=xl-counts"
MEMORY, DOM0_MEMORY = "2G", "512M"
# As the script xl-counts numbers them.
SECTIONS = [
    (1, "xl create -p"),
    (2, "xl unpause"),
    (3, "xl pause"),
    (4, "xl list"),
    (5, "xl destroy"),
    (6, "xl create -p, beside 100"),
    (9, "xl list of 100 more"),
    (10, "xl destroy, beside 100"),
]
# Everything, REP iterations included, and what is counted apart beside it.
KINDS = ("executed", "repetitions", "locked", "cr", "iret+sysret")


def mark_command(path):
    return [os.environ.get("CC", "gcc"), "-O2", "-static", "-s", "-Wall",
            "-Wextra", "-o", path, os.path.join(boot_count.ROOT, MARK_SOURCE)]


def modules(folder, mark):
    """Dom0, with the program that marks and a small guest in its initrd."""
    place = types.SimpleNamespace(folder=folder)
    more = image.archive(place, {"usr/bin/mark": mark, "boot/small": GUEST})
    return [(boot_count.KERNEL, SCRIPT),
            (image.joined(place, boot_count.INITRD, more), "")]


def command(plugin, hypervisor, dom0, out, options="", log="null"):
    return boot_count.command(plugin, hypervisor, dom0, out, options,
                              memory=MEMORY, dom0_memory=DOM0_MEMORY, log=log)


def hypervisor_part(counts):
    part = {"executed": counts["hv"] + counts["hv-rep"],
            "repetitions": counts["hv-rep"]}
    return {name: part.get(name, counts.get(name)) for name in KINDS}


def medians(rows):
    """{section: {kind: median}} of the plugin's lines."""
    found = {}
    for what, counts in rows:
        word, _, number = what.partition(" ")
        if word == "section":
            found.setdefault(int(number), []).append(hypervisor_part(counts))
    return {section: {kind: int(statistics.median(one[kind] for one in all_))
                      for kind in KINDS}
            for section, all_ in found.items()}


def measured(folder, runs, dom0, plugin, hypervisor, options=""):
    """What so many runs agree on."""
    out = os.path.join(folder, "counts")
    rows = []
    for _ in range(runs):
        subprocess.run(command(plugin, hypervisor, dom0, out, options),
                       check=True, timeout=1800, stdin=subprocess.DEVNULL)
        rows.append(boot_count.parse(out))
    if any(one != rows[0] for one in rows):
        sys.exit(f"runs of {hypervisor} differ")
    return medians(rows[0])


def print_table(found):
    columns = [(kind, name) for kind in KINDS[:3] for name in found]
    print("\n| hypervisor part, median of 5 | " +
          " | ".join(f"{name}: {kind}" for kind, name in columns) + " |")
    print("| --- |" + " ---: |" * len(columns))
    for section, what in SECTIONS:
        print(f"| {what} | " +
              " | ".join(f"{found[name][section][kind]:,}"
                         for kind, name in columns) + " |")


def write_budget(found):
    with open(BUDGET, "w") as file:
        file.write("# SPDX-License-Identifier: MIT\n"
                   "# What Xen 4.17 executes during xl commands: number in "
                   "bench/xl_count.py,\n# median of 5, REP iterations "
                   "included. Made by bench/xl_count.py --record.\n")
        for section, _ in SECTIONS:
            file.write(f"{section} {found[section]['executed']}\n")


def over_budget(found):
    """Messages for what exceeds bench/budget-xl, and for what is missing."""
    names = dict(SECTIONS)
    with open(BUDGET) as file:
        lines = [line.split() for line in file if not line.startswith("#")]
    for number, limit in lines:
        section = int(number)
        if section not in found:
            yield f"'{names[section]}' was not counted"
        elif found[section]["executed"] > int(limit):
            yield (f"{names[section]}: {found[section]['executed']}, "
                   f"Xen {limit}")


def wanted_blocks(options):
    if not options.blocks:
        return ""
    section = f",section={options.section}" if options.section else ""
    return f",blocks={os.path.abspath(options.blocks)}{section}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--only", choices=list(boot_count.IMAGES))
    parser.add_argument("--blocks", metavar="FILE",
                        help="where they went, for profile.py")
    parser.add_argument("--section", type=int, choices=dict(SECTIONS),
                        help="--blocks only of the last one of these")
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory(
            dir=os.path.join(boot_count.ROOT, "build")) as folder:
        mark = os.path.join(folder, "mark")
        subprocess.run(mark_command(mark), check=True)
        dom0 = modules(folder, mark)
        plugin = boot_count.plugin(folder)
        for name, path in boot_count.images(folder).items():
            if options.only in (None, name):
                found[name] = measured(folder, options.runs, dom0, plugin,
                                       path, wanted_blocks(options))
    print_table(found)
    if options.record:
        write_budget(found["Xen 4.17"])


if __name__ == "__main__":
    main()
