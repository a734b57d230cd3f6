// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <reward/rewards.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("set rewards are their definition: sizes, gaps, storage types") {
  each_storage([](auto s) { check_sets<decltype(s), host_side>(); });
}

TEST_CASE("set rewards: published examples, empty sets, one truth for all, strict threshold") {
  covers("set_overlap", "identity");
  const bool found[] = {1, 1, 1, 0, 0, 0, 0, 0}, truth[] = {0, 1, 1, 1};  // then the empty set
  double overlap[2], reward[2];
  check(set_rewards(cpu{}, {}, {.found = {found, 2, 4}, .truth = {truth, 2, 4, 0, 1}}, {.overlap = {overlap, 2}}));
  CHECK((overlap[0] == 0.5 && overlap[1] == 0));  // |G| = |C| = 3, two in common
  const bool a_b[] = {1, 1, 0}, b_c[] = {0, 1, 1};
  const set_overlap f1{.by = set_overlap::measure::f1, .indicator = true, .above = 0.5};
  check(set_rewards(cpu{}, f1, {.found = {a_b, 1, 3}, .truth = {b_c, 1, 3}},
                    {.reward = {reward, 1}, .overlap = {overlap, 1}}));
  CHECK((overlap[0] == 0.5 && reward[0] == 0));
  for (const auto by : {set_overlap::measure::jaccard, set_overlap::measure::f1}) {
    check(set_rewards(cpu{}, {.by = by}, {.found = {found + 4, 1, 4}, .truth = {found + 4, 1, 4}},
                      {.overlap = {overlap, 1}}));
    CHECK(overlap[0] == 1);
  }
}

TEST_CASE("set rewards have the same bits for any threads, and allocate nothing") {
  std::vector<std::uint8_t> flags(80000);
  for (std::size_t i = 0; i < flags.size(); ++i) flags[i] = i * i % 7 < 3;
  check_threads("set_overlap", 20000, [&](const cpu& exec, float* to) {
    return set_rewards(exec, {}, {.found = {flags.data(), 20000, 4}, .truth = {flags.data() + 2, 20000, 4, 2, 1}},
                       {.reward = {to, 20000}});
  });
}

TEST_CASE("set rewards name what is wrong, and write nothing") {
  covers("set_overlap", "bad-argument");
  const bool flags[6] = {};
  const double x[3] = {};
  double to[3] = {7, 7, 7};
  const auto refused = [&](const set_overlap& rule, const set_inputs<space::host>& in,
                           const set_outputs<space::host>& out) {
    const status s = set_rewards(cpu{}, rule, in, out);
    CHECK((to[0] == 7 && to[1] == 7 && to[2] == 7));
    return text_of(s);
  };
  const set_inputs<space::host> in{.found = {flags, 3, 2}, .truth = {flags, 3, 2}};
  CHECK(refused({}, {.truth = {flags, 3, 2}}, {{to, 3}}) ==
        "prefer: missing input: found: expected flags of the elements, [N, M]");
  CHECK(refused({}, {.found = {flags, 3, 2}}, {{to, 3}}) ==
        "prefer: missing input: truth: expected flags of the elements, [N, M]");
  CHECK(refused({}, in, {}) == "prefer: missing output: outputs: expected at least one output to write");
  CHECK(refused({}, {.found = {flags, 3, 2}, .truth = {flags, 3, 1}}, {{to, 3}}) ==
        "prefer: bad extent: truth is 1, expected as many elements per row as the others, 2");
  CHECK(refused({}, {.found = {x, 3, 1}, .truth = {flags, 3, 1}}, {{to, 3}}) ==
        "prefer: bad element type: found is double, expected elements of type bool or uint8");
  CHECK(refused({}, {.found = {flags, 3, 2}, .truth = {flags, 3, 2}, .judge = {x, 2}}, {{to, 3}}) ==
        "prefer: bad extent: judge is 2, expected the number of items, 3");
  CHECK(refused({}, {.found = {flags, 3, 2}, .truth = {flags, 3, 2}, .judge = {to, 3}}, {{to, 3}}) ==
        "prefer: overlap: reward: expected memory of its own, not shared with an input");
  CHECK(refused({.above = 1.5}, in, {{to, 3}}) == "prefer: bad parameter: above is 1.5, expected from 0 to 1");
  CHECK(refused({.judge_weight = HUGE_VAL}, in, {{to, 3}}) ==
        "prefer: bad parameter: judge_weight is inf, expected a finite number");
  const double judged[] = {1, 2, not_a_number};
  set_inputs<space::host> holed = in;
  holed.judge = {judged, 3};
  CHECK(text_of(set_rewards(cpu{.content = content::all}, {}, holed, {{to, 3}})) ==
        "prefer: not a number: judge[2]: expected a number, but it is NaN");
  CHECK(to[0] == 7);
}
