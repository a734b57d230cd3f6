// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <advantage/rank_advantage.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::each_place_rule;
using prefer_test::group_case;
using prefer_test::group_sizes;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();
constexpr double unit = 1e-15;  // one division of integers; the test subtracts once more

template <class S>
rank_advantage_inputs<space::host> inputs_of(group_case<S>& c) {
  const auto in = c.inputs();
  return {.score = in.score, .offsets = in.offsets, .mask = in.mask, .exclude_nan = in.exclude_nan};
}

struct memory {
  std::vector<char> bytes;
  explicit memory(std::int64_t scores) : bytes(rank_advantages_workspace(scores) + 1) {}
  workspace get() { return {bytes.data() + 1, bytes.size() - 1}; }
};

template <class S>
void check_sizes(std::int64_t stride, bool masked) {
  group_case<S> c(group_sizes(), 3, stride);
  prefer_test::tie(c);
  c.masked = masked;
  for (std::int64_t i = 0; masked && i < c.total; ++i)
    if (!c.mask.at(i)) c.score.set(i, missing);
  memory room(c.total);
  const auto x = c.selected();
  each_place_rule([&](const char* name, const auto& rule, const auto& definition) {
    INFO(name);
    for (const isa level : prefer_test::levels())
      for (const bool sorting : {true, false}) {
        cpu exec{.isa = level};
        if (sorting) exec.workspace = room.get();
        check(rank_advantages(exec, rule, inputs_of(c), {.advantage = c.advantage.view()}));
        CHECK(c.worst(definition(x), unit) < 1);
        CHECK(c.untouched_around());
      }
    covers<S>(name, "sizes");
    covers(name, "golden");
    if (masked) covers(name, "masked");
  });
}

template <class Rule>
std::vector<double> ranked(const Rule& rule, std::vector<double> x, bool exclude_nan = false) {
  std::vector<double> a(x.size(), -7);
  const std::int64_t offsets[] = {0, static_cast<std::int64_t>(x.size())};
  check(rank_advantages(cpu{}, rule,
                        {.score = {x.data(), x.size()}, .offsets = {offsets, 2}, .exclude_nan = exclude_nan},
                        {.advantage = {a.data(), a.size()}}));
  return a;
}

}  // namespace

TEST_CASE("advantages by rank are their definitions: sizes, ties, masks, strides, storage types, levels") {
  SUBCASE("float") { check_sizes<float>(1, false); }
  SUBCASE("double, strided and masked") { check_sizes<double>(3, true); }
  SUBCASE("half, masked") { check_sizes<half>(1, true); }
  SUBCASE("bfloat16, strided") { check_sizes<bfloat16>(2, false); }
}

namespace {

// Rows of tests/golden/scores.py.
struct golden_rank {
  int rule;
  long double score[8], advantage[8];
};
constexpr golden_rank golden_ranks[] = {
#include <golden_ranks.inc>
};

}  // namespace

