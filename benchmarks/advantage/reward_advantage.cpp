// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/advantage/reward_advantage.hpp>
#include <prefer/aggregate/adaptive.hpp>

#include <cstdint>
#include <string>
#include <vector>

// From K rewards per sample to GRPO advantages (float): in one call, or by `aggregate` into doubles and then
// group_advantages ("steps"); decoupled advantages (GDPO, DVAO, RVPO) beside
// them. An item of the table is one sample.
namespace {

struct shape {
  std::int64_t groups, size, rewards;
  std::int64_t samples() const { return groups * size; }
  std::string name() const {
    return std::to_string(groups) + "x" + std::to_string(size) + "x" + std::to_string(rewards);
  }
};

struct batch {
  shape of;
  std::vector<std::int32_t> offsets;
  bench::arrays<float> arrays;  // the rewards, row by row, are the first K of them
  std::vector<double> scores;
  std::vector<char> memory;  // what a call needs

  explicit batch(const shape& s)
      : of(s),
        arrays(static_cast<int>(s.rewards) + 1, s.samples(), bench::spacing::odd),
        scores(static_cast<std::size_t>(s.samples())) {
    for (std::int64_t g = 0; g <= s.groups; ++g) offsets.push_back(static_cast<std::int32_t>(g * s.size));
    for (std::int64_t i = 0; i < s.samples() * s.rewards; ++i)
      arrays[0][i] = static_cast<float>(i * 7919 % 1009 + 1) / (i % s.rewards == 1 ? 100 : 1000);
  }
  prefer::input_view<2, prefer::space::host> reward() { return {arrays[0], of.samples(), of.rewards}; }
  prefer::input_view<1, prefer::space::host> begin() { return {offsets.data(), of.groups + 1}; }
  prefer::output_view<1, prefer::space::host> advantage() {
    return {arrays[static_cast<int>(of.rewards)], of.samples()};
  }
};

template <class Call>
void add(const std::string& name, bench::place where, const shape& of, const Call& call) {
  benchmark::RegisterBenchmark(
      (name + "/" + bench::name_of(where.level) + "/threads:" + std::to_string(where.threads) + "/" + of.name())
          .c_str(),
      [=](benchmark::State& state) {
        batch b(of);
        bench::beside_probe(state, where, b.arrays, static_cast<int>(of.rewards), 1, of.samples(), of.samples(), 0,
                            [&](const prefer::cpu& exec) { return call(exec, b); });
      })
      ->Iterations(1)
      ->UseManualTime();
}

template <class Rule>
void sweep(const char* name, const Rule& rule, bench::place where, const shape& of) {
  add(std::string(name) + "/one", where, of, [=](const prefer::cpu& exec, batch& b) {
    return prefer::reward_advantages(exec, rule, prefer::grpo{}, {.rewards = b.reward(), .offsets = b.begin()},
                                     {.advantage = b.advantage()});
  });
  add(std::string(name) + "/steps", where, of, [=](const prefer::cpu& exec, batch& b) {
    double known[3 * prefer::detail::most_rewards];
    prefer::aggregate_inputs<prefer::space::host> in{.rewards = b.reward()};
    if (Rule::learns_batch) {
      prefer::check(prefer::reward_moments(exec, b.reward(), {.offsets = b.begin()}, {known, b.of.rewards, 3}));
      in.moments = {known, b.of.rewards, 3};
    }
    prefer::check(prefer::aggregate(exec, rule, in, {.aggregate = {b.scores.data(), b.of.samples()}}));
    return prefer::group_advantages(exec, prefer::grpo{},
                                    {.score = {b.scores.data(), b.of.samples()}, .offsets = b.begin()},
                                    {.advantage = b.advantage()});
  });
}

template <class Rule>
void sweep_decoupled(const char* name, const Rule& rule, bench::place where, const shape& of) {
  add(name, where, of, [=](const prefer::cpu& exec, batch& b) {
    const std::size_t bytes = prefer::decoupled_advantages_workspace(b.of.groups, b.of.samples(), b.of.rewards);
    if (b.memory.size() < bytes) b.memory.resize(bytes);
    prefer::cpu with = exec;
    with.workspace = {b.memory.data(), bytes};
    return prefer::decoupled_advantages(with, rule, {.rewards = b.reward(), .offsets = b.begin()},
                                        {.advantage = b.advantage()});
  });
}

}  // namespace

int main(int argc, char** argv) {
  for (const prefer::isa level : bench::levels())
    for (const int threads : {1, 2})
      for (const shape& of : {shape{65536, 8, 4}, shape{64, 4096, 8}}) {
        const bench::place where{level, threads};
        sweep("weighted_sum", prefer::weighted_sum{}, where, of);
        sweep("log_tamed", prefer::log_tamed{}, where, of);
        sweep("soft_min", prefer::soft_min{}, where, of);
        sweep("geometric_mean", prefer::geometric_mean{}, where, of);
        sweep_decoupled("decoupled", prefer::decoupled<>{}, where, of);
        sweep_decoupled("dvao", prefer::dvao{}, where, of);
        sweep_decoupled("rvpo", prefer::rvpo{}, where, of);
      }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
