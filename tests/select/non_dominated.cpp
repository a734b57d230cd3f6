// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/select/non_dominated.hpp>
#include <select/stored_case.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

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

using inputs = objective_samples<space::host>;
using outputs = non_dominated_outputs<space::host>;
constexpr pareto_algorithm all_methods[] = {pareto_algorithm::automatic, pareto_algorithm::all_pairs,
                                            pareto_algorithm::sorted, pareto_algorithm::partitioned};

non_dominated options_of(const pareto_case& c, pareto_algorithm method = pareto_algorithm::automatic) {
  return {.objectives = prefer_test::objectives_of(c), .method = method};
}

// All outputs of one call over groups of the same size, or of one.
void check_call(const cpu& exec, const pareto_case& c, const non_dominated& o, const inputs& in,
                const std::vector<std::int64_t>& offsets) {
  const auto groups = static_cast<std::int64_t>(offsets.size()) - 1;
  buffer<std::uint8_t> mask(c.n, 2);
  buffer<std::int32_t> count(groups);
  buffer<std::int64_t> begins(groups + 1), indices(c.n);
  const status s = non_dominated_set(exec, o, in,
                                     {.mask = mask.view(), .count = count.view(), .indices = indices.view(),
                                      .index_offsets = begins.view()});
  INFO(std::string(message(s).c_str()));
  REQUIRE(s.ok());
  std::int64_t at = 0;
  bool right = true;
  for (std::int64_t b = 0; b < groups; ++b) {
    const auto begin = offsets[static_cast<std::size_t>(b)], end = offsets[static_cast<std::size_t>(b) + 1];
    const auto front = c.front(begin, end);
    right = right && begins.at(b) == at && count.at(b) == static_cast<std::int64_t>(front.size());
    for (std::int64_t i = begin; i < end; ++i)
      right = right && mask.at(i) == (std::binary_search(front.begin(), front.end(), i) ? 1 : 0);
    for (const std::int64_t i : front) right = right && indices.at(at++) == i;
  }
  right = right && begins.at(groups) == at;
  CAPTURE(c.n);
  CAPTURE(c.k);
  CAPTURE(static_cast<int>(o.method));
  CAPTURE(static_cast<int>(c.dominance));
  CAPTURE(static_cast<int>(c.duplicates));
  CHECK(right);
  CHECK((mask.intact() && count.intact() && begins.intact() && indices.intact()));
}

constexpr points kind_of(std::int64_t i) {
  return i % 11 == 10 ? points::layers : all_points[i % 11];  // ties, which all_points leaves out
}

template <class S>
void check_storage() {
  noise random(17);
  for (const points kind : all_points)
    for (const std::int64_t n : {1, 15, 16, 17, 33, 257, 300})
      for (const isa level : prefer_test::levels())
        for (const int gap : {0, 1, 3}) {
          pareto_case c = draw(kind, n, 1 + static_cast<int>(n + gap) % 5, random);
          stored<S> memory(c, gap, gap == 1);
          check_call({.isa = level}, c, options_of(c), memory.in(c), {0, n});
        }
  covers<S>("non_dominated", "sizes");
}

}  // namespace

TEST_CASE("every size from 0 to 70 and every number of objectives from 1 to 8: the definition, whatever the options") {
  noise random(1);
  for (std::int64_t n = 0; n <= 70; ++n)
    for (int k = 1; k <= 8; ++k)
      for (const points kind : {kind_of(n + k), kind_of(n + 3 * k + 5)}) {
        pareto_case c = draw(kind, n, k, random);
        stored<double> memory(c);
        check_call({}, c, options_of(c, all_methods[n % 4]), memory.in(c), {0, n});
      }
}

TEST_CASE("sets of points that are large enough for every algorithm, by each of them") {
  noise random(2);
  for (const points kind : all_points) {
    if (prefer_test::sanitized && kind != points::uniform && kind != points::sphere && kind != points::grid) continue;
    for (const auto& [n, k] : {std::pair{700, 2}, std::pair{2500, 3}, std::pair{1200, 4}, std::pair{700, 7}})
      for (const pareto_algorithm method : all_methods) {
        pareto_case c = draw(kind, n, k, random);
        stored<float> memory(c);
        check_call({}, c, options_of(c, method), memory.in(c), {0, n});
      }
  }
}

