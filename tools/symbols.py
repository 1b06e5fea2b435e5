#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The hypervisor's symbol table: nm -n output on stdin, assembly on stdout.

Offsets are distances from each entry to its function, for the linker to fill
in: boot code lies behind the constants, and so behind this very table. Names
are packed by byte pairs (hv/con/symbols.c unpacks them). --empty: no names."""
import collections
import sys

NAME_MAX = 63
# Pairs may nest no deeper than hv/con/symbols.c can follow.
DEPTH_MAX = 16
BASES = ("__image_start", "__rodata_end")


def read_symbols(lines):
    """(address of each base, sorted [(address, name)] of the functions)"""
    bases, functions = {}, {}
    for line in lines:
        words = line.split()
        if len(words) != 3:
            continue
        address, kind, name = int(words[0], 16), words[1], words[2]
        if name in BASES:
            bases[name] = address
        boundary = name.startswith("__") and \
            name.endswith(("_start", "_end"))
        if kind in "tTwW" and not boundary and not name.startswith("."):
            functions.setdefault(address, name.split(".")[0][:NAME_MAX])
    start = bases.get("__image_start", 0)
    return bases, sorted(item for item in functions.items()
                         if item[0] >= start)


def pack(names):
    """Replace the commonest pair of codes by a free one, again and again."""
    packed = [list(name.encode()) for name in names]
    used = {code for name in packed for code in name}
    depth = dict.fromkeys(used, 0)
    pairs = {}
    for free in (code for code in range(1, 256) if code not in used):
        counts = collections.Counter(
            pair for name in packed for pair in zip(name, name[1:]))
        best = next((pair for pair, count in counts.most_common(50)
                     if count > 2 and
                     max(depth[code] for code in pair) < DEPTH_MAX), None)
        if not best:
            break
        pairs[free] = best
        depth[free] = 1 + max(depth[code] for code in best)
        packed = [replace(name, best, free) for name in packed]
    return pairs, packed


def replace(name, pair, code):
    out, at = [], 0
    while at < len(name):
        if tuple(name[at:at + 2]) == pair:
            out.append(code)
            at += 2
        else:
            out.append(name[at])
            at += 1
    return out


def label(name):
    print(f"\t.globl {name}\n\t.hidden {name}\n{name}:")


def main():
    bases, functions = {}, []
    if "--empty" not in sys.argv[1:]:
        bases, functions = read_symbols(sys.stdin)
    pairs, packed = pack([name for _, name in functions])
    print("/* SPDX-License-Identifier: MIT */")
    print('\t.section .note.GNU-stack,"",@progbits')
    print('\t.section .symbols,"a",@progbits\n\t.balign 8')
    label("symbol_count")
    print(f"\t.long {len(functions)}")
    label("symbol_offsets")
    for address, _ in functions:
        base = max((base for base in bases if bases[base] <= address),
                   key=bases.get)
        print(f"\t.long {base} - . + {address - bases[base]:#x}")
    label("symbol_names")
    for code in range(256):
        print("\t.byte %d, %d" % pairs.get(code, (0, 0)))
    for name in packed:
        print("\t.byte " + ", ".join(map(str, [len(name)] + name)))


if __name__ == "__main__":
    main()
