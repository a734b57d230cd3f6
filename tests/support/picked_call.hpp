// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/logp/candidate_logp.hpp>
#include <prefer/logp/top_k_logp.hpp>
#include <support/token_call.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

// Calls that answer K columns of each row of logits, and what must come out of them by the textbook in long double.
namespace prefer_test {

// The K largest of a row by sorting all of it.
inline std::vector<std::int64_t> columns_by_size(const std::vector<double>& x, std::int64_t k) {
  std::vector<std::int64_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  const auto at = [&](std::int64_t v) { return x[static_cast<std::size_t>(v)]; };
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return at(a) > at(b); });
  order.resize(static_cast<std::size_t>(k));
  return order;
}

struct picked_truth {
  std::vector<long double> logp, logp_error;  // [K]
  long double log_sum_exp = 0, log_sum_exp_error = 0;
  std::vector<long double> gradient, gradient_error;  // [V]
};

// Entries of -100 are ignored. Each candidate is a target of its own; their gradients are added up.
template <class T>
picked_truth picked_textbook(const std::vector<double>& x, const std::vector<std::int64_t>& candidates,
                             const prefer::token_softmax& options, const std::vector<double>& by_logp,
                             double by_log_sum_exp) {
  const token_bounds<T> bound(x, options);
  picked_truth all;
  all.gradient.resize(x.size()), all.gradient_error.resize(x.size());
  bool first = true;
  for (std::size_t k = 0; k < candidates.size(); ++k) {
    all.logp.push_back(0), all.logp_error.push_back(0);
    if (candidates[k] == -100) continue;
    token_weights w = {.logp = by_logp[k], .log_sum_exp = first ? by_log_sum_exp : 0};
    first = false;
    const token_truth t = token_textbook(x, candidates[k], options, w);
    all.logp[k] = t.logp;
    if (!std::isinf(t.logp)) all.logp_error[k] = bound.logp(t);
    // The textbook has no slope at -inf; the formula has that of log p.
    const token_numbers o(options);
    if (std::isinf(t.logp) && o.cap == 0)
      all.gradient[static_cast<std::size_t>(candidates[k])] += by_logp[k] * o.scale / o.temperature;
    all.log_sum_exp = t.log_sum_exp, all.log_sum_exp_error = bound.log_sum_exp(t);
    for (std::size_t v = 0; v < x.size(); ++v)
      all.gradient[v] += t.gradient[v], all.gradient_error[v] += bound.gradient(t, v);
  }
  return all;
}

// Everything that a call on M rows may read and write.
template <class S>
struct picked_memory {
  std::int64_t m, k;
  token_matrix<S> logits, gradient;
  token_matrix<std::int32_t> token;
  token_matrix<double> logp, by_logp;
  buffer<double> max, log_sum, by_log_sum_exp;

  picked_memory(std::int64_t rows, std::int64_t v, std::int64_t picks, std::int64_t gap = 0, std::int64_t offset = 0,
                std::int64_t step = 1)
      : m(rows),
        k(picks),
        logits(m, v, gap, offset, step),
        gradient(m, v, gap, offset, step),
        token(m, k, gap, offset, step),
        logp(m, k, gap, offset, step),
        by_logp(m, k, gap, offset, step),
        max(m, step),
        log_sum(m, step),
        by_log_sum_exp(m, step) {}

