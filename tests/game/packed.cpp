// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/game/duality_gap.hpp>
#include <prefer/game/minimax_winner.hpp>
#include <prefer/game/preference.hpp>
#include <prefer/game/regularized_equilibrium.hpp>
#include <prefer/game/self_play.hpp>
#include <prefer/game/tournament_scores.hpp>
#include <prefer/game/validate.hpp>
#include <game/packed_games.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <string>

// Games of different sizes, one behind the other: every call gives each the answer that it has by itself, to the last
// bit, and writes nothing between them.
using namespace prefer;
using prefer_test::packed_games;
using numbers = std::vector<double>;

namespace {

struct on_host {
  std::vector<std::byte> memory;
  cpu exec;
  on_host(std::size_t bytes, task_runner pool = {}) : memory(bytes), exec{.pool = pool} {
    exec.workspace = {memory.data(), memory.size()};
  }
};

// call(exec, games, column, value) writes a number per action and one per game; bytes(batch, n) is its workspace.
template <class Bytes, class Call>
void same_alone(const packed_games& g, Bytes bytes, Call call) {
  for (int threads : {1, 3}) {
    thread_pool pool(threads);
    on_host all(bytes(g.count(), g.largest), pool);
    numbers column(g.reference.size(), 7), value(g.sizes.size(), 7);
    const view<double, 2, space::host> columns(column.data(), 1, g.actions());
    const long before = prefer_test::allocation_count();
    const status s = call(all.exec, g.view(), columns, value.data());
    CHECK(prefer_test::allocation_count() == before);
    INFO(message(s).text);
    CHECK(s.ok());
    std::vector<numbers> one(g.sizes.size());
    for (std::size_t b = 0; b < one.size(); ++b) {
      on_host single(bytes(1, g.sizes[b]));
      one[b].resize(static_cast<std::size_t>(g.sizes[b]));
      double own = 0;
      const view<double, 2, space::host> out(one[b].data(), 1, g.sizes[b]);
      check(call(single.exec, g.alone(b), out, &own));
      CHECK(value[b] == own);
    }
    g.each_place([&](std::size_t place, std::int64_t b, std::int64_t i) {
      INFO("game ", b, ", action ", i);
      const double expected = b < 0 ? 7 : one[static_cast<std::size_t>(b)][static_cast<std::size_t>(i)];
      CHECK(column[place] == expected);
    });
  }
}
std::size_t play_bytes(std::int64_t batch, std::int64_t n) { return game_workspace(batch, n); }
std::int64_t batch_of(const games<space::host>& in) {
  return in.packed.offsets.data != nullptr ? in.packed.offsets.extent[0] - 1 : 1;
}

// Sizes around lanes, a copied table's and one that is read in place; an action that cannot be played.
packed_games some_games() {
  packed_games g({3, 1, 9, 140, 8, 2, 17, 33});
  g.possible[static_cast<std::size_t>(g.offsets[2] + 4)] = false;
  for (std::int64_t j = 0; j < 9; ++j) g.at(2, 4, j) = g.at(2, j, 4) = std::nan("");
  return g;
}

}  // namespace

TEST_CASE("self_play: packed games are played as each by itself, bit for bit; last policies, averages and starts") {
  const packed_games g = some_games();
  for (const bool average : {false, true})
    same_alone(g, play_bytes, [&](const cpu& exec, const auto& in, const auto& column, double* gap) {
      play_outputs<space::host> out = {.gap = {gap, batch_of(in)}};
      (average ? out.average : out.policy) = column;
      play_options<space::host> how = {.max_iterations = 40};
      if (average) how.start = in.reference;
      return self_play(exec, extragradient{.temperature = 0.2}, in, how, out);
    });
  prefer_test::covers("extragradient", "sizes");
}

TEST_CASE("duality_gap: packed policies are measured as each by itself") {
  const packed_games g = some_games();
  for (const double tau : {0.0, 0.3})
    for (const bool wins : {false, true})
      same_alone(g, play_bytes, [&](const cpu& exec, const auto& in, const auto& column, double* gap) {
        gap_outputs<space::host> out = {.gap = {gap, batch_of(in)}};
        (wins ? out.wins : out.response) = column;
        return duality_gap(exec, in, in.reference, tau, out);
      });
}

