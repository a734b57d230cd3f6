// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/game/duality_gap.hpp>
#include <prefer/game/self_play.hpp>
#include <game/random_games.hpp>
#include <game/textbook.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <type_traits>

using namespace prefer;
using prefer_test::any_method;
using prefer_test::covers;
using prefer_test::cyclic;
using prefer_test::divergence;
using prefer_test::for_method_types;
using prefer_test::for_methods;
using prefer_test::game_batch;
using prefer_test::noise;
using prefer_test::numbers;
using prefer_test::played;
using prefer_test::probabilities;
using prefer_test::textbook;

namespace {

// Log-policies to start from.
template <class T = double>
std::vector<T> starts(std::int64_t count, std::uint64_t seed) {
  noise random(seed);
  std::vector<T> x;
  for (std::int64_t i = 0; i < count; ++i) x.push_back(static_cast<T>(random.uniform(-2, 0)));
  return x;
}

// Equilibria at a temperature: extragradient until the gap is that of rounding.
played<> equilibria(const games<space::host>& in, double temperature) {
  played<> r(in.preference.extent[0], in.preference.extent[1]);
  r.run(extragradient{.temperature = temperature}, in, 20000, nullptr, 1e-28);
  for (double gap : r.gap) CHECK(gap < 1e-28);
  return r;
}

// The arguments of a call, to be changed.
struct call {
  games<space::host> in;
  play_options<space::host> how;
  play_outputs<space::host> out;
  cpu exec;
};

// For games of every width around the lanes, four games each.
template <class T>
void check_against_textbook(double tolerance) {
  for_methods<textbook>([&](const std::string& name, const any_method& method) {
    for (std::int64_t n : {1, 2, 7, 8, 9, 15, 17, 33, 75, 131}) {
      game_batch<T> g(4, n, static_cast<std::uint64_t>(n));
      const std::vector<T> start = starts<T>(4 * n, 3);
      played<T> r(4, n);
      const std::int64_t steps = 7;
      r.run(method, g.view(), steps, start.data());
      for (std::int64_t b = 0; b < 4; ++b) {
        const auto all = prefer_test::first_actions(n);
        textbook book(prefer_test::preferences(g.preference.data() + b * n * n, n, all),
                      probabilities(g.reference.data() + b * n, all), probabilities(start.data() + b * n, all));
        book.run(method, steps);
        INFO(name, ", n = ", n, ", game ", b);
        for (std::int64_t i = 0; i < n; ++i) {
          const auto k = static_cast<std::size_t>(i);
          CHECK(std::abs(r.of(b)[i] - std::log(book.now[k])) < tolerance);
          CHECK(std::abs(r.average[static_cast<std::size_t>(b * n + i)] - std::log(book.average()[k])) < tolerance);
        }
        CHECK(r.iterations[static_cast<std::size_t>(b)] == steps);
      }
    }
    covers<T>(name.c_str(), "sizes"), covers(name.c_str(), "golden");
  });
}

}  // namespace

// Products of float tables carry errors of about n^(1/2) 2^-24, seven of them with steps below 10 (nash_md's first).
TEST_CASE("every method does the steps of its paper, in double and in float, around the width of a lane") {
  check_against_textbook<double>(2e-13);
  check_against_textbook<float>(2e-5);
}

TEST_CASE("nash_md keeps its bound 8 / (tau^2 (T + 1)) and its one-step inequality along the path of 300 games") {
  for (std::int64_t n : {2, 5, 12})
    for (double tau : {0.05, 0.3, 1.0}) {
      const game_batch<> g(34, n, static_cast<std::uint64_t>(100 * n), tau == 0.3);
      const played<> best = equilibria(g.view(), tau);
      const numbers start = starts(34 * n, 5);
      numbers before(34, 1e300);
      for (std::int64_t t = 1; t <= 40; ++t) {
        played<> r(34, n);
        r.run(nash_md{.temperature = tau}, g.view(), t, start.data());
        for (std::int64_t b = 0; b < 34; ++b) {
          const double kl = divergence(best.of(b), r.of(b), n), eta = 2 / (tau * static_cast<double>(t + 1));
          double& last = before[static_cast<std::size_t>(b)];
          CHECK(kl <= 8 / (tau * tau * static_cast<double>(t + 1)));
          if (t > 1) CHECK(kl <= (1 - eta * tau) * last + 2 * eta * eta + 1e-14);
          last = kl;
        }
      }
    }
  covers("nash_md", "identity");
}

