# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""advantages.py [--plot=FILE.png] [rule ...]: from rewards to advantages by every rule (or those named), float, beside NumPy
and, where it is installed, PyTorch (eager) in one run.

Nanoseconds per sample, best of several rounds in which the contestants take turns, one thread, processor time: [65536 groups x
8 samples x 4 rewards] and [64 x 4096 x 8]. The peers are what one would write: float32, vectorised over rectangular arrays,
in place where a temporary is at hand; they have no masks, no ragged groups and no offsets to read. Ours computes in double, in
one call ("one") or in two ("steps"). Aggregates and weights are followed by GRPO. Before anything is timed, what the peers say
is compared with what the library says; ends with 1 if they do not agree. Needs numpy, best in an environment of its own,
gnuplot for the plot, and the programs that benchmarks/run.sh builds.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from program import folder, run
from turns import best_of_rounds, print_row, seconds

try:
    import torch
except ImportError:
    torch = None

SHAPES = [(65536, 8, 4), (64, 4096, 8)]
PROGRAM = "bench.advantage.reward_advantage"
# The peers add up in float32: a mean of n numbers is off by some roundings of the largest of them (2^-24 each; NumPy adds in
# pairs, PyTorch in lanes), and so is what is divided by a deviation a fraction of their size. 128 roundings, as part of the
# largest advantage, holds for all continuous rules of both shapes.
TOLERANCE = 128 * 2.0**-24
# NumPy adds the rows of a whole batch one by one, in float, not in pairs; SAW's weights are quotients of such moments.
LOOSER = {"saturation_aware": 4}
# A sample is dropped by GD2PO where one sum is below another: where they are as good as equal a rounding decides.
MAY_FLIP = {"gd2po": 1e-5}


class Numpy:
    name, of = "numpy", np

    @staticmethod
    def mean(x, axis):
        return x.mean(axis, keepdims=True)

    @staticmethod
    def std(x, axis, ddof=1):
        return x.std(axis, keepdims=True, ddof=ddof)

    @staticmethod
    def least(x):
        return x.min(-1)

    @staticmethod
    def most(x):
        return x.max(-1)

    @staticmethod
    def clip(x, low, high):
        return np.clip(x, low, high, out=x)

    @staticmethod
    def log_sum_exp(x):
        high = x.max(-1, keepdims=True)
        x = x - high
        return high[..., 0] + np.log(np.exp(x, out=x).sum(-1))

    @staticmethod
    def second(x):
        return np.partition(x, -2)[:, -2:-1]

    @staticmethod
    def at_least(x, low):
        return np.maximum(x, low)


class Torch:
    name, of = "torch", torch

    @staticmethod
    def mean(x, axis):
        return x.mean(axis, keepdim=True)

    @staticmethod
    def std(x, axis, ddof=1):
        return x.std(axis, keepdim=True, correction=ddof)

    @staticmethod
    def least(x):
        return x.amin(-1)

    @staticmethod
    def most(x):
        return x.amax(-1)

    @staticmethod
    def clip(x, low, high):
        return x.clamp_(low, high)

    @staticmethod
    def log_sum_exp(x):
        return torch.logsumexp(x, -1)

    @staticmethod
    def second(x):
        return x.topk(2).values[:, 1:]

    @staticmethod
    def at_least(x, low):
        return x.clamp(min=low)


def centred(x, at, axis=1):
    return x - at.mean(x, axis)


def normalised(x, at, epsilon=1e-4, ddof=1):
    d = centred(x, at)
    d /= at.std(x, 1, ddof) + epsilon
    return d


def whitened(a, at, epsilon=1e-4, ddof=1):
    m, s = a.mean(), at.std(a, (0, 1), ddof)
    a -= m
    a /= s + epsilon
    return a


def by_root(a, at):
    variance = at.std(a, (0, 1)) ** 2
    return (a - a.mean()) / (variance + 1e-8) ** 0.5


# ---- one score x [groups, samples] per sample

def rloo(x, at):
    d = centred(x, at)
    d *= x.shape[1] / (x.shape[1] - 1)
    return d


def max_rl(x, at):
    m = at.mean(x, 1)
    return (x - m) / at.of.where(m > 0, m, at.of.ones_like(m))


