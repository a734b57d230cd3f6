// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/select/balanced_bins.hpp>
#include <prefer/select/extremes.hpp>
#include <prefer/select/hierarchical_comparator.hpp>
#include <prefer/select/normalized_ranks.hpp>
#include <prefer/select/pair_filters.hpp>
#include <prefer/select/parrot.hpp>
#include <prefer/select/queries.hpp>
#include <prefer/select/refinement.hpp>
#include <prefer/select/top.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

// Selections from a million samples on one thread, in groups of different sizes; an item is a sample. Beside them what
// one would write by hand: std::max_element per group, std::nth_element over a copy.
namespace {

constexpr std::int64_t n = std::int64_t{1} << 20;

struct samples {
  std::vector<float> score, other;
  std::vector<std::uint8_t> mask, out;
  std::vector<std::int32_t> first, second;
  std::vector<float> number;
  std::vector<double> distance;
  std::vector<std::int64_t> index;

  samples() : score(n), other(n), mask(n), out(n), first(n), second(n), number(n), distance(n), index(n) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < score.size(); ++i) {
      score[i] = normal(random), other[i] = normal(random), mask[i] = random() % 4 == 0;
      first[i] = static_cast<std::int32_t>(random() % (n / 4)),
      second[i] = static_cast<std::int32_t>(random() % (n / 4));
    }
  }
};

using call = std::function<void(samples&)>;

void add(const std::string& name, const call& run) {
  benchmark::RegisterBenchmark(name.c_str(), [run](benchmark::State& state) {
    samples s;
    for (auto _ : state) run(s);
    state.SetItemsProcessed(state.iterations() * n);
  })->Unit(benchmark::kMillisecond);
}

void add_groups(std::int64_t size) {
  const std::string shape = "/size:" + std::to_string(size);
  add("best_of_n" + shape, [=](samples& s) {
    prefer::check(prefer::select(prefer::cpu{}, prefer::select_top{},
                                 {.score = {s.score.data(), n}, .groups = {.size = size}},
                                 {.mask = {s.out.data(), n}}));
  });
  add("best_of_n_by_hand" + shape, [=](samples& s) {
    std::fill(s.out.begin(), s.out.end(), std::uint8_t{0});
    for (auto at = s.score.begin(); at != s.score.end(); at += size)
      s.out[static_cast<std::size_t>(std::max_element(at, at + size) - s.score.begin())] = 1;
    benchmark::DoNotOptimize(s.out.data());
  });
  for (const std::int64_t keep : {4, 100})
    if (keep < size)
      add("top:" + std::to_string(keep) + shape, [=](samples& s) {
        prefer::check(prefer::select(prefer::cpu{}, prefer::select_top{.count = keep},
                                     {.score = {s.score.data(), n}, .groups = {.size = size}},
                                     {.mask = {s.out.data(), n}}));
      });
  if (size > 100)
    add("top:100_by_hand" + shape, [=](samples& s) {
      s.number = s.score;
      for (auto at = s.number.begin(); at != s.number.end(); at += size)
        std::nth_element(at, at + 99, at + size, std::greater<>());
      for (std::size_t i = 0; i < s.out.size(); ++i)
        s.out[i] = s.score[i] >= s.number[i / static_cast<std::size_t>(size) * static_cast<std::size_t>(size) + 99];
      benchmark::DoNotOptimize(s.out.data());
    });
  add("extreme_pairs" + shape, [=](samples& s) {
    prefer::check(prefer::select_pairs(prefer::cpu{}, {}, {.score = {s.score.data(), n}, .groups = {.size = size}},
                                       {.chosen = {s.index.data(), n / size}}));
  });
  add("normalized_ranks" + shape, [=](samples& s) {
    std::vector<char> memory(prefer::normalized_ranks_workspace(prefer::cpu{}, n));
    prefer::check(prefer::normalized_ranks(prefer::cpu{.workspace = {memory.data(), memory.size()}},
                                           {.score = {s.score.data(), n}, .groups = {.size = size}},
                                           {.normalized = {s.number.data(), n}}));
  });
  if (size > 100)
    add("balanced_bins:10x10" + shape, [=](samples& s) {
      prefer::check(prefer::resample_bins(prefer::cpu{}, {.per_bin = 10},
                                          {.score = {s.score.data(), n}, .groups = {.size = size}},
                                          {.indices = {s.index.data(), n / size * 100}}));
    });
  add("parrot" + shape, [=](samples& s) {
    prefer::check(prefer::parrot_weights(
        prefer::cpu{}, {.rewards = {s.score.data(), n, 1}, .mask = {s.mask.data(), n}, .groups = {.size = size}},
        {.weight = {s.number.data(), n}}));
  });
}

}  // namespace

int main(int argc, char** argv) {
  for (const std::int64_t size : {std::int64_t{8}, std::int64_t{256}, n}) add_groups(size);
  add("curate_pairs", [](samples& s) {
    prefer::check(prefer::curate(prefer::cpu{}, {}, {.chosen = {s.score.data(), n}, .rejected = {s.other.data(), n}},
                                 {.confidence = {s.number.data(), n}}));
  });
  add("query_scores/models:4", [](samples& s) {
    prefer::check(prefer::query_scores(prefer::cpu{}, {.first = {s.score.data(), 4, n / 4}},
                                       {.disagreement = {s.number.data(), n / 4}}));
  });
  add("compare_hierarchically/factors:4", [](samples& s) {
    prefer::check(prefer::compare_hierarchically(
        prefer::cpu{},
        {.factors = {s.score.data(), n / 4, 4}, .first = {s.first.data(), n}, .second = {s.second.data(), n}},
        {.label = {s.number.data(), n}}));
  });
  add("k_center:16/features:16", [](samples& s) {
    prefer::check(prefer::select_centers(prefer::cpu{}, {.count = 16}, {.features = {s.score.data(), n / 16, 16}},
                                         {.centers = {s.index.data(), 16}, .distance = {s.distance.data(), n / 16}}));
  });
  add("majority_vote/judges:5", [](samples& s) {
    prefer::check(prefer::majority_vote(prefer::cpu{}, {.votes = {s.mask.data(), n / 5, 5}},
                                        {.label = {s.number.data(), n / 5}}));
  });
  add("hierarchical_margins/factors:4", [](samples& s) {
    std::vector<char> memory(prefer::hierarchical_margins_workspace(4));
    prefer::check(prefer::hierarchical_margins(prefer::cpu{.workspace = {memory.data(), memory.size()}}, {},
                                               {.factors = {s.score.data(), n / 4, 4}},
                                               {.margins = {s.number.data(), 4}}));
  });
  add("refinement", [](samples& s) {
    std::fill(s.first.begin(), s.first.end(), 0);
    prefer::check(prefer::refine_step(prefer::cpu{}, prefer::refinement{}, {.score = {s.score.data(), n}},
                                      {.round = {s.first.data(), n},
                                       .accepted = {s.distance.data(), n},
                                       .best = {s.number.data(), n},
                                       .best_round = {s.second.data(), n}},
                                      {.action = {s.out.data(), n}}));
  });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
