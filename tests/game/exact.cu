// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/game/minimax_winner.cuh>
#include <prefer/game/regularized_equilibrium.cuh>
#include <prefer/game/tournament_scores.cuh>
#include <game/packed_games.hpp>
#include <support/coverage.hpp>
#include <support/cuda.cuh>
#include <support/numbers.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

// The exact solvers on CUDA: their answers are certified here on the host, from the preferences alone.
using namespace prefer;
using prefer_test::device_array;
using prefer_test::covers;
using prefer_test::noise;
using prefer_test::stream;

namespace {

// Random games; every second one with ties and small multiples of 1/8.
template <class T>
struct game_tables_on_both {
  std::int64_t count, n;
  std::vector<T> host;

  game_tables_on_both(std::int64_t games, std::int64_t actions)
      : count(games), n(actions), host(static_cast<std::size_t>(games * actions * actions), T(0.5)) {
    noise random(static_cast<std::uint64_t>(actions));
    for (std::int64_t b = 0; b < count; ++b)
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j < i; ++j) {
          const double x = random.uniform(0, 1);
          at(b, i, j) = static_cast<T>(b % 2 == 0 ? x : std::round(8 * x) / 8);
          at(b, j, i) = T(1) - at(b, i, j);
        }
  }
  T& at(std::int64_t b, std::int64_t i, std::int64_t j) { return host[static_cast<std::size_t>((b * n + i) * n + j)]; }
  double margin(std::int64_t b, std::int64_t i, std::int64_t j) const {
    const auto first = static_cast<std::size_t>((b * n + i) * n + j),
               second = static_cast<std::size_t>((b * n + j) * n + i);
    return 0.5 * (static_cast<double>(host[first]) - static_cast<double>(host[second]));
  }
  // (A p)_i for the actions of game b at p.
  template <class S>
  double gain(std::int64_t b, std::int64_t i, const S* p) const {
    long double sum = 0;
    for (std::int64_t j = 0; j < n; ++j)
      sum += static_cast<long double>(margin(b, i, j)) * static_cast<long double>(p[j]);
    return static_cast<double>(sum);
  }
};

template <class T>
void check_winners(stream& s, std::int64_t games, std::int64_t n) {
  const game_tables_on_both<T> all(games, n);
  const device_array<T> table(all.host), probability(static_cast<std::size_t>(games * n));
  const device_array<double> exploitability(static_cast<std::size_t>(games));
  const prefer_test::device_workspace scratch(minimax_winner_workspace(cuda{s.handle}, games, n) + 1);
  prefer_test::enqueues_only("minimax_winner", 1, [&] {
    check(minimax_winner<T>(
        cuda{.stream = s.handle, .workspace = scratch.get()}, {.preference = {table.data, games, n, n}}, {},
        {.probability = {probability.data, games, n}, .exploitability = {exploitability.data, games}}));
  });
  s.wait();
  const auto p = probability.fetch();
  const auto claimed = exploitability.fetch();
  for (std::int64_t b = 0; b < games; ++b) {
    INFO("game " << b << " of " << n << " actions");
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      CHECK(p[static_cast<std::size_t>(b * n + i)] >= 0);
      sum += static_cast<double>(p[static_cast<std::size_t>(b * n + i)]);
      CHECK(all.gain(b, i, p.data() + b * n) <= (sizeof(T) == 8 ? 1e-12 : 1e-6));
    }
    CHECK(std::fabs(sum - 1) <= (sizeof(T) == 8 ? 1e-14 : 1e-5));
    CHECK(claimed[static_cast<std::size_t>(b)] <= 1e-12);
  }
}

