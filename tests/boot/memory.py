# SPDX-License-Identifier: MIT
"""Memory under Debian's xl: ballooning, claims and limits to the page, guests
that come and go with traffic, and requests when there is none. The scripts
memory* run in Dom0."""
from boot.dom0 import boot_script
from lib.case import Case

# name, script, hypervisor, rounds, timeout
SCRIPTS = [
    ("memory/guests", "memory", "ringlet", 0, 900),
    ("memory/faults", "memory-faults", "ringlet-debug", 0, 900),
    ("memory/rounds", "memory-rounds", "ringlet", 20, 900),
    ("soak/memory-rounds", "memory-rounds", "ringlet-debug", 200, 3600),
]


def _script(script, hv, rounds):
    def body(context):
        boot_script(context, script, hv, 2, guests=True,
                    words=f"ringlet.rounds={rounds} "
                    f"ringlet.timeout={int(context.left())}")
    return body


def cases():
    return [Case(name, _script(*how), timeout)
            for name, *how, timeout in SCRIPTS]
