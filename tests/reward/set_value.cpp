// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <reward/rewards.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("values of sets and credits are their definition: groups, masks, weight vectors, storage types") {
  each_storage([](auto s) { check_set_values<decltype(s), host_side>(); });
}

TEST_CASE("values of sets: specialists count where all-rounders do not reach; what is nobody's best adds nothing") {
  covers("set_value", "identity");
  const double rewards[] = {1, 0, 0, 1, 0.6, 0.6, 0.5, 0.5};
  double weights[128], value[1], credit[4];
  for (int s = 0; s < 64; ++s) weights[2 * s] = (s + 0.5) / 64, weights[2 * s + 1] = 1 - weights[2 * s];
  check(set_values(cpu{}, {.rewards = {rewards, 4, 2}, .weights = {weights, 64, 2}},
                   {.value = {value, 1}, .credit = {credit, 4}}));
  // The mean of max(w, 1 - w, 0.6): 0.6 between 0.4 and 0.6, and twice the mean of w from 0.6 to 1 outside.
  CHECK(std::fabs(value[0] - (0.2 * 0.6 + 0.8 * 0.8)) < 1e-4);
  CHECK(std::fabs(credit[0] - 0.08) < 1e-4);  // less max(1 - w, 0.6): a triangle of 0.4 by 0.4
  CHECK(credit[1] == doctest::Approx(credit[0]).epsilon(1e-12));
  CHECK(std::fabs(credit[2] - 0.01) < 1e-4);  // above max(w, 1 - w): a triangle of 0.2 by 0.1
  CHECK(credit[3] == 0);
  // Twins are worth nothing one by one; one alone is worth all.
  const double twins[] = {1, 2, 1, 2};
  check(set_values(cpu{}, {.rewards = {twins, 2, 2}, .weights = {weights, 3, 2}}, {.credit = {credit, 2}}));
  CHECK((credit[0] == 0 && credit[1] == 0));
  check(set_values(cpu{}, {.rewards = {twins, 1, 2}, .weights = {weights, 3, 2}},
                   {.value = {value, 1}, .credit = {credit, 1}}));
  CHECK(credit[0] == value[0]);
}

TEST_CASE("values of sets: a sample that is NaN where it is looked at is left out there") {
  const double rewards[] = {1, not_a_number, 0.5, 0.25, 2, 2}, weights[] = {1, 0, 0, 1};
  double value[1], credit[3];
  const bool two[] = {true, true, false};
  check(set_values(cpu{}, {.rewards = {rewards, 3, 2}, .weights = {weights, 2, 2}, .mask = {two, 3}},
                   {.value = {value, 1}, .credit = {credit, 3}}));
  CHECK(value[0] == (1 + 0.25) / 2);
  CHECK((std::isnan(credit[0]) && credit[1] == 0.125 && credit[2] == 0));
  check(set_values(cpu{}, {.rewards = {rewards, 3, 2}, .weights = {weights, 1, 2}, .mask = {two, 3}},
                   {.credit = {credit, 3}}));
  CHECK((credit[0] == 0.5 && credit[1] == 0));
}

TEST_CASE("values of sets have the same bits for any threads, and allocate nothing") {
  const auto a = shares(90000), w = shares(30);
  check_threads("set_value", 30000, [&](const cpu& exec, float* to) {
    return set_values(exec, {.rewards = {a.data(), 30000, 3}, .weights = {w.data(), 10, 3}, .groups = {.size = 8}},
                      {.credit = {to, 30000}});
  });
}

TEST_CASE("values of sets name what is wrong, and write nothing") {
  covers("set_value", "bad-argument");
  const double x[6] = {};
  const int past[] = {0, 4};
  double to[3] = {7, 7, 7}, value[2] = {7, 7};
  const auto refused = [&](const set_value_inputs<space::host>& in, const set_value_outputs<space::host>& out,
                           const cpu& exec = {}) {
    const status s = set_values(exec, in, out);
    CHECK((to[0] == 7 && to[1] == 7 && to[2] == 7 && value[0] == 7));
    return text_of(s);
  };
  const set_value_inputs<space::host> in{.rewards = {x, 3, 2}, .weights = {x, 1, 2}};
  CHECK(refused({.weights = {x, 1, 2}}, {.credit = {to, 3}}) ==
        "prefer: missing input: rewards: expected K rewards per sample, [n, K]");
  CHECK(refused({.rewards = {x, 3, 2}}, {.credit = {to, 3}}) ==
        "prefer: missing input: weights: expected vectors of K weights, [S, K]");
  CHECK(refused(in, {}) == "prefer: missing output: outputs: expected at least one output to write");
  CHECK(refused({.rewards = {x, 3, 65}, .weights = {x, 1, 65}}, {.credit = {to, 3}}) ==
        "prefer: bad extent: rewards is 65, expected rewards per sample, at most 64");
  CHECK(refused({.rewards = {x, 3, 2}, .weights = {x, 0, 2}}, {.credit = {to, 3}}) ==
        "prefer: bad extent: weights is 0, expected weight vectors, at least 1");
  CHECK(refused({.rewards = {x, 3, 2}, .weights = {x, 129, 2}}, {.credit = {to, 3}}) ==
        "prefer: bad extent: weights is 129, expected weight vectors, at most 128");
  CHECK(refused({.rewards = {x, 3, 2}, .weights = {x, 1, 3}}, {.credit = {to, 3}}).find("weights") !=
        std::string::npos);
  CHECK(refused(in, {.value = {value, 2}}) == "prefer: bad extent: value is 2, expected the number of groups, 1");
  CHECK(refused({.rewards = {x, 3, 2}, .weights = {x, 1, 2}, .groups = {.offsets = {past, 2}}}, {.credit = {to, 3}})
            .find("offsets[1] is 4") != std::string::npos);
  CHECK(refused({.rewards = {to, 3, 1}, .weights = {x, 1, 1}}, {.credit = {to, 3}}).find("overlap: credit") !=
        std::string::npos);
  const double holed[] = {1, not_a_number};
  CHECK(refused({.rewards = {holed, 1, 2}, .weights = {x, 1, 2}}, {.credit = {to, 1}}, cpu{.content = content::all})
            .find("not a number: rewards[0]") != std::string::npos);
}