TEST_CASE("a fixed step of nash_md ends where the mixture is the equilibrium at tau / (1 - b), not at that of tau") {
  const game_batch<> g(20, 6, 8);
  const double tau = 0.2;
  const auto check_mixture = [&](const nash_md& m, double b) {
    played<> r(20, 6);
    r.run(m, g.view(), 4000);
    const played<> shifted = equilibria(g.view(), tau / (1 - b)), plain = equilibria(g.view(), tau);
    for (std::int64_t k = 0; k < 20; ++k) {
      const auto mu = prefer_test::policy(g.reference.begin() + 6 * k, g.reference.begin() + 6 * k + 6);
      prefer_test::policy mixture;
      for (std::size_t i = 0; i < 6; ++i)
        mixture.push_back(std::exp((1 - b) * static_cast<long double>(r.of(k)[i]) + b * mu[i]));
      mixture = prefer_test::normalized(mixture);
      for (std::size_t i = 0; i < 6; ++i) CHECK(std::abs(std::log(mixture[i]) - shifted.of(k)[i]) < 1e-10);
      CHECK(divergence(plain.of(k), r.of(k), 6) > 1e-6);
    }
  };
  check_mixture({.temperature = tau, .step = 0.25}, 0.25 * tau);
  check_mixture({.temperature = tau, .step = 0.1, .mixture = 0.125}, 0.125);
}

TEST_CASE("mirror descents and extragradient contract at their rates along the path of random games and tournaments") {
  const auto check_rate = [](const auto& method, double tau, double rate, const std::string& name) {
    for (bool tournament : {false, true})
      for (std::int64_t n : {3, 8}) {
        const game_batch<> g(30, n, static_cast<std::uint64_t>(n) + 40, tournament);
        const played<> best = equilibria(g.view(), tau);
        numbers now = starts(30 * n, 6), first(30);
        played<> r(30, n);
        double left = 1;
        for (std::int64_t t = 0; t <= 60; ++t, left *= rate) {
          r.run(method, g.view(), t == 0 ? 0 : 1, now.data());
          now = r.policy;
          for (std::int64_t b = 0; b < 30; ++b) {
            const double kl = divergence(best.of(b), r.of(b), n);
            if (t == 0) first[static_cast<std::size_t>(b)] = kl;
            INFO(name, ", tau ", tau, ", n ", n, ", step ", t);
            CHECK(kl <= left * first[static_cast<std::size_t>(b)] + 1e-13);
          }
        }
      }
    covers(name.c_str(), "identity");
  };
  for (double tau : {0.05, 0.3, 1.0}) {
    const double eta = 4 * tau;
    check_rate(magnetic_mirror_descent{.temperature = tau}, tau, 1 / (1 + eta * tau), "magnetic_mirror_descent");
    check_rate(magnetic_mirror_descent{.temperature = tau, .step = eta / 3}, tau, 1 / (1 + eta * tau / 3),
               "magnetic_mirror_descent");
    check_rate(mirror_descent{.temperature = tau}, tau, 1 - eta * tau / (1 + eta * tau), "mirror_descent");
    check_rate(extragradient{.temperature = tau}, tau, 1 - tau / (tau + 2), "extragradient");
  }
}

TEST_CASE("the equilibrium at tau is a fixed point of every method but nash_md at a fixed step") {
  const game_batch<> g(10, 9, 12);
  const played<> best = equilibria(g.view(), 0.3);
  for_methods<textbook>([&](const std::string& name, const any_method& method) {
    if (name == "proximal") return;
    INFO(name);
    played<> r(10, 9);
    r.run(method, g.view(), name == "nash_md" ? 100000 : 2000);
    for (std::int64_t b = 0; b < 10; ++b) CHECK(divergence(best.of(b), r.of(b), 9) < 1e-8);
    covers(name.c_str(), "identity");
  });
}

