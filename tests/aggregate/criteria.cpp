// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <aggregate/criteria.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::reward_case;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();
const auto interaction = prefer_test::interactions();
const auto threshold = prefer_test::thresholds();

template <class F>
void each_rule(F f) {
  prefer_test::each_criteria_rule(interaction.data(), threshold.data(), f);
}

template <class S>
void check_sizes(std::int64_t gap, bool masked) {
  for (const std::int64_t n : {0, 1, 7, 9, 64, 200}) {
    reward_case<S> c = prefer_test::criteria_case<S>(n, gap);
    c.masked = masked;
    for (std::int64_t i = 0; masked && i < n; ++i)
      if (!c.mask.at(i)) c.reward.set(i * c.row, missing);
    each_rule([&](const char* name, const auto& rule, const auto& definition) {
      INFO(name);
      for (const isa level : prefer_test::levels())
        check(aggregate(cpu{.isa = level}, rule, c.inputs(false), c.outputs()));
      CHECK(c.worst(definition) < 1);
      CHECK(c.intact());
      covers<S>(name, "sizes"), covers(name, "identity");
    });
  }
}

// The aggregate of one sample, and its gradient.
template <class Rule>
double one(const Rule& rule, std::vector<double> r, std::vector<double> w = {}, std::vector<double>* slope = nullptr) {
  double value = 0;
  const auto k = static_cast<std::int64_t>(r.size());
  std::vector<double> grad(r.size());
  aggregate_inputs<space::host> in{.rewards = {r.data(), 1, k}};
  if (!w.empty()) in.weight = {w.data(), k};
  check(aggregate(cpu{}, rule, in, {.aggregate = {&value, 1}, .grad_rewards = {grad.data(), 1, k}}));
  if (slope != nullptr) *slope = grad;
  return value;
}

}  // namespace

TEST_CASE("rules for criteria are their definitions and gradients their differences: sizes, masks, types, levels") {
  SUBCASE("float") { check_sizes<float>(0, false); }
  SUBCASE("double, with gaps and masked") { check_sizes<double>(2, true); }
  SUBCASE("half, masked") { check_sizes<half>(0, true); }
  SUBCASE("bfloat16, with gaps") { check_sizes<bfloat16>(1, false); }
}

TEST_CASE("min-geometric: the published example, a veto, and limits that are other rules") {
  // Two passes of (following, perceptual): 8, 2 and 2, 8.
  const std::vector<double> passes = {8, 2, 2, 8};
  min_geometric rule{.block_begins = 0b11, .passes = 2};
  CHECK(one(rule, passes) == doctest::Approx(4));
  rule.mean = min_geometric::average::over_first;
  CHECK(one(rule, passes) == doctest::Approx(5));
  CHECK(one(min_geometric{}, {3, 1, 2}) == doctest::Approx(1));                   // one block: the minimum
  CHECK(one(min_geometric{.block_begins = 0b11}, {1, 4}) == doctest::Approx(2));  // the geometric mean
  CHECK(one(min_geometric{.block_begins = 0b11}, {0, 4}) == 0);
  CHECK(one(min_geometric{.block_begins = 0b11, .floor = 0.25}, {0, 4}) == doctest::Approx(1));
  CHECK(std::isnan(one(min_geometric{.block_begins = 0b11}, {-1, 4})));
  // A negative score is NaN in whatever company; a floor lifts it.
  CHECK(std::isnan(one(rule, {8, 2, -1, 8})));
  rule.floor = 1.0;
  CHECK(one(rule, {7, 4, -1, 4}) == doctest::Approx(4));
}

TEST_CASE("min-geometric: the first of equal least scores takes the slope, and homogeneity ties it to the value") {
  std::vector<double> slope;
  const double value = one(min_geometric{.block_begins = 0b0101}, {2, 2, 5, 3}, {}, &slope);
  CHECK(value == doctest::Approx(std::sqrt(6.0)));
  CHECK(slope[1] == 0);
  CHECK(slope[2] == 0);
  CHECK(2 * slope[0] + 3 * slope[3] == doctest::Approx(value));  // Euler's theorem for degree 1
  one(min_geometric{}, {2, 2, 2}, {0, 3, 1}, &slope);            // the first that is looked at
  CHECK(slope == std::vector<double>{0, 1, 0});
  one(min_geometric{.block_begins = 0b11, .floor = 0.5}, {0.5, 4}, {}, &slope);
  CHECK(slope[0] == 0);
  CHECK(slope[1] == doctest::Approx(std::sqrt(2.0) / 8));
}

TEST_CASE("min-geometric: weights leave out scores, blocks and passes") {
  const min_geometric rule{.block_begins = 0b101, .passes = 2};
  const std::vector<double> full = {4, 9, 1, missing, missing, missing};
  CHECK(one(rule, full, {1, 1, 1, 0, 0, 0}) == doctest::Approx(2));
  CHECK(one(rule, {missing, 9, 1, 4, 4, 4}, {0, 1, 1, 1, 1, 1}) == doctest::Approx((3 + 4) / 2.0));
  CHECK(std::isnan(one(rule, full, {1, 1, 1, 0, 0, 1})));
  CHECK(std::isnan(one(rule, full, {0, 0, 0, 0, 0, 0})));
  // A NaN beside smaller scores is not overlooked, wherever it is.
  for (const std::size_t at : {0u, 1u, 2u}) {
    std::vector<double> r = {1, 1, 1}, slope;
    r[at] = missing;
    CHECK(std::isnan(one(min_geometric{}, r, {}, &slope)));
    for (const double s : slope) CHECK(std::isnan(s));
  }
}

