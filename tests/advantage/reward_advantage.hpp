// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <advantage/group_advantage.hpp>
#include <prefer/advantage/reward_advantage.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

// Samples with several rewards, and their aggregates by definition.
namespace prefer_test {

constexpr std::int64_t reward_count = 3;

template <class S>
struct reward_case {
  group_case<S> groups;
  buffer<S> reward;
  std::vector<double> weight = {1, 0.5, 2};

  explicit reward_case(const std::vector<int>& sizes, std::uint64_t seed = 3)
      : groups(sizes, seed), reward(groups.total * reward_count) {
    noise random(seed + 1);
    for (std::int64_t i = 0; i < groups.total * reward_count; ++i)
      reward.set(i, random.uniform(0.1, i % reward_count == 1 ? 5 : 1));
  }
  numbers column(std::int64_t k) {
    numbers x;
    for (std::int64_t i = groups.offsets.at(0); i < groups.offsets.at(groups.n); ++i)
      if (groups.counts(i)) x.push_back(reward.get(i * reward_count + k));
    return x;
  }
  // f(rewards of a sample) of every selected sample, group by group.
  template <class F>
  grouped aggregates(F f) {
    grouped x(static_cast<std::size_t>(groups.n));
    for (std::int64_t g = 0; g < groups.n; ++g)
      for (std::int64_t i = groups.offsets.at(g); i < groups.offsets.at(g + 1); ++i) {
        if (!groups.counts(i)) continue;
        long double r[reward_count];
        for (std::int64_t k = 0; k < reward_count; ++k) r[k] = reward.get(i * reward_count + k);
        x[static_cast<std::size_t>(g)].push_back(f(r));
      }
    return x;
  }
  grouped sums() {
    return aggregates([&](const long double* r) { return r[0] + 0.5L * r[1] + 2 * r[2]; });
  }
  grouped tamed() {
    long double h[reward_count], mean = 0;
    for (std::int64_t k = 0; k < reward_count; ++k) {
      h[k] = std_of(column(k), false) / mean_of(column(k));
      mean += h[k] / reward_count;
    }
    return aggregates([&](const long double* r) {
      long double sum = 0;
      for (std::int64_t k = 0; k < reward_count; ++k)
        sum += static_cast<long double>(weight[static_cast<std::size_t>(k)]) * (h[k] > mean ? std::log1p(r[k]) : r[k]);
      return sum;
    });
  }
};

}  // namespace prefer_test
