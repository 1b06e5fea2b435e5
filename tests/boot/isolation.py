# SPDX-License-Identifier: MIT
"""CPUs that leak (docs/xpti.md): what of the hypervisor is mapped while a
program of Dom0's runs."""
import os
import re
import subprocess
import time

from boot.boot import dom0_modules
from boot.pv import INTEL
from lib.case import ROOT, Case, Failure
from lib.machine import HV_ARGS
from lib.monitor import Monitored

# hv/x86/layout.h
M2P, FRAMES, IMAGE = 0xffff800000000000, 0xffff828000000000, 0xffff82d000000000
STACKS, STACK_SIZE = 0xffff82d040000000, 0x10000
DIRECT = 0xffff830000000000

PATIENCE, STEP = 60, 0.01  # s: for a look at a program, between two


def _symbols(names):
    """Addresses in the release build."""
    text = subprocess.check_output(
        ["nm", os.path.join(ROOT, "build", "release", "hv.elf")], text=True)
    found = {line.split()[2]: int(line.split()[0], 16)
             for line in text.splitlines() if len(line.split()) == 3}
    return [found[name] for name in names]


def _in_program(machine):
    """Stops the machine while CPU 0 runs in ring 3 and lower half."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        machine.ask("stop")
        ip, _, ring, _ = machine.cpus()[0]
        if ring == 3 and ip < M2P:
            return
        machine.ask("cont")
        time.sleep(STEP)
    raise Failure("no program runs")


def _mapped(machine, address):
    return not re.search("Unmapped",
                         machine.say(f"gva2gpa {address:#x}"))


def _program(option, isolated):
    def body(context):
        with Monitored(context, hv="ringlet", cpus=2, memory="1G", cpu=INTEL,
                       hv_args=f"{HV_ARGS} dom0_mem=512M {option}",
                       modules=dom0_modules("console=hvc0 quiet "
                                            "ringlet.guest=no")) as machine:
            machine.expect(r"page-table isolation: Dom0 "
                           + ("on" if isolated else "off"))
            machine.expect(r"^dom0# ")
            # The program stays on CPU 0 for as long as both are pinned.
            machine.send("xl vcpu-pin 0 0 0 && "
                         "taskset 1 sh -c 'while :; do :; done' & "
                         "xenstore-ls >/dev/null; echo is-up\n")
            machine.expect(r"^is-up")
            _in_program(machine)
            idt, data, bss = _symbols(["idt", "hv_command_line", "dom0"])
            top = STACKS + STACK_SIZE - 0x1000
            always, hidden = (IMAGE, idt, top), (
                DIRECT, FRAMES, M2P, data, bss, top + STACK_SIZE)
            for address in always:
                if not _mapped(machine, address):
                    raise Failure(f"{address:#x} is not mapped")
            seen = [f"{address:#x}" for address in hidden
                    if _mapped(machine, address)]
            # A program's tables have no M2P in any case.
            if len(seen) != (0 if isolated else len(hidden) - 1):
                raise Failure("mapped are " + (" ".join(seen) or "none"))
    return body


def cases():
    return [Case("boot-dom0/isolated", _program("", True), 240),
            Case("boot-dom0/isolated-off", _program("xpti=no", False), 240)]
