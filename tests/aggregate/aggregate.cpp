// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <aggregate/aggregate.hpp>
#include <prefer/aggregate/reward_weights.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::reward_case;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();
const auto& every_rule = prefer_test::aggregate_entries<cpu>();

template <class S>
void find_moments(reward_case<S>& c, const cpu& exec = {}) {
  const auto reward = view<const S, 2>(c.reward.data(), c.n, c.rewards, c.row, 1);
  check(reward_moments(exec, reward, c.groups(), view<double, 2>(c.moments.data(), c.rewards, 3)));
}

template <class S>
void check_sizes(std::int64_t gap, bool masked) {
  for (const std::int64_t n : {0, 1, 7, 8, 9, 63, 64, 65, 200})
    for (const std::int64_t k : {1, 2, 5}) {
      reward_case<S> c(n, k, gap);
      if (k == 1) c.weight.set(0, 2);
      c.masked = masked;
      for (std::int64_t i = 0; masked && i < n; ++i)
        if (!c.mask.at(i)) c.reward.set(i * c.row, missing);
      find_moments(c);
      for (const auto& rule : every_rule) {
        INFO(rule.name);
        for (const isa level : prefer_test::levels())
          check(rule.run(cpu{.isa = level}, c.inputs(rule.learns_batch, rule.learns_ideal), c.outputs()));
        CHECK(c.worst(rule.value) < 1);
        CHECK(c.intact());
        for (const char* tag : {"golden", "identity"}) covers(rule.name, tag);
        covers<S>(rule.name, "sizes");
        if (masked) covers(rule.name, "masked");
      }
    }
}

using run_type = decltype(prefer_test::aggregate_entry<cpu>::run);

// The aggregate of one sample.
double one_by(const run_type& run, const std::vector<double>& r, const std::vector<double>& w,
              const std::vector<moments>& m, std::vector<double>* slope, const std::vector<double>& ideal) {
  double value = 0;
  const auto k = static_cast<std::int64_t>(r.size());
  std::vector<double> grad(r.size());
  aggregate_inputs<space::host> in{.rewards = {r.data(), 1, k}};
  if (!w.empty()) in.weight = {w.data(), k};
  if (!m.empty()) in.moments = {&m[0].count, k, 3};
  if (!ideal.empty()) in.ideal = {ideal.data(), k};
  check(run(cpu{}, in, {.aggregate = {&value, 1}, .grad_rewards = {grad.data(), 1, k}}));
  if (slope != nullptr) *slope = grad;
  return value;
}
template <class Rule>
double one(const Rule& rule, const std::vector<double>& r, const std::vector<double>& w = {},
           const std::vector<moments>& m = {}, std::vector<double>* slope = nullptr,
           const std::vector<double>& ideal = {}) {
  const auto run = [&](const cpu& exec, const aggregate_inputs<space::host>& in,
                       const aggregate_outputs<space::host>& out) { return aggregate(exec, rule, in, out); };
  return one_by(run, r, w, m, slope, ideal);
}

// A reward of mean 1 whose coefficient of variation is h.
moments of_variation(double h, double mean = 1) { return {4, mean, 4 * h * h * mean * mean}; }

}  // namespace

TEST_CASE("aggregates are their definitions and gradients their differences: sizes, masks, gaps, types, levels") {
  SUBCASE("float") { check_sizes<float>(0, false); }
  SUBCASE("double, with gaps and masked") { check_sizes<double>(2, true); }
  SUBCASE("half, masked") { check_sizes<half>(0, true); }
  SUBCASE("bfloat16, with gaps") { check_sizes<bfloat16>(1, false); }
}

