// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/select/non_dominated.hpp>
#include <prefer/select/non_dominated_ranks.hpp>
#include <prefer/select/pareto_truncation.hpp>
#include <select/pareto_oracle.hpp>
#include <support/allocations.hpp>
#include <support/buffer.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::noise;

namespace {

using inputs = pareto_truncation_inputs<space::host>;
using outputs = pareto_truncation_outputs<space::host>;
constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

// The best of what is left, so many times.
std::vector<std::int64_t> take_best(const std::vector<std::int64_t>& rank, const std::vector<double>& distance,
                                    std::int64_t begin, std::int64_t end, std::int64_t budget) {
  std::vector<std::int64_t> chosen;
  const auto of = [&](std::int64_t s) {
    const double d = distance.empty() ? 0 : distance[static_cast<std::size_t>(s)];
    return std::isnan(d) ? -infinite : d;
  };
  while (static_cast<std::int64_t>(chosen.size()) < budget) {
    std::int64_t best = -1;
    for (std::int64_t s = begin; s < end; ++s) {
      const std::int64_t r = rank[static_cast<std::size_t>(s)];
      if (r < 0 || std::find(chosen.begin(), chosen.end(), s) != chosen.end()) continue;
      if (best < 0 || r < rank[static_cast<std::size_t>(best)] ||
          (r == rank[static_cast<std::size_t>(best)] && of(s) > of(best)))
        best = s;
    }
    if (best < 0) break;
    chosen.push_back(best);
  }
  return chosen;
}

template <class S>
void check_storage() {
  noise random(3);
  for (const std::int64_t n : {0, 1, 2, 15, 16, 17, 60})
    for (const std::int64_t budget : {std::int64_t{0}, std::int64_t{1}, n / 2, n, n + 3})
      for (const bool scored : {true, false}) {
        buffer<S> distance(2 * n, 3);
        buffer<std::int32_t> rank(2 * n, 2);
        std::vector<std::int64_t> ranks;
        std::vector<double> scores;
        for (std::int64_t s = 0; s < 2 * n; ++s) {
          const double u = random.uniform(0, 1);
          distance.set(s, u < 0.2 ? infinite : u < 0.3 ? nan_value : std::floor(u * 8));
          rank.at(s) = static_cast<std::int32_t>(random.uniform(0, 4)) - 1;
          ranks.push_back(rank.at(s));
          if (scored) scores.push_back(distance.get(s));
        }
        buffer<std::uint8_t> mask(2 * n, 2);
        buffer<std::int64_t> count(2, 3), indices(2 * (budget + 1));
        inputs in{.rank = rank.read()};
        if (scored) in.distance = distance.read();
        const std::int64_t offsets[] = {0, n, 2 * n};
        in.offsets = {offsets, 3};
        check(truncate_fronts(
            cpu{}, {.budget = budget}, in,
            {.mask = mask.view(), .count = count.view(), .indices = {indices.data(), 2, budget, budget + 1, 1}}));
        for (std::int64_t b = 0; b < 2; ++b) {
          const auto chosen = take_best(ranks, scores, b * n, (b + 1) * n, budget);
          const auto kept = static_cast<std::int64_t>(chosen.size());
          CHECK(count.at(b) == kept);
          for (std::int64_t i = 0; i < budget; ++i)
            CHECK(indices.at(b * (budget + 1) + i) == (i < kept ? chosen[static_cast<std::size_t>(i)] : -1));
          for (std::int64_t s = b * n; s < (b + 1) * n; ++s)
            CHECK(mask.at(s) == (std::find(chosen.begin(), chosen.end(), s) != chosen.end() ? 1 : 0));
        }
        CHECK((mask.intact() && count.intact() && indices.intact()));
      }
  covers<S>("pareto_truncation", "sizes");
}

}  // namespace

TEST_CASE("truncation takes the best of what is left: ranks, distances, ties, NaN, sizes, budgets") {
  SUBCASE("double") { check_storage<double>(); }
  SUBCASE("float") { check_storage<float>(); }
  SUBCASE("half") { check_storage<half>(); }
  SUBCASE("bfloat16") { check_storage<bfloat16>(); }
  covers("pareto_truncation", "strides"), covers("pareto_truncation", "masked");
}

