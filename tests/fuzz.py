#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make fuzz: long runs of guests/fuzz, one for each seed, their counts summed.

Fails when one of them does, and with --floor N when an operation succeeded
less often than that over all seeds. docs/fuzzing.md says more."""
import argparse
import os
import queue
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True

from boot import fuzz
from lib import proc
from lib.case import (BUILD, FAIL, LOGS, ROOT, Broken, Case, Context, Failure,
                      Skipped)

sys.path.insert(0, os.path.join(ROOT, "bench"))
import branches  # pylint: disable=wrong-import-position

# Why an operation need not succeed, or cannot so often.
EXEMPT = {
    "domain, then it is over": ["sched:shutdown"],
    "machine, then it is over": ["platform:enter_acpi_sleep"],
    "once a vcpu": ["vcpu:initialise", "vcpu:register_vcpu_info"],
    "once a line": ["physdev:setup_gsi"],
    "once a domain": ["physdev:pirq_eoi_gmfn_v1", "physdev:pirq_eoi_gmfn_v2"],
    "refused by design": [
        "mmuext:MARK_SUPER", "mmuext:UNMARK_SUPER", "memory:add_to_physmap",
        "memory:add_to_physmap_batch", "memory:remove_from_physmap",
        "memory:get_vnumainfo", "memory:access_op", "grant:cache_flush",
        "version:build_id"],
    "not on this machine": [
        "physdev:pci_mmcfg_reserved", "physdev:prepare_msix",
        "physdev:release_msix"],
}
# Whose branches are counted against the floor.
ROOMS = ("call", "pv", "grant", "evtchn")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="1-8",
                        help="numbers and ranges, as 1-8,20 (default: 1-8)")
    parser.add_argument("--calls", type=int, default=1000000,
                        help="calls of each run (default: 1000000)")
    parser.add_argument("--floor", type=int, default=0,
                        help="successes that each operation must have")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--words", default="",
                        help="race: another vcpu changes arguments; domu: in "
                        "a domain without rights")
    parser.add_argument("--branches", metavar="PERCENT", type=int, default=-1,
                        help="record the hypervisor's branches: the rooms "
                        f"{', '.join(ROOMS)} must have so much of them")
    parser.add_argument("--hours", type=float, default=4,
                        help="limit of one run (default: 4)")
    return parser.parse_args()


def seeds_of(text):
    for part in text.replace(",", " ").split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


class Campaign:
    """All runs, and their sums."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.todo = queue.Queue()
        self.lock = threading.Lock()
        self.sums = {}
        self.gone = set()
        self.plugin = None
        self.good = self.failed = self.runs = 0
        for seed in seeds_of(options.seeds):
            self.todo.put(seed)

    def _one(self, seed):
        name = "/".join(["fuzz"] + self.options.words.split() + [str(seed)])
        case = Case(name, None, self.options.hours * 900)
        context = Context(case, self.folder)
        good, digest, problem = 0, "", ""
        record = os.path.join(context.folder, "branches")
        more = (["-plugin", f"{self.plugin},out={record}"] if self.plugin
                else [])
        try:
            counts, good, digest = fuzz.run(
                context, seed, self.options.calls, self.options.words, more)
            problem = "; ".join(detail for _, status, detail
                                in context.results if status == FAIL)
        except (Failure, Broken, Skipped, proc.Stopped) as error:
            problem, counts = str(error) or "stopped", {}
        context.log.close()
        with self.lock:
            if os.path.exists(record):
                self.gone |= branches.ways(record)
            self._add(seed, counts, good, digest, problem, context)

    def _add(self, seed, counts, good, digest, problem, context):
        self.runs += 1
        self.good += good
        for name, numbers in counts.items():
            total = self.sums.setdefault(name, {})
            for key, number in numbers.items():
                total[key] = total.get(key, 0) + number
        if problem:
            self.failed += 1
            print(f"FAIL seed {seed}: {problem} (log: {context.log_path})")
        else:
            print(f"PASS seed {seed}: {good} of {self.options.calls} calls "
                  f"succeeded, digest {digest}, {context.seconds():.0f} s")
        sys.stdout.flush()

    def _work(self):
        while True:
            try:
                self._one(self.todo.get_nowait())
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
        exempt = sum(EXEMPT.values(), [])
        if "domu" in self.options.words:
            exempt += sum(EXEMPT_DOMU.values(), [])
        below = 0
        for name, numbers in sorted(self.sums.items()):
            errors = " ".join(f"{key}={number}" for key, number
                              in sorted(numbers.items()) if key != "good")
            print(f"{name:36} {numbers['good']:9} {errors}")
            if numbers["good"] < self.options.floor and name not in exempt:
                below += 1
                print(f"BELOW {name}: {numbers['good']} of "
                      f"{self.options.floor}")
        print(f"{len(self.sums)} operations, {self.runs} runs of "
              f"{self.options.calls} calls, {self.good} successes, "
              f"{self.failed} runs failed, {below} operations below "
              f"{self.options.floor}")
        return below

    def report_branches(self):
        """True if one of ROOMS has less than it must."""
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
