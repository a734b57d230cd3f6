# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""choix_fit.py: fitting Bradley-Terry ratings, beside choix (0.4), on the same comparisons in one run.

Milliseconds, and the largest |score - expected score| per game at the answer, since a fit that stops early is fast. Needs
choix, best in an environment of its own, and the programs that benchmarks/run.sh builds.
"""
import collections
import functools
import pathlib
import tempfile
import time

import choix
import numpy as np

from program import run

PATIENCE = 20.0  # seconds: a method that took longer runs once


def full(items, games, rng):
    rating = rng.normal(0, 1, items)
    first, second = np.triu_indices(items, 1)
    return play(np.repeat(first, games), np.repeat(second, games), rating, rng)


def chain(items, games, rng):
    # Every neighbour has beaten the other at least once, so that finite ratings exist.
    first = np.arange(items - 1)
    rows = play(np.repeat(first, games), np.repeat(first + 1, games), np.linspace(0, items / 20, items), rng)
    return np.vstack([rows, np.stack([first, first + 1], 1), np.stack([first + 1, first], 1)])


def sparse(items, pairs, games, rng):
    rating = rng.normal(0, 1, items)
    first, second = rng.integers(0, items, (2, pairs))
    first, second = first[first != second], second[first != second]
    drawn = play(np.repeat(first, games), np.repeat(second, games), rating, rng)
    return np.vstack([drawn, chain(items, 0, rng)])


def play(first, second, rating, rng):
    won = rng.uniform(size=len(first)) < 1 / (1 + np.exp(rating[second] - rating[first]))
    return np.stack([np.where(won, first, second), np.where(won, second, first)], 1)


def score_gap(rows, rating):
    """The largest |wins - expected wins| per game of any item."""
    expected = 1 / (1 + np.exp(rating[rows[:, 1]] - rating[rows[:, 0]]))
    gap, played = np.zeros(len(rating)), np.zeros(len(rating))
    for side, sign in ((0, 1), (1, -1)):
        np.add.at(gap, rows[:, side], sign * (1 - expected))
        np.add.at(played, rows[:, side], 1)
    return np.abs(gap / played).max()


def ours(rows, items):
    counts = collections.Counter(map(tuple, rows.tolist()))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "graph.txt"
        path.write_text(f"{items}\n" + "".join(f"{w} {l} {c} 0\n" for (w, l), c in counts.items()), encoding="utf-8")
        (figures,) = run("bench.rank.bradley_terry_fit", "file/threads:1", f"--graph={path}").values()
    return figures["real_time"] * 1e-3, figures["gradient"]


def theirs(method, rows, items):
    data = [tuple(r) for r in rows.tolist()]
    start = time.perf_counter()
    try:
        rating = method(items, data)
    except RuntimeError:  # its iteration limit
        return time.perf_counter() - start, float("nan")
    return time.perf_counter() - start, score_gap(rows, np.asarray(rating))


def best_of(call):
    took, gap = call()
    for _ in range(2 if took < PATIENCE else 0):
        again, _ = call()
        took = min(took, again)
    return took, gap


def main():
    rng = np.random.default_rng(1)
    graphs = {
        "full, 100 items": (full(100, 3, rng), 100),
        "full, 300 items": (full(300, 3, rng), 300),
        "chain, 100 items": (chain(100, 10, rng), 100),
        "sparse, 1000 items, 5000 pairs": (sparse(1000, 5000, 5, rng), 1000),
    }
    newton = functools.partial(choix.opt_pairwise, alpha=0.0)  # no prior, as ours and the others
    methods = {"choix ilsr": choix.ilsr_pairwise, "choix mm": choix.mm_pairwise, "choix newton": newton}
    for name, (rows, items) in graphs.items():
        base, gap = best_of(lambda: ours(rows, items))
        print(f"\n{name}, {len(rows)} games\n  {'prefer':20} {base * 1e3:10.3f} ms  gap {gap:.1e}", flush=True)
        for other, method in methods.items():
            took, gap = best_of(lambda: theirs(method, rows, items))
            print(f"  {other:20} {took * 1e3:10.3f} ms  gap {gap:.1e}  {took / base:8.0f} times ours", flush=True)


main()
