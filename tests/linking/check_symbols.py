# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""check_symbols.py FOLDER: no two objects of different compilers or flags share a function that does arithmetic.

Weak functions of the vocabulary (views, statuses, parameters) are the same everywhere and may be shared; everything else
must be inside a tagged namespace, prefer::v<version>_<compiler>_<target>.
"""
import pathlib
import re
import subprocess
import sys

VOCABULARY = re.compile(r"^([\w:]+ )?prefer::(erased_view|view|scalar|normalizer|status|error|message|check|name_of|size_of|element_of|require::"
                        r"|first_error|is_|task_runner|cpu|cuda|workspace|source|sink|content_report|dpo::check)")
owners = {}
objects = sorted(p.as_posix() for p in pathlib.Path(sys.argv[1]).rglob("*.o") if "evaluate" in p.name or p.name == "clang.o")
# Optimisation levels of one compiler compute the same: -O0 and -O1 may share, and -O0 speaks for both.
objects = [path for path in objects if "plain_o1" not in path]
assert len(objects) >= 3, objects
for path in objects:
    for line in subprocess.run(["nm", "-C", "--defined-only", path], capture_output=True, text=True, check=True).stdout.splitlines():
        kind, name = line.split(None, 2)[1:]
        if kind in "WVu" and "prefer::" in name:
            owners.setdefault(name, set()).add(path)
shared = {name: paths for name, paths in owners.items() if len(paths) > 1}
bad = [name for name in shared if not VOCABULARY.match(re.sub(r"^(guard variable for|vtable for|typeinfo (name )?for) ", "", name))]
print(f"{len(owners)} weak symbols, {len(shared)} shared, {len(bad)} that must not be")
print("\n".join(sorted(bad)[:40]))
sys.exit(bool(bad))
