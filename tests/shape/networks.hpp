// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <support/side.hpp>
#include <support/singular_values.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

// Weights of layers in guarded rows, and the tests of spectral norms, rescalings and sorts that run on either side.
namespace prefer_test {

// m x n numbers with elements between the rows.
template <class S>
struct layer {
  std::int64_t m, n, stride;
  buffer<S> of;

  layer(std::int64_t rows, std::int64_t columns, std::int64_t gap = 3)
      : m(rows), n(columns), stride(columns + gap), of(rows * (columns + gap)) {}
  double get(std::int64_t i, std::int64_t j) { return of.get(i * stride + j); }
  void set(std::int64_t i, std::int64_t j, double x) { of.set(i * stride + j, x); }
  template <class F>
  void fill(F f) {
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) set(i, j, f(i, j));
  }
  // What lies between the rows and around them is what it was.
  bool intact() {
    static const buffer<S> fresh(1);
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = n; j < stride; ++j)
        if (std::memcmp(of.data() + i * stride + j, fresh.bytes().data(), sizeof(S)) != 0) return false;
    return of.intact();
  }
  std::vector<double> values() {
    std::vector<double> x;
    x.reserve(static_cast<std::size_t>(m * n));
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) x.push_back(get(i, j));
    return x;
  }
  prefer::view<const S, 2> read() { return {of.data(), m, n, stride, std::int64_t{1}}; }
  prefer::view<S, 2> write() { return {of.data(), m, n, stride, std::int64_t{1}}; }
};

template <class Side, class S>
auto read(Side& side, layer<S>& l) {
  return side.read(l.of, l.m, l.n, l.stride);
}
template <class Side, class S>
auto write(Side& side, layer<S>& l) {
  return side.write(l.of, l.m, l.n, l.stride);
}

// Noise, and one direction that stands out, so that iterations end soon.
template <class S>
layer<S> make_layer(std::int64_t m, std::int64_t n, std::uint64_t seed, double outstanding = 1) {
  layer<S> w(m, n);
  noise random(seed);
  std::vector<double> x, y;
  for (std::int64_t i = 0; i < m; ++i) x.push_back(random.uniform(-1, 1));
  for (std::int64_t j = 0; j < n; ++j) y.push_back(random.uniform(-1, 1));
  w.fill([&](std::int64_t i, std::int64_t j) {
    return random.uniform(-0.5, 0.5) + outstanding * x[static_cast<std::size_t>(i)] * y[static_cast<std::size_t>(j)];
  });
  return w;
}

// What arithmetic for a storage type rounds to, and that type itself.
struct precision {
  double unit;  // of the arithmetic
  int digits, least_exponent;

  template <class S>
  static constexpr precision of() {
    return {std::is_same_v<S, double> ? 0x1p-52 : 0x1p-23, storage<S>::digits, storage<S>::least_exponent};
  }
  double stored(double x) const { return rounding_of(x, digits, least_exponent); }
};

// The largest of |got - exact| / allowed; infinite if one of them is NaN.
struct worst_error {
  double most = 0;
  void add(double got, double exact, double allowed) {
    const double error = std::fabs(got - exact) / allowed;
    most = std::isnan(error) ? HUGE_VAL : std::max(most, error);
  }
};

inline constexpr std::int64_t layer_shapes[][2] = {{0, 3},   {3, 0},   {1, 1},   {1, 9},   {7, 1},   {8, 8},
                                                   {15, 17}, {33, 16}, {64, 48}, {20, 65}, {140, 5}, {5, 1030}};

}  // namespace prefer_test
