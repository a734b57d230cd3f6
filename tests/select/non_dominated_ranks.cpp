// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/select/non_dominated_ranks.hpp>
#include <select/stored_case.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

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
using outputs = non_dominated_ranks_outputs<space::host>;
constexpr rank_algorithm all_methods[] = {rank_algorithm::automatic, rank_algorithm::fronts, rank_algorithm::all_pairs};

// The textbook: take the non-dominated set away, and again.
std::vector<std::int64_t> peel(const pareto_case& c, std::int64_t begin, std::int64_t end) {
  std::vector<std::int64_t> rank(static_cast<std::size_t>(end - begin), -1), left, front;
  const auto of = [&](std::int64_t i) -> std::int64_t& { return rank[static_cast<std::size_t>(i - begin)]; };
  for (std::int64_t i = begin; i < end; ++i)
    if (c.takes_part(i)) left.push_back(i);
  for (std::int64_t r = 0; !left.empty(); ++r) {
    front.clear();
    for (const std::int64_t b : left)
      if (std::none_of(left.begin(), left.end(), [&](std::int64_t a) { return c.keeps_out(a, b); })) front.push_back(b);
    for (const std::int64_t i : front) of(i) = r;
    left.erase(std::remove_if(left.begin(), left.end(), [&](std::int64_t i) { return of(i) >= 0; }), left.end());
  }
  return rank;
}

// Copies are in no front if they are dropped.
pareto_case draw_ranked(points kind, std::int64_t n, int k, noise& random) {
  pareto_case c = draw(kind, n, k, random);
  if (c.duplicates == duplicates::drop) c.duplicates = duplicates::first;
  return c;
}
non_dominated_sorting options_of(const pareto_case& c, rank_algorithm method = rank_algorithm::automatic) {
  return {.objectives = prefer_test::objectives_of(c), .method = method};
}

template <class I = std::int32_t>
void check_call(const cpu& exec, const pareto_case& c, const non_dominated_sorting& o, const inputs& in,
                const std::vector<std::int64_t>& offsets) {
  const auto groups = static_cast<std::int64_t>(offsets.size()) - 1;
  buffer<I> rank(c.n, 2);
  buffer<std::int64_t> fronts(groups);
  const status s = non_dominated_ranks(exec, o, in, {.rank = rank.view(), .fronts = fronts.view()});
  INFO(std::string(message(s).c_str()));
  REQUIRE(s.ok());
  bool right = true;
  for (std::int64_t b = 0; b < groups; ++b) {
    const auto begin = offsets[static_cast<std::size_t>(b)], end = offsets[static_cast<std::size_t>(b) + 1];
    const std::vector<std::int64_t> expected = peel(c, begin, end);
    std::int64_t last = -1;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t r = expected[static_cast<std::size_t>(i - begin)];
      right = right && rank.at(i) == std::min(r, o.most_fronts);
      last = std::max(last, r);
    }
    right = right && fronts.at(b) == std::min(last + 1, o.most_fronts);
  }
  CAPTURE(c.n);
  CAPTURE(c.k);
  CAPTURE(static_cast<int>(o.method));
  CAPTURE(static_cast<int>(c.dominance));
  CAPTURE(static_cast<int>(c.duplicates));
  CHECK(right);
  CHECK((rank.intact() && fronts.intact()));
}

template <class S>
void check_storage() {
  noise random(17);
  for (const points kind : all_points)
    for (const std::int64_t n : {1, 15, 16, 17, 33, 100})
      for (const isa level : prefer_test::levels())
        for (const int gap : {0, 1, 3}) {
          pareto_case c = draw_ranked(kind, n, 1 + static_cast<int>(n + gap) % 5, random);
          stored<S> memory(c, gap, gap == 1);
          check_call({.isa = level}, c, options_of(c), memory.in(c), {0, n});
        }
  covers<S>("non_dominated_ranks", "sizes");
}

std::vector<std::int32_t> ranks_of(const inputs& in, std::int64_t n, const non_dominated_sorting& o = {}) {
  std::vector<std::int32_t> rank(static_cast<std::size_t>(n));
  check(non_dominated_ranks(cpu{}, o, in, {.rank = {rank.data(), n}}));
  return rank;
}

}  // namespace

