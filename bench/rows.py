# SPDX-License-Identifier: MIT
"""What is measured: the machines (groups), and the rows of the tables.

A group is one machine that runs once for each hypervisor and run. Its guest
brackets operations with markers (bench/sections.h); a row names a section of a
group. What a row counts are instructions executed in the hypervisor from one
marker to the next, on all CPUs, medians of all turns; REP iterations, turns of
loops that wait for another CPU, and heavy operations stand beside it."""
import os
import re
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
XEN, RINGLET = "Xen 4.17", "Ringlet"
BOTH = (XEN, RINGLET)


@dataclass(frozen=True)
class Group:
    """One machine. kind: what runs in Dom0's place: `guest`, one of ours, or
    `linux`, Debian's kernel with the image of the tests and a script."""
    name: str
    kind: str = "guest"
    image: str = "bench"
    words: str = ""             # for the guest; the script for `linux`
    cpus: int = 1
    memory: str = "384M"
    hv_words: str = "dom0_mem=256M"
    options: str = ""           # of the plugin
    sides: tuple = BOTH
    limit: int = 600            # seconds that a run may take
    by_clock: int = 0           # so many interleaved runs, nothing counted


TWO_VCPUS = "dom0_mem=256M dom0_max_vcpus=2"
ONE_VCPU = "dom0_mem=256M dom0_max_vcpus=1"
WAITS = "watch=waits"
LINUX = {"kind": "linux", "memory": "2G", "hv_words": "dom0_mem=512M"}
GROUPS = [
    Group("alone", words="alone one-cpu"),
    Group("alone32", image="bench32", words="alone one-cpu",
          sides=(RINGLET,)),
    Group("pair1", words="pair one-cpu", hv_words=TWO_VCPUS),
    Group("domains1", words="domains one-cpu"),
    Group("pair2", words="pair", cpus=2, hv_words=TWO_VCPUS, options=WAITS),
    Group("domains2", words="domains", cpus=2, hv_words=ONE_VCPU,
          options=WAITS),
    Group("many", words="many one-cpu"),
    Group("cpus4", words="alone pair", cpus=4, hv_words=TWO_VCPUS,
          options=WAITS),
    Group("cpus8", words="alone pair", cpus=8, hv_words=TWO_VCPUS,
          options=WAITS),
    Group("cpus16", words="alone pair", cpus=16, hv_words=TWO_VCPUS,
          options=WAITS, limit=1200),
    Group("longest", words="longest alone domains one-cpu", memory="3G",
          options="watch=stretches", limit=1200),
    Group("clock", words="alone one-cpu clock", by_clock=5),
    Group("boot", kind="linux", memory="1G", hv_words="dom0_mem=512M",
          options="until=init"),
    Group("linux", words="linux-counts", limit=1800, **LINUX),
    Group("io", words="io-counts", limit=3600, **LINUX),
    Group("xl", words="xl-counts", limit=3600, **LINUX),
]
GROUP = {group.name: group for group in GROUPS}


@dataclass(frozen=True)
class Row:
    """`parts` operations in one section, of which another one, `minus`, is
    taken off. The goal is half of Xen's, or the row's own if that is less."""
    title: str
    group: str
    section: str
    parts: int = 1
    minus: str = ""
    goal: int = 0


