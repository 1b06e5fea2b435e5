# SPDX-License-Identifier: MIT
"""32-bit PV guests by xl: the script pv32 in Dom0, with guests/mortal built for
ring 1."""
from boot.dom0 import boot_script
from lib.case import Case


def _body(context):
    boot_script(context, "pv32", "ringlet-debug", 2,
                files={"boot/mortal32": "build/guests/mortal32"})


def cases():
    return [Case("dom0/pv32", _body, 600)]