TEST_CASE("hand-worked: a front that fits, one that is thinned out from the crowded end, none of the rest") {
  const std::int32_t rank[] = {1, 0, 1, 2, 1, 0, -1, 1};
  const double distance[] = {0.5, infinite, 2, infinite, infinite, infinite, 9, 2};
  std::int32_t indices[5];
  check(truncate_fronts(cpu{}, {.budget = 5}, {.rank = {rank, 8}, .distance = {distance, 8}},
                        {.indices = {indices, 1, 5}}));
  const std::int32_t expected[] = {1, 5, 4, 2, 7};
  CHECK(std::equal(indices, indices + 5, expected));
  // Groups of four; without distances the lower number wins.
  std::int32_t two[4];
  check(truncate_fronts(cpu{}, {.budget = 2, .group_size = 4}, {.rank = {rank, 8}}, {.indices = {two, 2, 2}}));
  const std::int32_t of_groups[] = {1, 0, 5, 4};
  CHECK(std::equal(two, two + 4, of_groups));
  covers("pareto_truncation", "golden");
}

TEST_CASE("a larger budget only adds to the end; a permutation of samples without ties permutes the choice") {
  noise random(5);
  constexpr std::int64_t n = 3000;
  std::vector<std::int64_t> rank(n), moved_rank(n), indices(n), fewer(100), moved(n);
  std::vector<double> distance(n), moved_distance(n);
  for (std::size_t i = 0; i < n; ++i) {
    rank[i] = static_cast<std::int64_t>(random.uniform(0, 9)), distance[i] = random.uniform(0, 1);
    moved_rank[(i * 377 + 5) % n] = rank[i], moved_distance[(i * 377 + 5) % n] = distance[i];
  }
  const auto choose = [&](const auto& r, const auto& d, auto& to) {
    const auto budget = static_cast<std::int64_t>(to.size());
    check(truncate_fronts(cpu{}, {.budget = budget}, {.rank = {r.data(), n}, .distance = {d.data(), n}},
                          {.indices = {to.data(), 1, budget}}));
  };
  choose(rank, distance, indices), choose(rank, distance, fewer), choose(moved_rank, moved_distance, moved);
  CHECK(std::equal(fewer.begin(), fewer.end(), indices.begin()));
  for (std::size_t i = 0; i < n; ++i) CHECK(moved[i] == (indices[i] * 377 + 5) % n);
  covers("pareto_truncation", "identity");
}

TEST_CASE("rank 0 is the non-dominated set: a budget of its size keeps it") {
  noise random(4);
  for (const auto kind : {prefer_test::points::uniform, prefer_test::points::sphere, prefer_test::points::grid})
    for (const int k : {2, 3, 5}) {
      constexpr std::int64_t n = 500;
      const std::vector<double> x = prefer_test::make_points(kind, n, k, random);
      const objective_samples<space::host> samples{.rewards = {x.data(), n, k}};
      std::int64_t rank[n], size = 0;
      bool mask[n], kept[n];
      check(non_dominated_ranks(cpu{}, {}, samples, {.rank = {rank, n}}));
      check(non_dominated_set(cpu{}, {}, samples, {.mask = {mask, n}, .count = {&size, 1}}));
      check(truncate_fronts(cpu{}, {.budget = size}, {.rank = {rank, n}}, {.mask = {kept, n}}));
      for (std::size_t i = 0; i < n; ++i) CHECK(((rank[i] == 0) == mask[i] && kept[i] == mask[i]));
    }
}

