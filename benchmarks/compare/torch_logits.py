# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""torch_logits.py [THREADS...]: log-probabilities of targets from logits, and their gradient, beside PyTorch in one run.

PyTorch's are log_softmax and gather, eager and compiled, in the type of the logits; the gradient is that of the negative
mean. Nanoseconds per logit, of the processor with one thread and of the wall with more, best of several rounds in which
the contestants take turns; the same shapes and number of threads. Needs torch (2.13 was used), best in an environment of
its own, and the programs that benchmarks/run.sh builds.
"""
import os
import sys

import torch

from program import run
from turns import best_of_rounds, print_row, seconds

SHAPES = ((512, 32000), (256, 131072))


def logp(logits, target):
    return logits.log_softmax(-1).gather(-1, target)


def mean(logits, target):
    return -logp(logits, target).mean()


def forward(function, logits, target):
    with torch.no_grad():
        return function(logits, target)


def forward_and_backward(function, logits, target):
    value = function(logits, target)
    return value, torch.autograd.grad(value, logits)


def ours(what, kind, shape, threads):
    rows, vocabulary = shape
    figures = run("bench.logp.token_logp", f"^{what}/{kind.removesuffix('32')}/avx[0-9]*/threads:{threads}/V:{vocabulary}/rows:{rows}/")
    return {name.split("/")[2]: b["ns_per_item"] for name, b in figures.items()}


def compare(what, kind, shape, threads):
    torch.set_num_threads(threads)
    torch._dynamo.reset()  # code for these shapes, not for any
    rows, vocabulary = shape
    call, function = (forward, logp) if what == "logp" else (forward_and_backward, mean)
    logits = torch.randn(shape).mul_(3).to(getattr(torch, kind)).requires_grad_()
    target = torch.randint(vocabulary, (rows, 1))
    functions = {"eager": function, "compiled": torch.compile(function, dynamic=False)}

    def one_round():
        took = ours(what, kind, shape, threads)
        for name, f in functions.items():
            took[name] = seconds(lambda: call(f, logits, target), threads) / logits.numel() * 1e9
        return took

    return best_of_rounds(one_round)


def main():
    torch.manual_seed(1)
    print(f"ns per logit; torch {torch.__version__}")
    for shape in SHAPES:
        for kind in ("float32", "bfloat16"):
            for what in ("logp", "both"):
                for threads in [int(a) for a in sys.argv[1:]] or [1, 2]:
                    best = compare(what, kind, shape, threads)
                    label = f"{shape[0]} x {shape[1]:<6} {kind:8} {what:4} threads {threads} load {os.getloadavg()[0]:4.1f}"
                    print_row(label, best, ("eager", "compiled"))


main()