TEST_CASE("magnetic mirror descent is mirror descent with step eta / (1 + eta tau), and nash_ema without decay too") {
  const game_batch<> g(5, 10, 2);
  const double tau = 0.2, eta = 0.7, same = eta / (1 + eta * tau);
  played<> a(5, 10), b(5, 10), c(5, 10), d(5, 10);
  a.run(magnetic_mirror_descent{.temperature = tau, .step = eta}, g.view(), 30);
  b.run(mirror_descent{.temperature = tau, .step = same}, g.view(), 30);
  c.run(nash_ema{.temperature = tau, .step = same, .decay = 0}, g.view(), 30);
  d.run(nash_md{.temperature = tau, .step = same, .mixture = 0}, g.view(), 30);
  for (std::size_t i = 0; i < a.policy.size(); ++i) {
    CHECK(std::abs(a.policy[i] - b.policy[i]) < 1e-13);
    CHECK(std::abs(c.policy[i] - b.policy[i]) < 1e-13);
    CHECK(std::abs(d.policy[i] - b.policy[i]) < 1e-13);
  }
}

TEST_CASE("frozen averages and full mixtures answer one opponent: the first policy, the reference") {
  const game_batch<> g(5, 10, 2);
  const numbers start = starts(50, 9);
  numbers answer(50);
  played<> ema(5, 10), md(5, 10);
  ema.run(nash_ema{.temperature = 0.2, .step = 2, .decay = 1}, g.view(), 200, start.data());
  check(best_response(ema.exec(), g.view(), {start.data(), 5, 10}, 0.2, {answer.data(), 5, 10}));
  for (std::size_t i = 0; i < 50; ++i) CHECK(std::abs(ema.policy[i] - answer[i]) < 1e-12);
  md.run(nash_md{.temperature = 0.2, .step = 2, .mixture = 1}, g.view(), 200, start.data());
  check(best_response(md.exec(), g.view(), {g.reference.data(), 5, 10}, 0.2, {answer.data(), 5, 10}));
  for (std::size_t i = 0; i < 50; ++i) CHECK(std::abs(md.policy[i] - answer[i]) < 1e-12);
  covers("nash_ema", "identity");
}

TEST_CASE("cyclic games have uniform equilibria at every temperature") {
  for (std::int64_t n : {3, 5, 11}) {
    const game_batch<> g = cyclic(n, 0.3);
    const numbers start = starts(n, 4);
    for_methods<textbook>([&](const std::string& name, const any_method& method) {
      if (name == "proximal") return;  // slow at this temperature
      INFO(name, ", n = ", n);
      played<> r(1, n);
      r.run(method, g.view(), 3000, start.data());
      for (double x : r.policy) CHECK(std::abs(x + std::log(static_cast<double>(n))) < 1e-6);
    });
    if (n == 11) continue;
    played<> r(1, n);
    r.run(proximal<>{.inner = {.temperature = 0.03}, .inner_iterations = 100}, g.view(), 10000, start.data());
    for (double x : r.policy) CHECK(std::abs(x + std::log(static_cast<double>(n))) < 1e-6);
  }
  covers("proximal", "identity");
}

TEST_CASE("two actions: log pi_1 / pi_2 = log mu_1 / mu_2 + (P_12 - 1/2) / tau") {
  game_batch<> g(50, 2, 6);
  played<> r(50, 2);
  r.run(extragradient{.temperature = 0.07}, g.view(), 2000);
  for (std::int64_t b = 0; b < 50; ++b) {
    const double* const mu = g.reference.data() + 2 * b;
    CHECK(std::abs(r.of(b)[0] - r.of(b)[1] - (mu[0] - mu[1] + (g.at(b, 0, 1) - 0.5) / 0.07)) < 1e-11);
  }
}