namespace {

// Rows of tests/golden/scores.py.
struct golden_aggregate {
  int rule;
  long double parameter, reward[3], weight[3], ideal[3], value, size, slope[3], steep;
};
constexpr golden_aggregate golden_aggregates[] = {
#include <golden_aggregates.inc>
};

double by_rule(const golden_aggregate& g, const std::vector<double>& r, const std::vector<double>& w,
               const std::vector<double>& ideal, std::vector<double>* slope) {
  const auto p = static_cast<double>(g.parameter);
  if (g.rule == 0) return one(weighted_sum{}, r, w, {}, slope);
  if (g.rule == 1) return one(soft_min{.beta = p}, r, w, {}, slope);
  if (g.rule == 2) return one(geometric_mean{}, r, w, {}, slope);
  if (g.rule == 3) return one(harmonic_mean{}, r, w, {}, slope);
  if (g.rule == 5) return one(tchebycheff{.mix = p}, r, w, {}, slope, ideal);
  return one(smooth_tchebycheff{.temperature = p}, r, w, {}, slope, ideal);
}

struct golden_taming {
  int above;
  long double value;
  bool symmetric;
  long double epsilon, limit;
  bool window;
  long double before[12], reward[12], weight[3], aggregate[4], size[4], slope[12];
};
constexpr golden_taming golden_tamings[] = {
#include <golden_tamed.inc>
};

// As a trainer does it: moments of the batch, or of it and the one before, then the aggregates.
template <class S>
void check_taming(const golden_taming& g) {
  buffer<S> reward(12), before(12), value(4), grad(12);
  double batch[9], slots[18] = {}, known[9];
  std::int64_t cursor = 0;
  const std::int64_t offsets[] = {0, 4};
  std::vector<double> w(g.weight, g.weight + 3);
  for (std::int64_t i = 0; i < 12; ++i)
    reward.set(i, static_cast<double>(g.reward[i])), before.set(i, static_cast<double>(g.before[i]));
  const auto rows = [](buffer<S>& b) { return view<const S, 2>(b.data(), 4, 3, 3, 1); };
  for (buffer<S>* b : {&before, &reward}) {
    if (b == &before && !g.window) continue;
    check(reward_moments(cpu{}, rows(*b), {.offsets = {offsets, 2}}, {batch, 3, 3}));
    check(window_moments(cpu{}, {batch, 3, 3},
                         {.slots = {slots, 2, 3, 3}, .cursor = {&cursor, 1}, .moments = {known, 3, 3}}));
  }
  const log_tamed rule{.above = static_cast<log_tamed::threshold>(g.above),
                       .value = static_cast<double>(g.value),
                       .epsilon = static_cast<double>(g.epsilon),
                       .symmetric = g.symmetric};
  const aggregate_inputs<space::host> in{.rewards = rows(reward), .weight = {w.data(), 3}, .moments = {known, 3, 3}};
  const aggregate_outputs<space::host> out{.aggregate = value.view(),
                                           .grad_rewards = view<S, 2>(grad.data(), 4, 3, 3, 1)};
  if (g.limit == 0)
    check(aggregate(cpu{}, rule, in, out));
  else
    check(aggregate(cpu{}, held<log_tamed>{rule, static_cast<double>(g.limit)}, in, out));
  const long double rounding = std::ldexp(1.0L, -prefer_test::storage<S>::digits),
                    least = std::ldexp(1.0L, prefer_test::storage<S>::least_exponent);
  const auto near = [&](double got, long double exact, long double size) {
    if (std::isnan(exact)) return std::isnan(got);
    return std::fabs(got - exact) <= 5e-16L * size + rounding * std::fabs(exact) + (exact == 0 ? 0 : least);
  };
  for (std::int64_t i = 0; i < 4; ++i) CHECK(near(value.get(i), g.aggregate[i], g.size[i]));
  for (std::int64_t i = 0; i < 12; ++i) CHECK(near(grad.get(i), g.slope[i], std::fabs(g.slope[i])));
}

}  // namespace

TEST_CASE("aggregates and slopes at 700 digits: far apart, nearly equal, steep and flat") {
  for (const golden_aggregate& g : golden_aggregates) {
    const auto numbers = [](const long double(&x)[3]) {
      std::vector<double> y;
      for (const long double v : x) y.push_back(static_cast<double>(v));
      return y;
    };
    std::vector<double> slope;
    const double value = by_rule(g, numbers(g.reward), numbers(g.weight), numbers(g.ideal), &slope);
    CAPTURE(g.rule);
    CAPTURE(static_cast<double>(g.parameter));
    CAPTURE(static_cast<double>(g.reward[0]));
    // A few roundings of what is added up; of a slope, times what its exponent makes of one.
    CHECK(std::fabs(value - g.value) <= 1e-15L * g.size);
    for (std::size_t k = 0; k < 3; ++k)
      CHECK(std::fabs(slope[k] - g.slope[k]) <= 1e-15L * g.steep * std::fabs(g.slope[k]) + 1e-300L);
  }
}

TEST_CASE("log-tamed aggregates and slopes at 50 digits: thresholds, windows, rewards of any sign, storage types") {
  for (const golden_taming& g : golden_tamings) {
    CAPTURE(g.above);
    CAPTURE(static_cast<double>(g.reward[0]));
    check_taming<double>(g), check_taming<float>(g), check_taming<half>(g), check_taming<bfloat16>(g);
  }
}

