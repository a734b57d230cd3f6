// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <reward/rewards.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("matched criteria are their definition: sizes, gaps, storage types") {
  each_storage([](auto s) { check_matched<decltype(s), host_side>(); });
}

TEST_CASE("matched criteria: bounds belong to the middle, empty problems, NaN") {
  covers("matched_criteria", "identity");
  const auto judge = [](std::vector<double> q, std::vector<int> partner, const matched_criteria& rule = {}) {
    double found[2];
    const auto n = static_cast<std::int64_t>(partner.size());
    const std::int64_t m = n > 0 ? static_cast<std::int64_t>(q.size()) / n : static_cast<std::int64_t>(q.size());
    check(matched_rewards(cpu{}, rule, {.quality = {q.data(), 1, n, m}, .column_of = {partner.data(), 1, n}},
                          {.precision = {found, 1}, .recall = {found + 1, 1}}));
    return std::array{found[0], found[1]};
  };
  CHECK(judge({0.5}, {0}) == std::array{0.5, 1.0});
  CHECK(judge({0.75}, {0}) == std::array{0.75, 1.0});
  CHECK(judge({0.7500001}, {0}) == std::array{1.0, 1.0});
  CHECK(judge({0.4999999}, {0}) == std::array{0.0, 0.0});
  CHECK(judge({1, 0.5}, {0}) == std::array{1.0, 0.5});               // one of two references found: held
  CHECK(judge({1, 0.1, 0.1}, {0, -1, -1}) == std::array{1.0, 1.0});  // too many predictions cost nothing,
  CHECK(judge({1, 0.1, 0.1}, {0, -1, -1}, {.count_unmatched = true})[0] == doctest::Approx(1.0 / 3));  // or do
  CHECK(judge({0.9, 0.9}, {-1}) == std::array{0.0, 0.0});
  CHECK(judge({0.9, 0.9}, {}) == std::array{0.0, 0.0});  // nothing predicted of two
  CHECK(judge({}, {}) == std::array{1.0, 1.0});
  CHECK(judge({}, {-1, -1}) == std::array{0.0, 0.0});
  const auto nan = judge({not_a_number}, {0});
  CHECK((std::isnan(nan[0]) && std::isnan(nan[1])));
}

TEST_CASE("matched criteria follow an assignment of boxes") {
  const double predicted[] = {0, 0, 4, 4, 10, 10, 14, 14, 0, 0, 1, 1}, target[] = {10, 10, 14, 14, 0, 0, 4, 4};
  double score[6], giou[6], reward = 0;
  int partner[3];
  check(box_similarities(cpu{}, {}, {.predicted = {predicted, 1, 3, 4}, .target = {target, 1, 2, 4}},
                         {.score = {score, 1, 3, 2}, .giou = {giou, 1, 3, 2}}));
  check(assignments(cpu{}, {}, {.score = {score, 1, 3, 2}}, {.column_of = {partner, 1, 3}}));
  CHECK((partner[0] == 1 && partner[1] == 0 && partner[2] == -1));
  check(
      matched_rewards(cpu{}, {}, {.quality = {giou, 1, 3, 2}, .column_of = {partner, 1, 3}}, {.reward = {&reward, 1}}));
  CHECK(reward == 2);
}

TEST_CASE("matched criteria have the same bits for any threads, and allocate nothing") {
  const auto a = shares(60000);
  std::vector<int> partner(60000);
  for (std::size_t i = 0; i < partner.size(); ++i) partner[i] = static_cast<int>(i % 2) - 1;
  check_threads("matched_criteria", 20000, [&](const cpu& exec, float* to) {
    return matched_rewards(exec, {}, {.quality = {a.data(), 20000, 3, 1}, .column_of = {partner.data(), 20000, 3}},
                           {.reward = {to, 20000}});
  });
}

TEST_CASE("matched criteria name what is wrong, and write nothing") {
  covers("matched_criteria", "bad-argument");
  const double q[6] = {};
  const int partner[] = {0, 1, -1}, past[] = {0, 2, -1}, below[] = {0, 1, -2}, sizes[] = {4};
  double to = 7;
  const auto refused = [&](const matched_criteria& rule, const matched_inputs<space::host>& in,
                           const matched_outputs<space::host>& out) {
    const status s = matched_rewards(cpu{}, rule, in, out);
    CHECK(to == 7);
    return text_of(s);
  };
  const matched_inputs<space::host> in{.quality = {q, 1, 3, 2}, .column_of = {partner, 1, 3}};
  const matched_outputs<space::host> out{.reward = {&to, 1}};
  CHECK(refused({}, {.column_of = {partner, 1, 3}}, out) ==
        "prefer: missing input: quality: expected of every row with every column");
  CHECK(refused({}, {.quality = {q, 1, 3, 2}}, out) ==
        "prefer: missing input: column_of: expected the partner of every row");
  CHECK(refused({}, in, {}) == "prefer: missing output: outputs: expected at least one output to write");
  CHECK(refused({}, {.quality = {q, 1, 3, 2}, .column_of = {partner, 1, 2}}, out) ==
        "prefer: bad extent: column_of is 2, expected as many elements per row as the others, 3");
  for (const int* bad : {past, below})
    CHECK(refused({}, {.quality = {q, 1, 3, 2}, .column_of = {bad, 1, 3}}, out) ==
          "prefer: bad index: column_of[0] is " + std::string(bad == past ? "2" : "-2") +
              ", expected -1 or a column of its problem, in all rows of this problem");
  CHECK(refused({}, {.quality = {q, 1, 3, 2}, .column_of = {partner, 1, 3}, .rows = {sizes, 1}}, out) ==
        "prefer: bad index: rows[0] is 4, expected from 0 to the extent of the matrices");
  CHECK(refused({}, {.quality = {q, 1, 3, 2}, .column_of = {partner, 1, 3}, .columns = {sizes, 1}}, out) ==
        "prefer: bad index: columns[0] is 4, expected from 0 to the extent of the matrices");
  CHECK(refused({}, in, {.reward = {&to, 2}}) == "prefer: bad extent: reward is 2, expected one per problem: 1");
  CHECK(refused({.low = 0.8}, in, out) == "prefer: bad parameter: high is 0.75, expected no less than low");
  CHECK(refused({.match = HUGE_VAL}, in, out) == "prefer: bad parameter: match is inf, expected a finite number");
  const double holed[] = {0, not_a_number, 0, 0, not_a_number, 0};
  const int away[] = {0, 1, -1}, there[] = {0, -1, 0};
  const auto strict = [&](const int* of) {
    return text_of(
        matched_rewards(cpu{.content = content::all}, {}, {.quality = {holed, 1, 3, 2}, .column_of = {of, 1, 3}}, out));
  };
  CHECK(strict(there) == "prefer: not a number: quality[0]: expected numbers where there is a pair, but one is NaN");
  CHECK(to == 7);
  CHECK(strict(away) == "prefer: ok");
  // Vouched for and wrong all the same: NaN, nothing read out of bounds.
  check(matched_rewards(cpu{.content = content::none}, {}, {.quality = {q, 1, 3, 2}, .column_of = {past, 1, 3}}, out));
  CHECK(std::isnan(to));
}
