# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""Golden rows of aggregates of rewards, with their slopes, and of advantages of groups, by their textbook formulas.

What the differences are relative to, `size`, is what the formula adds up.
"""
from mpmath import diff, exp, log, mp, mpf, nan, sqrt

from make_golden import braces, row

# Exact in double; the last ones lie far apart, or nearly together far from 0.
REWARDS = [
    (mpf("0.5"), 2, mpf("1.25")), (1, 1, 1), (mpf(2) ** -20, 3, 700), (1000, 1000 + mpf(2) ** -30, 1000 - mpf(2) ** -30),
    (mpf("0.0625"), 40, mpf("0.0625")), (5, mpf(2) ** -40, mpf(2) ** -41), (mpf("1.5"), mpf("2.5"), 1)]
WEIGHTS = [(1, 1, 1), (mpf("0.25"), 2, mpf("0.5")), (1, 0, 3)]
IDEALS = (2, 3, mpf("1.5"))


def used(w):
    return [k for k in range(3) if w[k] != 0]


def tchebycheff_terms(r, w):
    return [w[k] * (r[k] - IDEALS[k]) for k in used(w)]


def tchebycheff_slope(r, w, mix, k):
    """The worst reward's, the first of equal ones, and the mixture's."""
    terms = {j: w[j] * (r[j] - IDEALS[j]) for j in used(w)}
    return 0 if w[k] == 0 else w[k] * ((1 if k == min(terms, key=terms.get) else 0) + mix)


# Rule, parameter, formula of (rewards, weights); in the order of the test's.
AGGREGATES = [
    (0, 0, lambda r, w: sum(w[k] * r[k] for k in used(w))),
    *[(1, b, lambda r, w, b=b: -log(sum(w[k] * exp(-b * r[k]) for k in used(w)) / sum(w)) / b)
      for b in (mpf(2) ** -10, mpf("2.5"), 64)],
    (2, 0, lambda r, w: exp(sum(w[k] * log(r[k]) for k in used(w)) / sum(w))),
    (3, 0, lambda r, w: sum(w) / sum(w[k] / r[k] for k in used(w))),
    *[(4, t, lambda r, w, t=t: -t * log(sum(exp(-x / t) for x in tchebycheff_terms(r, w))))
      for t in (mpf(2) ** -7, mpf("0.25"), 32)],
    *[(5, m, lambda r, w, m=m: min(tchebycheff_terms(r, w)) + m * sum(w[k] * r[k] for k in used(w)))
      for m in (0, mpf(2) ** -10, mpf("0.75"))],
]


def aggregate_rows():
    """rule, parameter, rewards, weights, ideals, value, size, slopes, how much an exponent multiplies a rounding"""
    mp.dps = 700  # e^-45000 beside 1
    for rule, parameter, formula in AGGREGATES:
        for r in REWARDS:
            for w in WEIGHTS:
                r, w = [mpf(x) for x in r], [mpf(x) for x in w]
                slope = lambda k: mpf(0) if w[k] == 0 else tchebycheff_slope(r, w, parameter, k) if rule == 5 else diff(
                    lambda x: formula(r[:k] + [x] + r[k + 1:], w), r[k])
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


def mean(x):
    return sum(x) / len(x)


def deviation(x, sample):
    divisor = len(x) - (1 if sample else 0)
    return sqrt(sum((y - mean(x)) ** 2 for y in x) / divisor) if divisor > 0 else mpf(0)


def over(x, below):
    return x / below if below != 0 else mpf(0)


def normal(x, m, s, epsilon):
    """(x - m) / (s + epsilon), 0 where s is."""
    return [(y - m) / (s + epsilon) if s != 0 else mpf(0) for y in x]


# ---- log-tamed aggregation of a batch. Exact in half and bfloat16. The rewards of a batch vary little, much, very much;
# then some of them around and below -1, of a mean near 0, of one below it, and all alike.
BATCHES = [
    [(1, 2, mpf("0.0625")), (mpf("1.25"), 8, 0), (mpf("0.75"), mpf("0.5"), 512), (1, 1, mpf(2) ** -14)],
    [(-mpf("0.5"), 3, -mpf("0.9375")), (2, 3, 16), (mpf("0.25"), 5, -1), (mpf("0.125"), 5, -3)],
    [(1, -1, -6), (-1, 0, -2), (2, -3, -128), (-mpf("1.75"), 0, -1)],
    [(mpf("0.25"), mpf("0.25"), mpf("0.25")), (3, 3, 3), (1, 1, 1), (0, 0, 0)],
    [(5, 1, 0), (5, 2, 0), (5, 4, 0), (5, 2, 0)],
]
TAMINGS = [(above, value, symmetric) for above, values in ((0, (0,)), (1, (0,)), (2, (0, mpf("0.5"), 2))) for value in values
           for symmetric in (0, 1)]


def taming_rows():
    """threshold, value, symmetric, epsilon, limit (0: none), window, the batch before, batch, weights, aggregates, sizes, slopes;
    a NaN where there is none"""
    code = mpf(1e-6)
    for b, batch in enumerate(BATCHES):
        batch, before = [[mpf(x) for x in r] for r in batch], [[mpf(x) for x in r] for r in BATCHES[b - 1]]
        for above, value, symmetric in TAMINGS:
            for epsilon, limit, window in ((0, 0, 0), (code, 5, 0), (0, 0, 1)):
                samples = batch + (before if window else [])
                h = []
                for k in range(3):
                    m = mean([r[k] for r in samples]) + epsilon
                    h.append(over(deviation([r[k] for r in samples], False), m))
                threshold = sum(h) / 3 if above == 0 else sorted(h)[1] if above == 1 else mpf(value)
                # Equal ones are equal whatever a root is rounded to; nothing else may be close.
                tamed = [x > threshold and abs(x - threshold) > mpf(10) ** -40 for x in h]
                assert all(abs(x - threshold) < mpf(10) ** -40 or abs(x - threshold) > mpf(10) ** -9 for x in h)
                for w in WEIGHTS:
                    values, sizes, slopes = [], [], []
                    for r in batch:
                        t, d = [], []
                        for k in range(3):
                            size = abs(r[k]) if symmetric else r[k]
                            sign = -1 if symmetric and r[k] < 0 else 1
                            bad = tamed[k] and size <= -1
                            t.append(mpf(0) if w[k] == 0 else nan if bad else sign * log(1 + size) if tamed[k] else r[k])
                            d.append(mpf(0) if w[k] == 0 else nan if bad else w[k] / (1 + size) if tamed[k] else mpf(w[k]))
                        total, size = sum(x * y for x, y in zip(w, t)), sum(x * abs(y) for x, y in zip(w, t))
                        held = limit != 0 and abs(total) >= limit
                        values.append(total if not held else limit if total > 0 else -mpf(limit))
                        sizes.append(size)
                        slopes += [mpf(0)] * 3 if held else d
                    yield row(str(above), value, str(symmetric), epsilon, limit, str(window), braces(sum(before, [])),
                              braces(sum(batch, [])), braces(w), braces(map(not_a_number, values)), braces(map(not_a_number, sizes)),
                              braces(map(not_a_number, slopes)))


def not_a_number(x):
    return x if x == x else "missing"


# ---- advantages of groups of 4, 1, 0 and 3 scores. Exact in float, the first ones in half and bfloat16.
GROUPS = ((0, 4), (4, 5), (5, 5), (5, 8))
GROUPED = [
    (1, 0, 0, 1, 1, 0, 0, 0), (mpf("0.5"), -3, 2, 0, mpf("0.25"), 1, 1, 1), (0,) * 8, (-2, -1, -2, -1, 5, -4, 0, -3),
    (mpf("0.75"),) * 4 + (mpf("0.125"),) * 4, (256, 258, 256, 257, -256, mpf(2) ** -14, 512, -512),
    tuple(mpf(7340033) / 2 ** 20 for _ in range(8)), (1024, 1024 + mpf(2) ** -13, 1024, 1024 - mpf(2) ** -13, 1, 3, 3, 3 + mpf(2) ** -22),
    (mpf(2) ** 120, -mpf(2) ** 120, 1, 0, 2, mpf(2) ** 126, 0, 1), tuple(mpf(2) ** -140 * x for x in (1, 3, 0, 2, 1, 1, 5, 1)),
]


def each_group(x, f):
    """f(scores of a group), one number per score."""
    return [y for first, end in GROUPS for y in (f(x[first:end]) if end > first else [])]


def whitened(x, sample, epsilon):
    return normal(x, mean(x), deviation(x, sample), epsilon)


def group_rules(x):
    """Number, epsilon, whether the deviation is the sample's, advantages, what multiplies a rounding of a score."""
    top = max(abs(y) for y in x)
    tail = lambda s, e: 0 if s == 0 else top / (s + e)
    per_group = lambda f: each_group(x, lambda g: [f(g)] * len(g))
    centred = each_group(x, lambda g: [y - mean(g) for y in g])
    left_out = each_group(x, lambda g: [y - (sum(g) - y) / (len(g) - 1) if len(g) > 1 else mpf(0) for y in g])
    still = per_group(lambda g: 0 if max(g) == min(g) else top)
    yield 0, 0, 0, centred, still
    yield 1, 0, 0, left_out, still
    for e in (0, mpf(1e-6)):
        yield 2, e, 0, each_group(x, lambda g: [(y - mean(g)) / (mean(g) + e) if mean(g) > 0 else mpf(0) for y in g]), per_group(
            lambda g: 0 if max(g) == min(g) or mean(g) <= 0 else top / mean(g) * (1 + max(abs(y) for y in g) / mean(g)))
    for sample in (0, 1):
        for e in (0, mpf(1e-4)):
            s = deviation(x, sample)
            grpo = each_group(x, lambda g: normal(g, mean(g), deviation(g, sample), e))
            sizes = per_group(lambda g: tail(deviation(g, sample), e))
            yield 3, e, sample, grpo, sizes
            yield 4, e, sample, normal(x, mean(x), s, e), [tail(s, e)] * 8
            yield 5, e, sample, each_group(x, lambda g: normal(g, mean(g), s, e)), [tail(s, e)] * 8
            for number, inner, size in ((6, grpo, max(sizes)), (7, centred, max(still)), (8, left_out, 4 * max(still))):
                d = deviation(inner, sample)
                yield number, e, sample, whitened(inner, sample, e), [0 if d == 0 else size / (d + e) + 1] * 8
            yield 9, e, sample, [max(-mpf("0.75"), min(mpf("0.75"), a)) for a in grpo], sizes


