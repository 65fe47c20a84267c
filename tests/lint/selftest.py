#!/usr/bin/env python3
"""Each lint against small trees: a good one it must pass and bad ones it must refuse, saying why."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
LONG = "int f(void)\n{\n" + "\tg();\n" * 90 + "}\n"
GOOD = {
    "base/a.h": "#pragma once\n#include <stdint.h>\n\nint a(int64_t i);\n",
    "base/a.c": '#include "base/a.h"\n\nint a(int64_t i)\n{\n\treturn (int)i; /* strcpy( */\n}\n',
    "base/io/b.c": '#include <uv.h>\n\n#include "base/a.h"\n',
    "base/map.c": "#include <uthash.h>\n",
    "proto/codec.c": '#include "proto/x.pb-c.h"\n',
    "sessiond/core/c.c": '#include "base/a.h"\n',
    "sessiond/gateway/g.c": '#include "sessiond/core/c.h"\n#include "base/io/b.h"\n',
    "sessiond/core/c.h": "#pragma once\n",
    "base/io/b.h": "#pragma once\n",
    "tests/unit/test_a.c": '#include <cmocka.h>\n#include "sessiond/core/c.h"\n',
    "docs/x.md": "A workspace in /workspace, a volume at /work. TODO: describe the ring buffer.\n",
}

# lint, files to change in the good tree, what the lint must say (None: it must pass)
CASES = [
    ("layers", {}, None),
    ("layers", {"base/a.c": '#include "base/io/b.h"\n'}, 'base/a.c:1: "base/io/b.h": base may include only base'),
    ("layers", {"sessiond/core/c.c": "\n#include <uv.h>\n"}, "sessiond/core/c.c:2: <uv.h> may be included only by"),
    ("layers", {"sessiond/core/c.c": "# include <cjson/cJSON.h>\n"}, "sessiond/core/c.c:1: <cjson/cJSON.h>"),
    ("layers", {"lifecycle/control/x.c": '#include "sessiond/core/c.h"\n'}, "lifecycle/control/x.c:1:"),
    ("layers", {"sessiond/sidecar/x.c": '#include "sessiond/gateway/g.h"\n', "sessiond/gateway/g.h": "\n"},
     "sessiond/sidecar/x.c:1:"),
    ("layers", {"base/io/b.c": "#include <nats/nats.h>\n"}, "base/io/b.c:1: <nats/nats.h>"),
    ("layers", {"zedctl/x.c": '#include "proto/x.pb-c.h"\n'}, "zedctl/x.c:1:"),
    ("layers", {"base/io/b.c": '#include "b.h"\n'}, '"b.h" is no file of the tree'),
    ("layers", {"base/a.c": "#include <mystery.h>\n"}, "<mystery.h> is in no table"),
    ("layers", {"newfolder/x.c": "\n"}, "newfolder/x.c:1: in a folder"),
    ("fnlen", {}, None),
    ("fnlen", {"base/a.c": LONG}, "base/a.c:2: f() has 92 lines"),
    ("fnlen", {"base/a.c": "\n" * 601}, "base/a.c:1: file has 601 lines"),
    ("fnlen", {"base/a.c": "static const int t[] = {\n" + "\t1,\n" * 200 + "};\n"}, None),
    ("fnlen", {"base/a.c": "int s(void)\n{\n\treturn '{' + \"}{\"[0];\n}\n" + LONG}, "f() has 92 lines"),
    ("fnlen", {"base/a.c": "#define M(x) \\\n\tdo { \\\n\t} while (0)\n" + LONG}, "base/a.c:5: f() has 92 lines"),
    ("style", {}, None),
    ("style", {"base/a.c": "void f(char *a)\n{\n\tstrcpy(a, a);\n}\n"}, "base/a.c:3: strcpy()"),
    ("style", {"base/a.c": "int a = atoi (x);\n"}, "base/a.c:1: atoi()"),
    ("style", {"base/a.c": "void f(void)\n{\n        g();\n}\n"}, "base/a.c:3: indented by spaces"),
    ("style", {"base/a.c": "int a; " + "/* x */ " * 14 + "\n"}, "the limit is 100"),
    ("style", {"base/a.c": "int a; \n"}, "base/a.c:1: space at the end"),
    ("style", {"base/a.c": "int a;"}, "no newline at the end"),
    ("style", {"base/a.c": "int a;\r\n"}, "ends in CR"),
    ("style", {"base/a.c": "/* TODO */\n"}, "but not what"),
    ("headers", {}, None),
    ("headers", {"base/a.h": "#pragma once\nint a(int64_t i);\n"}, "base/a.h:1: does not compile alone"),
]


def run(lint, compiler, changes):
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**GOOD, **changes}.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8", newline="") as f:
                f.write(text)
        extra = [compiler, "-I."] if lint == "headers" else []
        return subprocess.run([sys.executable, os.path.join(HERE, lint + ".py"), root] + extra,
                              capture_output=True, text=True, check=False)


def main():
    only, compiler = sys.argv[1], sys.argv[2]
    failed = 0
    cases = [c for c in CASES if c[0] == only]
    for lint, changes, wanted in cases:
        r = run(lint, compiler, changes)
        good = r.returncode == 0 if wanted is None else r.returncode == 1 and wanted in r.stdout
        if not good:
            failed += 1
            print(f"{lint} on {changes}: wanted {wanted!r}, exit {r.returncode}\n{r.stdout}{r.stderr}")
    print(f"{only}: {len(cases)} trees, {failed} judged wrongly")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
