# SPDX-License-Identifier: MIT
"""32-bit PV guests by xl: the script pv32 in Dom0, with guests/mortal built for
ring 1 and Debian's GRUB for such guests."""
from boot.dom0 import boot_script
from lib.case import Case

GRUB = "cache/dom0/packages/usr/lib/grub-xen/grub-i386-xen.bin"


def _body(context):
    boot_script(context, "pv32", "ringlet-debug", 2,
                files={"boot/mortal32": "build/guests/mortal32",
                       "boot/grub-i386-xen.bin": GRUB})


def cases():
    return [Case("dom0/pv32", _body, 600)]