def lite_ppo(x, at):
    d = centred(x, at)
    d /= at.std(x, (0, 1)) + 1e-4
    return d


def centred_ranks(x, at):  # ties by position, which is less work than sharing them; there are none here
    return x.argsort(1).argsort(1) * (2 / (x.shape[1] - 1)) - 1


def best_worst(x, at):
    return at.of.where(x == at.most(x)[:, None], 1.0, at.of.where(x == at.least(x)[:, None], -1.0, 0.0))


def opo(x, lengths, at):
    return x - ((x * lengths).sum(1) / lengths.sum(1))[:, None]


def optimal_value(x, at):
    return x - 0.5 * (at.log_sum_exp(x * 2) - float(np.log(x.shape[1])))[:, None]


def grpo_pass_k(x, at):
    second = at.second(x)
    return at.of.where(x > second, x - second, 0.0)


def history(x, at):  # windows of 32 that were empty; one with fewer than 16 scores takes the batch
    ring = x[:, -32:]
    ring = ring.copy() if at is Numpy else ring.clone()
    if ring.shape[1] < 16:
        return whitened(x - 0, at, 1e-6, 0)
    d = x - at.mean(ring, 1)
    d /= at.std(ring, 1, 0) + 1e-6
    return d


# ---- rewards r [groups, samples, rewards] to one score

def log_tamed(r, at, epsilon=0.0):
    h = at.std(r, (0, 1), 0) / (at.mean(r, (0, 1)) + epsilon)
    return at.of.where(h > h.mean(), at.of.log1p(r), r).sum(-1)


def soft_min(r, at):
    return float(np.log(r.shape[2])) - at.log_sum_exp(-r)


def geometric_mean(r, at):
    return at.of.exp(at.of.log(r).mean(-1))


def smooth_tchebycheff(r, at):
    return -0.1 * at.log_sum_exp((1 - r) / 0.1)


def min_geometric(r, at):
    return (at.least(r[..., :2]) * at.least(r[..., 2:])) ** 0.5


def rubric(r, at):
    g = at.of.exp(-3 * r)
    all_of = (r.shape[2] - g.sum(-1)) / (1 - float(np.exp(-3)))
    return at.of.where(r[..., 0] < 0.1, 0.0, all_of)


# ---- decoupled

def dvao(r, at):
    return centred(r, at).sum(-1) / at.std(r, 1, 0).sum(-1)


def dara(r, at):
    s = at.std(r, 1)
    z = centred(r, at)
    z /= s + 1e-6
    share = (s > 0).mean(0)[0] if at is Numpy else (s > 0).float().mean(0)[0]
    u = at.clip((share.max() / share) ** 0.5, 0, 5)
    if at is Numpy:
        u = u.astype(r.dtype)
    return by_root((z + (u - 1) * at.at_least(z, 0)).sum(-1), at)


def gd2po(r, at):
    z = normalised(r, at, 1e-6)
    total, size = z.sum(-1), abs(z).sum(-1)
    conflict = (at.most(z) > 1e-8) & (at.least(z) < -1e-8)
    keep = ~(conflict & (abs(total) < 0.2 * (size + 1e-8)))
    share = at.mean(keep * 1.0, 1) if at is Torch else keep.mean(1, keepdims=True, dtype=r.dtype)
    a = total * share
    kept = a[keep]
    variance = kept.var(ddof=1) if at is Numpy else kept.var()
    return at.of.where(keep, (a - kept.mean()) / (variance + 1e-8) ** 0.5, 0.0)


def corr_grpo(r, at):
    d = centred(r, at)
    z = d / at.std(r, 1, 0)
    variance = at.std(z.sum(-1), 1, 0) ** 2
    return d.sum(-1) / (at.at_least(variance, 0.05) ** 0.5 + 1e-6)


# ---- weights

def saturation_aware(r, at):
    c = at.std(r, (0, 1))[0, 0] / (abs(at.mean(r, (0, 1))[0, 0]) + 1e-8)
    return r @ (r.shape[2] * c / (c.sum() + 1e-8))


def lagrangian(r, at):
    w = at.clip(0.01 * (1 - at.mean(r, (0, 1))[0, 0]), 0, 100)
    w[0] = 1
    return whitened(normalised(r, at) @ w, at)


