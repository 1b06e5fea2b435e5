#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run Ringlet's tests: static checks, unit tests, and whole systems in QEMU.

Without --only or --all, the cases that tests/enabled names are run. The last
line of output is "N passed, N failed"; the exit code is 0 only when something
passed and nothing failed."""
import argparse
import fnmatch
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

sys.dont_write_bytecode = True

from boot import (bench, boot, branches, console, cpus, ctrl_c, devices_domu,
                  dom0, fuzz, install, isolation, life, load, memory, programs32, pv,
                  pv32, suite, timing)
from lib import local, proc
from lib.case import (BUILD, FAIL, LOGS, PASS, ROOT, SKIP, Broken, Context,
                      Failure, Skipped)
from lib.machine import HV_IMAGES

TAIL_LINES = 15
# SIGINT too: a shell's background job starts with it ignored.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2,
                        help="cases at a time (default: 2)")
    parser.add_argument("--only", metavar="PATTERN", action="append",
                        help="shell pattern, or part of a name; repeatable")
    parser.add_argument("--all", action="store_true",
                        help="also what tests/enabled does not name")
    parser.add_argument("--list", action="store_true",
                        help="print the names and stop")
    parser.add_argument("--hv", choices=sorted(HV_IMAGES),
                        help="use this hypervisor in every machine")
    parser.add_argument("--limit", type=int, default=3600,
                        help="seconds for everything (default: 3600)")
    return parser.parse_args()


def enabled_patterns():
    with open(os.path.join(ROOT, "tests", "enabled")) as file:
        lines = [line.split("#")[0].strip() for line in file]
    return [line for line in lines if line]


def chosen(options):
    """The cases to run, in order: what fails at once, then long ones, those
    that keep one CPU busy beside each other, and short ones in the end, when
    there is little left to share out."""
    cases = (local.cases() + boot.cases() + branches.cases() +
             install.cases() + bench.cases() +
             cpus.cases() + isolation.cases() + life.cases() +
             memory.cases() + load.cases() +
             devices_domu.cases() + ctrl_c.cases() + dom0.cases() +
             timing.cases() + console.cases() + fuzz.cases() + pv.cases() +
             pv32.cases() + programs32.cases() + suite.cases())
    if options.only:
        return [case for case in cases if any(
            fnmatch.fnmatch(case.name, pattern) or pattern in case.name
            for pattern in options.only)]
    if options.all:
        return cases
    patterns = enabled_patterns()
    return [case for case in cases
            if any(fnmatch.fnmatch(case.name, one) for one in patterns)]


def judge(case, context):
    """Run the body and return the list of (name, status, detail)."""
    try:
        case.body(context)
    except Skipped as skipped:
        return context.results + [(case.name, SKIP, str(skipped))]
    except Failure as failure:
        problem = str(failure)
    except (Broken, proc.Stopped) as broken:
        problem = "test could not be run: " + (str(broken) or "stopped")
    except Exception:
        context.log.write(traceback.format_exc().encode())
        problem = "test could not be run: error in the runner"
    else:
        return context.results or [(case.name, PASS, "")]
    return context.results + [(case.name, FAIL, problem)]


class Run:
    """The workers, and what they found."""

    def __init__(self, cases, options, folder):
        self.todo = queue.Queue()
        self.done = queue.Queue()
        self.folder = folder
        self.hv = options.hv
        self.stop = threading.Event()
        self.counts = {PASS: 0, SKIP: 0, FAIL: 0}
        self.left = len(cases)
        for case in cases:
            self.todo.put(case)
        self.workers = [threading.Thread(target=self._work, daemon=True)
                        for _ in range(max(1, options.jobs))]

    def _work(self):
        while not self.stop.is_set():
            try:
                case = self.todo.get_nowait()
            except queue.Empty:
                return
            context = Context(case, self.folder, self.hv)
            results = judge(case, context)
            context.log.close()
            shutil.rmtree(context.folder, ignore_errors=True)
            self.done.put((context, results))

    def _show(self, context, results):
        log = os.path.relpath(context.log_path, ROOT)
        failed = False
        for name, status, detail in results:
            self.counts[status] += 1
            text = f"{status} {name}"
            if status == FAIL:
                failed = True
                text += f": {detail} (log: {log})"
            elif status == SKIP:
                text += f": {detail}" if detail else ""
            elif name == context.name:
                text += f" {context.seconds():.1f}s"
            print(text)
        if len(results) > 1:
            print(f"  {context.name} took {context.seconds():.1f}s")
        if failed:
            for line in context.tail(TAIL_LINES):
                print("    | " + line)
        sys.stdout.flush()

    def watch(self, limit):
        """Start, show results as they come, and give up at the limit."""
        until = time.monotonic() + limit
        for worker in self.workers:
            worker.start()
        while self.left:
            try:
                wait = max(0.0, until - time.monotonic())
                self._show(*self.done.get(timeout=wait))
                self.left -= 1
            except queue.Empty:
                print(f"{self.left} cases not finished within {limit} s")
                self.counts[FAIL] += self.left
                return

    def close(self):
        """End whatever still runs."""
        self.stop.set()
        proc.end_all()
        for worker in self.workers:
            if worker.ident:
                worker.join(10)


def interrupted(*_):
    raise KeyboardInterrupt()


def main():
    options = arguments()
    cases = chosen(options)
    if options.list:
        print("\n".join(case.name for case in cases))
        return 0
    for number in ENDING:
        signal.signal(number, interrupted)
    os.makedirs(LOGS, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="test-", dir=BUILD)
    os.environ["TMPDIR"] = folder
    run = Run(cases, options, folder)
    cut = False
    try:
        run.watch(options.limit)
    except KeyboardInterrupt:
        cut = True
        print("interrupted")
    finally:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        run.close()
        shutil.rmtree(folder, ignore_errors=True)
    counts = run.counts
    if counts[SKIP]:
        print(f"{counts[SKIP]} skipped")
    print(f"{counts[PASS]} passed, {counts[FAIL]} failed")
    return 1 if cut or counts[FAIL] or not counts[PASS] else 0


if __name__ == "__main__":
    sys.exit(main())
