# SPDX-License-Identifier: MIT
"""The CPUs that all machines share.

A CPU of a machine is a thread here, and they wait for each other all the time:
for a TLB flush, for a lock. With more threads than CPUs each such wait is a
time slice of the host's, so a machine with two CPUs takes three times as long
beside another one. Hence each gets as many CPUs as it has, or waits."""
import collections
import os
import threading
import time

_count = len(os.sched_getaffinity(0))
_free = _count
_line = collections.deque()
_changed = threading.Condition()


def take(wanted):
    """Waits in line. Returns how many CPUs were taken, to be given back, and
    the seconds that it took."""
    global _free
    start = time.monotonic()
    wanted = min(wanted, _count)
    ticket = object()
    with _changed:
        _line.append(ticket)
        _changed.wait_for(lambda: _line[0] is ticket and _free >= wanted)
        _line.popleft()
        _free -= wanted
        _changed.notify_all()
    return wanted, time.monotonic() - start


def give(taken):
    global _free
    with _changed:
        _free += taken
        _changed.notify_all()
