// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <aggregate/reward_weights.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::weight_case;
using prefer_test::window_case;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN(), infinite = HUGE_VAL;
const auto& every_rule = prefer_test::weight_entries<cpu>();

template <class S>
weight_inputs<space::host> inputs(weight_case<S>& c, const prefer_test::weight_entry<cpu>& rule) {
  weight_inputs<space::host> in;
  if (rule.moments) in.moments = view<const double, 2>(c.moments.data(), c.rewards, 3);
  if (rule.covariance) in.covariance = c.covariance.read();
  if (rule.target) in.target = c.target.read();
  return in;
}
template <class S>
weight_outputs<space::host> outputs(weight_case<S>& c, const prefer_test::weight_entry<cpu>& rule) {
  weight_outputs<space::host> out{.weight = c.weight.view()};
  if (rule.dual) out.dual = c.dual.view();
  if (rule.average) out.average = c.average.view();
  return out;
}

template <class S>
void check_steps() {
  for (const std::int64_t k : {1, 2, 7, 64})
    for (const auto& rule : every_rule) {
      INFO(rule.name);
      weight_case<S> c(k);
      for (std::uint64_t number = 1; number < 9; ++number) {
        const auto in = inputs(c, rule);
        const auto out = outputs(c, rule);
        const long before = prefer_test::allocation_count();
        const status s = rule.run(cpu{}, in, out);
        CHECK(prefer_test::allocation_count() == before);
        CHECK(s.ok());
        CHECK(c.worst(rule.definition) < 1e-13);
        CHECK(c.intact());
        c.step(number);
      }
      covers<S>(rule.name, "sizes");
      for (const char* tag : {"identity", "threads", "allocation"}) covers(rule.name, tag);
    }
}

// Rows of tests/golden/scores.py.
struct golden_saturation {
  bool sample;
  long double reward[12], weight[3];
};
constexpr golden_saturation golden_saturations[] = {
#include <golden_saturation.inc>
};

template <class S>
void check_saturation(const golden_saturation& g) {
  prefer_test::buffer<S> r(12), w(3);
  double m[9];
  const std::int64_t offsets[] = {0, 4};
  for (std::int64_t i = 0; i < 12; ++i) r.set(i, static_cast<double>(g.reward[i]));
  check(reward_moments(cpu{}, view<const S, 2>(r.data(), 4, 3, 3, 1), {.offsets = {offsets, 2}}, {m, 3, 3}));
  const saturation_aware rule{.std = g.sample ? deviation::sample : deviation::population};
  check(adapt_weights(cpu{}, rule, {.moments = {m, 3, 3}}, {.weight = w.view()}));
  for (std::int64_t k = 0; k < 3; ++k) {
    const long double rounding = std::ldexp(1.0L, -prefer_test::storage<S>::digits) + 1e-15L;
    CHECK(std::fabs(w.get(k) - g.weight[k]) <= rounding * g.weight[k]);
  }
}

template <class S>
void check_best() {
  for (const std::int64_t n : {0, 1, 9, 3000}) {
    constexpr std::int64_t k = 5;
    prefer_test::buffer<S> r(n * (k + 1));
    prefer_test::buffer<bool> mask(n);
    prefer_test::buffer<double> ideal(k, 2);
    prefer_test::noise random(3);
    std::vector<double> expected;
    for (std::int64_t j = 0; j < k; ++j) ideal.set(j, j == 0 ? 1e3 : -infinite), expected.push_back(ideal.get(j));
    for (std::int64_t i = 0; i < n; ++i) {
      mask.at(i) = i % 3 != 1;
      for (std::int64_t j = 0; j < k; ++j) {
        r.set(i * (k + 1) + j, mask.at(i) && i % 7 != 2 ? random.uniform(-5, 5) : missing);
        const double x = r.get(i * (k + 1) + j);
        if (x > expected[static_cast<std::size_t>(j)]) expected[static_cast<std::size_t>(j)] = x;
      }
      if (!mask.at(i)) r.set(i * (k + 1), 1e4);
    }
    const view<const S, 2> rewards(r.data(), n, k, k + 1, 1);
    thread_pool pool(3);
    for (int again = 0; again < 2; ++again) {
      const cpu exec = again == 0 ? cpu{} : cpu{.pool = pool};
      const long before = prefer_test::allocation_count();
      const status s = best_rewards(exec, rewards, mask.read(), ideal.view());
      if (again == 0) CHECK(prefer_test::allocation_count() == before);
      CHECK(s.ok());
      CHECK(ideal.values() == expected);
      CHECK(ideal.intact());
    }
  }
  covers<S>("best_rewards", "sizes");
  for (const char* tag : {"identity", "threads", "allocation"}) covers("best_rewards", tag);
}

}  // namespace

