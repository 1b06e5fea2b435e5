# SPDX-License-Identifier: MIT
"""A machine with QEMU's monitor and debugger at hand, each on a pair of
sockets of its own: no ports and no names in a file system."""
import json
import os
import re
import socket

from .case import Broken, Failure
from .machine import Machine

# In the order of the debugger's register block, 8 bytes each.
REGISTERS = ("rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 "
             "rip").split()
VGA_TEXT = 0xb8000
COLUMNS, ROWS = 80, 25
CPU_STATE = re.compile(r"^[ER]IP=([0-9a-f]+) [ER]FL=([0-9a-f]+) .*CPL=(\d).*HLT=([01])",
                       re.MULTILINE)
FLAG_IF = 0x200
HYPERVISOR, DIRECT_MAP = 0xffff800000000000, 0xffff830000000000


class Debugger:
    """The machine stands still while this is open (`with`)."""

    def __init__(self, channel):
        self.channel = channel
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._send("D")
        self.channel.close()

    def _send(self, text):
        packet = text.encode()
        self.channel.sendall(b"$%s#%02x" % (packet, sum(packet) & 0xff))

    def _ask(self, text):
        self._send(text)
        return self._packet()

    def _packet(self):
        found = None
        while not found:
            data = self.channel.recv(65536)
            if not data:
                raise Broken("the debugger's line was closed")
            self.buffer += data
            found = re.search(rb"\$([^#]*)#..", self.buffer)
        self.buffer = self.buffer[found.end():]
        self.channel.sendall(b"+")
        return found.group(1).decode()

    def run_to(self, address, meanwhile):
        """Goes on to this instruction, after meanwhile(); returns which CPU
        came there."""
        if self._ask(f"Z1,{address:x},1") != "OK":
            raise Broken("the debugger sets no breakpoint")
        self._send("c")
        meanwhile()
        stop = self._packet()
        self._ask(f"z1,{address:x},1")
        thread = re.search(r"thread:([0-9a-f.p]+);", stop)
        if not thread:
            raise Broken(f"the debugger says {stop}")
        return int(thread.group(1).rpartition(".")[2], 16) - 1

    def registers(self, cpu=0):
        """Of this CPU from now on, as a dictionary."""
        self._ask(f"Hg{cpu + 1:x}")
        block = bytes.fromhex(self._ask("g"))
        return {name: int.from_bytes(block[i * 8:i * 8 + 8], "little")
                for i, name in enumerate(REGISTERS)}

    def set_registers(self, values):
        block = bytearray.fromhex(self._ask("g"))
        for name, value in values.items():
            at = REGISTERS.index(name) * 8
            block[at:at + 8] = value.to_bytes(8, "little")
        if self._ask("G" + block.hex()) != "OK":
            raise Broken("the debugger does not write registers")


