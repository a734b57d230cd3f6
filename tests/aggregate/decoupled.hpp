// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <advantage/group_advantage.hpp>
#include <prefer/aggregate/decoupled.hpp>

#include <cmath>
#include <vector>

// Several rewards per score of a group_case, [N, K], and decoupled advantages by their definition.
namespace prefer_test {

template <class S>
struct decoupled_case : group_case<S> {
  using base = group_case<S>;
  std::int64_t rewards, row;
  buffer<S> reward;
  buffer<double> weight;

  decoupled_case(const std::vector<int>& sizes, std::int64_t k, std::int64_t gap)
      : base(sizes, 3), rewards(k), row(k + gap), reward(base::total * row), weight(k) {
    noise random(8);
    for (std::int64_t i = 0; i < base::total; ++i)
      for (std::int64_t j = 0; j < k; ++j)
        reward.set(i * row + j, std::pow(10.0, static_cast<double>(j)) * random.uniform(-1, 2));
    for (std::int64_t j = 0; j < k; ++j) weight.set(j, 1 - 0.75 * static_cast<double>(j));
  }

  bool counts(std::int64_t i) { return !base::masked || base::mask.at(i); }
  // Excluded NaN count 0 and are left out of their moments.
  grouped expected(bool whiten, bool sample, long double epsilon) {
    grouped a(static_cast<std::size_t>(base::n));
    for (std::int64_t g = 0; g < base::n; ++g) {
      numbers& sums = a[static_cast<std::size_t>(g)];
      for (std::int64_t j = 0; j < rewards; ++j) {
        numbers all, kept;
        for (std::int64_t i = base::offsets.at(g); i < base::offsets.at(g + 1); ++i) {
          const long double r = reward.get(i * row + j);
          if (counts(i)) all.push_back(r);
          if (counts(i) && !(base::exclude_nan && std::isnan(r))) kept.push_back(r);
        }
        sums.resize(all.size());
        const long double m = mean_of(kept), s = std_of(kept, sample);
        for (std::size_t i = 0; i < all.size(); ++i)
          if (!(base::exclude_nan && std::isnan(all[i]))) sums[i] += weight.get(j) * over(all[i] - m, s, epsilon);
      }
    }
    return whiten ? whitened(a) : a;
  }
  double worst_advantage(const grouped& x) {
    const bool excluded = base::exclude_nan;
    base::exclude_nan = false;  // nothing is left out of the sum
    const double apart = base::worst(x, 1e-13);
    base::exclude_nan = excluded;
    return apart;
  }
  prefer::decoupled_inputs<prefer::space::host> inputs() {
    prefer::decoupled_inputs<prefer::space::host> in;
    in.rewards = prefer::view<const S, 2>(reward.data(), base::total, rewards, row, 1);
    in.offsets = base::offsets.read(), in.weight = weight.read();
    if (base::masked) in.mask = base::mask.read();
    in.exclude_nan = base::exclude_nan;
    return in;
  }
};

}  // namespace prefer_test
