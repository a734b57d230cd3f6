# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""fit_polynomials.py: prints the polynomial coefficients of include/prefer/core/math.hpp.

Chebyshev fits at 50 digits, which the compiler rounds to the type. They are near the best polynomials in the largest
error, and rounding the coefficients costs more than the difference would.
"""
from mpmath import mp, mpf, atanh, chebyfit, exp, log, nstr, sqrt

mp.dps = 50


def exp_rest(r):
    """(exp(r) - 1 - r) / r^2"""
    return mpf(1) / 2 + r / 6 if abs(r) < mpf(10) ** -20 else (exp(r) - 1 - r) / (r * r)


def exp2_rest(r):
    """(2^r - 1) / r"""
    return log(2) + r * log(2) ** 2 / 2 if abs(r) < mpf(10) ** -20 else (mpf(2) ** r - 1) / r


def atanh_rest(t):
    """(atanh(s) / s - 1) / s^2 with s = sqrt(t)"""
    return mpf(1) / 3 + t / 5 if abs(t) < mpf(10) ** -20 else (atanh(sqrt(t)) / sqrt(t) - 1) / t


HALF = log(2) / 2 * mpf("1.0001")
UNIT = mpf(1) / 2 * mpf("1.0001")
FITS = [("exp_terms", exp_rest, [-HALF, HALF], 5, 10), ("exp2_terms", exp2_rest, [-UNIT, UNIT], 6, 11),
        ("atanh_terms", atanh_rest, [0, mpf("1.0001") / 9], 5, 11)]
for name, function, interval, single, double in FITS:
    for kind, terms in (("float", single), ("double", double)):
        coefficients = chebyfit(function, interval, terms)[::-1]
        print(f"{name} for {kind}:\n  " + ", ".join(nstr(c, 20) for c in coefficients))
