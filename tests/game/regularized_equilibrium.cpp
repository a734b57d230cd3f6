// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/game/minimax_winner.hpp>
#include <prefer/game/regularized_equilibrium.hpp>
#include <game/exact_support.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace prefer;
using namespace prefer_test;

namespace {

// The answers to a batch, and the memory of a call.
template <class T = double>
struct equilibria {
  std::int64_t count, n;
  std::vector<T> policy, probability;
  std::vector<double> gap, residual;
  std::vector<std::int64_t> steps;
  std::vector<unsigned char> converged;
  std::vector<std::byte> scratch;

  equilibria(std::int64_t batch, std::int64_t actions)
      : count(batch),
        n(actions),
        policy(static_cast<std::size_t>(batch * actions), T(-1)),
        probability(policy),
        gap(static_cast<std::size_t>(batch), -1),
        residual(gap),
        steps(gap.size()),
        converged(gap.size()),
        scratch(regularized_equilibrium_workspace(cpu{}, batch, actions)) {}
  cpu exec() { return {.workspace = {scratch.data(), scratch.size()}}; }
  equilibrium_outputs<space::host, T> out() {
    return {.policy = {policy.data(), count, n},
            .probability = {probability.data(), count, n},
            .gap = {gap.data(), count},
            .residual = {residual.data(), count},
            .steps = {steps.data(), count},
            .converged = {reinterpret_cast<bool*>(converged.data()), count}};
  }
  Eigen::VectorXd log_of(std::int64_t b) const {
    return Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(policy.data() + b * n, n).template cast<double>();
  }
  Eigen::VectorXd of(std::int64_t b) const {
    return Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(probability.data() + b * n, n).template cast<double>();
  }
};

using long_vector = Eigen::Matrix<long double, Eigen::Dynamic, 1>;

long double log_sum_exp(const long_vector& x) {
  return x.maxCoeff() + std::log((x.array() - x.maxCoeff()).exp().sum());
}

// The largest |log pi - log best response|, and the duality gap in closed form, in long double.
struct distance {
  double residual, gap;
  distance(const margins& a, const Eigen::VectorXd& log_reference, const Eigen::VectorXd& log_policy, double tau) {
    const auto normalized = [](const Eigen::VectorXd& x) {
      const long_vector wide = x.cast<long double>();
      return long_vector(wide.array() - log_sum_exp(wide));
    };
    const long_vector mu = normalized(log_reference), pi = normalized(log_policy), p = pi.array().exp();
    const long_vector response = mu + a.cast<long double>() * p / tau;
    const long double normalizer = log_sum_exp(response);
    residual = static_cast<double>((pi.array() - (response.array() - normalizer)).abs().maxCoeff());
    gap = static_cast<double>(2 * tau * (normalizer + (p.array() * (pi - mu).array()).sum()));
  }
};

Eigen::VectorXd random_reference(std::int64_t n, double spread, noise& random) {
  Eigen::VectorXd r(n);
  for (double& x : r) x = random.uniform(-spread, spread);
  return r;
}

// The log-probabilities of one game, whose answer holds.
Eigen::VectorXd solve(const margins& a, const Eigen::VectorXd& reference, double tau) {
  const game_batch<> game{a};
  equilibria<> r(1, a.rows());
  auto in = game.view();
  in.reference = {reference.data(), 1, a.rows()};
  check(regularized_equilibrium(r.exec(), in, tau, {}, r.out()));
  const double limit = 1e-12 * std::max(1.0, 1e-3 / tau);
  CHECK(r.converged[0] == 1);
  CHECK(r.residual[0] <= limit);
  CHECK(r.gap[0] >= 0);
  CHECK(r.gap[0] <= 1e-12);
  const distance d(game.of(0), reference, r.log_of(0), tau);
  INFO("tau " << tau << ", " << a.rows() << " actions, residual " << d.residual << ", claimed " << r.residual[0]);
  CHECK(d.residual <= 2 * limit);       // pi is rounded, which moves P pi / tau
  CHECK(d.gap <= 1e-12 + 1e-18 * tau);  // what long double leaves of it
  CHECK(std::fabs(r.of(0).sum() - 1) <= 1e-14);
  return r.log_of(0);
}
Eigen::VectorXd solve(const margins& a, double tau) { return solve(a, Eigen::VectorXd::Zero(a.rows()), tau); }

}  // namespace

