# SPDX-License-Identifier: MIT
"""Executed instructions counted, which are exact, so one run is enough. From
reset to Dom0's first instruction and to its first user program Ringlet may not
execute more, of any kind, than Xen 4.17 does (bench/budget), nor may it in xl
commands, all kinds together (bench/budget-xl)."""
import os
import sys

from lib import proc
from lib.case import ROOT, Broken, Case, Failure, need

sys.path.insert(0, os.path.join(ROOT, "bench"))
import boot_count  # pylint: disable=wrong-import-position
import xl_count  # pylint: disable=wrong-import-position


def _compile(context, command):
    if proc.run(command, context.left(), context.log):
        raise Broken(f"{os.path.basename(command[-1])} does not compile")


def _counted(context, command, out):
    """The rows that the plugin wrote."""
    code = proc.run(command, context.left(), context.log)
    if code is None:
        raise Failure("not done in time")
    if code:
        raise Broken(f"QEMU ended with {code}")
    with open(out, "rb") as counts:
        context.log.write(counts.read())
    return boot_count.parse(out)


def _paths(context):
    for path in (boot_count.KERNEL, boot_count.INITRD):
        need(path)
    plugin = os.path.join(context.folder, "plugin.so")
    _compile(context, boot_count.plugin_command(plugin))
    return (plugin, os.path.join(context.folder, "counts"),
            "file:" + os.path.join(context.folder, "serial"))


def _judge(over):
    over = list(over)
    if over:
        raise Failure("; ".join(over))


def _boot(context):
    plugin, out, log = _paths(context)
    command = boot_count.command(
        plugin, need("build/ringlet"), boot_count.dom0_modules(), out,
        ",until=init", log=log)
    _judge(boot_count.over_budget(_counted(context, command, out)))


def _xl(context):
    plugin, out, log = _paths(context)
    mark = os.path.join(context.folder, "mark")
    _compile(context, xl_count.mark_command(mark))
    command = xl_count.command(
        plugin, need("build/ringlet"), xl_count.modules(context.folder, mark),
        out, log=log)
    _judge(xl_count.over_budget(xl_count.medians(
        _counted(context, command, out))))


def cases():
    return [Case("bench/boot", _boot, timeout=240),
            Case("bench/xl", _xl, timeout=900)]