TEST_CASE("three in a cycle with margins a, b, c: the proximal loop and optimism find (b, c, a) / (a + b + c)") {
  const double a = 0.1, b = 0.35, c = 0.2, sum = a + b + c;
  game_batch<> g(1, 3, 1);
  g.set(0, 0, 1, 0.5 + a), g.set(0, 1, 2, 0.5 + b), g.set(0, 2, 0, 0.5 + c);
  const double winner[] = {b / sum, c / sum, a / sum};
  const auto check_winner = [&](const auto& method, std::int64_t steps) {
    played<> r(1, 3);
    r.run(method, g.view(), steps);
    for (int i = 0; i < 3; ++i) CHECK(std::exp(r.of(0)[i]) == doctest::Approx(winner[i]).epsilon(1e-9));
    CHECK(r.gap[0] < 1e-9);
  };
  check_winner(proximal<>{}, 6000);
  check_winner(proximal<nash_md>{.inner = {.temperature = 0.1}, .inner_iterations = 400}, 40000);
  check_winner(optimistic{.step = 1}, 20000);
  covers("proximal", "identity"), covers("optimistic", "identity");
}

TEST_CASE("Hedge's average is exploitable by at most sqrt(ln n / (2 T))") {
  CHECK(hedge_step(3, 100) == doctest::Approx(std::sqrt(8 * std::log(3.0) / 100)).epsilon(1e-14));
  for (std::int64_t n : {3, 9})
    for (std::int64_t steps : {10, 100, 1000}) {
      game_batch<> g(30, n, static_cast<std::uint64_t>(n) + 70, n == 9);
      const numbers uniform(static_cast<std::size_t>(30 * n), 0.0);
      played<> r(30, n);
      r.run(mirror_descent{.temperature = 0, .step = hedge_step(n, steps)}, g.view(), steps, uniform.data());
      numbers average(30);
      check(exploitability(r.exec(), g.view(), {r.average.data(), 30, n}, {average.data(), 30}));
      for (double x : average)
        CHECK(x <= std::sqrt(std::log(static_cast<double>(n)) / (2 * static_cast<double>(steps))));
    }
}

TEST_CASE("Hedge's last policy cycles where its average converges") {
  game_batch<> g(1, 3, 1);
  g.set(0, 0, 1, 0.6), g.set(0, 1, 2, 0.9), g.set(0, 2, 0, 0.7);
  const numbers uniform(3, 0.0);
  played<> r(1, 3);
  r.run(mirror_descent{.temperature = 0, .step = hedge_step(3, 10000)}, g.view(), 10000, uniform.data());
  numbers average(1);
  check(exploitability(r.exec(), g.view(), {r.average.data(), 1, 3}, {average.data(), 1}));
  CHECK((average[0] < 3e-3 && r.gap[0] / 2 > 1e-2));
}