template <class T>
void check_equilibria(stream& s, std::int64_t games, std::int64_t n, double tau) {
  const game_tables_on_both<T> all(games, n);
  std::vector<T> weights(static_cast<std::size_t>(games * n));
  noise random(3);
  for (T& w : weights) w = static_cast<T>(random.uniform(-1, 1));
  const device_array<T> table(all.host), reference(weights), policy(weights.size());
  const device_array<double> gap(static_cast<std::size_t>(games)), residual(static_cast<std::size_t>(games));
  const prefer_test::device_workspace scratch(regularized_equilibrium_workspace(cuda{s.handle}, games, n) + 1);
  prefer_test::enqueues_only("regularized_equilibrium", 1, [&] {
    check(regularized_equilibrium<T>(
        cuda{.stream = s.handle, .workspace = scratch.get()},
        {.preference = {table.data, games, n, n}, .reference = {reference.data, games, n}}, tau, {},
        {.policy = {policy.data, games, n}, .gap = {gap.data, games}, .residual = {residual.data, games}}));
  });
  s.wait();
  const auto x = policy.fetch();
  const auto gaps = gap.fetch(), residuals = residual.fetch();
  for (std::int64_t b = 0; b < games; ++b) {
    const auto first = static_cast<std::size_t>(b * n);
    std::vector<double> p;
    double sum = 0, low = 1e9, high = -1e9;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
      p.push_back(std::exp(static_cast<double>(x[first + i]))), sum += p.back();
    for (std::int64_t i = 0; i < n; ++i) {  // equal for all actions
      const std::size_t at = first + static_cast<std::size_t>(i);
      const double c = static_cast<double>(x[at]) - static_cast<double>(weights[at]) - all.gain(b, i, p.data()) / tau;
      low = std::fmin(low, c), high = std::fmax(high, c);
    }
    CHECK(high - low <= (sizeof(T) == 8 ? 4e-12 : 1e-4));
    CHECK(std::fabs(sum - 1) <= (sizeof(T) == 8 ? 1e-14 : 1e-5));
    CHECK(residuals[static_cast<std::size_t>(b)] <= 1e-12);
    CHECK(gaps[static_cast<std::size_t>(b)] <= 1e-12);
  }
}

