#!/usr/bin/env python3
"""Which folder may include which, and where each foreign library may be seen.

The two tables below are the law (docs/architecture.md draws it); an include they do not allow fails.
"""
import fnmatch
import re
import sys

import tree

# A file belongs to the longest folder listed here that holds it; tests/unit and the like are "tests".
BASE = {"base"}
SHELL = {"base", "base/io", "proto"}
MAY_INCLUDE = {
    "base": set(),
    "base/io": BASE,
    "proto": BASE,
    "lifecycle/core": BASE,
    "sessiond/core": BASE,
    "lifecycle": SHELL | {"lifecycle/core"},
    "lifecycle/control": SHELL | {"lifecycle", "lifecycle/core"},
    "lifecycle/runner": SHELL | {"lifecycle", "lifecycle/core"},
    "lifecycle/shim": BASE,
    "sessiond": SHELL | {"sessiond/core"},
    "sessiond/gateway": SHELL | {"sessiond", "sessiond/core"},
    "sessiond/sidecar": SHELL | {"sessiond", "sessiond/core"},
    "zedctl": SHELL,
    "tests/sim": {"base", "base/io"},
}
# The runner starts shims and speaks their socket: the one header that says how.
MAY_INCLUDE_FILE = {
    ("lifecycle/runner", "lifecycle/shim/shim.h"),
}
ANYTHING = "tests"

SHELL_FILES = ["base/io/*", "lifecycle/control/*", "lifecycle/runner/*", "lifecycle/shim/*",
               "sessiond/gateway/*", "sessiond/sidecar/*", "zedctl/*", "tests/*"]
# Include name pattern -> files that may have it.
LIBRARIES = {
    "uv.h": SHELL_FILES,
    "uv/*": SHELL_FILES,
    "nats/*": ["base/io/bus*.c", "base/io/bus_*.h", "base/io/store*.c", "tests/*"],
    "cjson/*": ["base/jsn.c"],
    "uthash.h": ["base/map.c"],
    "utlist.h": [],
    "openssl/*": SHELL_FILES + ["base/digest.c"],
    "protobuf-c/*": ["proto/codec*.c", "lifecycle/wire*.c", "sessiond/wire*.c", "tests/*"],
    "cmocka.h": ["tests/*"],
}
GENERATED = {
    "*.pb-c.h": ["proto/codec*.c", "lifecycle/wire*.c", "sessiond/wire*.c", "tests/*"],
}
LIBC = set("""
aio.h arpa/inet.h assert.h byteswap.h ctype.h dirent.h dlfcn.h elf.h endian.h err.h errno.h fcntl.h
features.h fenv.h float.h fnmatch.h fts.h ftw.h getopt.h glob.h grp.h ifaddrs.h inttypes.h iso646.h
langinfo.h libgen.h limits.h locale.h malloc.h math.h mntent.h net/if.h netdb.h netinet/in.h
netinet/tcp.h paths.h poll.h pthread.h pwd.h regex.h sched.h search.h semaphore.h setjmp.h shadow.h
signal.h spawn.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h
stdnoreturn.h string.h strings.h syslog.h termios.h threads.h time.h unistd.h utime.h utmp.h wait.h
wchar.h wctype.h
""".split())
LIBC_FOLDERS = ("sys/", "linux/", "asm/")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]*)[">]')


def layer_of(path):
    best = ""
    for layer in list(MAY_INCLUDE) + [ANYTHING]:
        if path.startswith(layer + "/") and len(layer) > len(best):
            best = layer
    return best


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, p) for p in patterns)


def check_library(path, name, table):
    for pattern, allowed in table.items():
        if fnmatch.fnmatchcase(name, pattern):
            if matches(path, allowed):
                return None
            return f"<{name}> may be included only by: {', '.join(allowed) or 'nobody'}"
    return ""


def check_angle(path, name):
    if name in LIBC or name.startswith(LIBC_FOLDERS):
        return None
    verdict = check_library(path, name, LIBRARIES)
    return f"<{name}> is in no table of layers.py" if verdict == "" else verdict


def check_quoted(path, name, known):
    verdict = check_library(path, name, GENERATED)
    if verdict != "":
        return verdict
    if name not in known:
        return f'"{name}" is no file of the tree (includes are rooted)'
    source, target = layer_of(path), layer_of(name)
    if source == ANYTHING or source == target or (source, name) in MAY_INCLUDE_FILE:
        return None
    if target in MAY_INCLUDE[source]:
        return None
    may = ", ".join(sorted(MAY_INCLUDE[source] | {source}))
    return f'"{name}": {source} may include only {may}'


def check_file(root, path, known):
    if not layer_of(path):
        yield f"{path}:1: in a folder that layers.py does not know"
        return
    for i, line in enumerate(tree.read(root, path).splitlines(), 1):
        m = INCLUDE.match(line)
        if not m:
            continue
        problem = check_angle(path, m[2]) if m[1] == "<" else check_quoted(path, m[2], known)
        if problem:
            yield f"{path}:{i}: {problem}"


def main():
    root = tree.root_from_argv()
    paths = tree.files(root, r"\.[ch]$")
    problems = [p for path in paths for p in check_file(root, path, set(paths))]
    return tree.finish("layers", problems, f"{len(paths)} files")


if __name__ == "__main__":
    sys.exit(main())
