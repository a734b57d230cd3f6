// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/game/minimax_winner.hpp>
#include <game/exact_support.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>

using namespace prefer;
using namespace prefer_test;

namespace {

// The answers to a batch, and the memory of a call.
template <class T = double>
struct answers {
  std::int64_t count, n;
  std::vector<T> probability, policy;
  std::vector<double> exploitability;
  std::vector<std::int64_t> pivots;
  std::vector<unsigned char> converged;
  std::vector<std::byte> scratch;

  answers(std::int64_t batch, std::int64_t actions)
      : count(batch),
        n(actions),
        probability(static_cast<std::size_t>(batch * actions), T(-1)),
        policy(probability),
        exploitability(static_cast<std::size_t>(batch), -1),
        pivots(exploitability.size()),
        converged(exploitability.size()),
        scratch(minimax_winner_workspace(cpu{}, batch, actions)) {}
  cpu exec() { return {.workspace = {scratch.data(), scratch.size()}}; }
  minimax_outputs<space::host, T> out() {
    return {.probability = {probability.data(), count, n},
            .policy = {policy.data(), count, n},
            .exploitability = {exploitability.data(), count},
            .pivots = {pivots.data(), count},
            .converged = {reinterpret_cast<bool*>(converged.data()), count}};
  }
  Eigen::VectorXd of(std::int64_t b) const {
    return Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(probability.data() + b * n, n).template cast<double>();
  }
};

// Solves a batch whose every answer holds.
template <class T>
answers<T> winners(const game_batch<T>& games) {
  answers<T> r(games.count, games.n);
  check(minimax_winner<T>(r.exec(), games.view(), {}, r.out()));
  for (std::int64_t b = 0; b < games.count; ++b) {
    const auto i = static_cast<std::size_t>(b);
    CHECK(r.converged[i] == 1);
    CHECK(r.exploitability[i] >= 0);
    CHECK(r.exploitability[i] <= 1e-12);
    CHECK(r.of(b).minCoeff() >= 0);
    // The sum, and the certificate, of the answer as it was stored.
    const double unit = static_cast<double>(games.n) * std::numeric_limits<T>::epsilon();
    CHECK(std::fabs(r.of(b).sum() - 1) <= unit);
    CHECK(exploitability_of(games.of(b), r.of(b)) <= 1e-12 + (sizeof(T) == 4 ? unit : 0));
  }
  return r;
}
Eigen::VectorXd only(const margins& a) { return winners(game_batch<>{a}).of(0); }

void close(const Eigen::VectorXd& p, const Eigen::VectorXd& q, double bound) {
  INFO(p.transpose() << " beside " << q.transpose());
  CHECK((p - q).cwiseAbs().maxCoeff() <= bound);
}

}  // namespace

TEST_CASE("of three actions in a cycle each is played as often as the other two differ") {
  noise random(1);
  game_batch<> games(3);
  for (int i = 0; i < 200; ++i)
    games.add(cycle_of_three(random.uniform(0.01, 0.5), random.uniform(0.01, 0.5), random.uniform(0.01, 0.5)));
  const auto r = winners(games);
  for (std::int64_t g = 0; g < games.count; ++g) {
    const margins m = games.of(g);
    const double a = m(0, 1), b = m(1, 2), c = m(2, 0);
    close(r.of(g), Eigen::Vector3d(b, c, a) / (a + b + c), 1e-15);
  }
  for (const double small : {0x1p-30, 0x1p-40}) {  // a margin that is almost a tie; exact in P
    const Eigen::VectorXd p = only(cycle_of_three(small, 0.25, 0.125));
    close(p, Eigen::Vector3d(0.25, 0.125, small) / (0.375 + small), 1e-15);
    CHECK(p[2] * (0.375 + small) / small == doctest::Approx(1).epsilon(1e-9));
  }
  covers("minimax_winner", "golden");
}