TEST_CASE("a sweep over many samples that tie: in the set, dominated, strictly dominated, repeated") {
  noise random(3);
  constexpr std::int64_t n = prefer_test::sanitized ? 1500 : 4000;
  for (const dominance d : {dominance::pareto, dominance::strict})
    for (const duplicates twins : {duplicates::keep, duplicates::first, duplicates::drop}) {
      pareto_case c{.n = n, .k = 3, .rewards = make_points(points::layers, n, 3, random)};
      c.dominance = d, c.duplicates = twins;
      stored<double> memory(c);
      check_call({}, c, options_of(c), memory.in(c), {0, c.n});
    }
}

TEST_CASE("every set there is of four samples with two rewards out of three values, or three out of two") {
  for (const int k : {2, 3}) {
    const std::int64_t values = k == 2 ? 3 : 2, rows = k == 2 ? 9 : 8, groups = rows * rows * rows * rows;
    pareto_case c{.n = 4 * groups, .k = k};
    std::vector<std::int64_t> offsets{0};
    for (std::int64_t b = 0; b < groups; ++b) {
      std::int64_t digits = b;
      for (int i = 0; i < 4; ++i) {
        std::int64_t row = digits % rows;
        for (int j = 0; j < k; ++j, row /= values) c.rewards.push_back(static_cast<double>(row % values));
        digits /= rows;
      }
      offsets.push_back(4 * (b + 1));
    }
    for (const dominance d : {dominance::pareto, dominance::strict})
      for (const duplicates twins : {duplicates::keep, duplicates::first, duplicates::drop}) {
        c.dominance = d, c.duplicates = twins;
        const pareto_algorithm method = all_methods[static_cast<int>(twins)];
        check_call({}, c, options_of(c, method), {.reward_groups = {c.rewards.data(), groups, 4, k}}, offsets);
      }
  }
}

TEST_CASE("sizes around those where another algorithm takes over: all methods, fronts of all samples and of few") {
  noise random(4);
  for (const std::int64_t middle : {256, 512, 1024, 2048})
    for (const std::int64_t n : {middle - 1, middle, middle + 1})
      for (const int k : {2, 3, 4})
        if (n < 600 || k == 3) {
          pareto_case c = draw(n % 2 == 0 ? points::sphere : points::anti_correlated, n, k, random);
          stored<float> memory(c);
          check_call({}, c, options_of(c, all_methods[(n + k) % 4]), memory.in(c), {0, n});
          check_call({}, c, options_of(c), memory.in(c), {0, n});
        }
}

TEST_CASE("all element types, strides, levels") {
  SUBCASE("double") { check_storage<double>(); }
  SUBCASE("float") { check_storage<float>(); }
  SUBCASE("half") { check_storage<half>(); }
  SUBCASE("bfloat16") { check_storage<bfloat16>(); }
  covers("non_dominated", "strides"), covers("non_dominated", "masked");
}

