#!/usr/bin/env python3
"""Does every header compile alone? usage: headers.py ROOT COMPILER FLAG..."""
import concurrent.futures
import subprocess
import sys

import tree


def compile_alone(command, root, path):
    r = subprocess.run(command + ["-x", "c", "-fsyntax-only", "-"], input=f'#include "{path}"\n',
                       cwd=root, capture_output=True, text=True, check=False)
    return f"{path}:1: does not compile alone\n{r.stderr.rstrip()}" if r.returncode else None


def main():
    root, command = sys.argv[1], sys.argv[2:]
    paths = [p for p in tree.files(root, r"\.h$") if not p.endswith(".tbl.h")]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda path: compile_alone(command, root, path), paths)
        problems = [r for r in results if r]
    return tree.finish("headers", problems, f"{len(paths)} headers")


if __name__ == "__main__":
    sys.exit(main())
