# SPDX-License-Identifier: MIT
"""A program on a terminal of its own, as a user has it before him."""
import contextlib
import os
import pty
import select
import subprocess
import termios
import time

from . import proc
from .case import Failure
from .machine import Machine

POLL_SECONDS = 0.2
GRACE_SECONDS = 20.0
# What a program takes from its user, and nothing that says that make runs it.
KEPT = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "CC")


def user_environment(**more):
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {
        "TERM": "vt100"} | more


class Terminal(Machine):
    """Use as `with Terminal(context, command, ...) as terminal:`; what is
    typed and shown there is dealt with as a Machine's."""

    def __init__(self, context, command, folder, environment):
        self._watch(context)
        # A shell comes first, as at a user's terminal: it ends on a hang-up,
        # and then everything in front of the terminal is told (make alone
        # would wait for what it started).
        self.command = ["setsid", "-c", "-w", "sh", "-c", '"$@"; exit $?',
                        "sh", *command]
        self.folder = folder
        self.environment = environment

    def __enter__(self):
        self.context.log.write((" ".join(self.command) + "\n").encode())
        self.master, self.slave = pty.openpty()
        self.modes = termios.tcgetattr(self.slave)
        self.child = proc.spawn(
            self.command, self.context.left(), cwd=self.folder,
            env=self.environment, stdin=self.slave, stdout=self.slave,
            stderr=self.slave)
        return self

    def __exit__(self, *_):
        """Hanging up ends whatever runs there."""
        os.close(self.slave)
        os.close(self.master)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(GRACE_SECONDS)
        proc.end(self.child)

    def send(self, text):
        os.write(self.master, text.encode())

    def _receive(self, until):
        """As a Machine's, but what ends is the program: the terminal itself
        stays."""
        while True:
            over = self.child.poll() is not None
            left = until - time.monotonic()
            wait = 0.0 if over else max(0.0, min(left, POLL_SECONDS))
            ready, _, _ = select.select([self.master], [], [], wait)
            if ready:
                data = os.read(self.master, 65536)
                self.text += data.replace(b"\r", b"")
                self.context.log.write(data)
                return True
            if over:
                return False
            if left <= 0:
                return None

    def ended(self, timeout):
        """Wait until the program has ended, leaving the terminal as it was
        before; returns its exit status, negative for a signal."""
        self.expect_exit(timeout)
        if termios.tcgetattr(self.slave) != self.modes:
            raise Failure("the terminal is not as it was before")
        return self.child.returncode
