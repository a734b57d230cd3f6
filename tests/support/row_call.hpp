// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/logp/denoising_step.hpp>
#include <prefer/logp/noise_error.hpp>
#include <support/buffer.hpp>
#include <support/dual.hpp>

#include <cmath>
#include <vector>

// Rows as memory, and what a call on them must give: scores by their textbook formulas in long double, the loss and its
// derivative by dual numbers.
namespace prefer_test {

// n rows of D elements, at a row stride that leaves room between them.
template <class S>
struct matrix {
  std::int64_t n, elements, row;
  buffer<S> memory;

  matrix(std::int64_t items, std::int64_t d, std::int64_t gap)
      : n(items), elements(d), row(d + gap), memory(items * (d + gap)) {}
  std::int64_t at(std::int64_t i, std::int64_t e) const { return i * row + e; }
  double get(std::int64_t i, std::int64_t e) { return memory.get(at(i, e)); }
  void set(std::int64_t i, std::int64_t e, double x) { memory.set(at(i, e), x); }
  void fill(noise& random, double low, double high) {
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t e = 0; e < elements; ++e) set(i, e, random.uniform(low, high));
  }
  prefer::view<S, 2> view() { return {memory.data(), n, elements, row, 1}; }
  prefer::view<const S, 2> read() { return {memory.data(), n, elements, row, 1}; }
};

// One side's arrays in the order of the score, and its gradients.
template <class S>
struct row_side {
  std::vector<matrix<S>> in, grad;
  row_side(int arrays, std::int64_t n, std::int64_t d, std::int64_t gap)
      : in(static_cast<std::size_t>(arrays), matrix<S>(n, d, gap)), grad(2, matrix<S>(n, d, gap)) {}
};

// log N(next; mean, sigma^2), and the squared error.
inline long double log_normal(long double x, long double mean, long double sigma) {
  return -(x - mean) * (x - mean) / (2 * sigma * sigma) - std::log(sigma) -
         0.5L * std::log(2 * 3.14159265358979323846L);
}
inline long double square(long double x) { return x * x; }

struct row_answer {
  long double score = 0, size = 0;    // size: the sum of the magnitudes of what is added
  std::vector<long double> slope[2];  // by prediction and by the unconditional one
};

template <class S>
row_answer row_score(const prefer::noise_error& score, row_side<S>& r, std::int64_t i, const double (&)[3]) {
  row_answer a;
  const std::int64_t d = r.in[0].elements;
  const long double scale = score.mean && d > 0 ? 1.0L / static_cast<long double>(d) : 1.0L;
  for (std::int64_t e = 0; e < d; ++e) {
    const long double p = r.in[0].get(i, e), q = r.in[1].get(i, e), noise = r.in[2].get(i, e);
    a.score += scale * (square(noise - p) - square(noise - q));
    a.size += scale * std::fabs(square(noise - p) - square(noise - q));
    a.slope[0].push_back(scale * 2 * (p - noise));
  }
  return a;
}

template <class S>
row_answer row_score(const prefer::denoising_step& score, row_side<S>& r, std::int64_t i, const double (&f)[3]) {
  row_answer a;
  const std::int64_t d = r.in[0].elements;
  const long double scale = score.mean && d > 0 ? 1.0L / static_cast<long double>(d) : 1.0L;
  const long double s = score.guidance.value64;
  for (std::int64_t e = 0; e < d; ++e) {
    const auto x = [&](std::size_t k) -> long double { return r.in[k].get(i, e); };
    const long double guided = score.guided() ? (1 - s) * x(4) + s * x(2) : x(2);
    const long double other = score.guided() ? (1 - s) * x(5) + s * x(3) : x(3);
    const long double mean = f[0] * x(0) + f[1] * guided, mean_ref = f[0] * x(0) + f[1] * other;
    const long double term = log_normal(x(1), mean, f[2]) - log_normal(x(1), mean_ref, f[2]);
    a.score += scale * term;
    a.size += scale * std::fabs(term);
    const long double by_noise = scale * f[1] * (x(1) - mean) / (static_cast<long double>(f[2]) * f[2]);
    a.slope[0].push_back(s * by_noise);
    a.slope[1].push_back((1 - s) * by_noise);
  }
  return a;
}

}  // namespace prefer_test
