// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <advantage/group_advantage.hpp>
#include <prefer/advantage/rank_advantage.hpp>

#include <algorithm>
#include <vector>

// Advantages by order, by their definitions.
namespace prefer_test {

// Ranks from 0, equal scores sharing the mean of theirs, by sorting; stretched to [-1, 1].
inline grouped ranks_by_sorting(const grouped& x) {
  return each_score(x, [](const numbers& g) {
    numbers sorted = g;
    std::sort(sorted.begin(), sorted.end());
    return [sorted](long double v) -> long double {
      if (sorted.size() < 2) return 0;
      const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), v);
      const auto first = static_cast<long double>(low - sorted.begin());
      const auto last = static_cast<long double>(high - sorted.begin()) - 1;
      return (first + last) / static_cast<long double>(sorted.size() - 1) - 1;
    };
  });
}
inline grouped ends(const grouped& x, long double best, long double worst, bool first) {
  grouped a = x;
  for (numbers& g : a) {
    if (g.empty()) continue;
    const long double high = *std::max_element(g.begin(), g.end()), low = *std::min_element(g.begin(), g.end());
    bool had_best = false, had_worst = false;
    for (long double& v : g) {
      const bool is_best = v == high && low < high, is_worst = v == low && low < high;
      v = is_best && !(first && had_best) ? best : is_worst && !(first && had_worst) ? worst : 0;
      had_best = had_best || is_best, had_worst = had_worst || is_worst;
    }
  }
  return a;
}

template <class F>
void each_place_rule(F f) {
  f("centred_ranks", prefer::centred_ranks{}, [](const grouped& x) { return ranks_by_sorting(x); });
  f("best_worst", prefer::best_worst{}, [](const grouped& x) { return ends(x, 1, -1, false); });
  f("best_worst", prefer::best_worst{.best = 2.0, .worst = -0.5, .first = true},
    [](const grouped& x) { return ends(x, 2, -0.5L, true); });
}

// Scores of few values, so that there are ties, with an infinity and zeros of either sign among them.
template <class S>
void tie(group_case<S>& c) {
  for (std::int64_t i = 0; i < c.total; ++i) c.score.set(i, std::nearbyint(4 * c.score.get(i)) / 4);
  for (std::int64_t i = 0; i < c.total; i += 7) c.score.set(i, i % 2 == 0 ? 0.0 : -0.0);
  for (std::int64_t i = 5; i < c.total; i += 31) c.score.set(i, i % 2 == 0 ? HUGE_VAL : -HUGE_VAL);
}

}  // namespace prefer_test