TEST_CASE("advantages by rank at 50 digits, in every storage type: ties, groups of one and of none") {
  constexpr long double one[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  for (const golden_rank& g : golden_ranks) {
    const auto of = [&](const auto& rule) {
      return prefer_test::near_golden_in_all(g.score, g.advantage, one, [&](auto score, auto offsets, auto advantage) {
        check(rank_advantages(cpu{}, rule, {.score = score, .offsets = offsets}, {.advantage = advantage}));
      });
    };
    CHECK((g.rule == 0 ? of(centred_ranks{}) : of(best_worst{.first = g.rule == 2})));
  }
}

TEST_CASE("ranks of a small group, by hand") {
  CHECK(ranked(centred_ranks{}, {3, 1, 2, 10, 1}) == std::vector<double>{0.5, -0.75, 0, 1, -0.75});
  CHECK(ranked(best_worst{}, {3, 1, 10, 10, 1}) == std::vector<double>{0, -1, 1, 1, -1});
  CHECK(ranked(best_worst{.first = true}, {3, 1, 10, 10, 1}) == std::vector<double>{0, -1, 1, 0, 0});
  CHECK(ranked(best_worst{.worst = 0.0}, {3, 1, 10}) == std::vector<double>{0, 0, 1});
}

TEST_CASE("ranks: groups of equal scores get exactly 0, an increasing map changes no bit, every group adds up to 0") {
  each_place_rule([&](const char* name, const auto& rule, const auto&) {
    INFO(name);
    for (const double value : {0.7, -1e-3, 1e300, 0.0, HUGE_VAL})
      for (const std::size_t size : {1u, 2u, 7u, 64u, 65u, 1500u}) {
        const auto a = ranked(rule, std::vector<double>(size, value));
        CHECK(std::all_of(a.begin(), a.end(), [](double v) { return v == 0; }));
      }
    group_case<double> c({900}, 5);
    std::vector<double> x, y;
    for (std::int64_t i = 0; i < 900; ++i) x.push_back(c.score.get(i)), y.push_back(std::exp(3 * x.back()) - 40);
    CHECK(ranked(rule, x) == ranked(rule, y));
    covers(name, "identity");
  });
  group_case<double> c({33}, 5);
  std::vector<double> x;
  for (std::int64_t i = 0; i < 33; ++i) x.push_back(std::nearbyint(3 * c.score.get(i)));
  double sum = 0;
  for (const double a : ranked(centred_ranks{}, x)) sum += a;  // multiples of 1/32
  CHECK(sum == 0);
}

TEST_CASE("GRPO of ranks does not see the scale of outliers, nor epsilon the position of ties") {
  const std::vector<double> x = {0.1, 0.4, 1e9, 0.4}, r = ranked(centred_ranks{}, x);
  const std::int64_t offsets[] = {0, 4};
  double a[4];
  check(group_advantages(cpu{}, grpo{.epsilon = 0.0, .std = deviation::population},
                         {.score = {r.data(), 4}, .offsets = {offsets, 2}}, {.advantage = {a, 4}}));
  CHECK((a[1] == 0 && a[3] == 0 && a[2] == -a[0]));
  CHECK(a[2] == doctest::Approx(std::sqrt(2.0)).epsilon(1e-15));
}

TEST_CASE("a NaN score makes its group NaN or is left out, by choice, whatever the length of the group") {
  for (const int size : {5, 200, 3000}) {
    group_case<float> c({size, 4});
    c.score.set(c.offsets.at(0) + 2, missing);
    check(rank_advantages(cpu{}, centred_ranks{}, inputs_of(c), {.advantage = c.advantage.view()}));
    for (std::int64_t i = 0; i < size; ++i) REQUIRE(std::isnan(c.advantage.get(c.offsets.at(0) + i)));
    CHECK(!std::isnan(c.advantage.get(c.offsets.at(1))));
    c.exclude_nan = true;
    each_place_rule([&](const char*, const auto& rule, const auto& definition) {
      check(rank_advantages(cpu{}, rule, inputs_of(c), {.advantage = c.advantage.view()}));
      CHECK(c.worst(definition(c.selected()), 1e-7) < 1);
    });
  }
  CHECK(ranked(centred_ranks{}, {missing, missing}, true) == std::vector<double>{0, 0});
}

TEST_CASE("ranks have the same bits for any threads, and nothing is allocated") {
  std::vector<int> sizes = {3000, 100};
  for (int i = 0; i < 3000; ++i) sizes.push_back(i % 9 + 1);
  group_case<float> c(sizes);
  prefer_test::tie(c);
  memory room(c.total);
  each_place_rule([&](const char* name, const auto& rule, const auto&) {
    INFO(name);
    const auto in = inputs_of(c);
    const long before = prefer_test::allocation_count();
    const status s = rank_advantages(cpu{.workspace = room.get()}, rule, in, {.advantage = c.advantage.view()});
    CHECK(prefer_test::allocation_count() == before);
    CHECK(s.ok());
    const auto expected = c.advantage.bytes();
    for (const int threads : {1, 2, 3, 8}) {
      thread_pool pool(threads);
      check(rank_advantages(cpu{.pool = pool, .workspace = room.get()}, rule, in, {.advantage = c.advantage.view()}));
      CHECK(c.advantage.bytes() == expected);
    }
    covers(name, "threads"), covers(name, "allocation");
  });
}

TEST_CASE("rank_advantages names what is wrong, and writes nothing") {
  const double x[6] = {1, 2, 3, 4, 5, 6};
  double a[6] = {-7, -7, -7, -7, -7, -7};
  const std::int32_t o[] = {0, 2, 6}, falling[] = {0, 4, 2};
  const auto refused = [&](const char* message_of, const auto& rule, const rank_advantage_inputs<space::host>& in,
                           const rank_advantage_outputs<space::host>& out, const cpu& exec = {}) {
    CHECK(std::string(message(rank_advantages(exec, rule, in, out)).c_str()) == message_of);
    for (const double v : a) CHECK(v == -7);
  };
  refused("prefer: missing input: score: expected one score per response", centred_ranks{}, {.offsets = {o, 3}},
          {.advantage = {a, 6}});
  refused("prefer: missing output: advantage: expected one number per score", centred_ranks{},
          {.score = {x, 6}, .offsets = {o, 3}}, {});
  refused("prefer: bad parameter: best is inf, expected a finite number", best_worst{.best = HUGE_VAL},
          {.score = {x, 6}, .offsets = {o, 3}}, {.advantage = {a, 6}});
  refused("prefer: overlap: advantage: expected memory of its own, not shared with an input", centred_ranks{},
          {.score = {a, 6}, .offsets = {o, 3}}, {.advantage = {a, 6}});
  refused(
      "prefer: bad offsets: offsets[2] is 2, expected no less than the offset before it and no more than the number "
      "of elements",
      centred_ranks{}, {.score = {x, 6}, .offsets = {falling, 3}}, {.advantage = {a, 6}});
  char few[8];
  const status s = rank_advantages(cpu{.workspace = {few, 8}}, centred_ranks{}, {.score = {x, 6}, .offsets = {o, 3}},
                                   {.advantage = {a, 6}});
  CHECK(s.code == errc::small_workspace);
  each_place_rule([](const char* name, const auto&, const auto&) { covers(name, "bad-argument"); });
}