TEST_CASE("log-tamed: what is tamed is what varies above the threshold, strictly") {
  const std::vector<double> r = {3, 3, 3};
  const std::vector<moments> m = {of_variation(0.1), of_variation(0.2), of_variation(0.9)};
  const double log4 = std::log(4.0);
  CHECK(one(log_tamed{}, r, {}, m) == doctest::Approx(6 + log4));  // the mean is 0.4
  CHECK(one(log_tamed{.above = log_tamed::threshold::median}, r, {}, m) == doctest::Approx(6 + log4));
  CHECK(one(log_tamed{.above = log_tamed::threshold::value, .value = 0.15}, r, {}, m) == doctest::Approx(3 + 2 * log4));
  CHECK(one(log_tamed{.above = log_tamed::threshold::value, .value = 1.0}, r, {}, m) == 9);
  // Four rewards: the median is between the second and the third.
  const std::vector<moments> four = {of_variation(0.9), of_variation(0.1), of_variation(0.3), of_variation(0.2)};
  CHECK(one(log_tamed{.above = log_tamed::threshold::median}, {3, 3, 3, 3}, {}, four) == doctest::Approx(6 + 2 * log4));
  // Equal ones, or one alone, are not above their mean; nor is a negative mean tamed.
  CHECK(one(log_tamed{}, r, {}, {of_variation(0.1), of_variation(0.1), of_variation(0.1)}) == 9);
  CHECK(one(log_tamed{}, std::vector<double>(10, 3), {}, std::vector<moments>(10, of_variation(0.1))) == 30);
  CHECK(one(log_tamed{}, {3}, {}, {of_variation(5)}) == 3);
  CHECK(one(log_tamed{}, {3, 3}, {}, {of_variation(0.1), of_variation(9, -1)}) == doctest::Approx(3 + log4));
  CHECK(one(log_tamed{}, {3, 3}, {}, {of_variation(0.1), {4, 0, 4}}) == doctest::Approx(3 + log4));
  // One that is above many equal ones by little is above their mean, and they are not; by a few roundings it is not.
  for (const std::size_t n : {3u, 7u, 64u})
    for (const double more : {1e-15, 1e-9}) {
      std::vector<moments> alike(n, of_variation(0.1));
      alike[n / 2] = of_variation(0.1 * (1 + more));
      const double expected = 3 * static_cast<double>(n) + (more > 1e-12 ? log4 - 3 : 0);
      CHECK(one(log_tamed{}, std::vector<double>(n, 3), {}, alike) == doctest::Approx(expected).epsilon(1e-14));
    }
  // An epsilon in the denominator, as the released code has, decides near the threshold.
  const log_tamed at_one{.above = log_tamed::threshold::value, .value = 0.5},
      code{.above = at_one.above, .value = 0.5, .epsilon = 0.5};
  CHECK(one(at_one, {3}, {}, {of_variation(0.6)}) == doctest::Approx(log4));
  CHECK(one(code, {3}, {}, {of_variation(0.6)}) == 3);
}

TEST_CASE("log-tamed: rewards that vary alike stay as they are, on any scale, in any order, on any processes") {
  constexpr std::int64_t n = 90;
  prefer_test::noise random(9);
  for (int round = 0; round < 40; ++round) {
    // A flag, another that is set as often, and copies of the first on other scales.
    std::vector<double> r;
    for (std::int64_t i = 0; i < n; ++i) {
      const double x = i % 3 == 0 ? 0.7 : 0.1;
      for (const double scale : {1.0, 1.0, 3.0, 0.1}) r.push_back(scale * x);
    }
    for (std::size_t i = n - 1; i > 0; --i) std::swap(r[4 * i + 1], r[4 * (random.bits() % (i + 1)) + 1]);
    // Dealt to three processes, one of which may have none.
    std::vector<moments> all(4);
    const auto first = static_cast<std::int64_t>(random.bits() % n),
               second = first + static_cast<std::int64_t>(random.bits() % static_cast<std::uint64_t>(n - first + 1));
    for (const auto& [begin, end] : {std::pair<std::int64_t, std::int64_t>{0, first}, {first, second}, {second, n}}) {
      std::vector<moments> part(4);
      const std::int64_t offsets[] = {0, end - begin};
      check(reward_moments(cpu{}, {r.data() + 4 * begin, end - begin, 4}, {.offsets = {offsets, 2}},
                           {&part[0].count, 4, 3}));
      for (std::size_t k = 0; k < 4; ++k) all[k] = merge(all[k], part[k]);
    }
    CHECK(one(log_tamed{}, {3, 3, 3, 3}, {}, all) == 12);
    CHECK(one(log_tamed{.above = log_tamed::threshold::median}, {3, 3, 3, 3}, {}, all) == 12);
  }
}

