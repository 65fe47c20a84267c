#!/usr/bin/env python3
"""Functions of more than 80 lines and files of more than 600 fail, unless listed with a reason."""
import re
import statistics
import sys

import tree

MAX_FUNCTION_LINES = 80
MAX_FILE_LINES = 600

# "path:function" or "path" -> why it may be long. Tables and argument parsing only.
ALLOWED = {
}

DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
NAME_BEFORE_PAREN = re.compile(r"([A-Za-z_]\w*)\s*\($")


def function_name(head):
    """The name a definition's head declares, or None if the head is no function's (struct, initialiser)."""
    head = head.rstrip()
    if not head.endswith(")") or "=" in head:
        return None
    depth = 0
    for i in range(len(head) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(head[i], 0)
        if depth == 0:
            m = NAME_BEFORE_PAREN.search(head[:i + 1])
            return m[1] if m else None
    return None


def functions(text):
    """(name, first line, lines of the body with its braces) of each function definition."""
    text = DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), tree.strip_c(text))
    depth, head_start, name, start = 0, 0, None, 0
    for m in re.finditer(r"[{};]", text):
        if m[0] == "{":
            if depth == 0:
                name, start = function_name(text[head_start:m.start()]), m.start()
            depth += 1
        elif m[0] == "}":
            depth -= 1
            if depth == 0 and name:
                first = text.count("\n", 0, start) + 1
                yield name, first, text.count("\n", start, m.start()) + 1
        if depth == 0:
            head_start = m.end()


def main():
    root = tree.root_from_argv()
    problems, lengths, used = [], [], set()

    def over(key, where, what, n, limit):
        if n <= limit:
            return
        if key in ALLOWED:
            used.add(key)
            return
        problems.append(f"{where}: {what} has {n} lines; the limit is {limit}")

    for path in tree.files(root, r"\.(c|h|py)$"):
        text = tree.read(root, path)
        over(path, f"{path}:1", "file", text.count("\n"), MAX_FILE_LINES)
        if path.endswith(".py"):
            continue
        for name, line, n in functions(text):
            lengths.append(n)
            over(f"{path}:{name}", f"{path}:{line}", f"{name}()", n, MAX_FUNCTION_LINES)
    problems += [f"fnlen.py: '{key}' is allowed but not long: remove it" for key in set(ALLOWED) - used]
    lengths.sort()
    summary = "no functions"
    if lengths:
        summary = (f"{len(lengths)} functions, lines: median {statistics.median(lengths):.0f}, "
                   f"p95 {lengths[len(lengths) * 95 // 100]}, longest {lengths[-1]}")
    return tree.finish("fnlen", problems, summary)


if __name__ == "__main__":
    sys.exit(main())
