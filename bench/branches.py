# SPDX-License-Identifier: MIT
"""How many of the two ways of each conditional jump of the hypervisor were
gone: what branches.c records against the jumps in build/debug/hv.elf, by room
and file. Assembly is left out: what is counted are C's branches."""
import os
import re
import struct
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ELF = "build/debug/hv.elf"
MAP = "build/debug/hv.map"
FLAGS = ["-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"]
# A long name stands on a line of its own.
PIECE = re.compile(
    r"^ \.(?:text|init)\S*\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+"
    r"build/debug/obj/(\S+)\.o$", re.MULTILINE)
JUMP = re.compile(r"^\s*([0-9a-f]+):\s+j(?!mp)\w+\s")


def plugin_command(path):
    return [os.environ.get("CC", "gcc"), *FLAGS, "-o", path,
            os.path.join(ROOT, "bench", "branches.c")]


def pieces():
    """[(start, end, file)] of the code, in order."""
    with open(os.path.join(ROOT, MAP), encoding="utf-8") as file:
        found = PIECE.findall(file.read())
    return sorted((int(start, 16), int(start, 16) + int(size, 16), name)
                  for start, size, name in found if int(size, 16))


def jumps():
    """{address: file} of all conditional jumps in C code."""
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", os.path.join(ROOT, ELF)],
        check=True, capture_output=True, text=True).stdout
    places, at, found = pieces(), 0, {}
    for line in listing.splitlines():
        match = JUMP.match(line)
        if not match:
            continue
        address = int(match.group(1), 16)
        while at < len(places) and places[at][1] <= address:
            at += 1
        if at < len(places) and places[at][0] <= address and \
                not os.path.exists(os.path.join(
                    ROOT, "hv", places[at][2] + ".S")):
            found[address] = places[at][2]
    return found


def ways(path):
    """{(address, taken or not)} of a recording."""
    found = set()
    with open(path, "rb") as file:
        for at, passed, taken in struct.iter_unpack("<QQQ", file.read()):
            if passed:
                found.add((at, False))
            if taken:
                found.add((at, True))
    return found


def table(gone, by_room=True):
    """{room or file: (ways gone, ways there are)}"""
    sums = {}
    for address, name in jumps().items():
        key = name.split("/")[0] if by_room else name
        went, are = sums.get(key, (0, 0))
        sums[key] = (went + ((address, False) in gone) +
                     ((address, True) in gone), are + 2)
    return sums