TEST_CASE("a game that is the same for all actions of a circle is played uniformly") {
  noise random(2);
  for (const int half : {1, 2, 3, 7, 15}) {
    std::vector<double> margin(static_cast<std::size_t>(half));
    for (double& x : margin) x = random.uniform(-0.5, 0.5);
    const std::int64_t n = 2 * half + 1;
    close(only(circle(margin)), Eigen::VectorXd::Constant(n, 1 / static_cast<double>(n)), 1e-13);
  }
}

TEST_CASE("hundreds of random games of up to five actions: the answer found by enumeration, also where many tie") {
  noise random(3);
  for (std::int64_t n = 1; n <= 5; ++n)
    for (int kind = 0; kind < static_cast<int>(game_kind::last); ++kind) {
      game_batch<> games(n);
      for (int i = 0; i < 30; ++i) games.add(random_margins(n, static_cast<game_kind>(kind), random));
      const auto r = winners(games);
      for (std::int64_t b = 0; b < games.count; ++b) {
        INFO("kind " << kind << ", game " << b << "\n" << games.of(b));
        close(r.of(b), winner_by_enumeration(games.of(b)), 1e-9);
      }
    }
  for (std::int64_t n : {6, 7}) {
    game_batch<> games(n);
    for (int i = 0; i < 6; ++i) games.add(random_margins(n, static_cast<game_kind>(i % 2), random));
    const auto r = winners(games);
    for (std::int64_t b = 0; b < games.count; ++b) close(r.of(b), winner_by_enumeration(games.of(b)), 1e-9);
  }
  covers("minimax_winner", "golden");
}

TEST_CASE("a Condorcet winner is played with probability 1, exactly and at once") {
  noise random(4);
  for (std::int64_t n : {2, 9, 130}) {
    margins a = random_margins(n, game_kind::continuous, random);
    const std::int64_t best = n / 2;
    for (std::int64_t j = 0; j < n; ++j) a(best, j) = j == best ? 0 : 0x1p-20, a(j, best) = -a(best, j);
    const game_batch<> games{a};
    const auto r = winners(games);
    for (std::int64_t i = 0; i < n; ++i) CHECK(r.of(0)[i] == (i == best ? 1 : 0));
    CHECK(r.exploitability[0] == 0);
    CHECK(r.pivots[0] == 0);
    CHECK(r.policy[static_cast<std::size_t>(best)] == 0);
    CHECK(r.policy[0] == -std::numeric_limits<double>::infinity());
  }
}

TEST_CASE("where several policies win, action 0 is played as often as possible, then action 1, and so on") {
  for (std::int64_t n : {1, 2, 7, 100}) {  // all tie: every policy wins
    const Eigen::VectorXd p = only(margins::Zero(n, n));
    CHECK(p[0] == 1);
    CHECK(p.sum() == 1);
  }
  margins a = margins::Zero(6, 6);  // copies of the three of a cycle: the first of each is played
  const margins cycle = cycle_of_three(0.1, 0.2, 0.3);
  for (std::int64_t i = 0; i < 6; ++i)
    for (std::int64_t j = 0; j < 6; ++j) a(i, j) = cycle(i / 2, j / 2);
  Eigen::VectorXd expected(6);
  expected << 0.2, 0, 0.3, 0, 0.1, 0;
  close(only(a), expected / 0.6, 1e-15);
  margins b = margins::Zero(4, 4);  // two actions that tie and beat the rest
  for (std::int64_t i : {1, 3})
    for (std::int64_t j : {0, 2}) b(i, j) = 0.25, b(j, i) = -0.25;
  const Eigen::VectorXd p = only(b);
  CHECK((p[0] == 0 && p[1] == 1 && p[2] == 0 && p[3] == 0));
  // Of larger games: no other winner, found with the actions in another order, comes before the answer.
  noise random(11);
  for (const std::int64_t n : {12, 40, 100}) {
    const margins m = random_margins(n, game_kind::many_ties, random);
    const Eigen::VectorXd answer = only(m);
    for (int turn = 1; turn < 4; ++turn) {
      Eigen::PermutationMatrix<Eigen::Dynamic> order(n);
      for (std::int64_t i = 0; i < n; ++i) order.indices()[i] = static_cast<int>((i + turn * n / 4) % n);
      CHECK(!lexicographically_above(order.transpose() * only(order * m * order.transpose()), answer));
    }
  }
  covers("minimax_winner", "identity");
}