TEST_CASE("exact answers and scores: packed games have those that each has by itself") {
  packed_games g = some_games();
  const auto without_reference = [](games<space::host> in) {
    in.reference = {};
    return in;
  };
  same_alone(
      g, [](std::int64_t batch, std::int64_t n) { return minimax_winner_workspace(cpu{}, batch, n); },
      [&](const cpu& exec, const auto& in, const auto& column, double* gap) {
        return minimax_winner(exec, without_reference(in), {},
                              {.probability = column, .exploitability = {gap, batch_of(in)}});
      });
  same_alone(
      g, [](std::int64_t batch, std::int64_t n) { return regularized_equilibrium_workspace(cpu{}, batch, n); },
      [&](const cpu& exec, const auto& in, const auto& column, double* gap) {
        return regularized_equilibrium(exec, in, 0.1, {}, {.policy = column, .gap = {gap, batch_of(in)}});
      });
  for (const bool borda : {false, true})
    same_alone(
        g, [](std::int64_t batch, std::int64_t n) { return tournament_scores_workspace(cpu{}, batch, n); },
        [&](const cpu& exec, const auto& in, const auto& column, double* winner) {
          std::int64_t condorcet[8] = {};
          tournament_outputs<space::host> out = {.condorcet = {condorcet, batch_of(in)}};
          (borda ? out.borda : out.copeland) = column;
          const status s = tournament_scores(exec, without_reference(in), out);
          for (std::int64_t b = 0; b < batch_of(in); ++b) winner[b] = static_cast<double>(condorcet[b]);
          return s;
        });
}

TEST_CASE("tables: packed ones are made as each by itself, from tables, counts, scores and answers") {
  const packed_games g({3, 1, 9, 40, 2});
  const auto same = [&](auto call) {
    numbers out(g.preference.size(), 7), seen(out.size(), 7);
    check(call(view<const double, 3, space::host>(g.preference.data(), 1, 1, g.entries()),
               view<const double, 2, space::host>(g.reference.data(), 1, g.actions()),
               view<double, 3, space::host>(out.data(), 1, 1, g.entries()), g.packing()));
    for (std::size_t b = 0; b < g.sizes.size(); ++b) {
      const std::int64_t n = g.sizes[b];
      check(call(view<const double, 3, space::host>(g.preference.data() + g.tables[b], 1, n, n),
                 view<const double, 2, space::host>(g.reference.data() + g.offsets[b], 1, n),
                 view<double, 3, space::host>(seen.data() + g.tables[b], 1, n, n), game_packing<space::host>{}));
    }
    CHECK(out == seen);
    CHECK(out[0] == 7);
  };
  same([](const auto& tables, const auto&, const auto& out, const auto& packed) {
    return antisymmetrize(cpu{}, tables, out, packed);
  });
  same([](const auto& tables, const auto&, const auto& out, const auto& packed) {
    return preference_from_counts(cpu{}, tables, 0.5, out, packed);
  });
  same([](const auto&, const auto& scores, const auto& out, const auto& packed) {
    return preference_from_scores(cpu{}, scores, 2, out, packed);
  });
  same([](const auto&, const auto&, const auto& out, const auto& packed) {
    return preference_from(
        cpu{}, [](std::int64_t, std::int64_t i, std::int64_t j) { return 1 / static_cast<double>(1 + i + j); }, out,
        packed);
  });
}

TEST_CASE("two packed games may share a table, and elements may be apart") {
  packed_games g({4, 4});
  g.tables[0] = g.tables[1];
  std::vector<double> wide(2 * g.preference.size(), std::nan("")), winner(2 * g.reference.size(), 7);
  for (std::size_t k = 0; k < g.preference.size(); ++k) wide[2 * k] = g.preference[k];
  auto in = g.view();
  in.preference = {wide.data(), 1, 1, g.entries(), 0, 0, 2}, in.reference = {};
  on_host all(minimax_winner_workspace(cpu{}, 2, 4));
  check(minimax_winner(all.exec, in, {}, {.probability = {winner.data(), 1, g.actions(), 0, 2}}));
  double sum = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto first = static_cast<std::size_t>(2 * g.offsets[0]) + 2 * i;
    CHECK(winner[first] == winner[first + 8]);
    CHECK(winner[first + 1] == 7);
    sum += winner[first];
  }
  CHECK(sum == doctest::Approx(1).epsilon(1e-14));
}

