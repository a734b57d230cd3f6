# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""torch_dpo.py [LOG2_N...]: DPO value and policy gradients, float, beside PyTorch (eager and compiled) in one run.

Nanoseconds per pair, best of several rounds in which the contestants take turns; the same n and number of threads. Needs
torch (2.13 was used), best in an environment of its own, and the programs that benchmarks/run.sh builds.
"""
import sys

import torch
import torch.nn.functional as F

from program import run
from turns import best_of_rounds, print_row, seconds

BETA, THREADS = 0.1, (1, 2)


def loss(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    return -F.logsigmoid(BETA * ((policy_chosen - policy_rejected) - (reference_chosen - reference_rejected))).mean()


def value_and_gradient(function, arrays):
    value = function(*arrays)
    return value, torch.autograd.grad(value, arrays[:2])


def ours(n, threads):
    figures = run("bench.loss.dpo", f"^dpo/float/[a-z0-9]*/threads:{threads}/odd/n:{n}/")
    return {name.split("/")[2]: b["ns_per_item"] for name, b in figures.items()}


def compare(n, threads, functions):
    torch.set_num_threads(threads)
    arrays = [torch.empty(n).uniform_(-40, 0).requires_grad_(k < 2) for k in range(4)]

    def one_round():
        took = ours(n, threads)
        for name, function in functions.items():
            took[name] = seconds(lambda: value_and_gradient(function, arrays), threads) / n * 1e9
        return took

    return best_of_rounds(one_round)


def main():
    torch.manual_seed(1)
    functions = {"eager": loss, "compiled": torch.compile(loss)}
    print(f"DPO value and policy gradients, float, ns per pair; torch {torch.__version__}")
    for log2_n in [int(a) for a in sys.argv[1:]] or [10, 16, 22]:
        for threads in THREADS:
            print_row(f"n 2^{log2_n:<2} threads {threads}", compare(1 << log2_n, threads, functions), functions)


main()
