#!/usr/bin/env python3
"""What a formatter does not see: unsafe calls, stray whitespace, long lines, empty TODOs."""
import re
import sys

import tree

MAX_COLUMNS = 100
MAX_TABLE_COLUMNS = 200  # rows of *.tbl.h: the columns are the documentation

CALLS = re.compile(r"\b(strcpy|strcat|strncat|sprintf|vsprintf|strtok|atoi|atol|atoll|atof|gets|alloca)\s*\(")
TODO = re.compile(r"\b(TODO|FIXME|XXX)\b(?!:? +\w+ +\w)")

# The lints themselves must name what they forbid.
EXEMPT_TEXT = re.compile(r"(^|/)(LICENSE|corpus/.*|tests/lint/(style|selftest)\.py)$")


def columns(line):
    return len(line.expandtabs(8))


def check_c(path, text):
    limit = MAX_TABLE_COLUMNS if path.endswith(".tbl.h") else MAX_COLUMNS
    for i, line in enumerate(tree.strip_c(text).splitlines(), 1):
        m = CALLS.search(line)
        if m:
            yield i, f"{m[1]}() is not used here: struct buf, snprintf, strtol"
    for i, line in enumerate(text.splitlines(), 1):
        if line.startswith(" " * 8):
            yield i, "indented by spaces"
        if columns(line) > limit:
            yield i, f"{columns(line)} columns; the limit is {limit}"


def check_text(path, text):
    for i, line in enumerate(text.split("\n"), 1):
        if line.endswith("\r"):
            yield i, "ends in CR"
        elif line != line.rstrip() and not path.endswith(".md"):
            yield i, "space at the end"
        if TODO.search(line):
            yield i, "says that something is to do, but not what"
        if path.endswith(".py") and columns(line) > 120:
            yield i, "over 120 columns"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no newline at the end"


def main():
    root = tree.root_from_argv()
    problems = []
    paths = [p for p in tree.files(root, tree.TEXT_NAMES) if not EXEMPT_TEXT.search(p)]
    for path in paths:
        text = tree.read(root, path)
        found = list(check_text(path, text))
        if path.endswith((".c", ".h")):
            found += check_c(path, text)
        problems += [f"{path}:{i}: {what}" for i, what in sorted(found)]
    return tree.finish("style", problems, f"{len(paths)} files")


if __name__ == "__main__":
    sys.exit(main())
