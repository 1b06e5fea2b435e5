#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the guests of guests/ on Ringlet and on Xen 4.17, and compare.

A test counts when it passes on both, or when tests/conformance/differences.toml
lists it with what Xen says and the rule that makes Ringlet right. The exit code
is 0 only when all tests count, all that is listed differs, and no more is
listed than tools/budget allows. docs/conformance.md"""
import argparse
import fnmatch
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True

from boot import pv
from lib import conformance as conf
from lib import proc
from lib.case import BUILD, FAIL, LOGS, PASS, ROOT, SKIP, Context
from run import judge

RANKS = [conf.MISSING, SKIP, PASS, conf.ERROR, FAIL, conf.CRASH]
HVS = {"ringlet": "ringlet-debug", "xen": "xen"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="PATTERN", action="append",
                        help="shell pattern of guests; repeatable")
    parser.add_argument("--jobs", type=int, default=2,
                        help="guests at a time (default: 2)")
    parser.add_argument("--keep", action="store_true",
                        help="write what was found to tests/conformance")
    parser.add_argument("--kept", action="store_true",
                        help="run nothing, look at what was kept")
    return parser.parse_args()


def run_one(job):
    """(hypervisor, guest, for what others skipped only, [(test, verdict,
    detail)], {test: calls})"""
    hv, case, folder = job
    context = Context(case, folder)
    results = judge(case, context)
    context.log.close()
    guest, _, again = case.name.split("/")[1].partition("-")
    found = []
    for name, status, detail in results:
        test = name[len(case.name) + 1:] or "end"
        found.append((f"{guest}/{test}", conf.verdict(status, detail),
                      conf.plain(detail)))
    return hv, guest, again == "bochs", found, context.calls


class Findings:
    """All rows, and what they said on Xen."""

    def __init__(self):
        self.rows = {}
        self.details = {}

    def _row(self, name):
        if name not in self.rows:
            self.rows[name] = conf.Row(name, conf.MISSING, conf.MISSING)
        return self.rows[name]

    def add(self, hv, guest, skipped_only, found, calls):
        for name, verdict, detail in found:
            row = self._row(name)
            if skipped_only and getattr(row, hv) != SKIP:
                continue
            # Of the runs of a guest the one that says more.
            if RANKS.index(verdict) <= RANKS.index(getattr(row, hv)):
                continue
            setattr(row, hv, verdict)
            if hv == "xen":
                self.details[name] = detail
                continue
            row.calls = calls.get(name.split("/")[1], {})
            if verdict not in (PASS, SKIP):
                print(f"  {name} on Ringlet: {verdict} {detail}")
        # Those that a crash kept from saying anything.
        for test in conf.image_tests(guest):
            self._row(f"{guest}/{test}")


def wrong_rows(findings, listed):
    """Prints the table; how many tests do not count."""
    wrong = accepted = 0
    width = max(len(name) for name in findings.rows)
    print(f"{'test':{width}}  ringlet  xen")
    for name in sorted(findings.rows):
        row = findings.rows[name]
        entry = conf.listed_for(name, listed)
        problem = conf.judged(row, findings.details.get(name), entry)
        accepted += not problem and row.ringlet != row.xen
        remark = f"WRONG: {problem}" if problem else \
            "accepted" if row.ringlet != row.xen else ""
        print(f"{name:{width}}  {row.ringlet:7}  {row.xen:5} {remark}".rstrip())
        wrong += bool(problem)
    print(f"{len(findings.rows)} tests, {accepted} differ as listed, "
          f"{wrong} wrong")
    return wrong


def called(rows, guest):
    """The operations that a guest's tests call."""
    return {call for name, row in rows.items()
            if name.split("/")[0] == guest for call in row.calls}


def old_results(findings, guests):
    """What tests/conformance says otherwise."""
    stored = conf.stored()
    here = {name for name in stored if name.split("/")[0] in guests}
    for name in sorted(here | set(findings.rows)):
        was, now = stored.get(name), findings.rows.get(name)
        if not was or not now:
            yield f"{name} is {'gone' if was else 'new'}"
        elif (was.ringlet, was.xen) != (now.ringlet, now.xen):
            yield f"{name}: was {was.ringlet} {was.xen}"
    # Of a guest as a whole: what a test calls while it waits is chance.
    for guest in sorted(guests):
        for number, operation in sorted(called(stored, guest) -
                                        called(findings.rows, guest)):
            yield f"{guest} does not call {number}.{operation} any more"


def listed_wrongly(listed, findings, whole):
    """Entries for nothing, too many of them, quotes that are none."""
    for name, entry in listed.items():
        used = any(fnmatch.fnmatch(row, name) for row in findings.rows)
        if whole and not used:
            yield f"{name} is listed, and there is no such test"
        if conf.quote_missing(entry):
            yield f"{name}: the rule does not stand in {entry['source']}"
    budget = conf.budget()
    print(f"{len(listed)} accepted differences, budget {budget}")
    if len(listed) > budget:
        yield f"{len(listed)} differences are more than {budget}"


def jobs(options, folder):
    """One for each guest and hypervisor."""
    made = []
    for guest in pv.suite():
        if options.only and not any(fnmatch.fnmatch(guest, pattern)
                                    for pattern in options.only):
            continue
        for hv, image in HVS.items():
            # Debian's Xen is built without 32-bit PV guests.
            if hv == "ringlet" or not guest.endswith("32"):
                made += [(hv, case, folder)
                         for case in pv.suite_cases(guest, hv, image)]
    return made


def kept(listed):
    """What is wrong in the tree's results."""
    findings = Findings()
    findings.rows = conf.stored()
    for name, row in sorted(findings.rows.items()):
        problem = conf.judged(row, None, conf.listed_for(name, listed))
        if problem:
            yield f"{name}: {problem}"
    yield from listed_wrongly(listed, findings, True)


def main():
    options = arguments()
    listed = conf.differences()
    if options.kept:
        problems = list(kept(listed))
        print("\n".join(problems))
        return 1 if problems else 0
    os.makedirs(LOGS, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="test-", dir=BUILD)
    os.environ["TMPDIR"] = folder
    findings = Findings()
    guests = set()
    try:
        with ThreadPoolExecutor(options.jobs) as pool:
            for hv, guest, *found in pool.map(run_one, jobs(options, folder)):
                guests.add(guest)
                findings.add(hv, guest, *found)
    finally:
        proc.end_all()
        shutil.rmtree(folder, ignore_errors=True)
    wrong = wrong_rows(findings, listed)
    problems = list(listed_wrongly(listed, findings, not options.only))
    if options.keep and wrong:
        print("not kept")
    elif options.keep:
        rows = {name: row for name, row in conf.stored().items()
                if options.only and name.split("/")[0] not in guests}
        conf.store({**rows, **findings.rows})
        print(f"{os.path.relpath(conf.RESULTS, ROOT)} is written; "
              "make conformance KEEP=1 takes it to docs/ too")
    else:
        problems += old_results(findings, guests)
    print("\n".join(problems + ["FAIL" if wrong or problems else "PASS"]))
    return 1 if wrong or problems or not findings.rows else 0


if __name__ == "__main__":
    sys.exit(main())