TEST_CASE("every size from 0 to 70 and 1 to 8 objectives: ranks are what peeling finds, whatever the options") {
  noise random(1);
  for (std::int64_t n = 0; n <= 70; ++n)
    for (int k = 1; k <= 8; ++k)
      for (const points kind : {all_points[(n + k) % 10], all_points[(n + 3 * k + 5) % 10]}) {
        pareto_case c = draw_ranked(kind, n, k, random);
        stored<double> memory(c);
        non_dominated_sorting o = options_of(c, all_methods[n % 3]);
        if ((n + k) % 4 == 0) o.most_fronts = 1 + (n + k) % 7;
        check_call({}, c, o, memory.in(c), {0, n});
      }
}

TEST_CASE("thousands of small sets full of ties and copies") {
  noise random(2);
  const auto one_of = [&](int m) { return static_cast<int>(random.uniform(0, m)) % m; };
  for (int nth = 0; nth < 3000; ++nth) {
    pareto_case c{.n = 1 + one_of(40), .k = 1 + one_of(6)};
    const int levels = 1 + one_of(5);
    for (std::int64_t i = 0; i < c.n * c.k; ++i) c.rewards.push_back(one_of(levels));
    c.dominance = static_cast<dominance>(one_of(2)), c.duplicates = static_cast<duplicates>(one_of(2));
    stored<float> memory(c);
    check_call<std::int64_t>({}, c, options_of(c, all_methods[one_of(3)]), memory.in(c), {0, c.n});
  }
}

TEST_CASE("larger sets, whose fronts are trees of several levels") {
  noise random(3);
  for (const points kind : all_points)
    for (const auto& [n, k] : {std::pair{400, 2}, std::pair{1100, 3}, std::pair{700, 5}, std::pair{300, 40}}) {
      if (prefer_test::sanitized && kind != points::uniform && kind != points::sphere && kind != points::grid) continue;
      // Peeling a chain by its definition takes n^3 steps.
      pareto_case c = draw_ranked(kind, kind == points::chain || kind == points::collinear ? 200 : n, k, random);
      stored<float> memory(c);
      check_call({}, c, options_of(c), memory.in(c), {0, c.n});
      stored<double> wide(c);
      check_call({}, c, options_of(c), wide.in(c), {0, c.n});
    }
}

TEST_CASE("samples along a curve: what comparing all pairs finds") {
  noise random(13);
  constexpr std::int64_t n = 4200;
  for (const points kind : {points::uniform, points::sphere, points::grid, points::infinite, points::chain})
    for (const int k : {3, 5}) {
      pareto_case c = draw_ranked(kind, n, k, random);
      stored<float> memory(c);
      CHECK(ranks_of(memory.in(c), n, options_of(c)) ==
            ranks_of(memory.in(c), n, options_of(c, rank_algorithm::all_pairs)));
    }
}

TEST_CASE("all element types, strides, levels") {
  SUBCASE("double") { check_storage<double>(); }
  SUBCASE("float") { check_storage<float>(); }
  SUBCASE("half") { check_storage<half>(); }
  SUBCASE("bfloat16") { check_storage<bfloat16>(); }
  covers("non_dominated_ranks", "strides"), covers("non_dominated_ranks", "masked");
}

