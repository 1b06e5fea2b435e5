# SPDX-License-Identifier: MIT
"""PV guests: each folder of guests/ with a main.c builds to a PV kernel
build/guests/NAME; all but those of NOT_HERE run in Dom0's place and print

    TEST name PASS|SKIP|FAIL detail
    END pass=N fail=N"""
import glob
import os

from lib.bochs import Bochs
from lib.case import FAIL, PASS, ROOT, Case, Failure
from lib.machine import HV_ARGS, Machine

STATUS = r"\bTEST (\S+) (PASS|SKIP|FAIL)\b[ \t]*([^\n]*)\n"
CALLS = r"^CALLS (\d+)\.(\d+)((?: \d+)*)\n"
END = r"\bEND pass=(\d+) fail=(\d+)\s"

# Which hypervisors a guest runs on; the name of the second carries the mark.
IMAGES = [("ringlet-debug", ""), ("ringlet", "-release")]

# Slots, capabilities: guests/machine/machine.h.
MACHINE_DEVICES = [
    "-nic", "none", "-device", "pci-bridge,addr=0a,chassis_nr=1,msi=on",
    "-device", "e1000e,addr=0b,romfile=",
    "-device", "nec-usb-xhci,addr=0c,msi=on,msix=off",
    "-device", "edu,addr=0d,dma_mask=0xffffffff"]

# Those that other cases run: told on the command line what to do, or in DomU.
NOT_HERE = ("console", "busy", "fuzz", "mortal", "tenant", "peer", "store",
            "ring1")

# Guests that need something else than one CPU and 512 MiB, or more time;
# `words` is the guest's command line.
OPTIONS = {
    "attack": {"cpus": 2, "timeout": 120},
    "continued": {"cpus": 2, "timeout": 120},
    "cost": {"hv_args": HV_ARGS + " dom0_mem=256M"},
    "machine": {"devices": MACHINE_DEVICES},
    "nested": {"hv_args": HV_ARGS + " dom0_max_vcpus=2"},
    "ring1": {"memory": "5G", "hv_args": HV_ARGS + " dom0_mem=256M"},
    "smp": {"cpus": 2},
}

# Built as 32-bit kernels too; ring1 only so: guests/guests.mk.
GUESTS32 = ("attack", "batches", "callbacks", "control", "crash", "descriptors",
            "events", "grants", "hello", "machine", "memory", "nested",
            "pagetables", "pointers", "ring1", "smp", "traps")

# These, on so many CPUs, run with SMAP as well, which takes a newer QEMU. The
# word tells the guest which emulator it is: `int N` works, but not all of INVD.
WITH_SMAP = {"attack": 2, "attack32": 2, "descriptors": 1, "edges": 1,
             "nested": 2, "nested32": 2,
             "pagetables": 1, "pagetables32": 1, "ring132": 1, "traps": 1,
             "traps32": 1}
# In Bochs, whose CPU is Intel's in what QEMU's is not: sysret to an address that
# is not canonical faults in ring 0. It is one that leaks, too.
BOCHS = "bochs isolated intel"
IN_BOCHS = {"attack": 2, "callbacks": 1, "callbacks32": 1, "ring132": 1,
            "traps": 1, "traps32": 1}
SMAP_OPTIONS = {"cpu": "max", "newer": True, "words": "qemu10"}
# Two vcpus where both have to share one CPU.
ONE_CPU = {"cpus": 1, "words": "one-cpu",
           "hv_args": HV_ARGS + " dom0_max_vcpus=2"}
TWO_CPUS = dict(SMAP_OPTIONS, cpus=2,
                hv_args=HV_ARGS + " dom0_max_vcpus=2")
# The suite runs these guests once more, for tests that skip otherwise.
AGAIN = {"attack": dict(SMAP_OPTIONS, cpus=2),
         "attack32": dict(SMAP_OPTIONS, cpus=2),
         "nested": TWO_CPUS, "nested32": TWO_CPUS, "traps": SMAP_OPTIONS,
         "traps32": SMAP_OPTIONS, "smp": ONE_CPU, "smp32": ONE_CPU}
# And these in Bochs, for tests that skip in any QEMU.
SKIPPED_IN_QEMU = ("traps", "traps32")
# They measure, and have no rule to be held against.
MEASURING = ("bench", "cost")

# Page-table isolation: on an Intel processor, whose fast system calls are others
# too, so that 32-bit guests, which are not isolated, have something there as well.
ISOLATED = {"attack": 2, "callbacks": 1, "crash": 1, "descriptors": 1,
            "edges": 1, "events": 1, "grants": 1, "hello": 1, "memory": 1,
            "nested": 1,
            "pagetables": 1, "smp": 2, "state": 1, "traps": 1}
