// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/logp/token_logp.hpp>
#include <support/buffer.hpp>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

// A row of logits, what token_logp must answer for it by the textbook in long double, and how far it may be off.
namespace prefer_test {

struct token_weights {  // derivatives of an objective by the answers
  double logp = 0, loss = 0, entropy = 0, log_sum_exp = 0;
};

struct token_truth {
  long double logp = 0, loss = 0, log_sum_exp = 0, entropy = 0, choices = 0, top = 0;
  std::int64_t argmax = -1;
  std::vector<long double> gradient;
  std::vector<long double> size;  // of the gradient's terms, which rounding errors are relative to
};

// Options as numbers.
struct token_numbers {
  long double temperature, scale, cap, smoothing, z_loss;
  explicit token_numbers(const prefer::token_softmax& o)
      : temperature(o.temperature.as<double>()),
        scale(o.logit_scale.as<double>()),
        cap(o.soft_cap.as<double>()),
        smoothing(o.label_smoothing.as<double>()),
        z_loss(o.z_loss.as<double>()) {}
  long double value(long double x) const {
    if (std::isinf(x) && x < 0) return x;
    return (cap > 0 ? cap * std::tanh(x * scale / cap) : x * scale) / temperature;
  }
  long double slope(long double x) const {
    const long double c = cap > 0 ? 1 / std::cosh(x * scale / cap) : 1;
    return c * c * scale / temperature;
  }
};

inline token_truth token_textbook(const std::vector<double>& x, std::int64_t target,
                                  const prefer::token_softmax& options, const token_weights& w = {}) {
  const token_numbers o(options);
  const std::size_t n = x.size();
  const auto y = static_cast<std::size_t>(target);
  token_truth t;
  std::vector<long double> z(n), logp(n);
  for (std::size_t v = 0; v < n; ++v) {
    z[v] = o.value(x[v]);
    if (t.argmax < 0 || z[v] > z[static_cast<std::size_t>(t.argmax)]) t.argmax = static_cast<std::int64_t>(v);
  }
  const long double max = z[static_cast<std::size_t>(t.argmax)];
  long double sum = 0, rest = 0, mean = 0;
  for (std::size_t v = 0; v < n; ++v) {
    sum += std::exp(z[v] - max);
    if (v != y && !std::isinf(z[v])) rest += std::exp(z[v] - z[y]);
    if (!std::isinf(z[v])) t.choices += 1;
  }
  t.log_sum_exp = max + std::log(sum);
  t.top = 1 / sum;
  for (std::size_t v = 0; v < n; ++v) {
    logp[v] = v == y ? (std::isinf(rest) ? z[y] - max - std::log(sum) : -std::log1p(rest)) : z[v] - max - std::log(sum);
    if (std::isinf(z[v])) continue;
    t.entropy -= std::exp(logp[v]) * logp[v];
    mean += logp[v] / t.choices;
  }
  t.logp = logp[y];
  t.loss = -(1 - o.smoothing) * t.logp - (o.smoothing > 0 ? o.smoothing * mean : 0) +
           o.z_loss * t.log_sum_exp * t.log_sum_exp;
  for (std::size_t v = 0; v < n; ++v) {
    const long double p = std::exp(logp[v]), own = w.logp - (1 - o.smoothing) * w.loss;
    const long double uniform = std::isinf(z[v]) ? 0 : -o.smoothing * w.loss / t.choices;
    const long double hit = v == y ? -std::expm1(logp[y]) : -p;
    const long double pull = 2 * o.z_loss * w.loss * t.log_sum_exp + o.smoothing * w.loss + w.log_sum_exp -
                             w.entropy * (t.entropy + (p > 0 ? logp[v] : 0));
    const long double pull_size = std::fabs(2 * o.z_loss * w.loss * t.log_sum_exp) + std::fabs(o.smoothing * w.loss) +
                                  std::fabs(w.log_sum_exp) +
                                  std::fabs(w.entropy) * (t.entropy + (p > 0 ? std::fabs(logp[v]) : 0));
    const long double slope = std::isinf(x[v]) ? 0 : o.slope(x[v]);
    t.gradient.push_back(slope * (own * hit + uniform + p * pull));
    t.size.push_back(slope * (std::fabs(own * hit) + std::fabs(uniform) + p * pull_size) *
                     (1 + (p > 0 ? std::fabs(logp[v]) : 0)));
  }
  return t;
}

// The bounds of docs/logp/token_logp.md, in the arithmetic T: how far an answer may be from the exact one.
template <class T>
struct token_bounds {
  long double unit, factor, transform;  // rounding unit; of sums over the row; of z

  token_bounds(const std::vector<double>& x, const prefer::token_softmax& options)
      : unit(std::ldexp(1.0L, -storage<T>::digits)), factor(150 + 2 * std::log(static_cast<long double>(x.size()))) {
    const token_numbers o(options);
    long double largest = 0;
    for (double e : x)
      if (!std::isinf(e)) largest = std::max(largest, std::fabs(o.value(e)));
    const bool exact = o.cap == 0 && o.scale == o.temperature;
    transform = exact ? 0 : (o.cap > 0 ? 12 : 2) * largest;
  }
  long double logp(const token_truth& t) const {
    return unit * (factor * std::fabs(t.logp) + 2 * transform * std::min(1.0L, std::fabs(t.logp)));
  }
  long double log_sum_exp(const token_truth& t) const { return unit * (factor + transform + std::fabs(t.log_sum_exp)); }
  long double entropy(const token_truth& t) const { return unit * (factor + transform) * (2 + 4 * t.entropy); }
  long double gradient(const token_truth& t, std::size_t v) const {
    return unit * (2 * factor + 2 * transform) * t.size[v];
  }
};

// Half a unit in the last place of S.
template <class S>
long double rounding(long double exact) {
  return std::ldexp(std::fabs(exact), -storage<S>::digits) + std::ldexp(1.0L, storage<S>::least_exponent);
}

template <class S>
using compute_of = std::conditional_t<std::is_same_v<S, double>, double, float>;

// A build with sanitizers takes a minute per width of numbers, and finds nothing in one that is not in the other.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PREFER_TEST_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define PREFER_TEST_SANITIZED
#endif
#if defined(PREFER_TEST_SANITIZED)
using wide = float;
#else
using wide = double;
#endif
constexpr double wide_tolerance(double in_double) { return std::is_same_v<wide, double> ? in_double : 1e-4; }

// M rows of V logits in memory, with a gap behind each row and an offset before the first.
template <class S>
struct token_matrix {
  std::int64_t m, columns, row, stride;
  buffer<S> memory;

