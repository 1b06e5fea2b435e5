# SPDX-License-Identifier: MIT
"""`make run` by somebody who presses Ctrl-C in the middle of it, again and
again, and in the end lets it go on."""
import contextlib
import glob
import os
import shutil
import time

from boot.boot import dom0_modules
from lib.case import ROOT, Case, Failure, need
from lib.terminal import Terminal, user_environment

COPIED = ("hv", "guests", "tools", "Makefile")
# Of the packages that are there this one is not: one that takes a moment.
FETCHED = "linux-image-*.deb"
DOWNLOADING = r"downloading 1 package"
# What is on the screen when Ctrl-C is pressed.
MOMENTS = (
    r"^  CC    hv/lib/", r"^  CC    hv/pv/", r"^  LD    build/release/hv\.elf",
    DOWNLOADING, r"unpacking packages", r"unpacking linux-image",
    r"programs and libraries", r"kernel modules", r"guest image",
    r"^  LD    build/guests/mortal")
# QEMU is what comes next, so packing is made to take a while.
LAST_MOMENT = r"packing \(none\)"
SLOW_CPIO = '#!/bin/sh\nsleep 5\nexec {} "$@"\n'
# While QEMU runs the key goes to the machine, which does not mind.
WHILE_BOOTING = (r"CPUs: 1 of 1 run", r"about to get started",
                 r"dom0: up after", r"dom0: toolstack ready")
SECONDS = 240


def _packages(tree):
    return sorted(os.listdir(os.path.join(tree, "cache", "debs")))


def _copy(context):
    """The tree as it is after a clone, but for packages that are there."""
    tree = os.path.join(context.folder, "tree")
    for name in COPIED:
        source = need(name)
        copy = shutil.copytree if os.path.isdir(source) else shutil.copy2
        os.makedirs(tree, exist_ok=True)
        copy(source, os.path.join(tree, name))
    shutil.copytree(need("cache/debs"), os.path.join(tree, "cache", "debs"),
                    ignore=shutil.ignore_patterns(FETCHED))
    return tree


def _size(path):
    """It may be moved to its place meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.getsize(path)
    return 0


def _wait_for_a_part(tree):
    """Until something of the package has come."""
    pattern = os.path.join(tree, "cache", "debs", "**", FETCHED)
    until = time.monotonic() + SECONDS
    while not any(_size(path)
                  for path in glob.glob(pattern, recursive=True)):
        if time.monotonic() > until:
            raise Failure("nothing of the package has come")
        time.sleep(0.01)


def _slow(context):
    """An environment where programs find a slow cpio."""
    folder = os.path.join(context.folder, "slow")
    os.makedirs(folder)
    with open(os.path.join(folder, "cpio"), "w", encoding="ascii") as file:
        file.write(SLOW_CPIO.format(shutil.which("cpio")))
        os.fchmod(file.fileno(), 0o755)
    return user_environment(PATH=folder + os.pathsep + os.environ["PATH"])


def _interrupt(context, tree, moment, environment):
    with Terminal(context, ["make", "run"], tree, environment) as terminal:
        terminal.expect(moment, SECONDS)
        if moment == DOWNLOADING:
            _wait_for_a_part(tree)
        terminal.send("\x03")
        if terminal.ended(SECONDS) == 0:
            raise Failure(f"Ctrl-C at '{moment}' did not end it")


def _same_image(tree):
    """Equal packages give an equal image, whatever came in between."""
    for path, _ in dom0_modules(""):
        with open(os.path.join(tree, path), "rb") as file, \
                open(need(path), "rb") as ours:
            if file.read() != ours.read():
                raise Failure(f"{path} is another than without Ctrl-C")


def _body(context):
    tree = _copy(context)
    for moment in MOMENTS:
        _interrupt(context, tree, moment, user_environment())
    _interrupt(context, tree, LAST_MOMENT, _slow(context))
    with Terminal(context, ["make", "run"], tree,
                  user_environment()) as terminal:
        for moment in WHILE_BOOTING:
            terminal.expect(moment, SECONDS)
            terminal.send("\x03")
        terminal.expect(r"dom0# ", SECONDS)
        terminal.send("until xl list demo | grep ' 128 *1 '; do sleep 1; "
                      "done; xl list\n")
        terminal.expect(r"^demo +1 +128 +1 ", SECONDS)
        terminal.send("\x01x")
        if terminal.ended(SECONDS) != 0:
            raise Failure("Ctrl-A X does not end it well")
    if _packages(tree) == _packages(ROOT):
        _same_image(tree)


def cases():
    return [Case("soak/interrupted", _body, 1800)]
