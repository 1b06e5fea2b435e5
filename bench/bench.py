#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions that Ringlet and Xen 4.17 execute for the same work: runs the
machines of bench/rows.py, and writes what they counted to build/bench.
docs/benchmarks.md explains. What was run with the same images is not run again.

Usage: bench.py [--runs N] [--only GROUP]... [--side SIDE] [--again] [--keep]
                [--record]
       bench.py --blocks FILE --only GROUP [--side SIDE] [--section NAME]"""
import argparse
import os
import shutil
import signal
import sys
import tempfile

sys.dont_write_bytecode = True

import measure  # pylint: disable=wrong-import-position
import report  # pylint: disable=wrong-import-position
from rows import GROUP, GROUPS, RINGLET, BOTH, sections
from lib import proc  # pylint: disable=wrong-import-position,wrong-import-order

# SIGINT too: a shell's background job starts with it ignored.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2,
                        help="that must agree (default: 2)")
    parser.add_argument("--only", action="append", choices=list(GROUP),
                        metavar="GROUP", help=", ".join(GROUP))
    parser.add_argument("--again", action="store_true",
                        help="run what is known as well")
    parser.add_argument("--keep", action="store_true",
                        help="put the results into docs/")
    parser.add_argument("--record", action="store_true",
                        help="write bench/budget")
    parser.add_argument("--blocks", metavar="FILE",
                        help="where instructions went, for profile.py")
    parser.add_argument("--side", choices=BOTH, help="only this one")
    parser.add_argument("--section", choices=list(sections()),
                        metavar="NAME", help="--blocks only of its last turn")
    options = parser.parse_args()
    if options.blocks and len(options.only or []) != 1:
        parser.error("--blocks takes one --only")
    return options


class Progress:
    """Lines that tell what is under way."""

    def __init__(self, total):
        self.total, self.at = total, 0

    def next(self, what):
        self.at += 1
        return lambda text: print(f"[{self.at}/{self.total}] {what}: {text}",
                                  flush=True)


def steps(options):
    """[(group, side)]; by the clock both sides are one step."""
    for group in GROUPS:
        if options.only and group.name not in options.only:
            continue
        if group.by_clock:
            yield group, None
        else:
            yield from ((group, side) for side in group.sides
                        if options.side in (None, side))


def run_clocked(group, options, folder, say):
    if not options.again and all(measure.kept(group, side)
                                 for side in group.sides):
        say("known")
        return True
    for side, values in measure.group_clocked(group, folder, say).items():
        measure.keep(group, side, {"clock": values})
    return True


def run_counted(group, side, options, folder, built, say):
    """True: all runs agree. Each is kept as soon as it is done."""
    found = None if options.again else measure.kept(group, side)
    if measure.runs_of(found) >= options.runs:
        say("known")
    while measure.runs_of(found) < options.runs:
        say(f"run {measure.runs_of(found) + 1} of {options.runs}")
        found = measure.group_counted(group, side, folder, built, say, found)
        measure.keep(group, side, found)
    for what in found["differ"]:
        say(f"thrown away, as runs differ: {what}")
    return not found["differ"]


def run_all(options, folder):
    todo = list(steps(options))
    progress = Progress(len(todo))
    built = measure.plugin(folder)
    good = True
    for group, side in todo:
        say = progress.next(f"{group.name}, {side or ' and '.join(BOTH)}")
        try:
            good &= (run_counted(group, side, options, folder, built, say)
                     if side else run_clocked(group, options, folder, say))
        except measure.Failed as failed:
            say(f"failed: {failed}")
            good = False
    return good


def blocks(options, folder):
    group = GROUP[options.only[0]]
    more = "blocks=" + os.path.abspath(options.blocks)
    if options.section:
        more += f",section={sections()[options.section]}"
    side = options.side or RINGLET
    copy = measure.hypervisors(folder, [side])[side]
    measure.counted(group, folder, copy, measure.modules(group, folder),
                    measure.plugin(folder), print, more)


def interrupted(*_):
    raise KeyboardInterrupt()


def main():
    options = arguments()
    for number in ENDING:
        signal.signal(number, interrupted)
    os.makedirs(measure.OUT, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="run-", dir=measure.OUT)
    try:
        if options.blocks:
            blocks(options, folder)
            return 0
        good = run_all(options, folder)
        report.write(options.runs, options.keep, options.record)
        return 0 if good else 1
    except measure.Failed as failed:
        print(f"bench: {failed}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; what was done is kept", file=sys.stderr)
        return 130
    finally:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        proc.end_all()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
