# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""ranks_peers.py [N,K,KIND...]: non-dominated sorting beside moocore (PyPI) and pagmo (Debian's libpagmo-dev, whose program
is compiled here if g++ finds it), crowding distances beside pagmo, of the same points in one run.

Milliseconds, the best of three rounds that take turns: processor time of one thread, and of the wall for two threads. The points
are floats; the peers take doubles and get them widened before the clock starts, and moocore's C function is called on its own
buffers. KIND is uniform, sphere or chain. Ends with 1 if
the numbers of fronts differ. Needs numpy and moocore, best in an environment of its own, and the programs that
benchmarks/run.sh builds.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from moocore import _moocore

from program import run

CASES = ["500,2,uniform", "10000,2,uniform", "100000,2,uniform", "2000,3,uniform", "10000,3,uniform", "100000,3,uniform",
         "10000,5,uniform", "50000,5,uniform", "10000,10,uniform", "10000,2,chain", "10000,3,chain", "10000,5,chain",
         "100000,3,sphere"]
here = pathlib.Path(__file__).resolve().parent
lib, ffi = _moocore.lib, _moocore.ffi


def points(n, k, kind, rng):
    if kind == "chain":
        return np.repeat(rng.permutation(n)[:, None], k, 1)
    if kind == "sphere":
        x = np.abs(rng.normal(size=(n, k)))
        return x / np.linalg.norm(x, axis=1, keepdims=True)
    return rng.random((n, k))


def compiled(folder):
    program = folder / "pagmo"
    command = ["g++", "-O3", "-march=native", "-std=c++17", here / "pagmo_ranks.cpp", "-o", program]
    made = subprocess.run(command + ["-lpagmo", "-lboost_serialization", "-ltbb"], capture_output=True, check=False)
    return program if made.returncode == 0 else None


def main():
    rng, bad = np.random.default_rng(1), False
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        pagmo = compiled(folder)
        for case in sys.argv[1:] or CASES:
            n, k, kind = case.split(",")
            x = np.ascontiguousarray(points(int(n), int(k), kind, rng), dtype=np.float32)
            wide, best, fronts, path = x.astype(float), {}, set(), folder / "points.bin"
            x.tofile(path)
            minimized, ranks = -wide, np.zeros(int(n), dtype=np.intc)
            minimized.tofile(folder / "wide.bin")
            data, into = ffi.from_buffer("double []", minimized), ffi.from_buffer("int []", ranks)

            def note(name, milliseconds):
                best[name] = min(best.get(name, np.inf), milliseconds)

            for _ in range(3):
                start = time.process_time()
                lib.pareto_rank(into, data, int(n), int(k))
                note("moocore", 1e3 * (time.process_time() - start))
                fronts.add(int(ranks.max() - ranks.min() + 1))
                for name, f in run("bench.select.ranks", ".", f"--points={path}", f"--objectives={k}").items():
                    key = "/".join(part for part in name.split("/") if part not in ("iterations:1", "manual_time"))
                    note(key, f["ms"])
                    if key.startswith("ranks"):
                        fronts.add(int(f["fronts"]))
                if pagmo and int(n) <= 10000 and "pagmo" not in best:  # it takes a second
                    answer = subprocess.run([pagmo, folder / "wide.bin", k], capture_output=True, text=True, check=True).stdout.split()
                    note("pagmo", float(answer[0]))
                    note("pagmo crowding", float(answer[1]))
                    fronts.add(int(answer[2]))
            cells = [f"{name} {best[name]:.3f}" for name in best]
            ours = best["ranks/float/threads:1"]
            ratios = [f"{name}/ours {best[name] / ours:.1f}" for name in ("moocore", "pagmo") if name in best]
            if "pagmo crowding" in best:
                ratios.append(f"pagmo/ours, crowding {best['pagmo crowding'] / best['crowding/float']:.1f}")
            print(f"{case:18} fronts {max(fronts):6d} load {os.getloadavg()[0]:.1f}  " + "  ".join(cells + ratios), flush=True)
            if len(fronts) > 1:
                print(f"  the numbers of fronts differ: {sorted(fronts)}")
                bad = True
    sys.exit(bad)


main()
