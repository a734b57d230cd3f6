# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""Golden rows of aggregates of rewards, with their slopes, and of baselines of groups, by their textbook formulas.

What the differences are relative to, `size`, is what the formula adds up.
"""
from mpmath import diff, exp, log, mp, mpf

from make_golden import braces, row

# Exact in double; the last ones lie far apart, or nearly together far from 0.
REWARDS = [
    (mpf("0.5"), 2, mpf("1.25")), (1, 1, 1), (mpf(2) ** -20, 3, 700), (1000, 1000 + mpf(2) ** -30, 1000 - mpf(2) ** -30),
    (mpf("0.0625"), 40, mpf("0.0625")), (5, mpf(2) ** -40, mpf(2) ** -41)]
WEIGHTS = [(1, 1, 1), (mpf("0.25"), 2, mpf("0.5")), (1, 0, 3)]
IDEALS = (2, 3, mpf("1.5"))


def used(w):
    return [k for k in range(3) if w[k] != 0]


def tchebycheff_terms(r, w):
    return [w[k] * (r[k] - IDEALS[k]) for k in used(w)]


# Rule, parameter, formula of (rewards, weights); in the order of the test's.
AGGREGATES = [
    (0, 0, lambda r, w: sum(w[k] * r[k] for k in used(w))),
    *[(1, b, lambda r, w, b=b: -log(sum(w[k] * exp(-b * r[k]) for k in used(w)) / sum(w)) / b)
      for b in (mpf(2) ** -10, mpf("2.5"), 64)],
    (2, 0, lambda r, w: exp(sum(w[k] * log(r[k]) for k in used(w)) / sum(w))),
    (3, 0, lambda r, w: sum(w) / sum(w[k] / r[k] for k in used(w))),
    *[(4, t, lambda r, w, t=t: -t * log(sum(exp(-x / t) for x in tchebycheff_terms(r, w))))
      for t in (mpf(2) ** -7, mpf("0.25"), 32)],
]


def aggregate_rows():
    """rule, parameter, rewards, weights, ideals, value, size, slopes, how much an exponent multiplies a rounding"""
    mp.dps = 700  # e^-45000 beside 1
    for rule, parameter, formula in AGGREGATES:
        for r in REWARDS:
            for w in WEIGHTS:
                r, w = [mpf(x) for x in r], [mpf(x) for x in w]
                slope = lambda k: diff(lambda x: formula(r[:k] + [x] + r[k + 1:], w), r[k]) if w[k] != 0 else mpf(0)
                largest = max(abs(w[k] * r[k]) + abs(r[k]) + abs(w[k] * IDEALS[k]) for k in used(w))
                steep = 2 * largest * (parameter if rule == 1 else 1 / parameter if rule == 4 else 0)
                yield row(str(rule), parameter, braces(r), braces(w), braces(IDEALS), formula(r, w), largest + parameter,
                          braces([slope(k) for k in range(3)]), 4 + steep)
    mp.dps = 50


SCORES = [(1, 0, mpf("0.5"), 3), (0, 0, 1, 0), (1024, 1024 + mpf(2) ** -30, 1024, 1024 - mpf(2) ** -31), (-700, 700, 0, 1),
          (mpf(2) ** -30, 0, -(mpf(2) ** -30), mpf(2) ** -29), (5, 5, 5, 5)]
LENGTHS = (3, 40, 1, 17)


def baseline_rows():
    """rule, parameter, scores, baseline, size"""
    mp.dps = 700
    for scores in SCORES:
        x = [mpf(s) for s in scores]
        size = max(abs(s) for s in x)
        yield row("0", 0, braces(x), sum(l * s for l, s in zip(LENGTHS, x)) / sum(LENGTHS), size)
        for beta in (mpf(2) ** -6, mpf("0.5"), 2048):
            yield row("1", beta, braces(x), beta * log(sum(exp(s / beta) for s in x) / 4), size)
    mp.dps = 50


TABLES = {"aggregates": aggregate_rows, "baselines": baseline_rows}