TEST_CASE("of two actions the odds are those of the reference times e^(margin / tau)") {
  for (const double tau : {1e-5, 1e-3, 0.05, 1.0, 30.0})
    for (const double margin : {-0.5, -0.25, 0.0, 0x1p-20, 0.4375})
      for (const double odds : {-3.0, 0.0, 20.0}) {
        margins a(2, 2);
        a << 0, margin, -margin, 0;
        const Eigen::VectorXd x = solve(a, Eigen::Vector2d(odds, 0), tau);
        const double exact = odds + margin / tau;
        CHECK(std::fabs(x[0] - x[1] - exact) <= 1e-15 * std::fabs(exact) + 2e-12 * std::max(1.0, 1e-3 / tau));
      }
  covers("regularized_equilibrium", "golden");
}

TEST_CASE("random games of every kind are solved to 1e-12, in residual and in duality gap, from tau of 10 to 1e-3") {
  noise random(1);
  for (const std::int64_t n : {3, 8, 33})
    for (int kind = 0; kind < static_cast<int>(game_kind::last); ++kind)
      for (const double tau : {10.0, 0.3, 0.01, 1e-3})
        solve(random_margins(n, static_cast<game_kind>(kind), random), random_reference(n, 2, random), tau);
  covers("regularized_equilibrium", "golden"), covers<double>("regularized_equilibrium", "sizes");
}

TEST_CASE("of tables of float the answer is as good as float can store it") {
  noise random(2);
  const game_batch<float> game{random_margins(9, game_kind::continuous, random)};
  equilibria<float> r(1, 9);
  check(regularized_equilibrium<float>(r.exec(), game.view(), 0.05, {}, r.out()));
  CHECK(r.residual[0] <= 1e-12);
  const Eigen::VectorXd exact = solve(game.of(0), 0.05);
  CHECK((r.log_of(0) - exact).cwiseAbs().maxCoeff() <= 1e-6);
  covers<float>("regularized_equilibrium", "sizes");
}

TEST_CASE("nobody does better against it: with its price, every policy loses or ties against the equilibrium") {
  noise random(3);
  for (int game = 0; game < 20; ++game) {
    const std::int64_t n = 6;
    const double tau = 0.1;
    const margins a = random_margins(n, game_kind::continuous, random);
    const Eigen::VectorXd mu = random_reference(n, 1, random), log_mu = mu.array() - std::log(mu.array().exp().sum());
    const Eigen::VectorXd x = solve(a, mu, tau), p = x.array().exp();
    for (int rival = 0; rival < 50; ++rival) {
      const Eigen::VectorXd y = random_reference(n, 4, random), log_q = y.array() - std::log(y.array().exp().sum()),
                            q = log_q.array().exp();
      CHECK(p.dot(a * q) - tau * p.dot(x - log_mu) + tau * q.dot(log_q - log_mu) >= -1e-13);
    }
  }
  covers("regularized_equilibrium", "identity");
}

TEST_CASE("a circle is played uniformly at every temperature; a high one gives the reference, a low one the winner") {
  noise random(4);
  for (const double tau : {1e-4, 0.1, 3.0})
    CHECK((solve(circle({0.3, -0.1, 0.25}), tau).array() + std::log(7)).abs().maxCoeff() <= 1e-12);
  const std::int64_t n = 11;
  const margins a = random_margins(n, game_kind::continuous, random);
  const Eigen::VectorXd mu = random_reference(n, 1, random);
  const Eigen::VectorXd hot = solve(a, mu, 1e8);
  CHECK((hot - mu).maxCoeff() - (hot - mu).minCoeff() <= 1e-8);
  std::vector<std::byte> scratch(minimax_winner_workspace(cpu{}, 1, n));
  Eigen::VectorXd winner(n);
  check(minimax_winner(cpu{.workspace = {scratch.data(), scratch.size()}}, game_batch<>{a}.view(), {},
                       {.probability = {winner.data(), 1, n}}));
  double before = 1;
  for (const double tau : {1e-2, 1e-3, 1e-4, 1e-5, 1e-6}) {  // the distance falls with tau
    const double off = (solve(a, mu, tau).array().exp() - winner.array()).abs().maxCoeff();
    CHECK(off <= 0.5 * before);
    before = off;
  }
  CHECK(before <= 1e-4);
  covers("regularized_equilibrium", "identity");
}

