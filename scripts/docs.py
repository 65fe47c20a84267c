#!/usr/bin/env python3
"""Make docs/reference/ from what the programs print of themselves and from the tables of subjects and states.

    scripts/docs.py BIN_DIR            write the pages
    scripts/docs.py --check BIN_DIR    exit 1, naming them, if the pages in the tree differ from what would be written
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "reference"
DAEMONS = ["lifecycled", "zed-runner", "sessiond", "settings-sync-daemon"]
HEAD = "<!-- Made by scripts/docs.py; change the tables it comes from. -->\n\n"


def printed(bin_dir, program, what):
    return subprocess.run([bin_dir / program, "--print", what], check=True, capture_output=True, text=True).stdout


def page(bin_dir, title, what):
    parts = [HEAD, f"# {title}\n"]
    for program in DAEMONS:
        heading = "" if what == "config" else f"## {program}\n\n"  # the settings bring theirs
        parts.append(f"\n{heading}{printed(bin_dir, program, what)}")
    return "".join(parts)


def rows(table, name):
    """The rows NAME(...) of a table, as lists of their arguments (strings joined, comments dropped)."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / table).read_text(), flags=re.S)
    text = re.sub(r'"\s*\n\s*"', "", text)
    for match in re.finditer(rf"^{name}\((.*?)\)\s*$", text, flags=re.S | re.M):
        yield [arg.strip() for arg in re.findall(r'"(?:[^"\\]|\\.)*"|[^,"]+', match.group(1)) if arg.strip()]


def unquote(arg):
    return arg[1:-1].replace('\\"', '"') if arg.startswith('"') else arg


def subjects():
    parts = [HEAD, "# Subjects, streams and buckets\n"]
    for plane in ("lifecycle", "session"):
        parts.append(f"\n## {plane}\n\n| subject | kind | what |\n|---|---|---|\n")
        for row in rows("proto/subjects.tbl.h", "SUBJECT"):
            if row[1] == plane:
                parts.append(f"| `{unquote(row[2]).replace('%s', '*')}` | {row[3].lower()} | {unquote(row[4])} |\n")
        parts.append("\n| stream or bucket | what |\n|---|---|\n")
        for kind in ("STREAM", "BUCKET"):
            for row in rows("proto/subjects.tbl.h", kind):
                if row[1] == plane:
                    parts.append(f"| `{unquote(row[2])}` | {unquote(row[3])} |\n")
    return "".join(parts)


def states():
    parts = [HEAD, "# States\n"]
    for title, table in (("An instance", "lifecycle/core/instance_states.tbl.h"),
                         ("A turn", "sessiond/core/turn_states.tbl.h")):
        parts.append(f"\n## {title}\n\n| state | may become | meaning |\n|---|---|---|\n")
        for row in rows(table, "STATE"):
            successors = " ".join(re.findall(r"S\((\w+)\)", " ".join(row)))
            parts.append(f"| {row[0]} | {successors} | {unquote(row[-1])} |\n")
    return "".join(parts)


def pages(bin_dir):
    return {
        "config.md": page(bin_dir, "Settings", "config"),
        "events.md": page(bin_dir, "Log events", "events"),
        "metrics.md": page(bin_dir, "Metrics", "metrics"),
        "errors.md": f"{HEAD}# Errors\n\n{printed(bin_dir, DAEMONS[0], 'errors')}",
        "subjects.md": subjects(),
        "states.md": states(),
    }


def main():
    args = sys.argv[1:]
    check = args[:1] == ["--check"]
    if len(args) != 1 + check:
        sys.exit(__doc__.strip())
    made = pages(pathlib.Path(args[-1]))
    if check:
        stale = [name for name, text in made.items()
                 if not (OUT / name).exists() or (OUT / name).read_text() != text]
        if stale:
            sys.exit(f"docs/reference is older than its tables: {', '.join(stale)}; run scripts/docs.py")
        print(f"{len(made)} reference pages are up to date")
        return
    OUT.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (OUT / name).write_text(text)


main()
