// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/core/element.hpp>
#include <prefer/core/execution.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

// Comparing numbers, and storing them in every element type.
namespace prefer_test {

template <class S>
struct storage {  // float and double
  static S from(double x) { return static_cast<S>(x); }
  static double to(S x) { return static_cast<double>(x); }
  static constexpr int digits = std::numeric_limits<S>::digits;
  static constexpr int least_exponent = std::numeric_limits<S>::min_exponent - std::numeric_limits<S>::digits;
};
template <>
struct storage<prefer::half> {
  static prefer::half from(double x) { return prefer::to_half(static_cast<float>(x)); }
  static double to(prefer::half x) { return static_cast<double>(prefer::to_float(x)); }
  static constexpr int digits = 11;
  static constexpr int least_exponent = -24;
};
template <>
struct storage<prefer::bfloat16> {
  static prefer::bfloat16 from(double x) { return prefer::to_bfloat16(static_cast<float>(x)); }
  static double to(prefer::bfloat16 x) { return static_cast<double>(prefer::to_float(x)); }
  static constexpr int digits = 8;
  static constexpr int least_exponent = -133;
};

// The largest number that S stores (a little less for float, which bfloat16 shares).
template <class S>
inline constexpr double largest_of = std::is_same_v<S, prefer::half> ? 65504.0
                                     : std::is_same_v<S, double>     ? std::numeric_limits<double>::max()
                                                                     : 3.38e38;

// The distance of x from the exact value, in units in the last place of S at that value. Two infinities of a sign are 0
// apart, two NaN too; a finite number beyond the range of S may have become infinite.
template <class S>
double ulps(double x, long double exact) {
  if (std::isnan(exact)) return std::isnan(x) ? 0 : HUGE_VAL;
  if (std::isinf(x)) return (x > 0) == (exact > 0) && std::fabs(exact) > largest_of<S> ? 0 : HUGE_VAL;
  if (std::isnan(x) || std::isinf(exact)) return HUGE_VAL;
  int exponent = 0;
  std::frexp(exact, &exponent);
  int unit = exponent - storage<S>::digits;
  if (exact == 0 || unit < storage<S>::least_exponent) unit = storage<S>::least_exponent;
  return static_cast<double>(std::fabs(std::ldexp(static_cast<long double>(x) - exact, -unit)));
}

// Whether memory is looked after by a sanitizer, which makes an oracle over a million samples take half a minute.
#if defined(__has_feature)
inline constexpr bool sanitized = __has_feature(address_sanitizer);
#else
inline constexpr bool sanitized = false;
#endif

// What one rounding may leave of a number: half a unit in its last place.
inline double rounding_of(double exact, int digits, int least_exponent) {
  return std::fmax(std::ldexp(std::fabs(exact), -digits), std::ldexp(0.5, least_exponent));
}
template <class S>
double rounding_of(double exact) {
  return rounding_of(exact, storage<S>::digits, storage<S>::least_exponent);
}

// The instruction-set levels that this build carries and this processor has, `automatic` apart.
inline std::vector<prefer::isa> levels() {
  std::vector<prefer::isa> all;
  for (prefer::isa level : {prefer::isa::base, prefer::isa::avx2, prefer::isa::avx512}) {
    prefer::isa resolved;
    if (prefer::resolve_isa(prefer::cpu{.isa = level}, resolved).ok()) all.push_back(level);
  }
  return all;
}

// A small generator of its own, so that tests are the same everywhere.
struct noise {
  std::uint64_t state;
  explicit noise(std::uint64_t seed) : state(seed * 2862933555777941757u + 3037000493u) {}
  std::uint64_t bits() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
  double uniform(double low, double high) { return low + (high - low) * static_cast<double>(bits() >> 11) * 0x1p-53; }
};

}  // namespace prefer_test