TEST_CASE("another order of the actions gives the same policy; only the signs and ratios of margins count") {
  noise random(5);
  const std::int64_t n = 24;
  const margins a = random_margins(n, game_kind::continuous, random);
  const Eigen::VectorXd p = only(a);
  Eigen::PermutationMatrix<Eigen::Dynamic> order(n);
  for (std::int64_t i = 0; i < n; ++i) order.indices()[i] = static_cast<int>((7 * i + 3) % n);
  close(only(order * a * order.transpose()), order * p, 1e-13);
  close(only(a * 0x1p-6), p, 1e-12);
  close(only(a * 1e-9), p, 1e-5);  // P keeps 7 digits of such margins
  covers("minimax_winner", "identity");
}

TEST_CASE("large games of every kind are certified, from tables of double and of float, at every level") {
  noise random(6);
  for (int kind = 0; kind < static_cast<int>(game_kind::last); ++kind) {
    const margins a = random_margins(kind == 0 ? 200 : 110, static_cast<game_kind>(kind), random);
    const auto r = winners(game_batch<>{a});
    const auto played = (r.of(0).array() > 0).count();
    CHECK((kind != 0 || played % 2 == 1));  // of a game without ties an odd number of actions is played
    winners(game_batch<float>{a});
    for (const isa level : levels()) {
      answers<> same(1, a.rows());
      cpu exec = same.exec();
      exec.isa = level;
      check(minimax_winner(exec, game_batch<>{a}.view(), {}, same.out()));
      close(same.of(0), r.of(0), 1e-9);
    }
  }
  covers<double>("minimax_winner", "sizes"), covers<float>("minimax_winner", "sizes");
}

TEST_CASE("any strides; fewer actions than columns; actions that are not possible, whatever the table says of them") {
  noise random(7);
  const std::int64_t n = 9, small = 5;
  const margins a = random_margins(n, game_kind::continuous, random);
  const game_batch<> games{a};
  answers<> r(2, n);
  const std::vector<std::int64_t> kept = {1, 2, 4, 6, 7};
  const Eigen::VectorXd part = only(a(kept, kept)), leading = only(a.topLeftCorner(small, small));
  std::vector<double> table = games.preference;
  std::vector<unsigned char> possible(static_cast<std::size_t>(2 * n), 1);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const bool both = std::count(kept.begin(), kept.end(), i) > 0 && std::count(kept.begin(), kept.end(), j) > 0;
      if (!both) table[static_cast<std::size_t>(i * n + j)] = std::nan("");
      possible[static_cast<std::size_t>(i)] = std::count(kept.begin(), kept.end(), i) > 0;
    }
  check(minimax_winner(
      r.exec(), {.preference = {table.data(), 1, n, n}, .possible = {reinterpret_cast<bool*>(possible.data()), 1, n}},
      {}, {.probability = {r.probability.data(), 1, n}}));
  Eigen::VectorXd expected = Eigen::VectorXd::Zero(n);
  expected(kept) = part;
  close(r.of(0), expected, 1e-14);
  covers("minimax_winner", "masked");

  const std::int32_t actions[] = {9, 5};  // one table for both games, its columns and rows exchanged: margins -A
  const Eigen::VectorXd reversed = only(-a);
  check(minimax_winner(r.exec(), {.preference = {games.preference.data(), 2, n, n, 0, 1, n}, .actions = {actions, 2}},
                       {}, {.probability = {r.probability.data(), 2, n}}));
  close(r.of(0), reversed, 1e-14);
  close(r.of(1).head(small), only(-a.topLeftCorner(small, small)), 1e-14);
  CHECK(r.of(1).tail(n - small).cwiseAbs().sum() == 0);
  std::vector<double> wide(static_cast<std::size_t>(3 * n), -1);
  check(minimax_winner(r.exec(), games.view(), {}, {.probability = {wide.data(), 1, n, 3 * n, 3}}));
  for (std::int64_t i = 0; i < n; ++i) {
    CHECK(wide[static_cast<std::size_t>(3 * i)] == doctest::Approx(only(a)[i]).epsilon(1e-12));
    CHECK(wide[static_cast<std::size_t>(3 * i + 1)] == -1);
  }
  CHECK(leading.sum() == doctest::Approx(1));
  covers("minimax_winner", "strides");
}

