#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Count executed instructions: from reset to Dom0's first instruction, to its
first user program, and for small operations. docs/benchmarks.md explains.

Usage: boot_count.py [--runs N] [--record] [--blocks FILE] [WHAT...]
WHAT: boot, operations, memory.
--record writes Xen's boot numbers to bench/budget."""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
IMAGES = {"Xen 4.17": "cache/xen/xen-4.17-amd64", "Ringlet": "build/ringlet"}
KERNEL = "build/dom0/vmlinuz"
INITRD = "build/dom0/initrd.img"
GUEST = "build/guests/bench"
BUDGET = os.path.join(ROOT, "bench", "budget")
HV_WORDS = "com1=115200 console=com1 dom0_mem="
QEMU = ["qemu-system-x86_64", "-accel", "tcg", "-no-user-config", "-cpu",
        "max,-smap", "-smp", "1", "-display", "none", "-no-reboot",
        "-monitor", "none", "-nic", "none", "-rtc",
        "clock=vm,base=2026-01-01", "-seed", "1", "-icount",
        "shift=0,sleep=off"]
PLUGIN_FLAGS = ["-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-shared",
                "-fPIC", "-fvisibility=hidden"]
LIMIT_SECONDS = 600
# What the plugin prints apart for the phases of a boot.
RANGES = ("low", "hv", "kernel")
# The one XRSTOR that gives Dom0's first vcpu its FPU state: Xen waits for the
# first use of it, which later was found to leak state between guests.
MORE_THAN_XEN = {("first", "xsave"): 1}
# Section, what it is, how many operations it holds, what to take off.
SECTIONS = [
    (1, "null hypercall (xen_version)", 1, None),
    (2, "stack_switch", 1, None),
    (6, "multicall, per sub-call", 16, 7),
    (3, "set_timer_op, far", 1, None),
    (4, "mmu_update, count 0", 1, None),
    (10, "update_va_mapping, same frame, no flush", 1, None),
    (8, "PTE in a batch of 16, mapped", 16, 4),
    (9, "PTE in a batch of 16, unmapped", 16, 4),
    (5, "yield with nobody else", 1, None),
    (11, "system call from guest user mode, round trip", 1, None),
    (12, "page fault of guest user mode, mapped (3 entries)", 1, None),
    (13, "event to itself: send, upcall, return", 1, None),
]


def plugin_command(path):
    return [os.environ.get("CC", "gcc"), *PLUGIN_FLAGS, "-o", path,
            os.path.join(ROOT, "bench", "plugin.c")]


def plugin(folder):
    """Build the plugin; returns its path."""
    path = os.path.join(folder, "plugin.so")
    subprocess.run(plugin_command(path), check=True)
    return path


def command(plugin_path, image, modules, out, options="", memory="1G",
            dom0_memory="512M", log="null"):
    """QEMU's command line for one counted run."""
    module_list = ",".join(f"{os.path.join(ROOT, path)} {words}".strip()
                           for path, words in modules)
    return QEMU + [
        "-m", memory, "-serial", log,
        "-plugin", f"{plugin_path},out={out}{options}",
        "-kernel", os.path.join(ROOT, image), "-append",
        HV_WORDS + dom0_memory, "-initrd", module_list]


def dom0_modules(words="console=hvc0"):
    return [(KERNEL, words), (INITRD, "")]


def parse(path):
    """[(what, {name: count})] of the plugin's lines."""
    rows = []
    with open(path) as file:
        for line in file:
            words = line.split()
            at = next(i for i, word in enumerate(words) if "=" in word)
            rows.append((" ".join(words[:at]),
                         {name: int(value) for name, value in
                          (word.split("=") for word in words[at:])}))
    return rows


def totals(counts):
    """Instructions and REP iterations, wherever they ran, and the kinds that
    are counted apart."""
    ranges = [name + rep for name in RANGES for rep in ("", "-rep")]
    rows = {"instructions": sum(counts[name] for name in RANGES),
            "repetitions": sum(counts[name + "-rep"] for name in RANGES)}
    rows.update((name, value) for name, value in counts.items()
                if name not in ranges)
    return rows


def counted(folder, plugin_path, image, modules, options):
    out = os.path.join(folder, "counts")
    subprocess.run(command(plugin_path, image, modules, out, options),
                   check=True, timeout=LIMIT_SECONDS,
                   stdin=subprocess.DEVNULL)
    return parse(out)


def repeated(runs, *how):
    """The rows of a run, after as many as asked for were found equal."""
    rows = [counted(*how) for _ in range(runs)]
    for other in rows:
        for (what, first), (_, second) in zip(rows[0], other):
            if first != second:
                sys.exit(f"runs differ, {what}:\n{first}\n{second}")
    return rows[0]


