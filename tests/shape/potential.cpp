// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <shape/potential.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::storage;
using prefer_test::transitions;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

template <class S>
status run(const cpu& exec, const potential_shaping& how, transitions<S>& t, bool own) {
  return prefer_test::shape<compute<S>>(
      exec, how, t, own, [](auto& v) { return v.read(); }, [](auto& v) { return v.view(); },
      [](auto& v) { return v.read(); });
}

template <class S>
void check_all() {
  for (std::int64_t n : {0, 1, 7, 8, 15, 16, 17, 300, 1025})
    for (const bool own : {false, true}) {
      transitions<S> t(n, n % 2 + 1);
      for (isa level : prefer_test::levels()) {
        REQUIRE(run(cpu{.isa = level}, {.discount = 0.875}, t, own).ok());
        for (std::int64_t i = 0; i < n; ++i) {
          prefer_test::buffer<S>* const out[] = {&t.shaped, &t.bonus, &t.by_potential, &t.by_next};
          for (int k = 0; k < 4; ++k) {
            INFO("output " << k << " of transition " << i << " of " << n);
            const long double exact = t.expected(k, i, own ? static_cast<long double>(t.discount.get(i)) : 0.875L);
            CHECK(std::fabs(out[k]->get(i) - exact) <= std::ldexp(8.0L, -storage<compute<S>>::digits) +
                                                           std::ldexp(std::fabs(exact), -storage<S>::digits) +
                                                           std::ldexp(1.0L, storage<S>::least_exponent));
          }
        }
        CHECK((t.shaped.intact() && t.bonus.intact() && t.by_potential.intact() && t.by_next.intact()));
      }
    }
  covers<S>("potential_shaping", "sizes");
}

// A random process of a few states, the last of which is terminal; transitions are given by probabilities.
struct process {
  static constexpr std::size_t states = 6, actions = 3;
  double discount, reward[states][actions][states], probability[states][actions][states];

  explicit process(prefer_test::noise& random, double factor) : discount(factor) {
    for (std::size_t s = 0; s < states; ++s)
      for (std::size_t a = 0; a < actions; ++a) {
        double sum = 0;
        for (std::size_t to = 0; to < states; ++to) {
          reward[s][a][to] = random.uniform(-1, 1);
          sum += probability[s][a][to] = random.uniform(0, 1);
        }
        for (double& p : probability[s][a]) p /= sum;
      }
  }
  // Q of the best policy by value iteration; terminal: 0.
  std::vector<double> best() const {
    std::vector<double> q(states * actions, 0);
    for (int sweep = 0; sweep < 3000; ++sweep)
      for (std::size_t s = 0; s + 1 < states; ++s)
        for (std::size_t a = 0; a < actions; ++a) {
          double sum = 0;
          for (std::size_t to = 0; to < states; ++to) {
            const double* next = q.data() + to * actions;
            const double value = to + 1 < states ? *std::max_element(next, next + actions) : 0;
            sum += probability[s][a][to] * (reward[s][a][to] + discount * value);
          }
          q[s * actions + a] = sum;
        }
    return q;
  }
  process shaped(const std::vector<double>& potential) const {
    process p = *this;
    for (std::size_t s = 0; s < states; ++s)
      for (std::size_t a = 0; a < actions; ++a) {
        bool terminal[states] = {};
        terminal[states - 1] = true;
        check(shape_rewards<double>(cpu{}, {.discount = discount},
                                    {.reward = {reward[s][a], states},
                                     .potential = {&potential[s], states, 0},
                                     .next_potential = {potential.data(), states},
                                     .terminal = {terminal, states}},
                                    {.shaped = {p.reward[s][a], states}}));
      }
    return p;
  }
};

}  // namespace

