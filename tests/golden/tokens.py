# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""Golden rows of token_logp: textbook softmax of a few logits, its answers and the gradient of their weighted sum."""
from mpmath import exp, log, mp, mpf, sech, tanh

from make_golden import braces, row

MASKED = "-HUGE_VALL"  # a logit of -inf
COLUMNS = 6

# Exact in bfloat16 and half.
LOGITS = [
    [0, 1, -1, 2, mpf("0.5"), -3],
    [9984, 9985 - 1, 9984 - 64, -9984, 0, 9920],
    [-9984, -9984, -9920, -9856, -9984, -9984],
    [110, 0, -4, 1, 2, 3],
    [24, 0, 1, 2, 3, 4],
    [-20, 20, -20, -20, -20, -20],
    [2, 2, 2, 2, 2, 2],
    [MASKED, 1, MASKED, 3, -2, 0],
    [MASKED, MASKED, MASKED, 5, MASKED, MASKED],
]
# temperature, logit_scale, soft_cap, label_smoothing, z_loss
OPTIONS = [(1, 1, 0, 0, 0), (2, 1, 0, 0, 0), (mpf("0.5"), mpf("0.25"), 0, mpf("0.125"), 0), (1, 1, 32, 0, mpf(2) ** -10),
           (2, mpf("0.5"), 8, mpf("0.25"), mpf(2) ** -7)]
# by logp, loss, entropy, log-sum-exp
UPSTREAM = [(1, 0, 0, 0), (-2, 0, 0, 0), (0, mpf("0.5"), 0, 0), (0, 0, 1, 0), (0, 0, 0, -1), (1, -1, mpf("0.5"), 2)]


def answers(x, target, options, upstream):
    temperature, scale, cap, smoothing, z_loss = options
    by_logp, by_loss, by_entropy, by_all = upstream
    squash = lambda u: cap * tanh(u / cap) if cap else u
    steepness = lambda u: sech(u / cap) ** 2 if cap else mpf(1)
    open_ = [v for v in range(COLUMNS) if x[v] != MASKED]
    z = {v: squash(mpf(x[v]) * scale) / temperature for v in open_}
    all_ = log(sum(exp(z[v]) for v in open_))
    logp = {v: z[v] - all_ for v in open_}
    p = {v: exp(logp[v]) for v in open_}
    mean = sum(logp.values()) / len(open_)
    loss = -(1 - smoothing) * logp[target] - smoothing * mean + z_loss * all_**2
    entropy = -sum(p[v] * logp[v] for v in open_)
    gradient = []
    for v in range(COLUMNS):
        if v not in z:
            gradient.append(mpf(0))
            continue
        hit = 1 if v == target else 0
        by_z = (by_logp * (hit - p[v]) + by_entropy * -p[v] * (logp[v] + entropy) + by_all * p[v]
                + by_loss * (-(1 - smoothing) * (hit - p[v]) - smoothing * (mpf(1) / len(open_) - p[v]) + 2 * z_loss * all_ * p[v]))
        gradient.append(by_z * steepness(mpf(x[v]) * scale) * scale / temperature)
    return [logp[target], loss, all_, entropy, len(open_), max(p.values())] + gradient


def token_logp_rows():
    """logits, target, options, upstream; logp, loss, log-sum-exp, entropy, choices, largest p, gradient"""
    mp.dps = 400  # so that log p close to 0 keeps its digits
    for x in LOGITS:
        for target in (1, 3):
            if x[target] == MASKED:
                continue
            for options in OPTIONS:
                for upstream in UPSTREAM:
                    numbers = answers(x, target, options, upstream)
                    parts = (options, upstream, numbers[:6], numbers[6:])
                    yield row(braces(x), str(target), *(braces(part) for part in parts))
    mp.dps = 50


TABLES = {"token_logp": token_logp_rows}
