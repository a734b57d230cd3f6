# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""advantages.py: from rewards to advantages, float, beside NumPy and, where it is installed, PyTorch (eager) in one run.

Nanoseconds per sample, best of several rounds in which the contestants take turns, one thread: [65536 groups x 8 samples x 4
rewards] and [64 x 4096 x 8]. The peers compute in float in rectangular arrays, which have no masks, no ragged groups and no
offsets to read; ours computes in double, in one call ("one") or in two ("steps"). Needs numpy, best in an environment of its
own, and the programs that benchmarks/run.sh builds.
"""
import os

import numpy as np

from program import run
from turns import best_of_rounds, print_row, seconds

try:
    import torch
except ImportError:
    torch = None

SHAPES = [(65536, 8, 4), (64, 4096, 8)]
EPSILON = 1e-4


def grpo(x, like):
    if like is np:
        return (x - x.mean(1, keepdims=True)) / (x.std(1, keepdims=True, ddof=1) + EPSILON)
    return (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + EPSILON)


def log_tamed(r, like):
    mean, std = (r.mean((0, 1)), r.std((0, 1))) if like is np else (r.mean((0, 1)), r.std((0, 1), unbiased=False))
    h = std / mean
    return like.where(h > h.mean(), like.log1p(r), r).sum(2 if like is np else -1)


def soft_min(r, like):
    if like is np:
        low = r.min(2, keepdims=True)
        return low[..., 0] - np.log(np.exp(low - r).mean(2))
    return -(torch.logsumexp(-r, 2) - np.log(r.shape[2]))


def decoupled(r, like):
    axis = {"keepdims" if like is np else "keepdim": True}
    std = r.std(1, ddof=1, **axis) if like is np else r.std(1, **axis)
    a = ((r - r.mean(1, **axis)) / (std + EPSILON)).sum(2)
    return (a - a.mean()) / ((a.std(ddof=1) if like is np else a.std()) + EPSILON)


def dvao(r, like):
    axis = {"keepdims" if like is np else "keepdim": True}
    std = r.std(1, **axis) if like is np else r.std(1, unbiased=False, **axis)
    return (r - r.mean(1, **axis)).sum(2) / std.sum(2)


def rvpo(r, like):
    axis = {"keepdims" if like is np else "keepdim": True}
    std = r.std(1, ddof=1, **axis) if like is np else r.std(1, **axis)
    a = soft_min((r - r.mean(1, **axis)) / (std + EPSILON), like)
    return (a - a.mean()) / ((a.std(ddof=1) if like is np else a.std()) + EPSILON)


def ranks(r, like):  # ties by position, which is less work than sharing them
    order = r[..., 0].argsort(1).argsort(1)
    return order * (2 / (r.shape[1] - 1)) - 1


RULES = {
    "grpo": lambda r, like: grpo(r[..., 0], like),
    "weighted_sum": lambda r, like: grpo(r.sum(2), like),
    "log_tamed": lambda r, like: grpo(log_tamed(r, like), like),
    "soft_min": lambda r, like: grpo(soft_min(r, like), like),
    "geometric_mean": lambda r, like: grpo(like.exp(like.log(r).mean(2)), like),
    "decoupled": decoupled,
    "dvao": dvao,
    "rvpo": rvpo,
    "centred_ranks": ranks,
}


def ours(rule, shape):
    if rule in ("grpo", "centred_ranks"):
        n = shape[0] * shape[1]
        figures = run("bench.advantage.group_advantage", f"^{rule}/[a-z0-9]*/threads:1/n:{n}/group:{shape[1]}/")
    else:
        name = "x".join(str(s) for s in shape)
        figures = run("bench.advantage.reward_advantage", f"^{rule}/.*threads:1/{name}/")
    took = {}
    for name, f in figures.items():
        parts = name.split("/")
        label = "/".join(p for p in parts[1:3] if p in ("one", "steps", "base", "avx2", "avx512"))
        took[label] = f["ns_per_item"]
    return took


def main():
    rng = np.random.default_rng(1)
    print(f"rewards to advantages, float, ns per sample, one thread; numpy {np.__version__}"
          f"{', torch ' + torch.__version__ if torch else ''}; load {os.getloadavg()[0]:.1f}")
    if torch:
        torch.set_num_threads(1)
    for shape in SHAPES:
        r = (0.01 + rng.random(shape)).astype(np.float32)
        if shape[0] * shape[1] == 1 << 19:
            rules = RULES
        else:
            rules = {name: f for name, f in RULES.items() if name not in ("grpo", "centred_ranks")}
        for rule, function in rules.items():
            alone = np.ascontiguousarray(r[..., :1]) if rule in ("grpo", "centred_ranks") else r
            of_torch = torch.from_numpy(alone) if torch else None
            samples = shape[0] * shape[1]

            def one_round():
                took = ours(rule, shape)
                took["numpy"] = seconds(lambda: function(alone, np), 1) / samples * 1e9
                if torch:
                    took["torch"] = seconds(lambda: function(of_torch, torch), 1) / samples * 1e9
                return took

            print_row(f"{rule:14} {'x'.join(map(str, shape)):12}", best_of_rounds(one_round, 2),
                      ["numpy"] + (["torch"] if torch else []))


main()
