// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <reward/rewards.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("tolerance rewards are their definition: sizes, strides, storage types") {
  each_storage([](auto s) { check_tolerance<decltype(s), host_side>(); });
}

TEST_CASE("tolerance rewards: strict, of integers and flags too, NaN where one of the two is") {
  covers("tolerance_reward", "identity");
  const double answer[] = {3, 4, 2, not_a_number, 3}, target[] = {3, 3, 3.5, 3, not_a_number};
  double reward[5];
  check(tolerance_rewards(cpu{}, {}, {.answer = {answer, 5}, .target = {target, 5}}, {.reward = {reward, 5}}));
  CHECK((reward[0] == 1 && reward[1] == 0 && reward[2] == 0));  // off by 1 is not within 1
  CHECK((std::isnan(reward[3]) && std::isnan(reward[4])));
  const std::int64_t choice[] = {2, std::int64_t{1} << 52, -7};
  const std::int32_t right[] = {2, 0, -7};
  const bool format[] = {true, false, false};
  check(tolerance_rewards(cpu{}, {.right = tolerance_reward::rule::equal, .accuracy_weight = 0.9, .format_weight = 0.1},
                          {.answer = {choice, 3}, .target = {right, 3}, .format = {format, 3}},
                          {.reward = {reward, 3}}));
  CHECK((reward[0] == 1 && reward[1] == 0 && reward[2] == 0.9));
}

TEST_CASE("tolerance rewards: equal infinities are right, others wrong, under both rules and in lanes") {
  std::vector<double> answer(19, 0), target(19, 0), reward(19);
  answer[0] = target[0] = HUGE_VAL, answer[9] = target[9] = -HUGE_VAL;
  answer[5] = HUGE_VAL, target[5] = -HUGE_VAL, answer[17] = HUGE_VAL;
  for (const auto rule : {tolerance_reward::rule::within, tolerance_reward::rule::equal}) {
    check(tolerance_rewards(cpu{}, {.right = rule}, {.answer = {answer.data(), 19}, .target = {target.data(), 19}},
                            {.reward = {reward.data(), 19}}));
    for (std::size_t i = 0; i < 19; ++i) CHECK(reward[i] == (i == 5 || i == 17 ? 0 : 1));
  }
}

TEST_CASE("tolerance rewards have the same bits for any threads, and allocate nothing") {
  const auto a = digits(40000), b = shares(40000);
  check_threads("tolerance_reward", a.size(), [&](const cpu& exec, float* to) {
    return tolerance_rewards(exec, {}, {.answer = {a.data(), 40000}, .target = {b.data(), 40000}},
                             {.reward = {to, 40000}});
  });
}

TEST_CASE("tolerance rewards name what is wrong, and write nothing") {
  covers("tolerance_reward", "bad-argument");
  const double x[3] = {};
  double to[3] = {7, 7, 7};
  const auto refused = [&](const tolerance_reward& rule, const tolerance_inputs<space::host>& in,
                           const reward_outputs<space::host>& out) {
    const status s = tolerance_rewards(cpu{}, rule, in, out);
    CHECK((to[0] == 7 && to[1] == 7 && to[2] == 7));
    return text_of(s);
  };
  const tolerance_inputs<space::host> in{.answer = {x, 3}, .target = {x, 3}};
  CHECK(refused({}, {.target = {x, 3}}, {{to, 3}}) == "prefer: missing input: answer: expected one per item");
  CHECK(refused({}, {.answer = {x, 3}}, {{to, 3}}) == "prefer: missing input: target: expected one per item");
  CHECK(refused({}, in, {}) == "prefer: missing output: reward: expected one number per item");
  CHECK(refused({}, {.answer = {x, -1}, .target = {x, 3}}, {{to, 3}}) ==
        "prefer: bad extent: answer is -1, expected at least 0");
  CHECK(refused({}, {.answer = {x, 3}, .target = {x, 2}}, {{to, 3}}) ==
        "prefer: bad extent: target is 2, expected the number of items, 3");
  CHECK(refused({}, in, {{to, 2}}) == "prefer: bad extent: reward is 2, expected the number of items, 3");
  CHECK(refused({}, {.answer = {x, 3}, .target = {to, 3}}, {{to, 3}}) ==
        "prefer: overlap: reward: expected memory of its own, not shared with an input");
  CHECK(refused({.tolerance = 0.0}, in, {{to, 3}}) ==
        "prefer: bad parameter: tolerance is 0, expected a finite number above 0");
  CHECK(refused({.accuracy_weight = HUGE_VAL}, in, {{to, 3}}) ==
        "prefer: bad parameter: accuracy_weight is inf, expected a finite number");
  CHECK(refused({.format_weight = HUGE_VAL}, in, {{to, 3}}) ==
        "prefer: bad parameter: format_weight is inf, expected a finite number");
  const double holed[] = {1, 2, not_a_number};
  CHECK(text_of(tolerance_rewards(cpu{.content = content::all}, {}, {.answer = {holed, 2}, .target = {holed + 1, 2}},
                                  {.reward = {to, 2}})) ==
        "prefer: not a number: target[1]: expected a number, but it is NaN");
  CHECK(to[0] == 7);
}