def advantage_rows():
    """rule, epsilon, sample, scores, advantages, sizes"""
    for scores in GROUPED:
        x = [mpf(y) for y in scores]
        for rule, epsilon, sample, a, sizes in group_rules(x):
            yield row(str(rule), epsilon, str(sample), braces(x), braces(a), braces(sizes))


# ---- advantages of ranks: the mean rank of equal scores by sorting, not by counting.
def ranks(g):
    if len(g) < 2:
        return [mpf(0)] * len(g)
    places = sorted(g)
    mean_place = lambda y: mean([mpf(i) for i, z in enumerate(places) if z == y])
    return [2 * mean_place(y) / (len(g) - 1) - 1 for y in g]


def best_worst(g, first):
    if min(g) == max(g):
        return [mpf(0)] * len(g)
    a = [mpf(1) if y == max(g) else -mpf(1) if y == min(g) else mpf(0) for y in g]
    return [mpf(0) if first and y in g[:i] else b for i, (y, b) in enumerate(zip(g, a))]


def rank_rows():
    """rule, scores, advantages"""
    for scores in GROUPED:
        x = [mpf(y) for y in scores]
        yield row("0", braces(x), braces(each_group(x, ranks)))
        for first in (0, 1):
            yield row(str(1 + first), braces(x), braces(each_group(x, lambda g: best_worst(g, first))))