def images(folder):
    """{name: path} of copies, as a build may replace them meanwhile."""
    copies = {}
    for name, path in IMAGES.items():
        copies[name] = os.path.join(folder, os.path.basename(path))
        shutil.copy(os.path.join(ROOT, path), copies[name])
    return copies


def boot(folder, plugin_path, runs, record):
    found = {name: dict(repeated(runs, folder, plugin_path, image,
                                 dom0_modules(), ",until=init"))
             for name, image in images(folder).items()}
    for phase, title in (("first", "to Dom0's first instruction"),
                         ("init", "to Dom0's first user program")):
        print(f"\n| {title} | " + " | ".join(found) + " |")
        print("| --- |" + " ---: |" * len(found))
        counts = [rows[phase] for rows in found.values()]
        for one in counts:
            one.update(totals(one))
        for name in counts[0]:
            print(f"| {name} | " + " | ".join(f"{one[name]:,}"
                                              for one in counts) + " |")
    if record:
        write_budget(found["Xen 4.17"])


def write_budget(rows):
    with open(BUDGET, "w") as file:
        file.write("# SPDX-License-Identifier: MIT\n"
                   "# What Xen 4.17 executes with the same kernel, initrd "
                   "and machine, from reset:\n"
                   "# instructions, REP iterations, and some kinds apart. "
                   "Made by\n# bench/boot_count.py --record.\n")
        for phase in ("first", "init"):
            for name, value in totals(rows[phase]).items():
                file.write(f"{phase} {name} {value}\n")


def over_budget(rows):
    """Messages for what exceeds bench/budget."""
    found = dict(rows)
    with open(BUDGET) as file:
        lines = [line.split() for line in file if not line.startswith("#")]
    for phase, name, limit in lines:
        if phase not in found:
            yield f"never came to '{phase}'"
            return
        got = totals(found[phase])[name]
        if got > int(limit) + MORE_THAN_XEN.get((phase, name), 0):
            yield f"{phase}: {got} {name}, Xen {limit}"


def operations(folder, plugin_path, runs):
    found = {}
    for name, image in images(folder).items():
        rows = repeated(runs, folder, plugin_path, image, [(GUEST, "")], "")
        sections = {}
        for what, counts in rows:
            sections.setdefault(what, []).append(
                counts["hv"] + counts["hv-rep"])
        found[name] = sections
    print("\n| hypervisor instructions, median of 15 | " +
          " | ".join(found) + " |")
    print("| --- |" + " ---: |" * len(found))
    for section, what, parts, base in SECTIONS:
        values = []
        for sections in found.values():
            value = statistics.median(sections[f"section {section}"])
            if base:
                value -= statistics.median(sections[f"section {base}"])
            values.append(f"{value / parts:,.0f}")
        print(f"| {what} | " + " | ".join(values) + " |")


def memory():
    """What `xl info` in Dom0 says of a 2 GiB machine with 1 GiB in Dom0."""
    print("\n| MiB of 2 GiB | " + " | ".join(IMAGES) + " |")
    print("| --- |" + " ---: |" * len(IMAGES))
    texts = []
    for image in IMAGES.values():
        environment = dict(os.environ, SCRIPT="xl-info", MEM="2048",
                           DOM0_MEM="1024", HV=os.path.join(ROOT, image),
                           TIMEOUT="300")
        texts.append(subprocess.run(
            [os.path.join(ROOT, "tools/run.sh")], env=environment,
            capture_output=True, text=True, check=False).stdout)
    rows = []
    for pattern in (r"total_memory\s*:\s*(\d+)", r"free_memory\s*:\s*(\d+)",
                    r"Domain-0\s+0\s+(\d+)"):
        matches = [re.search(pattern, text) for text in texts]
        if not all(matches):
            sys.exit("xl said nothing of memory; see build/log/xl-info-*")
        rows.append([int(match.group(1)) for match in matches])
    rows.append([total - free - dom0 for total, free, dom0 in zip(*rows)])
    for name, values in zip(("total", "free", "Dom0", "taken"), rows):
        print(f"| {name} | " + " | ".join(map(str, values)) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--blocks", metavar="FILE",
                        help="only Ringlet's boot, for profile.py")
    parser.add_argument("what", nargs="*",
                        default=["boot", "operations", "memory"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(
            dir=os.path.join(ROOT, "build")) as folder:
        built = plugin(folder)
        if options.blocks:
            counted(folder, built, IMAGES["Ringlet"], dom0_modules(),
                    ",until=init,blocks=" + options.blocks)
            return
        if "boot" in options.what:
            boot(folder, built, options.runs, options.record)
        if "operations" in options.what:
            operations(folder, built, options.runs)
        if "memory" in options.what:
            memory()


if __name__ == "__main__":
    main()
