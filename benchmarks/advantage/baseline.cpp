// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/advantage/baseline.hpp>
#include <prefer/advantage/token_baseline.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// Advantages against baselines: 512K scores (float) in groups of one size, up to one group of all. An item of the table
// is one score; the offsets are not counted as bytes. Then the baselines of positions: an item is one of 512K tokens,
// in groups of 8 responses.
namespace {

constexpr std::int64_t scores = std::int64_t{1} << 19;

template <class Rule>
void sweep(const char* name, const Rule& rule) {
  for (const prefer::isa level : bench::levels())
    for (const std::int64_t size : {std::int64_t{8}, std::int64_t{64}, std::int64_t{4096}, scores})
      benchmark::RegisterBenchmark(
          (std::string(name) + "/" + bench::name_of(level) + "/group:" + std::to_string(size)).c_str(),
          [=](benchmark::State& state) {
            bench::arrays<float> a(3, scores, bench::spacing::odd);
            std::vector<std::int32_t> offsets;
            for (std::int64_t at = 0; at <= scores; at += size) offsets.push_back(static_cast<std::int32_t>(at));
            for (std::int64_t i = 0; i < scores; ++i)
              a[0][i] = static_cast<float>(i * 7919 % 1009) / 1009, a[1][i] = static_cast<float>(i % 97 + 1);
            prefer::baseline_inputs<prefer::space::host> in{
                .score = {a[0], scores}, .offsets = {offsets.data(), static_cast<std::int64_t>(offsets.size())}};
            if (Rule::reads_weight) in.weight = {a[1], scores};
            bench::beside_probe(state, {level, 1}, a, Rule::reads_weight ? 2 : 1, 1, scores, scores, 0,
                                [&](const prefer::cpu& exec) {
                                  return prefer::baseline_advantages(exec, rule, in, {.advantage = {a[2], scores}});
                                });
          })
          ->Iterations(1)
          ->UseManualTime();
}

// Energies given; with rewards of tokens, or scores of responses alone.
void sweep_tokens(std::int64_t length, bool rewarded) {
  for (const prefer::isa level : bench::levels())
    benchmark::RegisterBenchmark(
        (std::string("token_baseline/") + bench::name_of(level) + "/length:" + std::to_string(length) +
         (rewarded ? "/rewards" : "/scores"))
            .c_str(),
        [=](benchmark::State& state) {
          bench::arrays<float> a(4, scores, bench::spacing::odd);
          std::vector<std::int32_t> offsets, groups;
          for (std::int64_t at = 0; at <= scores; at += length) offsets.push_back(static_cast<std::int32_t>(at));
          const auto n = static_cast<std::int64_t>(offsets.size()) - 1;
          for (std::int64_t at = 0; at <= n; at += 8) groups.push_back(static_cast<std::int32_t>(at));
          for (std::int64_t i = 0; i < scores; ++i)
            a[0][i] = static_cast<float>(i * 7919 % 1009) / 1009, a[1][i] = 0, a[3][i] = 1;
          std::vector<std::byte> memory(prefer::token_baseline_workspace(n));
          prefer::token_baseline_inputs<prefer::space::host> in{
              .score = {a[3], n},
              .offsets = {offsets.data(), n + 1},
              .groups = {groups.data(), static_cast<std::int64_t>(groups.size())},
              .energy = {a[0], scores}};
          if (rewarded) in.reward = {a[1], scores};
          bench::beside_probe(state, {level, 1}, a, rewarded ? 2 : 1, 1, scores, scores, 0, [&](prefer::cpu exec) {
            exec.workspace = {memory.data(), memory.size()};
            return prefer::token_baseline_advantages(exec, {}, in, {.advantage = {a[2], scores}});
          });
        })
        ->Iterations(1)
        ->UseManualTime();
}

}  // namespace

int main(int argc, char** argv) {
  sweep("opo", prefer::opo{});
  sweep("optimal_value", prefer::optimal_value{});
  sweep("grpo_pass_k", prefer::grpo_pass_k{});
  for (const std::int64_t length : {256, 4096})
    for (const bool rewarded : {false, true}) sweep_tokens(length, rewarded);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
