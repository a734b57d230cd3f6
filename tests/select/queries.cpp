// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <select/pairs.hpp>
#include <support/allocations.hpp>

using namespace prefer;
using namespace prefer_test;

namespace {

template <class S>
void check_all() {
  check_queries<S, host_side>(), check_directions<S, host_side>(), check_centers<S, host_side>();
}

}  // namespace

TEST_CASE("queries, directions and centres are their definitions") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("by hand: disagreement and entropy of two models; certain and missing answers") {
  covers("query_scores", "identity");
  const double far = std::log(9.0), d[] = {far, 0, HUGE_VAL, -1e4, not_a_number, -far, 0, 2000, -1e4, 0};
  double mean[5], off[5], entropy[5];
  check(query_scores(cpu{}, {.first = {d, 2, 5}},
                     {.mean = {mean, 5}, .disagreement = {off, 5}, .entropy = {entropy, 5}}));
  CHECK((mean[0] == doctest::Approx(0.5) && off[0] == doctest::Approx(0.4)));
  CHECK((mean[1] == 0.5 && off[1] == 0 && entropy[1] == doctest::Approx(std::log(2.0))));
  CHECK((mean[2] == 1 && off[2] == 0 && entropy[2] >= 0 && entropy[2] < 1e-300));
  CHECK((mean[3] == 0 && off[3] == 0 && entropy[3] >= 0 && entropy[3] < 1e-300));
  CHECK((std::isnan(mean[4]) && std::isnan(off[4]) && std::isnan(entropy[4])));
}

TEST_CASE("by hand: a direction decides what is best") {
  covers("directional_scores", "identity");
  const float rewards[] = {70, 60, 60, 20}, direction[] = {0.8f, -0.6f};
  double score[2];
  check(
      directional_scores(cpu{}, {.rewards = {rewards, 2, 2}, .directions = {direction, 1, 2}}, {.score = {score, 2}}));
  CHECK((score[0] == doctest::Approx(20).epsilon(1e-6) && score[1] == doctest::Approx(36).epsilon(1e-6)));
  const float all[] = {1, 0};  // one direction for all groups: stride 0
  check(directional_scores(cpu{}, {.rewards = {rewards, 2, 2}, .directions = {all, 2, 2, 0, 1}, .groups = {.size = 1}},
                           {.score = {score, 2}}));
  CHECK((score[0] == 70 && score[1] == 60));
}

TEST_CASE("centres: by hand; within twice the best radius; duplicates are not taken twice") {
  covers("k_center", "identity");
  const double line[] = {0, 1, 5, 5, 9};
  double distance[5], radius;
  int centers[6];
  check(select_centers(cpu{}, {.count = 3}, {.features = {line, 5, 1}},
                       {.centers = {centers, 3}, .radius = {&radius, 1}, .distance = {distance, 5}}));
  CHECK((centers[0] == 0 && centers[1] == 4 && centers[2] == 2 && radius == 1));
  check(select_centers(cpu{}, {.count = 6}, {.features = {line, 5, 1}},
                       {.centers = {centers, 6}, .radius = {&radius, 1}, .distance = {distance, 5}}));
  CHECK((centers[3] == 1 && centers[4] == -1 && centers[5] == -1 && radius == 0));
  // The best two of twelve, by trying all.
  noise random(4);
  for (int trial = 0; trial < 50; ++trial) {
    double x[24], d[12];
    for (double& v : x) v = random.uniform(0, 1);
    check(select_centers(cpu{}, {.count = 2}, {.features = {x, 12, 2}}, {.radius = {&radius, 1}, .distance = {d, 12}}));
    double best = HUGE_VAL;
    const auto apart = [&](int i, int j) { return std::hypot(x[2 * i] - x[2 * j], x[2 * i + 1] - x[2 * j + 1]); };
    for (int a = 0; a < 12; ++a)
      for (int b = 0; b < 12; ++b) {
        double worst = 0;
        for (int i = 0; i < 12; ++i) worst = std::max(worst, std::min(apart(i, a), apart(i, b)));
        best = std::min(best, worst);
      }
    CHECK(radius <= 2 * best * (1 + 1e-14));
  }
}

