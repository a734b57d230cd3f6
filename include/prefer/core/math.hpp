// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/lane.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

// Elementary functions for every value type: float, double, lanes of them, and the device. One definition each, branch-
// free, so that the CPU, its vectors and CUDA agree. The bounds are in units in the last place of the result (ulp), for
// every finite argument, and are what tests/core/math.cpp checks at every level:
//
//              float  double                                     float  double
//   exp          2      2      tanh                                4      4
//   expm1        3      3      softplus, log_sigmoid               3      3
//   log          2      2      sigmoid                             3      3
//   log1p        3      3      log1mexp                            4      4
//   exp_decay    2      2      expm1_minus                         8      8
//   exp2_decay   2      2
//
// A value type may bring its own elementary functions as static members (a dual number, the tracer); then those are
// called. Everything else a loss uses is built from arithmetic, comparison and select.
namespace prefer::math {
inline namespace PREFER_ABI {

template <class V>
concept own_functions = requires(const V& x) {
  V::exp(x);
};

// float for float and for lanes of floats, and so on.
template <class V>
struct element_type_of {
  using type = V;
};
template <class V>
requires requires { typename V::element_type; }
struct element_type_of<V> {
  using type = typename V::element_type;
};

PREFER_HD float select(bool m, float a, float b) { return m ? a : b; }
PREFER_HD double select(bool m, double a, double b) { return m ? a : b; }
PREFER_HD float fma(float a, float b, float c) { return a * b + c; }
PREFER_HD double fma(double a, double b, double c) { return a * b + c; }

// The same by qualified name for every other value type, whose own functions are found by its namespace.
template <class M, class V>
requires(!std::is_arithmetic_v<V>) PREFER_HD V select(const M& m, const V& a, const V& b) { return select(m, a, b); }
template <class V>
requires(!std::is_arithmetic_v<V>) PREFER_HD V fma(const V& a, const V& b, const V& c) { return fma(a, b, c); }

namespace detail {

using prefer::detail::bits_as;

template <class F>
PREFER_HD float map_bits(float a, F f) {
  std::uint32_t w = bits_as<std::uint32_t>(a);
  f(w);
  return bits_as<float>(w);
}
template <class F>
PREFER_HD double map_bits(double a, F f) {
  std::uint64_t w = bits_as<std::uint64_t>(a);
  f(w);
  return bits_as<double>(w);
}

// The numbers that describe a binary format, and the polynomials fitted to it by tests/golden/fit_polynomials.py
// (inside functions, since device code has no static arrays).
template <class T>
struct format;

template <>
struct format<float> {
  static constexpr int mantissa = 23;
  static constexpr std::uint32_t mantissa_mask = 0x7fffffu;
  static constexpr std::uint32_t sign_mask = 0x80000000u;
  static constexpr std::uint32_t bias_bits = 127u << 23;
  static constexpr std::uint32_t root_half_bits = 0x3f3504f3u;  // of sqrt(1/2)
  static constexpr std::uint32_t magic_bits = 0x4b400000u;      // of magic
  static constexpr float magic = 12582912.0f;                   // 1.5 * 2^23: adding it rounds to an integer
  static constexpr float bias = 127.0f;
  static constexpr float infinity = std::numeric_limits<float>::infinity(),
                         nan = std::numeric_limits<float>::quiet_NaN();
  static constexpr float exp_low = -105.0f, exp_high = 89.0f;  // beyond these exp is 0 and infinity
  static constexpr float decay_low = -87.0f;                   // below this exp_decay is 0
  static constexpr float exponent_low = -126.0f;               // below this exp2_decay is 0
  static constexpr float expm1_low = -40.0f;                   // below this expm1 is -1
  static constexpr float log2e = 1.44269504088896340736f, ln2 = 0.69314718055994530942f;
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440054690583e-4f;
  static constexpr float smallest_normal = 0x1p-126f, up = 0x1p24f, up_exponent = 24.0f;
  // (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2
  struct exp_terms {
    static constexpr int count = 5;
    static PREFER_HD constexpr float at(int i) {
      constexpr float terms[] = {0.5f, 0.16666576989698775683f, 0.041666554617204574203f, 0.0083631790527225773704f,
                                 0.0013926183587713494542f};
      return terms[i];
    }
  };
  // (2^r - 1) / r on |r| <= 1/2
  struct exp2_terms {
    static constexpr int count = 6;
    static PREFER_HD constexpr float at(int i) {
      constexpr float terms[] = {0.69314718803071341016f,   0.24022650760606957384f,   0.055503570926890300218f,
                                 0.0096180825386369608494f, 0.0013390874847810528437f, 0.00015453172887040158938f};
      return terms[i];
    }
  };
  // (atanh(s)/s - 1) / s^2 as a polynomial in s^2 on [0, 1/9]
  struct atanh_terms {
    static constexpr int count = 5;
    static PREFER_HD constexpr float at(int i) {
      constexpr float terms[] = {0.33333333660435751645f, 0.1999985310341248309f, 0.14296182397598808243f,
                                 0.10853230498598846151f, 0.11612460885607290856f};
      return terms[i];
    }
  };
};

template <>
struct format<double> {
  static constexpr int mantissa = 52;
  static constexpr std::uint64_t mantissa_mask = 0xfffffffffffffull;
  static constexpr std::uint64_t sign_mask = 0x8000000000000000ull;
  static constexpr std::uint64_t bias_bits = 1023ull << 52;
  static constexpr std::uint64_t root_half_bits = 0x3fe6a09e667f3bcdull;
  static constexpr std::uint64_t magic_bits = 0x4338000000000000ull;
  static constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double bias = 1023.0;
  static constexpr double infinity = std::numeric_limits<double>::infinity(),
                          nan = std::numeric_limits<double>::quiet_NaN();
  static constexpr double exp_low = -747.0, exp_high = 711.0;
  static constexpr double decay_low = -708.0;
  static constexpr double exponent_low = -1022.0;
  static constexpr double expm1_low = -80.0;
  static constexpr double log2e = 1.44269504088896340736, ln2 = 0.69314718055994530942;
  static constexpr double ln2_high = 6.93145751953125e-1, ln2_low = 1.42860682030941723212e-6;
  static constexpr double smallest_normal = 0x1p-1022, up = 0x1p54, up_exponent = 54.0;
  struct exp_terms {
    static constexpr int count = 10;
    static PREFER_HD constexpr double at(int i) {
      constexpr double terms[] = {0.50000000000000010221,     0.16666666666666667453,   0.041666666666624127873,
                                  0.0083333333333300618325,   0.0013888888917213716901, 0.00019841269863053616878,
                                  0.000024801521295954375131, 2.7557268459997064772e-6, 2.7620088445409748161e-7,
                                  2.5100385495510319078e-8};
      return terms[i];
    }
  };
  struct exp2_terms {
    static constexpr int count = 11;
    static PREFER_HD constexpr double at(int i) {
      constexpr double terms[] = {0.69314718055994530942,     0.24022650695910098247,   0.055504108664821594353,
                                  0.0096181291076068712426,   0.0013333558146416926097, 0.00015403530441765086496,
                                  0.000015252733829851595615, 1.3215442570224649306e-6, 1.0178062436412765366e-7,
                                  7.0725894883963451044e-9,   4.4549624846332122933e-10};
      return terms[i];
    }
  };
  struct atanh_terms {
    static constexpr int count = 11;
    static PREFER_HD constexpr double at(int i) {
      constexpr double terms[] = {0.33333333333333333443,  0.19999999999999760999,  0.14285714285800132131,
                                  0.11111111099108056259,  0.090909099496339794875, 0.076922719588765822666,
                                  0.066675898307578551355, 0.058671325896882965569, 0.054226455163899063845,
                                  0.037458197303366327858, 0.078157673537156122424};
      return terms[i];
    }
  };
};

template <class V>
using format_of = format<typename element_type_of<V>::type>;

template <class V>
PREFER_HD V without_sign(const V& x) {
  return map_bits(x, [](auto& w) PREFER_HD_LAMBDA { w = w & ~format_of<V>::sign_mask; });
}

// Hides a value from -ffast-math, which would cancel (x + magic) - magic.
template <class V>
PREFER_HD V opaque(V x) {
#if defined(__FAST_MATH__) && !defined(__CUDA_ARCH__)
  __asm__("" : "+m"(x));
#endif
  return x;
}

// x y rounded to an integer, ties to even, for results within 2^22 (float) or 2^51 (double).
template <class V>
PREFER_HD V rounded_product(const V& x, const V& y) {
  using F = format_of<V>;
  return opaque(opaque(fma(x, y, V(F::magic))) - V(F::magic));
}

// terms[0] + x * (terms[1] + x * ...)
template <class Terms, int First = 0, class V>
PREFER_HD V polynomial(const V& x) {
  if constexpr (First == Terms::count - 1)
    return V(Terms::at(First));
  else
    return fma(x, polynomial<Terms, First + 1>(x), V(Terms::at(First)));
}

// 2^k for an integral k within the normal range, and for what it is with the bias of its exponent and `magic` in it.
template <class V>
PREFER_HD V power_of_biased(const V& biased) {
  return map_bits(biased, [](auto& w) PREFER_HD_LAMBDA { w = w << format_of<V>::mantissa; });
}
template <class V>
PREFER_HD V power_of_two(const V& k) {
  using F = format_of<V>;
  return power_of_biased(opaque(k + V(F::magic + F::bias)));
}

// x * 2^k, rounded once; k may leave the normal range by a factor of two.
template <class V>
PREFER_HD V scale(const V& x, const V& k) {
  const V half = rounded_product(k, V(0.5));
  return x * power_of_two(half) * power_of_two(k - half);
}

template <class V>
struct reduced {
  V k;      // integral
  V expm1;  // exp(x - k ln 2) - 1
};

// exp(x - k ln 2) - 1 for the integer k next to x / ln 2.
template <class V>
PREFER_HD V expm1_rest(const V& x, const V& k) {
  using F = format_of<V>;
  const V r = fma(k, V(-F::ln2_low), fma(k, V(-F::ln2_high), x));
  return fma(r * r, polynomial<typename F::exp_terms>(r), r);
}

template <class V>
PREFER_HD reduced<V> reduce_exp(const V& x) {
  const V k = rounded_product(x, V(format_of<V>::log2e));
  return {k, expm1_rest(x, k)};
}

// 2 atanh(s) = log((1 + s) / (1 - s)) for |s| <= 1/3
template <class V>
PREFER_HD V twice_atanh(const V& s) {
  const V t = s * s;
  const V twice = s + s;
  return fma(twice * t, polynomial<typename format_of<V>::atanh_terms>(t), twice);
}

template <class V>
struct decomposed {
  V k;  // x = m 2^k
  V m;  // in [sqrt(1/2), sqrt(2))
};

// For positive normal x.
template <class V>
PREFER_HD decomposed<V> decompose(const V& x) {
  using F = format_of<V>;
  const V biased = map_bits(x, [](auto& w) PREFER_HD_LAMBDA { w = w + (F::bias_bits - F::root_half_bits); });
  const V exponent = map_bits(biased, [](auto& w) PREFER_HD_LAMBDA { w = (w >> F::mantissa) + F::magic_bits; });
  const V m = map_bits(biased, [](auto& w) PREFER_HD_LAMBDA { w = (w & F::mantissa_mask) + F::root_half_bits; });
  return {opaque(exponent) - V(F::magic + F::bias), m};
}

template <class V>
PREFER_HD V log_of(const V& k, const V& numerator, const V& denominator) {
  using F = format_of<V>;
  return fma(k, V(F::ln2_high), fma(k, V(F::ln2_low), twice_atanh(numerator / denominator)));
}

template <class V>
PREFER_HD V infinity() {
  return V(format_of<V>::infinity);
}
template <class V>
PREFER_HD V not_a_number() {
  return V(format_of<V>::nan);
}

}  // namespace detail

template <class V>
PREFER_HD V abs(const V& x) {
  if constexpr (own_functions<V>)
    return V::abs(x);
  else
    return detail::without_sign(x);
}

// x as a constant: a number that carries a derivative (the tests have one) loses it here.
template <class V>
PREFER_HD V detach(const V& x) {
  if constexpr (requires { V::detach(x); })
    return V::detach(x);
  else
    return x;
}

// The larger of two; NaN in x gives y.
template <class V>
PREFER_HD V max(const V& x, const V& y) {
  return select(x > y, x, y);
}
template <class V>
PREFER_HD V min(const V& x, const V& y) {
  return select(x < y, x, y);
}

template <class V>
PREFER_HD V sqrt(const V& x) {
  if constexpr (own_functions<V>) {
    return V::sqrt(x);
  } else if constexpr (width_of<V> == 1) {
    return ::sqrt(x);
  } else {
    return sqrt(x);  // the lane's own
  }
}

// e^x
template <class V>
PREFER_HD V exp(const V& x) {
  if constexpr (own_functions<V>) {
    return V::exp(x);
  } else {
    using F = detail::format_of<V>;
    const V low = select(x < V(F::exp_low), V(F::exp_low), x);
    const auto [k, m] = detail::reduce_exp(select(low > V(F::exp_high), V(F::exp_high), low));
    return detail::scale(V(1) + m, k);
  }
}

// e^x for x not far above 0, as sums of shares of a largest term need it: 0 below -87 (float) or -708 (double), so that
// the result is normal and one multiplication scales it.
template <class V>
PREFER_HD V exp_decay(const V& x) {
  if constexpr (own_functions<V>) {
    return V::exp(x);
  } else {
    using F = detail::format_of<V>;
    // Rounded with its bias in it, the exponent needs no addition of its own to become a power of two.
    const V biased = detail::opaque(fma(x, V(F::log2e), V(F::magic + F::bias)));
    const V m = detail::expm1_rest(x, detail::opaque(biased - V(F::magic + F::bias)));
    const V power = detail::power_of_biased(biased);
    return select(x < V(F::decay_low), V(0), fma(m, power, power));
  }
}

// 2^y for y not far above 0, 0 below -126 (float) or -1022 (double): exp_decay of a number that was multiplied by
// log2(e) already, for less.
template <class V>
PREFER_HD V exp2_decay(const V& y) {
  using F = detail::format_of<V>;
  if constexpr (own_functions<V>) {
    return V::exp(y * V(F::ln2));
  } else {
    const V biased = detail::opaque(y + V(F::magic + F::bias));
    const V r = y - detail::opaque(biased - V(F::magic + F::bias));
    const V m = r * detail::polynomial<typename F::exp2_terms>(r);
    const V power = detail::power_of_biased(biased);
    return select(y < V(F::exponent_low), V(0), fma(m, power, power));
  }
}

// e^x - 1
template <class V>
PREFER_HD V expm1(const V& x) {
  if constexpr (own_functions<V>) {
    return V::expm1(x);
  } else {
    using F = detail::format_of<V>;
    const V low = select(x < V(F::expm1_low), V(F::expm1_low), x);
    const auto [k, m] = detail::reduce_exp(select(low > V(F::exp_high), V(F::exp_high), low));
    const V capped = select(k > V(F::bias), V(F::bias), k);  // 2^-k stays normal
    return detail::scale(m + (V(1) - detail::power_of_two(-capped)), k);
  }
}

// e^x - 1 - x, which is about x^2 / 2 near 0, where the three would cancel.
template <class V>
PREFER_HD V expm1_minus(const V& x) {
  if constexpr (own_functions<V>) {
    return V::expm1(x) - x;
  } else {
    using F = detail::format_of<V>;
    const V near = x * x * detail::polynomial<typename F::exp_terms>(x);
    const V far = expm1(x) - min(x, V(F::exp_high));  // beyond, where it is infinite, not infinity minus infinity
    return select(abs(x) < V(0.34375), near, far);
  }
}

// The natural logarithm; -infinity at 0, NaN below.
template <class V>
PREFER_HD V log(const V& x) {
  if constexpr (own_functions<V>) {
    return V::log(x);
  } else {
    using F = detail::format_of<V>;
    const auto tiny = x < V(F::smallest_normal);
    const auto [k, m] = detail::decompose(select(tiny, x * V(F::up), x));
    const V y = detail::log_of(select(tiny, k - V(F::up_exponent), k), m - V(1), m + V(1));
    const V finite = select(x < detail::infinity<V>(), y, x);
    return select(x > V(0), finite, select(x == V(0), -detail::infinity<V>(), detail::not_a_number<V>()));
  }
}

// log(1 + x)
template <class V>
PREFER_HD V log1p(const V& x) {
  if constexpr (own_functions<V>) {
    return V::log1p(x);
  } else {
    const V u = detail::opaque(V(1) + x);
    const auto [k, m] = detail::decompose(u);
    // What rounding 1 + x lost, in units of m: a first-order correction of the numerator.
    const V lost = select(x > V(1), V(1) - detail::opaque(u - x), x - detail::opaque(u - V(1)));
    const V scaled = lost * detail::power_of_two(-select(k > V(100), V(100), k));
    const auto near = (x > V(-0.29)) & (x < V(0.41));
    const V y =
        detail::log_of(select(near, V(0), k), select(near, x, (m - V(1)) + scaled), select(near, V(2) + x, m + V(1)));
    const V finite = select(x < detail::infinity<V>(), y, x);
    return select(x > V(-1), finite, select(x == V(-1), -detail::infinity<V>(), detail::not_a_number<V>()));
  }
}

// log(1 + e) for e in [0, 1], as every logistic function needs it: no exponent to take apart.
template <class V>
PREFER_HD V log1p_unit(const V& e) {
  if constexpr (own_functions<V>)
    return V::log1p(e);
  else
    return detail::twice_atanh(e / (V(2) + e));
}

template <class V>
PREFER_HD V tanh(const V& x) {
  const V m = expm1(V(-2) * abs(x));
  const V t = -m / (m + V(2));
  return select(x < V(0), -t, t);
}

// What a logistic loss needs of a margin x, from one exponential. Each is accurate to its last bits in both tails.
template <class V>
struct logistic_parts {
  V sigmoid;           // 1 / (1 + e^-x)
  V sigmoid_of_minus;  // 1 / (1 + e^x)
  V log1p_exp;         // log(1 + e^-|x|)
};

template <class V>
PREFER_HD logistic_parts<V> logistic(const V& x) {
  const V e = exp(-abs(x));
  const V larger = V(1) / (V(1) + e);
  const V smaller = e * larger;
  const auto negative = x < V(0);
  return {select(negative, smaller, larger), select(negative, larger, smaller), log1p_unit(e)};
}

// p x, and 0 where p is 0 whatever x is.
template <class V>
PREFER_HD V share(const V& p, const V& x) {
  return select(p == V(0), V(0), p * x);
}

// The logistic loss at margin x for an outcome that happens with probability p: value and derivative by x. No term is
// evaluated by subtracting nearly equal numbers, so both tails are exact for p = 0 and p = 1, infinite margins
// included.
template <class V>
struct cross_entropy_parts {
  V value;       // -p log sigmoid(x) - (1 - p) log sigmoid(-x)
  V derivative;  // sigmoid(x) - p
};

template <class V>
PREFER_HD cross_entropy_parts<V> cross_entropy(const V& x, const V& p, const logistic_parts<V>& l) {
  const V q = V(1) - p;
  const V lost = select(x < V(0), -share(p, x), share(q, x));
  return {l.log1p_exp + lost, q * l.sigmoid - p * l.sigmoid_of_minus};
}
template <class V>
PREFER_HD cross_entropy_parts<V> cross_entropy(const V& x, const V& p) {
  return cross_entropy(x, p, logistic(x));
}

// The same for an outcome that happened (p = 1): -log sigmoid(x) and -sigmoid(-x).
template <class V>
PREFER_HD cross_entropy_parts<V> logistic_loss(const V& x) {
  const logistic_parts<V> l = logistic(x);
  return {l.log1p_exp - select(x < V(0), x, V(0)), -l.sigmoid_of_minus};
}

// log(1 + e^x)
template <class V>
PREFER_HD V softplus(const V& x) {
  return select(x > V(0), x, V(0)) + log1p_unit(exp(-abs(x)));
}

template <class V>
PREFER_HD V log_sigmoid(const V& x) {
  return -softplus(-x);
}

template <class V>
PREFER_HD V sigmoid(const V& x) {
  return logistic(x).sigmoid;
}

// log(1 - e^x) for x < 0
template <class V>
PREFER_HD V log1mexp(const V& x) {
  const V near = log(-expm1(x));
  const V far = log1p(-exp(x));
  return select(x > V(-0.693147180559945309417), near, far);
}

// (e^(k x) - e^(k y)) / k and its limit x - y at k = 0, without subtracting the exponentials: x = y gives 0 and a
// common part of x and y neither cancels nor becomes infinity minus infinity.
template <class V>
PREFER_HD V box_cox_difference(const V& k, const V& x, const V& y) {
  const V difference = x - y;
  const V top = exp(max(k * x, k * y));
  const V size = share(-expm1(-abs(k * difference)) / abs(k), top);
  const V exact = select(difference < V(0), -size, size);
  return select(abs(k) < V(1e-30), difference, exact);
}

// Bitwise, so that -ffast-math cannot remove it.
PREFER_HD bool is_nan(float x) { return (detail::bits_as<std::uint32_t>(x) & 0x7fffffffu) > 0x7f800000u; }
PREFER_HD bool is_nan(double x) { return (detail::bits_as<std::uint64_t>(x) & ~(1ull << 63)) > 0x7ff0000000000000ull; }
PREFER_HD bool is_finite(float x) { return (detail::bits_as<std::uint32_t>(x) & 0x7fffffffu) < 0x7f800000u; }
PREFER_HD bool is_finite(double x) {
  return (detail::bits_as<std::uint64_t>(x) & ~(1ull << 63)) < 0x7ff0000000000000ull;
}

// NaN for a NaN, else 0: adding it carries a NaN past a comparison. Bitwise too.
template <class V>
PREFER_HD V nan_of(const V& x) {
  using detail::map_bits;
  return map_bits(x, [](auto& w) PREFER_HD_LAMBDA {
    using F = detail::format_of<V>;
    constexpr auto sign = F::sign_mask, quiet = detail::bits_as<std::remove_const_t<decltype(sign)>>(F::nan),
                   infinity = detail::bits_as<std::remove_const_t<decltype(sign)>>(F::infinity);
    w = (0u - ((infinity - (w & ~sign)) >> (8 * sizeof(sign) - 1))) & quiet;
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer::math