TEST_CASE("hand-worked: three objectives, a tie, a twin, and what options make of them") {
  //                     best in 1  best in 2  twin of 0  dominated by 0  ties 0 twice and is worse once  all worse
  const double r[6][3] = {{4, 1, 2}, {1, 4, 2}, {4, 1, 2}, {3, 1, 2}, {4, 1, 1}, {0, 0, 0}};
  const inputs in{.rewards = {&r[0][0], 6, 3}};
  const auto set = [&](const objectives& o, const inputs& x) {
    std::int32_t indices[6], count = 0;
    check(non_dominated_set(cpu{}, {.objectives = o}, x, {.count = {&count, 1}, .indices = {indices, 6}}));
    return std::vector<int>(indices, indices + count);
  };
  CHECK(set({}, in) == std::vector{0, 1, 2});
  CHECK(set({.duplicates = duplicates::first}, in) == std::vector{0, 1});
  CHECK(set({.duplicates = duplicates::drop}, in) == std::vector{1});
  CHECK(set({.dominance = dominance::strict}, in) == std::vector{0, 1, 2, 3, 4});  // only the last is worse throughout
  const direction less[] = {direction::minimize, direction::minimize, direction::minimize};
  CHECK(set({.directions = less}, in) == std::vector{5});
  const direction mixed[] = {direction::maximize, direction::minimize, direction::maximize};
  CHECK(set({.directions = mixed}, in) == std::vector{0, 2, 5});
  const double steps[] = {2, 0, 0};  // 4 and 4, but 3 is one step below
  CHECK(set({.tolerances = steps}, in) == std::vector{0, 1, 2});
  const double wide[] = {5, 0, 2};  // all the same in the first objective; 1 and 0, or 1, in the third
  CHECK(set({.tolerances = wide}, in) == std::vector{1});
  inputs constrained = in;
  const float violation[] = {0.5f, 2, 0.5f, 0.25f, 3, 0.25f};  // nobody is feasible: the least violation, 3 and 5
  constrained.violation = {violation, 6};
  CHECK(set({}, constrained) == std::vector{3});
  const float feasible[] = {0.5f, 2, 1, 1, 0, -1};  // 0 and below are alike
  constrained.violation = {feasible, 6};
  CHECK(set({}, constrained) == std::vector{4});
  covers("non_dominated", "golden");
}

TEST_CASE("groups: CSR offsets or [B, N, K], each as if it were alone; samples of no group are left as they were") {
  noise random(5);
  const std::vector<std::int64_t> offsets = {3, 3, 20, 21, 300, 300, 900, 964};
  pareto_case c = draw(points::grid, 964, 3, random);
  c.violation.clear();
  stored<float> memory(c, 1);
  for (const int threads : {1, 3}) {
    thread_pool pool(threads);
    inputs in = memory.in(c);
    in.offsets = {offsets.data(), offsets.size()};
    check_call({.pool = pool}, c, options_of(c), in, offsets);
  }
  std::vector<std::uint8_t> mask(964, 9);
  const std::int32_t few[] = {10, 20};
  inputs in{.rewards = {memory.rewards.data(), 964, 3, 4, 1}, .offsets = {few, 2}};
  check(non_dominated_set(cpu{.content = content::none}, options_of(c), in, {.mask = {mask.data(), 964}}));
  for (std::size_t i = 0; i < 964; ++i) CHECK((mask[i] == 9) == (i < 10 || i >= 20));

  pareto_case equal = draw(points::uniform, 60, 4, random);
  stored<half> batch(equal);
  inputs cube{.reward_groups = {batch.rewards.data(), 5, 12, 4}};
  if (!equal.violation.empty()) cube.violation = batch.violation.read();
  if (!equal.mask.empty()) cube.mask = batch.mask.read();
  check_call({}, equal, options_of(equal), cube, {0, 12, 24, 36, 48, 60});
  // Groups as columns of one matrix: [B, N, K] with the strides of [N, B, K].
  pareto_case turned{.n = 8, .k = 2, .rewards = {1, 2, 2, 1, 0, 3, 1, 1, 5, 5, 4, 4, 3, 6, 5, 5}};
  const float woven[] = {1, 2, 5, 5, 2, 1, 4, 4, 0, 3, 3, 6, 1, 1, 5, 5};
  check_call({}, turned, options_of(turned), {.reward_groups = {woven, 2, 4, 2, 2, 4, 1}}, {0, 4, 8});
}

