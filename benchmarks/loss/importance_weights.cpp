// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/loss/importance_weights.hpp>

#include <string>
#include <vector>

// Weights of 2M tokens (float) in responses of one length: ratios of tokens (an exponential each), and a mask of
// responses by their geometric mean (none). An item of the table is one token; the offsets are not counted as bytes.
namespace {

constexpr std::int64_t tokens = std::int64_t{1} << 21;

template <class Rule>
void weigh(benchmark::State& state, bench::place where, const Rule& rule, std::int64_t length) {
  bench::arrays<float> a(3, tokens, bench::spacing::odd);
  std::vector<std::int32_t> offsets;
  for (std::int64_t at = 0; at <= tokens; at += length) offsets.push_back(static_cast<std::int32_t>(at));
  const auto n = static_cast<std::int64_t>(offsets.size());
  bench::beside_probe(state, where, a, 2, 1, tokens, tokens, 0, [&](const prefer::cpu& exec) {
    return prefer::importance_weights(
        exec, rule, {.policy = {a[0], tokens}, .sampler = {a[1], tokens}, .offsets = {offsets.data(), n}},
        {.weight = {a[2], tokens}});
  });
}

template <class Rule>
void sweep(const char* name, const Rule& rule) {
  for (const prefer::isa level : bench::levels())
    for (const int threads : {1, 2})
      for (const std::int64_t length : {16, 256, 4096})
        benchmark::RegisterBenchmark((std::string(name) + "/" + bench::name_of(level) +
                                      "/threads:" + std::to_string(threads) + "/length:" + std::to_string(length))
                                         .c_str(),
                                     [=](benchmark::State& state) {
                                       weigh(state, {level, threads}, rule, length);
                                     })
            ->Iterations(1)
            ->UseManualTime();
}

}  // namespace

int main(int argc, char** argv) {
  sweep("truncated", prefer::truncated_importance{});
  sweep("geometric_mask", prefer::masked_importance{0.999, 1.001, prefer::importance_level::geometric, true});
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