TEST_CASE("saturation-aware weights at 50 digits, in every storage type") {
  for (const golden_saturation& g : golden_saturations)
    check_saturation<double>(g), check_saturation<float>(g), check_saturation<half>(g), check_saturation<bfloat16>(g);
}

TEST_CASE("adaptive weights are their definitions, step by step: numbers of rewards, strides, types, empty batches") {
  SUBCASE("double") { check_steps<double>(); }
  SUBCASE("float") { check_steps<float>(); }
  SUBCASE("half") { check_steps<half>(); }
  SUBCASE("bfloat16") { check_steps<bfloat16>(); }
}

TEST_CASE("adaptive weights: what they are for") {
  double w[3], dual[3] = {}, average[3] = {};
  // A reward that hardly varies any more loses its weight; equal ones have 1 each; scales do not matter.
  const moments equal[] = {{8, 1, 2}, {8, 100, 20000}, {8, 0.01, 0.0002}},
                saturated[] = {{8, 1, 2}, {8, 9, 0}, {8, 2, 8}};
  check(adapt_weights(cpu{}, saturation_aware{}, {.moments = {&equal[0].count, 3, 3}}, {.weight = {w, 3}}));
  for (const double x : w) CHECK(x == doctest::Approx(1).epsilon(1e-5));
  check(adapt_weights(cpu{}, saturation_aware{}, {.moments = {&saturated[0].count, 3, 3}}, {.weight = {w, 3}}));
  CHECK(w[1] == 0);
  CHECK(w[0] + w[2] == doctest::Approx(3));
  const moments still[] = {{8, 1, 0}, {8, 9, 0}, {8, 0, 0}};
  for (const double epsilon : {1e-8, 0.0}) {
    check(adapt_weights(cpu{}, saturation_aware{.epsilon = epsilon}, {.moments = {&still[0].count, 3, 3}},
                        {.weight = {w, 3}}));
    for (const double x : w) CHECK(x == 0);
  }
  // A multiplier rises while its constraint is missed, and falls back to 0 when it holds; the primary has 1.
  double target[] = {missing, 0.5, 0.5};
  moments now[] = {{8, 0.1, 1}, {8, 0.2, 1}, {8, 0.9, 1}};
  const auto step = [&] {
    check(adapt_weights(cpu{}, lagrangian{.rate = 1.0}, {.moments = {&now[0].count, 3, 3}, .target = {target, 3}},
                        {.weight = {w, 3}, .dual = {dual, 3}}));
  };
  step(), step();
  CHECK((w[0] == 1 && w[1] == doctest::Approx(0.6) && w[2] == 0));
  now[1].mean = 2;
  step();
  CHECK(w[1] == 0);
  // What is not known changes nothing: a mean that is NaN, or of no samples.
  now[1].mean = missing, now[2] = {0, 0, 0}, dual[1] = 0.25, dual[2] = 0.5;
  step();
  CHECK((w[1] == 0.25 && w[2] == 0.5 && dual[1] == 0.25 && dual[2] == 0.5));
  // A reward that the update does not follow gains weight, one that it follows keeps it.
  const double covariance[] = {0.3, 0, -0.3};
  double goal[] = {0.1, 0.1, 0.1};
  dual[0] = dual[1] = dual[2] = 0;
  check(adapt_weights(cpu{}, covariance_targeted{.smoothing = 1.0},
                      {.covariance = {covariance, 3}, .target = {goal, 3}},
                      {.weight = {w, 3}, .dual = {dual, 3}, .average = {average, 3}}));
  CHECK((w[0] == 1 && w[1] == doctest::Approx(std::exp(0.005)) && w[2] == doctest::Approx(std::exp(0.02))));
}

