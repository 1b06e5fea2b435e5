# SPDX-License-Identifier: MIT
"""Boot media made out of a hypervisor image."""
import os
import shutil
import struct

from . import proc
from .case import Broken, need

MULTIBOOT1_MAGIC = 0x1BADB002
GRUB_MODULES = "normal iso9660 biosdisk multiboot multiboot2 serial terminal " \
    "part_msdos part_gpt gzio configfile"


def without_multiboot1(image, folder):
    """A copy that offers only its PVH entry to QEMU's -kernel."""
    with open(image, "rb") as file:
        data = bytearray(file.read())
    for at in range(0, min(len(data), 8192) - 11, 4):
        magic, flags, check = struct.unpack_from("<III", data, at)
        if magic == MULTIBOOT1_MAGIC and (magic + flags + check) % 2**32 == 0:
            struct.pack_into("<I", data, at, 0)
            break
    else:
        raise Broken(f"{image} has no multiboot1 header")
    copy = os.path.join(folder, "pvh-image")
    with open(copy, "wb") as file:
        file.write(data)
    return copy


def joined(context, *paths):
    """Archives of an initramfs, one behind the other, in one file."""
    both = os.path.join(context.folder, "joined")
    with open(both, "wb") as target:
        for path in paths:
            with open(need(path), "rb") as source:
                shutil.copyfileobj(source, target)
    return both


def _cpio(path, mode, data):
    """One member of a `newc` archive, padded as the kernel wants it."""
    name = path.encode() + b"\0"
    fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def archive(context, files, name="archive"):
    """An archive of programs for an initramfs, {path in it: path here}."""
    path = os.path.join(context.folder, name)
    with open(path, "wb") as out:
        for place, source in files.items():
            with open(need(source), "rb") as file:
                out.write(_cpio(place, 0o100755, file.read()))
        out.write(_cpio("TRAILER!!!", 0, b""))
    return path


def grub_lines(protocol, hv_args, modules):
    """What Debian's generator writes for Xen, `placeholder` included.
    `modules` is a list of (file name, arguments)."""
    suffix = {"mb1": "", "mb2": "2"}[protocol]
    lines = [f"multiboot{suffix} /boot/hv placeholder {hv_args}"]
    for number, (name, args) in enumerate(modules):
        option = "" if number == 0 else "--nounzip "
        words = f" placeholder {args}" if number == 0 else f" {args}"
        lines.append(f"module{suffix} {option}/boot/{name}{words}".rstrip())
    return "\n".join(lines)


def boot_iso(context, boot, lines):
    """A CD with the folder `boot` as its /boot, which GRUB starts by these
    lines."""
    tree = os.path.join(context.folder, "iso")
    os.makedirs(tree)
    shutil.move(boot, os.path.join(tree, "boot"))
    os.makedirs(os.path.join(tree, "boot", "grub"), exist_ok=True)
    with open(os.path.join(tree, "boot", "grub", "grub.cfg"), "w") as file:
        file.write("serial --unit=0 --speed=115200\n"
                   "terminal_output serial\nset timeout=0\n"
                   f"menuentry Ringlet {{\n{lines}\n}}\n")
    iso = os.path.join(context.folder, "boot.iso")
    code = proc.run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc",
                     "--install-modules=" + GRUB_MODULES, "--fonts=",
                     "--locales=", "--themes=", "-o", iso, tree],
                    min(60, context.left()), context.log)
    if code != 0:
        raise Broken("grub-mkrescue failed")
    return iso


def grub_iso(context, protocol, hv, hv_args, modules):
    """Build a CD that boots `hv` with its modules through GRUB."""
    boot = os.path.join(context.folder, "boot")
    os.makedirs(boot)
    shutil.copy(hv, os.path.join(boot, "hv"))
    named = []
    for number, (path, args) in enumerate(modules):
        named.append((f"module{number}", args))
        shutil.copy(path, os.path.join(boot, named[-1][0]))
    return boot_iso(context, boot, grub_lines(protocol, hv_args, named))
