// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/smoothness.hpp>
#include <support/row_call.hpp>

#include <cmath>
#include <limits>
#include <vector>

// Packed episodes of actions, and what the temporal penalty must be, in long double from its definition: the penalty of
// each difference, and the derivative of each penalty by the actions in it.
namespace prefer_test {

template <class S>
struct sequences {
  std::int64_t n, d;
  matrix<S> action, by_action;
  buffer<S> weight, losses;
  buffer<bool> mask;
  buffer<std::int32_t> offsets;
  buffer<double> loss{1}, count{1};

  sequences(std::int64_t steps, std::int64_t columns, std::int64_t gap, const std::vector<std::int32_t>& starts)
      : n(steps),
        d(columns),
        action(n, d, gap),
        by_action(n, d, gap),
        weight(n, 1 + gap),
        losses(n, 1 + gap),
        mask(n),
        offsets(static_cast<std::int64_t>(starts.size())) {
    noise random(11);
    action.fill(random, -1, 1);
    for (std::int64_t t = 0; t < n; ++t) weight.set(t, random.uniform(-1, 2)), mask.at(t) = t % 11 != 6;
    for (std::int64_t e = 0; e < offsets.size(); ++e) offsets.at(e) = starts[static_cast<std::size_t>(e)];
    // Steps that are left out may hold anything; one difference of 0.
    for (std::int64_t t = 0; t < n; ++t)
      for (std::int64_t e = 0; e < d; ++e) {
        if (!mask.at(t)) action.set(t, e, std::numeric_limits<double>::quiet_NaN());
        if (t == 3 || t == 4 || t == 5) action.set(t, e, 0.5);
      }
  }

  bool begins(std::int64_t t, int order) {
    for (int k = 0; k <= order; ++k)
      if (t + k >= n || !mask.at(t + k)) return false;
    if (offsets.size() == 0) return true;
    for (std::int64_t e = 0; e + 1 < offsets.size(); ++e)
      if (offsets.at(e) <= t && t + order < offsets.at(e + 1) && offsets.at(e + 1) <= n) return true;
    return false;
  }

  struct answer {
    long double loss = 0, count = 0;
    std::vector<long double> losses, gradient, size;  // size: of what a gradient is the sum of
  };
  answer expected(const prefer::smoothness_penalty& p, prefer::difference_order o, long double normalizer) {
    const int order = static_cast<int>(o);
    answer a;
    a.losses.assign(static_cast<std::size_t>(n), 0);
    a.gradient.assign(static_cast<std::size_t>(n * d), 0);
    a.size = a.gradient;
    for (std::int64_t t = 0; t < n; ++t) a.count += begins(t, order) ? 1 : 0;
    if (normalizer == 0) normalizer = a.count > 0 ? a.count : 1;
    for (std::int64_t t = 0; t < n; ++t) {
      if (!begins(t, order)) continue;
      const long double c = p.coefficient.value64, w = weight.get(t);
      const long double of[3] = {order == 1 ? -1.0L : 1.0L, order == 1 ? 1.0L : -2.0L, 1.0L};
      std::vector<long double> difference;
      long double squares = 0;
      for (std::int64_t e = 0; e < d; ++e) {
        long double x = 0;
        for (int k = 0; k <= order; ++k) x += of[k] * action.get(t + k, e);
        difference.push_back(x), squares += x * x;
      }
      const long double length = std::sqrt(squares);
      a.losses[static_cast<std::size_t>(t)] = w * c * (p.squared ? squares : length);
      a.loss += a.losses[static_cast<std::size_t>(t)] / normalizer;
      if (squares == 0) continue;
      for (int k = 0; k <= order; ++k)
        for (std::int64_t e = 0; e < d; ++e) {
          const long double g =
              w * c / normalizer * of[k] * difference[static_cast<std::size_t>(e)] * (p.squared ? 2 : 1 / length);
          a.gradient[static_cast<std::size_t>((t + k) * d + e)] += g;
          a.size[static_cast<std::size_t>((t + k) * d + e)] += std::fabs(w * c / normalizer) * (p.squared ? 8 : 4);
        }
    }
    return a;
  }
};

// Episodes of 0, 1, 2, 3 and more steps, with steps of no episode before and after.
inline std::vector<std::int32_t> episode_starts(std::int64_t n) {
  std::vector<std::int32_t> starts;
  const auto last = static_cast<std::int32_t>(n - n / 9);
  for (std::int32_t at = n > 2 ? 1 : 0, size = 0; at < last; at += size, size = (size + 1) % 8) starts.push_back(at);
  starts.push_back(last);
  return starts;
}

struct smoothness_case {
  prefer::smoothness_penalty penalty;
  prefer::difference_order order;
};
inline std::vector<smoothness_case> smoothness_cases() {
  using prefer::difference_order;
  return {{{}, difference_order::first},
          {{.coefficient = 0.5, .squared = true}, difference_order::first},
          {{.coefficient = 3.0}, difference_order::second},
          {{.squared = true}, difference_order::second}};
}

}  // namespace prefer_test