TEST_CASE("a game stops at the first measured gap within the tolerance, and the history tells how it got there") {
  const game_batch<> g(6, 5, 3);
  played<> r(6, 5), again(6, 5);
  std::array<bool, 6> converged{};
  numbers history(6 * 50);
  const auto play = [&](iterate measured, double tolerance, std::int64_t limit) {
    auto out = r.out();
    out.converged = {converged.data(), 6}, out.history = {history.data(), 6, limit / 4};
    check(self_play(r.exec(), mirror_descent{.temperature = 0.3, .step = 0.4}, g.view(),
                    {.max_iterations = limit, .tolerance = tolerance, .every = 4, .measured = measured}, out));
  };
  play(iterate::last, 1e-6, 200);
  for (std::int64_t b = 0; b < 6; ++b) {
    const auto k = static_cast<std::size_t>(b);
    const std::int64_t stopped = r.iterations[k];
    CHECK((converged[k] && r.gap[k] <= 1e-6 && stopped % 4 == 0 && stopped < 200));
    for (std::int64_t m = 0; m < 50; ++m) {
      const double gap = history[static_cast<std::size_t>(b * 50 + m)];
      if (4 * (m + 1) < stopped) CHECK(gap > 1e-6);
      if (4 * (m + 1) == stopped) CHECK(gap == r.gap[k]);
      if (4 * (m + 1) > stopped) CHECK(std::isnan(gap));
    }
    again.run(mirror_descent{.temperature = 0.3, .step = 0.4}, g.view(), stopped);
    CHECK(std::equal(r.of(b), r.of(b) + 5, again.of(b)));
  }
  play(iterate::last, 1e-6, 6);  // runs out; the last gap is measured whether or not it is due
  for (std::size_t b = 0; b < 6; ++b) CHECK((!converged[b] && r.iterations[b] == 6 && r.gap[b] > 1e-6));
  numbers gap(6);
  check(duality_gap(r.exec(), g.view(), {r.policy.data(), 6, 5}, 0.3, {.gap = {gap.data(), 6}}));
  for (std::size_t b = 0; b < 6; ++b) CHECK(gap[b] == doctest::Approx(r.gap[b]).epsilon(1e-12));
  play(iterate::average, 0, 8);
  check(duality_gap(r.exec(), g.view(), {r.average.data(), 6, 5}, 0.3, {.gap = {gap.data(), 6}}));
  for (std::size_t b = 0; b < 6; ++b) CHECK(gap[b] == doctest::Approx(r.gap[b]).epsilon(1e-12));
  again.run(nash_md{}, g.view(), 0);  // no step: the normalised reference, and its gap
  for (std::int64_t b = 0; b < 6; ++b) {
    const auto mu = probabilities(g.reference.data() + 5 * b, prefer_test::first_actions(5));
    for (std::size_t i = 0; i < 5; ++i)
      CHECK(again.of(b)[i] == doctest::Approx(std::log(static_cast<double>(mu[i]))));
  }
}

TEST_CASE("actions that do not exist or cannot be played change nothing, whatever the tables say about them") {
  const double nan = std::nan("");
  for (std::int64_t n : {12, 148, 176}) {
    const std::int64_t m = n / 4 * 3;
    game_batch<> small(1, m, 5), ragged(1, n, 6), masked(1, n, 7);
    const std::int32_t sizes[] = {static_cast<std::int32_t>(m)};
    for (auto* x : {&ragged.preference, &ragged.reference, &masked.preference, &masked.reference})
      std::fill(x->begin(), x->end(), nan);
    std::vector<std::int64_t> place;
    for (std::int64_t i = 0; i < n; ++i)
      if (i % 4 != 2) place.push_back(i);
    const std::unique_ptr<bool[]> possible(new bool[static_cast<std::size_t>(n)]());
    for (std::size_t i = 0; i < place.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i);
      for (std::int64_t j = 0; j < m; ++j)
        ragged.at(0, row, j) = masked.at(0, place[i], place[static_cast<std::size_t>(j)]) = small.at(0, row, j);
      ragged.reference[i] = masked.reference[static_cast<std::size_t>(place[i])] = small.reference[i];
      possible[static_cast<std::size_t>(place[i])] = true;
    }
    auto with_sizes = ragged.view(), with_mask = masked.view();
    with_sizes.actions = {sizes, 1}, with_mask.possible = {possible.get(), 1, n};
    for_methods<textbook>([&](const std::string& name, const any_method& method) {
      INFO(name);
      played<> a(1, m), b(1, n), c(1, n);
      a.run(method, small.view(), 40), b.run(method, with_sizes, 40), c.run(method, with_mask, 40);
      for (std::size_t i = 0; i < place.size(); ++i) {
        CHECK(b.policy[i] == a.policy[i]);
        CHECK(c.of(0)[place[i]] == doctest::Approx(a.policy[i]).epsilon(1e-12));
      }
      CHECK(b.gap[0] == a.gap[0]);
      CHECK(std::abs(c.gap[0] - a.gap[0]) < 1e-14);
      for (std::int64_t i = m; i < n; ++i) CHECK(b.of(0)[i] == -HUGE_VAL);
      for (std::size_t i = 2; i < c.policy.size(); i += 4)
        CHECK((c.policy[i] == -HUGE_VAL && c.average[i] == -HUGE_VAL));
      covers(name.c_str(), "masked");
    });
  }
}

