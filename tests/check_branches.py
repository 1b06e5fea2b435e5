#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every indirect branch and return of the hypervisor goes through a slot of
thunk.S, and what patch.c takes for one that does is one (docs/speculation.md)."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import branches


def findings(build):
    image = branches.read(build)
    for address, what in image.others:
        yield f"{build}: {address:#x}: {what}"
    found = image.looks_like()
    for address in sorted(set(found) ^ set(image.sites)):
        yield f"{build}: {address:#x}: only looks like a branch to a slot"
    for slot, name in enumerate(branches.REGISTERS):
        at = image.slots + branches.SLOT * slot + branches.SLOT // 2
        body = branches.slot_body(slot)
        if at % branches.SLOT != branches.SLOT // 2 or \
                image.bytes(at, len(body)) != body:
            yield f"{build}: {at:#x}: the slot of {name} is not as it should be"
    kinds = {slot == branches.RETURN for _, slot in image.sites.values()}
    if kinds != {True, False}:
        yield f"{build}: no sites are found"


def main():
    bad = [line for build in ("release", "debug") for line in findings(build)]
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
