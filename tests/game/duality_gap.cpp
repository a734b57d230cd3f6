// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/game/duality_gap.hpp>
#include <game/random_games.hpp>
#include <game/textbook.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::game_batch;
using prefer_test::numbers;

namespace {

// Everything about policies, with the memory it needs.
template <class T = double>
struct gaps {
  std::int64_t batch, n;
  numbers gap, exploitability;
  std::vector<T> wins, response;
  std::vector<std::int64_t> action;
  std::vector<char> memory;
  gaps(std::int64_t b, std::int64_t actions)
      : batch(b),
        n(actions),
        gap(static_cast<std::size_t>(b)),
        exploitability(gap.size()),
        wins(static_cast<std::size_t>(b * actions)),
        response(wins.size()),
        action(gap.size()),
        memory(game_workspace<T>(b, actions)) {}
  cpu exec() { return {.workspace = {memory.data(), memory.size()}}; }
  gap_outputs<space::host, T> out() {
    return {{gap.data(), batch}, {exploitability.data(), batch}, {wins.data(), batch, n}, {response.data(), batch, n},
            {action.data(), batch}};
  }
};

template <class T>
void check_against_definition(std::int64_t n, double tau, double tolerance) {
  game_batch<T> g(4, n, static_cast<std::uint64_t>(n));
  const game_batch<> other(4, n, static_cast<std::uint64_t>(n) + 50);
  const std::vector<T> pi(other.reference.begin(), other.reference.end());
  gaps<T> r(4, n);
  check(duality_gap<T>(r.exec(), g.view(), {pi.data(), 4, n}, tau, r.out()));
  for (std::int64_t b = 0; b < 4; ++b) {
    const auto all = prefer_test::first_actions(n);
    const prefer_test::best_answer exact(prefer_test::preferences(g.preference.data() + b * n * n, n, all),
                                         prefer_test::probabilities(g.reference.data() + b * n, all),
                                         prefer_test::probabilities(pi.data() + b * n, all), tau);
    const auto k = static_cast<std::size_t>(b);
    CHECK(r.gap[k] == doctest::Approx(static_cast<double>(exact.gap)).epsilon(tolerance));
    CHECK(std::abs(r.exploitability[k] - static_cast<double>(exact.exploitability)) < tolerance);
    for (std::size_t i : all) {
      const std::size_t at = k * all.size() + i;
      CHECK(std::abs(static_cast<double>(r.wins[at]) - static_cast<double>(exact.wins[i])) < tolerance);
      const auto response = static_cast<double>(std::log(exact.response[i]));
      if (std::isfinite(response))
        CHECK(std::abs(static_cast<double>(r.response[at]) - response) < 40 * tolerance);
      else
        CHECK(r.response[at] == -HUGE_VAL);
    }
    CHECK(exact.wins[static_cast<std::size_t>(r.action[k])] == exact.exploitability + 0.5L);
  }
  covers<T>("duality_gap", "sizes");
}

}  // namespace

// Float products carry errors of about 1e-7, which gaps divide by themselves and responses by the temperature.
TEST_CASE("the gap is what a best response gains by definition, with and without a temperature") {
  for (std::int64_t n : {2, 3, 8, 9, 50, 1500})
    for (double tau : {0.0, 0.05, 1.0}) {
      check_against_definition<double>(n, tau, 1e-12);
      check_against_definition<float>(n, tau, 5e-6);
    }
  covers("duality_gap", "golden");
}

TEST_CASE("the gap is 0 at an equilibrium, falls with the square of the distance, and stays exact far below 1e-16") {
  game_batch<> g(1, 2, 1);
  const double tau = 0.25, p = 0.8;
  g.set(0, 0, 1, p), g.reference = {0, 0};
  gaps<> r(1, 2);
  for (double off : {0.0, 1e-12, 1e-6, 1e-3}) {
    const double start[] = {(p - 0.5) / tau + off, 0};
    check(duality_gap(r.exec(), g.view(), {start, 1, 2}, tau, r.out()));
    // 2 tau KL of two Bernoulli distributions whose log-odds differ by `off`.
    const double q = 1 / (1 + std::exp(-(p - 0.5) / tau));
    CHECK(std::abs(r.gap[0] - tau * q * (1 - q) * off * off) <= 2e-3 * tau * off * off + 1e-31);
  }
  covers("duality_gap", "identity");
}

