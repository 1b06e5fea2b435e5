# SPDX-License-Identifier: MIT
"""PV guests: each folder of guests/ with a main.c builds to a PV kernel
build/guests/NAME; all but those of NOT_HERE run in Dom0's place and print

    TEST name PASS|SKIP|FAIL detail
    END pass=N fail=N"""
import glob
import os

from lib.case import FAIL, PASS, ROOT, Case, Failure
from lib.machine import HV_ARGS, Machine

STATUS = r"\bTEST (\S+) (PASS|SKIP|FAIL)\b[ \t]*([^\n]*)\n"
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
    "cost": {"hv_args": HV_ARGS + " dom0_mem=256M"},
    "machine": {"devices": MACHINE_DEVICES},
    "smp": {"cpus": 2},
}

# Built as 32-bit kernels too; ring1 only so: guests/guests.mk.
GUESTS32 = ("hello", "ring1")

# These, on so many CPUs, run with SMAP as well, which takes a newer QEMU. The
# word tells the guest which emulator it is: `int N` works, but not all of INVD.
WITH_SMAP = {"attack": 2, "descriptors": 1, "pagetables": 1, "ring132": 1,
             "traps": 1}
SMAP_OPTIONS = {"cpu": "max", "newer": True, "words": "qemu10"}

# Page-table isolation: on an Intel processor.
ISOLATED = {"attack": 2, "crash": 1, "descriptors": 1, "events": 1, "grants": 1,
            "hello": 1, "memory": 1, "pagetables": 1, "smp": 2, "traps": 1}
INTEL = "max,-smap,vendor=GenuineIntel"


def verdicts(context, machine):
    """Collect verdict lines up to the END line, which must agree."""
    counts = {PASS: 0, FAIL: 0}
    while True:
        match = machine.expect(f"{STATUS}|{END}")
        name, status, detail, passed, failed = [
            (group or b"").decode("utf-8", "replace")
            for group in match.groups()]
        if not name:
            break
        counts[status] = counts.get(status, 0) + 1
        context.report(name, status, detail.strip())
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
        settings = dict({"memory": "512M"}, **machine_options)
        with Machine(context, hv=hv, modules=[guest_image(name, words)],
                     **settings) as machine:
            verdicts(context, machine)
    return body


def cases():
    found = glob.glob(os.path.join(ROOT, "guests", "*", "main.c"))
    result = []
    for name in sorted(os.path.basename(os.path.dirname(p)) for p in found):
        if name in NOT_HERE:
            continue
        options = dict(OPTIONS.get(name, {}))
        timeout = options.pop("timeout", 60)
        for hv, mark in IMAGES:
            result.append(Case(f"pv/{name}{mark}",
                               guest_body(name, hv, **options), timeout))
    for name in GUESTS32:
        for hv, mark in IMAGES:
            result.append(Case(f"pv/{name}32{mark}",
                               guest_body(name + "32", hv), 60))
    for name, cpus in WITH_SMAP.items():
        body = guest_body(name, "ringlet-debug", cpus=cpus, **SMAP_OPTIONS)
        result.append(Case(f"pv/{name}-smap", body, 120))
    for name, cpus in ISOLATED.items():
        body = guest_body(name, "ringlet-debug", cpus=cpus, cpu=INTEL,
                          words="isolated")
        result.append(Case(f"pv/{name}-isolated", body, 120))
    return result