TEST_CASE("queries: the same bits for any threads, nothing allocated") {
  constexpr std::int64_t n = 24000;
  std::vector<float> x(2 * n), a(n), b(n), c(n), again(n);
  std::vector<std::int64_t> centers(600), centers_again(600);
  noise random(3);
  for (float& v : x) v = static_cast<float>(random.uniform(-2, 2));
  const float direction[] = {0.6f, 0.8f};
  const auto run = [&](const cpu& exec, std::vector<float>& to, std::vector<std::int64_t>& list) {
    status s = query_scores(exec, {.first = {x.data(), 2, n}}, {.disagreement = {to.data(), n}});
    if (s.ok())
      s = directional_scores(exec, {.rewards = {x.data(), n, 2}, .directions = {direction, 1, 2}},
                             {.score = {a.data(), n}});
    if (s.ok())
      s = select_centers(exec, {.count = 3}, {.features = {x.data(), n, 2}, .groups = {.size = 120}},
                         {.centers = {list.data(), 600}, .distance = {b.data(), n}});
    return s;
  };
  const long before = allocation_count();
  const status s = run(cpu{}, c, centers);
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    check(run(cpu{.pool = pool}, again, centers_again));
    CHECK((c == again && centers == centers_again));
  }
  for (const char* name : {"query_scores", "directional_scores", "k_center"})
    covers(name, "threads"), covers(name, "allocation");
}

TEST_CASE("queries name what is wrong") {
  float x[8] = {};
  double y[8];
  std::int64_t k[8];
  CHECK(refused_argument(query_scores(cpu{}, {}, {.mean = {y, 4}})) == "first");
  CHECK(refused_argument(query_scores(cpu{}, {.first = {x, 0, 4}}, {.mean = {y, 4}})) == "first");
  CHECK(refused_argument(query_scores(cpu{}, {.first = {x, 2, 4}, .second = {x, 2, 3}}, {.mean = {y, 4}})) == "second");
  CHECK(refused_argument(query_scores(cpu{}, {.first = {x, 2, 4}}, {})) == "outputs");
  CHECK(refused_argument(query_scores(cpu{}, {.first = {x, 2, 4}}, {.entropy = {y, 5}})) == "entropy");
  const direction_inputs<space::host> along = {.rewards = {x, 4, 2}, .directions = {x, 1, 2}};
  CHECK(refused_argument(directional_scores(cpu{}, {.directions = {x, 1, 2}}, {.score = {y, 4}})) == "rewards");
  CHECK(refused_argument(directional_scores(cpu{}, {.rewards = {x, 4, 2}}, {.score = {y, 4}})) == "directions");
  CHECK(refused_argument(directional_scores(cpu{}, {.rewards = {x, 4, 2}, .directions = {x, 2, 2}},
                                            {.score = {y, 4}})) == "directions");
  CHECK(refused_argument(directional_scores(cpu{}, along, {})) == "score");
  CHECK(refused_argument(directional_scores(cpu{}, along, {.score = {x, 4}})) == "score");
  const k_center_inputs<space::host> in = {.features = {x, 4, 2}};
  CHECK(refused_argument(select_centers(cpu{}, {.count = -1}, in, {.distance = {y, 4}})) == "count");
  CHECK(refused_argument(select_centers(cpu{}, {}, {}, {.distance = {y, 4}})) == "features");
  CHECK(refused_argument(select_centers(cpu{}, {}, in, {.centers = {k, 1}})) == "distance");
  CHECK(refused_argument(select_centers(cpu{}, {.count = 2}, in, {.centers = {k, 1}, .distance = {y, 4}})) ==
        "centers");
  CHECK(refused_argument(select_centers(cpu{}, {}, {.features = {x, 4, 0}}, {.distance = {y, 4}})) == "features");
  for (const char* name : {"query_scores", "directional_scores", "k_center"}) covers(name, "bad-argument");
}
