#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make fuzz: long runs of guests/fuzz, one for each seed, their counts summed.

Without --seeds and --words: the recorded runs, of which there are 20 million
calls. What a run gave is kept in build/fuzz-runs for as long as hypervisor and
guest are the same files, so a campaign that was ended goes on where it was.
Fails when a run does, and when an operation succeeded less often over all of
them than --floor. docs/fuzzing.md says more."""
import argparse
import hashlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

from boot import fuzz
from lib import proc
from lib.case import (BUILD, FAIL, LOGS, ROOT, Broken, Case, Context, Failure,
                      Skipped)

sys.path.insert(0, os.path.join(ROOT, "bench"))
import branches  # pylint: disable=wrong-import-position

# words, seeds, calls of each
RECORDED = [("", "1-13", 1000000), ("domu", "21-23", 1000000),
            ("race", "31", 100000), ("domu race", "41", 100000),
            ("isolated", "51", 500000), ("domu isolated", "61", 500000),
            ("pv32", "71-73", 1000000), ("domu pv32", "81", 1000000),
            ("race pv32", "91", 100000)]
# Why an operation need not succeed, or cannot so often.
EXEMPT = {
    "a machine powers off once": ["platform:enter_acpi_sleep"],
    "once a line and boot": ["physdev:setup_gsi"],
    "refused, as on Xen": [
        "mmuext:MARK_SUPER", "mmuext:UNMARK_SUPER", "memory:add_to_physmap",
        "memory:add_to_physmap_batch", "memory:remove_from_physmap",
        "memory:get_vnumainfo", "memory:access_op", "grant:cache_flush",
        "memory:get_pod_target", "memory:set_pod_target"],
    "the image has no build id": ["version:build_id"],
}
# Whose branches are counted against the floor.
ROOMS = ("call", "pv", "grant", "evtchn")
# What the recorded runs must have: successes of each operation, percent of the
# branches.
FLOOR, BRANCHES = 1000, 75


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds",
                        help="numbers and ranges, as 1-8,20")
    parser.add_argument("--calls", type=int,
                        help="calls of each run (default: 1000000)")
    parser.add_argument("--floor", type=int,
                        help="successes that each operation must have "
                        f"(default: {FLOOR} in the recorded runs, else 0)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--words",
                        help="race: another vcpu changes arguments; domu: in "
                        "a domain without rights; isolated: with xpti=yes; "
                        "pv32: as a 32-bit kernel")
    parser.add_argument("--branches", metavar="PERCENT", type=int,
                        help="record the hypervisor's branches: the rooms "
                        f"{', '.join(ROOMS)} must have so much of them "
                        f"(default: {BRANCHES} in the recorded runs; -1: none "
                        "are recorded)")
    parser.add_argument("--hours", type=float, default=4,
                        help="limit of one run (default: 4)")
    parser.add_argument("--again", action="store_true",
                        help="make runs anew whose results are kept")
    options = parser.parse_args()
    recorded = not (options.seeds or options.words)
    if options.floor is None:
        options.floor = FLOOR if recorded else 0
    if options.branches is None:
        options.branches = BRANCHES if recorded else -1
    return options


def seeds_of(text):
    for part in text.replace(",", " ").split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def runs_of(options):
    """[(words, seed, calls)]"""
    plan = RECORDED
    if options.seeds or options.words:
        plan = [(options.words or "", options.seeds or "1-8", 1000000)]
    return [(words, seed, options.calls or calls)
            for words, seeds, calls in plan for seed in seeds_of(seeds)]


def store_folder():
    """Where the results of these very files are kept."""
    digest = hashlib.sha256(repr((fuzz.MACHINE, fuzz.EXACT)).encode())
    for path in ("build/ringlet-debug", "build/guests/fuzz",
                 "build/guests/fuzz32"):
        with open(os.path.join(ROOT, path), "rb") as file:
            digest.update(file.read())
    folder = os.path.join(BUILD, "fuzz-runs", digest.hexdigest()[:16])
    os.makedirs(folder, exist_ok=True)
    return folder


class Campaign:
    """All runs, and their sums."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.store = store_folder()
        self.todo = queue.Queue()
        self.lock = threading.Lock()
        self.sums = {}
        self.gone = set()
        self.plugin = None
        self.done = self.good = self.failed = self.runs = self.longest = 0
        self.seconds = 0.0
        for one in runs_of(options):
            self.todo.put(one)
        self.wanted = self.todo.qsize()

    def _one(self, words, seed, calls):
        name = "-".join(["fuzz", *words.split(), str(seed), str(calls)])
        kept = os.path.join(self.store, name + ".json")
        found = self._kept(kept)
        if not found:
            found = self._run(name, words, seed, calls)
            if not found["problem"]:
                with open(kept + ".new", "w", encoding="utf-8") as file:
                    json.dump(found, file)
                os.replace(kept + ".new", kept)
        with self.lock:
            self._add(name, found)

    def _kept(self, path):
        """A result with what is asked of it, or None."""
        if self.options.again or not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        return found if found["branches"] or not self.plugin else None

    def _progress(self, name, calls):
        start = last = time.monotonic()

        def progress(done):
            nonlocal last
            now = time.monotonic()
            if now - last < 20:
                return
            last = now
            print(f"     {name}: {done} of {calls} calls, "
                  f"{done / (now - start):.0f} a second", flush=True)
        return progress

    def _run(self, name, words, seed, calls):
        case = Case(name, None, self.options.hours * 900)
        context = Context(case, self.folder)
        record = os.path.join(context.folder, "branches")
        more = (["-plugin", f"{self.plugin},out={record}"] if self.plugin
                else [])
        result, problem, gone = fuzz.Result(), "", []
        try:
            result = fuzz.run(context, seed, calls, words, more,
                              self._progress(name, calls))
            problem = "; ".join(detail for _, status, detail
                                in context.results if status == FAIL)
        except (Failure, Broken, Skipped, proc.Stopped) as error:
            problem = str(error) or "stopped"
        context.log.close()
        if os.path.exists(record):
            gone = sorted(branches.ways(record))
        return dict(vars(result), problem=problem, branches=gone,
                    log=context.log_path, seconds=context.seconds())

    def _add(self, name, found):
        self.runs += 1
        self.done += found["done"]
        self.good += found["good"]
        self.seconds += found["seconds"]
        if "race" not in name: # there it is the host's time
            self.longest = max(self.longest, found["longest"])
        self.gone.update((at, taken) for at, taken in found["branches"])
        for operation, numbers in found["counts"].items():
            total = self.sums.setdefault(operation, {})
            for key, number in numbers.items():
                total[key] = total.get(key, 0) + number
        if found["problem"]:
            self.failed += 1
            print(f"FAIL {name}: {found['problem']} (log: {found['log']})")
        else:
            print(f"PASS {name}: {found['good']} of {found['done']} calls "
                  f"succeeded, digest {found['digest']}, "
                  f"{found['seconds']:.0f} s; {self.runs} of {self.wanted} "
                  f"runs, {self.done} calls", flush=True)

    def _work(self):
        while True:
            try:
                self._one(*self.todo.get_nowait())
            except queue.Empty:
                return

    def run(self):
        if self.options.branches >= 0:
            self.plugin = os.path.join(self.folder, "branches.so")
            subprocess.run(branches.plugin_command(self.plugin), check=True)
        workers = [threading.Thread(target=self._work)
                   for _ in range(max(1, self.options.jobs))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def report(self):
        """The sums; how many operations are below the floor."""
        reasons = {name: reason for reason, names in EXEMPT.items()
                   for name in names}
        floor, below = self.options.floor, 0
        for name, numbers in sorted(self.sums.items()):
            errors = " ".join(f"{key}={number}" for key, number
                              in sorted(numbers.items()) if key != "good")
            print(f"{name:36} {numbers['good']:9} {errors}")
        for name, numbers in sorted(self.sums.items()):
            if numbers["good"] < floor:
                below += name not in reasons
                print(f"BELOW {name:36} {numbers['good']:6} "
                      f"{reasons.get(name, 'not allowed')}")
        print(f"{len(self.sums)} operations, {self.runs} runs, {self.done} "
              f"calls, {self.good} successes, {self.seconds:.0f} s, longest "
              f"call {self.longest} us; {self.failed} runs failed, {below} "
              f"operations below {floor}")
        return below

    def report_branches(self):
        """True if ROOMS have less than they must."""
        if self.options.branches < 0:
            return False
        for name, (went, are) in sorted(
                branches.table(self.gone, by_room=False).items()):
            print(f"BRANCHES {name:24} {went:5} of {are:5} "
                  f"{100 * went // are:3} %")
        rooms = branches.table(self.gone)
        for name, (went, are) in sorted(rooms.items()):
            print(f"BRANCHES {name:24} {went:5} of {are:5} "
                  f"{100 * went // are:3} %")
        went, are = [sum(rooms[name][i] for name in ROOMS) for i in (0, 1)]
        print(f"BRANCHES {' '.join(ROOMS)}: {100 * went / are:.1f} %, floor "
              f"{self.options.branches}")
        return 100 * went < self.options.branches * are


def main():
    options = arguments()
    os.makedirs(LOGS, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=BUILD) as folder:
        campaign = Campaign(options, folder)
        try:
            campaign.run()
        finally:
            proc.end_all()
        below = campaign.report()
        below += campaign.report_branches()
    return 1 if campaign.failed or below or not campaign.runs else 0


if __name__ == "__main__":
    sys.exit(main())
