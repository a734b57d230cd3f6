# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""check_includes.py COMPILER INCLUDE: light headers pull in nothing heavy, and no .hpp pulls in CUDA."""
import pathlib
import subprocess
import sys

LIGHT = ("core", "backend", "loss", "logp", "advantage", "aggregate", "select", "reward", "shape")
HEAVY = ("Eigen/", "/thread", "/string", "/iostream", "/functional", "/ranges", "/regex", "/map", "/vector")
MAY_USE_THREADS = {"prefer/core/thread_pool.hpp"}

compiler, include = sys.argv[1], pathlib.Path(sys.argv[2])
bad = []
for header in sorted(include.glob("prefer/**/*.hpp")):
    name = header.relative_to(include).as_posix()
    lines = subprocess.run([compiler, "-std=c++20", "-M", "-x", "c++", "-I", str(include), "-isystem", "/usr/include/eigen3", str(header)],
                           capture_output=True, text=True, check=True).stdout.replace("\\\n", " ").split()
    for used in lines:
        if "cuda" in used.rsplit("/prefer/", 1)[0] and not used.startswith(str(include)):
            bad.append(f"{name} includes {used}")
        if name.split("/")[1] in LIGHT and name not in MAY_USE_THREADS and any(used.endswith(h) or (h.endswith("/") and h in used) for h in HEAVY):
            bad.append(f"{name} includes {used}")
print("\n".join(bad) or "light")
sys.exit(bool(bad))
