"""What the lints share: walking the source tree, and C text without its comments and literals."""
import os
import re
import sys

SKIP_DIRS = re.compile(r"^(build.*|\..*|__pycache__|node_modules)$")
TEXT_NAMES = re.compile(
    r"(\.(c|h|py|sh|md|proto|cmake|txt|json|ya?ml|conf|service|js|css|html|in)|/Dockerfile)$")


def files(root, pattern):
    """Paths below root, with '/' and relative to it, that match the pattern; sorted."""
    found = []
    for folder, dirs, names in os.walk(root):
        dirs[:] = [d for d in dirs if not SKIP_DIRS.match(d)]
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")
            if re.search(pattern, path):
                found.append(path)
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace", newline="") as f:
        return f.read()


_LITERALS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


def strip_c(text):
    """Comments and literals become blanks of the same shape: lines and columns stay."""
    return _LITERALS.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def finish(name, problems, summary):
    """Print each problem and the summary; the exit code."""
    for problem in problems:
        print(problem)
    print(f"{name}: {len(problems)} problem(s); {summary}")
    return 1 if problems else 0


def root_from_argv():
    if len(sys.argv) != 2 or not os.path.isdir(sys.argv[1]):
        sys.exit(f"usage: {sys.argv[0]} ROOT")
    return sys.argv[1]
