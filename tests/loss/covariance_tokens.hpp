// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/covariance_tokens.hpp>
#include <support/side.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

// Choices by covariance against their definition, on either side: of what is chosen at random, all that can be told.
namespace prefer_test {

template <class S>
struct covariance_case {
  std::int64_t n;
  buffer<S> policy, advantage, old_policy, weight, covariance;
  buffer<bool> mask, chosen;
  buffer<std::int32_t> count;
  buffer<double> totals;
  bool masked;

  covariance_case(std::int64_t tokens, std::int64_t stride, bool with_mask)
      : n(tokens),
        policy(n, stride),
        advantage(n, stride),
        old_policy(n),
        weight(n, stride),
        covariance(n),
        mask(n, stride),
        chosen(n),
        count(1),
        totals(3),
        masked(with_mask) {
    noise random(static_cast<std::uint64_t>(n + 3));
    for (std::int64_t i = 0; i < n; ++i) {
      // Multiples of 1/4 that every storage type holds, with many ties.
      const double p = -std::floor(random.uniform(0, 16)) / 4;
      policy.set(i, p), old_policy.set(i, p - std::floor(random.uniform(-2, 3)) / 4);
      advantage.set(i, std::floor(random.uniform(-8, 8)) / 4);
      mask.at(i) = !masked || random.uniform(0, 1) < 0.75;
      if (!mask.at(i)) policy.set(i, not_a_number), advantage.set(i, HUGE_VAL);
    }
  }

  template <class Side, class Rule>
  prefer::status run(Side& side, const Rule& rule) {
    prefer::covariance_tokens_inputs<Side::memory> in{.policy = side.read(policy), .advantage = side.read(advantage)};
    if (Rule::reads_old_policy) in.old_policy = side.read(old_policy);
    if (masked) in.mask = side.read(mask);
    const prefer::status s = covariance_tokens(side.exec, rule, in,
                                               {.weight = side.write(weight),
                                                .chosen = side.write(chosen),
                                                .covariance = side.write(covariance),
                                                .count = side.write(count),
                                                .totals = side.write(totals)});
    if (s.ok()) side.done();
    return s;
  }

  std::int64_t selected() {
    std::int64_t all = 0;
    for (std::int64_t i = 0; i < n; ++i) all += mask.at(i) ? 1 : 0;
    return all;
  }
  std::vector<double> exact_covariances() {
    // Sums of multiples of 1/4 are exact; so is what they are divided by.
    double p = 0, a = 0;
    for (std::int64_t i = 0; i < n; ++i)
      if (mask.at(i)) p += policy.get(i), a += advantage.get(i);
    const double all = static_cast<double>(std::max<std::int64_t>(selected(), 1));
    CHECK((totals.get(0) == static_cast<double>(selected()) && totals.get(1) == p && totals.get(2) == a));
    std::vector<double> c;
    for (std::int64_t i = 0; i < n; ++i)
      c.push_back(mask.at(i) ? (advantage.get(i) - a / all) * (policy.get(i) - p / all) : 0);
    return c;
  }
  std::int64_t most(double fraction) {
    return std::max<std::int64_t>(static_cast<std::int64_t>(fraction * static_cast<double>(selected())), 1);
  }

  bool intact() { return weight.intact() && chosen.intact() && covariance.intact() && count.intact(); }

  void check_top(const prefer::top_covariance& rule) {
    const auto c = exact_covariances();
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < n; ++i)
      if (mask.at(i)) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t x, std::int64_t y) {
      return c[static_cast<std::size_t>(x)] > c[static_cast<std::size_t>(y)];
    });
    const auto k = std::min(order.size(), static_cast<std::size_t>(most(rule.fraction.value64)));
    std::vector<bool> expected(static_cast<std::size_t>(n));
    for (std::size_t j = 0; j < k; ++j) expected[static_cast<std::size_t>(order[j])] = true;
    bool ok = intact() && count.at(0) == static_cast<std::int32_t>(k);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      ok = ok && chosen.at(i) == expected[at] && weight.get(i) == (expected[at] ? 1 : 0);
      ok = ok && rounded_right<S>(covariance.get(i), c[at]);
    }
    CHECK(ok);
  }

  bool eligible(const prefer::clip_cov& rule, std::int64_t i, double c) {
    const double ratio = std::exp(policy.get(i) - old_policy.get(i)), a = advantage.get(i);
    const bool clipped = (a > 0 && ratio > 1.2) || (a < 0 && ratio < 0.8);
    return mask.at(i) && !clipped && c > rule.least.value64 && c < rule.most.value64;
  }
  void check_clip(const prefer::clip_cov& rule) {
    const auto c = exact_covariances();
    std::int64_t there = 0, taken = 0;
    bool ok = intact();
    for (std::int64_t i = 0; i < n; ++i) {
      const bool may = eligible(rule, i, c[static_cast<std::size_t>(i)]);
      there += may, taken += chosen.at(i);
      ok = ok && (may || !chosen.at(i)) && weight.get(i) == (mask.at(i) && !chosen.at(i) ? 1 : 0);
    }
    CHECK(ok);
    CHECK(taken == std::min(there, most(rule.fraction.value64)));
    CHECK(count.at(0) == taken);
  }
};

template <class S, class Side>
void check_covariance(std::int64_t stride, bool masked) {
  for (const std::int64_t n : {0, 1, 7, 8, 9, 511, 513, 1200})
    for (const double fraction : {0.002, 0.25, 1.0}) {
      covariance_case<S> c(n, stride, masked);
      Side side;
      prefer::check(c.run(side, prefer::top_covariance{fraction}));
      c.check_top({fraction});
      Side again;
      const prefer::clip_cov clip{.fraction = fraction, .least = 0.25, .most = 2.0, .seed = 5};
      prefer::check(c.run(again, clip));
      c.check_clip(clip);
    }
  for (const char* name : {"clip_cov", "top_covariance"}) {
    covers<S>(name, "sizes");
    if (masked) covers(name, "masked");
  }
}

}  // namespace prefer_test
