// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/shape/value_bounds.hpp>
#include <support/allocations.hpp>
#include <support/buffer.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::storage;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

// Rewards of either sign and penalties, and what is made of them.
template <class S>
struct samples {
  std::int64_t n;
  buffer<S> reward, penalty, lowered, factor;
  buffer<bool> mask;

  explicit samples(std::int64_t count, std::int64_t stride = 1)
      : n(count), reward(n, stride), penalty(n, stride), lowered(n, stride), factor(n, stride), mask(n, stride) {
    prefer_test::noise random(8);
    for (std::int64_t i = 0; i < n; ++i)
      reward.set(i, random.uniform(-2, 2)), penalty.set(i, random.uniform(-0.2, 1)), mask.at(i) = i % 6 != 4;
  }
  status run(const cpu& exec, const pessimistic_preconditioning& o) {
    return precondition_rewards<compute<S>>(exec, o,
                                            {.reward = reward.read(), .penalty = penalty.read(), .mask = mask.read()},
                                            {lowered.view(), factor.view()});
  }
};

template <class S>
void check_all() {
  for (std::int64_t n : {0, 1, 7, 15, 16, 17, 300, 1025})
    for (const bool divides : {false, true}) {
      samples<S> s(n, n % 2 + 1);
      const pessimistic_preconditioning o{.scale = 0.75, .floor = 0.5, .lower_negative = divides};
      for (isa level : prefer_test::levels()) {
        REQUIRE(s.run(cpu{.isa = level}, o).ok());
        for (std::int64_t i = 0; i < n; ++i) {
          INFO("sample " << i << " of " << n);
          const long double r = s.reward.get(i), p = s.penalty.get(i);
          const long double f = std::clamp(std::exp(-p / 0.75L), 0.5L, 1.0L);
          const long double exact[] = {divides && r < 0 ? r / f : r * f, f};
          const double got[] = {s.lowered.get(i), s.factor.get(i)};
          for (int k : {0, 1}) {
            const long double x = s.mask.at(i) ? exact[k] : 0;
            CHECK(std::fabs(got[k] - x) <= std::ldexp(8 * std::fabs(x), -storage<compute<S>>::digits) +
                                               std::ldexp(std::fabs(x), -storage<S>::digits) +
                                               std::ldexp(1.0L, storage<S>::least_exponent));
          }
        }
        CHECK((s.lowered.intact() && s.factor.intact()));
      }
    }
  covers<S>("value_bounds", "sizes");
}

using matrix = std::vector<std::vector<double>>;
using vector = std::vector<double>;

double norm(const vector& x) {
  double sum = 0;
  for (double v : x) sum += v * v;
  return std::sqrt(sum);
}
// x^T m
vector times(const vector& x, const matrix& m) {
  vector y(m[0].size(), 0);
  for (std::size_t i = 0; i < m.size(); ++i)
    for (std::size_t k = 0; k < y.size(); ++k) y[k] += x[i] * m[i][k];
  return y;
}
// A lower bound of the operator norm that is as good as exact: 500 steps of power iteration.
double operator_norm(const matrix& m) {
  matrix turned(m[0].size(), vector(m.size()));
  for (std::size_t i = 0; i < m.size(); ++i)
    for (std::size_t k = 0; k < m[0].size(); ++k) turned[k][i] = m[i][k];
  vector x(m.size(), 1);
  x[0] = 1.5;
  for (int k = 0; k < 500; ++k) {
    x = times(times(x, m), turned);
    const double size = norm(x);
    for (double& v : x) v /= size;
  }
  return norm(times(x, m));
}

// Linear reward w.(s, a), dynamics s' = F (s, a) and policy a = M s: the gradient of Q over some steps.
double gradient_of_linear(const vector& w, const matrix& dynamics, const matrix& policy, double discount, int steps) {
  vector gradient(w.size(), 0);
  for (int k = 0; k < steps; ++k) {
    const std::size_t states = dynamics.size();
    const vector by_state(gradient.begin(), gradient.begin() + static_cast<std::ptrdiff_t>(states));
    const vector by_action(gradient.begin() + static_cast<std::ptrdiff_t>(states), gradient.end());
    vector value = policy.empty() ? vector(states, 0) : times(by_action, policy);
    for (std::size_t i = 0; i < states; ++i) value[i] += by_state[i];
    gradient = times(value, dynamics);
    for (std::size_t i = 0; i < w.size(); ++i) gradient[i] = w[i] + discount * gradient[i];
  }
  return norm(gradient);
}

