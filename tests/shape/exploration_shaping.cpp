// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/shape/exploration_shaping.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>
#include <support/numbers.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;

namespace {

// Steps of random episodes, and tables of S states and A actions.
struct episodes {
  std::int64_t n, states, actions;
  std::vector<std::int32_t> state, action;
  std::vector<double> after, policy, intrinsic, baseline;

  episodes(std::int64_t steps, std::int64_t s, std::int64_t a) : n(steps), states(s), actions(a) {
    prefer_test::noise random(4);
    for (std::int64_t i = 0; i < n; ++i) {
      state.push_back(static_cast<std::int32_t>(random.uniform(0, static_cast<double>(s - 1))));  // never the last
      action.push_back(static_cast<std::int32_t>(random.uniform(0, static_cast<double>(a))));
      after.push_back(random.uniform(-1, 2));
    }
    for (std::int64_t i = 0; i < s; ++i) {
      baseline.push_back(random.uniform(-1, 1));
      double sum = 0;
      for (std::int64_t k = 0; k < a; ++k) policy.push_back(random.uniform(0.1, 1)), sum += policy.back();
      for (std::int64_t k = 0; k < a; ++k) policy[static_cast<std::size_t>(i * a + k)] /= sum;
    }
    for (std::int64_t i = 0; i < s * a; ++i) intrinsic.push_back(random.uniform(-1, 1));
  }
  shaping_update_inputs<space::host> in() const {
    return {{state.data(), n}, {action.data(), n}, {after.data(), n}, {policy.data(), states, actions}};
  }
  shaping_tables<space::host> tables() { return {{intrinsic.data(), states, actions}, {baseline.data(), states}}; }
};

}  // namespace

TEST_CASE("an update is the sum of the steps' policy gradients, clipped, and a mean for the baseline") {
  for (const double clip : {0.0, 0.05})
    for (const std::int64_t n : {0, 1, 40}) {
      episodes e(n, 5, 3);
      std::vector<long double> phi(e.intrinsic.begin(), e.intrinsic.end()), base(e.baseline.begin(), e.baseline.end());
      std::vector<long double> change(15), sum(5), count(5);
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        const auto s = static_cast<std::size_t>(e.state[i]), a = static_cast<std::size_t>(e.action[i]);
        const long double advantage = e.after[i] - base[s];
        for (std::size_t k = 0; k < 3; ++k)
          change[3 * s + k] +=
              0.3L * e.policy[3 * s + a] * advantage * ((k == a) - static_cast<long double>(e.policy[3 * s + k]));
        sum[s] += advantage, count[s] += 1;
      }
      check(exploration_update(cpu{}, {.step = 0.3, .clip = clip}, e.in(), e.tables()));
      for (std::size_t i = 0; i < 15; ++i) {
        const long double most = clip > 0 ? clip : HUGE_VALL;
        CHECK(std::fabs(e.intrinsic[i] - (phi[i] + std::fmax(-most, std::fmin(most, change[i])))) < 1e-14L);
      }
      for (std::size_t s = 0; s < 5; ++s)
        CHECK(std::fabs(e.baseline[s] - (base[s] + (count[s] > 0 ? 0.3L * sum[s] / count[s] : 0))) < 1e-14L);
    }
}

TEST_CASE("the bonus of counts: 1, 0.707, 0.5 and 0.1 at 0, 1, 3 and 99 visits, 0 at the end; rewards add up") {
  const double visits[] = {0, 1, 3, 99, 5}, reward[] = {1, 2, 3, 4, 5}, table[] = {10, 20, 30, 40};
  const std::int32_t state[] = {0, 0, 1, 1, 1}, action[] = {0, 1, 0, 1, 1};
  const bool terminal[] = {false, false, false, false, true};
  double shaped[5];
  check(explored_rewards(cpu{}, {}, {{}, {state, 5}, {action, 5}, {visits, 5}, {terminal, 5}, {table, 2, 2}},
                         {shaped, 5}));
  CHECK((shaped[0] == 11 && std::fabs(shaped[1] - 20.70710678118654752) < 1e-14 && shaped[2] == 30.5));
  CHECK((std::fabs(shaped[3] - 40.1) < 1e-14 && shaped[4] == 40));
  check(explored_rewards(cpu{}, {.decay = 3, .most = 0.5},
                         {{reward, 5}, {state, 5}, {action, 5}, {visits, 5}, {}, {table, 2, 2}}, {shaped, 5}));
  CHECK((shaped[0] == 11.5 && std::fabs(shaped[2] - (33 + 3 / std::sqrt(39.0))) < 1e-14));
  covers("exploration_shaping", "golden");
}

