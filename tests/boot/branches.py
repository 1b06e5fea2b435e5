# SPDX-License-Identifier: MIT
"""How indirect branches and returns go (docs/speculation.md): the code as it
stands in memory while Dom0 runs, against what was built."""
import os

from boot.boot import dom0_modules
from boot.pv import INTEL
from lib import branches
from lib.case import Case, Failure
from lib.machine import HV_ARGS
from lib.monitor import Monitored

AMD = "max,-smap"
RETPOLINE, LFENCE, JMP = "retpoline", "lfence", "jmp"


def _through(n, modrm):
    """CALL or JMP through register n."""
    return (b"\x41" if n >= 8 else b"") + bytes([0xff, modrm | n & 7])


def _body(thunk, n):
    """How a register's slot begins; None: as it was built."""
    if thunk == RETPOLINE:
        return None
    return (b"\x0f\xae\xe8" if thunk == LFENCE else b"") + _through(n, 0xe0)


def _site(thunk, apart, opcode, slot):
    if apart:
        return None
    if slot == branches.RETURN:
        return b"\xc3".ljust(branches.SITE, b"\xcc")
    if thunk != JMP:
        return None
    if opcode == branches.CALL:
        return _through(slot, 0xd0).rjust(branches.SITE, b"\x2e")
    return _through(slot, 0xe0).ljust(branches.SITE, b"\xcc")


def _expected(image, thunk, apart):
    """The text as it should stand in memory; None: what SMAP or isolation has
    changed."""
    start, text = image.code[0]
    text = list(text)

    def put(at, code):
        text[at - start:at - start + len(code)] = code

    for at, (opcode, slot) in image.sites.items():
        code = _site(thunk, apart, opcode, slot)
        if code and start <= at < start + len(text):
            put(at, code)
    for slot in range(len(branches.REGISTERS)):
        body = None if slot == branches.RETURN else _body(thunk, slot)
        if body:
            put(image.slots + branches.SLOT * slot + branches.SLOT // 2,
                body + b"\xcc")
    for at, size in image.patched():
        put(at, [None] * size)
    return text


def _read(context, machine, at, size):
    path = os.path.join(context.folder, "memory")
    # The protocol's integers are signed.
    machine.ask("memsave", val=at - 2**64, size=size, filename=path)
    with open(path, "rb") as file:
        return file.read()


def _case(option, cpu, thunk, apart):
    def body(context):
        image = branches.read("release")
        with Monitored(context, hv="ringlet", memory="1G", cpu=cpu,
                       hv_args=f"{HV_ARGS} dom0_mem=256M {option}",
                       modules=dom0_modules("console=hvc0 "
                                            "earlyprintk=xen")) as machine:
            machine.expect(f"indirect branches: {thunk}; returns: "
                           + ("thunk" if apart else "plain"))
            machine.expect("Linux version")
            # The rest is gone: what only boot needs.
            start, text = image.code[0]
            there = _read(context, machine, start, len(text))
        if not image.sites:
            raise Failure("no sites are found")
        wrong = [start + at for at, (is_, want)
                 in enumerate(zip(there, _expected(image, thunk, apart)))
                 if want is not None and is_ != want]
        if wrong:
            raise Failure(f"{len(wrong)} bytes are not as they should be, "
                          f"the first at {wrong[0]:#x}")
    return body


# What a way in has given to the function that it calls; RSP and RIP apart.
PASSED = {"hypercall": "rax rbx rcx rdx rsi rdi r8 r9", # RAX: the number
          "guest_syscall": "rdi",
          "guest_page_fault": "rdi",
          "trap_dispatch": "rdi"}


def _registers(context):
    """Nothing that a guest left in registers goes further than the frame."""
    functions = branches.functions("release")
    with Monitored(context, hv="ringlet", memory="1G",
                   hv_args=f"{HV_ARGS} dom0_mem=256M",
                   modules=dom0_modules("console=hvc0 quiet "
                                        "ringlet.guest=no")) as machine:
        machine.expect(r"^dom0# ")
        # Traced: no system call takes the short cut, which calls nothing.
        machine.send("xentrace -D -e all -S 2 /dev/null & "
                     "while :; do /bin/true; done\n")
        with machine.debugger() as debugger:
            for name, passed in PASSED.items():
                cpu = debugger.run_to(functions[name], lambda: None)
                left = [register for register, value
                        in debugger.registers(cpu).items() if value and
                        register not in passed.split() + ["rsp", "rip"]]
                if left:
                    raise Failure(f"at {name}: {' '.join(left)}")


def cases():
    return [Case("boot-options/branches" + name, _case(*how), 75)
            for name, *how in [
                ("", "", AMD, RETPOLINE, False),
                ("-lfence", "spec-ctrl=bti-thunk=lfence", AMD, LFENCE, False),
                ("-jmp", "spec-ctrl=bti-thunk=jmp", AMD, JMP, False),
                ("-off", "spec-ctrl=no", INTEL, JMP, False),
                ("-intel", "", INTEL, RETPOLINE, True),
                ("-intel-jmp", "spec-ctrl=bti-thunk=jmp", INTEL, JMP, True)]
            ] + [Case("boot-options/registers", _registers, 120)]
