// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/advantage/group_advantage.hpp>

#include <string>
#include <vector>

// Advantages of 2M scores (float) in groups of one size, up to one group of all; GRPO learns of the group, Lite PPO of
// the batch too, which is one more pass. An item of the table is one score; the offsets are not counted as bytes.
namespace {

constexpr std::int64_t scores = std::int64_t{1} << 21;

template <class Rule>
void advantages(benchmark::State& state, bench::place where, const Rule& rule, std::int64_t size) {
  bench::arrays<float> a(2, scores, bench::spacing::odd);
  std::vector<std::int32_t> offsets;
  for (std::int64_t at = 0; at <= scores; at += size) offsets.push_back(static_cast<std::int32_t>(at));
  const auto n = static_cast<std::int64_t>(offsets.size());
  bench::beside_probe(state, where, a, 1, 1, scores, scores, 0, [&](const prefer::cpu& exec) {
    return prefer::group_advantages(exec, rule, {.score = {a[0], scores}, .offsets = {offsets.data(), n}},
                                    {.advantage = {a[1], scores}});
  });
}

template <class Rule>
void sweep(const char* name, const Rule& rule) {
  for (const prefer::isa level : bench::levels())
    for (const int threads : {1, 2})
      for (const std::int64_t size :
           {std::int64_t{4}, std::int64_t{8}, std::int64_t{16}, std::int64_t{64}, std::int64_t{4096}, scores})
        benchmark::RegisterBenchmark((std::string(name) + "/" + bench::name_of(level) +
                                      "/threads:" + std::to_string(threads) + "/group:" + std::to_string(size))
                                         .c_str(),
                                     [=](benchmark::State& state) {
                                       advantages(state, {level, threads}, rule, size);
                                     })
            ->Iterations(1)
            ->UseManualTime();
}

}  // namespace

int main(int argc, char** argv) {
  sweep("grpo", prefer::grpo{});
  sweep("lite_ppo", prefer::lite_ppo{});
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