TEST_CASE("rubric: saturation, veto, interaction and stretch, alone") {
  const double half_way = 0.731058578630004879;  // sigmoid(1)
  CHECK(one(rubric{.saturation = 2.0}, {0.5}) == doctest::Approx(half_way).epsilon(1e-15));
  CHECK(one(rubric{.saturation = 2.0}, {0.0}) == 0);
  CHECK(one(rubric{.saturation = 2.0}, {1.0}) == 1);
  CHECK(one(rubric{}, {0.25, 0.5}, {2, 3}) == 2);  // the weighted sum
  std::vector<double> slope;
  const rubric gate{.critical = 0b10, .threshold = 0.5, .veto_reward = -1.0};
  CHECK(one(gate, {0.25, 0.5}) == 0.75);  // at the threshold: no veto
  CHECK(one(gate, {0.25, 0.375}, {}, &slope) == -1);
  CHECK(slope == std::vector<double>{0, 0});
  CHECK(one(gate, {0.25, 0.375}, {1, 0}) == -1);  // a gate needs no weight
  CHECK(one(gate, {0.25, 0.75}, {1, 0}) == 0.25);
  CHECK(std::isnan(one(gate, {0.25, missing}, {1, 0})));
  const double b[4] = {-9, 2, -9, -9};
  CHECK(one(rubric{.interaction = {b, 2, 2}}, {0.5, 0.25}, {}, &slope) == 1);
  CHECK(slope == std::vector<double>{1.5, 2});
  CHECK(one(rubric{.stretch = 2.0, .stretch_above = 0.5}, {0.75}, {}, &slope) == 1.25);
  CHECK(slope[0] == 3);
  for (const double s : {0.75, 0.5}) {
    CHECK(one(rubric{.stretch = 2.0, .stretch_above = 0.75}, {s}, {}, &slope) == s);
    CHECK(slope[0] == 1);
  }
  const double strided[3] = {0.75, -9, 0.25};  // the threshold of each criterion
  const rubric gates{.critical = 0b11, .thresholds = {strided, 2, 2}, .veto_reward = -1.0};
  CHECK(one(gates, {0.75, 0.25}) == 1);
  CHECK(one(gates, {0.75, 0.125}) == -1);
  for (const auto& r : {std::vector<double>{missing, 0.1}, std::vector<double>{0.1, missing}}) {
    CHECK(std::isnan(one(gate, r, {}, &slope)));  // a veto hides no NaN
    CHECK((std::isnan(slope[0]) && std::isnan(slope[1])));
  }
}

TEST_CASE("rules for criteria have the same bits for any threads, and allocate nothing") {
  reward_case<float> c = prefer_test::criteria_case<float>(4000, 0);
  each_rule([&](const char* name, const auto& rule, const auto&) {
    const auto in = c.inputs(false);
    const auto out = c.outputs();
    const long before = prefer_test::allocation_count();
    const status s = aggregate(cpu{}, rule, in, out);
    CHECK(prefer_test::allocation_count() == before);
    CHECK(s.ok());
    const auto expected = c.aggregate.bytes(), slopes = c.grad.bytes();
    for (const int threads : {2, 3, 8}) {
      thread_pool pool(threads);
      check(aggregate(cpu{.pool = pool}, rule, in, out));
      CHECK((c.aggregate.bytes() == expected && c.grad.bytes() == slopes));
    }
    covers(name, "threads"), covers(name, "allocation");
  });
}

TEST_CASE("rules for criteria name what is wrong, and write nothing") {
  const double r[6] = {1, 2, 3, 4, 5, 6};
  double a = -7;
  const auto refused = [&](const char* text, const auto& rule) {
    CHECK(std::string(message(aggregate(cpu{}, rule, {.rewards = {r, 1, 6}}, {.aggregate = {&a, 1}})).c_str()) == text);
    CHECK(a == -7);
  };
  refused("prefer: bad parameter: passes is 0, expected 1 or more", min_geometric{.passes = 0});
  refused("prefer: bad parameter: passes is 4, expected a divisor of the number of rewards per sample",
          min_geometric{.passes = 4});
  refused("prefer: bad parameter: block_begins is 8, expected bits of the criteria of one pass only",
          min_geometric{.block_begins = 8, .passes = 2});
  refused("prefer: bad parameter: floor is -1, expected a finite number, 0 or above", min_geometric{.floor = -1.0});
  refused("prefer: bad parameter: critical is 64, expected bits of the criteria there are only",
          rubric{.critical = 64});
  refused("prefer: bad parameter: saturation is -2, expected a finite number, 0 or above", rubric{.saturation = -2.0});
  refused("prefer: bad parameter: stretch is -2, expected a finite number, 0 or above", rubric{.stretch = -2.0});
  refused("prefer: bad parameter: threshold is inf, expected a finite number", rubric{.threshold = HUGE_VAL});
  refused("prefer: bad parameter: veto_reward is inf, expected a finite number", rubric{.veto_reward = HUGE_VAL});
  refused("prefer: bad parameter: stretch_above is inf, expected a finite number", rubric{.stretch_above = HUGE_VAL});
  refused("prefer: bad extent: thresholds is 5, expected one per criterion: 6", rubric{.thresholds = {r, 5}});
  refused("prefer: bad extent: interaction is 2, expected as many rows as the others, 6",
          rubric{.interaction = {r, 2, 3}});
  for (const char* name : {"min_geometric", "rubric"}) covers(name, "bad-argument");
}
