#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How big the hypervisor is, against the limits in tools/budget.

Usage: size.py [hypervisor ELF [whole image]]. Exit code 1: over a limit."""
import os
import struct
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from lib import csource

HV_ELF = "build/release/hv.elf"
IMAGE = "build/ringlet"
BUDGET = "tools/budget"
CODE = (".c", ".h", ".S", ".def", ".inc", ".lds")
# What is freed after boot, and what each CPU adds: the area between these
# two symbols is a template that every CPU gets a copy of.
FREED_SECTION = ".init"
PERCPU_SYMBOLS = ("__percpu_start", "__percpu_end")
CPUS = 1
# Stack block (hv/x86/layout.h: main stack of four pages, four others of one)
# and GDT page of each CPU.
CPU_BYTES = 9 * 4096
# Debian's Xen 4.17 (xen-4.17-amd64): loaded bytes, and what is left of them
# after "Freed 1024kB unused BSS memory" and "Freed 656kB init memory".
XEN = {"loaded": 3829760, "resident": 2109440, "image": 2562652,
       "lines": 273000}

PT_LOAD, SHT_SYMTAB, SHF_ALLOC = 1, 2, 2


class Elf:
    """Segments, sections and symbols of a little-endian ELF file."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        if self.data[:4] != b"\x7fELF":
            raise ValueError(path + " is no ELF file")
        self.wide = self.data[4] == 2
        header = struct.unpack_from(
            "<HHIQQQIHHHHHH" if self.wide else "<HHIIIIIHHHHHH",
            self.data, 16)
        (_, _, _, _, self.phoff, self.shoff, _, _, self.phsize, self.phnum,
         self.shsize, self.shnum, self.shstrndx) = header

    def loads(self):
        """[(address, bytes in the file, bytes in memory)] of the loadable
        segments."""
        result = []
        for number in range(self.phnum):
            at = self.phoff + number * self.phsize
            kind, = struct.unpack_from("<I", self.data, at)
            where, _, stored, size = struct.unpack_from(
                "<4Q" if self.wide else "<4I", self.data,
                at + (16 if self.wide else 8))
            if kind == PT_LOAD and size:
                result.append((where, stored, size))
        return result

    def memory(self):
        """Bytes from the first to the last loaded one."""
        loads = self.loads()
        return max(a + n for a, _, n in loads) - min(a for a, _, _ in loads)

    def payload(self):
        """Bytes of the flat binary that the stage carries: without debug
        information, and without what is zero at the end."""
        loads = self.loads()
        return max(a + n for a, n, _ in loads) - min(a for a, _, _ in loads)

    def sections(self):
        """[(name, kind, flags, offset, size, link)]"""
        rows = []
        for number in range(self.shnum):
            at = self.shoff + number * self.shsize
            rows.append(struct.unpack_from(
                "<IIQQQQI" if self.wide else "<7I", self.data, at))
        names = rows[self.shstrndx][4] if rows else 0
        return [(self.text(names + name), kind, flags, offset, size, link)
                for name, kind, flags, _, offset, size, link in rows]

    def text(self, at):
        return self.data[at:self.data.index(b"\0", at)].decode()

    def symbols(self):
        """{name: value}"""
        sections = self.sections()
        found = {}
        for _, kind, _, offset, size, link in sections:
            if kind != SHT_SYMTAB:
                continue
            strings = sections[link][3]
            step = 24 if self.wide else 16
            for at in range(offset, offset + size, step):
                name, = struct.unpack_from("<I", self.data, at)
                value, = struct.unpack_from(
                    "<Q" if self.wide else "<I", self.data,
                    at + (8 if self.wide else 4))
                found[self.text(strings + name)] = value
        return found


def resident(elf):
    """Bytes that stay after boot: without .init*, with the CPUs' areas and
    stacks; frame table and M2P, which go with the memory, aside."""
    freed = sum(size for name, _, flags, _, size, _ in elf.sections()
                if flags & SHF_ALLOC and name.startswith(FREED_SECTION))
    start, end = (elf.symbols().get(name, 0) for name in PERCPU_SYMBOLS)
    # The first CPU uses the per-CPU template itself.
    return (elf.memory() - freed + (CPUS - 1) * (end - start)
            + CPUS * CPU_BYTES)


def budget():
    with open(os.path.join(ROOT, BUDGET)) as file:
        rows = [line.split("#")[0].split() for line in file]
    return {row[0]: int(row[1]) for row in rows if row}


def main():
    arguments = sys.argv[1:] + ["", ""]
    hv_path = arguments[0] or os.path.join(ROOT, HV_ELF)
    image_path = arguments[1] or os.path.join(ROOT, IMAGE)
    hv, image = Elf(hv_path), Elf(image_path)
    image_file = os.path.getsize(image_path)
    sources = csource.files(os.path.join(ROOT, "hv"), *CODE)
    counts = {path: csource.code_lines(path) for path in sources}
    rows = [
        ("loaded", hv.memory(), "bytes of the hypervisor in memory"),
        ("resident", resident(hv), f"bytes after boot, stacks of {CPUS} CPU too"),
        ("stage-file", image_file - hv.payload(),
         "bytes of the stage in the file"),
        ("stage-memory", image.memory() - hv.payload(),
         "bytes of the stage in memory, freed after boot"),
        ("image", image_file, "bytes of the whole image file"),
        ("lines", sum(counts.values()), "lines of code in hv/"),
        ("asm", sum(n for path, n in counts.items() if path.endswith(".S")),
         "of them assembly"),
    ]
    limits = budget()
    over = False
    for name, value, what in rows:
        limit = limits.get(name)
        bad = limit is not None and value > limit
        over |= bad
        note = f"  (limit {limit})" if limit is not None else ""
        if name in XEN:
            note += f"  (Xen 4.17: {XEN[name]})"
        print(f"{name:<13}{value:>9}  {what}{note}"
              + ("  OVER" if bad else ""))
    return 1 if over else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError) as error:
        sys.exit(f"size: {error}")