TEST_CASE("an action without mass stays without, unless the reference gives it some") {
  game_batch<> g(1, 4, 9);
  g.reference[2] = -HUGE_VAL;
  numbers start = {0, -HUGE_VAL, 0, 0};
  played<> r(1, 4);
  r.run(nash_md{.temperature = 0.2}, g.view(), 1, start.data());
  CHECK((std::isfinite(r.of(0)[1]) && r.of(0)[2] == -HUGE_VAL));
  r.run(magnetic_mirror_descent{.temperature = 0.2}, g.view(), 50, start.data());
  CHECK((r.of(0)[1] == -HUGE_VAL && r.of(0)[2] == -HUGE_VAL && std::isfinite(r.of(0)[0]) && std::isfinite(r.gap[0])));
  r.run(mirror_descent{.temperature = 0, .step = 0.3}, g.view(), 50, start.data());
  CHECK((r.of(0)[1] == -HUGE_VAL && std::isfinite(r.of(0)[2])));
}

TEST_CASE("strides: shared, transposed and spread tables, and results put between others") {
  for (std::int64_t n : {6, 131}) {
    game_batch<> g(3, n, 14);
    const auto gap = static_cast<std::size_t>(3 * n + 2), actions = static_cast<std::size_t>(n);
    numbers spread(static_cast<std::size_t>(3 * n * n * 2)), flipped(g.preference.size()), wide(3 * gap, 7.0);
    for (std::int64_t b = 0; b < 3; ++b)
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j < n; ++j) {
          spread[static_cast<std::size_t>(((b * n + i) * n + j) * 2)] = g.at(b, i, j);
          flipped[static_cast<std::size_t>((b * n + j) * n + i)] = g.at(b, i, j);
        }
    for_methods<textbook>([&](const std::string& name, const any_method& method) {
      INFO(name);
      played<> plain(3, n), r(3, n);
      plain.run(method, g.view(), 20);
      auto in = g.view();
      in.preference = {spread.data(), 3, n, n, n * n * 2, n * 2, 2};
      r.run(method, in, 20);
      const auto same = [&] {
        for (std::size_t i = 0; i < r.policy.size(); ++i) CHECK(std::abs(r.policy[i] - plain.policy[i]) < 1e-13);
      };
      same();
      in.preference = {flipped.data(), 3, n, n, n * n, 1, n};
      r.run(method, in, 20);
      same();
      in = g.view(), in.preference.stride[0] = 0, in.reference.stride[0] = 0;
      r.run(method, in, 20);
      for (std::int64_t b = 0; b < 3; ++b) CHECK(std::equal(r.of(b), r.of(b) + n, plain.of(0)));
      std::fill(wide.begin(), wide.end(), 7.0);
      check(method.play(r.exec(), g.view(), {.max_iterations = 20},
            {.policy = {wide.data(), 3, n, 3 * n + 2, 3}}));
      for (std::size_t k = 0; k < wide.size(); ++k) {
        const std::size_t b = k / gap, i = k % gap / 3;
        CHECK(wide[k] == (k % gap % 3 == 0 && i < actions ? plain.policy[b * actions + i] : 7.0));
      }
      covers(name.c_str(), "strides");
    });
  }
}

TEST_CASE("threads and levels do not change results, calls allocate nothing, and large games split their rows") {
  thread_pool pool(3);
  const game_batch<> many(150, 10, 3), large(2, 1030, 4);
  for_methods<textbook>([&](const std::string& name, const any_method& method) {
    INFO(name);
    played<> one(150, 10), more(150, 10);
    one.run(method, many.view(), 30);
    const auto out = more.out();
    cpu exec = more.exec();
    exec.pool = pool;
    const long before = prefer_test::allocation_count();
    const status s = method.play(exec, many.view(), {.max_iterations = 30}, out);
    CHECK(prefer_test::allocation_count() == before);
    check(s);
    CHECK(one.policy == more.policy);
    CHECK(one.gap == more.gap);
    for (isa level : prefer_test::levels()) {
      exec.isa = level;
      check(method.play(exec, many.view(), {.max_iterations = 30}, out));
      for (std::size_t i = 0; i < one.policy.size(); ++i) CHECK(std::abs(one.policy[i] - more.policy[i]) < 1e-12);
    }
    covers(name.c_str(), "threads"), covers(name.c_str(), "allocation");
  });
  played<> one(2, 1030), more(2, 1030);
  one.run(extragradient{}, large.view(), 3);
  cpu exec = more.exec();
  exec.pool = pool;
  check(self_play(exec, extragradient{}, large.view(), {.max_iterations = 3}, more.out()));
  CHECK(one.policy == more.policy);
}

