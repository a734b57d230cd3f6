# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""Contestants that take turns, so that what disturbs the machine disturbs them alike."""
import time


def seconds(call, threads, shortest=0.004, repetitions=5):
    """Seconds per call, the best of some repetitions that last at least `shortest` seconds each.

    Of the processor where there is one thread, so that other work on the machine does not add to it, else of the wall.
    """
    now = time.process_time if threads == 1 else time.perf_counter
    call()  # warms caches and pages
    best = float("inf")
    for _ in range(repetitions):
        calls, took, start = 0, 0.0, now()
        while took < shortest:
            call()
            calls += 1
            took = now() - start
        best = min(best, took / calls)
    return best


def best_of_rounds(one_round, rounds=5):
    """The least time of each contestant; one_round() answers with {name: time}."""
    best = {}
    for _ in range(rounds):
        best = {name: min(took, best.get(name, took)) for name, took in one_round().items()}
    return best


def print_row(label, best, peers):
    """All times, and those of the peers over the best of the others."""
    ours = min(took for name, took in best.items() if name not in peers)
    cells = "  ".join(f"{name} {took:7.3f}" for name, took in best.items())
    ratios = "  ".join(f"{name}/ours {best[name] / ours:5.1f}" for name in peers)
    print(f"{label}  {cells}  {ratios}", flush=True)