TEST_CASE("adaptive entropy: a bonus while the entropy is at or below its target, its coefficient walks by steps") {
  moments tokens{1000, 0.15, 1};
  double coefficient = 0.01, bonus = -7;
  const double target = 0.2;
  const auto step = [&] {
    check(adapt_weights(cpu{}, adaptive_entropy{.most = 0.02},
                        {.moments = {&tokens.count, 1, 3}, .target = {&target, 1}},
                        {.weight = {&bonus, 1}, .dual = {&coefficient, 1}}));
  };
  step();
  CHECK((bonus == 0.015 && coefficient == 0.015));
  tokens.mean = target;  // not above
  step(), step();
  CHECK((bonus == 0.02 && coefficient == 0.02));  // held
  tokens.mean = std::nextafter(target, 1);
  step();
  CHECK((bonus == 0 && coefficient == 0.015));  // at rest, and smaller when it comes back
  for (const double unknown : {missing, 0.1}) {
    tokens = {std::isnan(unknown) ? 1000.0 : 0.0, unknown, 0};
    step();
    CHECK((bonus == 0 && coefficient == 0.015));
  }
  tokens = {1000, 3, 1};
  for (int i = 0; i < 9; ++i) step();
  CHECK((bonus == 0 && coefficient == 0));  // never below `least`
}

namespace {

template <class S>
void check_min_norm() {
  for (const std::int64_t k : {1, 2, 3, 7, 33, 64})
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
      INFO(k << " rewards, seed " << seed);
      prefer_test::gram_case<S> c(k, seed);
      const long before = prefer_test::allocation_count();
      check(adapt_weights(cpu{}, min_norm{}, {.gram = view<const S, 2>(c.gram.data(), k, k, k + 1, 1)},
                          {.weight = c.weight.view()}));
      CHECK(prefer_test::allocation_count() == before);
      CHECK(c.worst() < 1e-11);
      CHECK(c.weight.intact());
    }
  covers<S>("min_norm", "sizes");
  for (const char* tag : {"threads", "allocation"}) covers("min_norm", tag);
}

}  // namespace

TEST_CASE("weights of least norm are optimal: numbers of rewards, strides, types") {
  check_min_norm<double>(), check_min_norm<float>(), check_min_norm<half>(), check_min_norm<bfloat16>();
}

TEST_CASE("weights of least norm: two rewards by hand, copies, rewards at odds, NaN") {
  covers("min_norm", "identity");
  double w[3];
  const auto of = [&](std::int64_t k, std::initializer_list<double> g) {
    check(adapt_weights(cpu{}, min_norm{}, {.gram = {g.begin(), k, k}}, {.weight = {w, k}}));
  };
  of(2, {4, 0, 0, 1});  // (1 - 0) / (4 + 1): the shorter one counts more
  CHECK(w[0] == doctest::Approx(0.2).epsilon(1e-14));
  of(2, {4, 2, 2, 1.5});  // the second lies within the first: it alone
  CHECK((w[0] == 0 && w[1] == 1));
  of(2, {1, 0.3, 0.3, 1});
  CHECK((w[0] == 0.5 && w[1] == 0.5));
  of(2, {0, 0, 0, 0});
  CHECK((w[0] == 0.5 && w[1] == 0.5));
  of(2, {9, -3, -3, 1});  // opposed: 1 to 3, and nothing is left
  CHECK((w[0] == doctest::Approx(0.25).epsilon(1e-14) && 9 * w[0] - 3 * w[1] == doctest::Approx(0)));
  of(3, {1, 1, 0, 1, 1, 0, 0, 0, 1});  // one reward twice counts as one
  CHECK((w[0] + w[1] == doctest::Approx(0.5).epsilon(1e-12) && w[2] == doctest::Approx(0.5).epsilon(1e-12)));
  of(2, {1, missing, missing, 1});
  CHECK((std::isnan(w[0]) && std::isnan(w[1])));
}

TEST_CASE("a covariance that is NaN changes neither average nor dual") {
  double w[2], dual[2] = {0.5, 0}, average[2] = {0.25, 0};
  const double covariance[2] = {missing, 1}, target[2] = {1, 0};
  check(adapt_weights(cpu{}, covariance_targeted{}, {.covariance = {covariance, 2}, .target = {target, 2}},
                      {.weight = {w, 2}, .dual = {dual, 2}, .average = {average, 2}}));
  CHECK((w[0] == std::exp(0.5) && dual[0] == 0.5 && average[0] == 0.25));
  CHECK((w[1] == 1 && dual[1] == 0 && average[1] == doctest::Approx(0.1)));
}