TEST_CASE("content that nobody looked at makes its own game NaN and no other") {
  game_batch<> g(3, 4, 3);
  g.at(1, 2, 3) = std::nan("");
  const std::int32_t sizes[] = {4, 4, 9};
  auto in = g.view();
  in.actions = {sizes, 3};
  played<> r(3, 4);
  cpu exec = r.exec();
  exec.content = content::none;
  check(self_play(exec, extragradient{}, in, {.max_iterations = 20}, r.out()));
  CHECK((std::isfinite(r.gap[0]) && std::isnan(r.gap[1]) && std::isnan(r.gap[2])));
  for (std::int64_t i = 0; i < 4; ++i) CHECK((std::isfinite(r.of(0)[i]) && std::isnan(r.of(2)[i])));
}

TEST_CASE("self_play refuses what it cannot play, with the name and place of what is wrong, and writes nothing") {
  const double nan = std::nan("");
  game_batch<> g(2, 3, 3);
  played<> r(2, 3);
  std::array<bool, 6> possible{true, true, true, true, true, true};
  std::int32_t sizes[] = {3, 3};
  numbers start(6, -1);
  const auto refused = [&](errc code, const char* argument, std::int64_t index, void (*change)(call&)) {
    call c = {g.view(), {.start = {start.data(), 2, 3}}, r.out(), r.exec()};
    c.in.possible = {possible.data(), 2, 3}, c.in.actions = {sizes, 2};
    change(c);
    std::fill(r.policy.begin(), r.policy.end(), 42.0);
    const status s = self_play(c.exec, extragradient{}, c.in, c.how, c.out);
    INFO(message(s).text);
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
    CHECK(s.index == index);
    CHECK(r.policy == numbers(6, 42.0));
  };
  const auto nothing = [](call&) {};
  refused(errc::bad_extent, "preference", -1, [](call& c) { c.in.preference.extent[2] = 2; });
  refused(errc::bad_extent, "reference", -1, [](call& c) { c.in.reference.extent[1] = 4; });
  refused(errc::bad_extent, "possible", -1, [](call& c) { c.in.possible.extent[0] = 1; });
  refused(errc::bad_extent, "actions", -1, [](call& c) { c.in.actions.extent[0] = 3; });
  refused(errc::bad_extent, "start", -1, [](call& c) { c.how.start.extent[0] = 1; });
  refused(errc::bad_extent, "gap", -1, [](call& c) { c.out.gap.extent[0] = 3; });
  refused(errc::bad_stride, "preference", -1, [](call& c) { c.in.preference.stride[1] = -3; });
  refused(errc::bad_stride, "policy", -1, [](call& c) { c.out.policy.stride[1] = 0; });
  refused(errc::null_data, "preference", -1, [](call& c) { c.in.preference.data = nullptr; });
  refused(errc::overlap, "average", -1, [](call& c) { c.out.average = c.out.policy; });
  refused(errc::bad_parameter, "tolerance", -1, [](call& c) { c.how.tolerance = -1; });
  refused(errc::bad_parameter, "every", -1, [](call& c) { c.how.every = 0; });
  refused(errc::bad_parameter, "max_iterations", -1, [](call& c) { c.how.max_iterations = -1; });
  refused(errc::small_workspace, "exec.workspace.bytes", -1, [](call& c) { c.exec.workspace.bytes = 8; });
  const auto content = [&](errc code, const char* argument, std::int64_t index, auto& place, auto value) {
    auto kept = place;
    place = value;
    refused(code, argument, index, nothing);
    place = kept;
  };
  content(errc::not_a_number, "preference", 9 + 5, g.at(1, 1, 2), nan);
  content(errc::bad_label, "preference", 9 + 5, g.at(1, 1, 2), 1.5);
  content(errc::bad_label, "preference", 9 + 4, g.at(1, 1, 1), 0.6);
  content(errc::bad_label, "preference", 1, g.at(0, 1, 0), g.at(0, 1, 0) + 1e-9);
  content(errc::bad_label, "preference", 1, g.at(0, 1, 0), g.at(0, 1, 0) - 1e-9);
  const double kept = g.at(1, 1, 2);
  g.set(1, 1, 2, 1.5);
  refused(errc::bad_label, "preference", 9 + 5, nothing);
  g.set(1, 1, 2, kept);
  content(errc::not_a_number, "reference", 4, g.reference[4], nan);
  content(errc::bad_label, "reference", 4, g.reference[4], HUGE_VAL);
  content(errc::not_a_number, "start", 2, start[2], nan);
  content(errc::bad_index, "actions", 1, sizes[1], 4);
  content(errc::bad_index, "actions", 0, sizes[0], 0);
  sizes[1] = 1;
  content(errc::bad_label, "reference", 1, g.reference[3], -HUGE_VAL);
  content(errc::bad_label, "start", 1, start[3], -HUGE_VAL);
}

