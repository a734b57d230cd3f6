// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/random.hpp>
#include <prefer/game/minimax_winner.hpp>
#include <prefer/game/regularized_equilibrium.hpp>
#include <prefer/game/tournament_scores.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

// Exact answers on one thread: batches of small games, large games. With --game=FILE the winner of that game instead:
// doubles, row after row, as many as make a square.
namespace {

// Independent uniform preferences: of a game of n actions about n / 2 are played.
std::vector<double> random_games(std::int64_t games, std::int64_t n) {
  std::vector<double> p(static_cast<std::size_t>(games * n * n), 0.5);
  for (std::int64_t b = 0; b < games; ++b)
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < i; ++j) {
        const double x = prefer::to_uniform(
            prefer::draw_pair(1, static_cast<std::uint64_t>(b), static_cast<std::uint64_t>(i * n + j)).first);
        p[static_cast<std::size_t>((b * n + i) * n + j)] = x;
        p[static_cast<std::size_t>((b * n + j) * n + i)] = 1 - x;
      }
  return p;
}

std::vector<double> read_game(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<double> p(static_cast<std::size_t>(file.tellg()) / sizeof(double));
  file.seekg(0).read(reinterpret_cast<char*>(p.data()), static_cast<std::streamsize>(p.size() * sizeof(double)));
  return p;
}

void winners(benchmark::State& state, const std::vector<double>& preference, std::int64_t games, std::int64_t n) {
  std::vector<double> probability(static_cast<std::size_t>(games * n)), gap(static_cast<std::size_t>(games));
  std::vector<std::int64_t> pivots(gap.size());
  std::vector<std::byte> scratch(prefer::minimax_winner_workspace(prefer::cpu{}, games, n));
  for (auto _ : state)
    prefer::check(prefer::minimax_winner(prefer::cpu{.workspace = {scratch.data(), scratch.size()}},
                                         {.preference = {preference.data(), games, n, n}}, {},
                                         {.probability = {probability.data(), games, n},
                                          .exploitability = {gap.data(), games},
                                          .pivots = {pivots.data(), games}}));
  double worst = 0, sum = 0;
  for (double x : gap) worst = x > worst ? x : worst;
  for (std::int64_t x : pivots) sum += static_cast<double>(x);
  state.SetItemsProcessed(state.iterations() * games);
  state.counters["gap"] = worst;
  state.counters["pivots"] = sum / static_cast<double>(games);
}

void minimax_winner(benchmark::State& state) {
  const std::int64_t n = state.range(0), games = n <= 64 ? 1000 : 1;
  winners(state, random_games(games, n), games, n);
}

void regularized_equilibrium(benchmark::State& state) {
  const std::int64_t n = state.range(0), games = n <= 64 ? 100 : 1;
  const double tau = 1 / static_cast<double>(state.range(1));
  const auto preference = random_games(games, n);
  std::vector<double> policy(static_cast<std::size_t>(games * n));
  std::vector<std::byte> scratch(prefer::regularized_equilibrium_workspace(prefer::cpu{}, games, n));
  for (auto _ : state)
    prefer::check(prefer::regularized_equilibrium(prefer::cpu{.workspace = {scratch.data(), scratch.size()}},
                                                  {.preference = {preference.data(), games, n, n}}, tau, {},
                                                  {.policy = {policy.data(), games, n}}));
  state.SetItemsProcessed(state.iterations() * games);
}

void tournament_scores(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const auto preference = random_games(1, n);
  std::vector<double> copeland(static_cast<std::size_t>(n)), borda(copeland);
  std::vector<std::byte> scratch(prefer::tournament_scores_workspace(prefer::cpu{}, 1, n));
  for (auto _ : state)
    prefer::check(prefer::tournament_scores(prefer::cpu{.workspace = {scratch.data(), scratch.size()}},
                                            {.preference = {preference.data(), 1, n, n}},
                                            {.copeland = {copeland.data(), 1, n}, .borda = {borda.data(), 1, n}}));
  state.SetItemsProcessed(state.iterations());
}

}  // namespace

BENCHMARK(minimax_winner)->Arg(4)->Arg(16)->Arg(64)->Arg(256)->Arg(1000)->Unit(benchmark::kMillisecond);
BENCHMARK(regularized_equilibrium)
    ->Args({4, 10})
    ->Args({16, 10})
    ->Args({64, 10})
    ->Args({64, 1000})
    ->Args({256, 10})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(tournament_scores)->Arg(64)->Arg(1000)->Unit(benchmark::kMicrosecond);

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  constexpr std::string_view option = "--game=";
  if (argc == 2 && std::string_view(argv[1]).substr(0, option.size()) == option) {
    const auto game = read_game(argv[1] + option.size());
    std::int64_t n = 0;
    while ((n + 1) * (n + 1) <= static_cast<std::int64_t>(game.size())) ++n;
    benchmark::RegisterBenchmark("file", [&](benchmark::State& state) {
      winners(state, game, 1, n);
    })->Unit(benchmark::kMillisecond);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
  }
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
