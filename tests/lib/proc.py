# SPDX-License-Identifier: MIT
"""Child processes that cannot outlive the runner.

Every child leads a process group of its own, is known here until it has been
killed or waited for, and stands under coreutils' `timeout` as a last resort
for the case that the runner itself is killed."""
import os
import signal
import subprocess
import threading

_lock = threading.Lock()
_live = set()
_stopping = False


class Stopped(Exception):
    """The run is being ended; no new child may start."""


def spawn(command, limit, **options):
    """Start a child that dies after `limit` seconds whatever happens."""
    command = ["timeout", "-k", "5", str(int(limit) + 5)] + list(command)
    with _lock:
        if _stopping:
            raise Stopped()
        child = subprocess.Popen(command, start_new_session=True, **options)
        _live.add(child)
    return child


def end(child):
    """Kill the child's whole group and collect it."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
    with _lock:
        _live.discard(child)


def end_all():
    """Kill every child and refuse new ones."""
    global _stopping
    with _lock:
        _stopping = True
        children = list(_live)
    for child in children:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def run(command, limit, log, **options):
    """Run to the end, output to the open file `log`. Returns the exit code,
    or None when the time was up."""
    child = spawn(command, limit, stdin=subprocess.DEVNULL, stdout=log,
                  stderr=subprocess.STDOUT, **options)
    try:
        return child.wait(limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        end(child)
