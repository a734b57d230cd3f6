// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <reward/rewards.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("critique rewards are their tables: sizes, strides, storage types") {
  each_storage([](auto s) { check_critique<decltype(s), host_side>(); });
}

TEST_CASE("critique rewards: the released numbers, from flags") {
  covers("critique_reward", "identity");
  const bool judgement[] = {false, true, true, false}, before[] = {false, false, true, false},
             after[] = {true, true, true, false};
  const std::uint8_t parsed[] = {1, 1, 1, 0};
  double reward[4];
  check(critique_rewards(cpu{}, {}, {.judgement = {judgement, 4}, .before = {before, 4}, .after = {after, 4}},
                         {.reward = {reward, 4}}));
  CHECK(reward[0] == 1.2);
  CHECK(reward[1] == -1);
  CHECK(reward[2] == 0.4);
  CHECK(reward[3] == 0.2);
  check(critique_rewards(cpu{}, {.by = critique_reward::rule::judgement},
                         {.judgement = {judgement, 4}, .before = {before, 4}, .parsed = {parsed, 4}},
                         {.reward = {reward, 4}}));
  CHECK((reward[0] == 1 && reward[1] == -1 && reward[2] == 1 && reward[3] == -1));
}

TEST_CASE("critique rewards have the same bits for any threads, and allocate nothing") {
  const auto a = digits(40000), b = shares(40000);
  check_threads("critique_reward", a.size(), [&](const cpu& exec, float* to) {
    return critique_rewards(exec, {},
                            {.judgement = {a.data(), 40000}, .before = {b.data(), 40000}, .after = {a.data(), 40000}},
                            {.reward = {to, 40000}});
  });
}

TEST_CASE("critique rewards name what is wrong, and write nothing") {
  covers("critique_reward", "bad-argument");
  const bool x[3] = {};
  double to[3] = {7, 7, 7};
  using rule = critique_reward::rule;
  const auto refused = [&](const critique_reward& table, const critique_inputs<space::host>& in) {
    const status s = critique_rewards(cpu{}, table, in, {.reward = {to, 3}});
    CHECK((to[0] == 7 && to[1] == 7 && to[2] == 7));
    return text_of(s);
  };
  const critique_inputs<space::host> in{.judgement = {x, 3}, .before = {x, 3}, .after = {x, 3}};
  CHECK(refused({}, {.before = {x, 3}, .after = {x, 3}}) ==
        "prefer: missing input: judgement: expected one verdict per critique");
  CHECK(refused({}, {.judgement = {x, 3}, .after = {x, 3}}) ==
        "prefer: missing input: before: expected one verdict of the oracle per answer");
  CHECK(refused({}, {.judgement = {x, 3}, .before = {x, 3}}) ==
        "prefer: missing input: after: expected one verdict of the oracle per refined answer");
  CHECK(refused({.by = rule::judgement}, in) ==
        "prefer: unused input: after: expected to be left out, since the judgement alone counts");
  CHECK(refused({}, {.judgement = {x, 3}, .before = {x, 3}, .after = {x, 3}, .parsed = {x, 4}}) ==
        "prefer: bad extent: parsed is 4, expected the number of items, 3");
  CHECK(refused({.right = HUGE_VAL}, in) == "prefer: bad parameter: right is inf, expected a finite number");
  CHECK(refused({.wrong = HUGE_VAL}, in) == "prefer: bad parameter: wrong is inf, expected a finite number");
  CHECK(refused({.bonus = HUGE_VAL}, in) == "prefer: bad parameter: bonus is inf, expected a finite number");
  CHECK(refused({.kept = HUGE_VAL}, in) == "prefer: bad parameter: kept is inf, expected a finite number");
  const double holed[] = {1, not_a_number};
  CHECK(text_of(critique_rewards(cpu{.content = content::all}, {.by = critique_reward::rule::judgement},
                                 {.judgement = {holed, 1}, .before = {holed + 1, 1}}, {.reward = {to, 1}})) ==
        "prefer: not a number: before[0]: expected a number, but it is NaN");
  CHECK(to[0] == 7);
}