  token_matrix(std::int64_t rows, std::int64_t v, std::int64_t gap = 0, std::int64_t offset = 0, std::int64_t step = 1)
      : m(rows), columns(v), row(v * step + gap), stride(step), memory(rows * (v * step + gap), 1, offset) {}
  S& at(std::int64_t i, std::int64_t v) { return memory.at(i * row + v * stride); }
  double get(std::int64_t i, std::int64_t v) { return storage<S>::to(at(i, v)); }
  void set(std::int64_t i, std::int64_t v, double x) { at(i, v) = storage<S>::from(x); }
  void fill(noise& random, double low, double high) {
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t v = 0; v < columns; ++v) set(i, v, random.uniform(low, high));
  }
  std::vector<double> logits(std::int64_t i) {
    std::vector<double> x;
    for (std::int64_t v = 0; v < columns; ++v) x.push_back(get(i, v));
    return x;
  }
  prefer::view<S, 2> view() { return {memory.data(), m, columns, row, stride}; }
  prefer::view<const S, 2> read() { return {memory.data(), m, columns, row, stride}; }
  bool gaps_intact() {
    token_matrix copy = *this;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t v = 0; v < columns; ++v) std::memset(&copy.at(i, v), 0xa5, sizeof(S));
    return copy.memory.untouched();
  }
};

// Everything that a call on M rows may read and write. Answers are double unless A says otherwise.
template <class S, class A = double>
struct token_memory {
  token_matrix<S> logits, gradient;
  buffer<std::int64_t> target, argmax;
  buffer<A> logp, loss, entropy, argmax_prob;
  buffer<double> max, log_sum, choices;
  std::vector<buffer<double>> weight;  // by logp, loss, entropy, log-sum-exp

  token_memory(std::int64_t m, std::int64_t v, std::int64_t gap = 0, std::int64_t offset = 0, std::int64_t step = 1)
      : logits(m, v, gap, offset, step),
        gradient(m, v, gap, offset, step),
        target(m),
        argmax(m),
        logp(m),
        loss(m),
        entropy(m),
        argmax_prob(m),
        max(m),
        log_sum(m),
        choices(m),
        weight(4, buffer<double>(m)) {}

  void set_weights(std::int64_t i, const token_weights& w) {
    const double x[] = {w.logp, w.loss, w.entropy, w.log_sum_exp};
    for (std::size_t k = 0; k < 4; ++k) weight[k].set(i, x[k]);
  }
  token_weights weights(std::int64_t i) {
    return {weight[0].get(i), weight[1].get(i), weight[2].get(i), weight[3].get(i)};
  }
  prefer::token_logp_inputs<prefer::space::host> inputs() {
    return {.logits = logits.read(),
            .target = target.read(),
            .grad_logp = weight[0].read(),
            .grad_loss = weight[1].read(),
            .grad_entropy = weight[2].read(),
            .grad_log_sum_exp = weight[3].read()};
  }
  prefer::token_logp_outputs<prefer::space::host> outputs() {
    return {.logp = logp.view(),
            .loss = loss.view(),
            .max = max.view(),
            .log_sum = log_sum.view(),
            .entropy = entropy.view(),
            .choices = choices.view(),
            .argmax = argmax.view(),
            .argmax_prob = argmax_prob.view(),
            .grad_logits = gradient.view()};
  }
  prefer::token_logp_gradient_inputs<prefer::space::host> saved(const prefer::token_softmax& options) {
    prefer::token_logp_gradient_inputs<prefer::space::host> in = {.logits = logits.read(),
                                                                  .target = target.read(),
                                                                  .logp = logp.read(),
                                                                  .max = max.read(),
                                                                  .log_sum = log_sum.read(),
                                                                  .entropy = entropy.read(),
                                                                  .grad_logp = weight[0].read(),
                                                                  .grad_loss = weight[1].read(),
                                                                  .grad_entropy = weight[2].read(),
                                                                  .grad_log_sum_exp = weight[3].read()};
    if (!options.label_smoothing.is_zero()) in.choices = choices.read();
    return in;
  }
  bool intact() {
    for (auto& w : weight)
      if (!w.intact()) return false;
    return logits.gaps_intact() && gradient.gaps_intact() && target.intact() && argmax.intact() && logp.intact() &&
           loss.intact() && entropy.intact() && argmax_prob.intact() && max.intact() && log_sum.intact() &&
           choices.intact();
  }
  bool untouched() {
    return gradient.memory.untouched() && argmax.untouched() && logp.untouched() && loss.untouched() &&
           entropy.untouched() && argmax_prob.untouched() && max.untouched() && log_sum.untouched() &&
           choices.untouched();
  }
};

}  // namespace prefer_test
