// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/aggregate/aggregate.hpp>

#include <string>
#include <vector>

// Aggregates of 512K samples with 4 rewards each (float), and the moments that log-taming needs. An item of the table is one
// reward; the aggregates that are written are a quarter of what is read.
namespace {

constexpr std::int64_t samples = std::int64_t{1} << 19, rewards = 4;

template <class Call>
void measure(benchmark::State& state, bench::place where, const Call& call) {
  bench::arrays<float> a(5, samples, bench::spacing::contiguous);
  bench::beside_probe(state, where, a, 4, 1, samples, samples * rewards, 0,
                      [&](const prefer::cpu& exec) { return call(exec, a[0], a[4]); });
}

template <class Rule>
void sweep(const char* name, const Rule& rule) {
  for (const prefer::isa level : bench::levels())
    benchmark::RegisterBenchmark((std::string(name) + "/" + bench::name_of(level)).c_str(),
                                 [=](benchmark::State& state) {
                                   measure(state, {level, 1}, [&](const prefer::cpu& exec, float* r, float* to) {
                                     static const prefer::moments known[rewards] = {
                                         {8, 1, 1}, {8, 1, 2}, {8, 1, 3}, {8, 1, 4}};
                                     prefer::aggregate_inputs<prefer::space::host> in{.reward = {r, samples, rewards}};
                                     if (Rule::learns_batch) in.moments = {&known[0].count, rewards, 3};
                                     return prefer::aggregate(exec, rule, in, {.aggregate = {to, samples}});
                                   });
                                 })
        ->Iterations(1)
        ->UseManualTime();
}

}  // namespace

int main(int argc, char** argv) {
  sweep("weighted_sum", prefer::weighted_sum{});
  sweep("log_tamed", prefer::log_tamed{});
  sweep("soft_min", prefer::soft_min{});
  sweep("geometric_mean", prefer::geometric_mean{});
  sweep("harmonic_mean", prefer::harmonic_mean{});
  for (const prefer::isa level : bench::levels())
    benchmark::RegisterBenchmark((std::string("reward_moments/") + bench::name_of(level)).c_str(),
                                 [=](benchmark::State& state) {
                                   measure(state, {level, 1}, [](const prefer::cpu& exec, float* r, float*) {
                                     static const std::vector<std::int32_t> offsets = [] {
                                       std::vector<std::int32_t> o;
                                       for (std::int64_t at = 0; at <= samples; at += 8)
                                         o.push_back(static_cast<std::int32_t>(at));
                                       return o;
                                     }();
                                     static double found[3 * rewards];
                                     return prefer::reward_moments(
                                         exec, {r, samples, rewards},
                                         {.offsets = {offsets.data(), static_cast<std::int64_t>(offsets.size())}},
                                         {found, rewards, 3});
                                   });
                                 })
        ->Iterations(1)
        ->UseManualTime();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