TEST_CASE("mass where the reference has none is an infinite gap, and the exploitability is finite") {
  game_batch<> g(1, 3, 1);
  g.reference[1] = -HUGE_VAL;
  const double start[] = {0, 0, 0}, within[] = {0, -HUGE_VAL, 0};
  gaps<> r(1, 3);
  check(duality_gap(r.exec(), g.view(), {start, 1, 3}, 0.1, r.out()));
  CHECK((r.gap[0] == HUGE_VAL && std::isfinite(r.exploitability[0]) && r.response[1] == -HUGE_VAL));
  check(duality_gap(r.exec(), g.view(), {within, 1, 3}, 0.1, r.out()));
  CHECK(std::isfinite(r.gap[0]));
}

TEST_CASE("ties go to the lowest action, and what cannot be played is no response") {
  game_batch<> g(1, 4, 1);
  for (std::int64_t i = 0; i < 4; ++i)
    for (std::int64_t j = 0; j < i; ++j) g.set(0, i, j, 0.5);
  g.set(0, 1, 0, 0.9), g.set(0, 2, 0, 0.9), g.set(0, 3, 0, 1.0);
  const bool possible[] = {true, true, true, false};
  auto in = g.view();
  in.possible = {possible, 1, 4};
  const double start[] = {0, -HUGE_VAL, -HUGE_VAL, std::nan("")};
  gaps<> r(1, 4);
  check(duality_gap(r.exec(), in, {start, 1, 4}, 0, r.out()));
  CHECK((r.action[0] == 1 && r.response[1] == 0 && r.response[2] == -HUGE_VAL && r.wins[3] == 0));
  CHECK(r.exploitability[0] == doctest::Approx(0.4).epsilon(1e-14));
  CHECK(r.gap[0] == doctest::Approx(0.8).epsilon(1e-14));
  covers("duality_gap", "masked");
}

TEST_CASE("exploitability and best_response are the outputs of those names") {
  const game_batch<> g(3, 5, 1);
  gaps<> r(3, 5);
  numbers alone(3), response(15);
  check(duality_gap(r.exec(), g.view(), {g.reference.data(), 3, 5}, 0.3, r.out()));
  check(exploitability(r.exec(), g.view(), {g.reference.data(), 3, 5}, {alone.data(), 3}));
  check(best_response(r.exec(), g.view(), {g.reference.data(), 3, 5}, 0.3, {response.data(), 3, 5}));
  CHECK(alone == r.exploitability);
  CHECK(response == r.response);
}

TEST_CASE("threads and strides do not change gaps, and nothing is allocated") {
  thread_pool pool(3);
  const game_batch<> g(200, 20, 1);
  gaps<> one(200, 20), more(200, 20);
  numbers spread(200 * 60);
  for (std::size_t k = 0; k < 4000; ++k) spread[3 * k] = g.reference[k];
  check(duality_gap(one.exec(), g.view(), {g.reference.data(), 200, 20}, 0.3, one.out()));
  cpu exec = more.exec();
  exec.pool = pool;
  const auto out = more.out();
  const long before = prefer_test::allocation_count();
  const status s = duality_gap(exec, g.view(), {spread.data(), 200, 20, 60, 3}, 0.3, out);
  CHECK(prefer_test::allocation_count() == before);
  check(s);
  CHECK((one.gap == more.gap && one.response == more.response && one.wins == more.wins && one.action == more.action));
  for (const char* tag : {"threads", "strides", "allocation"}) covers("duality_gap", tag);
}

TEST_CASE("duality_gap refuses what it cannot measure") {
  game_batch<> g(2, 3, 3);
  gaps<> r(2, 3);
  numbers pi(6, -1.0);
  const auto refused = [&](errc code, const char* argument, double tau = 0.1) {
    const status s = duality_gap(r.exec(), g.view(), {pi.data(), 2, 3}, tau, r.out());
    INFO(message(s).text);
    CHECK((s.code == code && std::string(s.argument) == argument));
  };
  refused(errc::bad_parameter, "temperature", -1);
  refused(errc::bad_parameter, "temperature", std::nan(""));
  pi[4] = std::nan("");
  refused(errc::not_a_number, "policy");
  pi[4] = -1, g.at(1, 0, 1) = 2;
  refused(errc::bad_label, "preference");
  g.set(1, 0, 1, 0.5);
  auto out = r.out();
  out.gap.extent[0] = 1;
  CHECK(duality_gap(r.exec(), g.view(), {pi.data(), 2, 3}, 0.1, out).code == errc::bad_extent);
  out = r.out(), out.wins = {g.preference.data(), 2, 3};
  CHECK(duality_gap(r.exec(), g.view(), {pi.data(), 2, 3}, 0.1, out).code == errc::overlap);
  CHECK(duality_gap(cpu{}, g.view(), {pi.data(), 2, 3}, 0.1, r.out()).code == errc::small_workspace);
  covers("duality_gap", "bad-argument");
}
