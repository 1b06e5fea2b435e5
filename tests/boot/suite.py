# SPDX-License-Identifier: MIT
"""The guests of the conformance suite as DomU, by xl: the script suite in Dom0
runs them all in one boot."""
import os
import re

from boot.dom0 import boot_script
from boot.pv import END, STATUS
from lib.case import Case, Failure

# Guests, and the tests of theirs that are about Dom0's place: its flags, its
# console, other domains that it makes.
GUESTS = {
    "hello": ["start_info", "layout", "features", "console"],
    "traps": [],
    "descriptors": [],
    "pagetables": ["update_targets", "va_other_domain", "ext_plain",
                   "map_foreign"],
    # How idle a vcpu is, to the millisecond, where others want its CPU.
    "smp": ["idle", "set_time_of_day", "time_of_day_of_another"],
    "batches": [],
    "callbacks": ["where_it_runs", "other_domains_end"],
    "memory": ["maps", "others_memory", "populate_on_demand", "claims",
               "memory_map_of_a_domain", "of_other_kinds", "resources"],
    # It may not write to the console.
    "pointers": ["control_versions", "unknown_operations"],
    "grants": ["transitive", "transitive_refused", "foreign", "from_domain",
               "to_domain"],
    # A reset takes the console's port as well, whose events wake a vcpu and
    # are in its queues.
    "events": ["reset", "foreign_ports", "polling", "fifo_start",
               "fifo_send", "fifo_mask", "fifo_queue", "fifo_priority",
               "fifo_expand", "fifo_reset"],
    "attack": ["foreign_context", "stacks_for_traps", "stacks_for_events",
               "int80_without_table", "int_from_user", "frames_of_domu",
               "frames_of_dom0", "stale_grant_mapping", "destroy_granter",
               "destroy_while_mapped", "destroy_mapper", "status_frame_kept",
               "domctl_tells_no_more", "sysctl_tells_no_more",
               "pages_come_back_empty", "descriptors_change_owner",
               "transfer_in_use", "tables_of_another_kind", "ports_beyond",
               "reset_and_use", "whole", "steps_for_ever",
               "watched_frames", "alignment_for_ever", "steps_in_handlers",
               # Locks that vcpus take in turn, and Dom0 wants their CPUs.
               "handles_by_number"],
}
# As 32-bit kernels too.
for _name in ("traps", "descriptors", "batches"):
    GUESTS[_name + "32"] = GUESTS[_name]
VCPUS = {"smp": 2, "attack": 2}
CONFIG = """name = "{name}"
type = "pv"
kernel = "/boot/suite-{name}"
memory = 64
vcpus = {vcpus}
max_event_channels = 131071
extra = "{words}"
on_crash = "destroy"
"""


def _configs(context):
    """{path in the image: file here}"""
    files = {}
    for name, left_out in GUESTS.items():
        path = os.path.join(context.folder, name + ".cfg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(
                name=name, vcpus=VCPUS.get(name, 1),
                words=" ".join("not:" + test for test in left_out)))
        files[f"boot/suite-{name}.cfg"] = path
        files[f"boot/suite-{name}"] = f"build/guests/{name}"
    return files


def _body(context):
    said = boot_script(context, "suite", "ringlet-debug", 2,
                       files=_configs(context))
    for name in GUESTS:
        match = re.search(rf"^SUITE {name}\r?\n(.*?)^SUITE-END", said,
                          re.DOTALL | re.MULTILINE)
        text = match.group(1) if match else ""
        for test, status, detail in re.findall(STATUS, text):
            context.report(f"{name}/{test}", status, detail.strip())
        if not re.search(END, text):
            raise Failure(f"{name} ended before its verdict")


def cases():
    return [Case("dom0/suite", _body, 1500)]
