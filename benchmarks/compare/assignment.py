# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""assignment.py: exact assignments beside SciPy's linear_sum_assignment (C++, called once per problem).

Microseconds per problem of n x n random scores in float, one thread, processor time, the best of five rounds that take turns. Needs
numpy and scipy, and the programs that benchmarks/run.sh builds.
"""
import numpy as np
from scipy.optimize import linear_sum_assignment

from program import run
from turns import best_of_rounds, print_row, seconds


def main():
    rng = np.random.default_rng(1)
    for n in (4, 8, 16, 64, 256, 1024):
        scores = rng.random((max(1, min(1000, 2**18 // n**2)), n, n), dtype=np.float32)

        def one_round():
            name = f"assignment/size:{n}"
            ours = run("bench.reward.rewards", f"^{name}$", "--benchmark_min_time=0.02")[name]["items_per_second"]
            theirs = seconds(lambda: [linear_sum_assignment(x, maximize=True) for x in scores], 1, repetitions=1)
            return {"prefer": 1e6 / ours, "scipy": theirs / len(scores) * 1e6}

        print_row(f"{n:5d}", best_of_rounds(one_round), ["scipy"])


if __name__ == "__main__":
    main()