ON_INTEL = {"attack32": 2, "callbacks32": 1, "ring132": 1}
INTEL = "max,-smap,vendor=GenuineIntel"


def verdicts(context, machine):
    """Collect verdict lines up to the END line, which must agree."""
    counts = {PASS: 0, FAIL: 0}
    calls = {}
    while True:
        match = machine.expect(f"{STATUS}|{END}|{CALLS}")
        name, status, detail, passed, failed, number, operation, answers = [
            (group or b"").decode("utf-8", "replace")
            for group in match.groups()]
        if number:
            calls[int(number), int(operation)] = {
                int(word) for word in answers.split()}
        elif not name:
            break
        else:
            counts[status] = counts.get(status, 0) + 1
            context.report(name, status, detail.strip())
            context.calls[name], calls = calls, {}
    if (counts[PASS], counts[FAIL]) != (int(passed), int(failed)):
        raise Failure(f"END says {passed} and {failed}, the lines say "
                      f"{counts[PASS]} and {counts[FAIL]}")
    if not any(counts.values()):
        raise Failure("the guest tested nothing")


def guest_image(name, words=""):
    """The guest as a module of the hypervisor."""
    return os.path.join("build", "guests", name), words


def guest_body(name, hv, words="", **machine_options):
    """Runs the guest in a machine of its own."""
    def body(context):
        options = dict({"memory": "512M"}, **machine_options)
        with Machine(context, hv=hv, modules=[guest_image(name, words)],
                     **options) as machine:
            verdicts(context, machine)
    return body


def _bochs_body(name, cpus, hv="ringlet-debug", words=BOCHS):
    def body(context):
        with Bochs(context, hv, [guest_image(name, words)], cpus) as machine:
            verdicts(context, machine)
    return body


def guests():
    """Those that run in Dom0's place."""
    found = glob.glob(os.path.join(ROOT, "guests", "*", "main.c"))
    names = (os.path.basename(os.path.dirname(path)) for path in found)
    return sorted(name for name in names if name not in NOT_HERE)


def settings(name):
    """Options of its machine, and its timeout."""
    options = dict(OPTIONS.get(name, {}))
    return options, options.pop("timeout", 60)


def suite():
    """The guests of the conformance suite: all, in both widths."""
    return ([name for name in guests() if name not in MEASURING] +
            [name + "32" for name in GUESTS32])


def suite_cases(guest, hv, image):
    """One of them, which tells of its calls."""
    options, timeout = settings(guest.removesuffix("32"))
    more = dict(AGAIN.get(guest, {}))
    words = more.pop("words", "") + " calls"
    found = [Case(f"{hv}/{guest}",
                  guest_body(guest, image, "calls", **options), timeout)]
    if more:
        found.append(Case(f"{hv}/{guest}-again", guest_body(
            guest, image, words, **more), timeout))
    if guest in SKIPPED_IN_QEMU:
        found.append(Case(f"{hv}/{guest}-bochs", _bochs_body(
            guest, 1, image, BOCHS + " calls"), 240))
    return found


def cases():
    result = []
    for name in guests():
        options, timeout = settings(name)
        for hv, mark in IMAGES:
            result.append(Case(f"pv/{name}{mark}",
                               guest_body(name, hv, **options), timeout))
    for name in GUESTS32:
        options, timeout = settings(name)
        for hv, mark in IMAGES:
            body = guest_body(name + "32", hv, **options)
            result.append(Case(f"pv/{name}32{mark}", body, timeout))
    for name, cpus in IN_BOCHS.items():
        result.append(Case(f"pv/{name}-bochs", _bochs_body(name, cpus), 240))
    for name, cpus in WITH_SMAP.items():
        options, _ = settings(name.removesuffix("32"))
        options.update(SMAP_OPTIONS, cpus=cpus)
        body = guest_body(name, "ringlet-debug", **options)
        result.append(Case(f"pv/{name}-smap", body, 120))
    for guests_there, mark in (ISOLATED, "isolated"), (ON_INTEL, "intel"):
        for name, cpus in guests_there.items():
            options, _ = settings(name.removesuffix("32"))
            options.update(cpus=cpus, cpu=INTEL, words=mark)
            body = guest_body(name, "ringlet-debug", **options)
            result.append(Case(f"pv/{name}-{mark}", body, 120))
    return result
