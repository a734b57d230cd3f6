// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <select/top.hpp>
#include <support/allocations.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("best-worst pairs and branches are their definitions: thresholds, second scores, ties, NaN, masks") {
  SUBCASE("float") { check_extremes<float, host_side>(); }
  SUBCASE("double") { check_extremes<double, host_side>(); }
  SUBCASE("half") { check_extremes<half, host_side>(); }
  SUBCASE("bfloat16") { check_extremes<bfloat16, host_side>(); }
}

TEST_CASE("VisRL's filter by hand: thresholds are met with equality; equal scores give no pair") {
  covers("extreme_pairs", "identity");
  const extreme_pairs visrl = {
      .best_at_least = 0.8, .worst_at_most = 0.2, .second_at_least = 0.8, .second_at_most = 0.2};
  const auto kept = [&](std::vector<double> accuracy, std::vector<double> box, const extreme_pairs& options) {
    bool pair = false;
    const auto n = static_cast<std::int64_t>(accuracy.size());
    check(
        select_pairs(cpu{}, options, {.score = {accuracy.data(), n}, .second = {box.data(), n}}, {.mask = {&pair, 1}}));
    return pair;
  };
  CHECK(kept({0.9, 0.1}, {0.85, 0.1}, visrl));
  CHECK(!kept({0.9, 0.1}, {0.7, 0.1}, visrl));
  CHECK(kept({0.8, 0.2}, {0.8, 0.2}, visrl));
  CHECK(kept({0.9, 0.9, 0.1}, {0.7, 0.85, 0.1}, visrl));
  CHECK(!kept({0.9, 0.8, 0.1}, {0.7, 0.85, 0.1}, visrl));  // 0.85 is not at the best accuracy
  CHECK(!kept({0.9, not_a_number}, {0.85, 0.1}, visrl));
  CHECK(!kept({0.5, 0.5}, {1, 0}, {}));
  CHECK(!kept({0.5}, {1}, {}));
  CHECK(kept({0.5, 0.25}, {1, 0}, {.gap = 0.125}));
  CHECK(!kept({0.5, 0.25}, {1, 0}, {.gap = 0.25}));  // above, not at
}

TEST_CASE("branches: 0.5 is in at the top, -0.5 is out at the bottom; 0, 1 or 2 samples of a group") {
  covers("select_branches", "identity");
  const double z[] = {0.5, 0, -0.5, 0.49, 0, -0.51, 7, 0, -9};
  double advantage[9];
  std::int32_t count[3];
  check(select(cpu{}, select_branches{.positive = 0.5}, {.score = {z, 9}, .groups = {.size = 3}},
               {.advantage = {advantage, 9}, .selected = {.count = {count, 3}}}));
  CHECK((count[0] == 1 && count[1] == 1 && count[2] == 2));
  const double expected[] = {0.25, 0, 0, 0, 0, -0.51, 2.5, 0, -5};
  for (int i = 0; i < 9; ++i) CHECK(advantage[i] == expected[i]);
}

TEST_CASE("the schedule of B2-DiffuRL") {
  const std::int64_t stage[] = {0, 14, 15, 50, 99}, step[] = {14, 14, 15, 17, 20};
  for (int i = 0; i < 5; ++i) CHECK(branched_steps(stage[i], 100, 14, 7) == step[i]);
}

TEST_CASE("pairs and branches: the same bits for any threads, nothing allocated") {
  scored_samples<float> samples(std::vector<std::int64_t>(900, 40), false, 8);
  const auto n = static_cast<std::size_t>(samples.n);
  std::vector<float> first(n, 5), again = first;
  std::vector<std::int64_t> chosen(900), chosen_again(900);
  const auto run = [&](const cpu& exec, std::vector<float>& advantage, std::vector<std::int64_t>& best) {
    const status a = select(exec, select_branches{},
                            {.score = samples.score.read(), .groups = {.offsets = samples.groups.offsets.read()}},
                            {.advantage = {advantage.data(), samples.n}});
    return a.ok() ? select_pairs(exec, {},
                                 {.score = samples.score.read(), .groups = {.offsets = samples.groups.offsets.read()}},
                                 {.chosen = {best.data(), 900}})
                  : a;
  };
  const long before = allocation_count();
  const status s = run(cpu{}, first, chosen);
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    check(run(cpu{.pool = pool}, again, chosen_again));
    CHECK((first == again && chosen == chosen_again));
  }
  for (const char* name : {"extreme_pairs", "select_branches"}) covers(name, "threads"), covers(name, "allocation");
}

TEST_CASE("pairs and branches: what is wrong is named") {
  const float score[] = {1, 2, 3, 4};
  std::int64_t index[4];
  float x[4];
  const extreme_inputs<space::host> in = {.score = {score, 4}, .groups = {.size = 2}};
  const extreme_outputs<space::host> out = {.chosen = {index, 2}};
  CHECK(refused_argument(select_pairs(cpu{}, {.gap = HUGE_VAL}, in, out)) == "gap");
  CHECK(refused_argument(select_pairs(cpu{}, {.worst_at_most = not_a_number}, in, out)) == "worst_at_most");
  CHECK(refused_argument(select_pairs(cpu{}, {}, {}, out)) == "score");
  CHECK(refused_argument(select_pairs(cpu{}, {}, in, {})) == "outputs");
  CHECK(refused_argument(select_pairs(cpu{}, {}, in, {.chosen = {index, 3}})) == "chosen");
  CHECK(refused_argument(select_pairs(cpu{}, {}, in, {.chosen = {index, 2}, .rejected = {index, 2}})) == "rejected");
  auto bad = in;
  bad.second = {score, 3};
  CHECK(refused_argument(select_pairs(cpu{}, {}, bad, out)) == "second");
  bad = in, bad.groups.size = 3;
  CHECK(refused_argument(select_pairs(cpu{}, {}, bad, out)) == "groups.size");
  const branch_inputs<space::host> branches = {.score = {score, 4}};
  CHECK(refused_argument(select(cpu{}, select_branches{.clip = 0.0}, branches, {.advantage = {x, 4}})) == "clip");
  CHECK(refused_argument(select(cpu{}, select_branches{}, branches, {})) == "outputs");
  CHECK(refused_argument(select(cpu{}, select_branches{}, branches, {.advantage = {x, 3}})) == "advantage");
  CHECK(refused_argument(select(cpu{}, select_branches{}, branches,
                                {.advantage = {x, 4}, .selected = {.weight = {x, 4}}})) == "weight");
  covers("extreme_pairs", "bad-argument"), covers("select_branches", "bad-argument");
}
