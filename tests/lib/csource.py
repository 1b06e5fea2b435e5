# SPDX-License-Identifier: MIT
"""Reading C as far as the checks and the line counts need it."""
import os
import re

_TOKEN = re.compile(
    r'"(?:\\.|[^"\\\n])*"' r"|'(?:\\.|[^'\\\n])*'"
    r"|//(?:\\\n|[^\n])*|/\*.*?\*/", re.DOTALL)


def files(folder, *endings):
    """All files below `folder` with one of the endings, sorted."""
    found = []
    for where, _, names in os.walk(folder):
        found += [os.path.join(where, name) for name in names
                  if name.endswith(endings)]
    return sorted(found)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def without_comments(text):
    """The text with comments blanked out; line numbers stay as they are."""
    def blank(match):
        token = match.group()
        if token[0] != "/":
            return token
        return " " + "\n" * token.count("\n")
    return _TOKEN.sub(blank, text)


def code_lines(path):
    """Lines that are neither blank nor comment, as cloc counts them; for
    assembly cloc also leaves out what begins with '#'."""
    lines = without_comments(read(path)).split("\n")
    kept = [line for line in lines if line.strip()]
    if path.endswith(".S"):
        kept = [line for line in kept if not line.lstrip().startswith("#")]
    return len(kept)
