# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""pareto.py [N,K,KIND...]: non-dominated sets beside moocore, on the same points in one run.

Milliseconds, the best of three rounds that take turns: processor time of one thread, and of the wall for two threads. The points
are floats; moocore takes doubles and gets them widened before the clock starts. KIND is uniform, anti (Borzsony et al. 2001: sums
near K / 2) or sphere. Needs numpy and moocore, best in an environment of its own, and the programs that benchmarks/run.sh builds.
"""
import os
import pathlib
import sys
import tempfile
import time

import moocore
import numpy as np

from program import run

CASES = ["1000000,2,uniform", "1000000,3,uniform", "1000000,4,uniform", "1000000,6,uniform", "100000,8,uniform",
         "100000,3,anti", "100000,4,anti", "100000,6,anti", "100000,8,anti", "100000,2,sphere", "100000,3,sphere"]


def points(n, k, kind, rng):
    if kind == "uniform":
        return rng.random((n, k))
    if kind == "sphere":
        x = np.abs(rng.normal(size=(n, k)))
        return x / np.linalg.norm(x, axis=1, keepdims=True)
    kept = np.empty((0, k))
    while len(kept) < n:  # a plane near the middle; what neighbours give each other leaves the sum alone
        middle = rng.normal(0.5, 0.05, 4 * n)
        middle = middle[(middle >= 0) & (middle <= 1)]
        x = np.repeat(middle[:, None], k, 1)
        for j in range(k):
            step = (2 * rng.random(len(middle)) - 1) * np.minimum(middle, 1 - middle)
            x[:, j] += step
            x[:, (j + 1) % k] -= step
        kept = np.vstack([kept, x[((x >= 0) & (x <= 1)).all(1)]])
    return kept[:n]


def main():
    rng = np.random.default_rng(1)
    print("case                      front   moocore     float            double           two threads (wall)")
    for case in sys.argv[1:] or CASES:
        n, k, kind = case.split(",")
        x = np.ascontiguousarray(points(int(n), int(k), kind, rng), dtype=np.float32)
        wide, best, front = x.astype(float), {}, set()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "points.bin"
            x.tofile(path)
            for _ in range(3):
                start = time.process_time()
                front.add(int(moocore.is_nondominated(wide, maximise=True, keep_weakly=True).sum()))
                best["moocore"] = min(best.get("moocore", np.inf), 1e3 * (time.process_time() - start))
                figures = run("bench.select.non_dominated", "file", f"--points={path}", f"--objectives={k}")
                for name, f in figures.items():
                    key = "/".join(name.split("/")[1:3])
                    best[key] = min(best.get(key, np.inf), f["ms"])
                    front.add(int(f["front"]))
        assert len(front) == 1, f"{case}: the sets differ: {front}"
        ratio = {key: f"{took:8.2f} ({best['moocore'] / took:5.1f} x)" for key, took in best.items()}
        print(f"{case:22} {front.pop():8d} {best['moocore']:9.2f} {ratio['float/threads:1']} {ratio['double/threads:1']} "
              f"{ratio['float/threads:2']}  load {os.getloadavg()[0]:.1f}", flush=True)


main()
