# SPDX-License-Identifier: MIT
"""Time and interrupts."""
import hashlib
import os
import time

from boot import dom0, pv
from lib import devices
from lib.bochs import Bochs
from lib.case import Case, Failure
from lib.monitor import Monitored

# What the machine's clock says when it is switched on.
RTC_BASE = "2031-05-06T07:08:09"
RTC_SECONDS = 1935817689


def _clock(context):
    """Dom0's script; and its date is that of the machine's clock: Dom0's
    kernel read it after the machine was switched on and before now. QEMU's
    clock ticks with the host's: it starts somewhere in its first second."""
    started = time.monotonic()
    said = {}

    def note(machine):
        match = machine.expect(r"^TIME_NOW=(\d+) (\d+)\n")
        said["now"], said["up"] = [int(group) for group in match.groups()]
        said["here"] = time.monotonic() - started

    dom0.boot_script(context, "time", "ringlet-debug", 2, before=note,
                     arguments=["-rtc", "base=" + RTC_BASE])
    later = said["now"] - RTC_SECONDS
    if not said["up"] <= later + 1 or later > said["here"] + 1:
        raise Failure(f"after {said['here']:.1f} s it was {later} s later in "
                      f"Dom0, which was up for {said['up']} s")


# A machine with PCI Express: a SATA and an NVMe disk, a network card, and a
# port (MSI with two vectors) that something is plugged into later.
EXPRESS = [
    "-machine", "q35", "-device", "ide-hd,bus=ide.0,drive=sata",
    "-device", "nvme,serial=1,drive=nvme",
    "-netdev", "user,id=net0", "-device", "e1000e,netdev=net0,romfile=",
    "-device", "ioh3420,id=express,bus=pcie.0,chassis=1,slot=1,addr=5",
    "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]
# What the script asks for, in this order, and how the machine is told.
ERROR = ("error", "pcie_aer_inject_error express COMP_ABORT")
MACHINE_DOES = [
    ("plug", "device_add virtio-rng-pci,bus=express,id=plugged"),
    ERROR, ERROR]
SATA_BYTES = 24 << 20
NVME_BYTES = 64 << 20
WEB_BYTES = 16 << 20


def _random_file(path, size):
    """Returns the digest of what is in it."""
    data = os.urandom(size)
    with open(path, "wb") as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def _do_what_is_asked(machine):
    for name, command in MACHINE_DOES:
        machine.expect(rf"^MACHINE {name}\n")
        said = machine.say(command)
        if said.strip() and not said.startswith("OK "):
            raise Failure(f"QEMU's answer to {command}: {said.strip()}")


def _interrupts(context):
    sata, nvme, web = [os.path.join(context.folder, name)
                       for name in ("sata", "nvme", "web")]
    os.mkdir(web)
    wanted = {"SATA": _random_file(sata, SATA_BYTES),
              "NET": _random_file(os.path.join(web, "file"), WEB_BYTES)}
    with open(nvme, "wb") as file:
        file.truncate(NVME_BYTES)
    # Xen gives several vectors of MSI only where there is an IOMMU.
    vectors = 1 if context.hv == "xen" else 2
    with devices.web_server(web) as port:
        said = dom0.boot_script(
            context, "interrupts", "ringlet-debug", 2,
            before=_do_what_is_asked, maker=Monitored,
            words=f"ringlet.port={port} ringlet.vectors={vectors}",
            arguments=EXPRESS + [
                "-drive", f"file={sata},format=raw,if=none,id=sata",
                "-drive", f"file={nvme},format=raw,if=none,id=nvme"])
    for name, digest in wanted.items():
        if f"{name}_SHA256={digest}" not in said:
            raise Failure(f"what {name} brought is not what was sent")


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
             pv.guest_body("smp", hv, **pv.ONE_CPU), 60)
        for hv, mark in pv.IMAGES] + [Case("time/deadline", _deadline(2), 120),
               Case("time/dom0", _clock, 600),
               Case("time/interrupts", _interrupts, 480)]