TEST_CASE("log-tamed: rewards at and below -1 are NaN, or symmetric") {
  const log_tamed always{.above = log_tamed::threshold::value, .value = 0.0};
  log_tamed symmetric = always;
  symmetric.symmetric = true;
  const std::vector<moments> m = {of_variation(1)};
  std::vector<double> slope;
  CHECK(one(always, {-0.5}, {}, m, &slope) == doctest::Approx(std::log(0.5)));
  CHECK(slope[0] == doctest::Approx(2));
  for (const double r : {-1.0, -3.0}) {
    CHECK(std::isnan(one(always, {r}, {}, m, &slope)));
    CHECK(std::isnan(slope[0]));
    CHECK(one(symmetric, {r}, {}, m, &slope) == -one(symmetric, {-r}, {}, m));
    CHECK(slope[0] == doctest::Approx(1 / (1 - r)));
  }
  CHECK(one(symmetric, {2}, {}, m) == one(always, {2}, {}, m));
  // A reward of weight 0 is not looked at, nor is its slope.
  for (const double r : {-1.0, -3.0, missing}) {
    CHECK(one(always, {r, 3}, {0, 1}, {m[0], m[0]}, &slope) == doctest::Approx(std::log(4.0)));
    CHECK((slope[0] == 0 && slope[1] == 0.25));
  }
}

TEST_CASE("soft minima and means: limits, vetoes, weights that leave a reward out") {
  const std::vector<double> r = {0.5, 2, 4};
  CHECK(one(soft_min{.beta = 1e4}, r) == doctest::Approx(0.5).epsilon(1e-3));
  CHECK(one(soft_min{.beta = 1e-7}, r) == doctest::Approx(6.5 / 3).epsilon(1e-5));
  CHECK(one(soft_min{}, {700, 1e5}) == doctest::Approx(700 + std::log(2.0)));  // no overflow, no underflow
  CHECK(one(soft_min{}, {-1e5, -700}) == doctest::Approx(-1e5 + std::log(2.0)));
  std::vector<double> slope;
  one(soft_min{}, r, {1, 2, 3}, {}, &slope);
  CHECK(slope[0] + slope[1] + slope[2] == doctest::Approx(1));
  // A least reward of next to no weight: -log((v e^0 + e^-100) / (1 + v)).
  for (const double v : {1e-3, 1e-6, 1e-12, 1e-16, 1e-20, 1e-40}) {
    const double exact = -std::log((v + std::exp(-100.0)) / (1 + v));
    CHECK(std::fabs(one(soft_min{}, {0, 100}, {v, 1}, {}, &slope) - exact) < 1e-12 * exact);
    CHECK(std::fabs(slope[0] + slope[1] - 1) < 1e-12);
  }
  CHECK(std::fabs(one(soft_min{.beta = 1e-7}, {0, 1}, {1e-12, 1}) - 1) < 2e-12);  // small beta cost no digits either
  CHECK(one(soft_min{}, {1, -HUGE_VAL, 3}) == -HUGE_VAL);
  CHECK(one(soft_min{}, {HUGE_VAL, HUGE_VAL}) == HUGE_VAL);
  CHECK(one(soft_min{}, {2, HUGE_VAL}) == doctest::Approx(2 + std::log(2.0)).epsilon(1e-15));
  CHECK(one(geometric_mean{}, {1, 4}) == doctest::Approx(2));
  CHECK(one(harmonic_mean{}, {1, 3}) == doctest::Approx(1.5));
  CHECK(one(geometric_mean{}, {0, 4}) == 0);
  CHECK(one(harmonic_mean{}, {0, 4}) == 0);
  CHECK(std::isnan(one(geometric_mean{}, {-1, 4})));
  CHECK(std::isnan(one(harmonic_mean{}, {-1, 4})));
  for (const auto& rule : every_rule) {
    if (rule.learns_batch) continue;
    INFO(rule.name);
    const std::vector<double> three(rule.learns_ideal ? 3 : 0, 1.0), two(rule.learns_ideal ? 2 : 0, 1.0);
    const auto of = [&](const std::vector<double>& x, const std::vector<double>& w) {
      return one_by(rule.run, x, w, {}, nullptr, x.size() == 3 ? three : two);
    };
    CHECK(of({0.5, missing, 2}, {1, 0, 1}) == of({0.5, 2}, {1, 1}));
    for (const auto& holed : {std::vector<double>{missing, 0.5, 2}, {0.5, missing, 2}, {0.5, 2, missing}})
      CHECK(std::isnan(of(holed, {1, 1, 1})));
    const bool sums = std::string(rule.name) == "weighted_sum" || std::string(rule.name) == "soft_min";
    const double of_none = of({0.5, 2}, {0, 0});
    CHECK((sums ? of_none == 0 : std::isnan(of_none)));
  }
}

