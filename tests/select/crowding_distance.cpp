// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/select/crowding_distance.hpp>
#include <select/stored_case.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <array>
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

using inputs = crowding_inputs<space::host>;
using outputs = crowding_outputs<space::host>;
constexpr double infinite = std::numeric_limits<double>::infinity();

// What one objective adds for x: the quotient is of differences between -M, M and finite numbers, M to infinity.
double share(const std::vector<double>& values, double x) {
  const double low = *std::min_element(values.begin(), values.end());
  const double high = *std::max_element(values.begin(), values.end());
  if (low == high) return 0;
  if (x == low || x == high) return infinite;
  double below = low, above = high;
  for (const double v : values) {
    if (v < x) below = std::max(below, v);
    if (v > x) above = std::min(above, v);
  }
  const auto copies = static_cast<double>(std::count(values.begin(), values.end(), x));
  const int ends = std::isinf(low) + std::isinf(high), gaps = std::isinf(below) + std::isinf(above);
  if (ends > 0) return static_cast<double>(gaps) / ends / copies;
  return static_cast<double>((static_cast<long double>(above) - below) / (static_cast<long double>(high) - low)) /
         copies;
}

// The definition, sample by sample.
std::vector<double> by_definition(const pareto_case& c, const std::vector<std::int64_t>& rank, std::int64_t begin,
                                  std::int64_t end) {
  std::vector<double> distance(static_cast<std::size_t>(end - begin));
  const auto in_front = [&](std::int64_t i, std::int64_t r) {
    return c.takes_part(i) && r >= 0 && rank[static_cast<std::size_t>(i)] == r;
  };
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t r = rank[static_cast<std::size_t>(i)];
    if (!in_front(i, r)) continue;
    double& d = distance[static_cast<std::size_t>(i - begin)];
    for (int j = 0; j < c.k; ++j) {
      std::vector<double> values;
      for (std::int64_t other = begin; other < end; ++other)
        if (in_front(other, r)) values.push_back(c.value(other, j));
      d += values.size() == 1 ? infinite : share(values, c.value(i, j));
    }
  }
  return distance;
}

pareto_case draw_crowd(points kind, std::int64_t n, int k, noise& random) {
  pareto_case c = draw(kind, n, k, random);
  c.tolerances.clear(), c.violation.clear();
  return c;
}
std::vector<std::int64_t> draw_ranks(std::int64_t n, int fronts, noise& random) {
  std::vector<std::int64_t> rank;
  for (std::int64_t i = 0; i < n; ++i) rank.push_back(static_cast<int>(random.uniform(0, fronts + 1)) - 1);
  return rank;
}

template <class S>
void check_storage() {
  noise random(1);
  for (const points kind : all_points)
    for (const std::int64_t n : {0, 1, 2, 3, 15, 16, 17, 60})
      for (const int gap : {0, 1}) {
        pareto_case c = draw_crowd(kind, n, 1 + static_cast<int>(n + gap) % 5, random);
        stored<S> memory(c, gap, gap == 1);
        const auto rank = draw_ranks(n, 1 + static_cast<int>(n) % 4, random);
        buffer<S> distance(n, 1 + gap);
        const auto expected = by_definition(c, rank, 0, n);
        for (const isa level : prefer_test::levels()) {
          const status s =
              crowding_distances(cpu{.isa = level}, {.objectives = prefer_test::objectives_of(c)},
                                 {.samples = memory.in(c), .rank = {rank.data(), n}}, {.distance = distance.view()});
          REQUIRE(s.ok());
          // A few roundings in double, and one to store: two units where that falls the other way.
          for (std::int64_t i = 0; i < n; ++i)
            CHECK(prefer_test::ulps<S>(distance.get(i), expected[static_cast<std::size_t>(i)]) <=
                  (sizeof(S) == 8 ? 16 : 1));
          CHECK(distance.intact());
        }
      }
  covers<S>("crowding_distance", "sizes");
}

template <std::size_t N>
std::array<double, N> distances(const objective_samples<space::host>& samples, const crowding& o = {}) {
  std::array<double, N> d;
  check(crowding_distances(cpu{}, o, {.samples = samples}, {.distance = {d.data(), N}}));
  return d;
}

}  // namespace

