# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmark programs that benchmarks/run.sh has built, for the comparisons beside this file."""
import json
import pathlib
import subprocess
import tempfile

folder = pathlib.Path(__file__).resolve().parents[2] / "build" / "bench-gcc" / "benchmarks"


def run(program, pattern, *options):
    """The figures of the benchmarks whose name matches `pattern`, by name."""
    path = folder / program
    if not path.exists():
        raise SystemExit(f"{program} is not built: run benchmarks/run.sh --quick once")
    with tempfile.TemporaryDirectory() as out:
        figures = pathlib.Path(out) / "figures.json"
        command = [path, f"--benchmark_filter={pattern}", f"--benchmark_out={figures}", "--benchmark_out_format=json", *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return {b["name"]: b for b in json.loads(figures.read_text(encoding="utf-8"))["benchmarks"]}
