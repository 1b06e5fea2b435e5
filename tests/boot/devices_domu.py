# SPDX-License-Identifier: MIT
"""Devices of guests: Linux' own backends in Dom0 and frontends in DomU."""
import os

from boot.dom0 import boot_fetching, boot_script, script_body
from lib import devices
from lib.case import ROOT, Case, Failure, need
from lib.machine import HV_ARGS, Machine
from lib.terminal import Terminal, user_environment

# name, hypervisor, CPUs, the machine's disk, its MiB, timeout
BLOCK = [
    ("devices/block", "ringlet", 1, "virtio", 32, 900),
    ("devices/block-debug", "ringlet-debug", 2, "ahci", 16, 900),
    ("soak/block", "ringlet", 2, "nvme", 256, 3600),
]
# name, hypervisor, CPUs, the machine's card, MiB to send, timeout
BRIDGE = [
    ("devices/bridge", "ringlet-debug", 1, "e1000", 8, 900),
    ("soak/bridge", "ringlet", 2, "virtio", 1024, 3600),
]
# name, script, hypervisor, CPUs, timeout
OTHERS = [
    ("devices/grub", "grub", "ringlet", 1, 600),
    ("devices/vchan", "vchan", "ringlet", 1, 600),
]


def _block(hv, cpus, kind, mebibytes):
    def body(context):
        boot_script(context, "block", hv, cpus, guests=True,
                    arguments=devices.disk(context, kind, mebibytes))
    return body


def _bridge(hv, cpus, kind, mebibytes):
    def body(context):
        boot_fetching(context, "bridge", hv, cpus, kind=kind, times=2,
                      guests=True, words=f"ringlet.mib={mebibytes}")
    return body


def _demo(context):
    """`make run` as a user has it: a guest with a disk and a card, its
    console, and the ways back from there."""
    with Terminal(context, ["make", "run"], ROOT,
                  user_environment(HV=context.hv or "ringlet")) as terminal:
        terminal.expect(r"demo guest is being created")
        terminal.expect(r"dom0# ")
        terminal.send("until xenstore-exists /local/domain/1/console/tty; "
                      "do sleep 1; done; xl console demo\n")
        terminal.expect(r"demo: disk xvda is at /mnt")
        terminal.expect(r"demo: address 10\.0\.2\.\d+\s")
        terminal.send("\n")
        terminal.expect(r"demo# ")
        terminal.send("echo kept | tee /mnt/note; sync; "
                      "df /mnt | tail -n 1\n")
        terminal.expect(r"^/dev/xvda .*/mnt$")
        terminal.send("\x1d")
        terminal.expect(r"dom0# ")
        terminal.send("xl list; xl block-list demo; xl network-list demo\n")
        terminal.expect(r"^Domain-0 +0 +512 +1 ")
        terminal.expect(r"^demo +1 +128 +1 ")
        terminal.expect(r"^51712 +0 +\d+ +4 ")
        terminal.expect(r"^0 +0 +00:16:3e:\S+ +0 +4 ")
        terminal.send("xl shutdown -w demo && "
                      "mount -t ext4 /var/lib/xen/demo.img /mnt && "
                      "cat /mnt/note\n")
        terminal.expect(r"^kept$")
        terminal.expect(r"dom0# ")
        terminal.send("\x01x")
        if terminal.ended(30) != 0:
            raise Failure("Ctrl-A X does not end it well")


def _debian_guest(context):
    """A Debian as made by debian.sh, on the machine's disk, as a guest."""
    disk = need("build/debian/disk.img")
    arguments = devices.network("virtio") + [
        "-drive", f"file={disk},format=raw,if=none,id=disk,snapshot=on",
        "-device", "virtio-blk-pci,drive=disk"]
    with devices.web_server(os.path.dirname(disk)) as port:
        boot_script(context, "debian", "ringlet", 2, guests=True,
                    memory="3G", arguments=arguments,
                    words=f"ringlet.port={port}")


def _debian_dom0(context):
    """A Debian as made by `make dom0-image DISK=1` as Dom0: its own services
    start xl's daemons, and a guest runs."""
    folder = os.path.dirname(need("build/dom0-debian/disk.img"))
    modules = [(f"{folder}/vmlinuz", "console=hvc0 root=LABEL=dom0 ro"),
               (f"{folder}/initrd.img", "")]
    arguments = devices.network("e1000") + [
        "-drive", f"file={folder}/disk.img,format=raw,if=none,id=disk,"
        "snapshot=on", "-device", "ahci,id=ahci",
        "-device", "ide-hd,bus=ahci.0,drive=disk"]
    with Machine(context, hv="ringlet", cpus=2, memory="2G",
                 hv_args=HV_ARGS + " dom0_mem=1024M", devices=arguments,
                 modules=modules) as machine:
        machine.expect(r"dom0 login: ")
        machine.send("root\n")
        machine.expect(r"root@dom0:~# ")
        # Else its codes stand before the first word of every output.
        machine.send("bind 'set enable-bracketed-paste off'\n")
        machine.expect(r"root@dom0:~# ")
        machine.send("systemctl is-system-running --wait; xl list\n")
        state = machine.expect(r"^(running|degraded)$").group(1)
        if state != b"running":
            machine.send("systemctl --failed --no-pager\n")
            machine.expect(r"root@dom0:~# .*root@dom0:~# ")
            raise Failure("services of Dom0 failed")
        machine.expect(r"^Domain-0 +0 +1024 ")
        machine.send("xl create -q -c /etc/xen/demo.cfg "
                     "'vif=[\"bridge=xenbr0\"]'\n")
        machine.expect(r"demo: up after ")
        machine.expect(r"demo: address 10\.0\.2\.\d+\s")
        machine.send("\x1d")
        machine.expect(r"root@dom0:~# ")
        # xl returns when the guest is down; who created it then destroys it,
        # and poweroff ends him: his guest would be saved, for five minutes.
        machine.send("xl shutdown -w demo && while xl domid demo; do "
                     "sleep 1; done; poweroff\n")
        machine.expect_exit()


def cases():
    return [Case(name, _block(*how), timeout)
            for name, *how, timeout in BLOCK] + [
        Case(name, _bridge(*how), timeout)
        for name, *how, timeout in BRIDGE] + [
        Case(name, script_body(*how, guests=True), timeout)
        for name, *how, timeout in OTHERS] + [
        Case("devices/demo", _demo, 400),
        Case("soak/debian-guest", _debian_guest, 3600),
        Case("soak/debian-dom0", _debian_dom0, 3600)]
