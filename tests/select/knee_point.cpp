// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/select/knee_point.hpp>
#include <select/stored_case.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::all_points;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::draw;
using prefer_test::make_points;
using prefer_test::nan_value;
using prefer_test::noise;
using prefer_test::pareto_case;
using prefer_test::points;
using prefer_test::stored;

namespace {

using inputs = knee_point_inputs<space::host>;
using outputs = knee_point_outputs<space::host>;
constexpr double infinite = std::numeric_limits<double>::infinity();

// The distance by the definition, with M for infinity.
std::vector<long double> distances(const pareto_case& c, const std::vector<std::int64_t>& front) {
  std::vector<long double> sum(front.size());
  int wide = 0;
  const auto at = [&](std::int64_t i, int j) { return std::clamp<long double>(c.value(i, j), -1e30L, 1e30L); };
  for (int j = 0; j < c.k; ++j) {
    long double low = infinite, high = -infinite;
    for (const std::int64_t i : front) low = std::min(low, at(i, j)), high = std::max(high, at(i, j));
    if (!(high > low)) continue;
    ++wide;
    for (std::size_t i = 0; i < front.size(); ++i) sum[i] += (at(front[i], j) - low) / (high - low);
  }
  for (long double& s : sum) s = wide > 0 ? (s - 1) / std::sqrt(static_cast<long double>(wide)) : 0;
  return sum;
}

template <class S>
void check_storage() {
  noise random(1);
  for (const points kind : all_points)
    for (const std::int64_t n : {0, 1, 2, 15, 16, 17, 300})
      for (const bool ranked : {false, true}) {
        pareto_case c = draw(kind, n, 1 + static_cast<int>(n) % 5, random);
        c.tolerances.clear(), c.violation.clear();
        stored<S> memory(c, n % 2, n % 3 == 1);
        std::vector<std::int64_t> rank, front;
        for (std::int64_t i = 0; i < n; ++i) {
          rank.push_back(static_cast<int>(random.uniform(0, 3)) - 1);
          if (c.takes_part(i) && (!ranked || rank.back() == 0)) front.push_back(i);
        }
        inputs in{.samples = memory.in(c)};
        if (ranked) in.rank = {rank.data(), n};
        const auto expected = distances(c, front);
        for (const isa level : prefer_test::levels()) {
          buffer<std::int32_t> index(1);
          buffer<double> distance(1);
          check(knee_points(cpu{.isa = level}, {.objectives = prefer_test::objectives_of(c)}, in,
                            {.index = index.view(), .distance = distance.view()}));
          CHECK((index.intact() && distance.intact()));
          if (front.empty()) {
            CHECK((index.at(0) == -1 && distance.at(0) == 0));
            continue;
          }
          const auto found = std::find(front.begin(), front.end(), index.at(0));
          REQUIRE(found != front.end());
          const long double best = *std::max_element(expected.begin(), expected.end());
          CHECK(std::fabs(expected[static_cast<std::size_t>(found - front.begin())] - best) < 1e-14L);
          CHECK(std::fabs(distance.at(0) - best) < 1e-14L);
        }
      }
  covers<S>("knee_point", "sizes");
}

std::int64_t knee(const objective_samples<space::host>& samples, double* distance = nullptr, const knee_point& o = {}) {
  std::int64_t index = -7;
  double d = 0;
  check(knee_points(cpu{}, o, {.samples = samples}, {.index = {&index, 1}, .distance = {&d, 1}}));
  if (distance != nullptr) *distance = d;
  return index;
}

}  // namespace

TEST_CASE("knees are their definition: sizes, flat and infinite objectives, NaN, masks, ranks, element types, levels") {
  SUBCASE("double") { check_storage<double>(); }
  SUBCASE("float") { check_storage<float>(); }
  SUBCASE("half") { check_storage<half>(); }
  SUBCASE("bfloat16") { check_storage<bfloat16>(); }
  covers("knee_point", "strides"), covers("knee_point", "masked");
}

TEST_CASE("hand-worked: the distance from the line through the ends, units of objectives, bent the other way, ties") {
  double d;
  const double bend[] = {0, 10, 1, 9.5, 2, 4, 4, 0};
  CHECK(knee({.rewards = {bend, 4, 2}}, &d) == 1);
  CHECK(d == doctest::Approx((0.25 + 0.95 - 1) / std::sqrt(2.0)).epsilon(1e-15));
  const double hollow[] = {0, 1, 0.25, 0.25, 1, 0};  // the ends lie on the line, the lower number wins
  CHECK(knee({.rewards = {hollow, 3, 2}}, &d) == 0);
  CHECK(d == 0);
  const direction less[] = {direction::minimize, direction::minimize};
  CHECK(knee({.rewards = {hollow, 3, 2}}, &d, {.objectives = {.directions = less}}) == 1);
  CHECK(d == doctest::Approx(0.5 / std::sqrt(2.0)).epsilon(1e-15));
  const double flat[] = {3, 1, 3, 2, 3, 0};
  CHECK(knee({.rewards = {flat, 3, 2}}, &d) == 1);
  CHECK(d == 0);
  CHECK(knee({.rewards = {bend, 1, 2}}, &d) == 0);
  const double open[] = {-infinite, 3, 0, 2, infinite, 1};
  CHECK(knee({.rewards = {open, 3, 2}}) == 0);  // all lie on the line
  const float violation[] = {1, 1, 0.5f, 0};
  CHECK(knee({.rewards = {bend, 4, 2}, .violation = {violation, 4}}) == 3);
  covers("knee_point", "golden");
}