matrix random_matrix(prefer_test::noise& random, std::size_t rows, std::size_t columns, double size) {
  matrix m(rows, vector(columns));
  for (auto& row : m)
    for (double& x : row) x = random.uniform(-size, size);
  return m;
}

}  // namespace

TEST_CASE("preconditioned rewards and their factors are the formula's, for every size and storage type") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("hand-worked factors: none without penalty, the floor beyond it; scale 0 knows only these two") {
  const double reward[] = {10, 10, 10, -10, 10}, penalty[] = {0, 0.1, 9, 9, -1};
  double lowered[5];
  const auto call = [&](const pessimistic_preconditioning& o) {
    check(precondition_rewards<double>(cpu{}, o, {{reward, 5}, {penalty, 5}}, {.reward = {lowered, 5}}));
  };
  call({});
  CHECK((lowered[0] == 10 && lowered[2] == 7 && lowered[3] == -7 && lowered[4] == 10));
  CHECK(lowered[1] == doctest::Approx(10 * std::exp(-0.1)).epsilon(1e-15));
  call({.scale = 0.0, .lower_negative = true});
  CHECK((lowered[0] == 10 && lowered[1] == 7 && lowered[2] == 7 && lowered[4] == 10));
  CHECK(lowered[3] == doctest::Approx(-10 / 0.7).epsilon(1e-15));
  for (int i = 0; i < 5; ++i) CHECK(lowered[i] <= reward[i]);
  covers("value_bounds", "identity");
}

TEST_CASE("the bounds of a process that stays where it is: the worst case is its gradient, the reported bound is not") {
  const smoothness x{.reward = 1, .dynamics = 1, .policy = 0, .discount = 0.99};
  CHECK(worst_case_value_bound(x) == doctest::Approx(100).epsilon(1e-12));
  CHECK(decorrelated_value_bound(x) == doctest::Approx(7.088812).epsilon(1e-6));
  CHECK(gradient_of_linear({1}, {{1}}, {}, 0.99, 5000) == doctest::Approx(100).epsilon(1e-9));
  for (int steps : {0, 1, 2, 3, 7, 100})
    CHECK(gradient_of_linear({1}, {{1}}, {}, 0.99, steps) == doctest::Approx(worst_case_value_bound(x, steps)));
  // One step is the reward alone, whatever comes after; two are beyond every number.
  const smoothness wild{.reward = 3, .dynamics = 1e200, .policy = 1e120, .discount = 1};
  for (const auto bound : {worst_case_value_bound, decorrelated_value_bound})
    CHECK((bound(wild, 0) == 0 && bound(wild, 1) == 3 && bound(wild, 2) == HUGE_VAL));
}

TEST_CASE("the worst case is reached with a policy too: where reward and dynamics look along (1, B)") {
  const double b = 0.5, root = std::sqrt(1 + b * b), delta = 2, a = 0.7;
  const vector along = {1 / root, b / root};
  for (int steps : {1, 2, 10})
    CHECK(gradient_of_linear({delta * along[0], delta * along[1]}, {{a * along[0], a * along[1]}}, {{b}}, 0.9, steps) ==
          doctest::Approx(worst_case_value_bound({delta, a, b, 0.9}, steps)).epsilon(1e-14));
  CHECK(decorrelated_value_bound({delta, a, b, 0.9}) == decorrelated_value_bound({delta, a, 0, 0.9}));
}

TEST_CASE("where the gradients of rewards are orthogonal over time the reported bound is exact") {
  const matrix shift = {{0, 0, 1.1}, {1.1, 0, 0}, {0, 1.1, 0}};
  for (int steps : {1, 2, 3})
    CHECK(gradient_of_linear({2, 0, 0}, shift, {}, 0.9, steps) ==
          doctest::Approx(decorrelated_value_bound({.reward = 2, .dynamics = 1.1, .discount = 0.9}, steps))
              .epsilon(1e-14));
}

TEST_CASE("no random linear process has a gradient above the worst case, endless or not") {
  prefer_test::noise random(17);
  for (int k = 0; k < 40; ++k) {
    const matrix dynamics = random_matrix(random, 3, 5, 0.4), policy = random_matrix(random, 2, 3, 0.8);
    const vector w = random_matrix(random, 1, 5, 1)[0];
    const smoothness x{norm(w), operator_norm(dynamics), operator_norm(policy), 0.9};
    for (int steps : {1, 2, 5, 20})
      CHECK(gradient_of_linear(w, dynamics, policy, 0.9, steps) <= worst_case_value_bound(x, steps) * (1 + 1e-12));
    CHECK(gradient_of_linear(w, dynamics, policy, 0.9, 3000) <= worst_case_value_bound(x) * (1 + 1e-12));
    CHECK(worst_case_value_bound(x, 20) <= worst_case_value_bound(x, 21));
  }
}

