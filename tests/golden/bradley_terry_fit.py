# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""Writes golden/bradley_terry_fit.inc: maximum-likelihood fits and their errors, to 40 digits.

Independent of the library: likelihoods are the textbook probabilities, all derivatives are central differences at 130
digits, and the linear algebra is dense, in coordinates without the redundant one. Run it as
bradley_terry_fit.py [--check]; --check compares with the stored table.
"""
import pathlib
import sys

from mpmath import mp, mpf, exp, log, matrix, nstr, sqrt, lu_solve

mp.dps = 130
STEP = mpf(10) ** -32

JOURNALS = [[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]]
BASEBALL = [[0, 7, 9, 7, 7, 9, 11], [6, 0, 7, 5, 11, 9, 9], [4, 6, 0, 7, 7, 8, 12], [6, 8, 6, 0, 6, 7, 10], [6, 2, 6, 7, 0, 7, 12],
            [4, 4, 5, 6, 6, 0, 6], [2, 4, 1, 3, 1, 7, 0]]
# Made up for the tie models and the newcomer; nothing is claimed about the world.
TIES = [[0, 40, 95, 30], [40, 0, 22, 9], [95, 22, 0, 51], [30, 9, 51, 0]]
NEWCOMER = [[0, 87000, 101000, 117000, 21], [80000, 0, 97000, 110000, 0], [65000, 70000, 0, 91000, 0], [50000, 57000, 75000, 0, 0],
            [19, 0, 0, 0, 0]]


def probabilities(model, d, t):
    """P(win), P(loss), P(tie) of an item that is d ahead."""
    if model == "rao_kupper":
        a, b, theta = exp(d), mpf(1), exp(t)
        win, loss = a / (a + theta * b), b / (b + theta * a)
        return win, loss, (theta * theta - 1) * a * b / ((a + theta * b) * (b + theta * a))
    if model == "davidson":
        a, b, m = exp(d), mpf(1), exp(t) * exp(d / 2)
        return a / (a + b + m), b / (a + b + m), m / (a + b + m)
    a = exp(d)
    return a / (a + 1), 1 / (a + 1), sqrt(a) / (a + 1)  # a tie is half a win and half a loss


class Fit:
    """Ratings with the last one 0 (or all, with a prior), then the tie parameter (eta or log nu) if there is one."""

    def __init__(self, wins, ties=None, model="half", precision=0, count=0):
        self.n, self.model, self.precision, self.count = len(wins), model, mpf(precision), mpf(count)
        self.prior = precision > 0 or count > 0
        self.free = self.n if self.prior else self.n - 1
        self.size = self.free + (1 if model != "half" else 0)
        self.pairs = [(i, j, wins[i][j], wins[j][i], ties[i][j] if ties else 0) for i in range(self.n) for j in range(i)]
        x = [mpf(0)] * self.size
        if model != "half":
            x[-1] = mpf("0.3") if model == "rao_kupper" else mpf("-1")
        for _ in range(60):
            g, h = self.derivatives(x)
            step = lu_solve(h, -g)
            largest = max(abs(s) for s in step)
            scale = min(mpf(1), 1 / largest)
            x = [a + scale * s for a, s in zip(x, step)]
            if largest < mpf(10) ** -50:
                break
        else:
            raise RuntimeError("no convergence")
        self.x = x
        self.h = self.derivatives(x)[1]

    def rating(self, x, i):
        return x[i] if i < self.free else mpf(0)

    def pair_loss(self, d, t, won, lost, tied):
        p = probabilities(self.model, d, t)
        return -sum(c * log(q) for c, q in zip((won, lost, tied), p) if c)

    def derivatives(self, x):
        """Gradient and curvature, pair by pair in (d, t)."""
        t = x[-1] if self.model != "half" else mpf(0)
        g, h = matrix(self.size, 1), matrix(self.size, self.size)
        for i, j, won, lost, tied in self.pairs:
            if won + lost + tied == 0:
                continue
            d = self.rating(x, i) - self.rating(x, j)
            f = {(a, b): self.pair_loss(d + a * STEP, t + b * STEP, won, lost, tied) for a in (-1, 0, 1) for b in (-1, 0, 1)
                 if self.model != "half" or b == 0}
            gd, hdd = (f[1, 0] - f[-1, 0]) / (2 * STEP), (f[1, 0] - 2 * f[0, 0] + f[-1, 0]) / STEP**2
            where = [(k, s) for k, s in ((i, 1), (j, -1)) if k < self.free]
            for k, s in where:
                g[k] += s * gd
                for l, r in where:
                    h[k, l] += s * r * hdd
            if self.model != "half":
                cross = (f[1, 1] - f[1, -1] - f[-1, 1] + f[-1, -1]) / (4 * STEP**2)
                for k, s in where:
                    h[k, self.size - 1] += s * cross
                    h[self.size - 1, k] += s * cross
                g[self.size - 1] += (f[0, 1] - f[0, -1]) / (2 * STEP)
                h[self.size - 1, self.size - 1] += (f[0, 1] - 2 * f[0, 0] + f[0, -1]) / STEP**2
        for i in range(self.n if self.prior else 0):
            loss = lambda r: self.precision * r * r / 2 - self.count * (log(1 / (1 + exp(-r))) + log(1 / (1 + exp(r))))
            low, mid, high = (loss(x[i] + s * STEP) for s in (-1, 0, 1))
            g[i] += (high - low) / (2 * STEP)
            h[i, i] += (high - 2 * mid + low) / STEP**2
        return g, h

    def loss(self):
        t = self.x[-1] if self.model != "half" else mpf(0)
        return sum(self.pair_loss(self.rating(self.x, i) - self.rating(self.x, j), t, w, l, m) for i, j, w, l, m in self.pairs)

    def ratings(self, anchor=None):
        r = [self.rating(self.x, i) for i in range(self.n)]
        if anchor is not None:
            return [a - r[anchor] for a in r]
        return r if self.prior else [a - sum(r) / self.n for a in r]

    def tie(self):
        return self.x[-1] if self.model == "rao_kupper" else exp(self.x[-1])

    def covariance(self, sandwich):
        c = self.h**-1
        if not sandwich:
            return c
        t, meat = (self.x[-1] if self.model != "half" else mpf(0)), matrix(self.size, self.size)
        for i, j, *games in self.pairs:
            d = self.rating(self.x, i) - self.rating(self.x, j)
            for k, count in enumerate(games):
                if count == 0:
                    continue
                one = [0, 0, 0]
                one[k] = 1
                score = matrix(self.size, 1)
                slope = (self.pair_loss(d + STEP, t, *one) - self.pair_loss(d - STEP, t, *one)) / (2 * STEP)
                for item, s in ((i, 1), (j, -1)):
                    if item < self.free:
                        score[item] += s * slope
                if self.model != "half":
                    score[self.size - 1] = (self.pair_loss(d, t + STEP, *one) - self.pair_loss(d, t - STEP, *one)) / (2 * STEP)
                meat += count * score * score.T
        return c * meat * c

    def errors(self, sandwich=False, anchor=None):
        c = self.covariance(sandwich)
        out = []
        for i in range(self.n):
            v = matrix(self.size, 1)
            if i < self.free:
                v[i] += 1
            if anchor is not None and anchor < self.free:
                v[anchor] -= 1
            if anchor is None and not self.prior:
                for k in range(self.free):
                    v[k] -= mpf(1) / self.n
            out.append(sqrt(abs((v.T * c * v)[0])))
        return out

    def tie_error(self, sandwich=False):
        return sqrt(self.covariance(sandwich)[self.size - 1, self.size - 1])


def numbers(name, values):
    cells = "".join(f"\n    {nstr(v, 40, min_fixed=0, max_fixed=0)}L," for v in values)
    return f"inline constexpr long double {name}[] = {{{cells}\n}};"


def counts(name, rows):
    cells = "".join("\n    " + " ".join(f"{c}," for c in r) for r in rows)
    return f"inline constexpr double {name}[] = {{{cells}\n}};"


def table():
    lines = ["// Made by golden/bradley_terry_fit.py; do not edit.", "// clang-format off"]
    lines += [counts("journals_wins", JOURNALS), counts("baseball_wins", BASEBALL), counts("journals_ties", TIES), counts("newcomer_wins", NEWCOMER)]
    f = Fit(JOURNALS)
    lines += [numbers("journals_ratings", f.ratings(0)), numbers("journals_loss", [f.loss()]), numbers("journals_errors", f.errors(False, 0)),
              numbers("journals_sandwich", f.errors(True, 0)), numbers("journals_zero_sum_errors", f.errors())]
    f = Fit(BASEBALL)
    lines += [numbers("baseball_ratings", f.ratings(6)), numbers("baseball_loss", [f.loss()]), numbers("baseball_errors", f.errors(False, 6))]
    f = Fit([[0, 2, 0], [0, 0, 1], [1, 0, 0]])
    lines += [numbers("choix_ratings", f.ratings())]
    for model in ("half", "rao_kupper", "davidson"):
        f = Fit(JOURNALS, TIES, model)
        lines += [numbers(f"{model}_ratings", f.ratings()), numbers(f"{model}_loss", [f.loss()]), numbers(f"{model}_errors", f.errors()),
                  numbers(f"{model}_sandwich", f.errors(True))]
        if model != "half":
            lines += [numbers(f"{model}_tie", [f.tie()]), numbers(f"{model}_tie_errors", [f.tie_error(), f.tie_error(True)])]
    for name, precision, count in (("ridge", 2, 0), ("pseudo", 0, mpf("1.5")), ("both_priors", mpf("0.5"), 3)):
        f = Fit(JOURNALS, TIES, "davidson", precision, count)
        lines += [numbers(f"{name}_ratings", f.ratings()), numbers(f"{name}_tie", [f.tie()]), numbers(f"{name}_errors", f.errors())]
    f = Fit(NEWCOMER)
    lines += [numbers("newcomer_ratings", f.ratings()), numbers("newcomer_errors", f.errors()), numbers("newcomer_sandwich", f.errors(True)),
              numbers("newcomer_anchor_errors", f.errors(False, 0))]
    lines += ["// clang-format on"]
    return "\n".join(["// SPDX-FileCopyrightText: 2026 the prefer authors", "// SPDX-License-Identifier: Apache-2.0"] + lines) + "\n"


if __name__ == "__main__":
    path = pathlib.Path(__file__).with_suffix(".inc")
    if "--check" in sys.argv[1:]:
        sys.exit(0 if path.read_text() == table() else "bradley_terry_fit.inc is not what this script writes")
    path.write_text(table())
