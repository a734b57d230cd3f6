// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/levels.hpp"

#include <prefer/core/random.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/rank/bradley_terry_fit.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

// Fitting on the graphs that separate methods: full, a chain (each item met its neighbour only), and sparse random
// ones. With --graph=FILE on that graph instead: the number of items, then lines "first second first_wins second_wins".
namespace {

struct graph {
  std::int64_t items;
  std::vector<std::int32_t> first, second;
  std::vector<double> first_wins, second_wins;

  // About `games` games between items whose ratings are normal, each outcome expected rather than drawn, and at least a
  // tenth of a win for either side.
  void add(std::int64_t i, std::int64_t j, double difference, double games) {
    const double p = 1 / (1 + std::exp(-difference));
    first.push_back(static_cast<std::int32_t>(i)), second.push_back(static_cast<std::int32_t>(j));
    first_wins.push_back(0.1 + games * p), second_wins.push_back(0.1 + games * (1 - p));
  }
  prefer::comparisons<prefer::space::host> view() const {
    const auto n = static_cast<std::int64_t>(first.size());
    return {.items = items,
            .first = {first.data(), n},
            .second = {second.data(), n},
            .first_wins = {first_wins.data(), n},
            .second_wins = {second_wins.data(), n}};
  }
};

double uniform(std::uint64_t stream, std::uint64_t index) {
  return prefer::to_uniform(prefer::draw_pair(1, stream, index).first);
}

graph full(std::int64_t n) {
  graph g{n, {}, {}, {}, {}};
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j)
      g.add(i, j, 4 * (uniform(1, static_cast<std::uint64_t>(i)) - uniform(1, static_cast<std::uint64_t>(j))), 3);
  return g;
}
graph chain(std::int64_t n) {
  graph g{n, {}, {}, {}, {}};
  for (std::int64_t i = 1; i < n; ++i) g.add(i, i - 1, 2 * uniform(2, static_cast<std::uint64_t>(i)) - 0.5, 10);
  return g;
}
graph sparse(std::int64_t n, std::int64_t edges) {
  graph g = chain(n);
  for (std::int64_t e = n; e < edges; ++e) {
    const auto i = static_cast<std::int64_t>(uniform(3, static_cast<std::uint64_t>(e)) * static_cast<double>(n));
    const auto j = static_cast<std::int64_t>(uniform(4, static_cast<std::uint64_t>(e)) * static_cast<double>(n));
    if (i != j) g.add(i, j, 2 * uniform(5, static_cast<std::uint64_t>(e)) - 1, 5);
  }
  return g;
}

graph read(const std::string& path) {
  graph g{0, {}, {}, {}, {}};
  std::ifstream file(path);
  file >> g.items;
  std::int32_t i, j;
  for (double a, b; file >> i >> j >> a >> b;)
    g.first.push_back(i), g.second.push_back(j), g.first_wins.push_back(a), g.second_wins.push_back(b);
  return g;
}

void fit(benchmark::State& state, const graph& g, int threads) {
  const prefer::bradley_terry_fit model{};
  const auto data = g.view();
  std::vector<std::byte> scratch(prefer::fit_bradley_terry_workspace(prefer::cpu{}, model, data));
  std::vector<double> ratings(static_cast<std::size_t>(g.items));
  prefer::thread_pool pool(threads);
  double gradient = 0;
  std::int64_t sweeps = 0, newton = 0, cg = 0;
  for (auto _ : state)
    prefer::check(prefer::fit_bradley_terry({.pool = pool, .workspace = {scratch.data(), scratch.size()}}, model, data,
                                            {.ratings = {ratings.data(), g.items},
                                             .gradient = {&gradient, 1},
                                             .sweeps = {&sweeps, 1},
                                             .newton_steps = {&newton, 1},
                                             .cg_iterations = {&cg, 1}}));
  state.counters["gradient"] = gradient;
  state.counters["sweeps"] = static_cast<double>(sweeps);
  state.counters["newton"] = static_cast<double>(newton);
  state.counters["cg"] = static_cast<double>(cg);
}

void add(const std::string& name, const std::function<graph()>& make) {
  for (const int threads : {1, 2})
    benchmark::RegisterBenchmark(("bradley_terry_fit/" + name + "/threads:" + std::to_string(threads)).c_str(),
                                 [make, threads](benchmark::State& state) { fit(state, make(), threads); })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  constexpr std::string_view option = "--graph=";
  if (argc == 2 && std::string_view(argv[1]).substr(0, option.size()) == option) {
    const std::string path = argv[1] + option.size();
    add("file", [path] { return read(path); });
    benchmark::RunSpecifiedBenchmarks();
    return 0;
  }
  add("full:100", [] { return full(100); });
  add("full:1000", [] { return full(1000); });
  add("chain:100", [] { return chain(100); });
  add("chain:1000", [] { return chain(1000); });
  add("sparse:10000x50000", [] { return sparse(10000, 50000); });
  add("sparse:100000x1000000", [] { return sparse(100000, 1000000); });
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
