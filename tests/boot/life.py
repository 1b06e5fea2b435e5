# SPDX-License-Identifier: MIT
"""The life of guests under Debian's xl: the scripts life-* in Dom0, and what
they leave for the host to look at."""
import json
import os
import re

from boot.dom0 import boot_script
from lib import core, devices
from lib.case import Case, Failure

DISK_MIB = 1024
GUEST_MIB = 112
SLOT_BYTES = 128 << 20
WITNESS_PAGES = 16 * 256


def _slot(path, number, size):
    """The first bytes of a slot of life-save's disk, behind its header."""
    with open(path, "rb") as file:
        file.seek((1 << 20) + number * SLOT_BYTES)
        return file.read(size)


def _check_core(path):
    with open(path, "rb") as file:
        header = file.read(512).rstrip(b"\0").decode()
    name, size = header.splitlines()[0].split()
    if name != "core":
        raise Failure(f"the disk's header is {header!r}")
    problem = core.problem(_slot(path, 0, int(size)), vcpus=1,
                           pages=GUEST_MIB * 256, witness=WITNESS_PAGES)
    if problem:
        raise Failure(f"the core dump: {problem}")


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
    for name, vcpus, mode in (("w1", 1, "default"), ("w4", 4, "native"),
                              ("we", 1, "always_emulate")):
        info = configs[name]["b_info"]
        found = (configs[name]["c_info"]["type"], info["max_memkb"],
                 info["max_vcpus"], info.get("tsc_mode", "default"),
                 info["kernel"])
        if found != ("pv", GUEST_MIB * 1024, vcpus, mode, "/boot/vmlinux"):
            raise Failure(f"xl list -l says of {name}: {found}")


def _save(context):
    """Saved in one machine, restored in another one: less memory, one CPU
    less, and a TSC of another rate."""
    disk = devices.disk(context, "virtio", DISK_MIB)
    said = boot_script(context, "life-save", "ringlet", 2, guests=True,
                       arguments=disk)
    _check_list(said)
    _check_core(os.path.join(context.folder, "disk.img"))
    boot_script(context, "life-save", "ringlet-debug", 1, guests=True,
                memory="1600M",
                arguments=disk + ["-icount", "shift=0,sleep=off"])


def _script(script, hv, words=""):
    def body(context):
        boot_script(context, script, hv, 2, guests=True,
                    words=f"{words} ringlet.timeout={int(context.left())}")
    return body


def cases():
    return [
        Case("life/ends", _script("life-ends", "ringlet-debug"), 600),
        Case("life/killed", _script("life-killed", "ringlet"), 900),
        Case("life/save", _save, 1200),
        Case("soak/life-ends", _script("life-ends", "ringlet-debug",
                                       "ringlet.actions=all"), 1800),
        Case("soak/life-killed", _script("life-killed", "ringlet-debug",
                                         "ringlet.rounds=20"), 3600)]
