#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest may change its memory between two looks at it: no function of hv/
reads the same guest address twice."""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import csource

# Which argument is the address.
READERS = {"copy_from_guest": 1, "copy_struct_from_guest": 1,
           "copy_element_from_guest": 1, "compat_from_guest": 2,
           "compat32_from_guest": 2, "pfn_from_guest": 1,
           "trap32_from_guest": 1, "context32_from_guest": 2,
           "bitmap_from_guest": 1, "guest_load": 1, "IRET_LOAD": 1,
           "word_from_guest": 1, "words_from_guest": 1,
           "entry_from_guest": 1}
CALL = re.compile(r"\b(" + "|".join(READERS) + r")\s*\(")
FUNCTION = re.compile(r"^(?:[a-z].*?\b)?((?!__)\w+)\([^;{}]*\)\s*\n\{(.*?)^\}",
                      re.MULTILINE | re.DOTALL)
# Two ways, of which one is taken: `?:`, two cases, a return in between.
AGAIN = {("hv/call/compat.c", "pfn_from_guest", "list[i]"),
         ("hv/call/hypercall.c", "multicall", "list"),
         ("hv/call/mmu.c", "batch_call", "list"),
         ("hv/call/pv_calls.c", "call_callback_op", "arg"),
         ("hv/call/pv_calls.c", "call_set_trap_table", "list"),
         ("hv/call/vcpu_op.c", "vcpu_context_load", "gva")}


def arguments(text, at):
    """Of the call whose bracket opens at text[at]."""
    depth, found, start = 0, [], at + 1
    for i in range(at, len(text)):
        if text[i] in "([":
            depth += 1
        elif text[i] in ")]":
            depth -= 1
        if not depth or (depth == 1 and text[i] == ","):
            found.append(re.sub(r"\s+", "", text[start:i]))
            start = i + 1
        if not depth:
            return found
    return found


def reads(body):
    """Addresses in the order of their calls; an array's element counts with
    its index."""
    for match in CALL.finditer(body):
        args = arguments(body, match.end() - 1)
        if len(args) <= READERS[match.group(1)]:
            continue
        at = args[READERS[match.group(1)]]
        if match.group(1) in ("copy_element_from_guest", "pfn_from_guest"):
            at += "[" + args[2] + "]"
        yield at


def findings():
    used, readers = set(), 0
    for path in csource.files("hv", ".c"):
        if path.startswith("hv/access/"):
            continue
        text = csource.without_comments(csource.read(path))
        for name, body in FUNCTION.findall(text):
            seen = set()
            for at in reads(body):
                readers += 1
                if at in seen and (path, name, at) in AGAIN:
                    used.add((path, name, at))
                elif at in seen:
                    yield f"{path}: {name} reads {at} twice"
                seen.add(at)
    for row in sorted(AGAIN - used):
        yield f"AGAIN: {row} is not there"
    if readers < 40:
        yield f"only {readers} reads were found: is this check right?"


def main():
    bad = list(findings())
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