TEST_CASE("a NaN never changes what the others are, wherever it stands, and is never optimal by accident") {
  noise random(6);
  for (int k = 2; k <= 5; ++k)
    for (const std::int64_t n : {4, 40, 400}) {
      pareto_case clean{.n = n, .k = k, .rewards = make_points(points::uniform, n, k, random)};
      const auto front = clean.front(0, n);
      for (const nan_policy policy : {nan_policy::ignore, nan_policy::worst})
        for (const std::int64_t at : {std::int64_t{0}, n / 2, n}) {
          pareto_case c = clean;
          c.n = n + 1, c.nan = policy;
          std::vector<double> row(static_cast<std::size_t>(k), -1);
          row[static_cast<std::size_t>(at % k)] = nan_value;
          c.rewards.insert(c.rewards.begin() + at * k, row.begin(), row.end());
          std::vector<bool> in(static_cast<std::size_t>(n + 1));
          buffer<std::uint8_t> mask(n + 1);
          check(non_dominated_set(cpu{}, options_of(c), {.rewards = {c.rewards.data(), n + 1, k}},
                                  {.mask = mask.view()}));
          CHECK(mask.at(at) == 0);
          for (std::int64_t i = 0; i < n; ++i)
            CHECK((mask.at(i < at ? i : i + 1) == 1) == std::binary_search(front.begin(), front.end(), i));
        }
    }
  // The worst value is a value: alone, or best elsewhere, such a sample stays.
  const double r[] = {nan_value, 3, 1, 2, nan_value, nan_value};
  bool mask[3];
  const inputs in{.rewards = {r, 3, 2}};
  check(non_dominated_set(cpu{}, {.objectives = {.nan = nan_policy::worst}}, in, {.mask = {mask, 3}}));
  CHECK((mask[0] && mask[1] && !mask[2]));
  check(non_dominated_set(cpu{}, {.objectives = {.nan = nan_policy::ignore}}, in, {.mask = {mask, 3}}));
  CHECK((!mask[0] && mask[1] && !mask[2]));
}

TEST_CASE("a permutation of samples permutes the set; monotone maps of rewards leave it alone") {
  noise random(7);
  for (const int k : {2, 3, 6}) {
    constexpr std::int64_t n = 900;
    const std::vector<double> x = make_points(points::uniform, n, k, random);
    std::vector<double> y(x.size()), z(x.size());
    std::vector<std::int64_t> order(n);
    for (std::int64_t i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = (i * 377 + 5) % n;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < static_cast<std::size_t>(k); ++j) {
        const auto to = static_cast<std::size_t>(order[i]) * static_cast<std::size_t>(k) + j;
        y[to] = x[i * static_cast<std::size_t>(k) + j];
        const double v = x[i * static_cast<std::size_t>(k) + j] * 2 - 1;
        z[i * static_cast<std::size_t>(k) + j] = j % 3 == 0 ? 1e30 * v * v * v : j % 3 == 1 ? std::exp(40 * v) : v - 7;
      }
    bool mask[n], permuted[n], mapped[n];
    const auto set = [&](const std::vector<double>& r, bool* to) {
      check(non_dominated_set(cpu{}, {}, {.rewards = {r.data(), n, k}}, {.mask = {to, n}}));
    };
    set(x, mask), set(y, permuted), set(z, mapped);
    for (std::size_t i = 0; i < n; ++i) CHECK((mask[i] == permuted[order[i]] && mask[i] == mapped[i]));
  }
  covers("non_dominated", "identity");
}

TEST_CASE("independent rewards: on average E_K(N) samples stay, E_1 = 1, E_K(N) = sum over i of E_(K-1)(i) / i") {
  constexpr std::int64_t n = 256, groups = 400;
  const double expected[] = {1, 6.1243, 19.574, 43.711, 77.067};
  std::vector<double> e(n + 1, 1);
  noise random(8);
  for (int k = 1; k <= 5; ++k) {
    if (k > 1) {
      double sum = 0;
      for (std::size_t i = 1; i <= n; ++i) sum += e[i] / static_cast<double>(i), e[i] = sum;
    }
    CHECK(e[n] == doctest::Approx(expected[k - 1]).epsilon(1e-4));
    const std::vector<double> x = make_points(points::uniform, n * groups, k, random);
    std::int64_t count[groups];
    check(non_dominated_set(cpu{}, {}, {.reward_groups = {x.data(), groups, n, k}}, {.count = {count, groups}}));
    double sum = 0, squares = 0;
    for (const std::int64_t c : count) sum += static_cast<double>(c), squares += static_cast<double>(c * c);
    const double mean = sum / groups, error = std::sqrt((squares / groups - mean * mean) / groups);
    CHECK(std::fabs(mean - e[n]) <= 4 * error + 1e-12);
  }
}

