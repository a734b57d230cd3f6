// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/game/tournament_scores.hpp>
#include <game/exact_support.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace prefer;
using namespace prefer_test;

namespace {

struct scores {
  std::int64_t count, n;
  std::vector<std::int64_t> condorcet;
  std::vector<double> copeland, borda;
  std::vector<std::byte> scratch;

  scores(std::int64_t batch, std::int64_t actions)
      : count(batch),
        n(actions),
        condorcet(static_cast<std::size_t>(batch), -7),
        copeland(static_cast<std::size_t>(batch * actions), -7),
        borda(copeland),
        scratch(tournament_scores_workspace(cpu{}, batch, actions)) {}
  cpu exec() { return {.workspace = {scratch.data(), scratch.size()}}; }
  tournament_outputs<space::host> out() {
    return {.condorcet = {condorcet.data(), count},
            .copeland = {copeland.data(), count, n},
            .borda = {borda.data(), count, n}};
  }
};

template <class T>
scores score(const game_batch<T>& games) {
  scores r(games.count, games.n);
  check(tournament_scores<T>(r.exec(), games.view(), r.out()));
  return r;
}

// From the definitions, one action after the other.
template <class T>
void check_definitions(const game_batch<T>& games) {
  const scores r = score(games);
  for (std::int64_t b = 0; b < games.count; ++b) {
    const margins a = games.of(b);
    std::int64_t condorcet = -1;
    for (std::int64_t i = 0; i < games.n; ++i) {
      const auto at = static_cast<std::size_t>(b * games.n + i);
      const auto won = (a.row(i).array() > 0).count(), tied = (a.row(i).array() == 0).count() - 1;
      if (won == games.n - 1) condorcet = i;
      CHECK(r.copeland[at] == static_cast<double>(won) + 0.5 * static_cast<double>(tied));
      CHECK(r.borda[at] ==
            doctest::Approx(0.5 + a.row(i).sum() / static_cast<double>(std::max<std::int64_t>(games.n - 1, 1)))
                .epsilon(1e-14));
    }
    CHECK(r.condorcet[static_cast<std::size_t>(b)] == condorcet);
  }
}

}  // namespace

TEST_CASE("scores are what their definitions say, with ties, for tables of double and float") {
  noise random(1);
  for (const std::int64_t n : {1, 2, 3, 9, 70})
    for (int kind = 0; kind < static_cast<int>(game_kind::last); ++kind) {
      game_batch<> games(n);
      game_batch<float> narrow(n);
      for (int i = 0; i < 3; ++i) {
        const margins a = random_margins(n, static_cast<game_kind>(kind), random);
        games.add(a), narrow.add(a);
      }
      check_definitions(games), check_definitions(narrow);
    }
  covers("tournament_scores", "golden"), covers<double>("tournament_scores", "sizes"),
      covers<float>("tournament_scores", "sizes");
}

TEST_CASE("the Condorcet winner need not have the largest Borda score; a cycle has none") {
  margins a = margins::Zero(3, 3);  // 0 beats both narrowly, 1 beats 2 by far
  a(0, 1) = a(0, 2) = 0.0625, a(1, 2) = 0.5;
  a -= a.transpose().eval();
  const scores r = score(game_batch<>{a, cycle_of_three(0.1, 0.2, 0.3)});
  CHECK((r.condorcet[0] == 0 && r.condorcet[1] == -1));
  CHECK((r.copeland[0] == 2 && r.borda[1] > r.borda[0]));
  CHECK((r.copeland[3] == 1 && r.copeland[4] == 1 && r.copeland[5] == 1));
  covers("tournament_scores", "identity");
}

TEST_CASE("strides, fewer actions than columns and impossible actions") {
  noise random(2);
  const std::int64_t n = 6;
  const margins a = random_margins(n, game_kind::small_integers, random);
  std::vector<double> table = game_batch<>{a}.preference;
  const std::vector<std::int64_t> kept = {0, 1, 3, 4, 5};
  for (std::int64_t i = 0; i < n; ++i)
    table[static_cast<std::size_t>(2 * n + i)] = table[static_cast<std::size_t>(n * i + 2)] = std::nan("");
  const bool possible[] = {true, true, false, true, true, true};
  const scores part = score(game_batch<>{a(kept, kept)});
  scores r(1, n);
  check(tournament_scores(r.exec(), {.preference = {table.data(), 1, n, n}, .possible = {possible, 1, n}}, r.out()));
  for (std::size_t k = 0; k < kept.size(); ++k) {
    CHECK(r.copeland[static_cast<std::size_t>(kept[k])] == part.copeland[k]);
    CHECK(r.borda[static_cast<std::size_t>(kept[k])] == part.borda[k]);
  }
  CHECK((r.copeland[2] == 0 && r.borda[2] == 0));
  covers("tournament_scores", "masked");
  const game_batch<> game{a};
  const std::int32_t actions[] = {6, 4};
  scores two(2, n);
  check(tournament_scores(
      two.exec(), {.preference = {game.preference.data(), 2, n, n, 0, 1, n}, .actions = {actions, 2}}, two.out()));
  const scores reversed = score(game_batch<>{-a}), leading = score(game_batch<>{-a.topLeftCorner(4, 4)});
  for (std::size_t i = 0; i < 6; ++i) CHECK(two.copeland[i] == reversed.copeland[i]);
  for (std::size_t i = 0; i < 4; ++i) CHECK(two.borda[6 + i] == leading.borda[i]);
  CHECK((two.borda[10] == 0 && two.copeland[11] == 0));
  covers("tournament_scores", "strides");
}

TEST_CASE("threads change no bit; nothing is allocated; what is wrong is named") {
  noise random(3);
  game_batch<> games(16);
  for (int i = 0; i < 200; ++i) games.add(random_margins(16, game_kind::continuous, random));
  const scores expected = score(games);
  scores r(200, 16);
  thread_pool pool(3);
  cpu exec = r.exec();
  exec.pool = pool;
  check(tournament_scores(exec, games.view(), r.out()));
  CHECK((r.borda == expected.borda && r.copeland == expected.copeland && r.condorcet == expected.condorcet));
  covers("tournament_scores", "threads");
  const auto in = games.view();
  const auto out = r.out();
  exec.pool = {};
  const long before = allocation_count();
  const status s = tournament_scores(exec, in, out);
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  covers("tournament_scores", "allocation");
  const auto refused = [&](errc code, const char* argument, auto change) {
    auto changed = games.view();
    auto to = r.out();
    change(changed, to);
    const status st = tournament_scores(r.exec(), changed, to);
    INFO(message(st).c_str() << " expected for " << argument);
    CHECK(st.code == code);
    CHECK(std::string(st.argument) == argument);
  };
  const double reference[16] = {};
  refused(errc::missing_output, "outputs", [](auto&, auto& to) { to = {}; });
  refused(errc::bad_extent, "borda", [](auto&, auto& to) { to.borda.extent[1] = 2; });
  refused(errc::overlap, "borda", [](auto&, auto& to) { to.borda = to.copeland; });
  refused(errc::unused_input, "reference", [&](auto& g, auto&) { g.reference = {reference, 200, 16, 0, 1}; });
  games.preference[5] = 2;
  refused(errc::bad_label, "preference", [](auto&, auto&) {});
  covers("tournament_scores", "bad-argument");
}
