// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/aggregate/adaptive.hpp>
#include <prefer/aggregate/aggregate.hpp>
#include <prefer/aggregate/group_covariance.hpp>
#include <prefer/aggregate/reward_weights.hpp>

#include <cstdint>
#include <string>
#include <vector>

// Aggregates of 512K samples with 4 rewards each (float), the moments that log-taming needs, and decoupled advantages
// in groups of 8, by every rule. An item of the table is one reward; the aggregates that are written are a quarter of
// what is read.
namespace {

constexpr std::int64_t samples = std::int64_t{1} << 19, rewards = 4;

prefer::input_view<1, prefer::space::host> groups_of_eight() {
  static const std::vector<std::int32_t> offsets = [] {
    std::vector<std::int32_t> o;
    for (std::int64_t at = 0; at <= samples; at += 8) o.push_back(static_cast<std::int32_t>(at));
    return o;
  }();
  return {offsets.data(), static_cast<std::int64_t>(offsets.size())};
}

template <class Call>
void measure(benchmark::State& state, bench::place where, const Call& call) {
  bench::arrays<float> a(5, samples, bench::spacing::odd);
  for (std::int64_t i = 0; i < samples * rewards; ++i) a[0][i] = static_cast<float>(i % 13 + 1) / 8;
  bench::beside_probe(state, where, a, 4, 1, samples, samples * rewards, 0,
                      [&](const prefer::cpu& exec) { return call(exec, a[0], a[4]); });
}

template <class Rule>
void sweep(const char* name, const Rule& rule) {
  for (const prefer::isa level : bench::levels())
    benchmark::RegisterBenchmark(
        (std::string(name) + "/" + bench::name_of(level)).c_str(),
        [=](benchmark::State& state) {
          measure(state, {level, 1}, [&](const prefer::cpu& exec, float* r, float* to) {
            static const prefer::moments known[rewards] = {{8, 1, 1}, {8, 1, 2}, {8, 1, 3}, {8, 1, 4}};
            prefer::aggregate_inputs<prefer::space::host> in{.rewards = {r, samples, rewards}};
            static const double ideal[rewards] = {1, 2, 1, 2};
            if (Rule::learns_batch) in.moments = {&known[0].count, rewards, 3};
            if (prefer::detail::learns_ideal<Rule>) in.ideal = {ideal, rewards};
            return prefer::aggregate(exec, rule, in, {.aggregate = {to, samples}});
          });
        })
        ->Iterations(1)
        ->UseManualTime();
}

// Decoupled advantages by a rule, in a workspace for any.
template <class Rule>
auto decoupled_by(const Rule& rule) {
  return [rule](const prefer::cpu& exec, float* r, float* to) {
    static std::vector<double> memory(prefer::decoupled_advantages_workspace(samples / 8, samples, rewards) /
                                      sizeof(double));
    prefer::cpu with = exec;
    with.workspace = {memory.data(), memory.size() * sizeof(double)};
    return prefer::decoupled_advantages(with, rule, {.rewards = {r, samples, rewards}, .offsets = groups_of_eight()},
                                        {.advantage = {to, samples}});
  };
}

}  // namespace

int main(int argc, char** argv) {
  sweep("weighted_sum", prefer::weighted_sum{});
  sweep("log_tamed", prefer::log_tamed{});
  sweep("soft_min", prefer::soft_min{});
  sweep("geometric_mean", prefer::geometric_mean{});
  sweep("harmonic_mean", prefer::harmonic_mean{});
  sweep("tchebycheff", prefer::tchebycheff{});
  sweep("smooth_tchebycheff", prefer::smooth_tchebycheff{});
  const auto each_level = [](const char* name, const auto& call) {
    for (const prefer::isa level : bench::levels())
      benchmark::RegisterBenchmark((std::string(name) + "/" + bench::name_of(level)).c_str(),
                                   [=](benchmark::State& state) {
                                     measure(state, {level, 1}, call);
                                   })
          ->Iterations(1)
          ->UseManualTime();
  };
  each_level("reward_moments", [](const prefer::cpu& exec, float* r, float*) {
    static double found[3 * rewards];
    return prefer::reward_moments(exec, {r, samples, rewards}, {.offsets = groups_of_eight()}, {found, rewards, 3});
  });
  each_level("decoupled", decoupled_by(prefer::decoupled<>{}));
  each_level("gdpo", decoupled_by(prefer::gdpo{}));
  each_level("dvao", decoupled_by(prefer::dvao{}));
  each_level("rvpo", decoupled_by(prefer::rvpo{}));
  each_level("dara", decoupled_by(prefer::dara{}));
  each_level("gd2po", decoupled_by(prefer::gd2po{}));
  each_level("corr_grpo", decoupled_by(prefer::corr_grpo{}));
  each_level("group_covariance", [](const prefer::cpu& exec, float* r, float* to) {
    static std::vector<double> memory(prefer::group_covariances_workspace(samples / 8, samples, rewards) /
                                      sizeof(double));
    static double found[rewards];
    prefer::cpu with = exec;
    with.workspace = {memory.data(), memory.size() * sizeof(double)};
    return prefer::group_covariances(
        with, {}, {.rewards = {r, samples, rewards}, .score = {to, samples}, .offsets = groups_of_eight()},
        {.covariance = {found, rewards}});
  });
  each_level("best_rewards", [](const prefer::cpu& exec, float* r, float*) {
    static double best[rewards];
    return prefer::best_rewards(exec, {r, samples, rewards}, {}, {best, rewards});
  });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