  std::vector<std::int64_t> tokens(std::int64_t i) {
    std::vector<std::int64_t> c;
    for (std::int64_t j = 0; j < k; ++j) c.push_back(token.at(i, j));
    return c;
  }
  void set_tokens(std::int64_t i, const std::vector<std::int64_t>& c) {
    for (std::int64_t j = 0; j < k; ++j) token.at(i, j) = static_cast<std::int32_t>(c[static_cast<std::size_t>(j)]);
  }
  void set_weights(std::int64_t i, noise& random) {
    for (std::int64_t j = 0; j < k; ++j) by_logp.set(i, j, random.uniform(-1, 1));
    by_log_sum_exp.set(i, random.uniform(-1, 1));
  }
  void set_weights(std::int64_t i, double each, double of_sum) {
    for (std::int64_t j = 0; j < k; ++j) by_logp.set(i, j, each);
    by_log_sum_exp.set(i, of_sum);
  }
  // Random logits, every seventh -inf; candidates all over the row, some of them twice, one ignored if there are three.
  void fill(std::uint64_t seed) {
    noise random(seed);
    logits.fill(random, -9, 9);
    const std::int64_t v = logits.columns;
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < k; ++j)
        token.at(i, j) = static_cast<std::int32_t>(random.uniform(0, static_cast<double>(v)));
      if (k > 2) token.at(i, k - 1) = token.at(i, 0), token.at(i, 1) = -100;
      for (std::int64_t e = 6; e < v; e += 7) logits.set(i, e, -std::numeric_limits<double>::infinity());
      set_weights(i, random);
    }
  }

  prefer::candidate_logp_inputs<prefer::space::host> inputs() {
    return {.logits = logits.read(),
            .candidates = token.read(),
            .grad_logp = by_logp.read(),
            .grad_log_sum_exp = by_log_sum_exp.read()};
  }
  prefer::candidate_logp_outputs<prefer::space::host> outputs() {
    return {.logp = logp.view(), .max = max.view(), .log_sum = log_sum.view(), .grad_logits = gradient.view()};
  }
  prefer::candidate_logp_gradient_inputs<prefer::space::host> saved() {
    return {.logits = logits.read(),
            .candidates = token.read(),
            .max = max.read(),
            .log_sum = log_sum.read(),
            .grad_logp = by_logp.read(),
            .grad_log_sum_exp = by_log_sum_exp.read()};
  }
  prefer::top_k_logp_outputs<prefer::space::host> largest() {
    return {.logp = logp.view(), .index = token.view(), .max = max.view(), .log_sum = log_sum.view()};
  }

  // Of long rows without a gradient the first and the last candidate alone, for speed.
  bool looks_at(std::int64_t j, bool all) const { return all || logits.columns < 10000 || j == 0 || j == k - 1; }
  picked_truth truth(std::int64_t i, const prefer::token_softmax& options, bool every = true) {
    std::vector<double> by;
    std::vector<std::int64_t> candidates = tokens(i);
    for (std::int64_t j = 0; j < k; ++j) {
      by.push_back(by_logp.get(i, j));
      if (!looks_at(j, every)) candidates[static_cast<std::size_t>(j)] = -100;
    }
    return picked_textbook<compute_of<S>>(logits.logits(i), candidates, options, by, by_log_sum_exp.get(i));
  }
  bool intact() {
    return logits.gaps_intact() && gradient.gaps_intact() && token.gaps_intact() && logp.gaps_intact() &&
           by_logp.gaps_intact() && max.intact() && log_sum.intact() && by_log_sum_exp.intact();
  }
  bool untouched() {
    return gradient.memory.untouched() && logp.memory.untouched() && max.untouched() && log_sum.untouched();
  }
  // Every bit of the answers of row i.
  std::vector<unsigned char> bits(std::int64_t i) {
    std::vector<unsigned char> all;
    const auto add = [&](const auto& x) {
      const auto* p = reinterpret_cast<const unsigned char*>(&x);
      all.insert(all.end(), p, p + sizeof x);
    };
    for (std::int64_t j = 0; j < k; ++j) add(token.at(i, j)), add(logp.at(i, j));
    add(max.at(i)), add(log_sum.at(i));
    for (std::int64_t e = 0; e < gradient.columns; ++e) add(gradient.at(i, e));
    return all;
  }
};

inline bool near(double got, long double exact, long double by) {
  if (std::isinf(exact)) return got == static_cast<double>(exact);
  return std::fabs(got - exact) <= by + rounding<double>(exact);
}

// The answers of row i; `gradient` says whether there is one.
template <class S>
void check_picked_row(picked_memory<S>& c, std::int64_t i, const prefer::token_softmax& options, bool gradient) {
  const picked_truth t = c.truth(i, options, gradient);
  INFO("row " << i << " of " << c.m << " x " << c.logits.columns << ", K = " << c.k);
  for (std::int64_t j = 0; j < c.k; ++j) {
    const auto at = static_cast<std::size_t>(j);
    if (!c.looks_at(j, gradient)) continue;
    INFO("token " << c.token.at(i, j) << ": " << c.logp.get(i, j) << " is " << static_cast<double>(t.logp[at]));
    CHECK(near(c.logp.get(i, j), t.logp[at], t.logp_error[at]));
  }
  CHECK(near(c.max.get(i) + c.log_sum.get(i), t.log_sum_exp, t.log_sum_exp_error));
  if (!gradient) return;
  const long double least = std::is_same_v<compute_of<S>, float> ? 1e-37L : 0;
  for (std::int64_t e = 0; e < c.gradient.columns; ++e) {
    const auto at = static_cast<std::size_t>(e);
    INFO("column " << e << ": " << c.gradient.get(i, e) << " is " << static_cast<double>(t.gradient[at]));
    CHECK(std::fabs(c.gradient.get(i, e) - t.gradient[at]) <=
          t.gradient_error[at] + rounding<S>(t.gradient[at]) + least);
  }
}

}  // namespace prefer_test