TEST_CASE("strides, fewer actions than columns, impossible actions and those without a reference") {
  noise random(5);
  const std::int64_t n = 7;
  const margins a = random_margins(n, game_kind::continuous, random);
  Eigen::VectorXd mu = random_reference(n, 1, random);
  const std::vector<std::int64_t> kept = {0, 2, 3, 6};
  const Eigen::VectorXd part = solve(a(kept, kept), mu(kept), 0.1);
  std::vector<double> table = game_batch<>{a}.preference;
  bool possible[] = {true, false, true, true, true, true, true};
  for (std::int64_t i = 0; i < n; ++i)
    table[static_cast<std::size_t>(n + i)] = table[static_cast<std::size_t>(n * i + 1)] = std::nan("");
  mu[1] = std::nan("");
  mu[4] = mu[5] = -std::numeric_limits<double>::infinity();
  equilibria<> r(1, n);
  check(regularized_equilibrium(
      r.exec(), {.preference = {table.data(), 1, n, n}, .reference = {mu.data(), 1, n}, .possible = {possible, 1, n}},
      0.1, {}, r.out()));
  CHECK((r.log_of(0)(kept) - part).cwiseAbs().maxCoeff() <= 1e-12);
  for (std::size_t i : {1u, 4u, 5u}) {
    CHECK(r.policy[i] == -std::numeric_limits<double>::infinity());
    CHECK(r.probability[i] == 0);
  }
  covers("regularized_equilibrium", "masked");
  const std::int32_t actions[] = {7, 3};
  const game_batch<> game{a};
  equilibria<> two(2, n);
  check(regularized_equilibrium(two.exec(),
                                {.preference = {game.preference.data(), 2, n, n, 0, 1, n}, .actions = {actions, 2}},
                                0.1, {}, two.out()));
  CHECK((two.log_of(0) - solve(-a, 0.1)).cwiseAbs().maxCoeff() <= 1e-12);
  CHECK((two.log_of(1).head(3) - solve(-a.topLeftCorner(3, 3), 0.1)).cwiseAbs().maxCoeff() <= 1e-12);
  CHECK(two.of(1).tail(4).sum() == 0);
  covers("regularized_equilibrium", "strides");
}

TEST_CASE("a batch is its games one by one, bit for bit and for any number of threads; nothing is allocated") {
  noise random(6);
  game_batch<> games(6);
  for (int i = 0; i < 100; ++i) games.add(random_margins(6, static_cast<game_kind>(i % 4), random));
  equilibria<> expected(100, 6), r(100, 6);
  check(regularized_equilibrium(expected.exec(), games.view(), 0.02, {}, expected.out()));
  for (int threads : {1, 3}) {
    thread_pool pool(threads);
    cpu exec = r.exec();
    exec.pool = pool;
    check(regularized_equilibrium(exec, games.view(), 0.02, {}, r.out()));
    CHECK(r.policy == expected.policy);
  }
  CHECK(solve(games.of(71), 0.02) == expected.log_of(71));
  covers("regularized_equilibrium", "threads");
  const auto in = games.view();
  const auto out = r.out();
  const cpu exec = r.exec();
  const long before = allocation_count();
  const status s = regularized_equilibrium(exec, in, 0.02, {}, out);
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  covers("regularized_equilibrium", "allocation");
}

TEST_CASE("what is not solved is an error that names the game and how far it came, and no policy") {
  noise random(7);
  game_batch<> games(5);
  games.add(margins::Zero(5, 5));
  games.add(random_margins(5, game_kind::continuous, random));
  equilibria<> r(2, 5);
  const status s = regularized_equilibrium(r.exec(), games.view(), 1.5, {.max_steps = 1}, r.out());
  CHECK((s.code == errc::not_converged && std::string(s.argument) == "residual" && s.index == 1));
  CHECK((s.got == r.residual[1] && s.got > 1e-12 && s.got < 0.1));
  CHECK((r.converged[0] == 1 && r.converged[1] == 0));
  CHECK(r.log_of(1).array().isNaN().all());
}

