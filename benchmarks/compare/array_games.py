# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""array_games.py: mirror descent on batches of games, beside NumPy and, if it is installed, PyTorch, in one run.

100 steps of the same update in double, all games of a batch in one array: games per second of processor time of one thread,
the best of five rounds in which the contestants take turns; then one step of a game of 4096 actions. Needs numpy, best in an
environment of its own, and bench.game.self_play, which benchmarks/run.sh builds.
"""
import os

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import numpy as np

from program import run
from turns import best_of_rounds, seconds

try:
    import torch

    torch.set_num_threads(1)
except ImportError:
    torch = None

STEPS, TEMPERATURE = 100, 0.1
ETA = 4 * TEMPERATURE / (1 + 4 * TEMPERATURE**2)


def tables(batch, n):
    upper = np.triu(np.random.default_rng(1).uniform(-0.5, 0.5, (batch, n, n)), 1)
    return 0.5 + upper - upper.swapaxes(1, 2)


def with_numpy(preference, steps):
    policy = np.full(preference.shape[:2], -np.log(preference.shape[1]))
    for _ in range(steps):
        wins = np.matmul(preference, np.exp(policy)[..., None])[..., 0]
        policy = (1 - ETA * TEMPERATURE) * policy + ETA * wins
        top = policy.max(1, keepdims=True)
        policy -= top + np.log(np.exp(policy - top).sum(1, keepdims=True))
    return policy


def with_torch(preference, steps):
    policy = torch.full(preference.shape[:2], -np.log(preference.shape[1]), dtype=preference.dtype)
    for _ in range(steps):
        wins = torch.matmul(preference, policy.exp()[..., None])[..., 0]
        policy = ((1 - ETA * TEMPERATURE) * policy + ETA * wins).log_softmax(1)
    return policy


def ours(pattern):
    (figures,) = run("bench.game.self_play", pattern).values()
    return figures["real_time"] * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3}[figures["time_unit"]]


def compare(name, pattern, batch, n, steps):
    preference = tables(batch, n)
    calls = {"numpy": lambda: with_numpy(preference, steps)}
    if torch:
        shared = torch.from_numpy(preference)
        calls["torch"] = lambda: with_torch(shared, steps)
        assert np.abs(calls["torch"]().numpy() - calls["numpy"]()).max() < 1e-12

    def one_round():
        took = {"ours": ours(pattern)}
        return took | {who: seconds(call, 1, repetitions=2) for who, call in calls.items()}

    best = best_of_rounds(one_round)
    cells = "  ".join(f"{who} {batch / took:10.0f}/s ({took / best['ours']:6.1f})" for who, took in best.items())
    print(f"{name:>5} actions, {batch:5} games, {steps:3} steps, load {os.getloadavg()[0]:4.1f}:  {cells}", flush=True)


def main():
    print(f"games per second (times ours); numpy {np.__version__}, torch {torch.__version__ if torch else 'not there'}")
    for n in (4, 8, 16, 32, 64, 128, 256):
        compare(n, f"^small_games/{n}/", max(4, 16384 // (n * n)), n, STEPS)
    compare(4096, "^large_game<double>/1/", 1, 4096, 1)


main()