TEST_CASE("every method refuses temperatures below 0 and steps that are not above 0") {
  game_batch<> g(1, 3, 3);
  played<> r(1, 3);
  for_method_types([&](const std::string& name, auto method) {
    const auto refused = [&](const char* argument, auto& parameter, double bad) {
      const auto kept = parameter;
      parameter = bad;
      const status s = self_play(r.exec(), method, g.view(), {}, r.out());
      INFO(name, ": ", message(s).text);
      CHECK((s.code == errc::bad_parameter && std::string(s.argument) == argument));
      parameter = kept;
    };
    auto& parameters = [&]() -> auto& {
      if constexpr (requires { method.inner; })
        return method.inner;
      else
        return method;
    }();
    for (double bad : {-0.1, std::nan("")}) refused("temperature", parameters.temperature, bad);
    parameters.step = 0.1;
    for (double bad : {0.0, -1.0, std::nan("")})
      if constexpr (std::is_same_v<decltype(parameters.step), double>)
        refused("step", parameters.step, bad);
      else
        refused("step", parameters.step.value, bad);
    covers(name.c_str(), "bad-argument");
  });
}

TEST_CASE("steps beyond 1 / temperature, shares outside [0, 1], and a temperature of 0 without a step are refused") {
  const auto argument = [](const auto& method) { return std::string(method.check().argument); };
  CHECK(argument(mirror_descent{.temperature = 0}) == "step");
  CHECK(argument(mirror_descent{.temperature = 0.5, .step = 2.1}) == "step");
  CHECK(argument(nash_md{.temperature = 0.5, .step = 2.1}) == "step");
  CHECK(argument(extragradient{.temperature = 0.5, .step = 2.1}) == "step");
  CHECK(argument(optimistic{.temperature = 0.5, .step = 2.1}) == "step");
  CHECK(argument(nash_md{.temperature = 0}) == "temperature");
  CHECK(argument(magnetic_mirror_descent{.temperature = 0}) == "temperature");
  CHECK(argument(extragradient{.temperature = 0}) == "temperature");
  CHECK(argument(nash_ema{.temperature = 0}) == "temperature");
  CHECK(argument(nash_md{.mixture = 1.5}) == "mixture");
  CHECK(argument(nash_ema{.decay = -0.5}) == "decay");
  CHECK(argument(proximal<>{.inner_iterations = 0}) == "inner_iterations");
  CHECK(magnetic_mirror_descent{.temperature = 0.5, .step = 20}.check().ok());
}
