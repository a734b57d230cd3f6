// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/explicable_reward.hpp>
#include <mdp/random_mdp.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

// Gaps by powers of the operator over state-action pairs, (E - I) sum_h g^h P*^h R, in long double.
namespace prefer_test {

struct explicable_case {
  random_mdp m;
  bool stochastic;
  std::vector<double> target, required;  // a policy, deterministic in all but one state of each process
  std::vector<double> gap, local_gap, least_gap, shortfall, informativeness, violation, residual;
  std::vector<std::int64_t> iterations;

  explicable_case(std::int64_t b, std::int64_t s, std::int64_t a, bool random_transitions)
      : m(b, s, a),
        stochastic(random_transitions),
        target(m.policy.size()),
        gap(target.size()),
        local_gap(target.size()),
        least_gap(static_cast<std::size_t>(b * s)),
        shortfall(least_gap.size()),
        informativeness(static_cast<std::size_t>(b)),
        violation(informativeness.size()),
        residual(informativeness.size()),
        iterations(informativeness.size()) {
    noise random(3);
    for (std::int64_t i = 0; i < b * s; ++i) {
      const auto first = static_cast<std::size_t>(i * a);
      if (i % s == 1 && a > 1)
        target[first] = 0.25, target[first + 1] = 0.75;
      else
        target[first + static_cast<std::size_t>(random.uniform(0, static_cast<double>(a)))] = 1;
      required.push_back(random.uniform(0, 0.5));
    }
  }

  struct answer {
    std::vector<long double> gap, local_gap, least_gap, shortfall, informativeness, violation;
  };
  answer expected(const prefer::horizons& ahead) const {
    const std::int64_t S = m.states, A = m.actions;
    answer x;
    const auto at = [](const std::vector<double>& v, std::int64_t i) { return v[static_cast<std::size_t>(i)]; };
    for (std::int64_t b = 0; b < m.batch; ++b) {
      const auto ends = [&](std::int64_t s) { return m.terminal[static_cast<std::size_t>(b * S + s)] != 0; };
      const auto pi = [&](std::int64_t s, std::int64_t a) { return at(target, (b * S + s) * A + a); };
      std::vector<long double> power(static_cast<std::size_t>(S * A)), sum(power.size());  // g^h P*^h R, and their sum
      for (std::int64_t i = 0; i < S * A; ++i)
        power[static_cast<std::size_t>(i)] = ends(i / A) ? 0 : at(m.reward, b * S * A + i);
      const auto gap_of = [&](std::int64_t s, std::int64_t a) {
        long double mean = 0;
        for (std::int64_t c = 0; c < A; ++c) mean += pi(s, c) * sum[static_cast<std::size_t>(s * A + c)];
        return ends(s) ? 0 : mean - sum[static_cast<std::size_t>(s * A + a)];
      };
      std::vector<long double> lacks(static_cast<std::size_t>(S));
      const auto rest = [&] {
        long double most = 0;
        for (long double p : power) most = std::max(most, std::fabs(p));
        return most;
      };
      for (std::int64_t h = 0; h <= ahead.last || rest() > 1e-16L; ++h) {
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += power[i];
        if (h >= ahead.first && h <= ahead.last)
          for (std::int64_t s = 0; s < S; ++s) {
            long double worst = 0;
            for (std::int64_t a = 0; a < A && !ends(s); ++a)
              if (pi(s, a) == 0) worst = std::max(worst, at(required, b * S + s) - gap_of(s, a));
            lacks[static_cast<std::size_t>(s)] += worst / static_cast<long double>(ahead.last - ahead.first + 1);
          }
        if (h == ahead.last)
          for (std::int64_t i = 0; i < S * A; ++i) x.local_gap.push_back(gap_of(i / A, i % A));
        std::vector<long double> value(static_cast<std::size_t>(S)), later(power.size());
        for (std::int64_t s = 0; s < S; ++s)
          for (std::int64_t a = 0; a < A; ++a)
            value[static_cast<std::size_t>(s)] += pi(s, a) * power[static_cast<std::size_t>(s * A + a)];
        for (std::int64_t i = 0; i < S * A; ++i) {
          if (ends(i / A)) continue;
          long double& to = later[static_cast<std::size_t>(i)];
          for (std::int64_t s = 0; s < S; ++s) {
            const long double chance = stochastic ? at(m.transition, (b * S * A + i) * S + s)
                                                  : m.next[static_cast<std::size_t>(b * S * A + i)] == s;
            to += m.discount * chance * value[static_cast<std::size_t>(s)];
          }
        }
        power = later;
      }
      long double total = 0, states = 0, violated = 0;
      for (std::int64_t s = 0; s < S; ++s) {
        long double least = HUGE_VALL;
        for (std::int64_t a = 0; a < A; ++a) {
          x.gap.push_back(gap_of(s, a));
          if (!ends(s) && pi(s, a) == 0) least = std::min(least, x.gap.back());
          if (!ends(s)) violated = std::max(violated, (pi(s, a) == 0 ? at(required, b * S + s) : 0) - x.gap.back());
        }
        x.least_gap.push_back(least == HUGE_VALL ? 0 : least);
        x.shortfall.push_back(lacks[static_cast<std::size_t>(s)]);
        total += lacks[static_cast<std::size_t>(s)], states += ends(s) ? 0 : 1;
      }
      x.informativeness.push_back(states > 0 ? -total / states : 0);
      x.violation.push_back(violated);
    }
    return x;
  }
  void check_answer(const prefer::horizons& ahead) const {
    const answer x = expected(ahead);
    const auto near = [](const std::vector<double>& got, const std::vector<long double>& want) {
      REQUIRE(got.size() == want.size());
      for (std::size_t i = 0; i < got.size(); ++i) CHECK(std::fabs(got[i] - want[i]) < 1e-11L);
    };
    near(gap, x.gap), near(local_gap, x.local_gap), near(least_gap, x.least_gap), near(shortfall, x.shortfall);
    near(informativeness, x.informativeness), near(violation, x.violation);
    for (double r : residual) CHECK((r >= 0 && r <= 1e-13));
    for (std::int64_t n : iterations) CHECK((n > 0 && n < 1000));
  }
};

}  // namespace prefer_test