TEST_CASE("Tchebycheff: the worst reward alone counts, the first of equal ones, and a mixture breaks ties") {
  std::vector<double> slope;
  CHECK(one(tchebycheff{}, {1, 5, 2}, {1, 0.5, 1}, {}, &slope, {2, 5, 4}) == -2);
  CHECK(slope == std::vector<double>{0, 0, 1});
  CHECK(one(tchebycheff{}, {1, 5, 3}, {2, 7, 2}, {}, &slope, {2, 6, 4}) == -7);
  CHECK(slope == std::vector<double>{0, 7, 0});
  CHECK(one(tchebycheff{}, {1, 3}, {2, 2}, {}, &slope, {2, 4}) == -2);
  CHECK(slope == std::vector<double>{2, 0});
  CHECK(one(tchebycheff{.mix = 0.25}, {1, 3}, {2, 2}, {}, &slope, {2, 4}) == 0);  // -2 + (2 + 6) / 4
  CHECK(slope == std::vector<double>{2.5, 0.5});
  for (const auto& holed : {std::vector<double>{missing, 1, 2}, {1, missing, 2}, {1, 2, missing}}) {
    CHECK(std::isnan(one(tchebycheff{}, holed, {}, {}, &slope, {2, 2, 2})));
    for (const double s : slope) CHECK(std::isnan(s));
  }
  // Of rewards at their ideals nothing is missing; beyond them there is more to gain.
  CHECK(one(tchebycheff{}, {2, 4}, {}, {}, nullptr, {2, 4}) == 0);
  CHECK(one(tchebycheff{}, {3, 6}, {}, {}, nullptr, {2, 4}) == 1);
}

TEST_CASE("smooth Tchebycheff lies up to t log K below Tchebycheff, and its slopes over the weights add up to 1") {
  const std::vector<double> r = {1, 5, 2.5, 3}, w = {1, 0.5, 2, 0}, ideal = {2, 5, 4, 9};
  const double exact = one(tchebycheff{}, r, w, {}, nullptr, ideal);
  for (const double t : {1e-3, 0.1, 1.0, 30.0}) {
    std::vector<double> slope;
    const double smooth = one(smooth_tchebycheff{.temperature = t}, r, w, {}, &slope, ideal);
    CHECK(smooth <= exact);
    CHECK(smooth >= exact - t * std::log(3.0) - 1e-15);
    CHECK(slope[0] + slope[1] / 0.5 + slope[2] / 2 == doctest::Approx(1).epsilon(1e-13));
    CHECK(slope[3] == 0);
  }
  // One reward: Tchebycheff exactly. Two equal ones: t log 2 below, and half the slope each.
  CHECK(one(smooth_tchebycheff{}, {1}, {3}, {}, nullptr, {2}) == -3);
  std::vector<double> slope;
  CHECK(one(smooth_tchebycheff{.temperature = 0.5}, {1, 1}, {}, {}, &slope, {2, 2}) ==
        doctest::Approx(-1 - 0.5 * std::log(2.0)).epsilon(1e-15));
  for (const double x : slope) CHECK(x == doctest::Approx(0.5).epsilon(1e-15));
  // A much better reward takes no digit from the worst, and both keep theirs where the worst is at its ideal.
  CHECK(one(smooth_tchebycheff{.temperature = 1e-3}, {1, 900}, {}, {}, nullptr, {2, 2}) == -1);
  CHECK(one(smooth_tchebycheff{.temperature = 1.0}, {2, 42}, {}, {}, nullptr, {2, 2}) ==
        doctest::Approx(-std::exp(-40.0)).epsilon(1e-14));
  CHECK(one(smooth_tchebycheff{}, {-HUGE_VAL, 1}, {}, {}, nullptr, {2, 2}) == -HUGE_VAL);
  for (const auto& holed : {std::vector<double>{missing, 1, 2}, {1, missing, 2}, {1, 2, missing}})
    CHECK(std::isnan(one(smooth_tchebycheff{}, holed, {}, {}, nullptr, {2, 2, 2})));
}