TEST_CASE("a million samples: nothing in the set is dominated, and everything else is; any threads") {
  noise random(9);
  constexpr std::int64_t n = prefer_test::sanitized ? 100000 : 1000000;
  thread_pool pool(2);
  for (const int k : {2, 3, 4}) {
    std::vector<float> x(static_cast<std::size_t>(n * k));
    for (float& v : x) v = static_cast<float>(random.uniform(0, 1));
    std::vector<std::uint8_t> mask(n), other(n);
    std::vector<std::int32_t> indices(10000);
    std::int64_t count = 0;
    const inputs in{.rewards = {x.data(), n, k}};
    check(non_dominated_set(cpu{.pool = pool}, {}, in,
                            {.mask = {mask.data(), n}, .count = {&count, 1}, .indices = {indices.data(), 10000}}));
    check(non_dominated_set(cpu{}, {.method = pareto_algorithm::sorted}, in, {.mask = {other.data(), n}}));
    CHECK(mask == other);
    const auto at_least = [&](std::int64_t a, std::int64_t b) {
      for (int j = 0; j < k; ++j)
        if (x[static_cast<std::size_t>(a * k + j)] < x[static_cast<std::size_t>(b * k + j)]) return false;
      return true;
    };
    std::int64_t members = 0, covered = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      members += mask[static_cast<std::size_t>(i)];
      for (std::int64_t f = 0; f < count; ++f)
        if (at_least(indices[static_cast<std::size_t>(f)], i)) {
          ++covered;
          break;
        }
    }
    CHECK((members == count && covered == n));
    for (std::int64_t f = 0; f < count; ++f)
      for (std::int64_t g = 0; g < count; ++g)
        if (f != g) {
          const auto a = indices[static_cast<std::size_t>(f)], b = indices[static_cast<std::size_t>(g)];
          bool equal = true;
          for (int j = 0; j < k; ++j)
            equal = equal && x[static_cast<std::size_t>(a * k + j)] == x[static_cast<std::size_t>(b * k + j)];
          REQUIRE((!at_least(a, b) || equal));
        }
  }
}

TEST_CASE("the same set for any threads, on large groups as well; no allocation with a workspace") {
  noise random(10);
  for (const auto& [kind, k] : {std::pair{points::anti_correlated, 5}, std::pair{points::grid, 6}}) {
    constexpr std::int64_t n = prefer_test::sanitized ? 20000 : 70000;
    std::vector<double> x = make_points(kind, n, k, random);
    if (kind == points::anti_correlated)  // of which a part is far behind
      for (std::size_t i = 0; i < x.size() * 9 / 10; ++i) x[i] -= 0.2;
    const inputs in{.rewards = {x.data(), n, k}};
    const non_dominated options{.objectives = {.dominance = dominance::strict, .duplicates = duplicates::first}};
    std::vector<std::uint8_t> mask(n), other(n);
    std::vector<std::byte> memory(non_dominated_workspace(cpu{}, options, in));
    cpu exec{.workspace = {memory.data(), memory.size()}};
    const outputs out{.mask = {mask.data(), n}};
    const long before = prefer_test::allocation_count();
    const status s = non_dominated_set(exec, options, in, out);
    CHECK(prefer_test::allocation_count() == before);
    REQUIRE(s.ok());
    for (const int threads : {2, 3, 8}) {
      thread_pool pool(threads);
      exec.pool = pool;
      check(non_dominated_set(exec, options, in, {.mask = {other.data(), n}}));
      CHECK(mask == other);
    }
    CHECK(std::count(mask.begin(), mask.end(), 1) > 0);
    exec.workspace.bytes -= 1;
    CHECK(non_dominated_set(exec, options, in, out).code == errc::small_workspace);
  }
  covers("non_dominated", "threads"), covers("non_dominated", "allocation");
}