TEST_CASE("shaped rewards, bonuses and derivatives are the formula's, for every size and storage type") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("a chain with its own values as potential: the best steps get 0, staying behind costs") {
  // 0 -> 1 -> 2, a reward of 1 on the last step, discount 0.9: V = (0.9, 1, 0). Steps 0-1, 1-2, 0-0, 1-1.
  const double reward[] = {0, 1, 0, 0}, potential[] = {0.9, 1, 0.9, 1}, next[] = {1, 7, 0.9, 1};
  const bool terminal[] = {false, true, false, false};
  double shaped[4], bonus[4], by_potential[4], by_next[4];
  check(shape_rewards<double>(
      cpu{}, {.discount = 0.9},
      {.reward = {reward, 4}, .potential = {potential, 4}, .next_potential = {next, 4}, .terminal = {terminal, 4}},
      {{shaped, 4}, {bonus, 4}, {by_potential, 4}, {by_next, 4}}));
  for (double x : by_potential) CHECK(x == -1);
  CHECK((by_next[0] == 0.9 && by_next[1] == 0 && by_next[2] == 0.9));
  for (int i : {0, 1}) CHECK(std::fabs(shaped[i]) < 1e-15);
  CHECK(shaped[2] == doctest::Approx(-0.09).epsilon(1e-14));
  CHECK(shaped[3] == doctest::Approx(-0.1).epsilon(1e-14));
  CHECK((bonus[1] == -1 && bonus[3] == shaped[3]));
}

TEST_CASE("discounted bonuses of an episode telescope: to minus the first potential, and the last one's if cut off") {
  prefer_test::noise random(9);
  for (const double factor : {0.0, 0.5, 0.99, 1.0})
    for (const bool ends : {false, true}) {
      constexpr std::int64_t steps = 200;
      std::vector<double> potential, bonus(steps);
      for (std::int64_t t = 0; t <= steps; ++t) potential.push_back(random.uniform(-5, 5));
      bool terminal[steps] = {};
      terminal[steps - 1] = ends;
      check(shape_rewards<double>(cpu{}, {.discount = factor},
                                  {.potential = {potential.data(), steps},
                                   .next_potential = {potential.data() + 1, steps},
                                   .terminal = {terminal, steps}},
                                  {.bonus = {bonus.data(), steps}}));
      long double sum = 0, power = 1;
      for (double b : bonus) sum += power * b, power *= factor;
      CHECK(std::fabs(sum - ((ends ? 0 : power * potential.back()) - potential.front())) < 1e-12);
    }
}

TEST_CASE("the bonus of a Lipschitz potential stays in its bound, and reaches it") {
  prefer_test::noise random(33);
  double closest = 1;
  for (int k = 0; k < 2000; ++k) {
    const double from = random.uniform(-2, 2), to = random.uniform(-2, 2), factor = random.uniform(0, 1);
    const double potential = 3 * std::fabs(from), next = 3 * std::fabs(to);
    double bonus = 0;
    check(shape_rewards<double>(cpu{}, {.discount = factor},
                                {.potential = {&potential, 1}, .next_potential = {&next, 1}}, {.bonus = {&bonus, 1}}));
    const double bound = bonus_bound(3, factor, std::fabs(from - to), next);
    CHECK(std::fabs(bonus) <= bound * (1 + 1e-12));
    closest = std::min(closest, bound - std::fabs(bonus));
  }
  CHECK(closest < 1e-12);
}

TEST_CASE("on random processes shaping changes no optimal action, and Q becomes Q less the potential") {
  prefer_test::noise random(21);
  for (int k = 0; k < 10; ++k) {
    const process plain(random, 0.9);
    std::vector<double> potential;
    for (std::size_t s = 0; s < process::states; ++s) potential.push_back(random.uniform(-10, 10));
    const std::vector<double> q = plain.best(), shaped = plain.shaped(potential).best();
    for (std::size_t s = 0; s + 1 < process::states; ++s) {
      const auto greedy = [&](const std::vector<double>& of) {
        const auto first = of.begin() + static_cast<std::ptrdiff_t>(s * process::actions);
        return std::max_element(first, first + process::actions) - first;
      };
      CHECK(greedy(q) == greedy(shaped));
      for (std::size_t a = 0; a < process::actions; ++a)
        CHECK(shaped[s * process::actions + a] ==
              doctest::Approx(q[s * process::actions + a] - potential[s]).epsilon(1e-10));
    }
  }
  covers("potential_shaping", "identity");
}

TEST_CASE("the same bits for any threads, nothing allocated; a NaN stays in its transition") {
  transitions<float> t(200000);
  const auto bits = [&](const cpu& exec) {
    const long before = prefer_test::allocation_count();
    const status s = run(exec, {}, t, true);
    CHECK(prefer_test::allocation_count() == before);
    CHECK(s.ok());
    return t.shaped.bytes();
  };
  const auto expected = bits(cpu{});
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  t.potential.set(5, std::nan(""));
  REQUIRE(run(cpu{}, {}, t, true).ok());
  CHECK((std::isnan(t.shaped.get(5)) && !std::isnan(t.shaped.get(4)) && !std::isnan(t.shaped.get(6))));
  for (const char* tag : {"threads", "allocation"}) covers("potential_shaping", tag);
}

