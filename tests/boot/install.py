# SPDX-License-Identifier: MIT
"""Installation: the files, the menu that GRUB's own generator makes of them,
and a start by exactly that menu's lines. The machine's /boot is not touched:
everything happens in a folder of the case."""
import gzip
import os
import re
import shutil

from boot.boot import BANNER, LINUX_LINE
from lib import image, proc
from lib.case import ROOT, SKIP, Broken, Failure, Case, need
from lib.machine import Machine

LINUX = "6.1.0-0-amd64"
ENTRY = re.compile(r"^[ \t]*(multiboot2?|module2?)[ \t]+(.*?)[ \t]*$",
                   re.MULTILINE)


def _command(context, command, **environment):
    code = proc.run(command, context.left(), context.log, cwd=ROOT,
                    env=dict(os.environ, **environment))
    if code is None:
        raise Failure("time is up")
    return code


def _make(context, root, target):
    if _command(context, ["make", "--no-print-directory", "-o", "release",
                          target],
                DESTDIR=root):
        raise Failure(f"make {target} failed")


def _installed(context):
    """A root folder with Ringlet in it, and the image's path."""
    need("build/ringlet")
    root = os.path.join(context.folder, "root")
    os.makedirs(root)
    _make(context, root, "install")
    names = os.listdir(os.path.join(root, "boot"))
    if len(names) != 1 or not re.fullmatch(r"xen-ringlet-\d[\d.]*\.gz",
                                           names[0]):
        raise Failure(f"/boot has {names}")
    return root, os.path.join(root, "boot", names[0])


def _files(context):
    """What is installed is the image; uninstall leaves nothing of it."""
    root, path = _installed(context)
    with gzip.open(path) as packed, open(need("build/ringlet"), "rb") as file:
        if packed.read() != file.read():
            raise Failure("the installed image is another one")
    other = os.path.join(root, "boot", "xen-4.17-amd64.gz")
    with open(other, "wb"):
        pass
    _make(context, root, "uninstall")
    if os.listdir(os.path.join(root, "boot")) != ["xen-4.17-amd64.gz"]:
        raise Failure("uninstall left something, or took too much")


def _may_mount(context):
    return _command(context, ["unshare", "--map-root-user", "--mount",
                              "true"]) == 0


def _menu(context, root, kernel=None, initrd=None):
    """The lines of the first entry that starts Ringlet, as (word, rest)."""
    boot = os.path.join(root, "boot")
    for name, source in (("vmlinuz", kernel), ("initrd.img", initrd)):
        path = os.path.join(boot, f"{name}-{LINUX}")
        if source:
            shutil.copy(source, path)
        else:
            with open(path, "wb") as file:
                file.write(b"nothing")
    with open(os.path.join(boot, f"config-{LINUX}"), "w") as file:
        file.write("CONFIG_XEN_DOM0=y\n")
    if _command(context, ["unshare", "--map-root-user", "--mount",
                          os.path.join(ROOT, "tests/lib/grub_root.sh"),
                          root]):
        raise Broken("grub-mkconfig failed")
    with open(os.path.join(boot, "grub", "grub.cfg")) as file:
        text = file.read()
    context.log.write(text.encode())
    for entry in text.split("menuentry ")[1:]:
        if "/boot/xen-ringlet-" in entry:
            return ENTRY.findall(entry.split("\n}")[0])
    raise Failure("no entry of the menu starts Ringlet")


def _grub(context):
    """The generated entry names image, placeholder, kernel and initrd."""
    root, path = _installed(context)
    if not _may_mount(context):
        context.report("menu", SKIP, "no mounts of one's own allowed here")
        return
    image_name = re.escape("/boot/" + os.path.basename(path))
    wanted = [
        ("multiboot2", image_name + r" placeholder com1=115200 console=com1"
         r"(\s.*)?"),
        ("module2", rf"/boot/vmlinuz-{LINUX} placeholder root=\S+ ro\s.*"),
        ("module2", rf"--nounzip\s+/boot/initrd\.img-{LINUX}"),
    ]
    lines = _menu(context, root)
    if len(lines) != len(wanted):
        raise Failure(f"the entry is {lines}")
    for (word, rest), (wanted_word, pattern) in zip(lines, wanted):
        if word != wanted_word or not re.fullmatch(pattern, rest):
            raise Failure(f"the entry has: {word} {rest}")


def _boot(context):
    """GRUB starts the installed, packed image by the generated lines."""
    root, _ = _installed(context)
    if not _may_mount(context):
        context.report("menu", SKIP, "no mounts of one's own allowed here")
        return
    lines = _menu(context, root, need("build/dom0/vmlinuz"),
                  need("build/dom0/initrd.img"))
    body = "\n".join(f"{word} {rest}" for word, rest in lines)
    body = body.replace("${xen_rm_opts}", "")
    iso = image.boot_iso(context, os.path.join(root, "boot"), body)
    with Machine(context, iso=iso) as machine:
        machine.expect(BANNER)
        machine.expect(LINUX_LINE)


def cases():
    return [Case("install/files", _files, timeout=120),
            Case("install/grub", _grub, timeout=120),
            Case("install/boot", _boot, timeout=180)]
