// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/aggregate/criteria.hpp>
#include <prefer/reward/assignment.hpp>
#include <prefer/reward/box_product.hpp>
#include <prefer/reward/box_similarity.hpp>
#include <prefer/reward/count_bonus.hpp>
#include <prefer/reward/critique.hpp>
#include <prefer/reward/matched_criteria.hpp>
#include <prefer/reward/set_overlap.hpp>
#include <prefer/reward/tolerance.hpp>
#include <prefer/reward/trust_weight.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

// Rewards of columns of a million items beside the probe (float; an item is a row), rules for criteria of 512K samples
// with 4 scores (an item is a score), and, without a probe, what is bound by arithmetic: sets, boxes, assignments.
namespace {

constexpr std::int64_t n = std::int64_t{1} << 20;

template <class Call>
void add_columns(const std::string& name, int inputs, std::int64_t items, const Call& call) {
  for (const prefer::isa level : bench::levels())
    benchmark::RegisterBenchmark((name + "/" + bench::name_of(level)).c_str(),
                                 [=](benchmark::State& state) {
                                   bench::arrays<float> a(inputs + 1, items, bench::spacing::odd);
                                   for (int k = 0; k < inputs; ++k)
                                     for (std::int64_t i = 0; i < items; ++i)
                                       a[k][i] = static_cast<float>((i * (k + 3)) % 7 + 1) / 8;
                                   bench::beside_probe(state, {level, 1}, a, inputs, 1, items, items, 0,
                                                       [&](const prefer::cpu& exec) { return call(exec, a); });
                                 })
        ->Iterations(1)
        ->UseManualTime();
}

template <class Rule>
void add_criteria(const std::string& name, const Rule& rule) {
  constexpr std::int64_t samples = n / 2;
  for (const prefer::isa level : bench::levels())
    benchmark::RegisterBenchmark(
        (name + "/" + bench::name_of(level)).c_str(),
        [=](benchmark::State& state) {
          bench::arrays<float> a(5, samples, bench::spacing::odd);
          for (std::int64_t i = 0; i < 4 * samples; ++i) a[0][i] = static_cast<float>(i % 13 + 1) / 16;
          bench::beside_probe(state, {level, 1}, a, 4, 1, samples, 4 * samples, 0, [&](const prefer::cpu& exec) {
            return prefer::aggregate(exec, rule, {.rewards = {a[0], samples, 4}}, {.aggregate = {a[4], samples}});
          });
        })
        ->Iterations(1)
        ->UseManualTime();
}

// Runs call() and counts `items` a time.
void add(const std::string& name, std::int64_t items, const std::function<prefer::status()>& call) {
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    for (auto _ : state) prefer::check(call());
    state.SetItemsProcessed(state.iterations() * items);
  })->Unit(benchmark::kMillisecond);
}

std::vector<float> numbers(std::int64_t count) {
  std::vector<float> x(static_cast<std::size_t>(count));
  std::mt19937 random(1);
  for (float& v : x) v = std::uniform_real_distribution<float>()(random);
  return x;
}

void add_assignments(std::int64_t size) {
  const std::int64_t batch = std::max<std::int64_t>(1, (std::int64_t{1} << 18) / (size * size));
  add("assignment/size:" + std::to_string(size), batch,
      [=, score = numbers(batch * size * size),
       reward = std::vector<float>(static_cast<std::size_t>(batch))]() mutable {
        return prefer::assignments(prefer::cpu{}, {}, {.score = {score.data(), batch, size, size}},
                                   {.reward = {reward.data(), batch}});
      });
}

}  // namespace

int main(int argc, char** argv) {
  using exec = const prefer::cpu&;
  using arrays = bench::arrays<float>&;
  add_columns("tolerance_reward", 3, n, [](exec e, arrays a) {
    return prefer::tolerance_rewards(e, {}, {.answer = {a[0], n}, .target = {a[1], n}, .format = {a[2], n}},
                                     {.reward = {a[3], n}});
  });
  add_columns("critique_reward", 3, n, [](exec e, arrays a) {
    return prefer::critique_rewards(e, {}, {.judgement = {a[0], n}, .before = {a[1], n}, .after = {a[2], n}},
                                    {.reward = {a[3], n}});
  });
  add_columns("count_bonus", 3, n, [](exec e, arrays a) {
    return prefer::count_bonuses(e, {}, {.intrinsic = {a[0], n}, .count = {a[1], n}, .external = {a[2], n}},
                                 {.reward = {a[3], n}});
  });
  add_columns("trust_weight", 1, n, [](exec e, arrays a) {
    return prefer::trust_weights(e, {}, {.uncertainty = {a[0], n}}, {.weight = {a[1], n}});
  });
  add_columns("feature_uncertainty/16", 16, n / 16, [](exec e, arrays a) {
    return prefer::feature_uncertainty(e, {.features = {a[0], n / 16, 16}}, {.uncertainty = {a[16], n / 16}});
  });
  add_columns("box_product/groups:8", 4, n / 4, [](exec e, arrays a) {
    return prefer::box_products(e, {}, {.rewards = {a[0], n / 4, 4}, .groups = {.size = 8}}, {.reward = {a[4], n / 4}});
  });
  add_criteria("min_geometric", prefer::min_geometric{.block_begins = 0b0101});
  add_criteria("rubric", prefer::rubric{.critical = 0b1000, .threshold = 0.2, .saturation = 2.0});
  add("set_overlap/16", n / 16, [flags = std::vector<std::uint8_t>(n, 1), to = std::vector<float>(n / 16)]() mutable {
    return prefer::set_rewards(prefer::cpu{}, {},
                               {.found = {flags.data(), n / 16, 16}, .truth = {flags.data(), n / 16, 16}},
                               {.reward = {to.data(), n / 16}});
  });
  add("box_similarity/8x8", n, [boxes = numbers(n / 2), to = std::vector<float>(n)]() mutable {
    constexpr std::int64_t batch = n / 64;
    return prefer::box_similarities(prefer::cpu{}, {},
                                    {.predicted = {boxes.data(), batch, 8, 4}, .target = {boxes.data(), batch, 8, 4}},
                                    {.score = {to.data(), batch, 8, 8}});
  });
  add("matched_criteria/8x8", n / 64,
      [quality = numbers(n), partner = std::vector<int>(n / 8, 3), to = std::vector<float>(n / 64)]() mutable {
        constexpr std::int64_t batch = n / 64;
        return prefer::matched_rewards(
            prefer::cpu{}, {}, {.quality = {quality.data(), batch, 8, 8}, .column_of = {partner.data(), batch, 8}},
            {.reward = {to.data(), batch}});
      });
  for (const std::int64_t size : {4, 8, 16, 64, 256, 1024}) add_assignments(size);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
