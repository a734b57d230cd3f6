# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""compile_time.py COMPILER INCLUDE [NVCC]: processor seconds of including each loss header, and what CI allows.

A .cuh that only includes its .hpp, which is measured itself, and headers of core is as fast as any other with the same headers of
core: the first of them is measured. Headers that sort on the device bring CUB with them and have a limit of their own.
Processor time of the compiler, so that other work on the machine matters little; best of three where the first is too slow.
"""
import os
import pathlib
import subprocess
import sys
import tempfile


def seconds(command, repetitions=3, enough=0.0):
    best = float("inf")
    for _ in range(repetitions):
        if best <= enough:
            break
        child = subprocess.Popen(command)
        _, child.returncode, used = os.wait4(child.pid, 0)  # its own seconds, whatever runs beside it
        if child.returncode != 0:
            sys.exit(f"failed: {command}")
        best = min(best, used.ru_utime + used.ru_stime)
    return best


def header_seconds(compiler, include, header, options=(), enough=0.0):
    """Seconds of a file that only includes `header` (a path below `include`); a .cuh is for nvcc."""
    cuda = header.suffix == ".cuh"
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / ("one.cu" if cuda else "one.cpp")
        source.write_text(f"#include <{header.as_posix()}>\n")
        command = [compiler, "-arch=sm_80" if cuda else "-O2", "-std=c++20", "-I", str(include), *options]
        return seconds(command + ["-c", str(source), "-o", str(source.with_suffix(".o"))], enough=enough)


def limit_of(header):
    if header.suffix == ".hpp":
        return 0.6
    return 8.0 if "sort_ranked.cuh>" in header.read_text(encoding="utf-8") else 2.0


def measured_headers(include, cuda):
    """The .hpp of each loss; with `cuda` the .cuh too, of those that only include the same the first."""
    headers = sorted(include.glob("prefer/loss/*.hpp"))
    seen = set()
    for header in sorted(include.glob("prefer/loss/*.cuh")) if cuda else []:
        own = f"#include <{header.relative_to(include).with_suffix('.hpp').as_posix()}>"
        lines = [line for line in header.read_text(encoding="utf-8").splitlines() if line and not line.startswith(("//", "#pragma once"))]
        others = frozenset(lines) - {own}
        if any(not line.startswith("#include <prefer/core/") for line in others) or others not in seen:
            headers.append(header)
        seen.add(others)
    return headers


def main(compiler, include, nvcc):
    slow = 0
    for header in measured_headers(include, nvcc is not None):
        chosen = nvcc if header.suffix == ".cuh" else compiler
        took = header_seconds(chosen, include, header.relative_to(include), enough=limit_of(header))
        print(f"{header.name:24} {took:5.2f} s of {limit_of(header)} s")
        slow += took > limit_of(header)
    return slow


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 and sys.argv[3] else None))