TEST_CASE("memory is linear in the elements of the samples") {
  const float* const x = nullptr;
  const auto bytes = [&](std::int64_t b, std::int64_t n, std::int64_t k) {
    float some[1];
    const inputs in{.reward_groups = {x == nullptr ? some : x, b, n, k}};
    return static_cast<double>(non_dominated_workspace(cpu{}, {}, in));
  };
  for (const std::int64_t k : {1, 3, 8, 100}) {
    CHECK(bytes(1, 1000000, k) < 1e6 * (16.0 * static_cast<double>(k) + 100));
    CHECK(bytes(1, 2000000, k) < 2.01 * bytes(1, 1000000, k));
  }
  CHECK(bytes(10000, 256, 4) < 1e6);  // small groups need bits only
}

TEST_CASE("indices that do not fit: as many as there is room for, the full count, and an error") {
  const double r[] = {1, 4, 2, 3, 3, 2, 4, 1};
  std::int64_t indices[4] = {-7, -7, -7, -7}, count = 0;
  const status s =
      non_dominated_set(cpu{}, {}, {.rewards = {r, 4, 2}}, {.count = {&count, 1}, .indices = {indices, 3}});
  CHECK((s.code == errc::bad_extent && std::string(s.argument) == "indices" && s.got == 3 && s.limit == 4));
  CHECK((count == 4 && indices[0] == 0 && indices[2] == 2 && indices[3] == -7));
}