template <class T>
void send(const std::vector<T>& from, const device_array<T>& to) {
  REQUIRE(cudaMemcpy(to.data, from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
}

// What the three calls say about games, as a column of numbers per action each.
struct exact_answers {
  std::size_t actions;
  device_array<double> winner, equilibrium, borda;
  prefer_test::device_workspace scratch;
  exact_answers(std::size_t places, std::int64_t batch, std::int64_t n)
      : actions(places),
        winner(std::vector<double>(places, 7)),
        equilibrium(std::vector<double>(places, 7)),
        borda(std::vector<double>(places, 7)),
        scratch(minimax_winner_workspace(cuda{nullptr}, batch, n) +
                regularized_equilibrium_workspace(cuda{nullptr}, batch, n) + 1) {}
  void ask(const stream& s, const games<space::device>& in, const scalar& tau, std::int64_t rows) {
    const cuda exec{.stream = s.handle, .workspace = scratch.get()};
    const auto columns = static_cast<std::int64_t>(actions) / rows;
    check(minimax_winner(exec, in, {}, {.probability = {winner.data, rows, columns}}));
    check(regularized_equilibrium(exec, in, tau, {}, {.policy = {equilibrium.data, rows, columns}}));
    check(tournament_scores(exec, in, {.borda = {borda.data, rows, columns}}));
  }
};

}  // namespace

TEST_CASE("minimax winners on CUDA are certified, in shared memory and in the workspace, in one launch for the batch") {
  stream s;
  check_winners<double>(s, 30, 3);
  check_winners<double>(s, 8, 17);
  check_winners<double>(s, 2, 100);
  check_winners<float>(s, 6, 10);
  covers<double>("minimax_winner", "sizes"), covers<float>("minimax_winner", "sizes"),
      covers("minimax_winner", "allocation");
}

TEST_CASE("regularised equilibria on CUDA are solved to 1e-12, in shared memory and in the workspace") {
  stream s;
  check_equilibria<double>(s, 10, 4, 0.1);
  check_equilibria<double>(s, 4, 9, 2e-3);
  check_equilibria<double>(s, 1, 80, 0.5);
  check_equilibria<float>(s, 4, 6, 0.05);
  covers<double>("regularized_equilibrium", "sizes"), covers<float>("regularized_equilibrium", "sizes");
  covers("regularized_equilibrium", "allocation");
}

TEST_CASE("tournament scores on CUDA are what their definitions say") {
  stream s;
  const std::int64_t games = 5, n = 40;
  game_tables_on_both<double> all(games, n);
  for (std::int64_t j = 0; j < n; ++j)
    if (j != 7) all.at(3, 7, j) = 0.75, all.at(3, j, 7) = 0.25;
  const device_array<double> table(all.host), copeland(static_cast<std::size_t>(games * n)),
      borda(static_cast<std::size_t>(games * n));
  const device_array<std::int64_t> condorcet(static_cast<std::size_t>(games));
  prefer_test::enqueues_only("tournament_scores", 1, [&] {
    check(tournament_scores(cuda{s.handle}, {.preference = {table.data, games, n, n}},
                            {.condorcet = {condorcet.data, games},
                             .copeland = {copeland.data, games, n},
                             .borda = {borda.data, games, n}}));
  });
  s.wait();
  const auto won = copeland.fetch(), rate = borda.fetch();
  for (std::int64_t b = 0; b < games; ++b)
    for (std::int64_t i = 0; i < n; ++i) {
      double score = 0, sum = 0;
      for (std::int64_t j = 0; j < n; ++j) {
        const double a = all.margin(b, i, j);
        score += j == i ? 0 : a > 0 ? 1 : a == 0 ? 0.5 : 0;
        sum += a;
      }
      CHECK(won[static_cast<std::size_t>(b * n + i)] == score);
      CHECK(rate[static_cast<std::size_t>(b * n + i)] ==
            doctest::Approx(0.5 + sum / static_cast<double>(n - 1)).epsilon(1e-14));
    }
  CHECK(condorcet.fetch() == std::vector<std::int64_t>{-1, -1, -1, 7, -1});
  const game_tables_on_both<float> narrow(1, 3);
  const device_array<float> narrow_table(narrow.host);
  const device_array<double> scores(3);
  check(tournament_scores<float>(cuda{s.handle}, {.preference = {narrow_table.data, 1, 3, 3}},
                                 {.copeland = {scores.data, 1, 3}}));
  s.wait();
  double total = 0;
  for (const double x : scores.fetch()) total += x;
  CHECK(total == 3);
  for (const char* tag : {"allocation"}) covers("tournament_scores", tag);
  covers<double>("tournament_scores", "sizes"), covers<float>("tournament_scores", "sizes");
}

TEST_CASE("impossible actions and smaller games on CUDA, whatever the table says of what is not there") {
  stream s;
  const std::int64_t n = 6;
  game_tables_on_both<double> all(2, n);
  const double nan = std::nan("");
  std::vector<unsigned char> may(static_cast<std::size_t>(2 * n), 1);
  may[1] = may[4] = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    all.at(0, 1, i) = all.at(0, i, 1) = all.at(0, 4, i) = all.at(0, i, 4) = nan;
    all.at(1, 5, i) = all.at(1, i, 5) = nan;
  }
  // What is left of game 0 is a cycle, 0 beats 2 beats 3 beats 0, and 5, which loses; of game 1 action 2 beats all.
  const std::int64_t cycle[] = {0, 2, 3};
  for (int k = 0; k < 3; ++k) {
    all.at(0, cycle[k], cycle[(k + 1) % 3]) = 0.75, all.at(0, cycle[(k + 1) % 3], cycle[k]) = 0.25;
    all.at(0, cycle[k], 5) = 0.875, all.at(0, 5, cycle[k]) = 0.125;
  }
  for (std::int64_t j = 0; j < 5; ++j)
    if (j != 2) all.at(1, 2, j) = 0.625, all.at(1, j, 2) = 0.375;
  const std::int32_t sizes[] = {6, 5};
  const device_array<double> table(all.host), probability(static_cast<std::size_t>(2 * n)),
      policy(static_cast<std::size_t>(2 * n));
  const device_array<unsigned char> possible(may);
  const device_array<std::int32_t> actions(std::vector<std::int32_t>(sizes, sizes + 2));
  const device_array<std::int64_t> condorcet(2);
  const games<space::device> in = {.preference = {table.data, 2, n, n},
                                   .possible = {reinterpret_cast<const bool*>(possible.data), 2, n},
                                   .actions = {actions.data, 2}};
  check(minimax_winner(cuda{s.handle}, in, {}, {.probability = {probability.data, 2, n}}));
  check(regularized_equilibrium(cuda{s.handle}, in, 0.01, {}, {.policy = {policy.data, 2, n}}));
  check(tournament_scores(cuda{s.handle}, in, {.condorcet = {condorcet.data, 2}}));
  s.wait();
  const auto p = probability.fetch(), x = policy.fetch();
  for (std::size_t i : {0u, 2u, 3u}) {
    CHECK(p[i] == doctest::Approx(1.0 / 3).epsilon(1e-14));
    CHECK(x[i] == doctest::Approx(-std::log(3)).epsilon(1e-10));
  }
  for (std::size_t i : {1u, 4u, 5u, 6u, 7u, 9u, 10u, 11u}) CHECK(p[i] == 0);
  CHECK(p[8] == 1);
  for (std::size_t i : {1u, 4u, 11u}) CHECK((std::isinf(x[i]) && x[i] < 0));
  CHECK(condorcet.fetch() == std::vector<std::int64_t>{-1, 2});
  for (const char* name : {"minimax_winner", "regularized_equilibrium", "tournament_scores"}) covers(name, "masked");
}

