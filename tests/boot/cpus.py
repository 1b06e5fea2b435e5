# SPDX-License-Identifier: MIT
"""CPUs: shares that busy guests measure themselves, CPU pools, CPUs that go
offline and come back. The scripts run in Dom0; guests/busy is their load."""
from boot.dom0 import boot_script
from lib import devices
from lib.case import Case

# Time by executed instructions, 8 ns each: seconds are the machine's own, so
# nothing that the host does meanwhile is charged to a guest.
VIRTUAL_TIME = ["-icount", "shift=3,sleep=off"]


def _script(script, hv, arguments):
    def body(context):
        boot_script(context, script, hv, 4, arguments=arguments(context),
                    files={"boot/busy": "build/guests/busy"})
    return body


def cases():
    return [
        Case("cpus/shares", _script("cpu-shares", "ringlet",
                                    lambda _: VIRTUAL_TIME), 900),
        Case("cpus/pools", _script("cpu-pools", "ringlet-debug",
                                   lambda context:
                                   devices.disk(context, "nvme")), 900),
    ]
