# SPDX-License-Identifier: MIT
"""What the guests' tests said of Ringlet and of Xen 4.17, kept in the tree, and
the differences that are accepted: tests/conformance."""
import fnmatch
import os
import re
import subprocess
import tomllib

from .case import FAIL, PASS, ROOT, SKIP, Broken

FOLDER = os.path.join(ROOT, "tests", "conformance")
RESULTS = os.path.join(FOLDER, "results")
DIFFERENCES = os.path.join(FOLDER, "differences.toml")
BUDGET = os.path.join(ROOT, "tools", "budget")
ERROR, CRASH, MISSING = "ERROR", "CRASH", "none"
HEADERS = "/usr/include/xen"
HEAD = """# SPDX-License-Identifier: MIT
# Written by `make conformance KEEP=1`: guest/test, what it says on Ringlet and
# on Xen 4.17; below it the calls it makes on Ringlet (number.operation) and
# their answers: 0 or more, and which errors.
"""


class Row:
    """One test: its verdicts, and the calls it makes."""

    def __init__(self, name, ringlet, xen):
        self.name = name
        self.ringlet = ringlet
        self.xen = xen
        self.calls = {}  # (number, operation): set of answers


def stored():
    """{name: Row} of the tree's file."""
    rows = {}
    row = None
    with open(RESULTS, encoding="utf-8") as file:
        for line in file:
            if line.startswith("#"):
                continue
            words = line.split()
            if line.startswith(" "):
                number, operation = words[0].split(".")
                row.calls[int(number), int(operation)] = {
                    int(word) for word in words[1:]}
            else:
                row = rows[words[0]] = Row(*words)
    return rows


def store(rows):
    with open(RESULTS, "w", encoding="utf-8") as file:
        file.write(HEAD)
        for name in sorted(rows):
            row = rows[name]
            file.write(f"{name} {row.ringlet} {row.xen}\n")
            for (number, operation), answers in sorted(row.calls.items()):
                said = " ".join(str(n) for n in sorted(answers))
                file.write(f"  {number}.{operation} {said}\n")


def differences():
    """{name: entry}; each has test, xen, why, rule, source."""
    with open(DIFFERENCES, "rb") as file:
        entries = tomllib.load(file)["difference"]
    found = {}
    for entry in entries:
        if set(entry) != {"test", "xen", "why", "rule", "source"} or \
                entry["test"] in found:
            raise Broken(f"{DIFFERENCES}: {entry.get('test')}")
        found[entry["test"]] = entry
    return found


def budget():
    with open(BUDGET, encoding="utf-8") as file:
        return int(re.search(r"^differences (\d+)$", file.read(),
                             re.MULTILINE).group(1))


def judged(row, detail, listed):
    """None, or what is wrong with a test of these verdicts; detail is what it
    said on Xen, None where that is not known."""
    if row.ringlet != PASS:
        return f"{row.ringlet} on Ringlet"
    if row.xen == row.ringlet:
        return "listed, and does not differ" if listed else None
    if not listed:
        return f"differs, and is not listed: {detail or ''}".rstrip(": ")
    wanted, _, said = listed["xen"].partition(": ")
    if row.xen != wanted:
        return f"{row.xen} on Xen, listed as {wanted}"
    if detail is not None and said and said != detail:
        return f"says on Xen: {detail}"
    return None


def plain(detail):
    """What a test said, without the place in its source."""
    return re.sub(r"^\S+:\d+: ", "", detail)


def listed_for(name, table):
    """The entry for a test; a shell pattern stands for many."""
    return next((entry for pattern, entry in table.items()
                 if fnmatch.fnmatch(name, pattern)), None)


def quote_missing(entry):
    """The rule stands in the public header that it is said to come from, but
    for line breaks and comment marks."""
    path = os.path.join(HEADERS, entry["source"].split(",")[0])
    if not entry["source"].split(",")[0].endswith(".h"):
        return False
    with open(path, encoding="utf-8") as file:
        text = file.read()

    def squeezed(words):
        return " ".join(re.sub(r"\n[ \t]*\*(?!/)", " ", words).split())
    return squeezed(entry["rule"]) not in squeezed(text)


def image_tests(guest):
    """Names of the tests in a guest's image, which are not all of its source's:
    some are of one width."""
    text = subprocess.check_output(
        ["nm", os.path.join(ROOT, "build", "guests", guest)], text=True)
    return re.findall(r" r entry_(\w+)$", text, re.MULTILINE)


def verdict(status, detail):
    """FAIL is told apart: what could not be run, and what ended too soon."""
    if status != FAIL:
        return status
    if detail.startswith("test could not be run"):
        return ERROR
    return CRASH if detail.startswith("CRASH") else FAIL
