#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes docs/hypercalls.md out of the tables that dispatch hypercalls.

Usage: hypercalls.py [--print]"""
import glob
import os
import re
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from lib import csource

PAGE = "docs/hypercalls.md"
CALL = re.compile(r'^CALL\((\d+), (\w+), (\w+), "(.*)"\)', re.MULTILINE)
# Rows of the .def tables of call/ and ctl/.
ROW = re.compile(r"^(?:OP|FN|DO)\((\w+),|^REFUSED\((\w+), ([^)]*)\)",
                 re.MULTILINE)
TABLES = {"domctl": "hv/ctl/domctl.def", "sysctl": "hv/ctl/sysctl.def",
          "platform_op": "hv/ctl/platform.def"}
SUB_TABLES = {
    "event_channel_op": "event_channel", "grant_table_op": "grant",
    "memory_op": "memory", "physdev_op": "physdev", "sched_op": "sched",
    "vcpu_op": "vcpu",
}
# Sub-operations in C: a row of a table, or a case.
PREFIXES = {
    "event_channel_op": "EVTCHNOP", "grant_table_op": "GNTTABOP",
    "memory_op": "XENMEM", "physdev_op": "PHYSDEVOP", "sched_op": "SCHEDOP",
    "vcpu_op": "VCPUOP", "mmuext_op": "MMUEXT", "xen_version": "XENVER",
    "console_io": "CONSOLEIO", "nmi_op": "XENNMI",
    "callback_op": "CALLBACKTYPE", "vm_assist": "VMASST_TYPE",
}
# Known by name to the code only to be refused.
REFUSED = {
    "MMUEXT_MARK_SUPER": "-EOPNOTSUPP", "MMUEXT_UNMARK_SUPER": "-EOPNOTSUPP",
    "XENMEM_add_to_physmap": "-EACCES",
    "XENMEM_add_to_physmap_batch": "-EACCES",
    "XENMEM_remove_from_physmap": "-EACCES",
    "XENMEM_get_vnumainfo": "-EOPNOTSUPP",
    "XENMEM_access_op": "-EINVAL", "GNTTABOP_cache_flush": "-EOPNOTSUPP",
}
# Numbers of the implementation's own.
INTERNAL = {"EVTCHNOP_reset_cont", "XENMEM_resource_grant_table_id_shared",
            "XENMEM_resource_grant_table_id_status",
            "XENMEM_resource_grant_table"}
HEAD = """<!-- SPDX-License-Identifier: MIT -->
<!-- Made by tools/hypercalls.py; do not edit. -->
# Hypercalls

What Ringlet answers, out of the tables that dispatch. Numbers, structures and
error codes are those of the public headers of Xen 4.17 (`/usr/include/xen`,
interface version 0x15 of domctl and sysctl). A number or sub-operation that is
not listed answers `-ENOSYS` (`vm_assist`: `-EINVAL`) to those who may ask; who
may not gets `-EPERM`. What *refused* lists is known and answers the error
beside it. Callers are PV guests; 32-bit ones have the same handler, one
of their own for other arguments, or none.

| number | name | 32-bit | what it is |
| --- | --- | --- | --- |
"""


def read(path):
    return csource.read(os.path.join(ROOT, path))


def from_def(path):
    """(those done, {refused: errno}) of a .def table."""
    done, refused = [], {}
    for name, refused_name, errno in ROW.findall(read(path)):
        if name:
            done.append(name)
        else:
            refused[refused_name] = errno
    return done, refused


def from_code(prefix, text, table):
    """The same, out of C and the table: in the order of the tables."""
    rows = from_def(f"hv/call/{table}.def")[0] if table else []
    found = [f"{prefix}_{name}" for name in rows]
    found += re.findall(
        rf"(?:\[|\b[A-Z_]+\(|case |[!=]= |BIT\()({prefix}_\w+)", text)
    names = [name for name in dict.fromkeys(found) if name not in INTERNAL]
    return ([name for name in names if name not in REFUSED],
            {name: REFUSED[name] for name in names if name in REFUSED})


def wrapped(words):
    lines, line = [], ""
    for word in words:
        if line and len(line) + 1 + len(word) > 78:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "\n".join(lines + [line])


def listed(names, errors=None):
    last = len(names) - 1
    return wrapped(
        (["Refused:"] if errors else []) +
        [word for at, name in enumerate(names) for word in
         (f"`{name}`" + (f" ({errors[name]})" if errors else "")
          + ("." if at == last else ",")).split(" ")])


def page():
    calls = CALL.findall(read("hv/call/table.def"))
    text = "".join(csource.without_comments(csource.read(path))
                   for path in sorted(glob.glob(ROOT + "/hv/call/*.c"))
                   + [ROOT + "/hv/pv/pv.h"])
    out = HEAD + "".join(f"| {number} | {name} | {kind.lower()} | {what} |\n"
                         for number, name, kind, what in calls)
    for _, name, _, _ in calls:
        if name in TABLES:
            done, refused = from_def(TABLES[name])
        elif name in PREFIXES:
            done, refused = from_code(PREFIXES[name], text,
                                      SUB_TABLES.get(name))
        else:
            continue
        out += f"\n## {name}\n\n{listed(done)}\n"
        if refused:
            out += f"\n{listed(list(refused), refused)}\n"
    return out


def main():
    if sys.argv[1:] == ["--print"]:
        print(page(), end="")
        return
    with open(os.path.join(ROOT, PAGE), "w", encoding="utf-8") as file:
        file.write(page())


if __name__ == "__main__":
    main()