TEST_CASE("hand-worked: three fronts, a twin, what options make of them") {
  //                     front 0  front 0  twin of 0  below 0  below both  below all
  const double r[6][2] = {{4, 1}, {1, 4}, {4, 1}, {3, 1}, {1, 1}, {0, 0}};
  const inputs in{.rewards = {&r[0][0], 6, 2}};
  using ranks = std::vector<std::int32_t>;
  CHECK(ranks_of(in, 6) == ranks{0, 0, 0, 1, 2, 3});
  CHECK(ranks_of(in, 6, {.objectives = {.duplicates = duplicates::first}}) == ranks{0, 0, 1, 2, 3, 4});
  CHECK(ranks_of(in, 6, {.objectives = {.dominance = dominance::strict}}) == ranks{0, 0, 0, 0, 0, 1});
  CHECK(ranks_of(in, 6, {.most_fronts = 2}) == ranks{0, 0, 0, 1, 2, 2});
  const direction less[] = {direction::minimize, direction::minimize};
  CHECK(ranks_of(in, 6, {.objectives = {.directions = less}}) == ranks{3, 2, 3, 2, 1, 0});
  inputs constrained = in;
  const float violation[] = {0.5f, 0, 0.5f, 0.25f, -1, 0};  // 1, 4 and 5 are feasible; then 3; then the twins
  constrained.violation = {violation, 6};
  CHECK(ranks_of(constrained, 6) == ranks{4, 0, 4, 3, 1, 2});
  const bool mask[] = {true, false, true, true, true, true};
  inputs masked = in;
  masked.mask = {mask, 6};
  CHECK(ranks_of(masked, 6) == ranks{0, -1, 0, 1, 2, 3});
  covers("non_dominated_ranks", "golden");
}

TEST_CASE("groups: CSR offsets or [B, N, K], each as if it were alone; samples of no group are left as they were") {
  noise random(5);
  const std::vector<std::int64_t> offsets = {3, 3, 20, 21, 200, 200, 500, 564, 3000, 6000};
  pareto_case c = draw_ranked(points::grid, 6000, 3, random);
  c.violation.clear();
  stored<float> memory(c, 1);
  inputs in = memory.in(c);
  in.offsets = {offsets.data(), offsets.size()};
  std::vector<std::int32_t> together(6000, 77), alone(6000, 77);
  check(non_dominated_ranks(cpu{}, options_of(c), in, {.rank = {together.data(), 6000}}));
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
    const std::int64_t begin = offsets[b], size = offsets[b + 1] - begin;
    inputs one{.rewards = {memory.rewards.data() + begin * 4, size, 3, 4, 1}};
    if (!c.mask.empty()) one.mask = {&memory.mask.at(begin), size, 2};
    check(non_dominated_ranks(cpu{}, options_of(c), one, {.rank = {alone.data() + begin, size}}));
  }
  CHECK(together == alone);
  CHECK((together[2] == 77 && together[3] != 77));

  pareto_case equal = draw_ranked(points::uniform, 60, 4, random);
  stored<half> batch(equal);
  inputs cube{.reward_groups = {batch.rewards.data(), 5, 12, 4}};
  if (!equal.violation.empty()) cube.violation = batch.violation.read();
  if (!equal.mask.empty()) cube.mask = batch.mask.read();
  check_call({}, equal, options_of(equal), cube, {0, 12, 24, 36, 48, 60});
}

TEST_CASE("NaN never changes the ranks of the others, wherever it stands") {
  noise random(6);
  for (int k = 1; k <= 5; ++k) {
    constexpr std::int64_t n = 90;
    const std::vector<double> clean = make_points(points::uniform, n, k, random);
    const auto expected = ranks_of({.rewards = {clean.data(), n, k}}, n);
    for (const std::int64_t at : {std::int64_t{0}, n / 2, n}) {
      std::vector<double> r = clean, row(static_cast<std::size_t>(k), -1);
      row[static_cast<std::size_t>(at % k)] = nan_value;
      r.insert(r.begin() + at * k, row.begin(), row.end());
      const inputs in{.rewards = {r.data(), n + 1, k}};
      auto ignored = ranks_of(in, n + 1, {.objectives = {.nan = nan_policy::ignore}});
      auto worst = ranks_of(in, n + 1, {.objectives = {.nan = nan_policy::worst}});
      CHECK(ignored[static_cast<std::size_t>(at)] == -1);
      CHECK(worst[static_cast<std::size_t>(at)] > *std::max_element(expected.begin(), expected.end()));
      ignored.erase(ignored.begin() + at), worst.erase(worst.begin() + at);
      CHECK((ignored == expected && worst == expected));
    }
  }
}

