# SPDX-License-Identifier: MIT
"""32-bit programs under Debian's 64-bit kernel, in Dom0 and in a guest: the
script programs32 in Dom0, with Debian's busybox for i386 and a program of our
own that calls the kernel in every way. On an AMD and on an Intel processor,
whose ways differ."""
import os

from boot.dom0 import boot_script
from boot.pv import INTEL
from lib import image, proc
from lib.case import ROOT, Broken, Case
from lib.machine import fetched

SOURCES = "tools/dom0-image/programs/i386"
COMPILE = [
    os.environ.get("CC", "gcc"), "-m32", "-std=gnu11", "-O2", "-nostdlib",
    "-static", "-ffreestanding", "-fno-pic", "-no-pie", "-mgeneral-regs-only",
    "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
    "-fcf-protection=none", "-Wall", "-Wextra", "-Werror"]
# name, what CPUID says, CPU model, hypervisor
VENDORS = [
    ("amd", "AuthenticAMD", "max,-smap", "ringlet"),
    ("intel", "GenuineIntel", INTEL, "ringlet-debug"),
]


def _body(vendor, cpu, hv):
    def body(context):
        busybox = fetched(context, "busybox32.sh")
        calls = os.path.join(context.folder, "calls32")
        command = COMPILE + [
            "-o", calls, os.path.join(ROOT, SOURCES, "calls32.c")]
        if proc.run(command, context.left(), context.log):
            raise Broken("calls32 does not compile")
        files = {"usr/bin/calls32": calls, "usr/bin/busybox32": busybox,
                 "usr/bin/work": os.path.join(SOURCES, "work")}
        guests = os.path.join(context.folder, "programs32.img")
        os.rename(image.archive(context, files), guests)
        # With isolation Xen 4.17 dies of sysenter in this emulator; and it lets
        # DF through 32-bit syscall, of which Linux dies.
        xen = context.hv == "xen"
        boot_script(context, "programs32", hv, 2, cpu=cpu,
                    words=f"ringlet.vendor={vendor}"
                    + (" ringlet.spare=df" if xen else ""),
                    hv_more="xpti=no" if xen else "",
                    files={**files, "boot/programs32.img": guests})
    return body


def cases():
    return [Case("dom0/programs32-" + name, _body(*how), 300)
            for name, *how in VENDORS]