TEST_CASE("every bad argument is named, and nothing is written") {
  double r[12] = {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}, tolerance[2] = {0, 0};
  float violation[6] = {};
  direction towards[3] = {};
  std::int32_t offsets[3] = {0, 2, 6}, indices[6] = {-1, -1, -1, -1, -1, -1}, count[2] = {-1, -1};
  bool mask[6] = {}, members[6] = {};
  const auto refused = [&](errc code, const char* argument, const inputs& in, const outputs& out,
                           const non_dominated& o = {}, std::int64_t index = -1, const cpu& exec = {}) {
    const status s = non_dominated_set(exec, o, in, out);
    INFO(std::string(message(s).c_str()) << " expected for " << std::string(argument));
    CHECK((s.code == code && std::string(s.argument) == argument && s.index == index));
    for (const std::int32_t i : indices) CHECK(i == -1);
    for (const bool m : members) CHECK(!m);
    CHECK((count[0] == -1 && count[1] == -1));
  };
  const inputs flat{.rewards = {r, 6, 2}};
  const outputs out{.mask = {members, 6}};
  refused(errc::missing_input, "rewards", {}, out);
  refused(errc::unused_input, "reward_groups", {.rewards = {r, 6, 2}, .reward_groups = {r, 2, 3, 2}}, out);
  refused(errc::bad_element, "rewards", {.rewards = {indices, 3, 2}}, out);
  refused(errc::bad_extent, "rewards", {.rewards = {r, 6, 0}}, out);
  refused(errc::bad_extent, "rewards", {.rewards = {r, 6, 300, 0, 0}}, out);
  refused(errc::bad_extent, "rewards", {.rewards = {r, -6, 2}}, out);
  refused(errc::bad_extent, "rewards", {.rewards = {r, std::int64_t{1} << 31, 2, 0, 0}}, out);
  refused(errc::bad_stride, "rewards", {.rewards = {r, 6, 2, -2, 1}}, out);
  refused(errc::null_data, "rewards", {.rewards = {static_cast<double*>(nullptr), 6, 2}}, out);
  refused(errc::bad_extent, "reward_groups", {.reward_groups = {r, 2, 3, 0}}, out);
  refused(errc::unused_input, "offsets", {.reward_groups = {r, 2, 3, 2}, .offsets = {offsets, 3}}, out);
  refused(errc::bad_extent, "offsets", {.rewards = {r, 6, 2}, .offsets = {offsets, 0}}, out);
  refused(errc::bad_element, "offsets", {.rewards = {r, 6, 2}, .offsets = {r, 3}}, out);
  refused(errc::bad_extent, "violation", {.rewards = {r, 6, 2}, .violation = {violation, 5}}, out);
  refused(errc::bad_extent, "mask", {.rewards = {r, 6, 2}, .mask = {mask, 7}}, out);
  refused(errc::bad_element, "mask", {.rewards = {r, 6, 2}, .mask = {violation, 6}}, out);
  refused(errc::missing_output, "outputs", flat, {});
  refused(errc::bad_extent, "mask", flat, {.mask = {members, 5}});
  refused(errc::bad_stride, "mask", flat, {.mask = {members, 6, 0}});
  refused(errc::bad_element, "mask", flat, {.mask = {count, 6}});
  refused(errc::bad_extent, "count", flat, {.count = {count, 2}});
  refused(errc::bad_element, "indices", flat, {.indices = {violation, 6}});
  refused(errc::bad_extent, "indices", flat, {.indices = {indices, -6}});
  refused(errc::bad_extent, "index_offsets", flat, {.index_offsets = {indices, 1}});
  refused(errc::overlap, "indices", flat, {.count = {count, 1}, .indices = {count, 2}});
  refused(errc::overlap, "mask", {.rewards = {r, 6, 2}, .mask = {mask, 6}}, {.mask = {mask, 6}});
  const auto with = [](objectives o) { return non_dominated{.objectives = o}; };
  refused(errc::bad_extent, "directions", flat, out, with({.directions = {towards, 3}}));
  refused(errc::bad_extent, "tolerances", flat, out, with({.tolerances = {tolerance, 1}}));
  refused(errc::null_data, "directions", flat, out, with({.directions = {static_cast<direction*>(nullptr), 2}}));
  towards[1] = static_cast<direction>(2);
  refused(errc::bad_parameter, "directions", flat, out, with({.directions = {towards, 2}}), 1);
  for (const double bad : {-1.0, nan_value, std::numeric_limits<double>::infinity()}) {
    tolerance[1] = bad;
    refused(errc::bad_parameter, "tolerances", flat, out, with({.tolerances = tolerance}), 1);
  }
  refused(errc::bad_parameter, "dominance", flat, out, with({.dominance = static_cast<dominance>(2)}));
  refused(errc::bad_parameter, "duplicates", flat, out, with({.duplicates = static_cast<duplicates>(3)}));
  refused(errc::bad_parameter, "nan", flat, out, with({.nan = static_cast<nan_policy>(3)}));
  refused(errc::bad_parameter, "method", flat, out, {.method = static_cast<pareto_algorithm>(4)});
  thread_pool pool(1);
  refused(errc::bad_execution, "exec.parallel_for", flat, out, {}, -1, {.pool = pool, .parallel_for = pool});

  const inputs grouped{.rewards = {r, 6, 2}, .offsets = {offsets, 3}};
  offsets[1] = 7;
  refused(errc::bad_offsets, "offsets", grouped, out, {}, 1);
  offsets[1] = -1;
  refused(errc::bad_offsets, "offsets", grouped, out, {}, 1);
  offsets[1] = 5, offsets[2] = 4;
  refused(errc::bad_offsets, "offsets", grouped, out, {}, 2);
  offsets[2] = 6;
  r[7] = nan_value;
  refused(errc::not_a_number, "rewards", flat, out, {}, 7);
  refused(errc::not_a_number, "rewards", grouped, out, {}, 7);
  refused(errc::not_a_number, "reward_groups", {.reward_groups = {r, 2, 3, 2}}, out, {}, 7);
  r[7] = 0;
  violation[2] = std::numeric_limits<float>::quiet_NaN();
  inputs constrained = flat;
  constrained.violation = {violation, 6};
  refused(errc::not_a_number, "violation", constrained, out, {}, 2);
  // What the mask leaves out is not looked at; and without a look a NaN is ignored.
  for (bool& m : mask) m = true;
  mask[2] = false;
  constrained.mask = {mask, 6};
  CHECK(non_dominated_set(cpu{}, {}, constrained, out).ok());
  r[10] = nan_value;
  CHECK(non_dominated_set(cpu{.content = content::none}, {}, flat, out).ok());
  CHECK((!members[5] && members[2]));
  covers("non_dominated", "bad-argument");
}