TEST_CASE("truncation: the same for any threads, nothing allocated with a workspace, samples of no group untouched") {
  noise random(6);
  constexpr std::int64_t n = 20000, budget = 50;
  std::vector<std::int32_t> rank(n);
  for (auto& r : rank) r = static_cast<std::int32_t>(random.uniform(0, 30));
  const std::int32_t offsets[] = {5, 5, 9000, 9001, 19990};
  const inputs in{.rank = {rank.data(), n}, .offsets = {offsets, 5}};
  std::vector<std::uint8_t> mask(n, 9), other(n, 9);
  std::vector<std::int32_t> indices(4 * budget);
  std::vector<char> memory(truncate_fronts_workspace(cpu{}, {.budget = budget}, in));
  cpu exec{.workspace = {memory.data(), memory.size()}};
  const outputs out{.mask = {mask.data(), n}, .indices = {indices.data(), 4, budget}};
  const long before = prefer_test::allocation_count();
  const status s = truncate_fronts(exec, {.budget = budget}, in, out);
  CHECK(prefer_test::allocation_count() == before);
  REQUIRE(s.ok());
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    exec.pool = pool;
    check(truncate_fronts(exec, {.budget = budget}, in, {.mask = {other.data(), n}}));
    CHECK(mask == other);
  }
  CHECK((mask[4] == 9 && mask[19990] == 9 && std::count(mask.begin(), mask.end(), 1) == 2 * budget + 1));
  exec.workspace.bytes -= 1;
  CHECK(truncate_fronts(exec, {.budget = budget}, in, out).code == errc::small_workspace);
  covers("pareto_truncation", "threads"), covers("pareto_truncation", "allocation");
}

TEST_CASE("truncation: every bad argument is named, and nothing is written") {
  std::int32_t rank[6] = {}, indices[4] = {-7, -7, -7, -7}, offsets[3] = {0, 3, 7}, count[2] = {-7, -7};
  float distance[6] = {};
  bool mask[6] = {};
  const auto refused = [&](errc code, const char* argument, const inputs& in, const outputs& out,
                           const pareto_truncation& o = {.budget = 2}, std::int64_t index = -1) {
    const status s = truncate_fronts(cpu{}, o, in, out);
    INFO(std::string(message(s).c_str()) << " expected for " << std::string(argument) << ": "
                                         << std::string(name_of(code)));
    CHECK((s.code == code && std::string(s.argument) == argument && s.index == index));
    for (const std::int32_t i : indices) CHECK(i == -7);
    CHECK((count[0] == -7 && count[1] == -7));
  };
  const inputs in{.rank = {rank, 6}};
  const outputs out{.indices = {indices, 1, 2}};
  refused(errc::missing_input, "rank", {}, out);
  refused(errc::missing_output, "outputs", in, {});
  refused(errc::bad_element, "rank", {.rank = {distance, 6}}, out);
  refused(errc::bad_extent, "rank", {.rank = {rank, -6}}, out);
  refused(errc::bad_extent, "rank", in, out, {.budget = 2, .group_size = 4});
  refused(errc::bad_extent, "distance", {.rank = {rank, 6}, .distance = {distance, 5}}, out);
  refused(errc::bad_element, "distance", {.rank = {rank, 6}, .distance = {rank, 6}}, out);
  refused(errc::unused_input, "offsets", {.rank = {rank, 6}, .offsets = {offsets, 3}}, out,
          {.budget = 2, .group_size = 3});
  refused(errc::bad_extent, "offsets", {.rank = {rank, 6}, .offsets = {offsets, 0}}, out);
  refused(errc::bad_element, "offsets", {.rank = {rank, 6}, .offsets = {distance, 3}}, out);
  refused(errc::bad_parameter, "budget", in, out, {.budget = -1});
  refused(errc::bad_parameter, "group_size", in, out, {.budget = 2, .group_size = -1});
  refused(errc::bad_extent, "mask", in, {.mask = {mask, 5}});
  refused(errc::bad_extent, "count", in, {.count = {count, 2}});
  refused(errc::bad_extent, "indices", in, {.indices = {indices, 1, 3}});
  refused(errc::bad_extent, "indices", in, {.indices = {indices, 2, 2}});
  refused(errc::bad_element, "indices", in, {.indices = {distance, 1, 2}});
  refused(errc::overlap, "indices", in, {.count = {indices, 1}, .indices = {indices, 1, 2}});
  refused(errc::overlap, "indices", in, {.indices = {rank, 1, 2}});
  refused(errc::bad_offsets, "offsets", {.rank = {rank, 6}, .offsets = {offsets, 3}}, {.indices = {indices, 2, 2}},
          {.budget = 2}, 2);
  covers("pareto_truncation", "bad-argument");
}