TEST_CASE("permutations, strictly monotone maps and columns negated with their direction") {
  noise random(7);
  for (const int k : {2, 3, 6}) {
    constexpr std::int64_t n = 900;
    std::vector<double> x = make_points(points::uniform, n, k, random), permuted(x.size()), mapped(x.size());
    for (std::int64_t i = 0; i < n * k / 3; ++i)
      x[static_cast<std::size_t>(i)] = std::floor(8 * x[static_cast<std::size_t>(i)]) / 8;
    std::vector<double> negated = x;
    std::vector<direction> towards(static_cast<std::size_t>(k));
    towards[1] = direction::minimize;
    const auto wide = static_cast<std::size_t>(k);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < wide; ++j) {
        const double v = x[i * wide + j] * 2 - 1;
        permuted[(i * 377 + 5) % n * wide + j] = x[i * wide + j];
        mapped[i * wide + j] = j % 3 == 0 ? 1e30 * v * v * v : j % 3 == 1 ? std::exp(40 * v) : v - 7;
        if (j == 1) negated[i * wide + j] = -x[i * wide + j];
      }
    const auto rank = ranks_of({.rewards = {x.data(), n, k}}, n);
    const auto moved = ranks_of({.rewards = {permuted.data(), n, k}}, n);
    CHECK(ranks_of({.rewards = {mapped.data(), n, k}}, n) == rank);
    CHECK(ranks_of({.rewards = {negated.data(), n, k}}, n, {.objectives = {.directions = {towards.data(), k}}}) ==
          rank);
    for (std::size_t i = 0; i < n; ++i) CHECK(moved[(i * 377 + 5) % n] == rank[i]);
  }
  covers("non_dominated_ranks", "identity");
}

TEST_CASE("chains, one front, sqrt(n) fronts, at sizes where a quadratic search would be seen") {
  constexpr std::int64_t n = 40000, side = 200;
  for (const int k : {1, 2, 3, 5}) {
    std::vector<float> chain, fronts;
    for (std::int64_t i = 0; i < n; ++i)
      for (int j = 0; j < k; ++j) {
        const auto at = static_cast<float>(i * 7919 % n);
        chain.push_back(at);
        // On front f of `side` samples that trade the first objective for the last.
        const auto front = static_cast<float>(i % side), along = static_cast<float>(i / side);
        fronts.push_back(j == 0 && k > 1       ? along * 2 * side - front
                         : j == k - 1 && k > 1 ? -along * 2 * side - front
                                               : -front);
      }
    std::int64_t count = 0;
    std::vector<std::int32_t> rank(n);
    check(non_dominated_ranks(cpu{}, {}, {.rewards = {chain.data(), n, k}},
                              {.rank = {rank.data(), n}, .fronts = {&count, 1}}));
    bool right = count == n;
    for (std::int64_t i = 0; i < n; ++i) right = right && rank[static_cast<std::size_t>(i)] == n - 1 - i * 7919 % n;
    CHECK(right);
    const auto found = ranks_of({.rewards = {fronts.data(), n, k}}, n);
    right = true;
    for (std::int64_t i = 0; i < n; ++i) right = right && found[static_cast<std::size_t>(i)] == i % side;
    CHECK(right);
  }
}

namespace {

// Steps of the search for three objectives, and whether its ranks are those of `expected`.
std::int64_t steps_of_halves(const std::vector<double>& x, const std::vector<std::int32_t>& expected) {
  const auto n = static_cast<std::int32_t>(expected.size());
  detail::arena measured;
  detail::rank_halves halves;
  halves.carve(measured, n, 1);
  std::vector<char> memory(measured.bytes());
  detail::arena from(memory.data());
  halves.carve(from, n, 1);
  const auto at = [&](std::int32_t i, int k) { return x[static_cast<std::size_t>(3 * i + k)]; };
  std::vector<std::int32_t> order(expected.size());
  for (std::int32_t i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = i;
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    for (int k = 0; k < 3; ++k)
      if (at(a, k) != at(b, k)) return at(a, k) > at(b, k);
    return a < b;
  });
  std::int32_t points = 0;
  for (const std::int32_t i : order) {
    const std::int32_t last = points > 0 ? halves.at[points - 1] : i;
    if (points > 0 && at(i, 0) == at(last, 0) && at(i, 1) == at(last, 1) && at(i, 2) == at(last, 2)) continue;
    halves.at[points] = i, halves.copies[points] = 0, halves.rank[points++] = 0;
  }
  for (const int k : {1, 2}) {
    std::int32_t* const list = k == 1 ? halves.second : halves.third;
    for (std::int32_t p = 0; p < points; ++p) list[p] = p;
    std::stable_sort(list, list + points,
                     [&](std::int32_t a, std::int32_t b) { return at(halves.at[a], k) > at(halves.at[b], k); });
  }
  halves.run(points);
  for (std::int32_t p = 0; p < points; ++p)
    CHECK(halves.rank[p] == expected[static_cast<std::size_t>(halves.at[p])]);
  return halves.steps;
}

}  // namespace

