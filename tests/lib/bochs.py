# SPDX-License-Identifier: MIT
"""Bochs, for what no QEMU emulates: the TSC deadline timer of Intel's CPUs,
which come with x2APIC there."""
import os
import shutil

from . import image
from .case import Skipped, need
from .machine import HV_ARGS, HV_IMAGES, Machine

# Its screen wants to be somewhere; the serial port comes out at stderr, as
# stdout belongs to the screen. Debian's build waits in a debugger.
SETTINGS = """config_interface: textconfig
display_library: term
cpu: model={model}, count={cpus}, ips=50000000
memory: guest={memory}, host={memory}
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
boot: cdrom
ata0-master: type=cdrom, path={iso}, status=inserted
com1: enabled=1, mode=file, dev=/dev/stderr
log: {log}
panic: action=fatal
info: action=ignore
clock: sync=none
"""
START = "TERM=vt100 exec bochs-bin -q -rc {start} -f {settings} " \
    "2>&1 >/dev/null"


class Bochs(Machine):
    """A machine that boots `modules` on the hypervisor through GRUB. It is
    watched as QEMU is, but nobody can type."""

    def __init__(self, context, hv="ringlet", modules=(), cpus=1,
                 memory=512, model="corei7_haswell_4770"):
        self._watch(context)
        if not shutil.which("bochs-bin"):
            raise Skipped("the package bochs is not installed")
        modules = [(need(path), args) for path, args in modules]
        paths = {name: os.path.join(context.folder, "bochs-" + name)
                 for name in ("log", "settings", "start")}
        hv = context.hv or hv
        # With its second header Xen asks for graphics, which the screen has not.
        iso = image.grub_iso(context, "mb1" if hv == "xen" else "mb2",
                             need(HV_IMAGES[hv]), HV_ARGS, modules)
        with open(paths["settings"], "w") as file:
            file.write(SETTINGS.format(model=model, cpus=cpus, memory=memory,
                                       iso=iso, log=paths["log"]))
        with open(paths["start"], "w") as file:
            file.write("continue\n")
        self.command = ["sh", "-c", START.format(**paths)]
