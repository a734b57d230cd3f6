// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <reward/rewards.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("penalties for length are their definition: sizes, strides, storage types, with a buffer and without") {
  each_storage([](auto s) { check_overlong<decltype(s), host_side>(); });
}

TEST_CASE("DAPO's penalty: nothing up to the buffer, all from the longest on, integers as lengths, NaN stay NaN") {
  covers("overlong_penalty", "identity");
  const std::int32_t length[] = {0, 16384, 16385, 18432, 20480, 30000};
  double reward[6];
  check(overlong_penalties(cpu{}, {}, {.length = {length, 6}}, {.reward = {reward, 6}}));
  CHECK((reward[0] == 0 && reward[1] == 0 && reward[2] == -1.0 / 4096 && reward[3] == -0.5 && reward[4] == -1));
  CHECK(reward[5] == -1);
  const double score[] = {1, 1, 1, 1, not_a_number, 1}, holed[] = {1, not_a_number, HUGE_VAL, 5, 5, -HUGE_VAL};
  check(overlong_penalties(cpu{}, {.longest = 5.0, .buffer = 0.0}, {.length = {holed, 6}, .score = {score, 6}},
                           {.reward = {reward, 6}}));
  CHECK((reward[0] == 1 && std::isnan(reward[1]) && reward[2] == 0 && reward[3] == 1 && std::isnan(reward[4])));
  CHECK(reward[5] == 1);
}

TEST_CASE("penalties for length have the same bits for any threads, and allocate nothing") {
  const auto a = digits(40000);
  check_threads("overlong_penalty", a.size(), [&](const cpu& exec, float* to) {
    return overlong_penalties(exec, {.longest = 7.0, .buffer = 3.0}, {.length = {a.data(), 40000}},
                              {.reward = {to, 40000}});
  });
}

TEST_CASE("penalties for length name what is wrong, and write nothing") {
  covers("overlong_penalty", "bad-argument");
  const double x[3] = {};
  double to[3] = {7, 7, 7};
  const auto refused = [&](const overlong_penalty& rule, const overlong_inputs<space::host>& in,
                           const reward_outputs<space::host>& out) {
    const status s = overlong_penalties(cpu{}, rule, in, out);
    CHECK((to[0] == 7 && to[1] == 7 && to[2] == 7));
    return text_of(s);
  };
  const overlong_inputs<space::host> in{.length = {x, 3}};
  CHECK(refused({}, {.score = {x, 3}}, {{to, 3}}) == "prefer: missing input: length: expected one per item");
  CHECK(refused({}, in, {}) == "prefer: missing output: reward: expected one number per item");
  CHECK(refused({}, {.length = {x, 3}, .score = {x, 2}}, {{to, 3}}) ==
        "prefer: bad extent: score is 2, expected the number of items, 3");
  CHECK(refused({}, {.length = {to, 3}}, {{to, 3}}) ==
        "prefer: overlap: reward: expected memory of its own, not shared with an input");
  CHECK(refused({.longest = HUGE_VAL}, in, {{to, 3}}).find("prefer: bad parameter: longest is inf") == 0);
  CHECK(refused({.longest = 5.0, .buffer = 6.0}, in, {{to, 3}}) ==
        "prefer: bad parameter: buffer is 6, expected at most `longest`");
  CHECK(refused({.buffer = -1.0}, in, {{to, 3}}).find("prefer: bad parameter: buffer is -1") == 0);
  CHECK(refused({.factor = -1.0}, in, {{to, 3}}).find("prefer: bad parameter: factor is -1") == 0);
  const double holed[] = {1, not_a_number};
  CHECK(text_of(overlong_penalties(cpu{.content = content::all}, {}, {.length = {holed, 2}}, {.reward = {to, 2}})) ==
        "prefer: not a number: length[1]: expected a number, but it is NaN");
  CHECK(to[0] == 7);
}