TEST_CASE("packed games on CUDA have the exact answers that each has by itself, bit for bit") {
  stream s;
  for (const std::vector<std::int64_t>& sizes : {std::vector<std::int64_t>{3, 1, 9, 2}, {72, 5}}) {
    const prefer_test::packed_games g(sizes);
    const device_array<double> table(g.preference);
    const device_array<std::int64_t> offsets(g.offsets), tables(g.tables);
    exact_answers all(g.reference.size(), g.count(), g.largest);
    all.ask(s, {.preference = {table.data, 1, 1, g.entries()},
                .packed = {{offsets.data, g.count() + 1}, {tables.data, g.count()}, g.actions(), g.largest}},
            0.3, 1);
    s.wait();
    const auto winner = all.winner.fetch(), equilibrium = all.equilibrium.fetch(), borda = all.borda.fetch();
    for (std::size_t b = 0; b < sizes.size(); ++b) {
      const std::int64_t n = sizes[b];
      exact_answers one(static_cast<std::size_t>(n), 1, n);
      one.ask(s, {.preference = {table.data + g.tables[b], 1, n, n}}, 0.3, 1);
      s.wait();
      const auto w = one.winner.fetch(), e = one.equilibrium.fetch(), o = one.borda.fetch();
      for (std::size_t i = 0; i < w.size(); ++i) {
        const auto place = static_cast<std::size_t>(g.offsets[b]) + i;
        CHECK((winner[place] == w[i] && equilibrium[place] == e[i] && borda[place] == o[i]));
      }
    }
    g.each_place([&](std::size_t place, std::int64_t b, std::int64_t) {
      if (b < 0) CHECK((winner[place] == 7 && equilibrium[place] == 7 && borda[place] == 7));
    });
  }
}

