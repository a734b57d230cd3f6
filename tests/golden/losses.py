# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""Golden tables of the losses: TABLES maps a loss to a function that yields its rows (see make_golden.py).

A loss is given by its textbook formula alone; derivatives are taken numerically at 340 digits, so nothing here shares a
derivation with the library. A row is

    three parameters, the first inputs of the kind (see KINDS), value, its size, and for each of the first inputs the
    derivative by it and its size, and what the kind reports beside (implicit rewards, scores, the margin), with sizes

where a size says what errors are relative to: the magnitude, what rounding each input by a unit would change, and where a
formula adds and subtracts larger terms those terms.
"""
from mpmath import mp, mpf, exp, log, log1p, diff

# The inputs of a kind in the library's order, what they are if an item does not say, how many derivatives a row has, and what
# is reported beside if the loss does not say (the first parameter is beta).
KINDS = {
    "pair": (dict(pc=0, pr=0, rc=0, rr=0, label=1, margin=0, nc=1, nr=1, k0=0, k1=0), 2,
             lambda i, beta=0, *_: (beta * i.a, beta * i.c)),
    "reward_pair": (dict(c=0, r=0, label=1, margin=0, tie=0), 2, lambda i, *_: (i.c - i.r,)),
    "response": (dict(p=0, r=0, label=1, n=1), 1, lambda i, beta=0, *_: (beta * i.e,)),
    "segment_pair": (dict(rc=0, rr=0, vc=0, vr=0, qc=0, qr=0, sc=0, sr=0, ec=0, er=0, label=1), 10, None),
    "scored": (dict(s=0, label=1), 1, lambda i, *_: (mpf(0),)),
    "transition": (dict(policy=0, q=0, v=0, reward=0, ahead=0, terminal=0), 5, None),
    "action": (dict(p=0, old=0, adv=0, r=0, n=1, k0=0), 1, lambda i, *_: (exp(i.p - i.old), mpf(0))),
}

# Log-ratios of chosen and rejected that reach both tails of either at the parameters used; exact in bfloat16 and half.
MODERATE = [(0, 0), (1, -0.5), (-0.5, 2), (8, -6), (-6, 8), (-40, -44), (24, 26)]
FAR = [(96, -96), (-96, 96), (160, 0), (0, 160), (-704, 0), (0, -704), (832, 8), (5632, -5632), (-5632, 5632)]


def softplus(x):
    return x + log1p(exp(-x)) if x > 0 else log1p(exp(x))


def sigmoid(x):
    return 1 / (1 + exp(-x)) if x > 0 else exp(x) / (1 + exp(x))


def ratios(pairs):
    """Items with these log-ratios; the first ones with a reference that is not 0."""
    items = [{"pc": a, "pr": c} for a, c in pairs]
    return items + [{"pc": a - 2, "rc": -2, "pr": c - 1.5, "rr": -1.5} for a, c in pairs if abs(a) + abs(c) < 20]


def with_lengths(items, lengths=((8, 2), (1, 16))):
    return [dict(item, nc=n, nr=m) for item in items for n, m in lengths]


def likelihoods(lengths=((8, 2), (1, 16))):
    """Log-probabilities of responses, at most 0."""
    pairs = [(-1, -2), (-8, -0.5), (-0.0625, -24), (-96, -80), (-704, -8), (-8, -704), (-5632, -1), (-1, -5632)]
    return with_lengths([{"pc": a, "pr": c} for a, c in pairs], lengths)


class Item:
    def __init__(self, fields, x):
        for name, value in zip(fields, x):
            setattr(self, name, value)
        if "pc" in fields:
            self.a, self.c = self.pc - self.rc, self.pr - self.rr
            self.uw, self.ul = self.pc / max(self.nc, 1), self.pr / max(self.nr, 1)
        if "p" in fields:
            self.e = self.p - self.r


def rows(formula, parameters, items, terms=None, slope_terms=None, kind="pair", beside=None, constant=None):
    """`terms` and `slope_terms`: the sizes of what value and d policy_chosen add up, where they exceed the result.
    `constant`: what the formula takes as its last argument and derivatives do not see."""
    from make_golden import number

    fields, derivatives, usual = KINDS[kind]
    beside = beside or usual
    mp.dps = 340  # a slope of 1e-308 beside a value of 1e4
    for parameter in parameters:
        parameter = [mpf(p) for p in parameter]
        for item in items:
            x = [mpf(item.get(name, neutral)) for name, neutral in fields.items()]
            fixed = lambda x: [constant(Item(fields, x), *parameter)] if constant else []
            value = lambda x, at=None: formula(Item(fields, x), *parameter, *fixed(at or x))
            slope = lambda x, k: diff(lambda t: value(x[:k] + [t] + x[k + 1:], x), x[k])

            def size(f):
                moved = lambda k: x[:k] + [x[k] * (1 + mpf("1e-12"))] + x[k + 1:]
                return abs(f(x)) + sum(abs(f(moved(k)) - f(x)) * mpf("1e12") for k in range(len(x)) if x[k] != 0)

            extra = terms(Item(fields, x), *parameter) if terms else 0
            braced = lambda cells: "{" + ", ".join(c if isinstance(c, str) else number(mpf(c)) for c in cells) + "}"
            numbers = [braced([value(x), size(value) + extra])]
            extra = slope_terms(Item(fields, x), *parameter) if slope_terms else 0
            slopes = [braced([slope(x, k), size(lambda y: slope(y, k)) + extra]) for k in range(derivatives)]
            reported = lambda y: beside(Item(fields, y), *parameter)
            rewards = [braced([reported(x)[k], size(lambda y: reported(y)[k])]) for k in range(len(reported(x)))]
            constants = parameter + [mpf(0)] * (3 - len(parameter))
            yield braced([braced(constants), braced(x), *numbers, braced(slopes), braced(rewards)]) + ","
    mp.dps = 50


def exo(i, beta, e):
    q, r = sigmoid(beta * (i.a - i.c)), sigmoid(-beta * (i.a - i.c))
    return q * log(q / (1 - e)) + r * log(r / e)


def exo_terms(i, beta, e):
    q, r = sigmoid(beta * (i.a - i.c)), sigmoid(-beta * (i.a - i.c))
    return abs(q * log(q / (1 - e))) + abs(r * log(r / e))


def discopop(i, beta, tau):
    z = beta * (i.a - i.c)
    m = sigmoid(z / tau)
    return sigmoid(-z / tau) * softplus(-z) + m * exp(-z)


def box_cox(k, x):
    return x if k == 0 else (exp(k * x) - 1) / k


def log_odds(u):
    limit = -mpf(2) ** -30
    tangent = lambda v: v - log(1 - exp(v))
    return tangent(u) if u < limit else tangent(limit) + (u - limit) / (1 - exp(limit))


def clamp(x, clip):
    return min(max(x, log(1 - clip)), log(1 + clip))


def d3po(i, beta, clip):
    h = 2 * i.label - 1
    return softplus(-beta * h * (clamp(i.a, clip) - clamp(i.c, clip)))


def seppo(i, beta, otherwise):
    s = 1 if i.a <= 0 else otherwise
    return softplus(beta / 2 * (i.a - s * i.c))


def ppo(i, low, high, dual):
    ratio = exp(i.p - i.old)
    surrogate = min(ratio * i.adv, min(max(ratio, 1 - low), 1 + high) * i.adv)
    return -max(surrogate, dual * i.adv) if i.adv < 0 else -surrogate


def gspo_item(i):
    """As an action whose ratio is that of the means."""
    mean = Item(dict(old=0, adv=0), [mpf(0), i.adv])
    mean.p = (i.p - i.old) / max(i.n, 1)
    return mean


def ppo_clipped(i, low, high, dual):
    ratio = exp(i.p - i.old)
    return 1 if (i.adv > 0 and ratio > 1 + high) or (i.adv < 0 and (ratio < 1 - low or ratio > dual)) else 0


def gmpo(i, clip):
    tokens = max(i.k0, 1)
    return (i.p - i.old + (i.k0 - i.n) * (clip if i.adv > 0 else -clip)) / tokens


def coins_apart(i):
    one, other = exp(i.old), exp(i.p)
    return one * log(one / other) + (1 - one) * log((1 - one) / (1 - other))


def coins_too_far(i, low, high):
    outwards = (i.adv > 0 and i.p > i.old) or (i.adv < 0 and i.p < i.old)
    return outwards and coins_apart(i) > (high if i.adv > 0 else low)


def aspo_clipped(i, low, high):
    ratio = exp(i.p - i.old)
    return (i.adv > 0 and ratio > 1 + high) or (i.adv < 0 and ratio < 1 - low)


def aspo_weight(i, low, high, most):
    x = i.old - i.p if i.adv > 0 else i.p - i.old
    return 0 if aspo_clipped(i, low, high) else min(exp(x), most)


def moved_too_far(i, low, high):
    moved = exp(i.p) - exp(i.old)
    return (i.adv > 0 and moved > high) or (i.adv < 0 and moved < -low)


def vespo_weight(i):
    k, rate = (3, 2) if i.adv < 0 else (2, 3)
    x = min(max(i.p - i.old, log(mpf("1e-8"))), 20)
    return exp(rate + k * x - rate * exp(x))


def sapo(i, positive, negative):
    tau = positive if i.adv > 0 else negative
    return -i.adv * 4 / tau * sigmoid(tau * (exp(i.p - i.old) - 1))


KL_ESTIMATORS = (
    lambda i: i.p - i.r, lambda i: (i.p - i.r) ** 2 / 2, lambda i: exp(i.r - i.p) - 1 + i.p - i.r)


def cross_entropy(z, p):
    return p * softplus(-z) + (1 - p) * softplus(z)


def kto(i, beta, desirable, baseline):
    x = beta * (i.e - max(0, baseline))
    return i.label * desirable * sigmoid(-x) + (1 - i.label) * sigmoid(x)


def diffusion_kto(i, beta, baseline, utility):
    q = beta * (2 * i.label - 1) * (-i.e - max(0, -baseline))
    return 1 - (sigmoid(q), -softplus(-q), softplus(q))[int(utility)]


def diffusion_kto_terms(i, beta, baseline, utility):
    return 1 + abs(beta * i.e)


def wpo(log_probability, log_collision, length, aligned):
    return (log_probability - aligned * log_collision) / max(length, 1)


def nash_weight(i, tau):
    return i.label - mpf(1) / 2 - tau * i.e


def ipo_md(i, tau, form):
    h = i.a - i.c
    return tau * h ** 2 - (2 * i.label - 1) * (i.pc - i.pr) if form else (h - (2 * i.label - 1) / (2 * tau)) ** 2


def stated(z, label, uniform):
    win, loss = ((1 - uniform) * sigmoid(x) + uniform / 2 for x in (z, -z))
    return -label * log(win) - (1 - label) * log(loss)


def cpl(i, alpha, bias, relative):
    w, l = (i.a, i.c) if relative else (i.pc, i.pr)
    return i.label * softplus(-alpha * (w - bias * l)) + (1 - i.label) * softplus(-alpha * (l - bias * w))


def barrier(s, low, high, edge):
    inside = min(max(s, low + edge), high - edge)
    return -log(high - inside) - log(inside - low) + (s - inside) * (1 / (high - inside) - 1 / (inside - low))


EIGHTH = mpf(1) / 8
SCORES = [dict(c=a, r=b, margin=m) for a, b in ((1, 0.5), (-2, 1), (24, 1), (-24, 1), (96, -8), (-96, -8), (704, 0), (-704, 0),
                                               (5632, -5632), (-5632, 5632), (0.5, 0.5625)) for m in (0, 0.25)]
RESPONSES = [dict(p=e, label=y) for e in (0, 0.5, -0.5, 8, -8, 96, -96, 704, -704, 5632, -5632) for y in (1, 0, 0.5)]
RESPONSES += [dict(p=e - 2, r=-2, label=y) for e in (0.75, -3, 24) for y in (1, 0)]
SEGMENTS = [dict(rc=a, rr=b, vc=b, vr=a / 2, qc=b / 2, qr=-b, sc=a / 4, sr=1, ec=-0.5, er=b / 2, label=y)
            for a, b in ((0, 0), (1, -2), (-3, 2), (24, 20), (-40, 44), (704, -8), (-8, 704), (5632, -5632))
            for y in (1, 0, 0.5)]
Z = ratios(MODERATE + FAR)
SCORED = [dict(s=x, label=y) for x in (0, 0.5, -0.5, 8, -8, 96, -96, 704, -704, 5632, -5632) for y in (1, 0, 0.25)]
STEPS = [dict(policy=p, q=q, v=v, reward=r, ahead=a, terminal=t) for p, q, v, r, a in (
    (-1, 1, 0.5, 0.25, 2), (-24, -0.5, 1, -1, 0.5), (-0.5, 8, 2, 0, 8), (-2, -8, 2, 4, -8), (-96, 24, -16, 0.5, 96),
    (-1, -40, 24, -8, 1), (-3, 704, 0, 1, -704), (-3, 0, 704, 0, 704), (-5632, 5632, -5632, 96, 5632)) for t in (0, 1, 0.25)]
# Log-ratios that reach every bound and both tails; exact in bfloat16 and half. Never on a bound.
ACTIONS = [dict(p=p, old=old, adv=adv, r=r) for p, old, r in (
    (-1, -1, -1), (-1.0625, -1, -1.125), (-1, -1.125, -0.75), (-0.5, -1, -2), (-2, -0.5, -8), (-0.125, -3.5, -24),
    (-24, -0.5, -0.25), (-1, -40, -44), (-96, -1, -2), (-1, -704, -704), (-704, -1, -3))
    for adv in (1.5, -0.75, 0)]
ERRORS = [dict(pc=a, rc=b, pr=c, rr=d) for a, b, c, d in (
    (0.125, 0.125, 0.25, 0.25), (0.25, 0.125, 0.25, 0.375), (0.125, 0.25, 0.5, 0.25), (0.5, 0.25, 0.125, 0.0625),
    (0.0625, 1, 1, 0.0625), (1, 0.0625, 0.0625, 1), (2, 0.5, 0.5, 0.25))]

TABLES = {
    "robust_dpo": lambda: rows(
        lambda i, beta, e: ((1 - e) * softplus(-beta * (i.a - i.c)) - e * softplus(beta * (i.a - i.c))) / (1 - 2 * e),
        [(EIGHTH, 0), (EIGHTH, EIGHTH), (2, 0.375)], Z,
        lambda i, beta, e: (1 - e) * softplus(-beta * (i.a - i.c)) + abs(e * beta * (i.a - i.c)) / (1 - 2 * e)),
    "hinge": lambda: rows(lambda i, beta, m: max(0, m - beta * (i.a - i.c)), [(EIGHTH, 1), (2, -0.5)], Z),
    "ipo": lambda: rows(
        lambda i, tau, mean: ((i.a / i.nc - i.c / i.nr if mean else i.a - i.c) - 1 / (2 * tau)) ** 2,
        [(EIGHTH, 0), (EIGHTH, 1), (2, 1)], with_lengths(ratios(MODERATE + FAR[:5])),
        beside=lambda i, tau, mean: (tau * i.a / i.nc, tau * i.c / i.nr) if mean else (tau * i.a, tau * i.c)),
    "exo": lambda: rows(exo, [(EIGHTH, mpf(2) ** -10), (2, 0.25)], Z, exo_terms),
    "nca": lambda: rows(
        lambda i, b: softplus(-b * i.a) + softplus(b * i.a) / 2 + softplus(b * i.c) / 2, [(EIGHTH,), (2,)], Z),
    "sppo": lambda: rows(
        lambda i, b: (i.a - 1 / (2 * b)) ** 2 + (i.c + 1 / (2 * b)) ** 2, [(EIGHTH,), (mpf(2) ** -10,)], Z),
    "apo_zero": lambda: rows(lambda i, b: sigmoid(-b * i.a) + sigmoid(b * i.c), [(EIGHTH,), (2,)], Z),
    "apo_down": lambda: rows(
        lambda i, b: sigmoid(b * i.a) + sigmoid(-b * (i.a - i.c)), [(EIGHTH,), (2,)], Z,
        slope_terms=lambda i, b: b * sigmoid(b * i.a) * sigmoid(-b * i.a)),
    "discopop": lambda: rows(discopop, [(EIGHTH, 0.0625), (2, 0.5)], Z),
    "dpop": lambda: rows(
        lambda i, b, l: softplus(-b * (i.a - i.c - l * max(0, -i.a))), [(EIGHTH, 48), (2, 0.5)],
        [x for x in Z if x["pc"] != x.get("rc", 0)]),
    "r_dpo": lambda: rows(
        lambda i, b, alpha: softplus(-(b * (i.a - i.c) + alpha * (i.nc - i.nr))), [(EIGHTH, 0.25), (2, -0.5)],
        with_lengths(Z)),
    "length_normalized_dpo": lambda: rows(
        lambda i, b: softplus(-b * (i.a / i.nc - i.c / i.nr)), [(4,)], with_lengths(Z),
        beside=lambda i, b: (b * i.a / i.nc, b * i.c / i.nr)),
    "alpha_dpo": lambda: rows(
        lambda i, b, alpha: softplus(-b * (box_cox(alpha - 1, i.a) - box_cox(alpha - 1, i.c))),
        [(EIGHTH, 0.5), (EIGHTH, 1), (EIGHTH, 0), (0.5, 2)],
        ratios(MODERATE + [(96, 98), (-86, -88), (-96, 96), (160, 0), (-300, -304)]),
        beside=lambda i, b, alpha: (b * box_cox(alpha - 1, i.a), b * box_cox(alpha - 1, i.c))),
    "js_dpo": lambda: rows(
        lambda i, b: softplus(-b * (softplus(-i.c) - softplus(-i.a))), [(EIGHTH,), (2,)], Z,
        beside=lambda i, b: (-b * softplus(-i.a), -b * softplus(-i.c))),
    "nll": lambda: rows(
        lambda i, mean: -i.uw if mean else -i.pc, [(1,), (0,)], likelihoods(),
        beside=lambda i, mean: (mpf(0), mpf(0))),
    "simpo": lambda: rows(
        lambda i, b, g, s: (1 - s) * softplus(g - b * (i.uw - i.ul)) + s * softplus(b * (i.uw - i.ul) - g),
        [(2, 1, 0), (4, 0.25, EIGHTH)], likelihoods(),
        beside=lambda i, b, g, s: (b * i.uw, b * i.ul)),
    "alphapo": lambda: rows(
        lambda i, b, g, alpha: softplus(g - b * (box_cox(-alpha, i.uw) - box_cox(-alpha, i.ul))),
        [(2, 0.125, 0.25), (2, 1, 0), (2, 1, -0.5)], [x for x in likelihoods() if x["pc"] > -2000],
        beside=lambda i, b, g, alpha: (b * box_cox(-alpha, i.uw), b * box_cox(-alpha, i.ul))),
    "cpo": lambda: rows(
        lambda i, b, w, s: (1 - s) * softplus(-b * (i.pc - i.pr)) + s * softplus(b * (i.pc - i.pr)) - w * i.uw,
        [(EIGHTH, 1, 0), (2, 0.5, EIGHTH), (EIGHTH, 0, 0)], likelihoods(),
        beside=lambda i, b, w, s: (b * i.pc, b * i.pr)),
    "orpo": lambda: rows(
        lambda i, l: -i.uw + l * softplus(log_odds(i.ul) - log_odds(i.uw)), [(EIGHTH,), (2,)],
        likelihoods() + [{"pc": -mpf(2) ** -24, "pr": -4}, {"pc": -2, "pr": -mpf(2) ** -20}, {"pc": 0, "pr": -1},
                         {"pc": -1, "pr": 0}, {"pc": 0, "pr": 0}],
        beside=lambda i, l: (l * i.uw, l * i.ul)),
    "simper": lambda: rows(
        lambda i: exp(i.ul) - exp(i.uw), [()], likelihoods(),
        beside=lambda i: (exp(i.uw), exp(i.ul))),
    "slic": lambda: rows(
        lambda i, d, w: max(0, d - i.pc + i.pr) - w * i.pc, [(1.25, EIGHTH), (16, 0)], likelihoods(((1, 1),)),
        beside=lambda i, d, w: (i.pc, i.pr)),
    "tdpo": lambda: rows(
        lambda i, b, alpha: softplus(-b * (i.a - i.c - alpha * (i.k1 - i.k0))), [(EIGHTH, 0.5), (2, 1)],
        [dict(x, k0=1.5, k1=k) for x in Z for k in (0, 24)]),
    "bco": lambda: rows(
        lambda i, b, s: softplus(s - b * i.a) + softplus(b * i.c - s), [(EIGHTH, 0), (2, -3), (2, 0.5)], Z),
    "mean_reward": lambda: rows(lambda i, b: b * (i.a + i.c) / 2, [(EIGHTH,)], Z),
    "d3po": lambda: rows(
        d3po, [(EIGHTH, EIGHTH), (8, 0.25)],
        [dict(x, label=y) for x in ratios([(0.0625, -0.0625), (-0.03125, 0.09375), (0.0625, -3), (3, 0.015625), (-3, 3),
                                           (704, -704), (-5632, 5632), (0, 0)]) for y in (1, 0, 0.5)]),
    "diffusion_dpo": lambda: rows(
        lambda i, b: softplus(b / 2 * (i.a - i.c)), [(4096,), (4,)], ERRORS,
        beside=lambda i, b: (-b / 2 * i.a, -b / 2 * i.c)),
    "seppo": lambda: rows(
        seppo, [(4096, -1), (4, -1), (4, 0)], ERRORS,
        beside=lambda i, b, o: (-b / 2 * i.a, -b / 2 * i.c)),
    "kto": lambda: rows(kto, [(EIGHTH, 1, 0), (2, 1.5, 0.25), (2, 1.5, -3)], RESPONSES, kind="response"),
    "mean_log_ratio": lambda: rows(
        lambda i: i.e, [()], RESPONSES, kind="response",
        beside=lambda i: (mpf(0),)),
    "diffusion_kto": lambda: rows(
        diffusion_kto, [(EIGHTH, 0, 0), (2, -0.25, 0), (EIGHTH, 0, 1), (2, 1, 1), (EIGHTH, 0, 2), (2, -0.25, 2)],
        [x for x in RESPONSES if x["label"] != 0.5], diffusion_kto_terms, kind="response",
        beside=lambda i, b, baseline, utility: (-b * i.e,)),
    "bco_unpaired": lambda: rows(
        lambda i, b, shift: cross_entropy(b * i.e - shift, i.label), [(EIGHTH, 0), (2, -3), (2, 0.5)], RESPONSES,
        kind="response"),
    "sppo_soft": lambda: rows(
        lambda i, b: (i.e - (i.label - 0.5) / b) ** 2, [(EIGHTH,), (mpf(2) ** -10,)], RESPONSES, kind="response"),
    "nash_md_pg": lambda: rows(
        lambda i, tau, w: -w * i.p, [(EIGHTH,), (mpf(2) ** -7 * 3,), (0,)], RESPONSES, kind="response", constant=nash_weight,
        beside=lambda i, tau: (nash_weight(i, tau),)),
    "reinforce": lambda: rows(lambda i: -i.p, [()], RESPONSES, kind="response", beside=lambda i: (mpf(0),)),
    "ipo_md": lambda: rows(
        ipo_md, [(EIGHTH, 0), (1.375, 0), (1.375, 1)], [dict(x, label=y) for x in Z for y in (1, 0.375, 0)],
        lambda i, tau, form: form * abs((2 * i.label - 1) * (i.pc - i.pr)),
        slope_terms=lambda i, tau, form: form * abs(2 * tau * (i.a - i.c)),
        beside=lambda i, tau, form: (tau * i.a, tau * i.c)),
    "egpo_pair": lambda: rows(
        lambda i, b: (i.a - i.c - (i.k0 - i.k1) / b) ** 2, [(EIGHTH,), (1.375,)],
        [dict(x, k0=p, k1=q) for x in Z for p, q in ((1, 0), (0.375, 0.875))]),
    "rebel": lambda: rows(
        lambda i, eta: (eta * (i.a - i.c) - (i.k0 - i.k1)) ** 2, [(1,), (EIGHTH,)],
        [dict(x, k0=p, k1=q) for x in Z for p, q in ((1, 0), (0.375, 0.875))],
        beside=lambda i, eta: (eta * i.a, eta * i.c)),
    "inpo_pair": lambda: rows(
        lambda i, eta, tau: (i.pc - i.pr - tau / eta * (i.rc - i.rr) - (eta - tau) / eta * (i.k0 - i.k1)
                             - (2 * i.label - 1) / (2 * eta)) ** 2,
        [(EIGHTH, 0.046875), (1.375, 0), (0.25, 0.25)],
        [dict(x, k0=k, k1=l, label=y) for x in Z for k, l in ((0, 0), (-1.5, 0.75)) for y in (1, 0.375)],
        beside=lambda i, eta, tau: (eta * (i.pc - i.k0) + tau * (i.k0 - i.rc), eta * (i.pr - i.k1) + tau * (i.k1 - i.rr))),
    "cpl": lambda: rows(
        cpl, [(EIGHTH, 0.5, 0), (2, 1, 0), (EIGHTH, 0.75, 1)], [dict(x, label=y) for x in Z for y in (1, 0.25)],
        beside=lambda i, alpha, bias, relative: (alpha * i.a, alpha * i.c) if relative else (alpha * i.pc, alpha * i.pr)),
    "partial_return": lambda: rows(
        lambda i, b, u: stated(b * (i.rc - i.rr), i.label, u), [(1, 0), (EIGHTH, 0.25), (1, mpf(2) ** -20)], SEGMENTS,
        kind="segment_pair",
        beside=lambda i, b, u: (i.rc, i.rr)),
    "regret": lambda: rows(
        lambda i, b, u: stated(b * ((i.qc - i.vc) - (i.qr - i.vr)), i.label, u), [(1, 0), (EIGHTH, 0.25)], SEGMENTS,
        kind="segment_pair",
        beside=lambda i, b, u: (i.qc - i.vc, i.qr - i.vr)),
    "weighted_return": lambda: rows(
        lambda i, r, e, s: stated(r * (i.rc - i.rr) + e * (i.ec - i.er) - s * (i.sc - i.sr), i.label, mpf(0)),
        [(1, 1, 1), (0.5, 2, -0.25)], SEGMENTS, kind="segment_pair",
        beside=lambda i, r, e, s: (r * i.rc + e * i.ec - s * i.sc, r * i.rr + e * i.er - s * i.sr)),
    "focal_ranking": lambda: rows(
        lambda i, g: (1 - 2 * max(0, sigmoid(i.c - i.r - i.margin) - mpf(1) / 2)) ** g * softplus(-(i.c - i.r - i.margin))
        if i.c - i.r - i.margin < 0 else (2 * sigmoid(-(i.c - i.r - i.margin))) ** g * softplus(-(i.c - i.r - i.margin)),
        [(2,), (0.5,), (0,)], SCORES, kind="reward_pair"),
    "score_barrier": lambda: rows(
        lambda i, low, high, edge: barrier(i.c, low, high, edge) + barrier(i.r, low, high, edge),
        [(-5, 5, mpf(2) ** -10), (-2, 3, 0.5)],
        [dict(c=a, r=b) for a, b in ((0.25, -1), (4, -4.5), (4.96875, 1), (7, -96), (-704, 3), (1.5, 2.75), (-1.75, 2.25))],
        lambda i, low, high, edge: sum(abs(barrier(x, low, high, edge)) + 4 for x in (i.c, i.r)), kind="reward_pair",
        slope_terms=lambda i, low, high, edge: 2 / edge if max(abs(i.c), abs(i.r)) > 3 else 4),
    "score_hinge": lambda: rows(
        lambda i, t: max(0, t - (i.c - i.r - i.margin)), [(1.0625,), (-0.5,)], SCORES, kind="reward_pair"),
    "iql_value": lambda: rows(
        lambda i, tau: (tau if i.q > i.v else 1 - tau) * (i.q - i.v) ** 2, [(0.75,), (0.125,)], STEPS, kind="transition",
        beside=lambda i, tau: (i.q - i.v, mpf(0))),
    "temporal_difference": lambda: rows(
        lambda i, d: (i.reward + d * (1 - i.terminal) * i.ahead - i.q) ** 2, [(0.9375,), (1,), (0,)], STEPS, kind="transition",
        beside=lambda i, d: (i.reward + d * (1 - i.terminal) * i.ahead - i.q, mpf(0))),
    "value_temporal_difference": lambda: rows(
        lambda i, d: (i.reward + d * (1 - i.terminal) * i.ahead - i.v) ** 2, [(0.9375,), (1,), (0,)], STEPS, kind="transition",
        beside=lambda i, d: (i.reward + d * (1 - i.terminal) * i.ahead - i.v, mpf(0))),
    "iql_policy": lambda: rows(
        lambda i, b, most: -min(exp(b * (i.q - i.v)), most) * i.policy, [(3, 100), (0.125, 4), (0, 2)], STEPS, kind="transition",
        beside=lambda i, b, most: (mpf(0), min(exp(b * (i.q - i.v)), most))),
    "ppo": lambda: rows(
        ppo, [(0.25, 0.25, 1e9), (0.125, 0.5, 3)], [a for a in ACTIONS if a["p"] - a["old"] < 20], kind="action",
        beside=lambda i, *p: (exp(i.p - i.old), ppo_clipped(i, *p))),
    "gspo": lambda: rows(
        lambda i, low, high: ppo(gspo_item(i), low, high, mpf(10) ** 400), [(0.25, 0.25), (0.0625, 0.125)],
        [dict(a, n=n) for a in ACTIONS for n in (1, 16, 0) if a["p"] - a["old"] < 20 * max(n, 1)], kind="action",
        beside=lambda i, *p: (exp((i.p - i.old) / max(i.n, 1)), ppo_clipped(gspo_item(i), *p, mpf(10) ** 400))),
    "luspo": lambda: rows(
        lambda i, low, high: max(i.n, 1) * ppo(gspo_item(i), low, high, mpf(10) ** 400), [(0.25, 0.25), (0.0625, 0.125)],
        [dict(a, n=n) for a in ACTIONS for n in (1, 16, 0) if a["p"] - a["old"] < 20 * max(n, 1)], kind="action",
        beside=lambda i, *p: (exp((i.p - i.old) / max(i.n, 1)), ppo_clipped(gspo_item(i), *p, mpf(10) ** 400))),
    "gspo_token": lambda: rows(
        lambda i, low, high, old: ppo(Item(dict(p=0, old=0, adv=0, r=0), [log(i.k0) + i.p - old, 0, i.adv, 0]), low, high,
                                      mpf(10) ** 400), [(0.25, 0.25), (0.0625, 0.125)],
        [dict(p=p, adv=a, k0=k) for p in (-0.125, -24) for a in (1.5, -0.75, 0) for k in (1, 1.03125, 0.96875, 1.1875, 0.5, 8)],
        kind="action", constant=lambda i, *p: i.p,
        beside=lambda i, *p: (i.k0, ppo_clipped(Item(dict(p=0, old=0, adv=0, r=0), [log(i.k0), 0, i.adv, 0]), *p,
                                                mpf(10) ** 400))),
    "gmpo": lambda: rows(
        lambda i, clip: -i.adv * exp(gmpo(i, clip)), [(0.375,), (0,)],
        [dict(a, n=n, k0=k) for a in ACTIONS for n, k in ((1, 1), (3, 4), (16, 64), (0, 2), (0, 0))
         if abs(a["p"] - a["old"]) < 20 * max(n, 1)], kind="action",
        beside=lambda i, clip: (exp(gmpo(i, clip)), mpf(0))),
    "policy_gradient": lambda: rows(lambda i: -i.adv * i.p, [()], ACTIONS, kind="action"),
    "cispo": lambda: rows(
        lambda i, least, most, w: -w * i.adv * i.p, [(0, 5), (0.75, 1.25)], ACTIONS, kind="action",
        beside=lambda i, least, most: (exp(i.p - i.old), 1 if not least <= exp(i.p - i.old) <= most else 0),
        constant=lambda i, least, most: min(max(exp(i.p - i.old), least), most)),
    "topr": lambda: rows(
        lambda i, w: -w * i.adv * i.p, [()], ACTIONS, kind="action",
        constant=lambda i: 1 if i.adv > 0 else min(exp(i.p - i.old), 1)),
    "dppo": lambda: rows(
        lambda i, low, high, w: -w * i.adv * i.p, [(0.25, 0.125), (0.0625, 0.5)], ACTIONS, kind="action",
        beside=lambda i, low, high: (exp(i.p - i.old), 1 if moved_too_far(i, low, high) else 0),
        constant=lambda i, low, high: 0 if moved_too_far(i, low, high) else min(exp(i.p - i.old), 20)),
    "dppo_kl": lambda: rows(
        lambda i, low, high, w: -w * i.adv * i.p, [(0.0625, 0.03125), (0.25, 0.5)], ACTIONS, kind="action",
        beside=lambda i, low, high: (exp(i.p - i.old), 1 if coins_too_far(i, low, high) else 0),
        constant=lambda i, low, high: 0 if coins_too_far(i, low, high) else min(exp(i.p - i.old), 20)),
    "aspo": lambda: rows(
        lambda i, low, high, most, w: -w * i.adv * i.p, [(0.25, 0.25, 3), (0.0625, 0.5, 1.5)], ACTIONS, kind="action",
        beside=lambda i, low, high, most: (exp(i.p - i.old), 1 if aspo_clipped(i, low, high) else 0),
        constant=aspo_weight),
    "dro": lambda: rows(
        lambda i, tau: -i.adv * i.p + tau / 2 * (i.p - i.old) ** 2, [(EIGHTH,), (2,), (0,)], ACTIONS,
        lambda i, tau: abs(i.adv * i.p), kind="action",
        slope_terms=lambda i, tau: abs(i.adv)),
    "a_star_po": lambda: rows(
        lambda i, b: (b * (i.p - i.r) - i.adv) ** 2, [(mpf(2) ** -10,), (0.5,)], ACTIONS, kind="action"),
    "flow_rl": lambda: rows(
        lambda i, b, most, w: w * (i.k0 + i.p / max(i.n, 1) - b * i.adv - i.r / max(i.n, 1)) ** 2, [(15, 8), (0.5, 2)],
        [dict(a, n=n, k0=k) for a in ACTIONS for n, k in ((1, 0.5), (16, -4), (0, 24))], kind="action",
        constant=lambda i, b, most: min(exp(i.p - i.old), most)),
    "vespo": lambda: rows(
        lambda i, w: -w * i.adv * i.p, [()], ACTIONS, kind="action", constant=lambda i: vespo_weight(i)),
    "sapo": lambda: rows(sapo, [(1, 1.0625), (0.5, 2)], ACTIONS, kind="action"),
    "policy_kl": lambda: rows(lambda i, k: KL_ESTIMATORS[int(k) - 1](i), [(1,), (2,), (3,)], ACTIONS, kind="action"),
    "kl_cov": lambda: rows(
        lambda i, c: c * i.k0 * abs(i.p - i.old) - i.adv * exp(i.p - i.old), [(1,), (0.25,)],
        [dict(a, k0=k) for a in ACTIONS for k in (1, 0) if a["p"] - a["old"] < 20],
        lambda i, c: abs(c * i.k0 * (i.p - i.old)) + abs(i.adv * exp(i.p - i.old)), kind="action",
        slope_terms=lambda i, c: c * i.k0 + abs(i.adv * exp(i.p - i.old))),
    "kl_mixed_reinforce": lambda: rows(
        lambda i, a, k: a * KL_ESTIMATORS[int(k) - 1](i) - (1 - a) * i.adv * i.p,
        [(EIGHTH, 1), (0.5, 2), (0.75, 3), (0, 2)], ACTIONS,
        lambda i, a, k: abs(a * KL_ESTIMATORS[int(k) - 1](i)) + abs((1 - a) * i.adv * i.p), kind="action",
        slope_terms=lambda i, a, k: abs((1 - a) * i.adv) + a * abs([1, i.p - i.r, 1 - exp(i.r - i.p)][int(k) - 1])),
    "unbiased_policy_kl": lambda: rows(
        lambda i: exp(i.p - i.old) * (exp(i.r - i.p) - 1 + i.p - i.r), [()], ACTIONS, kind="action"),
    "reward_hinge": lambda: rows(lambda i, t: max(0, t - i.s), [(2,), (-0.25,)], SCORED, kind="scored"),
    "reward_linear": lambda: rows(lambda i, a, b: b + a * i.s, [(-1, 0), (0.375, -2)], SCORED, kind="scored"),
    "adversarial_hinge": lambda: rows(
        lambda i, m: i.label * max(0, m - i.s) + (1 - i.label) * max(0, m + i.s), [(1,), (0.375,), (40,)], SCORED, kind="scored"),
    "binary_cross_entropy": lambda: rows(
        lambda i, w, shift: w * i.label * softplus(-i.s - shift) + (1 - i.label) * softplus(i.s + shift),
        [(1, 0), (EIGHTH, 0), (4, 2.5)], SCORED, kind="scored", beside=lambda i, w, shift: (sigmoid(i.s),),
        slope_terms=lambda i, w, shift: w * i.label * sigmoid(-i.s - shift) + (1 - i.label) * sigmoid(i.s + shift)),
    "wpo_weight": lambda: rows(
        lambda i, aligned, most: min(exp(wpo(i.pc, i.rc, i.nc, aligned) + wpo(i.pr, i.rr, i.nr, aligned)), most),
        [(1, 1000), (0, 1000), (1, 1)],
        [dict(x, rc=-a, rr=-b) for x in likelihoods(((8, 2), (1, 16), (0, 3))) for a, b in ((0.5, 4), (24, 1))],
        beside=lambda i, aligned, most: (exp(wpo(i.pc, i.rc, i.nc, aligned)), exp(wpo(i.pr, i.rr, i.nr, aligned)))),
}
