// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/loss/aot.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

namespace {

// Value and gradients over one batch; time per item.
void aot(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  std::vector<float> x[4], grad[2];
  for (auto& v : x)
    for (std::int64_t i = 0; i < n; ++i)
      v.push_back(-static_cast<float>((i * 7919 + static_cast<std::int64_t>(&v - x)) % 1009) / 50);
  for (auto& g : grad) g.resize(static_cast<std::size_t>(n));
  std::vector<double> memory(prefer::aot_workspace(n) / sizeof(double) + 1);
  const prefer::cpu exec{.workspace = {memory.data(), memory.size() * sizeof(double)}};
  double loss = 0;
  for (auto _ : state)
    prefer::check(prefer::evaluate_aot(
        exec, prefer::aot{},
        {.policy_chosen = {x[0].data(), n},
         .policy_rejected = {x[1].data(), n},
         .reference_chosen = {x[2].data(), n},
         .reference_rejected = {x[3].data(), n}},
        {.loss = {&loss, 1}, .grad_policy_chosen = {grad[0].data(), n}, .grad_policy_rejected = {grad[1].data(), n}}));
  state.SetItemsProcessed(state.iterations() * n);
}

}  // namespace

BENCHMARK(aot)->Arg(64)->Arg(4096)->Arg(65536);
BENCHMARK_MAIN();
