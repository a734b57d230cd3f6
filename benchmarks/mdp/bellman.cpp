// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/mdp/bellman.hpp>
#include <prefer/mdp/softmax_value.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

namespace {

// Random deterministic processes of 100 states and 4 actions; time per process.
void value_iteration(benchmark::State& state) {
  const std::int64_t batch = state.range(0), states = 100, actions = 4;
  std::vector<double> reward, value(static_cast<std::size_t>(batch * states)),
      memory(prefer::bellman_workspace(batch, states));
  std::vector<std::int32_t> next;
  for (std::int64_t i = 0; i < batch * states * actions; ++i) {
    reward.push_back(static_cast<double>(i * 7919 % 101) / 50 - 1);
    next.push_back(static_cast<std::int32_t>(i * 104729 % states));
  }
  const prefer::cpu exec{.workspace = {memory.data(), memory.size()}};
  for (auto _ : state)
    prefer::check(prefer::value_iteration(exec,
                                          {.reward = {reward.data(), batch, states, actions},
                                           .next = {next.data(), batch, states, actions},
                                           .discount = 0.9},
                                          {.tolerance = 1e-6}, {.value = {value.data(), batch, states}}));
  state.SetItemsProcessed(state.iterations() * batch);
}

// One step of learning a reward in the delivery task: 70 policies, 100 states, 6 features.
void softmax_value(benchmark::State& state) {
  const std::int64_t policies = 70, states = 100, features = 6;
  std::vector<double> psi(static_cast<std::size_t>(policies * states * features)), w(6, 0.5), value(100),
      upstream(100, 1.0), gradient(6);
  for (std::size_t i = 0; i < psi.size(); ++i) psi[i] = static_cast<double>(i * 7919 % 101) / 50 - 1;
  const prefer::policy_values<prefer::space::host> in = {{psi.data(), policies, states, features},
                                                         {w.data(), features}};
  for (auto _ : state) {
    prefer::check(prefer::softmax_value(prefer::cpu{}, in, {value.data(), states}));
    prefer::check(
        prefer::softmax_value_gradient(prefer::cpu{}, in, {upstream.data(), states}, {gradient.data(), features}));
  }
  state.SetItemsProcessed(state.iterations());
}

}  // namespace

BENCHMARK(value_iteration)->Arg(1)->Arg(1000)->Unit(benchmark::kMillisecond);
BENCHMARK(softmax_value)->Unit(benchmark::kMicrosecond);
BENCHMARK_MAIN();
