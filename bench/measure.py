# SPDX-License-Identifier: MIT
"""Runs the groups of rows.py in QEMU and keeps what they counted."""
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import types

from rows import RINGLET, ROOT, XEN, sections

sys.path.insert(0, os.path.join(ROOT, "tests"))
from lib import image, proc  # pylint: disable=wrong-import-position

IMAGES = {XEN: "cache/xen/xen-4.17-amd64", RINGLET: "build/ringlet"}
KERNEL, INITRD = "build/dom0/vmlinuz", "build/dom0/initrd.img"
SMALL = "build/guests/mortal"  # what xl creates
OUT = os.path.join(ROOT, "build", "bench")
HV_WORDS = "com1=115200 console=com1 "
LINUX_WORDS = "console=hvc0 quiet ringlet.script="
QEMU = "qemu-system-x86_64"
MACHINE = [QEMU, "-accel", "tcg", "-no-user-config", "-cpu", "max,-smap",
           "-display", "none", "-no-reboot", "-monitor", "none", "-nic",
           "none"]
# Time is the number of executed instructions.
COUNTED = ["-rtc", "clock=vm,base=2026-01-01", "-seed", "1", "-icount",
           "shift=0,sleep=off"]
PLUGIN = ["plugin.c", "classify.c", "watch.c"]
HEADERS = ["plugin.h", "qemu.h"]
PROGRAMS = ["mark", "linux", "io"]  # of Dom0, the last one of a guest too
COMPILE = ["-O2", "-Wall", "-Wextra", "-Wno-unused-parameter"]
# What the plugin prints apart for the phases of a boot.
RANGES = ("low", "hv", "kernel")
VALUE = re.compile(r"^VALUE (\S+) (\d+)", re.MULTILINE)
FAILED = re.compile(r"^TEST (\S+ FAIL .*)|^RINGLET-TEST (\S+ FAIL .*)|"
                    r"((?:[Pp]anic on CPU|Kernel panic|ringlet: panic).*)",
                    re.MULTILINE)
DONE = re.compile(r"^BENCH done", re.MULTILINE)
SHOW_SECONDS = 30


class Failed(Exception):
    """A run did not come to its end; says why."""