TEST_CASE("a window of moments holds the last batches, and its bits depend on nothing else") {
  for (const std::int64_t width : {1, 2, 5}) {
    window_case c(width, 3);
    for (std::uint64_t number = 0; number < 12; ++number) {
      c.next(number);
      const long before = prefer_test::allocation_count();
      const status s = window_moments(cpu{}, {c.batch.data(), 3, 3},
                                      {.slots = view<double, 3>(c.slots.data(), width, 3, 3),
                                       .cursor = c.cursor.view(),
                                       .moments = {c.moments.data(), 3, 3}});
      CHECK(prefer_test::allocation_count() == before);
      CHECK(s.ok());
      CHECK(c.worst() < 1e-14);
      CHECK(c.cursor.at(0) == static_cast<std::int64_t>(number) + 1);
      CHECK((c.slots.intact() && c.moments.intact()));
      for (std::int64_t k = 0; k < 3; ++k) {  // merged from the oldest on, to the bit
        moments all;
        for (std::int64_t age = 1; age <= width; ++age) {
          const std::int64_t at = 3 * ((static_cast<std::int64_t>(number) + age) % width * 3 + k);
          all = merge(all, {c.slots.get(at), c.slots.get(at + 1), c.slots.get(at + 2)});
        }
        CHECK((c.moments.get(3 * k + 1) == all.mean && c.moments.get(3 * k + 2) == all.squares));
      }
      const std::int64_t newest = static_cast<std::int64_t>(number) % width;
      for (std::int64_t i = 0; i < 9; ++i) CHECK(c.slots.get(9 * newest + i) == c.batch.get(i));
    }
  }
  // The same three batches, elsewhere in the ring.
  window_case here(3, 2), there(3, 2);
  const auto push = [](window_case& c, std::uint64_t seed) {
    c.next(seed);
    check(window_moments(cpu{}, {c.batch.data(), 2, 3},
                         {.slots = view<double, 3>(c.slots.data(), 3, 2, 3),
                          .cursor = c.cursor.view(),
                          .moments = {c.moments.data(), 2, 3}}));
  };
  push(there, 90), push(there, 91);
  for (const std::uint64_t seed : {7u, 8u, 9u}) push(here, seed), push(there, seed);
  CHECK(here.moments.bytes() == there.moments.bytes());
  window_case negative(3, 2);  // a cursor that nobody should have set stays within the ring
  negative.cursor.at(0) = -5;
  for (const std::uint64_t seed : {7u, 8u, 9u}) push(negative, seed);
  CHECK(here.moments.bytes() == negative.moments.bytes());
  CHECK((negative.slots.intact() && negative.cursor.at(0) == -2));
  for (const char* tag : {"golden", "identity", "threads"}) covers("window_moments", tag);
}

TEST_CASE("log-tamed over a running window: one calm batch does not tame what varied before") {
  std::vector<double> slots(2 * 2 * 3), all(6);
  std::int64_t cursor = 0;
  const std::int64_t o[] = {0, 4};
  const double wild[] = {1, 0, 1.1, 40, 0.9, 2, 1, 2}, calm[] = {1, 10, 1.2, 11, 0.8, 10, 1, 11};
  double batch[6], score[4];
  const auto tame = [&](const double* r) {
    check(reward_moments(cpu{}, {r, 4, 2}, {.offsets = {o, 2}}, {batch, 2, 3}));
    check(window_moments(cpu{}, {batch, 2, 3},
                         {.slots = {slots.data(), 2, 2, 3}, .cursor = {&cursor, 1}, .moments = {all.data(), 2, 3}}));
    check(aggregate(cpu{}, log_tamed{}, {.rewards = {r, 4, 2}, .moments = {all.data(), 2, 3}},
                    {.aggregate = {score, 4}}));
    return score[1];
  };
  CHECK(tame(wild) == doctest::Approx(1.1 + std::log(41.0)));
  CHECK(tame(calm) == doctest::Approx(1.2 + std::log(12.0)));
  CHECK(tame(calm) == doctest::Approx(std::log(2.2) + 11));  // now the first reward varies more
}

TEST_CASE("the best rewards so far: masks, NaN, strides, types, again and again") {
  SUBCASE("double") { check_best<double>(); }
  SUBCASE("float") { check_best<float>(); }
  SUBCASE("half") { check_best<half>(); }
  SUBCASE("bfloat16") { check_best<bfloat16>(); }
}

