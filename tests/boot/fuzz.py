# SPDX-License-Identifier: MIT
"""Random hypercalls: guests/fuzz, which prints what came of them

    OP name good=N E22=N ...
    FUZZ done=N good=N digest=X

and is a test guest as in pv.py beyond that. Virtual time is the number of
executed instructions (-icount), so a seed gives one run, to the bit; with
another vcpu that changes arguments (`race`) the two run at the same time."""
import os

from boot.pv import verdicts
from lib.case import Case, Crash, Failure
from lib.machine import HV_ARGS, Machine

EXACT = ["-icount", "shift=0,sleep=off", "-rtc", "clock=vm", "-seed", "1"]
# name, seed, calls, racing
SHORT = [("pv/fuzz", 1, 30000, False), ("pv/fuzz-race", 2, 15000, True)]


def parse_op(text):
    """(name, {outcome: count}) of what stands behind OP."""
    name, _, counts = text.partition(" good=")
    fields = ("good=" + counts).split()
    return name, {key: int(number) for key, _, number in
                  (field.partition("=") for field in fields)}


def run(context, seed, calls, racing, hv="ringlet-debug"):
    """One run: ({operation: {outcome: count}}, calls that succeeded, digest
    of the calls). Raises what pv.verdicts() does."""
    words = f"seed={seed} calls={calls}" + (" race" if racing else "")
    image = os.path.join("build", "guests", "fuzz")
    with Machine(context, hv=hv, memory="256M", cpus=2,
                 hv_args=HV_ARGS + " dom0_mem=64M dom0_max_vcpus=4 noreboot",
                 devices=["-nic", "none"] + ([] if racing else EXACT),
                 modules=[(image, words)]) as machine:
        machine.must_not(r"d0 crashes")
        counts = {}
        while True:
            match = machine.expect(
                r"^OP ([^\n]*)\n|^FUZZ done=\d+ good=(\d+) digest=(\S+)\n|"
                r"^\(RL\) Dom0(?: crashed|'s watchdog| asked| powered)")
            if match.group(2):
                break
            if not match.group(1):
                raise Crash("CRASH: it ended in the middle")
            name, numbers = parse_op(match.group(1).decode())
            counts[name] = numbers
        verdicts(context, machine)
    return counts, int(match.group(2)), match.group(3).decode()


def _body(seed, calls, racing):
    def body(context):
        counts, good, _ = run(context, seed, calls, racing)
        failed = [name for name, status, detail in context.results
                  if status == "FAIL"]
        if not failed and good < calls // 2:
            raise Failure(f"only {good} of {calls} calls succeed")
        if not failed and len(counts) < 150:
            raise Failure(f"only {len(counts)} operations were called")
    return body


def cases():
    return [Case(name, _body(seed, calls, racing), 60)
            for name, seed, calls, racing in SHORT]
