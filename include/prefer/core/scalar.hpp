// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/element.hpp>
#include <prefer/core/status.hpp>

#include <type_traits>

namespace prefer {
inline namespace PREFER_ABI {
struct tracer;
}

// A run-time parameter: a host value, or a pointer in the execution space that is read when the work executes, so that
// a captured graph sees changes. Both precisions are kept, so that float kernels contain no double arithmetic.
struct scalar {
  double value64 = 0;
  float value32 = 0;
  bool is_pointer = false;  // one test for the common case, since inner loops make it
  const double* pointer64 = nullptr;
  const float* pointer32 = nullptr;

  PREFER_HD constexpr scalar(double value) : value64(value), value32(static_cast<float>(value)) {}
  // A literal 0 is a number, not a null pointer.
  template <class I>
  requires(std::is_integral_v<I>) PREFER_HD constexpr scalar(I value) : scalar(static_cast<double>(value)) {}
  // A null pointer is a number that no parameter accepts.
  PREFER_HD constexpr scalar(const double* pointer) : scalar(pointer != nullptr ? 0 : none()) {
    is_pointer = pointer != nullptr;
    pointer64 = pointer;
  }
  PREFER_HD constexpr scalar(const float* pointer) : scalar(pointer != nullptr ? 0 : none()) {
    is_pointer = pointer != nullptr;
    pointer32 = pointer;
  }

  constexpr bool by_pointer() const { return is_pointer; }
  // Known to be 0 now: what it multiplies need not be read.
  PREFER_HD constexpr bool is_zero() const { return !is_pointer && value64 == 0; }

  // The parameter as a value type: V(0.1) for a dual number or a lane, 0.1f for float.
  template <class V>
  PREFER_HD V as() const {
    // Asked on the host what a loss reads, whatever its parameters are: the pointer may be the device's.
    if constexpr (std::is_same_v<V, tracer>) return V(1);
    if (is_pointer) return pointer64 != nullptr ? V(*pointer64) : V(*pointer32);
    if constexpr (std::is_same_v<typename V_element<V>::type, float>)
      return V(value32);
    else
      return V(value64);
  }

 private:
  static PREFER_HD constexpr double none() { return __builtin_nan(""); }

  // float for float and for lanes of floats, double otherwise.
  template <class V, class = void>
  struct V_element {
    using type = V;
  };
  template <class V>
  struct V_element<V, std::void_t<typename V::element_type>> {
    using type = typename V::element_type;
  };
};

// What sums over items are divided by: a number, or a pointer in the execution space. By default the number of selected
// items, which makes `loss` a mean; 1 makes it a sum. Give the size of the whole batch to every micro-batch or rank and
// the parts add up.
struct normalizer {
  scalar value = 1.0;
  bool given = false;

  constexpr normalizer() = default;
  constexpr normalizer(double x) : value(x), given(true) {}
  constexpr normalizer(const double* pointer) : value(pointer), given(true) {}
  constexpr normalizer(const float* pointer) : value(pointer), given(true) {}
};

// Checks of parameters shared by all algorithms. A pointer is not looked at: its value belongs to execution.
namespace require {

constexpr bool finite(double x) { return x - x == 0; }

constexpr status that(bool holds, const char* argument, double got, const char* expected) {
  status s;
  if (holds) return s;
  s.code = errc::bad_parameter;
  s.argument = argument;
  s.got = got;
  s.expected = expected;
  return s;
}

constexpr status positive(const scalar& x, const char* argument) {
  return that(x.by_pointer() || (x.value64 > 0 && finite(x.value64)), argument, x.value64, "a finite number above 0");
}
constexpr status not_negative(const scalar& x, const char* argument) {
  return that(x.by_pointer() || (x.value64 >= 0 && finite(x.value64)), argument, x.value64,
              "a finite number, 0 or above");
}
constexpr status is_finite(const scalar& x, const char* argument) {
  return that(x.by_pointer() || finite(x.value64), argument, x.value64, "a finite number");
}
constexpr status from_0_to_1(const scalar& x, const char* argument) {
  return that(x.by_pointer() || (x.value64 >= 0 && x.value64 <= 1), argument, x.value64, "from 0 to 1");
}
constexpr status below(const scalar& x, double limit, const char* argument, const char* expected) {
  return that(x.by_pointer() || (x.value64 >= 0 && x.value64 < limit), argument, x.value64, expected);
}

}  // namespace require

// The first status that is not ok.
template <class... S>
constexpr status first_error(const status& s, const S&... rest) {
  if constexpr (sizeof...(rest) == 0)
    return s;
  else
    return s.ok() ? first_error(rest...) : s;
}

}  // namespace prefer
