# SPDX-License-Identifier: MIT
"""Boot with executed instructions counted: from reset to Dom0's first
instruction and to its first user program Ringlet may not execute more, of any
kind, than Xen 4.17 does (bench/budget). The counts are exact, so one run is enough."""
import os
import sys

from lib import proc
from lib.case import ROOT, Broken, Case, Failure, need

sys.path.insert(0, os.path.join(ROOT, "bench"))
import boot_count  # pylint: disable=wrong-import-position


def _boot(context):
    for path in (boot_count.KERNEL, boot_count.INITRD):
        need(path)
    plugin = os.path.join(context.folder, "plugin.so")
    out = os.path.join(context.folder, "counts")
    if proc.run(boot_count.plugin_command(plugin), context.left(),
                context.log):
        raise Broken("the plugin does not compile")
    command = boot_count.command(
        plugin, need("build/ringlet"), boot_count.dom0_modules(), out,
        ",until=init", log="file:" + os.path.join(context.folder, "serial"))
    code = proc.run(command, context.left(), context.log)
    if code is None:
        raise Failure("Dom0 did not come up in time")
    if code:
        raise Broken(f"QEMU ended with {code}")
    with open(out, "rb") as counts:
        context.log.write(counts.read())
    over = list(boot_count.over_budget(boot_count.parse(out)))
    if over:
        raise Failure("; ".join(over))


def cases():
    return [Case("bench/boot", _boot, timeout=240)]