TEST_CASE("bounds at their limits: infinite without contraction, finite over finite horizons, 0 without a reward") {
  const smoothness x{.reward = 1, .dynamics = 1, .policy = 1, .discount = 1};
  CHECK(std::isinf(worst_case_value_bound(x)));
  CHECK(std::isinf(decorrelated_value_bound(x)));
  CHECK(decorrelated_value_bound(x, 9) == doctest::Approx(3).epsilon(1e-15));
  CHECK(worst_case_value_bound({.reward = 1, .dynamics = 1, .policy = 0, .discount = 1}, 9) == 9);
  CHECK(decorrelated_value_bound({.dynamics = 2, .policy = 3, .discount = 0.5}, 2) ==
        doctest::Approx(std::sqrt(1 + 9.0)).epsilon(1e-15));
  CHECK(worst_case_value_bound({.reward = 0, .dynamics = 5}) == 0);
  CHECK(std::isnan(worst_case_value_bound({.dynamics = std::nan("")})));
  CHECK(x.check().ok());
  CHECK(std::string(smoothness{.policy = -1}.check().argument) == "policy");
}

TEST_CASE("the same bits for any threads, nothing allocated; a NaN stays in its sample") {
  samples<float> s(200000);
  const auto bits = [&](const cpu& exec) {
    const long before = prefer_test::allocation_count();
    const status st = s.run(exec, {});
    CHECK(prefer_test::allocation_count() == before);
    CHECK(st.ok());
    return s.lowered.bytes();
  };
  const auto expected = bits(cpu{});
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  s.penalty.set(5, std::nan("")), s.reward.set(7, std::nan(""));
  REQUIRE(s.run(cpu{}, {}).ok());
  CHECK((std::isnan(s.lowered.get(5)) && std::isnan(s.lowered.get(7)) && !std::isnan(s.lowered.get(6))));
  for (const char* tag : {"threads", "allocation"}) covers("value_bounds", tag);
}

TEST_CASE("what is wrong is named, and nothing is written") {
  samples<float> s(4);
  const auto refused = [&](errc code, const char* argument, auto change, const pessimistic_preconditioning& o = {}) {
    preconditioning_inputs<space::host> in = {s.reward.read(), s.penalty.read(), s.mask.read()};
    preconditioning_outputs<space::host> out = {s.lowered.view(), s.factor.view()};
    change(in, out);
    const status st = precondition_rewards<float>(cpu{}, o, in, out);
    INFO(message(st).c_str() << " expected for " << argument);
    CHECK(st.code == code);
    CHECK(std::string(st.argument) == argument);
  };
  const auto nothing = [](auto&, auto&) {};
  refused(errc::bad_parameter, "scale", nothing, {.scale = -1.0});
  for (const double f : {0.0, 1.5}) refused(errc::bad_parameter, "floor", nothing, {.floor = f});
  refused(errc::missing_input, "penalty", [](auto& in, auto&) { in.penalty = {}; });
  refused(errc::missing_input, "reward", [](auto& in, auto&) { in.reward = {}; });
  refused(errc::unused_input, "reward", [](auto&, auto& out) { out.reward = {}; });
  refused(errc::missing_output, "outputs", [](auto&, auto& out) { out = {}; });
  refused(errc::bad_extent, "reward", [](auto& in, auto&) { in.reward.extent[0] = 3; });
  refused(errc::bad_extent, "factor", [](auto&, auto& out) { out.factor.extent[0] = 3; });
  refused(errc::bad_element, "mask", [](auto& in, auto&) { in.mask = in.reward; });
  refused(errc::overlap, "factor", [](auto&, auto& out) { out.factor = out.reward; });
  refused(errc::overlap, "reward", [](auto& in, auto& out) { out.reward.data = const_cast<void*>(in.penalty.data); });
  const float fine[] = {1, 1}, holed[] = {1, std::nanf("")};
  float to[2] = {7, 7};
  const cpu strict{.content = content::all};
  CHECK(std::string(precondition_rewards<float>(strict, {}, {{holed, 2}, {fine, 2}}, {{to, 2}}).argument) == "reward");
  CHECK(std::string(precondition_rewards<float>(strict, {}, {{fine, 2}, {holed, 2}}, {{to, 2}}).argument) == "penalty");
  CHECK(to[0] == 7);
  CHECK((s.lowered.untouched() && s.factor.untouched()));
  covers("value_bounds", "bad-argument");
}