TEST_CASE("distances are their definition: fronts, sizes, ties, infinite values, NaN, masks, element types, levels") {
  SUBCASE("double") { check_storage<double>(); }
  SUBCASE("float") { check_storage<float>(); }
  SUBCASE("half") { check_storage<half>(); }
  SUBCASE("bfloat16") { check_storage<bfloat16>(); }
  covers("crowding_distance", "strides"), covers("crowding_distance", "masked");
}

TEST_CASE("hand-worked: the textbook's front, copies, flat objectives, one and two samples, infinite ends") {
  const double front[] = {0, 10, 1, 6, 4, 4, 10, 0};
  CHECK(distances<4>({.rewards = {front, 4, 2}}) == std::array{infinite, 0.4 + 0.6, 0.9 + 0.6, infinite});
  // A copy halves what its neighbours leave, for both.
  const double copies[] = {0, 1, 1, 2, 4};
  CHECK(distances<5>({.rewards = {copies, 5, 1}}) == std::array{infinite, 0.25, 0.25, 0.75, infinite});
  const double ends[] = {0, 0, 1, 4, 4};
  CHECK(distances<5>({.rewards = {ends, 5, 1}}) == std::array{infinite, infinite, 1.0, infinite, infinite});
  const double flat[] = {7, 0, 7, 1, 7, 4};
  CHECK(distances<3>({.rewards = {flat, 3, 2}}) == std::array{infinite, 1.0, infinite});
  CHECK(distances<1>({.rewards = {front, 1, 2}}) == std::array{infinite});
  CHECK(distances<2>({.rewards = {front, 2, 2}}) == std::array{infinite, infinite});
  const double same[] = {3, 5, 3, 5, 3, 5};
  CHECK(distances<3>({.rewards = {same, 3, 2}}) == std::array{0.0, 0.0, 0.0});
  const double open[] = {-infinite, 0, 1, 2, infinite};
  CHECK(distances<5>({.rewards = {open, 5, 1}}) == std::array{infinite, 0.5, 0.0, 0.5, infinite});
  const double half_open[] = {0, 1, 2, infinite};
  CHECK(distances<4>({.rewards = {half_open, 4, 1}}) == std::array{infinite, 0.0, 1.0, infinite});
  const double huge[] = {-1.7e308, 0, 1.7e308};  // whose range is no number
  CHECK(distances<3>({.rewards = {huge, 3, 1}}) == std::array{infinite, 1.0, infinite});
  const double zeros[] = {-1, -0.0, 0.0, 1};
  CHECK(distances<4>({.rewards = {zeros, 4, 1}}) == std::array{infinite, 0.5, 0.5, infinite});
  const double missing[] = {0, nan_value, 1, 3};
  CHECK(distances<4>({.rewards = {missing, 4, 1}}, {.objectives = {.nan = nan_policy::ignore}}) ==
        std::array{infinite, 0.0, 1.0, infinite});
  CHECK(distances<4>({.rewards = {missing, 4, 1}}, {.objectives = {.nan = nan_policy::worst}}) ==
        std::array{1.0, infinite, 0.0, infinite});
  covers("crowding_distance", "golden");
}

TEST_CASE("neither the numbering of samples, nor directions, nor affine maps by powers of two change a bit") {
  noise random(4);
  constexpr std::int64_t n = 1500;  // beyond the sort by comparison
  constexpr int k = 3;
  const std::vector<double> x = make_points(points::uniform, n, k, random), g = make_points(points::grid, n, k, random);
  std::vector<double> all(x), moved(all.size()), scaled(all.size());
  std::copy_n(g.begin(), n, all.begin());
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < k; ++j) {
      moved[(i * 377 + 5) % n * k + j] = all[i * k + j];
      scaled[i * k + j] = j == 1 ? -all[i * k + j] : 8 * all[i * k + j];
    }
  std::vector<double> a(n), b(n), c(n);
  const direction towards[] = {direction::maximize, direction::minimize, direction::minimize};
  check(crowding_distances(cpu{}, {}, {.samples = {.rewards = {all.data(), n, k}}}, {.distance = {a.data(), n}}));
  check(crowding_distances(cpu{}, {}, {.samples = {.rewards = {moved.data(), n, k}}}, {.distance = {b.data(), n}}));
  check(crowding_distances(cpu{}, {.objectives = {.directions = towards}},
                           {.samples = {.rewards = {scaled.data(), n, k}}}, {.distance = {c.data(), n}}));
  for (std::size_t i = 0; i < n; ++i) CHECK((a[i] == b[(i * 377 + 5) % n] && a[i] == c[i] && a[i] == a[i]));
  covers("crowding_distance", "identity");
}

