# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""Golden rows of token_divergence (two rows of logits) and of the Gaussian scores, by their textbook formulas."""
from mpmath import exp, log, mp, mpf, pi

from make_golden import braces, row

MASKED = "-HUGE_VALL"  # a logit of -inf
COLUMNS = 6

# Exact in bfloat16 and half.
STEP = mpf(2) ** -7
PAIRS = [
    ([0, 1, -1, 2, mpf("0.5"), -3], [1, 0, 2, -2, mpf("0.5"), 3]),
    ([0, 1, -1, 2, mpf("0.5"), -3], [0, 1 + STEP, -1, 2, mpf("0.5"), -3]),
    ([0, 1, -1, 2, mpf("0.5"), -3], [0, 1, -1 + STEP, 2, mpf("0.5"), -3]),
    ([1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]),
    ([9984, 9984, 9920, 9856, 9984, 9984], [-9984, -9920, -9984, -9984, -9920, -9984]),
    ([9984, 9984 - 64, -9984, 0, 9920, 9856], [0, 0, -64, 1, 0, 2]),
    ([110, 0, -4, 1, 2, 3], [0, 110, -4, 1, 2, 3]),
    ([24, 0, 1, 2, 3, 4], [26, 0, 1, 2, 3, 4]),
    ([-20, 20, -20, -20, -20, -20], [0, 0, 0, 0, 0, 0]),
    ([MASKED, 1, MASKED, 3, -2, 0], [1, 0, MASKED, 2, -1, 3]),
    ([2, 1, MASKED, 3, -2, 0], [1, MASKED, MASKED, 2, -1, 3]),
    ([MASKED, MASKED, MASKED, 5, MASKED, MASKED], [0, 1, 2, 3, 4, 5]),
    ([MASKED, 2, MASKED, MASKED, MASKED, MASKED], [MASKED, -7, MASKED, MASKED, MASKED, MASKED]),
]
# kind, beta, temperature
OPTIONS = [(0, mpf("0.5"), 1), (1, mpf("0.5"), 2), (2, mpf("0.5"), 1), (2, mpf("0.125"), mpf("0.5")), (2, mpf("0.875"), 1)]


def distribution(x, temperature):
    open_ = {v: mpf(x[v]) / temperature for v in range(COLUMNS) if x[v] != MASKED}
    total = log(sum(exp(z) for z in open_.values()))
    return {v: z - total for v, z in open_.items()}


def kl(lp, lq):
    """KL and the gradients by the logits of both; none where it is infinite."""
    p, q = {v: exp(x) for v, x in lp.items()}, {v: exp(x) for v, x in lq.items()}
    by_q = [q.get(v, mpf(0)) - p.get(v, mpf(0)) for v in range(COLUMNS)]
    if any(v not in lq for v in lp):
        return "HUGE_VALL", [mpf(0)] * COLUMNS, by_q
    value = sum(p[v] * (lp[v] - lq[v]) for v in p)
    return value, [p[v] * (lp[v] - lq[v] - value) if v in p else mpf(0) for v in range(COLUMNS)], by_q


def mixture(lp, lq, beta):
    m = {v: log(beta * (exp(lp[v]) if v in lp else 0) + (1 - beta) * (exp(lq[v]) if v in lq else 0)) for v in lp | lq}
    p, by_p, _ = kl(lp, m)
    q, by_q, _ = kl(lq, m)
    return beta * p + (1 - beta) * q, p, q, [beta * g for g in by_p], [(1 - beta) * g for g in by_q]


def token_divergence_rows():
    """p's logits, q's, kind, beta and temperature; divergence, KL(p || m), KL(q || m); gradients by both"""
    mp.dps = 150  # so that divergences close to 0 keep their digits
    for x, y in PAIRS:
        for kind, beta, temperature in OPTIONS:
            lp, lq = distribution(x, temperature), distribution(y, temperature)
            to_p = to_q = mpf(0)
            if kind == 0:
                value, by_p, by_q = kl(lp, lq)
            elif kind == 1:
                value, by_q, by_p = kl(lq, lp)
            else:
                value, to_p, to_q, by_p, by_q = mixture(lp, lq, beta)
            value, to_p, to_q = (x if isinstance(x, str) or abs(x) > mpf(10) ** -140 else mpf(0) for x in (value, to_p, to_q))
            gradients = ([g / temperature for g in by] for by in (by_p, by_q))
            yield row(braces(x), braces(y), str(kind), braces([beta, temperature]), braces([value, to_p, to_q]),
                      *(braces(g) for g in gradients))
    mp.dps = 50


def log_normal(x, mean, std):
    return -((x - mean) / std) ** 2 / 2 - log(std) - log(2 * pi) / 2


def gaussian_logp_rows():
    """x, mean, std; log N(x; mean, std^2), derivatives by x, mean, std and log std"""
    for x in (0, mpf("0.5"), -3, 40, mpf(2) ** -12):
        for mean in (0, mpf("0.25"), -40, 3):
            for std in (1, mpf("0.5"), 16, mpf(2) ** -6):
                x, mean, std = mpf(x), mpf(mean), mpf(std)
                z = (x - mean) / std
                yield row(x, mean, std, log_normal(x, mean, std), -z / std, z / std, (z * z - 1) / std, z * z - 1)


def gaussian_log_ratio_rows():
    """x, mean, std, reference mean and std; the log-ratio and the sum of its terms' magnitudes; derivatives by mean, std"""
    for x in (0, mpf("0.5"), -3):
        for mean in (0, mpf("0.25"), 2):
            for reference in (0, mpf("0.25") + mpf(2) ** -9, -16):
                for std, other in ((1, 1), (1, 1 + mpf(2) ** -7), (mpf("0.5"), 4), (2, mpf(2) ** -3)):
                    x, mean, std, reference, other = (mpf(v) for v in (x, mean, std, reference, other))
                    z, r = (x - mean) / std, (x - reference) / other
                    value = log_normal(x, mean, std) - log_normal(x, reference, other)
                    # z and r differ by gap: what the value adds up is log(other / std) and gap (z + gap / 2).
                    gap = r - z
                    parts = abs((mean - reference) / other) + abs(z * (std - other) / other)
                    size = abs(log(other / std)) + parts * (abs(z) + abs(gap))
                    yield row(x, mean, std, reference, other, value, size, z / std, (z * z - 1) / std)


TABLES = {
    "token_divergence": token_divergence_rows,
    "gaussian_logp": gaussian_logp_rows,
    "gaussian_log_ratio": gaussian_log_ratio_rows,
}