TEST_CASE("what is wrong with packed games is named by validate_games and by every call, and nothing is written") {
  const packed_games good({3, 1, 4});
  numbers policy(good.reference.size(), 7);
  const auto refused = [&](errc code, const char* argument, std::int64_t index, auto change) {
    packed_games g({3, 1, 4});
    auto in = g.view();
    change(g, in);
    on_host m(1 << 16);
    view<double, 2, space::host> out(policy.data(), 1, good.actions());
    auto free = in;
    free.reference = {};
    double gap[3];
    const auto is = [&](const status& s) {
      INFO(message(s).text);
      CHECK((s.code == code && std::string(s.argument) == argument && s.index == index));
    };
    is(validate_games(cpu{}, in, {}));
    is(validate_games(cpu{.content = content::none}, in, {}));
    is(self_play(m.exec, extragradient{}, in, {}, {.policy = out}));
    is(duality_gap(m.exec, in, {policy.data(), 1, good.actions()}, 0.1, {.gap = {gap, 3}}));
    is(regularized_equilibrium(m.exec, in, 0.1, {}, {.policy = out}));
    if (std::string(argument) != "reference") {
      is(minimax_winner(m.exec, free, {}, {.probability = out}));
      is(tournament_scores(m.exec, free, {.borda = out}));
    }
    CHECK(policy == numbers(good.reference.size(), 7));
  };
  const auto place = [&](std::size_t b, std::int64_t i, std::int64_t j) {
    return good.tables[b] + i * good.sizes[b] + j;
  };
  refused(errc::bad_offsets, "packed.offsets", 0, [](auto& g, auto&) { g.offsets[0] = -1; });
  refused(errc::bad_offsets, "packed.offsets", 1, [](auto& g, auto&) { g.offsets[2] = g.offsets[1]; });
  refused(errc::bad_offsets, "packed.offsets", 0, [](auto& g, auto&) { g.offsets[1] = g.offsets[0] + 5; });
  refused(errc::bad_offsets, "packed.offsets", 2, [](auto& g, auto&) { g.offsets[3] = g.offsets[3] + 2; });
  refused(errc::bad_offsets, "packed.offsets", 2, [](auto&, auto& in) { in.packed.largest = 3; });
  refused(errc::bad_offsets, "packed.tables", 1, [](auto& g, auto&) { g.tables[1] = -1; });
  refused(errc::bad_offsets, "packed.tables", 2, [](auto& g, auto&) { g.tables[2] = g.entries() - 15; });
  refused(errc::bad_label, "preference", place(2, 1, 3), [](auto& g, auto&) { g.at(2, 1, 3) = 1.5; });
  refused(errc::not_a_number, "preference", place(0, 2, 1), [](auto& g, auto&) { g.at(0, 2, 1) = std::nan(""); });
  refused(errc::not_a_number, "reference", 5, [](auto& g, auto&) { g.reference[5] = std::nan(""); });
  refused(errc::unused_input, "actions", -1, [](auto&, auto& in) {
    static const std::int32_t sizes[] = {3, 1, 4};
    in.actions = {sizes, 3};
  });
  refused(errc::bad_extent, "preference", -1, [](auto&, auto& in) { in.preference.extent[0] = 3; });
  refused(errc::bad_extent, "possible", -1, [](auto&, auto& in) { in.possible.extent[1] -= 1; });
  refused(errc::bad_extent, "packed.tables", -1, [](auto&, auto& in) { in.packed.tables.extent[0] = 2; });
  refused(errc::bad_extent, "packed.largest", -1, [](auto&, auto& in) { in.packed.largest = 0; });
  refused(errc::bad_parameter, "packed.actions", -1, [](auto&, auto& in) { in.packed.actions = -1; });
  refused(errc::null_data, "packed.offsets", -1, [](auto&, auto& in) { in.packed.offsets.data = nullptr; });
  numbers start = good.reference;
  start[4] = HUGE_VAL;
  const status s = validate_games(cpu{}, good.view(), {start.data(), 1, good.actions()});
  CHECK((s.code == errc::bad_label && std::string(s.argument) == "policy" && s.index == 4));
  CHECK(validate_games(cpu{}, good.view(), {good.reference.data(), 1, good.actions()}).ok());
}
