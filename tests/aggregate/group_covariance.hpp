// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <aggregate/decoupled.hpp>
#include <prefer/aggregate/group_covariance.hpp>

#include <cmath>
#include <vector>

// Covariances within groups by their definition, of the rewards of a decoupled_case with its scores.
namespace prefer_test {

template <class S>
struct covariance_case : decoupled_case<S> {
  using base = decoupled_case<S>;
  buffer<S> covariance;

  covariance_case(const std::vector<int>& sizes, std::int64_t k, std::int64_t gap)
      : base(sizes, k, gap), covariance(k, 2) {
    for (std::int64_t i = 0; i < base::total; ++i)  // some of it goes along with the score
      base::reward.set(i * base::row, base::reward.get(i * base::row) + 0.5 * base::score.get(i));
  }
  prefer::covariance_inputs<prefer::space::host> inputs() {
    prefer::covariance_inputs<prefer::space::host> in;
    in.rewards = prefer::view<const S, 2>(base::reward.data(), base::total, base::rewards, base::row, 1);
    in.score = base::score.read(), in.offsets = base::offsets.read();
    if (base::masked) in.mask = base::mask.read();
    return in;
  }
  // The largest error relative to the scale of the reward, beyond the rounding of S.
  double worst_covariance(const prefer::group_covariance& form) {
    double worst = 0;
    for (std::int64_t j = 0; j < base::rewards; ++j) {
      long double sum = 0, groups = 0;
      for (std::int64_t g = 0; g < base::n; ++g) {
        numbers x, y;
        for (std::int64_t i = base::offsets.at(g); i < base::offsets.at(g + 1); ++i)
          if (base::counts(i)) x.push_back(base::reward.get(i * base::row + j)), y.push_back(base::score.get(i));
        if (x.empty()) continue;
        long double product = 0;
        for (std::size_t i = 0; i < x.size(); ++i) product += (x[i] - mean_of(x)) * (y[i] - mean_of(y));
        const auto size = static_cast<long double>(x.size());
        const bool sample = form.std == prefer::deviation::sample && !form.correlation;
        const long double below =
            (sample ? size - 1 : size) * (form.correlation ? std_of(x, false) * std_of(y, false) : 1);
        sum += below > 0 ? product / below : 0, groups += 1;
      }
      const auto exact = static_cast<double>(sum / groups);
      const double rounding = std::fabs(exact) * std::ldexp(0.5000001, 1 - storage<S>::digits);
      const double apart = std::fabs(covariance.get(j) - exact) - rounding;
      worst = std::fmax(worst, std::isnan(apart) ? HUGE_VAL : apart / std::pow(10.0, static_cast<double>(j)));
    }
    return worst;
  }
};

}  // namespace prefer_test
