# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden tables of the tests: make_golden.py FOLDER.

Every table is computed at 50 digits from the textbook formula, never from the form that the library uses. Inputs are exact
in float32, and where a table says so in bfloat16 and half too, so that one row serves every storage type. A new
algorithm adds one function to TABLES.
"""
import functools
import multiprocessing
import pathlib
import struct
import sys

from mpmath import mp, mpf, exp, expm1, log, log1p, tanh, nstr

mp.dps = 50


def f32(x):
    """The float32 nearest to x, exactly."""
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def number(x):
    """A C++ long double literal of 25 digits."""
    if abs(x) < mpf(10) ** -4900:  # below every long double, and every number that is compared with it
        x = mpf(0)
    return nstr(x, 25, min_fixed=0, max_fixed=0) + "L"


def braces(cells):
    return "{" + ", ".join(c if isinstance(c, str) else number(mpf(c)) for c in cells) + "}"


def row(*cells):
    return braces(cells) + ","


def softplus(x):
    return x + log1p(exp(-x)) if x > 0 else log1p(exp(x))


def sigmoid(x):
    return 1 / (1 + exp(-x)) if x > 0 else exp(x) / (1 + exp(x))


def math_rows():
    """function, x, f(x)"""
    wide = [s * mpf(2) ** k * m for k in range(-140, 128, 3) for m in (1, mpf("1.3125"), mpf("1.9375")) for s in (1, -1)]
    near = [f32(mpf(i) / 64) for i in range(-400, 401)]
    tails = [f32(x) for x in (-745, -709, -708, -104, -103.5, -103, -89, -88, -87.5, 87.5, 88, 88.7, 89, 709, 710, 36, 37, 16, 17)]
    functions = {
        "exp": (exp, lambda x: x < 710),
        "expm1": (expm1, lambda x: x < 710),
        "log": (log, lambda x: x > 0),
        "log1p": (log1p, lambda x: x > -1),
        "tanh": (tanh, lambda x: True),
        "softplus": (softplus, lambda x: True),
        "sigmoid": (sigmoid, lambda x: x > -745),
        "expm1_minus": (lambda x: expm1(x) - x if abs(x) > mpf("1e-12") else x * x / 2 + x ** 3 / 6, lambda x: x < 710),
        "log1mexp": (lambda x: log(-expm1(x)) if x > -1 else log1p(-exp(x)), lambda x: -745 < x < 0),
    }
    for name, (f, inside) in functions.items():
        for x in [f32(x) for x in wide if f32(x) != 0] + near + tails:
            if not inside(x):
                continue
            y = mpf(0) if name in ("exp", "sigmoid") and x < -800 else f(max(x, mpf(-20000)) if name not in ("softplus", "expm1_minus") else x)
            yield row(f'"{name}"', x, y)


# Differences whose multiple by beta = 1/8 reaches both tails; exact in bfloat16 and half.
DIFFERENCES = [0, 1, -1, 8, -8, 96, -96, 160, -160, 512, -512, 704, -704, 832, -832, 5632, -5632, 32768, -32768]


def logistic_parts(z, p):
    """Value, slope and the size of the slope's two terms: -p log s(z) - (1-p) log s(-z)."""
    return p * softplus(-z) + (1 - p) * softplus(z), (1 - p) * sigmoid(z) - p * sigmoid(-z), (1 - p) * sigmoid(z) + p * sigmoid(-z)


def dpo_rows():
    """difference, label, margin, smoothing, value, d_policy_chosen, its scale; beta = 1/8, the difference in policy_chosen"""
    beta = mpf(1) / 8
    for difference in DIFFERENCES:
        for label in (1, 0, mpf("0.5"), mpf("0.25")):
            for margin in (0, 2, mpf("-0.5")):
                for smoothing in (0, mpf("0.125")):
                    z = beta * difference - margin
                    p = label * (1 - 2 * smoothing) + smoothing
                    value, slope, scale = logistic_parts(z, p)
                    yield row(difference, label, margin, smoothing, value, beta * slope, beta * scale)


SCORES = [0, mpf("0.5"), -mpf("0.5"), 3, -3, 20, -20, 88, -88, 104, -104, 704, -704, 16384, -16384]