# ---- windows of the last scores: rounds of GROUPED for four windows of five scores
def history_rows():
    """how many scores a window needs, whether the deviation is the sample's, three rounds of scores, the advantages of the last"""
    for i in range(len(GROUPED) - 2):
        rounds = [[mpf(y) for y in GROUPED[i + j]] for j in range(3)]
        for least in (0, 4):
            for sample in (0, 1):
                a, sizes = [], []
                for first, end in GROUPS:
                    window = [y for r in rounds for y in r[first:end]][-5:]
                    if len(window) < least:
                        window = rounds[-1]
                    scores, s = rounds[-1][first:end], deviation(window, sample) if window else mpf(0)
                    a += normal(scores, mean(window) if window else 0, s, mpf(1e-6))
                    sizes += [0 if s == 0 else max(abs(y) for y in window + scores) / (s + mpf(1e-6))] * len(scores)
                yield row(str(least), str(sample), "{" + ", ".join(braces(r) for r in rounds) + "}", braces(a), braces(sizes))


# ---- rules that look at all rewards of a group: three rewards for each of the eight samples. Exact in half and bfloat16.
MULTIPLE = [
    [(1, 0, 2), (0, 0, 3), (1, 1, 2), (0, 1, mpf("0.5")), (1, 0, 0), (0, 0, 4), (1, 0, 1), (0, 0, 2)],
    [(mpf("0.5"), -4, mpf("0.125")), (mpf("0.75"), 8, mpf("0.25")), (1, 0, 0), (0, 3, mpf("0.125")), (1, 1, 1),
     (mpf("0.25"), -2, 0), (mpf("0.25"), 5, 0), (mpf("0.25"), 1, 0)],
    [(1, -1, 64), (3, -3, 64), (2, -2, 64), (6, -6, 64), (0, 0, 0), (-1, 1, 1), (0, 0, 1), (1, -1, 1)],
    [(mpf("0.75"), mpf("0.75"), 3)] * 8,
]
MIXTURES = [(1, 1, 1), (mpf("0.5"), 2, mpf("0.25")), (1, 0, 3)]


