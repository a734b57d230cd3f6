// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <aggregate/aggregate.hpp>
#include <prefer/aggregate/criteria.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

// Rules for criteria by their definitions, on rows of six scores, in long double.
namespace prefer_test {

inline constexpr int criteria = 6;

// blocks[p][b]: the numbers of a row that belong to block b of pass p.
using pass_blocks = std::vector<std::vector<std::vector<std::size_t>>>;

struct judged {
  std::vector<std::vector<long double>> least, weight;  // [pass][block]
};
inline judged judge(const reals& r, const reward_facts& f, const pass_blocks& passes, long double floor) {
  judged all;
  for (const auto& blocks : passes) {
    all.least.emplace_back(), all.weight.emplace_back();
    for (const auto& block : blocks) {
      long double least = HUGE_VALL, weight = 0;
      for (const std::size_t k : block)
        if (f.weight[k] != 0) least = std::min(least, r[k]), weight = std::max(weight, f.weight[k]);
      all.least.back().push_back(std::max(least, floor)), all.weight.back().push_back(weight);
    }
  }
  return all;
}
inline long double geometric(const reals& x, const reals& w) {
  long double product = 1, sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (w[i] != 0) product *= std::pow(x[i], w[i]), sum += w[i];
  return std::pow(product, 1 / sum);
}
inline long double judged_last(const judged& j) {
  long double sum = 0, n = 0;
  for (std::size_t p = 0; p < j.least.size(); ++p)
    if (*std::max_element(j.weight[p].begin(), j.weight[p].end()) != 0)
      sum += geometric(j.least[p], j.weight[p]), n += 1;
  return sum / n;
}
inline long double judged_first(const judged& j) {
  reals mean, weight;
  for (std::size_t b = 0; b < j.least[0].size(); ++b) {
    long double sum = 0, n = 0, most = 0;
    for (std::size_t p = 0; p < j.least.size(); ++p)
      if (j.weight[p][b] != 0) sum += j.least[p][b], n += 1, most = std::max(most, j.weight[p][b]);
    mean.push_back(n > 0 ? sum / n : 1), weight.push_back(most);
  }
  return geometric(mean, weight);
}

// Interactions and thresholds of the rubric.
inline std::array<double, criteria * criteria> interactions() {
  std::array<double, criteria * criteria> b{};
  for (std::size_t i = 0; i < b.size(); ++i)
    b[i] = i / criteria < i % criteria ? 0.1 * static_cast<double>(i % 7) : -50;
  return b;
}
inline std::array<double, criteria> thresholds() { return {0, 0.6, 0, 0, 0.75, 0}; }

inline long double rubric_value(const reals& r, const reward_facts& f, double c, bool interact, bool veto,
                                bool stretch) {
  const auto b = interactions();
  const auto low = thresholds();
  reals g;
  for (const long double s : r)
    g.push_back(c == 0 ? s : (1 - std::exp(-c * s)) / (1 - std::exp(-static_cast<long double>(c))));
  long double sum = 0;
  for (std::size_t i = 0; i < r.size(); ++i) {
    if (f.weight[i] != 0) sum += f.weight[i] * g[i];
    for (std::size_t j = i + 1; interact && j < r.size(); ++j)
      if (f.weight[i] != 0 && f.weight[j] != 0) sum += b[i * criteria + j] * g[i] * g[j];
  }
  if (stretch) sum += 0.5L * std::max(0.0L, sum - 5);
  for (const std::size_t k : {std::size_t{1}, std::size_t{4}})
    if (veto && r[k] < low[k]) return -3;
  return sum;
}

// Scores of a case such that differences of the definitions find slopes in every type: no two of a row are equal, and
// none is a threshold or a floor.
template <class S>
reward_case<S> criteria_case(std::int64_t n, std::int64_t gap) {
  reward_case<S> c(n, criteria, gap);
  noise random(17);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint64_t level = random.bits();
    for (std::int64_t k = 0; k < criteria; ++k)
      c.reward.set(i * c.row + k,
                   0.5 + static_cast<double>(2 * ((level + 11 * static_cast<std::uint64_t>(k)) % 64) + 1) / 128);
  }
  return c;
}

// f(name, rule, definition); the rubric reads its numbers where `side` puts them.
template <class F>
void each_criteria_rule(const double* interaction, const double* threshold, F f) {
  using prefer::min_geometric;
  const pass_blocks two_passes = {{{0, 1}, {2}}, {{3, 4}, {5}}}, one_pass = {{{0}, {1, 2}, {3, 4, 5}}},
                    three_passes = {{{0}, {1}}, {{2}, {3}}, {{4}, {5}}};
  f("min_geometric", min_geometric{.block_begins = 0b101, .passes = 2},
    [=](const reals& r, const reward_facts& w) { return judged_last(judge(r, w, two_passes, 0)); });
  f("min_geometric", min_geometric{.block_begins = 0b1011, .floor = 0.9},
    [=](const reals& r, const reward_facts& w) { return judged_last(judge(r, w, one_pass, 0.9L)); });
  f("min_geometric",
    min_geometric{.block_begins = 0b101, .passes = 2, .mean = min_geometric::average::over_first, .floor = 0.7},
    [=](const reals& r, const reward_facts& w) { return judged_first(judge(r, w, two_passes, 0.7L)); });
  f("min_geometric",
    min_geometric{.block_begins = ~std::uint64_t{0}, .passes = 3, .mean = min_geometric::average::over_first},
    [=](const reals& r, const reward_facts& w) { return judged_first(judge(r, w, three_passes, 0)); });
  prefer::rubric full{.critical = 0b10010,
                      .thresholds = {threshold, criteria},
                      .veto_reward = -3.0,
                      .saturation = 2.0,
                      .interaction = {interaction, criteria, criteria},
                      .stretch = 0.5,
                      .stretch_above = 5.0};
  f("rubric", full, [](const reals& r, const reward_facts& w) { return rubric_value(r, w, 2, true, true, true); });
  f("rubric", prefer::rubric{.saturation = 1e-3},
    [](const reals& r, const reward_facts& w) { return rubric_value(r, w, 1e-3, false, false, false); });
  full.saturation = 0.0, full.critical = 0, full.stretch = 0.0;
  f("rubric", full, [](const reals& r, const reward_facts& w) { return rubric_value(r, w, 0, true, false, false); });
}

}  // namespace prefer_test
