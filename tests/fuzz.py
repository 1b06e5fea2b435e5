#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make fuzz: long runs of guests/fuzz, one for each seed, their counts summed.

Fails when one of them does, and with --floor N when an operation succeeded
less often than that over all seeds. docs/fuzzing.md says more."""
import argparse
import os
import queue
import sys
import tempfile
import threading

sys.dont_write_bytecode = True

from boot import fuzz
from lib import proc
from lib.case import (BUILD, FAIL, LOGS, Broken, Case, Context, Failure,
                      Skipped)

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
        "physdev:release_msix", "vcpu:get_physid"],
}


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
        self.good = self.failed = self.runs = 0
        for seed in seeds_of(options.seeds):
            self.todo.put(seed)

    def _one(self, seed):
        name = "/".join(["fuzz"] + self.options.words.split() + [str(seed)])
        case = Case(name, None, self.options.hours * 900)
        context = Context(case, self.folder)
        good, digest, problem = 0, "", ""
        try:
            counts, good, digest = fuzz.run(
                context, seed, self.options.calls, self.options.words)
            problem = "; ".join(detail for _, status, detail
                                in context.results if status == FAIL)
        except (Failure, Broken, Skipped, proc.Stopped) as error:
            problem, counts = str(error) or "stopped", {}
        context.log.close()
        with self.lock:
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
        workers = [threading.Thread(target=self._work)
                   for _ in range(max(1, self.options.jobs))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def report(self):
        """The sums; how many operations are below the floor."""
        exempt = {name: why for why, names in EXEMPT.items()
                  for name in names}
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
    return 1 if campaign.failed or below or not campaign.runs else 0


if __name__ == "__main__":
    sys.exit(main())
