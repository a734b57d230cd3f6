# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""hypervolume_peers.py [N,K...]: hypervolumes and contributions beside moocore (PyPI) and pagmo (Debian's libpagmo-dev,
whose program is compiled here if g++ finds it), of the same points in one run.

Points lie on a concave front (a sphere), as floats; the reference is 1.1 in each objective. Processor milliseconds per set on
one thread, the best of three rounds that take turns; moocore's C functions are called on its own buffers, so that no
conversion is timed. Small sets (up to K = 6) come in numbers, 6400 points in all, each measured after the others: of one set that is
measured again and again the processor learns every branch (--again: with one set). Contributions only where a peer answers
within seconds. Ends with 1 if answers differ by more than 1e-9.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from moocore import _moocore

from program import run
from turns import best_of_rounds, print_row, seconds

here = pathlib.Path(__file__).resolve().parent
SIZES = [(1000, 2), (10000, 2), (100000, 2), (1000, 3), (10000, 3), (100000, 3), (20, 4), (50, 4), (100, 4), (200, 4), (500, 4)]
SIZES += [(1000, 4), (5000, 4), (20, 5), (50, 5), (100, 5), (200, 5), (500, 5), (1000, 5), (50, 6), (100, 6), (200, 6), (500, 6)]
SIZES += [(60, 8), (100, 8), (60, 10)]
lib, ffi = _moocore.lib, _moocore.ffi


def sphere(n, k, rng):
    x = np.abs(rng.standard_normal((n, k)))
    return (1 - (x / np.sqrt((x**2).sum(1, keepdims=True))).astype(np.float32)).astype(np.float64)


def compiled(folder):
    program = folder / "pagmo"
    command = ["g++", "-O3", "-march=native", "-std=c++17", here / "pagmo_hypervolume.cpp", "-o", program]
    made = subprocess.run(command + ["-lpagmo", "-lboost_serialization", "-ltbb"], capture_output=True, check=False)
    return program if made.returncode == 0 else None


def main():
    again = "--again" in sys.argv
    sizes = [tuple(int(x) for x in a.split(",")) for a in sys.argv[1:] if a != "--again"] or SIZES
    rng, bad = np.random.default_rng(1), False
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        pagmo = compiled(folder)
        for n, k in sizes:
            count, reference, path = 1 if again or k > 6 else max(1, 6400 // n), np.full(k, 1.1), folder / "points.bin"
            sets = [sphere(n, k, rng) for _ in range(count)]
            np.concatenate(sets).tofile(path)
            low, share = (ffi.from_buffer("double []", a) for a in (reference, np.zeros(n)))
            data = [ffi.from_buffer("double []", points) for points in sets]
            for what in ("volume", "contributions"):
                answers, whole = {}, what == "volume"

                def ours():
                    (figures,) = run("bench.select.hypervolume", f"^{what}/file", f"--points={path}", f"--objectives={k}",
                                     f"--samples={n}", "--benchmark_min_time=0.02").values()
                    answers["ours"] = figures["answer"]
                    return figures["cpu_time"] * 1e-3 / count

                def moocore():
                    function = (lambda x: lib.fpli_hv(x, n, k, low)) if whole else (
                        lambda x: lib.hv_contributions(share, x, n, k, low, ffi.cast("bool", True)))
                    took = seconds(lambda: [function(x) for x in data], 1, shortest=0.01, repetitions=3) * 1e3
                    last = function(data[-1])
                    answers["moocore"] = last if whole else float(np.frombuffer(ffi.buffer(share)).sum())
                    return took / count

                def pagmo_time():
                    took, answer = subprocess.run([pagmo, path, str(k), what, str(n)], capture_output=True, text=True, check=True).stdout.split()
                    answers["pagmo"] = float(answer)
                    return float(took) * 1e3

                contestants = {"ours": ours}
                # Others than these take from seconds to hours.
                if k < 4 or (whole and k < 9 and n * 8 ** (k - 4) < 5e5) or (k < 6 and n * 8 ** (k - 4) < 1e3):
                    contestants["moocore"] = moocore
                if pagmo and (whole or k > 2) and n < (2e4 if k < 4 else 600):
                    contestants["pagmo"] = pagmo_time
                best = best_of_rounds(lambda: {name: f() for name, f in contestants.items()}, rounds=3)
                print_row(f"{what:13} n {n:6} K {k:2} load {os.getloadavg()[0]:4.1f}", best, [p for p in best if p != "ours"])
                for name, x in answers.items():
                    if abs(x - answers["ours"]) > 1e-9 * abs(x):
                        print(f"  {name} answers {x!r}, not {answers['ours']!r}")
                        bad = True
    sys.exit(bad)


main()
