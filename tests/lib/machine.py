# SPDX-License-Identifier: MIT
"""An emulated machine that is watched through its serial port."""
import os
import re
import select
import subprocess
import time

from . import hostcpus, image, proc
from .case import ROOT, Broken, Crash, Failure, Skipped, need

HV_ARGS = "com1=115200 console=com1"
# The last one is what a panic of Xen looks like.
ALWAYS_WRONG = [rb"(?i)ringlet:? panic", rb"ASSERT", rb"Kernel panic",
                rb"Panic on CPU"]
HV_IMAGES = {
    "ringlet": "build/ringlet",
    "ringlet-debug": "build/ringlet-debug",
    # Put there by tools/xen-oracle.sh: the tests must hold on Xen too.
    "xen": "cache/xen/xen-4.17-amd64",
}
# After a panic the registers and the stack are still worth reading.
AFTERMATH_SECONDS = 1.0
NOT_TO_BE_HAD = 3


def fetched(context, tool):
    """What this script of tools/ finds in the cache or fetches: its path."""
    path = os.path.join(context.folder, tool + ".log")
    with open(path, "wb") as file:
        code = proc.run([os.path.join(ROOT, "tools", tool)],
                        context.left(), file)
    with open(path, encoding="utf-8") as file:
        said = file.read()
    context.log.write(said.encode())
    last = said.rstrip("\n").rpartition("\n")[2]
    if code == NOT_TO_BE_HAD:
        raise Skipped(last.partition(": ")[2])
    if code:
        raise Broken(f"tools/{tool} failed")
    return last


def newer_qemu(context):
    """QEMU 10 or later: what 7.2 gets wrong (SMAP, `int N`) or has not
    (x2APIC)."""
    return fetched(context, "qemu10.sh")


class Machine:
    """QEMU. Use as `with Machine(context, ...) as machine:`.

    modules  [(path, arguments)]: the Dom0 kernel, then its initrd
    via      kernel (QEMU's multiboot1 loader), mb1, mb2 (GRUB from CD), pvh
    iso      a CD to boot from instead of all that
    newer    run in newer_qemu()
    devices  further QEMU arguments"""

    def __init__(self, context, hv="ringlet", hv_args=HV_ARGS, modules=(),
                 memory="1G", cpus=1, cpu="max,-smap", via="kernel",
                 devices=(), iso=None, newer=False):
        self._watch(context)
        hv = need(HV_IMAGES[context.hv or hv])
        modules = [(need(path), args) for path, args in modules]
        self.command = [
            newer_qemu(context) if newer else "qemu-system-x86_64",
            "-accel", "tcg", "-no-user-config",
            "-cpu", cpu, "-m", memory, "-smp", str(cpus), "-display", "none",
            "-monitor", "none", "-no-reboot", "-serial", "stdio"]
        self.command += (["-cdrom", iso, "-boot", "d"] if iso else
                         self._boot(via, hv, hv_args, modules))
        self.command += list(devices) or ["-nic", "none"]
        # By counted instructions QEMU runs its CPUs in turn.
        self.threads = 1 if "-icount" in devices else cpus

    def _watch(self, context):
        self.context = context
        self.text = b""
        self.read_to = 0
        self.checked_to = 0
        self.wrong = [re.compile(pattern) for pattern in ALWAYS_WRONG]
        self.child = None
        self.pass_fds = ()
        self.threads = 1

    def _boot(self, via, hv, hv_args, modules):
        if via in ("mb1", "mb2"):
            iso = image.grub_iso(self.context, via, hv, hv_args, modules)
            return ["-cdrom", iso, "-boot", "d"]
        if via == "pvh":
            if len(modules) > 1 or any(args for _, args in modules):
                raise Broken("QEMU passes one bare module to a PVH image")
            hv = image.without_multiboot1(hv, self.context.folder)
            listed = [path for path, _ in modules]
        elif via == "kernel":
            # QEMU splits at commas; a doubled one stands for itself.
            listed = [f"{path} {args}".strip().replace(",", ",,")
                      for path, args in modules]
        else:
            raise Broken(f"no way in is called {via}")
        command = ["-kernel", hv, "-append", hv_args]
        return command + (["-initrd", ",".join(listed)] if listed else [])

    def __enter__(self):
        words = " ".join(self.command) + "\n"
        self.context.log.write(words.encode())
        self.taken, waited = hostcpus.take(self.threads)
        self.context.wait_was(waited)
        try:
            self.child = proc.spawn(
                self.command, self.context.left(), bufsize=0,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, pass_fds=self.pass_fds)
        except BaseException:
            hostcpus.give(self.taken)
            raise
        return self

    def __exit__(self, *_):
        proc.end(self.child)
        self.child.stdin.close()
        self.child.stdout.close()
        hostcpus.give(self.taken)

    def must_not(self, pattern):
        """From now on, fail as soon as this is printed."""
        self.wrong.append(re.compile(pattern.encode()))

    def may_panic(self):
        """What is wrong elsewhere is what this test is about."""
        self.wrong.clear()

    def send(self, text):
        """Type at the console."""
        try:
            self.child.stdin.write(text.encode())
        except BrokenPipeError:
            raise Crash("CRASH: QEMU ended") from None

    def _receive(self, until):
        """Read what there is. True for something, False for the end of
        QEMU, None when the time was up."""
        wait = max(0.0, until - time.monotonic())
        ready, _, _ = select.select([self.child.stdout], [], [], wait)
        if not ready:
            return None
        data = os.read(self.child.stdout.fileno(), 65536)
        self.text += data.replace(b"\r", b"")
        self.context.log.write(data)
        return bool(data)

    def _check(self):
        """Look for forbidden output in the lines not looked at yet."""
        for pattern in self.wrong:
            match = pattern.search(self.text, self.checked_to)
            if match:
                until = time.monotonic() + AFTERMATH_SECONDS
                while self._receive(until):
                    pass
                raise Crash("CRASH: " + self._line_at(match.start()))
        self.checked_to = self.text.rfind(b"\n") + 1

    def _line_at(self, at):
        start = self.text.rfind(b"\n", 0, at) + 1
        line = self.text[start:].split(b"\n", 1)[0]
        return line.decode("utf-8", "replace").strip()

    def expect(self, pattern, timeout=None):
        """Wait until the pattern (multi-line mode) shows up behind the last
        match, and return the match; its groups are bytes."""
        wanted = re.compile(pattern.encode(), re.MULTILINE)
        limit = min(timeout or self.context.left(), self.context.left())
        until = time.monotonic() + limit
        while True:
            self._check()
            match = wanted.search(self.text, self.read_to)
            if match:
                self.read_to = match.end()
                return match
            got = self._receive(until)
            if got is None:
                raise Failure(f"no '{pattern}' within {limit:.0f} s")
            if not got:
                self._check()
                raise Crash(f"CRASH: QEMU ended before '{pattern}'")

    def expect_exit(self, timeout=None):
        """Wait for the guest to power the machine off."""
        limit = min(timeout or self.context.left(), self.context.left())
        until = time.monotonic() + limit
        while True:
            got = self._receive(until)
            self._check()
            if got is None:
                raise Failure(f"no power-off within {limit:.0f} s")
            if not got:
                return