TEST_CASE("what is wrong is named, and nothing is written") {
  transitions<float> t(4);
  const auto refused = [&](errc code, const char* argument, auto change, const scalar& discount = 0.5) {
    shaping_inputs<space::host> in = {.reward = t.reward.read(),
                                      .potential = t.potential.read(),
                                      .next_potential = t.next.read(),
                                      .terminal = t.terminal.read(),
                                      .upstream = t.upstream.read()};
    shaping_outputs<space::host> out = {.shaped = t.shaped.view(), .grad_potential = t.by_potential.view()};
    change(in, out);
    const status s = shape_rewards<float>(cpu{}, {.discount = discount}, in, out);
    INFO(message(s).c_str() << " expected for " << argument);
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const auto nothing = [](auto&, auto&) {};
  for (const double d : {-0.1, 1.1, std::nan("")}) refused(errc::bad_parameter, "discount", nothing, d);
  refused(errc::missing_input, "potential", [](auto& in, auto&) { in.potential = {}; });
  refused(errc::missing_input, "next_potential", [](auto& in, auto&) { in.next_potential = {}; });
  refused(errc::missing_output, "outputs", [](auto&, auto& out) { out = {}; });
  refused(errc::unused_input, "upstream", [](auto&, auto& out) { out.grad_potential = {}; });
  refused(errc::unused_input, "reward", [](auto&, auto& out) { out.shaped = {}; });
  refused(errc::bad_extent, "reward", [](auto& in, auto&) { in.reward.extent[0] = 3; });
  refused(errc::bad_extent, "next_potential", [](auto& in, auto&) { in.next_potential.extent[0] = 5; });
  refused(errc::bad_element, "terminal", [](auto& in, auto&) { in.terminal = in.reward; });
  refused(errc::bad_element, "mask", [](auto& in, auto&) { in.mask = in.reward; });
  refused(errc::bad_extent, "discount",
          [&](auto& in, auto&) { in.discount = t.discount.read(), in.discount.extent[0] = 2; });
  refused(errc::bad_extent, "bonus", [&](auto&, auto& out) { out.bonus = t.bonus.view(), out.bonus.extent[0] = 2; });
  refused(errc::overlap, "shaped", [](auto& in, auto& out) { out.shaped.data = const_cast<void*>(in.reward.data); });
  refused(errc::overlap, "bonus", [](auto&, auto& out) { out.bonus = out.shaped; });
  // With content::all NaN too, but for what is not read: before terminal states, and where the mask says so.
  const float one[] = {1, 1}, holed[] = {1, std::nanf("")};
  const bool no[] = {false, false}, second[] = {false, true}, first[] = {true, false};
  float to[2] = {7, 7}, by[2];
  const auto strict = [&](auto change) {
    shaping_inputs<space::host> in = {.reward = {one, 2},
                                      .potential = {one, 2},
                                      .next_potential = {one, 2},
                                      .terminal = {no, 2},
                                      .discount = {one, 2},
                                      .upstream = {one, 2}};
    change(in);
    const status s =
        shape_rewards<float>(cpu{.content = content::all}, {}, in, {.shaped = {to, 2}, .grad_potential = {by, 2}});
    CHECK((s.ok() || (s.code == errc::not_a_number && s.index == 1 && to[0] == 7)));
    return std::string(s.argument);
  };
  CHECK(strict([&](auto& in) { in.reward = {holed, 2}; }) == "reward");
  CHECK(strict([&](auto& in) { in.potential = {holed, 2}; }) == "potential");
  CHECK(strict([&](auto& in) { in.next_potential = {holed, 2}; }) == "next_potential");
  CHECK(strict([&](auto& in) { in.discount = {holed, 2}; }) == "discount");
  CHECK(strict([&](auto& in) { in.upstream = {holed, 2}; }) == "upstream");
  CHECK(strict([&](auto& in) { in.reward = {holed, 2}, in.mask = {first, 2}; }) == "");
  CHECK(strict([&](auto& in) {
          in.next_potential = in.discount = {holed, 2};
          in.terminal = {second, 2};
        }) == "");
  CHECK((t.shaped.untouched() && t.by_potential.untouched()));
  covers("potential_shaping", "bad-argument");
}
