# SPDX-License-Identifier: MIT
"""Indirect branches and returns of a built hypervisor (docs/speculation.md)."""
import os
import re
import subprocess
from dataclasses import dataclass

from .case import ROOT, Broken

SITE = 5  # bytes of a call or jump to a slot
REGISTERS = ("rax rcx rdx rbx __return__ rbp rsi rdi "
             "r8 r9 r10 r11 r12 r13 r14 r15").split()
RETURN = 4  # slot
SLOT = 64   # bytes, of which the upper half is code
CALL, JMP = 0xe8, 0xe9
CODE = (".text", ".init.text")
LINE = re.compile(r"^([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*\t?(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Image:
    sites: dict    # {address: (opcode, slot)}: what the assembler wrote
    others: list   # indirect branches and returns outside of the slots
    code: list     # [(address, bytes)] of the sections
    slots: int     # address
    names: dict    # {symbol: address}
    tables: list   # as code: where the lists of other sites are

    def bytes(self, at, size):
        for address, data in self.code:
            if address <= at < address + len(data):
                return data[at - address:at - address + size]
        raise Broken(f"{at:#x} is in no section of code")

    def patched(self):
        """[(address, size)] of what else is written at boot: STAC and CLAC, and
        the displacements of the ways in."""
        names, data = self.names, self.tables

        def words(name):
            first, last = (names[f"__{name}_sites_{end}"]
                           for end in ("start", "end"))
            for at in range(first, last, 4):
                for address, content in data:
                    if address <= at < address + len(content):
                        yield at, at + int.from_bytes(
                            content[at - address:at - address + 4], "little",
                            signed=True)

        yield from ((there, 3) for _, there in words("smap"))
        # In pairs: the end of a jump, and where it is to go.
        yield from ((there - 4, 4) for at, there in words("isolate")
                    if not (at - names["__isolate_sites_start"]) % 8)

    def looks_like(self):
        """{address: (opcode, slot)}: what the hypervisor takes for a site."""
        return {address + at: (data[at], slot)
                for address, data in self.code
                for at in range(len(data) - SITE + 1)
                if data[at] in (CALL, JMP)
                for slot in [self.slot_of(address + at, data[at:at + SITE])]
                if slot is not None}

    def slot_of(self, address, data):
        """Where a call or jump leads: a slot's number, or None."""
        there = (address + SITE + int.from_bytes(data[1:], "little",
                                                 signed=True))
        slot, offset = divmod(there - SLOT // 2 - self.slots, SLOT)
        return slot if not offset and 0 <= slot < len(REGISTERS) else None


def slot_body(slot):
    """A slot's code as it is built: a retpoline, or a return."""
    if slot == RETURN:
        return b"\xc3\xcc"
    store = bytes([0x4c if slot >= 8 else 0x48, 0x89, 4 | (slot & 7) << 3, 0x24])
    return b"\xe8\1\0\0\0\xcc" + store + b"\xc3\xcc"


def functions(build):
    """{name: address} of build/<build>/hv.elf."""
    elf = os.path.join("build", build, "hv.elf")
    return {line.split()[2]: int(line.split()[0], 16)
            for line in _tool("nm", elf).splitlines()
            if len(line.split()) == 3}


def _tool(*words):
    return subprocess.check_output(words, text=True, cwd=ROOT)


def _section(elf, name):
    headers = _tool("readelf", "-SW", elf)
    found = re.search(rf" {re.escape(name)}\s+\w+\s+(\w+) (\w+) (\w+)", headers)
    address, offset, size = (int(number, 16) for number in found.groups())
    with open(os.path.join(ROOT, elf), "rb") as file:
        file.seek(offset)
        return address, file.read(size)


def read(build):
    """The Image of build/<build>/hv.elf."""
    elf = os.path.join("build", build, "hv.elf")
    names = functions(build)
    image = Image({}, [], [_section(elf, name) for name in CODE],
                  names["thunks_start"], names,
                  [_section(elf, name) for name in (".rodata", ".init.data")])
    end = image.slots + SLOT * len(REGISTERS)
    for name in CODE:
        text = _tool("objdump", "-d", "-w", "-j", name, elf)
        for address, data, what in LINE.findall(text):
            address, data = int(address, 16), bytes.fromhex(data)
            if image.slots <= address < end:
                continue
            slot = image.slot_of(address, data) if len(data) == SITE and \
                data[0] in (CALL, JMP) else None
            if slot is not None:
                image.sites[address] = data[0], slot
            elif re.match(r"(bnd |notrack )*((call|jmp)\s+\*|ret\b)",
                          what):
                image.others.append((address, what))
    return image