TEST_CASE("rank 0 and a mask name the same front; affine maps by powers of two do not move its knee") {
  noise random(3);
  for (const points kind : {points::uniform, points::sphere, points::grid})
    for (const int k : {2, 3, 5}) {
      constexpr std::int64_t n = 500;
      std::vector<double> x = make_points(kind, n, k, random);
      const objective_samples<space::host> samples{.rewards = {x.data(), n, k}};
      std::int64_t rank[n], by_rank, by_mask, mapped;
      bool mask[n];
      for (std::size_t i = 0; i < n; ++i) rank[i] = static_cast<int>(random.uniform(0, 3)), mask[i] = rank[i] == 0;
      check(knee_points(cpu{}, {}, {.samples = samples, .rank = {rank, n}}, {.index = {&by_rank, 1}}));
      check(knee_points(cpu{}, {}, {.samples = {.rewards = {x.data(), n, k}, .mask = {mask, n}}},
                        {.index = {&by_mask, 1}}));
      for (std::size_t i = 0; i < x.size(); ++i) x[i] *= i % 2 == 0 || k % 2 == 1 ? 4 : 0.5;
      check(knee_points(cpu{}, {}, {.samples = samples, .rank = {rank, n}}, {.index = {&mapped, 1}}));
      CHECK((by_rank == by_mask && by_rank == mapped && by_rank >= 0));
    }
  covers("knee_point", "identity");
}

TEST_CASE("groups, threads, workspace: each knee as if its group were alone") {
  noise random(4);
  constexpr std::int64_t groups = 70, n = 100;
  const std::vector<double> x = make_points(points::uniform, groups * n, 3, random);
  const inputs in{.samples = {.reward_groups = {x.data(), groups, n, 3}}};
  std::vector<std::int32_t> index(groups), other(groups);
  std::vector<char> memory(knee_points_workspace(cpu{}, {}, in));
  cpu exec{.workspace = {memory.data(), memory.size()}};
  const outputs out{.index = {index.data(), groups}};
  const long before = prefer_test::allocation_count();
  const status s = knee_points(exec, {}, in, out);
  CHECK(prefer_test::allocation_count() == before);
  REQUIRE(s.ok());
  for (std::int64_t b = 0; b < groups; ++b)
    CHECK(index[static_cast<std::size_t>(b)] == b * n + knee({.rewards = {x.data() + b * n * 3, n, 3}}));
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    exec.pool = pool;
    check(knee_points(exec, {}, in, {.index = {other.data(), groups}}));
    CHECK(other == index);
  }
  exec.workspace.bytes -= 1;
  CHECK(knee_points(exec, {}, in, out).code == errc::small_workspace);
  covers("knee_point", "threads"), covers("knee_point", "allocation");
}

TEST_CASE("knees: every bad argument is named, and nothing is written") {
  double r[6] = {1, 2, 3, 4, 5, 6}, distance = -7;
  std::int32_t rank[3] = {}, index = -7, offsets[2] = {0, 4};
  const auto refused = [&](errc code, const char* argument, const inputs& in, const outputs& out,
                           std::int64_t at = -1) {
    const status s = knee_points(cpu{}, {}, in, out);
    INFO(std::string(message(s).c_str()) << " expected for " << std::string(argument) << ": "
                                         << std::string(name_of(code)));
    CHECK((s.code == code && std::string(s.argument) == argument && s.index == at));
    CHECK((index == -7 && distance == -7));
  };
  const inputs in{.samples = {.rewards = {r, 3, 2}}};
  const outputs out{.index = {&index, 1}};
  refused(errc::missing_input, "rewards", {}, out);
  refused(errc::missing_output, "outputs", in, {});
  refused(errc::bad_extent, "rank", {.samples = {.rewards = {r, 3, 2}}, .rank = {rank, 2}}, out);
  refused(errc::bad_element, "rank", {.samples = {.rewards = {r, 3, 2}}, .rank = {r, 3}}, out);
  refused(errc::bad_extent, "index", in, {.index = {&index, 2}});
  refused(errc::bad_element, "index", in, {.index = {&distance, 1}});
  refused(errc::bad_element, "distance", in, {.distance = {&index, 1}});
  refused(errc::overlap, "distance", in, {.distance = {r, 1}});
  refused(errc::bad_offsets, "offsets", {.samples = {.rewards = {r, 3, 2}, .offsets = {offsets, 2}}}, out, 1);
  r[1] = nan_value;
  refused(errc::not_a_number, "rewards", in, out, 1);
  covers("knee_point", "bad-argument");
}
