#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lengths of files and functions, and where inline assembly may stand."""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import csource

FOLDERS = ("hv", "guests", "tools", "tests", "bench")
FILE_LINES = {".c": 600, ".h": 200}
FUNCTION_LINES = 60
ASM = re.compile(r"\b(?:asm|__asm__|__asm)\b")
# insn.h, segment.h, faultable.h: the machine's instructions. fpu.c: its state
# format belongs to it alone. types.h: the index mask and the compiler barrier,
# which rooms that know no machine use too.
ASM_FILES = ("hv/x86/insn.h", "hv/x86/segment.h", "hv/x86/faultable.h",
             "hv/x86/fpu.c", "hv/lib/types.h")
ASM_FOLDERS = ("hv/stage/",)


def long_functions(text):
    """(line, name, length) of functions above the limit. The formatter puts
    a function's braces, and no others but those, alone in column 0."""
    lines = text.split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            start = number
        elif line.startswith("}") and start:
            length = number - start - 1
            if length > FUNCTION_LINES:
                yield start, heading(lines, start - 1), length
            start = None


def heading(lines, at):
    """The name of the function whose body opens on lines[at]."""
    above = " ".join(lines[max(0, at - 8):at])
    names = re.findall(r"(\w+)\s*\([^;{}]*\)[^;{}]*$", above)
    return names[-1] if names else "?"


def findings(path):
    raw = csource.read(path)
    text = csource.without_comments(raw)
    limit = FILE_LINES[os.path.splitext(path)[1]]
    count = raw.count("\n")
    if count > limit:
        yield f"{path}: {count} lines, limit {limit}"
    for line, name, length in long_functions(text):
        yield (f"{path}:{line}: {name} has {length} lines, "
               f"limit {FUNCTION_LINES}")
    if path in ASM_FILES or not path.startswith("hv/") or \
            path.startswith(ASM_FOLDERS):
        return
    for match in ASM.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield f"{path}:{line}: inline assembly belongs in x86/insn.h"


def main():
    bad = [finding for folder in FOLDERS
           for path in csource.files(folder, *FILE_LINES)
           for finding in findings(path)]
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
