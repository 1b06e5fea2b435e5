# SPDX-License-Identifier: MIT
"""Dom0: Debian's kernel with its scripts. The kernel word ringlet.script=NAME
makes the Dom0 image run that script, which prints

    RINGLET-TEST name PASS|FAIL detail
    RINGLET-DONE exit-code

and powers the machine off."""
import hashlib
import os
import re

from boot.boot import INITRD, dom0_modules
from lib import devices, image
from lib.case import FAIL, Case, Failure
from lib.machine import HV_ARGS, Machine

STATUS = r"\bRINGLET-TEST (\S+) (PASS|SKIP|FAIL)\b[ \t]*([^\n]*)\n"
DONE = r"\bRINGLET-DONE (\d+)\s"
GUESTS = "build/dom0/guests.img"
WORDS = "console=hvc0 quiet"

# name, script, hypervisor, CPUs, timeout; then a disk or a network card
SCRIPTS = [
    ("userspace", "userspace", "ringlet", 1, 120),
    ("userspace-debug", "userspace", "ringlet-debug", 2, 180),
    ("disk", "disk", "ringlet", 1, 180, "ahci"),
    ("disk-nvme", "disk", "ringlet", 2, 180, "nvme"),
    ("disk-virtio", "disk", "ringlet-debug", 1, 180, "virtio"),
    ("net", "net", "ringlet", 1, 180, "e1000"),
    ("net-virtio", "net", "ringlet-debug", 2, 240, "virtio"),
    ("xl-info", "xl-info", "ringlet", 1, 120),
    ("observe", "observe", "ringlet-debug", 2, 300),
    ("domu", "domu", "ringlet", 1, 300),
    ("domu-debug", "domu", "ringlet-debug", 2, 420),
    ("domu2", "domu2", "ringlet", 2, 420),
    ("domu-life", "domu-life", "ringlet", 2, 600),
    ("domu-rounds", "domu-rounds", "ringlet", 2, 600),
    ("domu-sched", "domu-sched", "ringlet", 2, 600),
]
# What QEMU 7.2 cannot do; name, script, hypervisor, CPUs, timeout, CPU model,
# what the hypervisor says about the CPU
NEWER = [
    ("userspace-smap", "userspace", "ringlet-debug", 1, 180, "max", "SMAP"),
    ("domu-smap", "domu", "ringlet", 1, 420, "max", "SMAP"),
    ("userspace-x2apic", "userspace", "ringlet", 2, 300, "max,+x2apic",
     "x2APIC"),
]
WEB_BYTES = 16 << 20


def boot_script(context, script, hv, cpus, words="", arguments=(),
                guests=False, files=None, memory="2G", before=None,
                maker=Machine, hv_more="", **options):
    """Run the script once in a machine of its own, and collect its lines;
    guests: with what saves time where Dom0 starts some; files: more of them
    in its initramfs; before(machine) is called first, and may wait for what
    it likes; maker: what kind of Machine; hv_more: more options of the
    hypervisor. Returns everything that the console said."""
    words = (f"{WORDS} ringlet.script={script} "
             f"ringlet.timeout={int(context.left())} {words}").strip()
    kernel, initrd = dom0_modules(words)
    archives = [GUESTS] if guests else []
    if files:
        archives.append(image.archive(context, files))
    if archives:
        initrd = (image.joined(context, INITRD, *archives), "")
    with maker(context, hv=hv, cpus=cpus, memory=memory,
               hv_args=f"{HV_ARGS} dom0_mem=1024M {hv_more}".strip(),
               devices=["-nic", "none", *arguments],
               modules=[kernel, initrd], **options) as machine:
        if before:
            before(machine)
            machine.read_to = 0
        _verdicts(context, machine)
        machine.expect_exit()
    return machine.text.decode("utf-8", "replace")


def script_body(script, hv, cpus=2, **options):
    """The body of a case that runs a script and needs nothing else."""
    def body(context):
        boot_script(context, script, hv, cpus, **options)
    return body


def _verdicts(context, machine):
    count = 0
    while True:
        match = machine.expect(f"{STATUS}|{DONE}")
        if match.group(4):
            break
        name, status, detail = [
            group.decode("utf-8", "replace") for group in match.groups()[:3]]
        context.report(name, status, detail.strip())
        count += 1
    code = int(match.group(4))
    # A script with a FAIL line ends with 1: that counts once, as the line.
    if code and not any(row[1] == FAIL for row in context.results):
        raise Failure(f"the script ended with {code}")
    if not count:
        raise Failure("the script tested nothing")


def _disk(context, how, kind):
    """Two boots with one disk: the second finds what the first one wrote."""
    for mode in ("write", "verify"):
        said = boot_script(context, *how,
                           arguments=devices.disk(context, kind))
        if f"DISK_MODE={mode}" not in said:
            raise Failure(f"the script did not {mode}")


def boot_fetching(context, *how, kind, times=1, words="", **options):
    """A script that fetches a file from here so many times; the digests must
    agree."""
    data = os.urandom(WEB_BYTES)
    folder = os.path.join(context.folder, "web")
    os.mkdir(folder)
    with open(os.path.join(folder, "file"), "wb") as file:
        file.write(data)
    with devices.web_server(folder) as port:
        said = boot_script(context, *how, words=f"ringlet.port={port} {words}",
                           arguments=devices.network(kind), **options)
    if said.count("NET_SHA256=" + hashlib.sha256(data).hexdigest()) != times:
        raise Failure("the fetched file is not the one that was served")


def _net(context, how, kind):
    boot_fetching(context, *how, kind=kind)


def _script(how, kind):
    special = {"disk": _disk, "net": _net}.get(how[0])
    if not special:
        return script_body(*how)

    def body(context):
        special(context, how, kind[0])
    return body


def _newer(how, cpu, word):
    def body(context):
        said = boot_script(context, *how, cpu=cpu, newer=True)
        if context.hv != "xen" and not re.search(rf"CPUs: .*\b{word}\b", said):
            raise Failure(f"the hypervisor does not use {word}")
    return body


def cases():
    scripts = [
        Case("dom0/" + name, _script((script, hv, cpus), kind), timeout)
        for name, script, hv, cpus, timeout, *kind in SCRIPTS]
    return scripts + [
        Case("dom0/" + name, _newer((script, hv, cpus), cpu, word), timeout)
        for name, script, hv, cpus, timeout, cpu, word in NEWER]
