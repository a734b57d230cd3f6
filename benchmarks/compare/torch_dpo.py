# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""torch_dpo.py [LOG2_N...]: DPO value and policy gradients, float, beside PyTorch (eager and compiled) in one run.

Nanoseconds per pair, best of several rounds in which the contestants take turns; the same n and number of threads. Needs
torch (2.13 was used), best in an environment of its own, and the programs that benchmarks/run.sh builds.
"""
import sys
import time

import torch
import torch.nn.functional as F

from program import run

BETA, ROUNDS, THREADS = 0.1, 5, (1, 2)


def loss(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    return -F.logsigmoid(BETA * ((policy_chosen - policy_rejected) - (reference_chosen - reference_rejected))).mean()


def value_and_gradient(function, arrays):
    value = function(*arrays)
    return value, torch.autograd.grad(value, arrays[:2])


def seconds(call, least=0.05):
    calls, took = 0, 0.0
    start = time.perf_counter()
    while took < least:
        call()
        calls += 1
        took = time.perf_counter() - start
    return took / calls


def ours(n, threads):
    figures = run("bench.loss.dpo", f"^dpo/float/[a-z0-9]*/threads:{threads}/odd/n:{n}/")
    return {name.split("/")[2]: b["ns_per_item"] for name, b in figures.items()}


def compare(n, threads, compiled):
    torch.set_num_threads(threads)
    arrays = [torch.empty(n).uniform_(-40, 0).requires_grad_(k < 2) for k in range(4)]
    best = {}
    for _ in range(ROUNDS):
        round_ = ours(n, threads)
        for name, function in (("eager", loss), ("compiled", compiled)):
            value_and_gradient(function, arrays)
            round_[name] = seconds(lambda f=function: value_and_gradient(f, arrays)) / n * 1e9
        best = {name: min(ns, best.get(name, ns)) for name, ns in round_.items()}
    return best


def main():
    torch.manual_seed(1)
    compiled = torch.compile(loss)
    print(f"DPO value and policy gradients, float, ns per pair; torch {torch.__version__}")
    for log2_n in [int(a) for a in sys.argv[1:]] or [10, 16, 22]:
        for threads in THREADS:
            best = compare(1 << log2_n, threads, compiled)
            mine = min(ns for name, ns in best.items() if name not in ("eager", "compiled"))
            cells = "  ".join(f"{name} {ns:7.2f}" for name, ns in best.items())
            print(f"n 2^{log2_n:<2} threads {threads}  {cells}  eager/ours {best['eager'] / mine:5.1f}"
                  f"  compiled/ours {best['compiled'] / mine:5.1f}", flush=True)


main()