ROWS = [
    Row("null hypercall (xen_version)", "alone", "hypercall", goal=90),
    Row("stack_switch", "alone", "stack_switch", goal=80),
    Row("multicall, per sub-call", "alone", "multicall", 16, "multicall_0",
        goal=40),
    Row("set_timer_op, far", "alone", "set_timer", goal=200),
    Row("yield with nobody else", "alone", "yield", goal=400),
    Row("mmu_update, count 0", "alone", "mmu_update_0", goal=130),
    Row("PTE in a batch of 16, mapped", "alone", "map_batch", 16,
        "mmu_update_0", goal=160),
    Row("PTE in a batch of 16, unmapped", "alone", "unmap_batch", 16,
        "mmu_update_0", goal=160),
    Row("update_va_mapping, same frame, no flush", "alone", "update_va",
        goal=280),
    Row("update_va_mapping, same frame, invlpg", "alone", "update_va_flush"),
    Row("TLB flush, local", "alone", "flush_local"),
    Row("system call from guest user mode, round trip", "alone",
        "system_call", goal=200),
    Row("page fault of guest user mode, mapped (3 entries)", "alone",
        "page_fault", goal=650),
    Row("event to itself: send, upcall, return", "alone", "event_self"),
    Row("timer: set, sleep, wake", "alone", "timer_wake"),
    Row("pin of a full tree, per PTE", "alone", "pin_tree", 4096),
    Row("unpin of a full tree, per PTE", "alone", "unpin_tree", 4096),
    Row("new base pointer", "alone", "new_base"),
    Row("grant map", "alone", "grant_map"),
    Row("grant map in a batch of 32, each", "alone", "grant_map_32", 32),
    Row("grant unmap", "alone", "grant_unmap"),
    Row("grant unmap in a batch of 32, each", "alone", "grant_unmap_32", 32),
    Row("grant copy, 4 KiB", "alone", "grant_copy"),
    Row("grant copy in a batch of 32, each", "alone", "grant_copy_32", 32),
    Row("event between two vcpus and back, one CPU", "pair1", "vcpu_event"),
    Row("switch of vcpus by a yield", "pair1", "vcpu_switch"),
    Row("event between two domains and back, one CPU", "domains1",
        "domain_event"),
    Row("event between two vcpus and back, two CPUs", "pair2", "vcpu_event"),
    Row("event between two domains and back, two CPUs", "domains2",
        "domain_event"),
    Row("IPI to a running vcpu, upcall", "pair2", "ipi"),
    Row("remote TLB flush (update_va_mapping)", "pair2", "remote_flush"),
    Row("vcpu down", "pair2", "vcpu_down"),
    Row("vcpu up, until it runs", "pair2", "vcpu_up"),
    Row("domain of 7 pages: create, build, pin", "domains1", "domain_create"),
    Row("domain of 7 pages: destroy", "domains1", "domain_destroy"),
    Row("Dom0: system call (getppid)", "linux", "linux_syscall"),
    Row("Dom0: anonymous page fault", "linux", "linux_fault", goal=650),
    Row("Dom0: mmap, populate, munmap of 16 pages", "linux", "linux_mmap",
        goal=18_000),
    Row("Dom0: fork, exit, wait", "linux", "linux_fork", goal=120_000),
    Row("Dom0: vfork, exec, exit, wait", "linux", "linux_exec"),
    Row("Dom0: pipe ping-pong of two processes", "linux", "linux_pipe",
        goal=3000),
    Row("Dom0: event loopback: notify, read, unmask", "linux",
        "linux_event", goal=1000),
    Row("Dom0: grant map, touch, unmap (gntdev)", "linux", "linux_grant",
        goal=2800),
    Row("Dom0: grant copy, 4 KiB (gntdev)", "linux", "linux_copy",
        goal=1300),
    Row("DomU: boot, unpause to its first program", "io", "domu_boot"),
    Row("DomU: read of 4 KiB at random, blkfront to blkback", "io",
        "disk_read_4k"),
    Row("DomU: write of 4 KiB at random", "io", "disk_write_4k"),
    Row("DomU: sequential read of 1 MiB", "io", "disk_read_1m"),
    Row("DomU: sequential write of 1 MiB", "io", "disk_write_1m"),
    Row("DomU: packet of 64 bytes to Dom0 and back, netfront to netback",
        "io", "net_64"),
    Row("DomU: packet of 1,500 bytes and back", "io", "net_1500"),
    Row("DomU: stream of 1 MiB to Dom0", "io", "net_stream"),
    Row("xl create -p, 8 MiB", "xl", "xl_create", goal=3_000_000),
    Row("xl unpause", "xl", "xl_unpause"),
    Row("xl pause", "xl", "xl_pause"),
    Row("xl list", "xl", "xl_list"),
    Row("xl destroy", "xl", "xl_destroy", goal=2_000_000),
    Row("xl create -p, beside 100", "xl", "xl_create_100"),
    Row("xl list of 100 more", "xl", "xl_list_100"),
    Row("xl destroy, beside 100", "xl", "xl_destroy_100"),
]

# The same operations in a 32-bit kernel, which Debian's Xen does not run.
ROWS32 = [Row(row.title, "alone32", row.section, row.parts, row.minus)
          for row in ROWS
          if row.group == "alone" and row.section != "new_base"]

# Operation, section, and the groups that are to show the same count.
CPU_GROUPS = [("1", "alone"), ("4", "cpus4"), ("8", "cpus8"),
              ("16", "cpus16")]
PAIR_GROUPS = [("2", "pair2")] + CPU_GROUPS[1:]
SCALES = {
    "cpus": [(row.title, row.section, row.parts, row.minus, CPU_GROUPS)
             for row in ROWS if row.section in (
                 "hypercall", "multicall", "set_timer", "map_batch",
                 "update_va", "system_call", "page_fault", "event_self",
                 "pin_tree", "grant_map_32", "grant_copy_32")],
    "pairs": [(row.title, row.section, 1, "", PAIR_GROUPS)
              for row in ROWS if row.group == "pair2"],
    "domains": [
        ("null hypercall", "hypercall", 1, "",
         [("0", "alone"), ("100", "many")]),
        ("yield", "yield", 1, "", [("0", "alone"), ("100", "many")]),
        ("event to itself", "event_self", 1, "",
         [("0", "alone"), ("100", "many")]),
        ("event to a domain and back", "domain_event", 1, "",
         [("0", "domains1"), ("100", "many")]),
        ("create a domain of 7 pages", "domain_create", 1, "",
         [("0", "domains1"), ("100", "many")]),
        ("destroy it", "domain_destroy", 1, "",
         [("0", "domains1"), ("100", "many")])],
}

# Printed by guests: nanoseconds of the guest's clock, or plain numbers. One
# instruction is one nanosecond there.
VALUES = [
    ("timer lateness, mean, ns", "alone", "lateness"),
    ("timer lateness, longest of 15, ns", "alone", "lateness-most"),
    ("two busy domains, larger share in thousandths of the smaller one",
     "domains1", "unfairness"),
]
LONGEST = [
    ("pin of a tree of 401 tables, 204,800 PTEs", "long_pin"),
    ("its unpin", "long_unpin"),
    ("destruction of a domain of 2 GiB", "long_destroy"),
    ("reading all of the log", "long_log"),
]
CLOCKED = [
    ("null hypercall", "clock-hypercall"),
    ("set_timer_op", "clock-set_timer"),
    ("multicall of 16", "clock-multicall"),
    ("yield", "clock-yield"),
    ("update_va_mapping", "clock-update_va"),
    ("system call round trip", "clock-system_call"),
    ("page fault and unmap, by a system call", "clock-page_fault"),
    ("event to itself", "clock-event_self"),
    ("grant copy, 4 KiB", "clock-grant_copy"),
]


def sections():
    """{name: number} of bench/sections.h, in small letters, and of xl's."""
    with open(os.path.join(ROOT, "bench", "sections.h"),
              encoding="utf-8") as file:
        found = re.findall(r"^\s*([A-Z_0-9]+) = (\d+),$", file.read(), re.M)
    return {name.lower(): int(number) for name, number in found}
