# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""compile_time.py COMPILER INCLUDE [NVCC]: processor seconds of including each loss header, and what CI allows.

Processor time of the compiler, best of three, so that other work on the machine matters little.
"""
import pathlib
import resource
import subprocess
import sys
import tempfile


def seconds(command):
    best = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


compiler, include = sys.argv[1], pathlib.Path(sys.argv[2])
nvcc = sys.argv[3] if len(sys.argv) > 3 and sys.argv[3] else None
slow = 0
with tempfile.TemporaryDirectory() as folder:
    for header in sorted(include.glob("prefer/loss/*.*")):
        cuda = header.suffix == ".cuh"
        if cuda and nvcc is None:
            continue
        source = pathlib.Path(folder) / ("one.cu" if cuda else "one.cpp")
        source.write_text(f"#include <{header.relative_to(include).as_posix()}>\n")
        limit = 2.0 if cuda else 0.6
        command = [nvcc, "-arch=sm_80"] if cuda else [compiler, "-O2"]
        took = seconds(command + ["-std=c++20", "-I", str(include), "-c", str(source), "-o", str(pathlib.Path(folder) / "one.o")])
        print(f"{header.name:24} {took:5.2f} s of {limit} s")
        slow += took > limit
sys.exit(slow)