TEST_CASE("groups and any threads: each as if it were alone; no allocation with a workspace of linear size") {
  noise random(5);
  constexpr std::int64_t n = 9000;
  const std::vector<double> x = make_points(points::grid, n, 4, random);
  const auto rank = draw_ranks(n, 5, random);
  const std::int32_t offsets[] = {2, 2, 4000, 4001, 8999};
  const inputs in{.samples = {.rewards = {x.data(), n, 4}, .offsets = {offsets, 5}}, .rank = {rank.data(), n}};
  std::vector<double> distance(n, -7), other(n, -7);
  std::vector<char> memory(crowding_distances_workspace(cpu{}, {}, in));
  cpu exec{.workspace = {memory.data(), memory.size()}};
  const outputs out{.distance = {distance.data(), n}};
  const long before = prefer_test::allocation_count();
  const status s = crowding_distances(exec, {}, in, out);
  CHECK(prefer_test::allocation_count() == before);
  REQUIRE(s.ok());
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    exec.pool = pool;
    check(crowding_distances(exec, {}, in, {.distance = {other.data(), n}}));
    CHECK(other == distance);
  }
  std::fill(other.begin(), other.end(), -7);
  for (int b = 0; b < 4; ++b) {
    const std::int64_t first = offsets[b], size = offsets[b + 1] - first;
    check(crowding_distances(
        cpu{}, {}, {.samples = {.rewards = {x.data() + 4 * first, size, 4}}, .rank = {rank.data() + first, size}},
        {.distance = {other.data() + first, size}}));
  }
  CHECK(other == distance);
  CHECK((distance[1] == -7 && distance[n - 1] == -7));
  exec.workspace.bytes -= 1;
  CHECK(crowding_distances(exec, {}, in, out).code == errc::small_workspace);
  CHECK(memory.size() < n * (8 * 4 + 64));
  covers("crowding_distance", "threads"), covers("crowding_distance", "allocation");
}

TEST_CASE("crowding: every bad argument is named, and nothing is written") {
  double r[6] = {1, 2, 3, 4, 5, 6}, distance[3] = {-7, -7, -7};
  std::int32_t rank[3] = {}, offsets[2] = {0, 4};
  const auto refused = [&](errc code, const char* argument, const inputs& in, const outputs& out,
                           std::int64_t index = -1) {
    const status s = crowding_distances(cpu{}, {}, in, out);
    INFO(std::string(message(s).c_str()) << " expected for " << std::string(argument) << ": "
                                         << std::string(name_of(code)));
    CHECK((s.code == code && std::string(s.argument) == argument && s.index == index));
    for (const double d : distance) CHECK(d == -7);
  };
  const inputs in{.samples = {.rewards = {r, 3, 2}}};
  const outputs out{.distance = {distance, 3}};
  refused(errc::missing_input, "rewards", {}, out);
  refused(errc::missing_output, "distance", in, {});
  refused(errc::unused_input, "violation", {.samples = {.rewards = {r, 3, 2}, .violation = {r, 3}}}, out);
  refused(errc::bad_extent, "rank", {.samples = {.rewards = {r, 3, 2}}, .rank = {rank, 2}}, out);
  refused(errc::bad_element, "rank", {.samples = {.rewards = {r, 3, 2}}, .rank = {r, 3}}, out);
  refused(errc::bad_extent, "distance", in, {.distance = {distance, 2}});
  refused(errc::bad_element, "distance", in, {.distance = {rank, 3}});
  refused(errc::overlap, "distance", in, {.distance = {r, 3}});
  refused(errc::bad_offsets, "offsets", {.samples = {.rewards = {r, 3, 2}, .offsets = {offsets, 2}}}, out, 1);
  r[3] = nan_value;
  refused(errc::not_a_number, "rewards", in, out, 3);
  covers("crowding_distance", "bad-argument");
}
