# SPDX-License-Identifier: MIT
"""The life of guests under Debian's xl: the scripts life-* in Dom0, and what
they leave for the host to look at."""
import json
import os
import re

from boot.dom0 import boot_script, script_body
from lib import core, devices
from lib.case import Case, Failure

DISK_MIB = 1024
GUEST_MIB = 112
SLOT_BYTES = 120 << 20
WITNESS_PAGES = 16 * 256
# Core dumps on life-save's disk, behind the guests.
CORES = 2


def _slot(path, number, size):
    """The first bytes of a slot of life-save's disk, behind its header."""
    with open(path, "rb") as file:
        file.seek((1 << 20) + number * SLOT_BYTES)
        return file.read(size)


def _check_cores(path, guests):
    """Cores: of a guest that goes on, and of a guest that crashed."""
    with open(path, "rb") as file:
        header = file.read(512).rstrip(b"\0").decode()
    lines = header.splitlines()
    if len(lines) != guests + CORES:
        raise Failure(f"the disk's header is {header!r}")
    for slot in range(guests, len(lines)):
        name, size = lines[slot].split()[:2]
        problem = core.problem(_slot(path, slot, int(size)), vcpus=1,
                               pages=GUEST_MIB * 256, witness=WITNESS_PAGES)
        if problem:
            raise Failure(f"the core dump {name}: {problem}")


def _check_list(said):
    """`xl list -l` is JSON and holds the guests' configuration."""
    match = re.search(r"LIST-BEGIN\n(.*?)\nLIST-END", said, re.DOTALL)
    if not match:
        raise Failure("no output of xl list -l")
    try:
        listed = json.loads(match.group(1))
    except json.JSONDecodeError as error:
        raise Failure(f"xl list -l: {error}") from None
    configs = {one["config"]["c_info"]["name"]: one["config"]
               for one in listed if one["domid"]}
    for mode, vcpus in (("default", 1), ("native", 4), ("always_emulate", 1)):
        name = f"{mode}{vcpus}"
        info = configs[name]["b_info"]
        found = (configs[name]["c_info"]["type"], info["max_memkb"],
                 info["max_vcpus"], info.get("tsc_mode", "default"),
                 info["kernel"])
        if found != ("pv", GUEST_MIB * 1024, vcpus, mode, "/boot/vmlinux"):
            raise Failure(f"xl list -l says of {name}: {found}")


def _save(words, guests):
    """So many guests are saved in one machine, and restored in another one:
    less memory, one CPU less, and a TSC of another rate."""
    def body(context):
        disk = devices.disk(context, "virtio", DISK_MIB)
        said = boot_script(context, "life-save", "ringlet", 2, words=words,
                           guests=True, arguments=disk)
        _check_list(said)
        _check_cores(os.path.join(context.folder, "disk.img"), guests)
        boot_script(context, "life-save", "ringlet-debug", 1, words=words,
                    guests=True, memory="1600M",
                    arguments=disk + ["-icount", "shift=0,sleep=off"])
    return body


def _script(script, hv, words=""):
    return script_body(script, hv, guests=True, words=words)


def cases():
    return [
        Case("life/ends", _script("life-ends", "ringlet-debug"), 600),
        Case("life/killed", _script("life-killed", "ringlet"), 900),
        Case("life/save", _save("", 3), 1800),
        Case("soak/life-save", _save("ringlet.modes=all", 6), 3600),
        Case("soak/life-ends", _script("life-ends", "ringlet-debug",
                                       "ringlet.actions=all"), 1800),
        Case("soak/life-killed", _script("life-killed", "ringlet-debug",
                                         "ringlet.rounds=20"), 3600)]