TEST_CASE("log-tamed: the paper's form and the released code's, and undefined moments") {
  const std::vector<moments> m = {of_variation(0.2), of_variation(0.9)};
  std::vector<double> slope;
  CHECK(one(log_tamed::paper(), {3, 999}, {}, m) == doctest::Approx(3 + std::log(1000.0)));
  CHECK(one(log_tamed::released(), {3, 999}, {}, m, &slope) == 5);
  CHECK(slope == std::vector<double>{0, 0});
  CHECK(one(log_tamed::released(), {-9, 1}, {}, m, &slope) == -5);
  CHECK(one(log_tamed::released(), {1, 1}, {}, m, &slope) == doctest::Approx(1 + std::log(2.0)));
  CHECK(slope == std::vector<double>{1, 0.5});
  CHECK(std::isnan(one(log_tamed::released(), {1, -2}, {}, m, &slope)));
  CHECK(std::isnan(slope[1]));
  // A mean near 0: the code's epsilon makes of a huge coefficient one that is merely large, or turns its sign.
  const std::vector<moments> near = {of_variation(0.5), of_variation(9, -5e-7)};
  CHECK(one(log_tamed::paper(), {3, 3}, {}, near) == doctest::Approx(3 + std::log(4.0)));
  CHECK(one(log_tamed::released(), {1, 1}, {}, near) == doctest::Approx(1 + std::log(2.0)));
  const std::vector<moments> holed = {of_variation(0.2), {4, missing, missing}, of_variation(0.9)};
  CHECK(one(log_tamed{}, {1, 2, 3}, {1, 0, 1}, holed) == 4);
  CHECK(one(log_tamed{.above = log_tamed::threshold::value, .value = 0.5}, {1, 2, 3}, {1, 0, 1}, holed) ==
        doctest::Approx(1 + std::log(4.0)));
  // The mean and the median of coefficients one of which is NaN are NaN, whatever the order of the others.
  const std::vector<moments> some = {of_variation(0.2), of_variation(0.3), {4, missing, missing}, of_variation(0.9)};
  for (const auto above : {log_tamed::threshold::mean, log_tamed::threshold::median})
    CHECK(one(log_tamed{.above = above}, {1, 2, 3, 4}, {1, 1, 0, 1}, some) == 7);
  covers("log_tamed", "identity");
}

TEST_CASE(
    "how aggregates of independent rewards correlate with them: a sum follows the wild one, taming lets go of it") {
  constexpr std::int64_t n = 20000;
  prefer_test::noise random(17);
  std::vector<double> r, known(6), a(n);
  for (std::int64_t i = 0; i < n; ++i) {
    const double u = random.uniform(0, 1);
    r.push_back(random.uniform(0.5, 1.5)), r.push_back(20 * u * u * u * u);
  }
  const std::int64_t o[] = {0, n};
  check(reward_moments(cpu{}, {r.data(), n, 2}, {.offsets = {o, 2}}, {known.data(), 2, 3}));
  const double ideal[] = {1.5, 20};
  const auto correlations = [&](const auto& rule) {
    aggregate_inputs<space::host> in{.rewards = {r.data(), n, 2}};
    if (rule.learns_batch) in.moments = {known.data(), 2, 3};
    if (detail::learns_ideal<std::decay_t<decltype(rule)>>) in.ideal = {ideal, 2};
    check(aggregate(cpu{}, rule, in, {.aggregate = {a.data(), n}}));
    double mean = 0, yy = 0, xy[2] = {};
    for (const double y : a) mean += y / n;
    for (std::size_t i = 0; i < a.size(); ++i) {
      yy += (a[i] - mean) * (a[i] - mean);
      for (std::size_t k = 0; k < 2; ++k) xy[k] += (a[i] - mean) * (r[2 * i + k] - known[3 * k + 1]);
    }
    return std::pair(xy[0] / std::sqrt(yy * known[2]), xy[1] / std::sqrt(yy * known[5]));
  };
  const double calm = std::sqrt(known[2] / (known[2] + known[5])), wild = std::sqrt(known[5] / (known[2] + known[5]));
  const auto sum = correlations(weighted_sum{}), tamed = correlations(log_tamed{});
  CHECK(std::fabs(sum.first - calm) < 0.02);
  CHECK(std::fabs(sum.second - wild) < 0.02);
  CHECK(tamed.first > 4 * sum.first);
  CHECK(tamed.second < sum.second);
  CHECK(tamed.second > tamed.first);  // it still has more to say
  // The soft minimum listens to the calm reward, which is often the smaller; Tchebycheff to the one far from its ideal.
  const auto least = correlations(soft_min{.beta = 5.0}), behind = correlations(tchebycheff{});
  CHECK(least.first > sum.first);
  CHECK(behind.second > 0.99);
}

TEST_CASE("aggregates have the same bits for any threads, allocate nothing, and are scores of advantages") {
  reward_case<float> c(20000, 5);
  find_moments(c);
  for (const auto& rule : every_rule) {
    const auto in = c.inputs(rule.learns_batch, rule.learns_ideal);
    const auto out = c.outputs();
    const long before = prefer_test::allocation_count();
    const status s = rule.run(cpu{}, in, out);
    CHECK(prefer_test::allocation_count() == before);
    CHECK(s.ok());
    const auto expected = c.aggregate.bytes(), slopes = c.grad.bytes();
    for (const int threads : {2, 3, 8}) {
      thread_pool pool(threads);
      check(rule.run(cpu{.pool = pool}, in, out));
      CHECK((c.aggregate.bytes() == expected && c.grad.bytes() == slopes));
    }
    for (const char* tag : {"threads", "allocation"}) covers(rule.name, tag);
  }
  const auto moments_before = c.moments.bytes();
  thread_pool pool(3);
  find_moments(c, cpu{.pool = pool});
  CHECK(c.moments.bytes() == moments_before);
  std::vector<float> advantage(20000);
  check(group_advantages(cpu{}, grpo{}, {.score = c.aggregate.read(), .offsets = c.offsets.read()},
                         {.advantage = {advantage.data(), 20000}}));
  CHECK(std::fabs(advantage[0]) < 10);
}