def bradley_terry_rows():
    """chosen, label, margin, smoothing, centering, value, d_chosen, its scale, d_rejected, its scale; rejected = 1"""
    rejected = mpf(1)
    for chosen in SCORES:
        for label in (1, 0, mpf("0.5")):
            for margin in (0, mpf("0.5")):
                for smoothing, centering in ((0, 0), (mpf("0.125"), 0), (0, mpf("0.0625"))):
                    d = chosen - rejected - margin
                    p = label * (1 - 2 * smoothing) + smoothing
                    value, slope, scale = logistic_parts(d, p)
                    pull = 2 * centering * (chosen + rejected)
                    yield row(chosen, label, margin, smoothing, centering, value + centering * (chosen + rejected) ** 2,
                              slope + pull, scale + abs(pull), -slope + pull, scale + abs(pull))


def tie_rows(kind):
    """chosen, parameter, tie, value, d_chosen, its scale, d_parameter, its scale; rejected = 1, margin = 0"""
    mp.dps = 400  # the textbook forms cancel; the library's must not
    for parameter in ((mpf(2) ** -10, mpf("0.5"), 20) if kind == "rao_kupper" else (-30, 0, 20)):
        for chosen in SCORES:
            d = chosen - mpf(1)
            if abs(d) > 800:
                continue
            if kind == "rao_kupper":
                theta = exp(2 * parameter)
                won, lost = sigmoid(d - parameter), sigmoid(-d - parameter)
                tied = (theta - 1) * won * lost
                slopes = {0: -(1 - won), 1: (1 - lost) - (1 - won)}
                by_parameter = {0: 1 - won, 1: -2 * theta / (theta - 1) + (1 - won) + (1 - lost)}
            else:
                weights = exp(d / 2), exp(-d / 2), exp(mpf(parameter))
                total = sum(weights)
                won, lost, tied = (w / total for w in weights)
                slopes = {0: (won - lost) / 2 - mpf(1) / 2, 1: (won - lost) / 2}
                by_parameter = {0: tied, 1: tied - 1}
            values = {0: -log(won), 1: -log(tied)}
            for tie in (0, 1, mpf("0.5")):
                mix = lambda pair: (1 - tie) * pair[0] + tie * pair[1]
                size = lambda pair: (1 - tie) * abs(pair[0]) + tie * abs(pair[1])
                yield row(chosen, parameter, tie, mix(values), mix(slopes), size(slopes), mix(by_parameter), size(by_parameter))
    mp.dps = 50


def gaussian_kl_rows():
    """mean, log-variance, prior mean, prior log-variance, divergence, its four derivatives, the size of the last; one dimension"""
    tiny = mpf(2) ** -12
    for gap in (0, tiny, 1, mpf("-2.5"), 96):
        for lv, lp in ((0, 0), (tiny, 0), (0, tiny), (mpf("0.25"), mpf("0.5")), (mpf("0.5"), 0), (2, -1), (-3, 4), (24, -8), (-24, 40)):
            lv, lp, m = mpf(lv), mpf(lp), mpf("0.75")
            x, q = lv - lp, gap ** 2 * exp(-lp)
            yield row(m + gap, lv, m, lp, (expm1(x) - x + q) / 2, gap * exp(-lp), expm1(x) / 2, -gap * exp(-lp),
                      -(expm1(x) + q) / 2, (abs(expm1(x)) + q) / 2)


TABLES = {
    "math": math_rows,
    "gaussian_kl": gaussian_kl_rows,
    "dpo": dpo_rows,
    "bradley_terry": bradley_terry_rows,
    "rao_kupper": lambda: tie_rows("rao_kupper"),
    "davidson": lambda: tie_rows("davidson"),
}

def all_tables():
    import divergences
    import losses
    import scores
    import tokens

    return TABLES | divergences.TABLES | losses.TABLES | scores.TABLES | tokens.TABLES


def write(folder, name):
    (folder / f"golden_{name}.inc").write_text("\n".join(all_tables()[name]()) + "\n")


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool() as pool:
        pool.map(functools.partial(write, folder), all_tables(), chunksize=1)
