# SPDX-License-Identifier: MIT
"""Random hypercalls: guests/fuzz, which prints what came of them

    OP name good=N E22=N ...
    FUZZ done=N good=N digest=X

and is a test guest as in pv.py beyond that. Virtual time is the number of
executed instructions (-icount), so a seed gives one run, to the bit; with
another vcpu that changes arguments (`race`) the two run at the same time. With
`domu` a domain without rights makes the calls, built by Dom0's copy of the
guest, which has a verdict of its own. `isolated`: the tables of guests have next
to nothing of the hypervisor's; `pv32`: both copies are 32-bit kernels."""
import os

from boot.dom0 import script_body
from boot.pv import verdicts
from lib.case import FAIL, Case, Crash, Failure
from lib.machine import HV_ARGS, Machine

# A window for configuration space, and a device with MSI and MSI-X and one with
# MSI alone, in the places that guests/fuzz/devices.c names.
MACHINE = ["-machine", "q35", "-nic", "none",
           "-device", "e1000e,addr=02,romfile=", "-device", "edu,addr=03"]
EXACT = ["-icount", "shift=0,sleep=off", "-rtc", "clock=vm", "-seed", "1"]
# name, seed, calls, words
SHORT = [("pv/fuzz", 1, 30000, ""), ("pv/fuzz-race", 2, 15000, "race"),
         ("pv/fuzz-domu", 3, 30000, "domu"),
         ("pv/fuzz-domu-race", 4, 15000, "domu race"),
         ("pv/fuzz-isolated", 5, 10000, "isolated"),
         ("pv/fuzz-pv32", 6, 20000, "pv32"),
         ("pv/fuzz-pv32-domu", 7, 10000, "domu pv32")]
# Operations that it knows; without the control domain's.
LEAST = {False: 210, True: 125}


def parse_op(text):
    """(name, {outcome: count}) of what stands behind OP."""
    name, _, counts = text.partition(" good=")
    fields = ("good=" + counts).split()
    return name, {key: int(number) for key, _, number in
                  (field.partition("=") for field in fields)}


class Result:
    """What one run said. counts: {operation: {outcome: number}}."""

    def __init__(self):
        self.counts = {}
        self.done = self.good = self.longest = 0
        self.digest = ""

    def add(self, text):
        """A line behind OP."""
        name, numbers = parse_op(text)
        so_far = self.counts.setdefault(name, {})
        for key, number in numbers.items():
            so_far[key] = so_far.get(key, 0) + number


def _collect(context, machine, progress=None):
    """What one run says up to its verdict; progress(calls) now and then."""
    result = Result()
    while True:
        match = machine.expect(
            r"\bOP ([^\n]*)\n|\bFUZZ at=(\d+)\n|"
            r"\bFUZZ longest=(\d+) us[^\n]*\n|"
            r"\bFUZZ done=(\d+) good=(\d+) digest=(\S+)\n|"
            r"^\(RL\) Dom0(?: crashed|'s watchdog| asked| powered)")
        line, at, longest, done, good, digest = match.groups()
        if line:
            result.add(line.decode())
        elif at:
            if progress:
                progress(int(at))
        elif longest:
            result.longest = int(longest)
        elif done:
            break
        else:
            raise Crash("CRASH: it ended in the middle")
    result.done, result.good = int(done), int(good)
    result.digest = digest.decode()
    verdicts(context, machine)
    return result


def run(context, seed, calls, words="", more=(), progress=None):
    """One run, with further arguments of QEMU: its Result. Raises what
    pv.verdicts() does."""
    image = os.path.join("build", "guests",
                         "fuzz32" if "pv32" in words else "fuzz")
    domu = "domu" in words
    isolated = " xpti=yes" if "isolated" in words else ""
    modules = [(image, f"{words} seed={seed} calls={calls}")]
    with Machine(context, hv="ringlet-debug", memory="256M", cpus=2,
                 hv_args=HV_ARGS + " dom0_mem=64M dom0_max_vcpus=4 noreboot"
                 " guest_loglvl=all" + isolated,
                 devices=[*MACHINE, *more] +
                 ([] if "race" in words else EXACT),
                 modules=modules + ([(image, "")] if domu else [])) as machine:
        machine.must_not(r"(d0|d3000) crashes")
        result = _collect(context, machine, progress)
        if domu:
            verdicts(context, machine)
    return result


def _body(seed, calls, words):
    def body(context):
        result = run(context, seed, calls, words)
        if any(status == FAIL for _, status, _ in context.results):
            return
        least = LEAST["domu" in words]
        if result.good < calls // 2:
            raise Failure(f"only {result.good} of {calls} calls succeed")
        if len(result.counts) < least:
            raise Failure(f"{len(result.counts)} operations were called, not "
                          f"{least}")
    return body


def _xl(context):
    """In guests of xl's: the script fuzz."""
    def each(machine):
        machine.must_not(r"d[1-9]\d* crashes")
        for _ in range(4):
            _collect(context, machine)

    script_body("fuzz", "ringlet-debug", guests=True,
                files={"boot/peer": "build/guests/peer",
                       "boot/fuzz": "build/guests/fuzz",
                       "boot/fuzz32": "build/guests/fuzz32"},
                before=each, words="ringlet.calls=200000",
                hv_more="guest_loglvl=all")(context)


def cases():
    return [Case(name, _body(seed, calls, words), 60)
            for name, seed, calls, words in SHORT] + [
        Case("soak/fuzz-xl", _xl, 900)]
