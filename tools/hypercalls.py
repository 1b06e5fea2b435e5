#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes docs/hypercalls.md out of the tables that dispatch hypercalls and what
the tests of guests/ call (tests/conformance/results).

Usage: hypercalls.py [--print | --untested]"""
import glob
import os
import re
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from lib import conformance, csource

PAGE = "docs/hypercalls.md"
CALL = re.compile(r'^CALL\((\d+), (\w+), (\w+), "(.*)"\)', re.MULTILINE)
# Rows of the .def tables of call/ and ctl/.
ROW = re.compile(r"^(?:OP|FN|DO|HERE)\((\w+)[,)]|^REFUSED\((\w+), ([^)]*)\)",
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
    "XENMEM_set_pod_target": "-EINVAL", "XENMEM_get_pod_target": "-EINVAL",
    "XENMEM_access_op": "-EINVAL", "GNTTABOP_cache_flush": "-EOPNOTSUPP",
}
MMU_UPDATES = ("MMU_NORMAL_PT_UPDATE", "MMU_MACHPHYS_UPDATE",
               "MMU_PT_UPDATE_PRESERVE_AD", "MMU_PT_UPDATE_NO_TRANSLATE")
# How the structures of tools name theirs.
CONTROL = {"domctl": "XEN_DOMCTL", "sysctl": "XEN_SYSCTL",
           "platform_op": "XENPF"}
NUMBER = re.compile(r"^#define[ \t]+(\w+)[ \t]+(0x[0-9a-fA-F]+|\d+)\b",
                    re.MULTILINE)
SHOWN = 3  # tests of an operation that are named
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

Below each name: the tests of guests/ that call it, in 64-bit and in 32-bit
kernels, as `make conformance` saw them: three that call little else, and how
many more; and which answers were seen (0: success). What they hold it against
is in [conformance.md](conformance.md).

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


def header_numbers():
    """{name: number} of the public headers; platform.h says it in lower case."""
    found = {}
    for path in glob.glob(os.path.join(conformance.HEADERS, "**", "*.h"),
                          recursive=True):
        for name, number in NUMBER.findall(csource.read(path)):
            found.setdefault(name, int(number, 0))
    return found


def error_names():
    text = csource.read(os.path.join(conformance.HEADERS, "errno.h"))
    return {int(number): "-" + name for name, number in
            re.findall(r"^XEN_ERRNO\((\w+),\s*(\d+)\)", text, re.MULTILINE)}


class Tested:
    """The calls that the stored results have: by number and operation."""

    def __init__(self):
        self.errors = dict(error_names())
        self.errors[0] = "0"
        self.rows = {}
        for row in conformance.stored().values():
            for call in row.calls:
                self.rows.setdefault(call, []).append(row)

    def tests(self, call, wide):
        """Names of those of one kind of kernel that make the call."""
        rows = [row for row in self.rows.get(call, [])
                if row.name.split("/")[0].endswith("32") != wide]
        rows.sort(key=lambda row: (len(row.calls), row.name))
        text = ", ".join(row.name for row in rows[:SHOWN])
        more = f", {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        return text + more or "-"

    def cells(self, call):
        answers = set().union(*(row.calls[call]
                                for row in self.rows.get(call, [])))
        said = ", ".join(self.errors.get(n, str(-n)) for n in sorted(answers))
        return (f"{self.tests(call, True)} | {self.tests(call, False)} | "
                f"{said or '-'} |\n")


TABLE = """
| {} | 64-bit kernels | 32-bit kernels | answers |
| --- | --- | --- | --- |
"""


def operations():
    """[(number, name, [(operation, its number, its error or None)])]"""
    text = "".join(csource.without_comments(csource.read(path))
                   for path in sorted(glob.glob(ROOT + "/hv/call/*.c"))
                   + [ROOT + "/hv/pv/pv.h"])
    numbers = header_numbers()
    found = []
    for number, name, _, _ in CALL.findall(read("hv/call/table.def")):
        if name in TABLES:
            done, refused = from_def(TABLES[name])
            prefix = CONTROL[name] + "_"
        elif name in PREFIXES:
            done, refused = from_code(PREFIXES[name], text,
                                      SUB_TABLES.get(name))
            prefix = ""
        else:
            done, refused, prefix = [], {}, ""
        rows = [(one, numbers[prefix + one], refused.get(one))
                for one in [*done, *refused]]
        if name == "mmu_update":
            rows = [(one, numbers[one], None) for one in MMU_UPDATES]
        found.append((int(number), name, rows))
    return found


def page():
    tested = Tested()
    calls = CALL.findall(read("hv/call/table.def"))
    out = HEAD + "".join(f"| {number} | {name} | {kind.lower()} | {what} |\n"
                         for number, name, kind, what in calls)
    alone = ""
    for number, name, rows in operations():
        if not rows:
            alone += f"| `{name}` | " + tested.cells((number, 0))
            continue
        out += f"\n## {name}\n" + TABLE.format("operation")
        for one, operation, error in rows:
            refused = f" (refused: {error})" if error else ""
            out += f"| `{one}`{refused} | " + tested.cells((number, operation))
    return out + "\n## Calls without operations\n" + TABLE.format("call") + alone


def untested():
    """Operations that no test calls."""
    tested = Tested()
    for number, name, rows in operations():
        for one, operation, _ in rows or [("", 0, None)]:
            if tested.tests((number, operation), True) == "-":
                yield f"{name} {one}".rstrip()


def main():
    if sys.argv[1:] == ["--print"]:
        print(page(), end="")
        return 0
    if sys.argv[1:] == ["--untested"]:
        missing = list(untested())
        print("\n".join(f"{one}: no test calls it" for one in missing))
        return 1 if missing else 0
    with open(os.path.join(ROOT, PAGE), "w", encoding="utf-8") as file:
        file.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
