// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <select/resampling.hpp>
#include <support/allocations.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("bins are their definition: sizes, equal scores, NaN, masks, groups, element types") {
  SUBCASE("double") { check_bins<double, host_side>(); }
  SUBCASE("float") { check_bins<float, host_side>(); }
  SUBCASE("half") { check_bins<half, host_side>(); }
  SUBCASE("bfloat16") { check_bins<bfloat16, host_side>(); }
}

TEST_CASE("by hand: edges belong to the bin above, infinite scores to the ends, huge ranges do not overflow") {
  const double x[] = {0, 1, 2, 4, INFINITY, -INFINITY, NAN}, huge[] = {-1.5e308, 0, 1.5e308};
  int bin[7], count[4];
  check(resample_bins(cpu{}, {.bins = 4}, {.score = {x, 7}}, {.count = {count, 4}, .bin = {bin, 7}}));
  CHECK((bin[0] == 0 && bin[1] == 1 && bin[2] == 2 && bin[3] == 3 && bin[4] == 3 && bin[5] == 0 && bin[6] == -1));
  CHECK((count[0] == 2 && count[1] == 1 && count[2] == 1 && count[3] == 2));
  check(resample_bins(cpu{}, {.bins = 4}, {.score = {huge, 3}}, {.bin = {bin, 3}}));
  CHECK((bin[0] == 0 && bin[1] == 2 && bin[2] == 3));
}

TEST_CASE("what is thinned out is thinned out fairly, and another seed takes others") {
  constexpr std::int64_t n = 40, each = 10, seeds = 4000;
  std::vector<float> score(n, 1);
  std::vector<int> taken(n), refilled(n);
  std::vector<std::int64_t> indices(each), long_list(4 * n);
  for (std::int64_t seed = 0; seed < seeds; ++seed) {
    check(resample_bins(cpu{}, {.bins = 1, .per_bin = each, .seed = static_cast<std::uint64_t>(seed)},
                        {.score = {score.data(), n}}, {.indices = {indices.data(), each}}));
    for (const std::int64_t i : indices) ++taken[static_cast<std::size_t>(i)];
    check(resample_bins(cpu{}, {.bins = 1, .per_bin = 2 * n, .seed = static_cast<std::uint64_t>(seed)},
                        {.score = {score.data(), n}}, {.indices = {long_list.data(), 2 * n}}));
    for (std::int64_t j = 0; j < 2 * n; ++j) {
      if (j < n) REQUIRE(long_list[static_cast<std::size_t>(j)] == j);  // all of them once,
      if (j >= n) ++refilled[static_cast<std::size_t>(long_list[static_cast<std::size_t>(j)])];
    }
  }
  // 1000 of 4000 (4000 of 160000 draws), five standard deviations of binomials: 27.4 and 62.4 each.
  for (const int t : taken) CHECK(std::abs(t - 1000) < 137);
  for (const int t : refilled) CHECK(std::abs(t - 4000) < 312);
  covers("balanced_bins", "identity");
}

TEST_CASE("bins: the same for any threads, nothing allocated") {
  constexpr std::int64_t n = 60000, groups = 60, list = groups * 10 * 7;
  std::vector<float> score(n);
  std::vector<std::int32_t> a(list), b(list);
  noise random(5);
  for (float& x : score) x = static_cast<float>(random.uniform(0, 1) * random.uniform(0, 1));
  const balanced_bins options{.per_bin = 7, .seed = 9};
  const bin_inputs<space::host> in = {.score = {score.data(), n}, .groups = {.size = n / groups}};
  const long before = allocation_count();
  const status s = resample_bins(cpu{}, options, in, {.indices = {a.data(), list}});
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    check(resample_bins(cpu{.pool = pool}, options, in, {.indices = {b.data(), list}}));
    CHECK(a == b);
  }
  covers("balanced_bins", "threads"), covers("balanced_bins", "allocation");
}

TEST_CASE("bins: what is wrong is named") {
  float x[4] = {1, 2, NAN, 3};
  int list[20], offsets[2] = {0, 5};
  const bin_inputs<space::host> in = {.score = {x, 4}};
  const balanced_bins two{.per_bin = 2};
  CHECK(refused_argument(resample_bins(cpu{}, {.bins = 0}, in, {.count = {list, 10}})) == "bins");
  CHECK(refused_argument(resample_bins(cpu{}, {.per_bin = -1}, in, {.count = {list, 10}})) == "per_bin");
  // Four groups: 2^2 2^20 2^42 wraps round to 0 elements, which any list would have.
  CHECK(refused_argument(resample_bins(cpu{}, {.bins = 1 << 20, .per_bin = std::int64_t{1} << 42},
                                       {.score = {x, 4}, .groups = {.size = 1}}, {.indices = {list, 0}})) == "per_bin");
  CHECK(refused_argument(resample_bins(cpu{}, {.bins = 1, .per_bin = INT64_MAX}, in, {.bin = {list, 4}})) == "nothing");
  CHECK(refused_argument(resample_bins(cpu{}, two, {}, {.count = {list, 10}})) == "score");
  CHECK(refused_argument(resample_bins(cpu{}, two, in, {})) == "outputs");
  CHECK(refused_argument(resample_bins(cpu{}, two, in, {.indices = {list, 19}})) == "indices");
  CHECK(refused_argument(resample_bins(cpu{}, two, in, {.count = {list, 9}})) == "count");
  CHECK(refused_argument(resample_bins(cpu{}, two, in, {.bin = {list, 3}})) == "bin");
  CHECK(refused_argument(resample_bins(cpu{}, two, {.score = {x, 4}, .groups = {.offsets = {offsets, 2}}},
                                       {.count = {list, 10}})) == "groups.offsets");
  CHECK(refused_argument(resample_bins(cpu{.content = content::all}, two, in, {.count = {list, 10}})) == "score");
  covers("balanced_bins", "bad-argument");
}
