# SPDX-License-Identifier: MIT
"""Time and interrupts."""
import time

from boot import dom0, pv
from lib.bochs import Bochs
from lib.case import Case, Failure
from lib.machine import HV_ARGS

# The guest with two vcpus where both have to share one CPU.
ONE_CPU = {"words": "one-cpu", "hv_args": HV_ARGS + " dom0_max_vcpus=2"}
# What the machine's clock says when it is switched on.
RTC_BASE = "2031-05-06T07:08:09"
RTC_SECONDS = 1935817689


def _clock(context):
    """Dom0's script; and its date is that of the machine's clock: Dom0's
    kernel read it after the machine was switched on and before now."""
    started = time.monotonic()
    said = {}

    def note(machine):
        match = machine.expect(r"^TIME_NOW=(\d+) (\d+)\n")
        said["now"], said["up"] = [int(group) for group in match.groups()]
        said["here"] = time.monotonic() - started

    dom0.boot_script(context, "time", "ringlet-debug", 2, before=note,
                     arguments=["-rtc", "base=" + RTC_BASE])
    later = said["now"] - RTC_SECONDS
    if not said["up"] <= later + 1 or later > said["here"]:
        raise Failure(f"after {said['here']:.1f} s it was {later} s later in "
                      f"Dom0, which was up for {said['up']} s")


def _deadline(cpus):
    def body(context):
        with Bochs(context, "ringlet-debug", [pv.guest_image("smp")],
                   cpus) as machine:
            if context.hv != "xen":
                machine.expect(r"^.*time: .*, deadline timer\n")
            pv.verdicts(context, machine)
    return body


def cases():
    return [
        Case("time/one-cpu" + mark,
             pv.guest_body("smp", hv, cpus=1, **ONE_CPU), 60)
        for hv, mark in pv.IMAGES] + [Case("time/deadline", _deadline(2), 120),
               Case("time/dom0", _clock, 600)]
