# SPDX-License-Identifier: MIT
"""What a test is, and what it has to work with."""
import os
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build")
LOGS = os.path.join(BUILD, "logs")
PASS, SKIP, FAIL = "PASS", "SKIP", "FAIL"
# Cases name their limits for a machine that does nothing else; one that does
# takes longer, and what hangs is ended all the same.
LOADED = 4


class Failure(Exception):
    """What is under test did something wrong."""


class Crash(Failure):
    """It ended, or panicked, before its verdict."""


class Broken(Exception):
    """The test could not be run: the fault is in the test or the build."""


class Skipped(Exception):
    """What the case needs is not to be had here; says why."""


class Case:
    """One entry of the list: `body(context)` passes unless it raises.

    A body may also report results of its own through Context.report(); then
    these are counted, and the case as such only when it raises."""

    def __init__(self, name, body, timeout=60):
        self.name = name
        self.body = body
        self.timeout = timeout


class Context:
    """A running case: its clock, log file, private folder and results."""

    def __init__(self, case, folder, hv=None):
        self.name = case.name
        self.hv = hv
        self.start = time.monotonic()
        self.deadline = self.start + case.timeout * LOADED
        flat = case.name.replace("/", "-")
        self.log_path = os.path.join(LOGS, flat + ".log")
        self.folder = os.path.join(folder, flat)
        os.makedirs(self.folder, exist_ok=True)
        self.log = open(self.log_path, "wb", buffering=0)
        self.results = []
        self.calls = {}  # of tests of small guests: {call: answers}
        self.lock = threading.Lock()

    def left(self):
        """Seconds until this case has to be over."""
        return max(0.0, self.deadline - time.monotonic())

    def seconds(self):
        return time.monotonic() - self.start

    def wait_was(self, seconds):
        """Waiting for its turn is not counted as its time."""
        self.start += seconds
        self.deadline += seconds

    def report(self, name, status, detail=""):
        self.results.append((f"{self.name}/{name}", status, detail))

    def tail(self, lines=15):
        """The last lines of the log, for the reader of a failure."""
        with open(self.log_path, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 8192))
            text = log.read().decode("utf-8", "replace")
        return [line.rstrip("\r") for line in text.splitlines()[-lines:]]


def need(path):
    """The absolute path of a built file, which must be there."""
    path = os.path.join(ROOT, path)
    if not os.path.exists(path):
        raise Broken(os.path.relpath(path, ROOT) + " is missing")
    return path
