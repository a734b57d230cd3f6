// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <select/resampling.hpp>
#include <support/allocations.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("normalised ranks are their definition: sizes, ties, infinite scores, NaN, masks, groups, element types") {
  SUBCASE("double") { check_normalized_ranks<double, host_side>(); }
  SUBCASE("float") { check_normalized_ranks<float, host_side>(); }
  SUBCASE("half") { check_normalized_ranks<half, host_side>(); }
  SUBCASE("bfloat16") { check_normalized_ranks<bfloat16, host_side>(); }
}

TEST_CASE("by hand: three scores, ties share a rank, both zeros are one, a NaN counts nowhere") {
  const double x[] = {3, 1, 2, 0, -0.0, 7, 0, 5, NAN, 5};
  double u[10], r[10];
  check(normalized_ranks(cpu{}, {.score = {x, 3}}, {.normalized = {u, 3}, .rank = {r, 3}}));
  CHECK((u[0] == 5.0 / 6 && u[1] == 1.0 / 6 && u[2] == 0.5 && r[0] == 3 && r[1] == 1 && r[2] == 2));
  check(normalized_ranks(cpu{}, {.score = {x + 3, 7}}, {.normalized = {u, 7}, .rank = {r, 7}}));
  CHECK((r[0] == 2 && r[1] == 2 && r[3] == 2 && r[2] == 6 && r[4] == 4.5 && r[6] == 4.5));
  CHECK((u[0] == 0.25 && u[2] == 11.0 / 12 && std::isnan(u[5]) && std::isnan(r[5])));
}

TEST_CASE("ranks: monotone maps change nothing, negated scores count from the other end, the mean is a half") {
  constexpr std::int64_t n = 3000;
  std::vector<double> x(n), u(n), v(n);
  noise random(3);
  for (double& y : x) y = std::floor(random.uniform(-200, 200));
  const auto ranks = [&](std::vector<double>& to) {
    check(normalized_ranks(cpu{}, {.score = {x.data(), n}, .groups = {.size = 1000}}, {.normalized = {to.data(), n}}));
  };
  ranks(u);
  for (double& y : x) y = std::cbrt(y);
  ranks(v);
  CHECK(u == v);
  for (double& y : x) y = -y;
  ranks(v);
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(std::fabs(u[i] + v[i] - 1) < 2e-16);
    sum += u[i];
  }
  CHECK(sum / n == doctest::Approx(0.5).epsilon(1e-12));
  covers("normalized_ranks", "identity");
}

TEST_CASE("ranks: the same bits for any threads, no allocation with a workspace") {
  constexpr std::int64_t n = 100000;
  std::vector<float> x(n), u(n), v(n);
  noise random(4);
  for (float& y : x) y = static_cast<float>(random.uniform(0, 1));
  std::vector<char> memory(normalized_ranks_workspace(cpu{}, n));
  cpu exec{.workspace = {memory.data(), memory.size()}};
  const normalized_rank_inputs<space::host> in = {.score = {x.data(), n}, .groups = {.size = 100}};
  const long before = allocation_count();
  const status s = normalized_ranks(exec, in, {.normalized = {u.data(), n}});
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    exec.pool = pool;
    check(normalized_ranks(exec, in, {.normalized = {v.data(), n}}));
    CHECK(u == v);
  }
  exec.workspace.bytes -= 1;
  CHECK(normalized_ranks(exec, in, {.normalized = {u.data(), n}}).code == errc::small_workspace);
  covers("normalized_ranks", "threads"), covers("normalized_ranks", "allocation");
}

TEST_CASE("ranks: what is wrong is named, and nothing is written") {
  float x[4] = {1, 2, NAN, 3}, u[4] = {-7, -7, -7, -7};
  int offsets[3] = {0, 3, 2};
  const normalized_rank_outputs<space::host> out = {.normalized = {u, 4}};
  CHECK(refused_argument(normalized_ranks(cpu{}, {}, out)) == "score");
  CHECK(refused_argument(normalized_ranks(cpu{}, {.score = {x, 4}}, {})) == "outputs");
  CHECK(refused_argument(normalized_ranks(cpu{}, {.score = {x, 3}}, out)) == "normalized");
  CHECK(refused_argument(normalized_ranks(cpu{}, {.score = {x, 4}, .groups = {.size = 3}}, out)) == "groups.size");
  CHECK(refused_argument(normalized_ranks(cpu{}, {.score = {x, 4}, .groups = {.offsets = {offsets, 3}}}, out)) ==
        "groups.offsets");
  CHECK(refused_argument(normalized_ranks(cpu{}, {.score = {u, 4}}, out)) == "normalized");
  CHECK(refused_argument(normalized_ranks(cpu{.content = content::all}, {.score = {x, 4}}, out)) == "score");
  CHECK((u[0] == -7 && u[3] == -7));
  covers("normalized_ranks", "bad-argument");
}