TEST_CASE("three objectives: steps grow as n log n, whatever the samples") {
  noise random(14);
  for (const points kind : all_points) {
    double before = 0;
    for (const std::int64_t n : {1 << 10, 1 << 12, 1 << 14}) {
      const std::vector<double> x = make_points(kind, n, 3, random);
      const double log = std::log2(static_cast<double>(n)), steps = static_cast<double>(steps_of_halves(
                                                                x, ranks_of({.rewards = {x.data(), n, 3}}, n)));
      // A sweep over all, and a step taken back per point of the first half, for each halving down to 64 points; there
      // at most one step per pair.
      CHECK(steps <= static_cast<double>(n) * (1.5 * (log - 5) + 32));
      CHECK((before == 0 || steps / (static_cast<double>(n) * log) < 1.5 * before));
      before = steps / (static_cast<double>(n) * log);
    }
  }
}

TEST_CASE("the same ranks for any threads; no allocation with a workspace of linear size") {
  noise random(10);
  constexpr std::int64_t n = 30000;
  const std::vector<double> x = make_points(points::grid, n, 4, random);
  const std::int32_t offsets[] = {0, 20000, 20003, 25000, 29999, 30000};
  const inputs in{.rewards = {x.data(), n, 4}, .offsets = {offsets, 6}};
  const non_dominated_sorting options{.objectives = {.duplicates = duplicates::first}};
  std::vector<std::int32_t> rank(n), other(n);
  std::vector<char> memory(non_dominated_ranks_workspace(cpu{}, options, in));
  cpu exec{.workspace = {memory.data(), memory.size()}};
  const outputs out{.rank = {rank.data(), n}};
  const long before = prefer_test::allocation_count();
  const status s = non_dominated_ranks(exec, options, in, out);
  CHECK(prefer_test::allocation_count() == before);
  REQUIRE(s.ok());
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    exec.pool = pool;
    check(non_dominated_ranks(exec, options, in, {.rank = {other.data(), n}}));
    CHECK(rank == other);
  }
  exec.workspace.bytes -= 1;
  CHECK(non_dominated_ranks(exec, options, in, out).code == errc::small_workspace);
  const auto bytes = [&](std::int64_t samples, std::int64_t k) {
    return static_cast<double>(non_dominated_ranks_workspace(cpu{}, {}, inputs{.rewards = {x.data(), samples, k}}));
  };
  for (const std::int64_t k : {1, 2, 3, 8, 100}) {
    CHECK(bytes(1000000, k) < 1e6 * (44.0 * static_cast<double>(k) + 100));
    CHECK(bytes(2000000, k) < 2.01 * bytes(1000000, k));
  }
  covers("non_dominated_ranks", "threads"), covers("non_dominated_ranks", "allocation");
}