TEST_CASE("a return that is what the baseline says changes nothing; every update keeps a state's table balanced") {
  episodes e(60, 6, 4);
  for (std::size_t i = 0; i < 60; ++i) e.after[i] = e.baseline[static_cast<std::size_t>(e.state[i])];
  const auto phi = e.intrinsic, base = e.baseline;
  check(exploration_update(cpu{}, {}, e.in(), e.tables()));
  CHECK((e.intrinsic == phi && e.baseline == base));
  for (double& x : e.after) x += 1;
  check(exploration_update(cpu{}, {}, e.in(), e.tables()));
  for (std::size_t s = 0; s < 6; ++s) {
    double before = 0, after = 0;
    for (std::size_t a = 0; a < 4; ++a) before += phi[4 * s + a], after += e.intrinsic[4 * s + a];
    CHECK(std::fabs(after - before) < 1e-14);  // e_a - pi sums to 0
  }
  covers("exploration_shaping", "identity");
}

TEST_CASE("the same bits for any threads, and nothing is allocated") {
  const auto bits = [&](const cpu& exec) {
    episodes e(100, 3000, 5);
    const long before = prefer_test::allocation_count();
    const status st = exploration_update(exec, {}, e.in(), e.tables());
    CHECK(prefer_test::allocation_count() == before);
    REQUIRE(st.ok());
    auto all = e.intrinsic;
    all.insert(all.end(), e.baseline.begin(), e.baseline.end());
    return all;
  };
  const auto expected = bits(cpu{});
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  covers("exploration_shaping", "threads");
}

TEST_CASE("what is wrong is named, and nothing is written") {
  episodes e(10, 4, 3);
  const auto phi = e.intrinsic, base = e.baseline;
  const auto named = [](const status& got, errc code, const char* argument) {
    INFO(message(got).c_str() << " expected for " << argument);
    CHECK(got.code == code);
    CHECK(std::string(got.argument) == argument);
  };
  const auto update = [&](auto change, errc code, const char* argument, const exploration_shaping& how = {}) {
    auto in = e.in();
    auto tables = e.tables();
    change(in, tables);
    named(exploration_update(cpu{}, how, in, tables), code, argument);
  };
  const auto nothing = [](auto&, auto&) {};
  update(nothing, errc::bad_parameter, "step", {.step = 0});
  update(nothing, errc::bad_parameter, "clip", {.clip = -1});
  update(nothing, errc::bad_parameter, "decay", {.decay = 0});
  update(nothing, errc::bad_parameter, "most", {.most = HUGE_VAL});
  update([](auto& in, auto&) { in.action.extent[0] = 9; }, errc::bad_extent, "action");
  update([](auto& in, auto&) { in.policy.extent[1] = 2; }, errc::bad_extent, "policy");
  update([](auto&, auto& t) { t.baseline = {}; }, errc::bad_extent, "baseline");
  update([](auto& in, auto& t) { in.policy = {t.intrinsic.data, 4, 3}; }, errc::overlap,
         "intrinsic");
  e.state[3] = 4;
  update(nothing, errc::bad_index, "state");
  e.state[3] = 0, e.action[5] = -1;
  update(nothing, errc::bad_index, "action");
  double shaped[10];
  const exploration_inputs<space::host> in = {
      {}, {e.state.data(), 10}, {e.action.data(), 10}, {e.after.data(), 10}, {}, {e.intrinsic.data(), 4, 3}};
  named(explored_rewards(cpu{}, {}, in, {shaped, 10}), errc::bad_index, "action");
  named(explored_rewards(cpu{}, {}, in, {shaped, 9}), errc::bad_extent, "shaped");
  named(explored_rewards(cpu{}, {}, in, {e.after.data(), 10}), errc::overlap, "shaped");
  CHECK((e.intrinsic == phi && e.baseline == base));
  covers("exploration_shaping", "bad-argument");
}
