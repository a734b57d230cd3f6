# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""compile_time.py: processor seconds of including each public header, by every compiler that is there.

.hpp by g++ and clang, .cuh by nvcc; best of three. CI holds the loss headers to limits (tests/headers/compile_time.py).
"""
import pathlib
import shutil
import sys

root = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / "tests" / "headers"))
from compile_time import header_seconds  # noqa: E402

include = root / "include"
eigen = ["-isystem", "/usr/include/eigen3"]
compilers = [c for c in ("g++", "clang++-14") if shutil.which(c)]
cuda = [c for c in ("nvcc",) if shutil.which(c)]


def is_public(header):
    return "detail" not in header.parts and "backend" not in header.parts


def row(header):
    own = cuda if header.suffix == ".cuh" else compilers
    cells = [f"{header_seconds(c, include, header, eigen):12.2f}" if c in own else f"{'':>12}" for c in compilers + cuda]
    return f"{header.relative_to('prefer').as_posix():32}" + "".join(cells)


print(f"{'seconds':32}" + "".join(f"{c:>12}" for c in compilers + cuda))
for path in sorted(include.glob("prefer/**/*.*pp")) + sorted(include.glob("prefer/**/*.cuh")):
    if is_public(path.relative_to(include)):
        print(row(path.relative_to(include)), flush=True)