def white(a, kept, epsilon, under_root):
    """Over the kept ones, by the sample's deviation."""
    x = [y for y, k in zip(a, kept) if k]
    s = deviation(x, True) if x else mpf(0)
    below = sqrt(s * s + epsilon) if under_root else s + epsilon
    return [mpf(0) if s == 0 or not k else (y - mean(x)) / below for y, k in zip(a, kept)]


def correlation(g, j, k):
    x, y = [r[j] for r in g], [r[k] for r in g]
    below = deviation(x, False) * deviation(y, False)
    return mean([(p - mean(x)) * (q - mean(y)) for p, q in zip(x, y)]) / below if below != 0 else mpf(0)


def adaptive_rules(r, w):
    """Number, parameters, advantages, and what multiplies a rounding: of the soft minimum, what whitening makes of one of a z."""
    live = used(w)
    keep = [1] * 8
    columns = lambda g, k: [x[k] for x in g]
    z = lambda e, sample: each_group(r, lambda g: [list(x) for x in zip(
        *[normal(columns(g, k), mean(columns(g, k)), deviation(columns(g, k), sample), e) for k in range(3)])])
    weighed = lambda x: sum(w[k] * x[k] for k in range(3))
    tiny, code, root = mpf(1e-4), mpf(1e-6), mpf(1e-8)
    yield 0, 0, 0, white([weighed(x) for x in z(tiny, True)], keep, tiny, False)

    def dvao(g):
        below = sum(w[k] * deviation(columns(g, k), False) for k in range(3))
        return [mpf(0) if below <= root else sum(w[k] * (x[k] - mean(columns(g, k))) for k in range(3)) / below for x in g]
    yield 1, 0, 0, each_group(r, dvao)

    for beta in (mpf(2) ** -20, mpf("0.5"), 32):
        soft = [-log(sum(w[k] * exp(-beta * x[k]) for k in live) / sum(w)) / beta for x in z(tiny, True)]
        yield 2, beta, 0, white(soft, keep, tiny, False), 2 / (deviation(soft, True) + tiny)

    groups = [r[first:end] for first, end in GROUPS]
    share = [mean([mpf(1) if g and min(columns(g, k)) != max(columns(g, k)) else mpf(0) for g in groups]) for k in range(3)]
    for most in (mpf("1.25"), 5):
        u = [min(most, sqrt(max(share[l] for l in live) / share[k])) if share[k] else mpf(1) for k in range(3)]
        yield 3, most, 0, white([sum(w[k] * (x[k] + (u[k] - 1) * max(x[k], 0)) for k in live) for x in z(code, True)], keep, root, True)
        yield 3, most, 1, white([sum(w[k] * u[k] * x[k] for k in live) for x in z(code, True)], keep, root, True)

    for agreement, hard in ((mpf("0.25"), 0), (mpf("0.75"), 0), (0, 1)):
        x = z(code, True)
        terms = [[w[k] * y[k] for k in live] for y in x]
        kept = []
        for t in terms:
            conflict = max(t) > root and min(t) < -root
            weak = hard or abs(sum(t)) < agreement * (sum(abs(y) for y in t) + root)
            kept.append(0 if conflict and weak else 1)
        part = each_group(kept, lambda g: [mpf(sum(g)) / len(g)] * len(g))
        a = [sum(t) for t in terms]
        yield 4, agreement, hard, white([y * p for y, p in zip(a, part)], kept, root, True)
        yield 5, agreement, hard, [y * p for y, p in zip(white(a, kept, root, True), part)]

    for least in (0, mpf("0.0625")):
        def corr(g):
            total = sum(correlation(g, j, k) for j in live for k in live)
            # What cancels to nothing does so in double to a few roundings; its root divides a numerator of 0 then or is held.
            below = sqrt(max(total, least)) + code
            return [sum(w[k] * (x[k] - mean(columns(g, k))) for k in live) / below for x in g]
        if least or all(not g or sum(correlation(g, j, k) for j in live for k in live) > mpf("0.001") or all(
                min(columns(g, k)) == max(columns(g, k)) for k in live) for g in groups):
            yield 6, least, 0, each_group(r, corr)


def adaptive_rows():
    """rule, parameter, flag, rewards, weights, advantages, size"""
    for rewards in MULTIPLE:
        r = [[mpf(x) for x in y] for y in rewards]
        for w in MIXTURES:
            w = [mpf(x) for x in w]
            for rule, parameter, flag, a, *size in adaptive_rules(r, w):
                size = max([abs(y) for y in a] + [1] + size)
                yield row(str(rule), parameter, str(flag), braces(sum(r, [])), braces(w), braces(a), size)


def saturation_rows():
    """whether the deviation is the sample's, rewards, weights"""
    for batch in BATCHES[:1] + BATCHES[3:]:
        for sample in (0, 1):
            x = [[mpf(r[k]) for r in batch] for k in range(3)]
            c = [over(deviation(y, sample), abs(mean(y)) + mpf(1e-8)) for y in x]
            yield row(str(sample), braces([mpf(y) for r in batch for y in r]), braces([3 * y / (sum(c) + mpf(1e-8)) for y in c]))


TABLES = {
    "aggregates": aggregate_rows, "tamed": taming_rows, "baselines": baseline_rows, "advantages": advantage_rows,
    "ranks": rank_rows, "history": history_rows, "adaptive": adaptive_rows, "saturation": saturation_rows}
