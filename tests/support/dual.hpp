// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <type_traits>

namespace prefer_test {

// A number with one derivative: evaluating a loss on it differentiates the loss's value without using the loss's own
// derivatives.
template <class T>
struct dual {
  T value = 0, slope = 0;

  dual() = default;
  template <class S>
  requires(std::is_arithmetic_v<S>) dual(S x) : value(static_cast<T>(x)) {}
  dual(T v, T s) : value(v), slope(s) {}

  friend dual operator+(dual a, dual b) { return {a.value + b.value, a.slope + b.slope}; }
  friend dual operator-(dual a, dual b) { return {a.value - b.value, a.slope - b.slope}; }
  friend dual operator*(dual a, dual b) { return {a.value * b.value, a.slope * b.value + a.value * b.slope}; }
  friend dual operator/(dual a, dual b) {
    return {a.value / b.value, (a.slope - a.value / b.value * b.slope) / b.value};
  }
  friend dual operator-(dual a) { return {-a.value, -a.slope}; }
  dual& operator+=(dual o) { return *this = *this + o; }
  dual& operator-=(dual o) { return *this = *this - o; }
  dual& operator*=(dual o) { return *this = *this * o; }
  friend bool operator<(dual a, dual b) { return a.value < b.value; }
  friend bool operator<=(dual a, dual b) { return a.value <= b.value; }
  friend bool operator>(dual a, dual b) { return a.value > b.value; }
  friend bool operator>=(dual a, dual b) { return a.value >= b.value; }
  friend bool operator==(dual a, dual b) { return a.value == b.value; }
  friend dual select(bool m, dual a, dual b) { return m ? a : b; }
  friend dual fma(dual a, dual b, dual c) { return a * b + c; }

  static dual detach(dual x) { return {x.value, 0}; }
  static dual abs(dual x) { return x.value < 0 ? -x : x; }
  static dual sqrt(dual x) { return {std::sqrt(x.value), x.slope / (2 * std::sqrt(x.value))}; }
  static dual exp(dual x) { return {std::exp(x.value), std::exp(x.value) * x.slope}; }
  static dual expm1(dual x) { return {std::expm1(x.value), std::exp(x.value) * x.slope}; }
  static dual log(dual x) { return {std::log(x.value), x.slope / x.value}; }
  static dual log1p(dual x) { return {std::log1p(x.value), x.slope / (1 + x.value)}; }
};

}  // namespace prefer_test