TEST_CASE("adaptive weights, windows and ideals name what is wrong, and write nothing") {
  const double m[6] = {1, 1, 1, 1, 1, 1}, two[2] = {};
  double w[2] = {-7, -7}, dual[2] = {-7, -7}, average[2] = {-7, -7};
  using in = weight_inputs<space::host>;
  using out = weight_outputs<space::host>;
  const auto refused = [&](const char* text, const auto& rule, const in& i, const out& o) {
    CHECK(std::string(message(adapt_weights(cpu{}, rule, i, o)).c_str()).find(text) == 0);
    for (int k = 0; k < 2; ++k) CHECK((w[k] == -7 && dual[k] == -7 && average[k] == -7));
  };
  refused("prefer: missing output: weight", saturation_aware{}, {.moments = {m, 2, 3}}, {});
  refused("prefer: missing input: moments", saturation_aware{}, {}, {.weight = {w, 2}});
  refused("prefer: missing input: target", lagrangian{}, {.moments = {m, 2, 3}}, {.weight = {w, 2}, .dual = {dual, 2}});
  refused("prefer: missing input: dual", lagrangian{}, {.moments = {m, 2, 3}, .target = {two, 2}}, {.weight = {w, 2}});
  refused("prefer: missing input: covariance", covariance_targeted{}, {.target = {two, 2}}, {.weight = {w, 2}});
  refused("prefer: unused input: average", lagrangian{}, {.moments = {m, 2, 3}, .target = {two, 2}},
          {.weight = {w, 2}, .dual = {dual, 2}, .average = {average, 2}});
  refused("prefer: bad extent: moments is 1", saturation_aware{}, {.moments = {m, 1, 3}}, {.weight = {w, 2}});
  refused("prefer: bad extent: dual is 1, expected one per reward: 2", lagrangian{},
          {.moments = {m, 2, 3}, .target = {two, 2}}, {.weight = {w, 2}, .dual = {dual, 1}});
  refused("prefer: bad extent: weight is 65, expected rewards, at most 64", saturation_aware{}, {.moments = {m, 2, 3}},
          {.weight = {w, 65}});
  refused("prefer: overlap: dual", lagrangian{}, {.moments = {m, 2, 3}, .target = {dual, 2}},
          {.weight = {w, 2}, .dual = {dual, 2}});
  refused("prefer: bad parameter: rate is 0", lagrangian{.rate = 0.0}, {}, {});
  refused("prefer: bad parameter: most is -1", lagrangian{.most = -1.0}, {}, {});
  refused("prefer: bad parameter: primary is 64", lagrangian{.primary = 64}, {}, {});
  refused("prefer: bad parameter: primary is 2, expected the number of a reward, or -1 for none",
          lagrangian{.primary = 2}, {.moments = {m, 2, 3}, .target = {two, 2}}, {.weight = {w, 2}, .dual = {dual, 2}});
  refused("prefer: bad parameter: smoothing is 0", covariance_targeted{.smoothing = 0.0}, {}, {});
  refused("prefer: bad parameter: smoothing is 10, expected above 0 and at most 1",
          covariance_targeted{.smoothing = 10.0}, {}, {});
  refused("prefer: bad parameter: epsilon is -1", saturation_aware{.epsilon = -1.0}, {}, {});
  const double bad[6] = {1, 1, 1, 1, std::numeric_limits<double>::quiet_NaN(), 1};
  const auto nan_found = [&](const auto& rule, const in& i, const out& o) {
    const status s = adapt_weights(cpu{.content = content::all}, rule, i, o);
    for (int k = 0; k < 2; ++k) CHECK((w[k] == -7 && dual[k] == -7));
    return s.code == errc::not_a_number ? s.argument + std::to_string(s.index) : std::string("nothing");
  };
  const out kept{.weight = {w, 2}, .dual = {dual, 2}, .average = {average, 2}};
  CHECK(nan_found(saturation_aware{}, {.moments = {bad, 2, 3}}, {.weight = {w, 2}}) == "moments1");
  CHECK(nan_found(lagrangian{}, {.moments = {m, 2, 3}, .target = {bad + 3, 2}},
                  {.weight = {w, 2}, .dual = {dual, 2}}) == "target1");
  CHECK(nan_found(covariance_targeted{}, {.covariance = {bad + 4, 2}, .target = {two, 2}}, kept) == "covariance0");
  CHECK(nan_found(min_norm{}, {.gram = {bad + 2, 2, 2}}, {.weight = {w, 2}}) == "gram1");
  average[1] = std::numeric_limits<double>::quiet_NaN();
  CHECK(nan_found(covariance_targeted{}, {.covariance = {m, 2}, .target = {two, 2}}, kept) == "average1");
  average[1] = -7;
  refused("prefer: bad parameter: step is 0", adaptive_entropy{.step = 0.0}, {}, {});
  refused("prefer: bad parameter: least is -1", adaptive_entropy{.least = -1.0}, {}, {});
  refused("prefer: bad parameter: most is 0.5, expected at least `least`", adaptive_entropy{.least = 0.75, .most = 0.5},
          {}, {});
  refused("prefer: missing input: gram", min_norm{}, {}, {.weight = {w, 2}});
  refused("prefer: unused input: gram", saturation_aware{}, {.moments = {m, 2, 3}, .gram = {m, 2, 2}},
          {.weight = {w, 2}});
  refused("prefer: bad extent: gram", min_norm{}, {.gram = {m, 2, 3}}, {.weight = {w, 2}});
  refused("prefer: overlap: weight", min_norm{}, {.gram = {w, 1, 1}}, {.weight = {w, 1}});
  refused("prefer: bad parameter: tolerance is -1", min_norm{.tolerance = -1.0}, {}, {});
  refused("prefer: bad parameter: iterations is -1", min_norm{.iterations = -1}, {}, {});
  covers("min_norm", "bad-argument");
  for (const auto& rule : every_rule) covers(rule.name, "bad-argument");

  std::vector<double> slots(12, -7);
  std::int64_t cursor = 4;
  std::int32_t narrow = 0;
  double to[6] = {};
  const auto window_refused = [&](const char* text, const input_view<2, space::host>& batch,
                                  const moment_window<space::host>& window) {
    CHECK(std::string(message(window_moments(cpu{}, batch, window)).c_str()).find(text) == 0);
    CHECK((cursor == 4 && slots[0] == -7 && to[0] == 0));
  };
  const output_view<3, space::host> ring{slots.data(), 2, 2, 3};
  window_refused("prefer: missing input: batch", {}, {.slots = ring, .cursor = {&cursor, 1}, .moments = {to, 2, 3}});
  window_refused("prefer: missing output: slots", {m, 2, 3}, {.cursor = {&cursor, 1}, .moments = {to, 2, 3}});
  window_refused("prefer: missing output: cursor", {m, 2, 3}, {.slots = ring, .moments = {to, 2, 3}});
  window_refused("prefer: missing output: moments", {m, 2, 3}, {.slots = ring, .cursor = {&cursor, 1}});
  window_refused("prefer: bad extent: slots is 0", {m, 2, 3},
                 {.slots = {slots.data(), 0, 2, 3}, .cursor = {&cursor, 1}, .moments = {to, 2, 3}});
  window_refused("prefer: bad extent: slots is 3", {m, 2, 3},
                 {.slots = {slots.data(), 1, 3, 3}, .cursor = {&cursor, 1}, .moments = {to, 2, 3}});
  window_refused("prefer: bad element type: cursor", {m, 2, 3},
                 {.slots = ring, .cursor = {&narrow, 1}, .moments = {to, 2, 3}});
  window_refused("prefer: overlap: moments", {m, 2, 3},
                 {.slots = ring, .cursor = {&cursor, 1}, .moments = {slots.data() + 3, 2, 3}});
  const cpu strict{.content = content::all};
  const moment_window<space::host> whole{.slots = ring, .cursor = {&cursor, 1}, .moments = {to, 2, 3}};
  CHECK(window_moments(strict, {bad, 2, 3}, whole).code == errc::not_a_number);
  CHECK((cursor == 4 && slots[0] == -7 && to[0] == 0));
  covers("window_moments", "bad-argument");

  double ideal[2] = {-7, -7};
  const auto best_refused = [&](const char* text, const input_view<2, space::host>& r,
                                const input_view<1, space::host>& mask, const output_view<1, space::host>& best) {
    CHECK(std::string(message(best_rewards(cpu{}, r, mask, best)).c_str()).find(text) == 0);
    CHECK(ideal[0] == -7);
  };
  best_refused("prefer: missing input: rewards", {}, {}, {ideal, 2});
  best_refused("prefer: missing output: ideal", {m, 3, 2}, {}, {});
  best_refused("prefer: bad extent: ideal is 1", {m, 3, 2}, {}, {ideal, 1});
  best_refused("prefer: bad element type: mask", {m, 3, 2}, {m, 3}, {ideal, 2});
  best_refused("prefer: overlap: ideal", {ideal, 1, 2}, {}, {ideal, 2});
  CHECK(best_rewards(strict, {bad, 3, 2}, {}, {ideal, 2}).index == 2);
  CHECK(ideal[0] == -7);
  covers("best_rewards", "bad-argument");
}