TEST_CASE("a batch is its games one by one, bit for bit and for any number of threads; nothing is allocated") {
  noise random(8);
  game_batch<> games(12);
  for (int i = 0; i < 300; ++i) games.add(random_margins(12, static_cast<game_kind>(i % 4), random));
  const auto expected = winners(games);
  answers<> r(games.count, games.n);
  for (int threads : {1, 2, 5}) {
    thread_pool pool(threads);
    cpu exec = r.exec();
    exec.pool = pool;
    check(minimax_winner(exec, games.view(), {}, r.out()));
    CHECK(r.probability == expected.probability);
    CHECK(r.pivots == expected.pivots);
  }
  for (std::int64_t b : {0, 131, 299}) CHECK(only(games.of(b)) == expected.of(b));
  covers("minimax_winner", "threads");
  const auto in = games.view();
  const auto out = r.out();
  const cpu exec = r.exec();
  const long before = allocation_count();
  const status s = minimax_winner(exec, in, {}, out);
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  covers("minimax_winner", "allocation");
  CHECK(minimax_winner(exec, {.preference = {nullptr, 0, 4, 4}}, {}, {.exploitability = {r.exploitability.data(), 0}})
            .ok());
}

TEST_CASE("one large game has the same bits for any number of threads") {
  noise random(13);
  const game_batch<> game{random_margins(370, game_kind::small_integers, random)};
  answers<> expected(1, 370), r(1, 370);
  check(minimax_winner(expected.exec(), game.view(), {}, expected.out()));
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    cpu exec = r.exec();
    exec.pool = pool;
    check(minimax_winner(exec, game.view(), {}, r.out()));
    CHECK((r.probability == expected.probability && r.pivots == expected.pivots));
  }
}

TEST_CASE("what is not certified is an error that names the game and how far it came, and no policy") {
  noise random(9);
  game_batch<> games(30);
  margins easy = random_margins(30, game_kind::continuous, random);
  easy.row(3).setConstant(0.1), easy.col(3).setConstant(-0.1), easy(3, 3) = 0;
  games.add(easy);
  for (int i = 0; i < 2; ++i) games.add(random_margins(30, game_kind::continuous, random));
  answers<> r(3, 30);
  const status s = minimax_winner(r.exec(), games.view(), {.max_pivots = 2}, r.out());
  CHECK(s.code == errc::not_converged);
  CHECK(std::string(s.argument) == "exploitability");
  CHECK(s.index == 1);
  CHECK(s.limit == 1e-12);
  CHECK(s.got == r.exploitability[1]);
  CHECK((r.exploitability[1] > 1e-3 && r.exploitability[1] < 0.5));
  CHECK((r.converged[0] == 1 && r.converged[1] == 0 && r.converged[2] == 0));
  CHECK(r.of(0)[3] == 1);
  for (std::int64_t b : {1, 2}) CHECK(r.of(b).array().isNaN().all());
  CHECK(r.pivots[1] == 2);
}

