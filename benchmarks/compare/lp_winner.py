# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""lp_winner.py [N...]: minimax winners beside linear programming, HiGHS (scipy) and CLP (the program clp, if it is found), on
the same games in one run.

Processor seconds of one thread, the best of three rounds that take turns, and the exploitability max(P p) - 1/2 of the
answer. A solver's reading of its input is left out: CLP by its own clock, HiGHS by handing it arrays. Needs scipy, best in an
environment of its own, and the programs that benchmarks/run.sh builds; CLP=path and LD_LIBRARY_PATH for a clp elsewhere.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
from scipy.optimize import linprog

from program import run

CLP = os.environ.get("CLP") or shutil.which("clp")


def game(kind, n, rng):
    margin = rng.uniform(-0.5, 0.5, (n, n)) if kind == "uniform" else rng.integers(-3, 4, (n, n)) / 16
    upper = np.triu(margin, 1)
    return 0.5 + upper - upper.T


def ours(folder, preference):
    path = folder / "game.bin"
    preference.tofile(path)
    (figures,) = run("bench.game.exact", "file", f"--game={path}").values()
    return figures["cpu_time"] * 1e-3, figures["gap"]


def highs(method):
    def solve(folder, preference):
        n = len(preference)
        start = time.process_time()
        answer = linprog(np.zeros(n), A_ub=preference - 0.5, b_ub=np.zeros(n), A_eq=np.ones((1, n)), b_eq=[1], method=method)
        took = time.process_time() - start
        return took, exploitability(preference, answer.x)

    return solve


def clp(option):
    def solve(folder, preference):
        # min v such that no action gains more than v >= 0 against p
        n, margin = len(preference), preference - 0.5
        names = [f"p{j}" for j in range(n)]
        path, out = folder / "game.mps", folder / "game.sol"
        with open(path, "w", encoding="utf-8") as mps:
            mps.write("NAME game\nROWS\n N cost\n E one\n" + "".join(f" L r{i}\n" for i in range(n)) + "COLUMNS\n")
            for j, name in enumerate(names):
                mps.write(f" {name} one 1\n" + "".join(f" {name} r{i} {float(margin[i, j])!r}\n" for i in range(n) if i != j))
            mps.write(" v cost 1\n" + "".join(f" v r{i} -1\n" for i in range(n)) + "RHS\n rhs one 1\nENDATA\n")
        said = subprocess.run([CLP, path, option, "-solution", out, "-quit"], capture_output=True, text=True, check=True).stdout
        p = np.zeros(n)
        for line in out.read_text(encoding="utf-8").splitlines():
            field = line.replace("**", "").split()
            if len(field) == 4 and field[1] in names:
                p[int(field[1][1:])] = float(field[2])
        return float(re.findall(r"time ([\d.]+)", said)[-1]), exploitability(preference, p)

    return solve


def exploitability(preference, p):
    p = np.maximum(p, 0) / np.maximum(p, 0).sum()
    return ((preference - preference.T) / 2 @ p).max()


def main():
    sizes = [int(a) for a in sys.argv[1:]] or [100, 300, 1000]
    solvers = {"prefer": ours, "HiGHS simplex": highs("highs-ds"), "HiGHS interior": highs("highs-ipm")}
    if CLP:
        solvers |= {"CLP dual": clp("-dualsimplex"), "CLP primal": clp("-primalsimplex")}
    rng = np.random.default_rng(1)
    for n in sizes:
        for kind in ("uniform", "integer"):
            preference, best = game(kind, n, rng), {}
            with tempfile.TemporaryDirectory() as folder:
                for _ in range(3):
                    for name, solve in solvers.items():
                        best[name] = min(best.get(name, (np.inf, 0)), solve(pathlib.Path(folder), preference))
            print(f"\n{n} actions, {kind} margins, load {os.getloadavg()[0]:.1f}")
            for name, (took, gap) in best.items():
                print(f"  {name:16} {took * 1e3:10.2f} ms  gap {gap:8.1e}  {took / best['prefer'][0]:7.1f} times ours", flush=True)


main()