namespace {

// A rule of one's own without a derivative.
struct best_of_rewards {
  static constexpr bool learns_batch = false;
  constexpr status check() const { return {}; }
  PREFER_HD double prepare(const reward_statistics&, int) const { return 0; }
  template <class Row>
  PREFER_HD auto operator()(const Row& r) const {
    auto most = r[0];
    for (int k = 1; k < r.count(); ++k) most = math::select(r[k] > most, r[k], most);
    return most;
  }
};

}  // namespace

TEST_CASE("a rule without a slope aggregates, alone and held, and a gradient of it is refused") {
  const float r[] = {1, 2, 30, -1, 0, 4};
  float a[3], g[6];
  check(aggregate(cpu{}, best_of_rewards{}, {.rewards = {r, 3, 2}}, {.aggregate = {a, 3}}));
  CHECK((a[0] == 2 && a[1] == 30 && a[2] == 4));
  check(aggregate(cpu{}, held<best_of_rewards>{.limit = 5.0}, {.rewards = {r, 3, 2}}, {.aggregate = {a, 3}}));
  CHECK((a[0] == 2 && a[1] == 5 && a[2] == 4));
  for (const status& s :
       {aggregate(cpu{}, best_of_rewards{}, {.rewards = {r, 3, 2}}, {.grad_rewards = {g, 3, 2}}),
        aggregate(cpu{}, held<best_of_rewards>{}, {.rewards = {r, 3, 2}}, {.grad_rewards = {g, 3, 2}})})
    CHECK((s.code == errc::unavailable_output && std::string(s.argument) == "grad_rewards"));
}