def covariance_targeted(r, lengths, at):
    products = centred(r, at)
    products *= centred(lengths, at)[..., None]
    average = 0.1 * at.mean(products, (0, 1))[0, 0]
    return r @ at.of.exp(0.05 * at.at_least(1 - average, 0))


class Data:
    """What the program makes: the same numbers to the bit."""

    def __init__(self, shape):
        groups, size, rewards = shape
        with np.errstate(over="ignore"):
            hashed = np.arange(groups * size * rewards, dtype=np.uint32) * np.uint32(2654435769)
        uniform = ((hashed >> np.uint32(8)) / np.float32(2**24)).astype(np.float32).reshape(shape)
        r = np.float32(0.01) + uniform
        r[..., 1] *= np.float32(10) * r[..., 1]
        self.numpy = {
            "r": r, "x": np.ascontiguousarray(r[..., 0]),
            "solved": (uniform[..., 0] > np.float32(0.8)).astype(np.float32),
            "lengths": (np.arange(groups * size) % 97 + 1).astype(np.float32).reshape(groups, size)}
        self.torch = {k: torch.from_numpy(v) for k, v in self.numpy.items()} if torch else None


def of_scores(f):
    return lambda d, at: f(d["x"], at)


def and_grpo(f):
    return lambda d, at: normalised(f(d["r"], at), at)


def of_rewards(f):
    return lambda d, at: f(d["r"], at)


RULES = {
    "grpo": of_scores(normalised),
    "dr_grpo": of_scores(centred),
    "rloo": of_scores(rloo),
    "max_rl": lambda d, at: max_rl(d["solved"], at),
    "reinforce_plus_plus": of_scores(lambda x, at: (x - x.mean()) / (at.std(x, (0, 1), 0) + 1e-8)),
    "lite_ppo": of_scores(lite_ppo),
    "batch_whitened": of_scores(lambda x, at: whitened(centred(x, at), at)),
    "clipped": of_scores(lambda x, at: at.clip(normalised(x, at), -1, 1)),
    "centred_ranks": of_scores(centred_ranks),
    "best_worst": of_scores(best_worst),
    "opo": lambda d, at: opo(d["x"], d["lengths"], at),
    "optimal_value": of_scores(optimal_value),
    "grpo_pass_k": of_scores(grpo_pass_k),
    "history": of_scores(history),
    "weighted_sum": and_grpo(lambda r, at: r.sum(-1)),
    "log_tamed": and_grpo(log_tamed),
    "log_tamed_held": and_grpo(lambda r, at: at.clip(log_tamed(r, at, 1e-6), -5, 5)),
    "soft_min": and_grpo(soft_min),
    "geometric_mean": and_grpo(geometric_mean),
    "harmonic_mean": and_grpo(lambda r, at: r.shape[2] / (1 / r).sum(-1)),
    "tchebycheff": and_grpo(lambda r, at: at.least(r - 1)),
    "smooth_tchebycheff": and_grpo(smooth_tchebycheff),
    "min_geometric": and_grpo(min_geometric),
    "rubric": and_grpo(rubric),
    "mo_grpo": of_rewards(lambda r, at: normalised(r, at, 0).sum(-1)),
    "decoupled": of_rewards(lambda r, at: whitened(normalised(r, at).sum(-1), at)),
    "gdpo": of_rewards(lambda r, at: whitened(normalised(r, at).sum(-1), at)),
    "dvao": of_rewards(dvao),
    "rvpo": of_rewards(lambda r, at: whitened(soft_min(normalised(r, at), at), at)),
    "dara": of_rewards(dara),
    "gd2po": of_rewards(gd2po),
    "corr_grpo": of_rewards(corr_grpo),
    "saturation_aware": and_grpo(saturation_aware),
    "lagrangian": of_rewards(lagrangian),
    "covariance_targeted": lambda d, at: normalised(covariance_targeted(d["r"], d["lengths"], at), at),
    "best_rewards": and_grpo(lambda r, at: at.least(r - (r.max((0, 1)) if at is Numpy else r.amax((0, 1))))),
}


