# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""check_sources.py ROOT: rules that a reviewer should not have to think about."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
FOLDERS = ("include", "tests", "examples", "benchmarks")
SUFFIXES = {".hpp", ".cuh", ".cpp", ".cu", ".py", ".sh", ".txt"}
CPP = {".hpp", ".cuh", ".cpp", ".cu"}
BANNED = {
    r"\bcudaMalloc\(|\bcudaFree\(|\bcudaMallocManaged\(": "allocates outside the stream's order",
    r"\bcudaDeviceSynchronize\b|\bcudaStreamSynchronize\b|\bcudaMemcpy\(": "synchronises",
    r"std::cout|std::cerr|\bprintf\(|\bputs\(": "prints",
    r"\babort\(|\bexit\(|\bassert\(": "ends the program",
    r"\batomicAdd\([^,]*(float|double)": "adds floats in an arbitrary order",
}
# validate is the one kind of call that may wait, and says so.
EXCEPTIONS = {("include/prefer/core/validate.cuh", "synchronises"), ("include/prefer/backend/cuda/fetched_views.cuh", "synchronises")}
bad, macros = [], set()
for folder in FOLDERS:
    for path in sorted((root / folder).rglob("*")):
        if path.suffix not in SUFFIXES or not path.is_file():
            continue
        name, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        if "SPDX-License-Identifier: Apache-2.0" not in text[:300]:
            bad.append(f"{name}: no SPDX line")
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{name}:{number}"
            if not line.isascii():
                bad.append(f"{where}: not ASCII")
            if path.suffix != ".txt" and len(line) > (120 if path.suffix in CPP else 160):
                bad.append(f"{where}: {len(line)} columns")
            if folder == "include":
                bad += [f"{where}: {why}" for pattern, why in BANNED.items() if re.search(pattern, line) and (name, why) not in EXCEPTIONS]
                if match := re.match(r"\s*#\s*define\s+(\w+)", line):
                    macros.add(match.group(1))
unprefixed = {m for m in macros if not m.startswith("PREFER_")}
bad += [f"macro without prefix: {m}" for m in sorted(unprefixed)]
if len(macros) > 10:
    bad.append(f"more than ten macros: {', '.join(sorted(macros))}")
for command in ("./examples/run.sh", "./tests/run.sh"):
    if command not in (root / "README.md").read_text():
        bad.append(f"README.md does not show {command}")
print("\n".join(bad) or f"clean; macros: {', '.join(sorted(macros))}")
sys.exit(bool(bad))