def _compile(flags, sources, path):
    command = [os.environ.get("CC", "gcc"), *COMPILE, *flags, "-o", path,
               *(os.path.join(ROOT, "bench", name) for name in sources)]
    done = subprocess.run(command, capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise Failed(f"{sources[0]} does not compile:\n{done.stderr}")
    return path


def plugin(folder):
    """Builds the plugin; its path."""
    return _compile(["-shared", "-fPIC", "-fvisibility=hidden"], PLUGIN,
                    os.path.join(folder, "plugin.so"))


def modules(group, folder):
    """[(path, words)]"""
    if group.kind == "guest":
        return [(f"build/guests/{group.image}", group.words)]
    if not group.words:
        return [(KERNEL, "console=hvc0"), (INITRD, "")]
    place = types.SimpleNamespace(folder=folder)
    programs = {"usr/bin/" + name: _compile(
        ["-static", "-s"], [name + ".c"], os.path.join(folder, name))
                for name in PROGRAMS}
    guest = image.archive(place, {"usr/bin/io": programs["usr/bin/io"]},
                          "guest.cpio")
    more = image.archive(place, {
        **programs, "boot/small": SMALL, "boot/io.img": guest,
        "scripts/" + group.words: "tools/dom0-image/scripts/" + group.words})
    return [(KERNEL, LINUX_WORDS + group.words),
            (image.joined(place, INITRD, more), "")]


def command(group, hypervisor, parts, serial, more):
    """QEMU's command line."""
    listed = ",".join(f"{os.path.join(ROOT, path)} {words}".strip()
                      for path, words in parts)
    return MACHINE + more + [
        "-smp", str(group.cpus), "-m", group.memory, "-serial", serial,
        "-kernel", hypervisor, "-append", HV_WORDS + group.hv_words,
        "-initrd", listed]


def parse(path):
    """[(what, {name: count})] of the plugin's lines."""
    rows = []
    with open(path, encoding="ascii") as file:
        for line in file:
            words = line.split()
            at = next(i for i, word in enumerate(words) if "=" in word)
            rows.append((" ".join(words[:at]),
                         {name: int(value) for name, value in
                          (word.split("=") for word in words[at:])}))
    return rows


def totals(counts):
    """Instructions and REP iterations, wherever they ran, and the kinds that
    are counted apart."""
    ranges = [name + rep for name in RANGES for rep in ("", "-rep")]
    if not counts:
        return {}
    rows = {"instructions": sum(counts[name] for name in RANGES),
            "repetitions": sum(counts[name + "-rep"] for name in RANGES)}
    rows.update((name, value) for name, value in counts.items()
                if name not in ranges)
    return rows


def hypervisor_part(counts):
    """Of a section: instructions but for turns of waiting loops, REP
    iterations, and the heavy kinds."""
    part = {"count": counts["hv"] - counts.get("spun", 0),
            "rep": counts["hv-rep"]}
    ranges = [name + rep for name in RANGES for rep in ("", "-rep")]
    part.update((name, value) for name, value in counts.items()
                if name not in ranges)
    return part


def medians(rows):
    """{section's name: {kind: median}}, and of the count its least, of the
    plugin's lines; longest stretches are the longest of all turns."""
    names = {number: name for name, number in sections().items()}
    turns = {}
    for what, counts in rows:
        word, _, number = what.partition(" ")
        if word == "section":
            turns.setdefault(names[int(number)], []).append(
                hypervisor_part(counts))
    found = {}
    for name, all_ in turns.items():
        found[name] = {
            kind: int(statistics.median(one[kind] for one in all_))
            for kind in all_[0]}
        found[name]["least"] = min(one["count"] for one in all_)
        found[name]["turns"] = len(all_)
        for kind in ("off", "inside"):
            if kind in all_[0]:
                longest = max(all_, key=lambda one, k=kind: one[k])
                found[name][kind] = longest[kind]
                found[name][kind + "-end"] = longest[kind + "-end"]
    return found


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace").replace("\r", "")
    except FileNotFoundError:
        return ""


def _watch(child, group, serial, counted, say):
    """Until the machine ends, or its guest is done, or the time is up."""
    start = shown = time.monotonic()
    while child.poll() is None:
        now = time.monotonic()
        text = _read(serial)
        wrong = FAILED.search(text)
        if wrong and not wrong.group(1):
            raise Failed(wrong.group(0))
        if not counted and DONE.search(text):
            return
        if now - start > group.limit:
            raise Failed(f"not done in {group.limit} s; it said last:\n" +
                         "\n".join(text.splitlines()[-5:]))
        if now - shown > SHOW_SECONDS:
            shown = now
            say(f"{now - start:.0f} s so far")
        time.sleep(0.2)


def machine(group, folder, hypervisor, parts, more, say):
    """Runs one machine; what its serial port said."""
    serial = os.path.join(folder, "serial")
    if os.path.exists(serial):
        os.unlink(serial)
    with open(os.path.join(folder, "qemu.log"), "wb") as log:
        child = proc.spawn(
            command(group, hypervisor, parts, "file:" + serial, more),
            group.limit, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _watch(child, group, serial, "-plugin" in more, say)
        finally:
            proc.end(child)
    text = _read(serial)
    wrong = FAILED.search(text)
    if wrong:
        raise Failed(wrong.group(0))
    if child.returncode not in (0, -9):
        raise Failed(f"QEMU ended with {child.returncode}: " +
                     _read(os.path.join(folder, "qemu.log"))[-500:])
    return text


def counting(group, built, out, options=""):
    """QEMU's words for a run that is counted."""
    words = [f"{built},out={out}", group.options, options]
    return COUNTED + ["-plugin", ",".join(word for word in words if word)]


def counted(group, folder, hypervisor, parts, built, say, options=""):
    """One counted run: the plugin's lines and the guest's values."""
    out = os.path.join(folder, "counts")
    text = machine(group, folder, hypervisor, parts,
                   counting(group, built, out, options), say)
    rows = parse(out)
    if not rows:
        raise Failed("nothing was counted; the machine said last:\n" +
                     "\n".join(text.splitlines()[-5:]))
    return rows, {name: int(value) for name, value in VALUE.findall(text)}


def summary(rows):
    """Sections, and phases of the whole run, of the plugin's lines."""
    return {"sections": medians(rows),
            "phases": {what: counts for what, counts in rows
                       if not what.startswith("section")}}


def agreed(new, before):
    """What a run has in common with what is kept of those before it, and the
    names of what differs, which is thrown away."""
    rows, values = new
    if not before:
        return rows, values, []
    differ = set(before["differ"])
    rows = [row for row in rows if row[0] not in differ]
    old_rows, old_values = before["raw"]
    if len(rows) != len(old_rows):
        return [], {}, ["all of it: not as many lines"]
    differ.update(what for (what, one), (_, other) in zip(rows, old_rows)
                  if one != other)
    differ.update(name for name in values
                  if values[name] != old_values.get(name, values[name]))
    return ([row for row in rows if row[0] not in differ],
            {name: value for name, value in values.items()
             if name not in differ}, sorted(differ))


def _digest(path):
    with open(os.path.join(ROOT, path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def qemu_version():
    try:
        text = subprocess.run([QEMU, "--version"], capture_output=True,
                              text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(f"no {QEMU}: {error}") from None
    return text.splitlines()[0]


def inputs(group, side):
    """A digest of all that a result depends on."""
    files = [IMAGES[side]]
    files += [os.path.join("bench", name) for name in PLUGIN + HEADERS]
    if group.kind == "guest":
        files.append(f"build/guests/{group.image}")
    else:
        files += [KERNEL, INITRD]
        if group.words:
            files += [f"bench/{name}.c" for name in PROGRAMS]
            files += [SMALL, "bench/marker.h", "bench/sections.h",
                      "tools/dom0-image/scripts/" + group.words]
    for path in files:
        if not os.path.exists(os.path.join(ROOT, path)):
            raise Failed(f"{path} is missing; `make bench` builds it")
    text = json.dumps([qemu_version(), repr(group), MACHINE, COUNTED,
                       HV_WORDS, LINUX_WORDS,
                       [_digest(path) for path in files]])
    return hashlib.sha256(text.encode()).hexdigest()


def kept_path(group, side):
    name = side.split()[0].lower()
    return os.path.join(OUT, "runs", f"{group.name}-{name}.json")


def kept(group, side):
    """What was found earlier from the same inputs, or None."""
    try:
        with open(kept_path(group, side), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return found if found["inputs"] == inputs(group, side) else None


def keep(group, side, found):
    path = kept_path(group, side)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(dict(found, inputs=inputs(group, side)), file)
    os.replace(path + ".new", path)


def hypervisors(folder, sides):
    """{side: path} of copies, as a build may replace them meanwhile."""
    copies = {}
    for side in sides:
        copies[side] = os.path.join(folder, os.path.basename(IMAGES[side]))
        shutil.copy(os.path.join(ROOT, IMAGES[side]), copies[side])
    return copies


def runs_of(found):
    return found["runs"] if found else 0


def group_counted(group, side, folder, built, say, before=None):
    """One run of a group, and what it has in common with those `before`."""
    hypervisor = hypervisors(folder, [side])[side]
    start = time.monotonic()
    new = counted(group, folder, hypervisor, modules(group, folder), built,
                  say)
    say(f"took {time.monotonic() - start:.1f} s")
    rows, values, differ = agreed(new, before)
    return dict(summary(rows), values=values, differ=differ,
                raw=[rows, values], runs=runs_of(before) + 1)


def group_clocked(group, folder, say):
    """Runs of both sides in turn, by the clock: {side: {value: [...]}}."""
    found = {side: {} for side in group.sides}
    copies = hypervisors(folder, group.sides)
    for number in range(group.by_clock):
        for side in group.sides:
            say(f"{side}, run {number + 1} of {group.by_clock}")
            text = machine(group, folder, copies[side],
                           modules(group, folder), [], say)
            for name, value in VALUE.findall(text):
                found[side].setdefault(name, []).append(int(value))
    return found