class Monitored(Machine):
    """A Machine that answers questions about itself."""

    def __init__(self, context, **options):
        super().__init__(context, **options)
        self.qmp, far = socket.socketpair()
        self.command += ["-chardev", f"socket,id=qmp,fd={far.fileno()}",
                         "-mon", "chardev=qmp,mode=control"]
        self.given = [far]  # QEMU's ends
        self.lines = b""
        self.events = []

    def slow_port(self):
        """Before `with`: a second serial port that takes a few characters
        only until they are read from the socket that this returns."""
        near, far = socket.socketpair()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        near.settimeout(self.context.left())
        self.command += ["-chardev", f"socket,id=slow,fd={far.fileno()}",
                         "-device", "isa-serial,index=1,chardev=slow"]
        self.given.append(far)
        return near

    def __enter__(self):
        self.pass_fds = tuple(given.fileno() for given in self.given)
        super().__enter__()
        try:
            for given in self.given:
                given.close()
            self.qmp.settimeout(self.context.left())
            self._line()
            self.ask("qmp_capabilities")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *how):
        super().__exit__(*how)
        self.qmp.close()

    def _line(self):
        """The next message; None when QEMU is gone."""
        while b"\n" not in self.lines:
            try:
                data = self.qmp.recv(65536)
            except socket.timeout:
                raise Failure("QEMU's monitor does not answer") from None
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.lines += data
        line, _, self.lines = self.lines.partition(b"\n")
        message = json.loads(line)
        if "event" in message:
            self.events.append(message)
        return message

    def ask(self, what, fds=(), **arguments):
        """One command of QEMU's machine protocol, and its answer."""
        text = json.dumps({"execute": what, "arguments": arguments})
        try:
            socket.send_fds(self.qmp, [text.encode() + b"\n"], list(fds))
        except BrokenPipeError:
            raise Failure(f"QEMU ended before {what}") from None
        while True:
            message = self._line()
            if message is None:
                raise Failure(f"QEMU ended before it answered {what}")
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise Broken(f"{what}: {message['error']['desc']}")

    def say(self, line):
        """One line of the human monitor, and what it prints."""
        return self.ask("human-monitor-command", **{"command-line": line})

    def how_it_ended(self):
        """QEMU ended: why (guest-reset, guest-shutdown, ...)."""
        while self._line() is not None:
            pass
        for event in self.events:
            if event["event"] == "SHUTDOWN":
                return event["data"]["reason"]
        raise Failure("QEMU ended without a word")

    def cpus(self):
        """Of each CPU: instruction pointer, flags, ring, whether it sleeps."""
        states = CPU_STATE.findall(self.say("info registers -a"))
        if not states:
            raise Broken("QEMU shows no registers")
        return [(int(ip, 16), int(flags, 16), int(ring), halted == "1")
                for ip, flags, ring, halted in states]

    def running_cpus(self):
        """Numbers of the CPUs that do not stand in HLT for good."""
        return [number for number, (_, flags, _, halted)
                in enumerate(self.cpus()) if not halted or flags & FLAG_IF]

    def in_hypervisor(self):
        """All CPUs."""
        return all(HYPERVISOR <= ip < DIRECT_MAP and not ring
                   for ip, _, ring, _ in self.cpus())

    def cpus_with(self, name, value):
        """Numbers of the CPUs whose register has this value; 32-bit code has
        EAX and its like only."""
        digits = 8 if name.startswith("e") else 16
        blocks = self.say("info registers -a").split("CPU#")[1:]
        return [number for number, block in enumerate(blocks)
                if f"{name.upper()}={value:0{digits}x}" in block]

    def idle(self, cpu):
        ip, flags, ring, halted = self.cpus()[cpu]
        return bool(ip >= HYPERVISOR and halted and flags & FLAG_IF and
                    not ring)

    def text_waiting(self):
        """All the text so far, that which nobody has read yet included."""
        while self._receive(0):
            pass
        return self.text.decode("utf-8", "replace")

    def screen(self):
        """The text screen: 25 lines, without trailing blanks."""
        path = os.path.join(self.context.folder, "screen")
        self.ask("pmemsave", val=VGA_TEXT, size=2 * COLUMNS * ROWS,
                 filename=path)
        with open(path, "rb") as file:
            cells = file.read()[::2].decode("cp437")
        return [cells[i:i + COLUMNS].rstrip()
                for i in range(0, COLUMNS * ROWS, COLUMNS)]

    def io_read(self, port):
        answer = self.say(f"i /1b {port:#x}")
        return int(answer.split("=")[1], 16)

    def io_write(self, port, value):
        self.say(f"o /1b {port:#x} {value:#x}")

    def debugger(self):
        near, far = socket.socketpair()
        near.settimeout(self.context.left())
        self.ask("getfd", fds=[far.fileno()], fdname="gdb")
        far.close()
        self.ask("chardev-add", id="gdb", backend={
            "type": "socket", "data": {"server": False, "addr": {
                "type": "fd", "data": {"str": "gdb"}}}})
        self.say("gdbserver chardev:gdb")
        return Debugger(near)
