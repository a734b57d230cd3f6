// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/shape/explicable_reward.hpp>
#include <prefer/shape/exploration_shaping.hpp>

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

// 64 random processes of 100 states and 4 actions, deterministic: gaps at a tolerance of 1e-10 beside the policy
// evaluation that they come from; local gaps of 5 to 10 steps; an update from 1000 steps.
namespace {

using namespace prefer;
constexpr std::int64_t B = 64, S = 100, A = 4, n = 1000;

struct data {
  std::vector<double> reward, policy, gap = std::vector<double>(B * S * A), value = std::vector<double>(B * S),
                                      after = std::vector<double>(n, 1), table = std::vector<double>(S * A);
  std::vector<std::int32_t> next, state, action;
  std::vector<char> memory = std::vector<char>(explicability_workspace(B, S) + bellman_workspace(B, S));
  data() {
    std::uint64_t x = 1;
    const auto draw = [&](std::int64_t below) {
      x = x * 6364136223846793005u + 1442695040888963407u;
      return static_cast<std::int32_t>((x >> 33) % static_cast<std::uint64_t>(below));
    };
    for (std::int64_t i = 0; i < B * S * A; ++i) next.push_back(draw(S)), reward.push_back(draw(1000) / 1000.0);
    for (std::int64_t i = 0; i < B * S; ++i) {
      const std::int32_t best = draw(A);
      for (std::int64_t a = 0; a < A; ++a) policy.push_back(a == best ? 1 : 0);
    }
    for (std::int64_t i = 0; i < n; ++i) state.push_back(draw(S)), action.push_back(draw(A));
  }
  cpu exec() { return {.workspace = {memory.data(), memory.size()}}; }
  mdp<space::host> process() {
    return {.reward = {reward.data(), B, S, A}, .next = {next.data(), B, S, A}, .discount = 0.9};
  }
};

template <class Call>
void add(const char* name, Call call) {
  benchmark::RegisterBenchmark(name, [=](benchmark::State& state) {
    data d;
    for (auto _ : state) check(call(d));
  });
}

}  // namespace

int main(int argc, char** argv) {
  add("policy_evaluation", [](data& d) {
    return policy_evaluation(d.exec(), d.process(), {d.policy.data(), B, S, A}, {}, {.value = {d.value.data(), B, S}});
  });
  add("gaps", [](data& d) {
    return explicability(d.exec(), d.process(), {{d.policy.data(), B, S, A}, {}}, {}, {},
                         {.gap = {d.gap.data(), B, S, A}});
  });
  add("informativeness", [](data& d) {
    return explicability(d.exec(), d.process(), {{d.policy.data(), B, S, A}, {}}, explicable_horizons(0.9), {},
                         {.informativeness = {d.value.data(), B}});
  });
  add("exploration_update", [](data& d) {
    return exploration_update(d.exec(), {},
                              {{d.state.data(), n}, {d.action.data(), n}, {d.after.data(), n}, {d.policy.data(), S, A}},
                              {{d.table.data(), S, A}, {d.value.data(), S}});
  });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