TEST_CASE("threads that work together within a large group find the ranks of one, copies and ties or not") {
  noise random(15);
  constexpr std::int64_t n = prefer_test::sanitized ? 3000 : 9000;  // batches of 1024
  thread_pool pool(3);
  for (const points kind : {points::uniform, points::anti_correlated, points::grid, points::equal, points::chain})
    for (const dominance d : {dominance::pareto, dominance::strict})
      for (const duplicates copies : {duplicates::keep, duplicates::first}) {
        const bool few = d == dominance::strict && kind != points::grid;  // the rest of the combinations
        const int k = kind == points::grid ? 3 : 5;
        std::vector<double> x = make_points(kind, n, k, random);
        for (std::int64_t i = 0; i < n; ++i)  // more copies of one sample than a batch has
          if (kind == points::uniform && i % 5 < 2)
            for (int j = 0; j < k; ++j) x[static_cast<std::size_t>(i * k + j)] = 0.5;
        if (few && copies == duplicates::first) continue;
        const inputs in{.rewards = {x.data(), n, k}};
        non_dominated_sorting o{.objectives = {.dominance = d, .duplicates = copies}, .method = rank_algorithm::fronts};
        if (few) o.most_fronts = 3;
        std::vector<std::int32_t> rank(n);
        std::int64_t fronts = 0;
        check(non_dominated_ranks(cpu{.pool = pool}, o, in, {.rank = {rank.data(), n}, .fronts = {&fronts, 1}}));
        CAPTURE(static_cast<int>(kind));
        CHECK(rank == ranks_of(in, n, o));
        CHECK(fronts == std::min<std::int64_t>(*std::max_element(rank.begin(), rank.end()) + 1, o.most_fronts));
      }
}

TEST_CASE("every bad argument is named, and nothing is written") {
  double r[12] = {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6};
  std::int32_t offsets[3] = {0, 2, 6}, rank[6] = {-7, -7, -7, -7, -7, -7}, fronts[2] = {-7, -7};
  const auto refused = [&](errc code, const char* argument, const inputs& in, const outputs& out,
                           const non_dominated_sorting& o = {}, std::int64_t index = -1, const cpu& exec = {}) {
    const status s = non_dominated_ranks(exec, o, in, out);
    INFO(std::string(message(s).c_str()) << " expected for " << std::string(argument) << ": "
                                         << std::string(name_of(code)));
    CHECK((s.code == code && std::string(s.argument) == argument && s.index == index));
    for (const std::int32_t i : rank) CHECK(i == -7);
    CHECK((fronts[0] == -7 && fronts[1] == -7));
  };
  const inputs flat{.rewards = {r, 6, 2}}, grouped{.rewards = {r, 6, 2}, .offsets = {offsets, 3}};
  const outputs out{.rank = {rank, 6}};
  refused(errc::missing_input, "rewards", {}, out);
  refused(errc::bad_extent, "rewards", {.rewards = {r, 6, 0}}, out);
  refused(errc::missing_output, "outputs", flat, {});
  refused(errc::bad_extent, "rank", flat, {.rank = {rank, 5}});
  refused(errc::bad_element, "rank", flat, {.rank = {r, 6}});
  refused(errc::bad_stride, "rank", flat, {.rank = {rank, 6, 0}});
  refused(errc::bad_extent, "fronts", grouped, {.fronts = {fronts, 1}});
  refused(errc::overlap, "fronts", flat, {.rank = {rank, 6}, .fronts = {rank, 1}});
  refused(errc::overlap, "rank", grouped, {.rank = {offsets, 6}});
  refused(errc::bad_parameter, "duplicates", flat, out, {.objectives = {.duplicates = duplicates::drop}});
  refused(errc::bad_parameter, "most_fronts", flat, out, {.most_fronts = 0});
  refused(errc::bad_parameter, "most_fronts", flat, out, {.most_fronts = std::int64_t{1} << 31});
  refused(errc::bad_parameter, "method", flat, out, {.method = static_cast<rank_algorithm>(3)});
  refused(errc::small_workspace, "workspace", flat, out, {}, -1, {.workspace = {r, 8}});
  thread_pool pool(1);
  refused(errc::bad_execution, "exec.parallel_for", flat, out, {}, -1, {.pool = pool, .parallel_for = pool});
  offsets[1] = 7;
  refused(errc::bad_offsets, "offsets", grouped, out, {}, 1);
  offsets[1] = 2, r[9] = nan_value;
  refused(errc::not_a_number, "rewards", grouped, out, {}, 9);
  covers("non_dominated_ranks", "bad-argument");
}
