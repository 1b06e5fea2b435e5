#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include whom: every include in hv/ against the table hv/LAYERS."""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import csource

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)
SOURCES = (".c", ".h", ".S", ".def", ".inc")
# Made by the build: constants for assembly.
GENERATED = ("offsets.h",)


def read_layers(path):
    """{room: (rank, the only rooms it may include or an empty list)}"""
    rooms = {}
    for line in csource.read(path).splitlines():
        words = line.split("#")[0].split()
        if words:
            rooms[words[1]] = (int(words[0]), words[2:])
    return rooms


def problem(rooms, room, target):
    """Why a file of `room` may not include `target`, or None."""
    if target.count("/") == 0:
        return "write it as room/file.h"
    other = target.split("/")[0]
    if other not in rooms:
        return f"there is no room {other}"
    if other == room:
        return None
    if target.endswith("/private.h"):
        return f"that header is {other}'s own"
    rank, only = rooms[room]
    if only and other not in only:
        return f"{room} may include only {', '.join(only)}"
    if rooms[other][0] >= rank:
        return (f"{other} (rank {rooms[other][0]}) is not below "
                f"{room} (rank {rank})")
    return None


def check_file(hv, path, rooms, graph):
    """Print each bad include, return how many, and note the good ones."""
    name = os.path.relpath(path, hv)
    room = name.split("/")[0]
    if room not in rooms:
        print(f"hv/{name}: not in a room of hv/LAYERS")
        return 1
    text = csource.without_comments(csource.read(path))
    bad = 0
    for match in INCLUDE.finditer(text):
        target = match.group(1)
        if target in GENERATED:
            continue
        why = problem(rooms, room, target)
        if why:
            line = text.count("\n", 0, match.start()) + 1
            print(f'hv/{name}:{line}: #include "{target}": {why}')
            bad += 1
        graph.setdefault(name, []).append(target)
    return bad


def find_cycle(graph):
    """A list of headers that include each other in a ring, or None."""
    finished = set()

    def walk(name, path):
        if name in path:
            return path[path.index(name):] + [name]
        if name in finished:
            return None
        for target in graph.get(name, []):
            ring = walk(target, path + [name])
            if ring:
                return ring
        finished.add(name)
        return None

    rings = (walk(name, []) for name in sorted(graph))
    return next((ring for ring in rings if ring), None)


def main(hv):
    rooms = read_layers(os.path.join(hv, "LAYERS"))
    graph = {}
    bad = sum(check_file(hv, path, rooms, graph)
              for path in csource.files(hv, *SOURCES))
    ring = find_cycle(graph)
    if ring:
        print("include cycle: " + " -> ".join(ring))
        bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "hv"))