TEST_CASE("aggregate names what is wrong, and writes nothing") {
  const double r[6] = {1, 2, 3, 4, 5, 6}, m[6] = {};
  double a[3] = {-7, -7, -7}, g[6], found[6] = {};
  const std::int32_t o[] = {0, 3};
  using in = aggregate_inputs<space::host>;
  using out = aggregate_outputs<space::host>;
  const auto refused = [&](const char* text, const auto& rule, const in& i, const out& to) {
    CHECK(std::string(message(aggregate(cpu{}, rule, i, to)).c_str()).find(text) == 0);
    for (const double v : a) CHECK(v == -7);
  };
  const out to{.aggregate = {a, 3}};
  const in good{.rewards = {r, 3, 2}};
  refused("prefer: missing input: rewards: expected one row of rewards per sample", weighted_sum{}, {}, to);
  refused("prefer: missing output: outputs: expected at least one output to write", weighted_sum{}, good, {});
  refused("prefer: missing input: moments: expected three numbers per reward, since this rule reads them", log_tamed{},
          good, to);
  refused("prefer: unused input: moments: expected to be left out, since this rule does not read it", soft_min{},
          {.rewards = {r, 3, 2}, .moments = {m, 2, 3}}, to);
  refused("prefer: unused input: upstream: expected to be left out, since no gradient is asked for", soft_min{},
          {.rewards = {r, 3, 2}, .upstream = {r, 3}}, to);
  refused("prefer: missing input: ideal: expected one number per reward, since this rule reads them", tchebycheff{},
          good, to);
  refused("prefer: unused input: ideal", soft_min{}, {.rewards = {r, 3, 2}, .ideal = {r, 2}}, to);
  refused("prefer: bad extent: ideal is 3, expected one per reward: 2", tchebycheff{},
          {.rewards = {r, 3, 2}, .ideal = {r, 3}}, to);
  refused("prefer: bad parameter: mix is -1", tchebycheff{.mix = -1.0}, {.rewards = {r, 3, 2}, .ideal = {r, 2}}, to);
  refused("prefer: bad parameter: temperature is 0", smooth_tchebycheff{.temperature = 0.0},
          {.rewards = {r, 3, 2}, .ideal = {r, 2}}, to);
  refused("prefer: bad parameter: limit is 0", held<weighted_sum>{.limit = 0.0}, good, to);
  refused("prefer: bad extent: weight is 3, expected one per reward: 2", weighted_sum{},
          {.rewards = {r, 3, 2}, .weight = {r, 3}}, to);
  refused("prefer: bad extent: rewards is 0, expected rewards per sample, at least 1", weighted_sum{},
          {.rewards = {r, 3, 0}}, to);
  refused("prefer: bad extent: rewards is 65, expected rewards per sample, at most 64", weighted_sum{},
          {.rewards = {r, 3, 65}}, to);
  refused("prefer: bad extent: aggregate is 2, expected one per sample: 3", weighted_sum{}, good,
          {.aggregate = {a, 2}});
  refused("prefer: bad stride: moments is 4, expected three doubles per reward without gaps: a row stride of 3",
          log_tamed{}, {.rewards = {r, 3, 2}, .moments = {m, 2, 3, 4, 1}}, to);
  refused("prefer: bad parameter: beta is 0, expected a finite number above 0", soft_min{.beta = 0.0}, good, to);
  refused("prefer: bad parameter: epsilon is -1, expected a finite number, 0 or above", log_tamed{.epsilon = -1.0},
          good, to);
  refused("prefer: overlap: aggregate: expected memory of its own, not shared with an input", weighted_sum{},
          {.rewards = {r, 3, 2}, .weight = {a, 2}}, to);
  refused("prefer: overlap: grad_rewards: expected memory of its own, not shared with another output", weighted_sum{},
          good, {.aggregate = {g, 3}, .grad_rewards = {g, 3, 2}});
  const double signs[] = {1, -0.5};
  const in negative{.rewards = {r, 3, 2}, .weight = {signs, 2}};
  refused("prefer: bad label: weight[1] is -0.5, expected 0 or above, for this rule", soft_min{}, negative, to);
  refused("prefer: bad label: weight[1]", geometric_mean{}, negative, to);
  refused("prefer: bad label: weight[1]", harmonic_mean{}, negative, to);
  refused("prefer: bad label: weight[1]", held<soft_min>{}, negative, to);
  const in ideal{.rewards = {r, 3, 2}, .weight = {signs, 2}, .ideal = {m, 2}};
  refused("prefer: bad label: weight[1]", tchebycheff{}, ideal, to);
  refused("prefer: bad label: weight[1]", smooth_tchebycheff{}, ideal, to);
  double unseen[3];
  CHECK(aggregate(cpu{}, weighted_sum{}, negative, {.aggregate = {unseen, 3}}).ok());
  CHECK(aggregate(cpu{.content = content::none}, soft_min{}, negative, {.aggregate = {unseen, 3}}).ok());
  CHECK(std::isnan(unseen[0]));
  const auto moments_refused = [&](const char* argument, const input_view<2, space::host>& reward,
                                   const advantage_inputs<space::host>& groups, const output_view<2, space::host>& of) {
    CHECK(std::string(reward_moments(cpu{}, reward, groups, of).argument) == argument);
  };
  moments_refused("rewards", {}, {.offsets = {o, 2}}, {found, 2, 3});
  moments_refused("offsets", {r, 3, 2}, {}, {found, 2, 3});
  moments_refused("score", {r, 3, 2}, {.score = {r, 3}, .offsets = {o, 2}}, {found, 2, 3});
  moments_refused("moments", {r, 3, 2}, {.offsets = {o, 2}}, {});
  moments_refused("moments", {r, 3, 2}, {.offsets = {o, 2}}, {found, 2, 2});
  moments_refused("moments", {found, 3, 2}, {.offsets = {o, 2}}, {found, 2, 3});
  const double holes[6] = {1, 2, 3, missing, 5, 6};
  const status late = reward_moments(cpu{.content = content::all}, {holes, 3, 2}, {.offsets = {o, 2}}, {found, 2, 3});
  CHECK((late.code == errc::not_a_number && late.index == 1));
  const cpu strict{.content = content::all};
  const bool first[] = {true, false, false};
  const auto looked = [&](const in& i) {
    double w[3], slopes[6];
    const status s = aggregate(strict, weighted_sum{}, i, {.aggregate = {w, 3}, .grad_rewards = {slopes, 3, 2}});
    return std::string(s.argument) + (s.ok() ? "" : std::to_string(s.index));
  };
  CHECK(looked({.rewards = {holes, 3, 2}}) == "rewards1");
  CHECK(looked({.rewards = {holes, 3, 2}, .mask = {first, 3}}) == "");
  CHECK(looked({.rewards = {r, 3, 2}, .weight = {holes + 2, 2}}) == "weight1");
  CHECK(looked({.rewards = {r, 3, 2}, .upstream = {holes + 1, 3}}) == "upstream2");
  CHECK(aggregate(strict, tchebycheff{}, {.rewards = {r, 3, 2}, .ideal = {holes + 2, 2}}, to).code ==
        errc::not_a_number);
  for (const double v : found) CHECK(v == 0);
  for (const auto& rule : every_rule) covers(rule.name, "bad-argument");
}