TEST_CASE("exact solvers are captured; replays see other tables and temperatures; a workspace has to be given") {
  stream s;
  for (const std::int64_t n : {7, 72}) {
    const std::int64_t count = n == 7 ? 3 : 1;
    const game_tables_on_both<double> first(count, n);
    game_tables_on_both<double> second(count, n);
    for (std::int64_t b = 0; b < count; ++b)
      for (std::int64_t j = 1; j < n; ++j) second.at(b, 0, j) = 0.75, second.at(b, j, 0) = 0.25;
    const device_array<double> table(first.host), tau(std::vector<double>{0.5});
    const games<space::device> in = {.preference = {table.data, count, n, n}};
    const auto actions = static_cast<std::size_t>(count * n);
    exact_answers a(actions, count, n), direct(actions, count, n);
    const cudaGraphExec_t graph = prefer_test::capture(s.handle, [&] { a.ask(s, in, tau.data, count); });
    const auto replay = [&](const std::vector<double>& from, double temperature) {
      send(from, table), send(std::vector<double>{temperature}, tau);
      REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
      direct.ask(s, in, temperature, count);
      s.wait();
      CHECK(a.winner.fetch() == direct.winner.fetch());
      CHECK(a.equilibrium.fetch() == direct.equilibrium.fetch());
      CHECK(a.borda.fetch() == direct.borda.fetch());
      return a.equilibrium.fetch();
    };
    const auto cold = replay(first.host, 0.5), hot = replay(first.host, 3), other = replay(second.host, 3);
    CHECK((cold != hot && hot != other && a.winner.fetch()[0] == 1));
    replay(second.host, 0.5);
    send(std::vector<double>{-1}, tau);  // nobody looked: no temperature, no policy
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    CHECK((std::isnan(a.equilibrium.fetch()[0]) && a.winner.fetch()[0] == 1));
    cudaGraphExecDestroy(graph);
    if (n > 70)
      cudaGraphExecDestroy(prefer_test::capture(s.handle, [&] {
        CHECK(minimax_winner(cuda{s.handle}, in, {}, {.probability = {a.winner.data, count, n}}).code ==
              errc::capture_needs_workspace);
      }));
  }
  for (const char* name : {"minimax_winner", "regularized_equilibrium", "tournament_scores"}) covers(name, "capture");
}

TEST_CASE(
    "on CUDA what the host can see is refused; a broken game is NaN and reported; so is one that was not solved") {
  stream s;
  const std::int64_t n = 20;
  game_tables_on_both<double> all(3, n);
  all.at(1, 4, 2) = std::nan("");
  const device_array<double> table(all.host), policy(static_cast<std::size_t>(3 * n)), gap(3);
  const device_array<unsigned long long> report(std::vector<unsigned long long>{~0ull, ~0ull, ~0ull});
  const auto reported = [&](int k) { return content_report{report.fetch()[static_cast<std::size_t>(k)]}; };
  const auto exec = [&](int k) {
    return cuda{.stream = s.handle, .report = reinterpret_cast<content_report*>(report.data) + k};
  };
  const games<space::device> in = {.preference = {table.data, 3, n, n}};
  check(minimax_winner(exec(0), in, {}, {.probability = {policy.data, 3, n}, .exploitability = {gap.data, 3}}));
  s.wait();
  const auto p = policy.fetch();
  CHECK((reported(0).code() == errc::not_a_number && reported(0).index() == (n + 4) * n + 2));  // the entry
  CHECK((std::isnan(p[static_cast<std::size_t>(n)]) && std::isnan(gap.fetch()[1])));
  CHECK((std::isfinite(p[0]) && std::isfinite(p[static_cast<std::size_t>(2 * n)])));
  const games<space::device> first = {.preference = {table.data, 1, n, n}};
  check(minimax_winner(exec(1), first, {.max_pivots = 1},
                       {.probability = {policy.data, 1, n}, .exploitability = {gap.data, 1}}));
  check(regularized_equilibrium(exec(2), first, 0.1, {.max_steps = 1}, {.policy = {policy.data + n, 1, n}}));
  s.wait();
  for (int k : {1, 2}) CHECK((reported(k).code() == errc::not_converged && reported(k).index() == 0));
  const auto q = policy.fetch();
  CHECK((std::isnan(q[0]) && std::isnan(q[static_cast<std::size_t>(n)]) && gap.fetch()[0] > 1e-6));
  CHECK(minimax_winner(exec(0), first, {.tolerance = 0}, {.exploitability = {gap.data, 1}}).code ==
        errc::bad_parameter);
  CHECK(regularized_equilibrium(exec(0), first, 0, {}, {.gap = {gap.data, 1}}).code == errc::bad_parameter);
  CHECK(tournament_scores(exec(0), first, {}).code == errc::missing_output);
  const prefer_test::device_workspace little(64);
  CHECK(minimax_winner(cuda{.stream = s.handle, .workspace = little.get()},
                       {.preference = {table.data, 1, 100, 100, 0, 0, 0}}, {}, {.exploitability = {gap.data, 1}})
            .code == errc::small_workspace);
  for (const char* name : {"minimax_winner", "regularized_equilibrium", "tournament_scores"})
    covers(name, "bad-argument");
}