// Among these are games whose rare actions become rare late: some were not solved by stages that ended with any small
// step.
TEST_CASE("small temperatures: 1600 games are solved at 1e-6; at 1e-10 a game that rounding leaves unsolved says so") {
  for (const std::int64_t n : {6, 15})
    for (int k = 0; k < static_cast<int>(game_kind::last); ++k) {
      const auto kind = static_cast<game_kind>(k);
      noise random(static_cast<std::uint64_t>(n * 10) + static_cast<std::uint64_t>(kind));
      game_batch<> games(n);
      std::vector<double> reference;
      for (int game = 0; game < 200; ++game) {
        games.add(random_margins(n, kind, random));
        for (const double w : random_reference(n, 2, random)) reference.push_back(w);
      }
      equilibria<> r(200, n);
      auto in = games.view();
      in.reference = {reference.data(), 200, n};
      check(regularized_equilibrium(r.exec(), in, 1e-6, {}, r.out()));
      for (std::int64_t b = 0; b < 200; b += 20) {
        const distance d(games.of(b), vector_of(reference.data() + b * n, n), r.log_of(b), 1e-6);
        CHECK((d.residual <= 2e-9 && d.gap <= 1e-12));
      }
      if (kind != game_kind::continuous) continue;
      const status s = regularized_equilibrium(r.exec(), in, 1e-10, {}, r.out());
      CHECK((s.code == errc::not_converged && std::fabs(s.limit - 1e-5) < 1e-19 && s.got > s.limit));
      const auto first = static_cast<std::size_t>(s.index);
      CHECK((r.residual[first] == s.got && r.gap[first] < 1e-3 && r.log_of(s.index).array().isNaN().all()));
      for (std::size_t b = 0; b < 200; ++b) CHECK((r.converged[b] != 0) == (r.residual[b] <= s.limit));
    }
}

TEST_CASE("one large game has the same bits for any number of threads") {
  noise random(12);
  const game_batch<> game{random_margins(380, game_kind::continuous, random)};
  equilibria<> expected(1, 380), r(1, 380);
  check(regularized_equilibrium(expected.exec(), game.view(), 1, {}, expected.out()));
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    cpu exec = r.exec();
    exec.pool = pool;
    check(regularized_equilibrium(exec, game.view(), 1, {}, r.out()));
    CHECK(r.policy == expected.policy);
  }
}

TEST_CASE("with a loose tolerance gap and residual are those of the policy that is answered") {
  noise random(9);
  for (const double tau : {2.0, 0.3}) {
    const game_batch<> game{random_margins(8, game_kind::continuous, random)};
    const Eigen::VectorXd mu = random_reference(8, 1, random);
    equilibria<> r(1, 8);
    auto in = game.view();
    in.reference = {mu.data(), 1, 8};
    check(regularized_equilibrium(r.exec(), in, tau, {.tolerance = 0.05}, r.out()));
    const distance d(game.of(0), mu, r.log_of(0), tau);
    CHECK((d.residual > 1e-7 && d.gap > 1e-14));
    CHECK(r.residual[0] / d.residual == doctest::Approx(1).epsilon(1e-6));
    CHECK(r.gap[0] / d.gap == doctest::Approx(1).epsilon(1e-3));
  }
}

TEST_CASE("what is wrong with a call is named, and nothing is written") {
  noise random(8);
  game_batch<> games{random_margins(4, game_kind::continuous, random)};
  std::vector<double> reference(4, 0.0);
  equilibria<> r(1, 4);
  const auto refused = [&](errc code, const char* argument, auto change) {
    auto in = games.view();
    in.reference = {reference.data(), 1, 4};
    auto out = r.out();
    equilibrium_options options;
    double tau = 0.1;
    change(in, tau, options, out);
    const status s = regularized_equilibrium(r.exec(), in, tau, options, out);
    INFO(message(s).c_str() << " expected for " << argument);
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
    CHECK(r.policy[0] == -1);
  };
  for (const double bad : {0.0, -0.1, std::nan(""), HUGE_VAL})
    refused(errc::bad_parameter, "temperature", [&](auto&, double& tau, auto&, auto&) { tau = bad; });
  refused(errc::bad_parameter, "tolerance", [](auto&, double&, auto& o, auto&) { o.tolerance = 0; });
  refused(errc::bad_parameter, "max_steps", [](auto&, double&, auto& o, auto&) { o.max_steps = 0; });
  refused(errc::bad_extent, "gap", [](auto&, double&, auto&, auto& out) { out.gap.extent[0] = 2; });
  refused(errc::missing_output, "outputs", [](auto&, double&, auto&, auto& out) { out = {}; });
  refused(errc::overlap, "probability", [](auto&, double&, auto&, auto& out) { out.probability = out.policy; });
  const auto content = [&](double& where, double bad, errc code, const char* argument) {
    const double before = where;
    where = bad;
    refused(code, argument, [](auto&, double&, auto&, auto&) {});
    where = before;
  };
  content(reference[2], std::nan(""), errc::not_a_number, "reference");
  content(reference[2], HUGE_VAL, errc::bad_label, "reference");
  content(games.preference[1], -0.1, errc::bad_label, "preference");
  reference.assign(4, -HUGE_VAL);
  refused(errc::bad_label, "reference", [](auto&, double&, auto&, auto&) {});
  covers("regularized_equilibrium", "bad-argument");
}
