// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/config.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace prefer {
inline namespace PREFER_ABI {

// A value type that computes nothing but remembers which inputs a result depends on. Evaluating a loss on tracers tells
// which fields it reads and which derivatives it fills in, so that no loss has to declare either.
struct tracer {
  std::uint64_t reads = 0;  // one bit per input field
  bool written = false;     // false: still the value-initialised member of a term

  struct mask {
    std::uint64_t reads = 0;
    bool written = true;
    // Refuses `if (x > V(0))`.
    template <std::same_as<bool> Bool>
    explicit operator Bool() const {
      static_assert(sizeof(Bool) == 0,
                    "prefer: a loss decides with math::select(condition, a, b), not with if or ?:, "
                    "since it is evaluated for many items at once");
      return false;
    }
    friend PREFER_HD constexpr mask operator&(mask a, mask b) { return {a.reads | b.reads, a.written && b.written}; }
    friend PREFER_HD constexpr mask operator|(mask a, mask b) { return a & b; }
    friend PREFER_HD constexpr mask operator!(mask a) { return a; }
  };

  PREFER_HD constexpr tracer() {}
  template <class S>
  requires(std::is_arithmetic_v<S>) PREFER_HD constexpr tracer(S) : written(true) {}
  PREFER_HD constexpr tracer(std::uint64_t r, bool w) : reads(r), written(w) {}

  static PREFER_HD constexpr tracer field(int i) { return {std::uint64_t{1} << i, true}; }

  friend PREFER_HD constexpr tracer join(tracer a, tracer b) { return {a.reads | b.reads, a.written && b.written}; }
  friend PREFER_HD constexpr tracer operator+(tracer a, tracer b) { return join(a, b); }
  friend PREFER_HD constexpr tracer operator-(tracer a, tracer b) { return join(a, b); }
  friend PREFER_HD constexpr tracer operator*(tracer a, tracer b) { return join(a, b); }
  friend PREFER_HD constexpr tracer operator/(tracer a, tracer b) { return join(a, b); }
  friend PREFER_HD constexpr tracer operator-(tracer a) { return a; }
  PREFER_HD constexpr tracer& operator+=(tracer o) { return *this = {reads | o.reads, written || o.written}; }
  PREFER_HD constexpr tracer& operator-=(tracer o) { return *this += o; }
  PREFER_HD constexpr tracer& operator*=(tracer o) { return *this = join(*this, o); }

  friend PREFER_HD constexpr mask operator<(tracer a, tracer b) { return {a.reads | b.reads, a.written && b.written}; }
  friend PREFER_HD constexpr mask operator<=(tracer a, tracer b) { return {a.reads | b.reads, a.written && b.written}; }
  friend PREFER_HD constexpr mask operator>(tracer a, tracer b) { return {a.reads | b.reads, a.written && b.written}; }
  friend PREFER_HD constexpr mask operator>=(tracer a, tracer b) { return {a.reads | b.reads, a.written && b.written}; }
  friend PREFER_HD constexpr mask operator==(tracer a, tracer b) { return {a.reads | b.reads, a.written && b.written}; }

  friend PREFER_HD constexpr tracer select(mask m, tracer a, tracer b) {
    return {m.reads | a.reads | b.reads, m.written && a.written && b.written};
  }
  friend PREFER_HD constexpr tracer fma(tracer a, tracer b, tracer c) { return join(join(a, b), c); }

  static PREFER_HD constexpr tracer abs(tracer x) { return x; }
  static PREFER_HD constexpr tracer sqrt(tracer x) { return x; }
  static PREFER_HD constexpr tracer exp(tracer x) { return x; }
  static PREFER_HD constexpr tracer expm1(tracer x) { return x; }
  static PREFER_HD constexpr tracer log(tracer x) { return x; }
  static PREFER_HD constexpr tracer log1p(tracer x) { return x; }
};

}  // namespace PREFER_ABI
}  // namespace prefer