def peers(data):
    yield Numpy, data.numpy
    if torch:
        yield Torch, data.torch


def disagreement(rule, peer, ours):
    """What is wrong with the peer's answer, or nothing."""
    off = np.abs(peer - ours) > LOOSER.get(rule, 1) * TOLERANCE * np.abs(ours).max()
    off |= ~np.isfinite(peer)
    return f"{off.sum()} of {off.size}, by up to {np.abs(peer - ours).max():.2g} of {np.abs(ours).max():.2g}" \
        if off.mean() > MAY_FLIP.get(rule, 0) else ""


def check_agreement(names):
    """Whether all peers say what the library says."""
    agree = True
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([folder / PROGRAM, f"--write={out}"], check=True)
        for shape in SHAPES:
            data = Data(shape)
            for rule in names:
                files = list(pathlib.Path(out).glob(f"{rule}*.{'x'.join(map(str, shape))}"))
                files = [f for f in files if f.name.split(".")[0] == rule]
                if not files:
                    raise SystemExit(f"{PROGRAM} knows no {rule}")
                for file in files:
                    ours = np.fromfile(file, np.float32).reshape(shape[:2])
                    for at, d in peers(data):
                        wrong = disagreement(rule, np.asarray(RULES[rule](d, at)), ours)
                        if wrong:
                            print(f"{file.name}: {at.name} DISAGREES: {wrong}")
                            agree = False
    return agree


def ours(rule, shape):
    figures = run(PROGRAM, f"^{rule}/.*threads:1/{'x'.join(map(str, shape))}/")
    took = {}
    for name, f in figures.items():
        label = "/".join(p for p in name.split("/")[1:3] if p in ("one", "steps", "base", "avx2", "avx512"))
        took[label] = f["ns_per_item"]
    return took


def measure(rule, shape, data):
    samples = shape[0] * shape[1]

    def one_round():
        took = ours(rule, shape)
        for at, d in peers(data):
            took[at.name] = seconds(lambda: RULES[rule](d, at), 1, repetitions=3) / samples * 1e9
        return took

    return best_of_rounds(one_round, 2)


def plot(path, figures):
    """Bars of all rules of one shape: ours (the fastest level), NumPy, PyTorch."""
    script = f"set terminal pngcairo size 1000,760 font 'sans,9'\nset output '{path}'\nset multiplot layout 2,1\n" \
        "set style data histograms\nset style fill solid\nset logscale y\nset grid y\nset bmargin 9\n" \
        "set xtics rotate by 50 right noenhanced nomirror scale 0\nset ylabel 'ns per sample'\nset key top left horizontal\n"
    for shape in SHAPES:
        script += "$d << EOD\n"
        for rule, best in figures[shape].items():
            mine = min(t for name, t in best.items() if name not in ("numpy", "torch"))
            script += f'"{rule}" {mine} {best["numpy"]} {best.get("torch", "?")}\n'
        script += f"EOD\nset title '{shape[0]} groups of {shape[1]} samples with {shape[2]} rewards, one thread'\nplot $d using 2:xtic(1) title 'prefer', " \
            "'' using 3 title 'NumPy'" + (", '' using 4 title 'PyTorch, eager'" if torch else "") + "\n"
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main():
    options = [a for a in sys.argv[1:] if a.startswith("--")]
    names = [a for a in sys.argv[1:] if not a.startswith("--")] or list(RULES)
    if torch:
        torch.set_num_threads(1)
    if not check_agreement(names):
        return 1
    print(f"all peers agree with the library within {TOLERANCE:.1e} of the largest advantage")
    print(f"rewards to advantages, float, ns per sample, one thread; numpy {np.__version__}"
          f"{', torch ' + torch.__version__ if torch else ''}; load {os.getloadavg()[0]:.1f}")
    figures = {shape: {} for shape in SHAPES}
    for shape in SHAPES:
        data = Data(shape)
        for rule in names:
            figures[shape][rule] = measure(rule, shape, data)
            print_row(f"{rule:20} {'x'.join(map(str, shape)):12}", figures[shape][rule], [at.name for at, _ in peers(data)])
    for option in options:
        if option.startswith("--plot="):
            plot(option[7:], figures)
    return 0


sys.exit(main())