TEST_CASE("with a loose tolerance the exploitability is that of the policy that is answered") {
  noise random(12);
  const game_batch<> game{random_margins(20, game_kind::continuous, random)};
  answers<> r(1, 20);
  check(minimax_winner(r.exec(), game.view(), {.tolerance = 0.5, .max_pivots = 3}, r.out()));
  CHECK(r.exploitability[0] > 1e-3);
  CHECK(r.exploitability[0] == doctest::Approx(exploitability_of(game.of(0), r.of(0))).epsilon(1e-12));
}

TEST_CASE("what is wrong with a call is named, and nothing is written") {
  noise random(10);
  game_batch<> games(4);
  for (int i = 0; i < 2; ++i) games.add(random_margins(4, game_kind::continuous, random));
  answers<> r(2, 4);
  std::vector<unsigned char> none(8, 0);
  const double reference[8] = {};
  const auto refused = [&](errc code, const char* argument, std::int64_t index, auto change) {
    game_batch<> altered = games;
    auto in = altered.view();
    auto out = r.out();
    minimax_options options;
    cpu exec = r.exec();
    change(altered, in, options, out, exec);
    const status s = minimax_winner(exec, in, options, out);
    INFO(message(s).c_str() << " expected for " << argument);
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
    CHECK(s.index == index);
    CHECK(r.probability[0] == -1);
  };
  refused(errc::bad_label, "preference", 17, [](auto& g, auto&, auto&, auto&, auto&) { g.preference[17] = 1.5; });
  refused(errc::bad_label, "preference", 17, [](auto& g, auto&, auto&, auto&, auto&) { g.preference[17] += 1e-3; });
  refused(errc::not_a_number, "preference", 16,
          [](auto& g, auto&, auto&, auto&, auto&) { g.preference[16] = std::nan(""); });
  refused(errc::bad_label, "possible", 0, [&](auto&, auto& in, auto&, auto&, auto&) {
    in.possible = {reinterpret_cast<bool*>(none.data()), 2, 4};
  });
  refused(errc::unused_input, "reference", -1, [&](auto&, auto& in, auto&, auto&, auto&) {
    in.reference = {reference, 2, 4};
  });
  refused(errc::bad_extent, "preference", -1,
          [](auto&, auto& in, auto&, auto&, auto&) { in.preference.extent[2] = 3; });
  refused(errc::null_data, "preference", -1,
          [](auto&, auto& in, auto&, auto&, auto&) { in.preference.data = nullptr; });
  for (const double tolerance : {0.0, -1.0, std::nan("")})
    refused(errc::bad_parameter, "tolerance", -1,
            [&](auto&, auto&, auto& options, auto&, auto&) { options.tolerance = tolerance; });
  refused(errc::bad_parameter, "max_pivots", -1,
          [](auto&, auto&, auto& options, auto&, auto&) { options.max_pivots = -1; });
  refused(errc::bad_extent, "probability", -1,
          [](auto&, auto&, auto&, auto& out, auto&) { out.probability.extent[1] = 5; });
  refused(errc::bad_stride, "policy", -1, [](auto&, auto&, auto&, auto& out, auto&) { out.policy.stride[1] = 0; });
  refused(errc::missing_output, "outputs", -1, [](auto&, auto&, auto&, auto& out, auto&) { out = {}; });
  refused(errc::overlap, "policy", -1, [&](auto&, auto&, auto&, auto& out, auto&) { out.policy = out.probability; });
  refused(errc::small_workspace, "exec.workspace.bytes", -1,
          [](auto&, auto&, auto&, auto&, auto& exec) { exec.workspace.bytes = 100; });
  // Unchecked content costs no more than the game's own answer.
  games.preference[20] = std::nan("");
  cpu trusting = r.exec();
  trusting.content = content::none;
  const status s = minimax_winner(trusting, games.view(), {}, r.out());
  CHECK((s.code == errc::bad_label && s.index == 1));
  CHECK(r.of(0).sum() == doctest::Approx(1));
  CHECK(r.of(1).array().isNaN().all());
  covers("minimax_winner", "bad-argument");
}
