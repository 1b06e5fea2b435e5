# SPDX-License-Identifier: MIT
"""Many guests at once: the scripts load and stores in Dom0, with the guests
peer and store."""
from boot.dom0 import script_body
from lib.case import Case

# name, hypervisor, MiB of the machine, guests, timeout
LOAD = [
    ("load/peers", "ringlet-debug", 2560, 24, 900),
    ("soak/load-peers", "ringlet", 4096, 100, 3600),
]
# name, hypervisor, store daemon, guests, timeout
STORES = [
    ("stores/xenstored", "ringlet", "xenstored", 16, 900),
    ("stores/oxenstored", "ringlet-debug", "oxenstored", 16, 900),
    ("soak/stores-xenstored", "ringlet-debug", "xenstored", 50, 3600),
    ("soak/stores-oxenstored", "ringlet", "oxenstored", 50, 3600),
]


def _load(hv, memory, guests):
    return script_body("load", hv, guests=True, memory=f"{memory}M",
                       files={"boot/peer": "build/guests/peer"},
                       words=f"ringlet.guests={guests}")


def _type(machine):
    """At `xl console`, where the guest's shell answers; Ctrl-] ends it."""
    machine.expect("STORES-CONSOLE-BEGINS")
    machine.send("\n")
    machine.expect("demo# ")
    machine.send("echo con''sole $((6 * 7))\n")
    machine.expect("^console 42$")
    machine.send("\x1d")
    machine.expect("STORES-CONSOLE-ENDS")


def _stores(hv, daemon, guests):
    return script_body("stores", hv, guests=True,
                       files={"boot/store": "build/guests/store"},
                       before=_type,
                       words=f"ringlet.store={daemon} ringlet.typist=yes "
                       f"ringlet.guests={guests}")


def cases():
    return [Case(name, _load(*how), timeout)
            for name, *how, timeout in LOAD] + [
        Case(name, _stores(*how), timeout)
        for name, *how, timeout in STORES]
