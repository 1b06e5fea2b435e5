# SPDX-License-Identifier: MIT
"""Memory under Debian's xl: ballooning, claims and limits to the page, guests
that come and go with traffic, and requests when there is none. The scripts
memory* run in Dom0."""
from boot.dom0 import script_body
from lib.case import Case

# name, script, hypervisor, rounds, timeout
SCRIPTS = [
    ("memory/guests", "memory", "ringlet", 0, 900),
    ("memory/faults", "memory-faults", "ringlet-debug", 0, 900),
    ("memory/rounds", "memory-rounds", "ringlet", 20, 900),
    ("soak/memory-rounds", "memory-rounds", "ringlet-debug", 200, 3600),
]


def cases():
    return [Case(name, script_body(script, hv, guests=True,
                                   words=f"ringlet.rounds={rounds}"), timeout)
            for name, script, hv, rounds, timeout in SCRIPTS]
