# SPDX-License-Identifier: MIT
"""Executed instructions counted, which are exact, so one run is enough. The
eight hottest operations may not take more than bench/budget has; neither may a
boot, of any kind, nor xl commands take more than they do on Xen 4.17."""
import os
import sys

from lib import proc
from lib.case import ROOT, Broken, Case, Failure, need

sys.path.insert(0, os.path.join(ROOT, "bench"))
import budget  # pylint: disable=wrong-import-position
import measure  # pylint: disable=wrong-import-position
from rows import GROUP  # pylint: disable=wrong-import-position


def _body(name):
    group = GROUP[name]

    def body(context):
        hypervisor = need("build/ringlet")
        try:
            built = measure.plugin(context.folder)
            modules = measure.modules(group, context.folder)
        except measure.Failed as failed:
            raise Broken(str(failed)) from None
        for path, _ in modules:
            need(path)
        out = os.path.join(context.folder, "counts")
        command = measure.command(
            group, hypervisor, modules,
            "file:" + os.path.join(context.folder, "serial"),
            measure.counting(group, built, out))
        code = proc.run(command, context.left(), context.log)
        if code is None:
            raise Failure("not done in time")
        if code:
            raise Broken(f"QEMU ended with {code}")
        with open(out, "rb") as counts:
            context.log.write(counts.read())
        over = list(budget.over(name, measure.summary(measure.parse(out))))
        if over:
            raise Failure("; ".join(over))
    return body


def cases():
    return [Case("bench/operations", _body("alone"), timeout=60),
            Case("bench/boot", _body("boot"), timeout=240),
            Case("bench/xl", _body("xl"), timeout=900)]
