// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <reward/rewards.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("count bonuses are their definition: sizes, strides, storage types") {
  each_storage([](auto s) { check_count_bonus<decltype(s), host_side>(); });
}

TEST_CASE("count bonuses: the second visit is worth an eighth; counts below 1 and NaN have no value") {
  covers("count_bonus", "identity");
  const double m[] = {1, 1, 1, 1, not_a_number};
  const std::int32_t count[] = {1, 2, 0, -3, 2};
  double reward[5];
  const count_bonus_inputs<space::host> in{.intrinsic = {m, 5}, .count = {count, 5}};
  for (const auto kept : {count_bonus::rule::all, count_bonus::rule::above}) {
    check(count_bonuses(cpu{}, {.kept = kept, .intrinsic_weight = 1.0}, in, {.reward = {reward, 5}}));
    CHECK(reward[0] == doctest::Approx(1).epsilon(1e-15));
    CHECK(reward[1] == doctest::Approx(0.125).epsilon(1e-15));
    for (const int i : {2, 3, 4}) CHECK(std::isnan(reward[i]));
  }
  // Scaled, the threshold of the released code: what is a little below the mean passes. Moments may be pointers.
  const double mean = 2, std = 2;
  const double score[] = {2, 1.25, 1, 5};
  const std::int32_t first[] = {1, 1, 1, 1};
  check(count_bonuses(
      cpu{},
      {.kept = count_bonus::rule::scaled, .intrinsic_weight = 1.0, .threshold = -0.5, .mean = &mean, .std = &std},
      {.intrinsic = {score, 4}, .count = {first, 4}}, {.reward = {reward, 4}}));
  CHECK((reward[0] == 0 && reward[1] == -0.375 && reward[2] == 0 && reward[3] == 1.5));
}

TEST_CASE("count bonuses have the same bits for any threads, and allocate nothing") {
  const auto a = shares(40000), b = visits(40000);
  check_threads("count_bonus", a.size(), [&](const cpu& exec, float* to) {
    return count_bonuses(exec, {}, {.intrinsic = {a.data(), 40000}, .count = {b.data(), 40000}},
                         {.reward = {to, 40000}});
  });
}

TEST_CASE("count bonuses name what is wrong, and write nothing") {
  covers("count_bonus", "bad-argument");
  const double x[3] = {1, 1, 1};
  double to[3] = {7, 7, 7};
  const auto refused = [&](const count_bonus& rule, const count_bonus_inputs<space::host>& in) {
    const status s = count_bonuses(cpu{}, rule, in, {.reward = {to, 3}});
    CHECK((to[0] == 7 && to[1] == 7 && to[2] == 7));
    return text_of(s);
  };
  const count_bonus_inputs<space::host> in{.intrinsic = {x, 3}, .count = {x, 3}};
  CHECK(refused({}, {.count = {x, 3}}) == "prefer: missing input: intrinsic: expected one reward per item");
  CHECK(refused({}, {.intrinsic = {x, 3}}) == "prefer: missing input: count: expected one number of visits per item");
  CHECK(refused({.external_weight = HUGE_VAL}, in) ==
        "prefer: bad parameter: external_weight is inf, expected a finite number");
  CHECK(refused({.intrinsic_weight = HUGE_VAL}, in) ==
        "prefer: bad parameter: intrinsic_weight is inf, expected a finite number");
  CHECK(refused({.decay = -1.0}, in) == "prefer: bad parameter: decay is -1, expected a finite number, 0 or above");
  CHECK(refused({.threshold = HUGE_VAL}, in) == "prefer: bad parameter: threshold is inf, expected a finite number");
  CHECK(refused({.mean = HUGE_VAL}, in) == "prefer: bad parameter: mean is inf, expected a finite number");
  CHECK(refused({.std = 0.0}, in) == "prefer: bad parameter: std is 0, expected a finite number above 0");
  const double holed[] = {1, 1, not_a_number};
  CHECK(text_of(count_bonuses(cpu{.content = content::all}, {},
                              {.intrinsic = {holed, 2}, .count = {holed, 2}, .external = {holed + 1, 2}},
                              {.reward = {to, 2}})) ==
        "prefer: not a number: external[1]: expected a number, but it is NaN");
  CHECK(to[0] == 7);
}
