// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/advantage/baseline.hpp>
#include <prefer/advantage/history.hpp>
#include <prefer/advantage/rank_advantage.hpp>
#include <prefer/advantage/reward_advantage.hpp>
#include <prefer/aggregate/adaptive.hpp>
#include <prefer/aggregate/criteria.hpp>
#include <prefer/aggregate/group_covariance.hpp>
#include <prefer/aggregate/reward_weights.hpp>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

// From K rewards per sample (float) to advantages, by every rule there is: aggregates by rule and then GRPO, in one
// call or in two ("steps"); decoupled advantages; weights that adapt, and what they lead to; and every advantage of one
// score, the first of the rewards. An item of the table is one sample.
//
//   bench.advantage.reward_advantage --write=FOLDER    makes no measurement: writes what every rule makes of each shape
//                                                      as floats, for benchmarks/compare/advantages.py
namespace {

struct shape {
  std::int64_t groups, size, rewards;
  std::int64_t samples() const { return groups * size; }
  std::string name() const {
    return std::to_string(groups) + "x" + std::to_string(size) + "x" + std::to_string(rewards);
  }
};

// What a call reads and writes. The rewards are 0.01 and multiples of 2^-24, all different, which the comparison makes
// again; of the second ten times the square, which varies more. Scores of 0 and 1 are the first reward's upper fifth.
struct batch {
  shape of;
  std::int64_t columns;  // K rewards, or the first alone
  std::vector<std::int32_t> offsets;
  bench::arrays<float> arrays;  // the rewards, row by row, are the first K of them
  std::vector<float> solved, lengths, ring;
  std::vector<std::int64_t> pushed;
  std::vector<double> scores, of_groups;
  std::vector<char> memory;  // what a call needs
  double moments[3 * prefer::detail::most_rewards], weight[prefer::detail::most_rewards],
      ideal[prefer::detail::most_rewards], covariance[prefer::detail::most_rewards];

  batch(const shape& s, bool alone)
      : of(s),
        columns(alone ? 1 : s.rewards),
        arrays(static_cast<int>(columns) + 1, s.samples(), bench::spacing::odd),
        ring(static_cast<std::size_t>(s.groups * 32)),
        pushed(static_cast<std::size_t>(s.groups)),
        scores(static_cast<std::size_t>(s.samples())),
        of_groups(static_cast<std::size_t>(3 * s.groups)) {
    for (std::int64_t g = 0; g <= s.groups; ++g) offsets.push_back(static_cast<std::int32_t>(g * s.size));
    for (std::int64_t i = 0; i < s.samples(); ++i)
      for (std::int64_t k = 0; k < columns; ++k) {
        const float x = 0.01f + uniform(i * s.rewards + k);
        arrays[0][i * columns + k] = k == 1 ? 10.0f * x * x : x;
      }
    for (std::int64_t i = 0; i < s.samples(); ++i) {
      solved.push_back(uniform(i * s.rewards) > 0.8f ? 1.0f : 0.0f);
      lengths.push_back(static_cast<float>(i % 97 + 1));
    }
    for (double& x : ideal) x = 1;
  }
  static float uniform(std::int64_t i) {
    return static_cast<float>((static_cast<std::uint32_t>(i) * 2654435769u) >> 8) / 16777216.0f;
  }
  prefer::input_view<2, prefer::space::host> rewards() { return {arrays[0], of.samples(), of.rewards}; }
  prefer::input_view<1, prefer::space::host> score() { return {arrays[0], of.samples()}; }
  prefer::input_view<1, prefer::space::host> begin() { return {offsets.data(), of.groups + 1}; }
  prefer::output_view<1, prefer::space::host> advantage() { return {arrays[static_cast<int>(columns)], of.samples()}; }
  prefer::output_view<1, prefer::space::host> aggregates() { return {scores.data(), of.samples()}; }
  prefer::output_view<2, prefer::space::host> found() { return {moments, of.rewards, 3}; }
  prefer::cpu with_memory(prefer::cpu exec, std::size_t bytes) {
    if (memory.size() < bytes) memory.resize(bytes);
    exec.workspace = {memory.data(), bytes};
    return exec;
  }
};

struct entry {
  std::string name;
  std::function<prefer::status(const prefer::cpu&, batch&)> call;
  bool alone = false;  // reads the first reward only
};
using entries = std::vector<entry>;

template <class Aggregation>
prefer::status aggregate_in_steps(const prefer::cpu& exec, const Aggregation& aggregation, batch& b,
                                  const double* weight = nullptr) {
  prefer::aggregate_inputs<prefer::space::host> in{.rewards = b.rewards()};
  if (weight != nullptr) in.weight = {weight, b.of.rewards};
  if (prefer::detail::learns_ideal<Aggregation>) in.ideal = {b.ideal, b.of.rewards};
  if (Aggregation::learns_batch) {
    prefer::check(prefer::reward_moments(exec, b.rewards(), {.offsets = b.begin()}, b.found()));
    in.moments = {b.moments, b.of.rewards, 3};
  }
  prefer::check(prefer::aggregate(exec, aggregation, in, {.aggregate = b.aggregates()}));
  return prefer::group_advantages(exec, prefer::grpo{},
                                  {.score = {b.scores.data(), b.of.samples()}, .offsets = b.begin()},
                                  {.advantage = b.advantage()});
}

template <class Aggregation>
void add_aggregation(entries& all, const char* name, const Aggregation& aggregation) {
  if constexpr (!prefer::detail::learns_ideal<Aggregation>)
    all.push_back({std::string(name) + "/one", [=](const prefer::cpu& exec, batch& b) {
                     return prefer::reward_advantages(exec, aggregation, prefer::grpo{},
                                                      {.rewards = b.rewards(), .offsets = b.begin()},
                                                      {.advantage = b.advantage()});
                   }});
  all.push_back({std::string(name) + "/steps",
                 [=](const prefer::cpu& exec, batch& b) { return aggregate_in_steps(exec, aggregation, b); }});
}

template <class Rule>
prefer::status decouple(const prefer::cpu& exec, const Rule& rule, batch& b, const double* weight = nullptr) {
  prefer::decoupled_inputs<prefer::space::host> in{.rewards = b.rewards(), .offsets = b.begin()};
  if (weight != nullptr) in.weight = {weight, b.of.rewards};
  const auto bytes = prefer::decoupled_advantages_workspace(b.of.groups, b.of.samples(), b.of.rewards);
  return prefer::decoupled_advantages(b.with_memory(exec, bytes), rule, in, {.advantage = b.advantage()});
}
template <class Rule>
void add_decoupled(entries& all, const char* name, const Rule& rule) {
  all.push_back({name, [=](const prefer::cpu& exec, batch& b) { return decouple(exec, rule, b); }});
}

template <class Rule>
void add_advantage(entries& all, const char* name, const Rule& rule, bool binary = false) {
  all.push_back({name,
                 [=](const prefer::cpu& exec, batch& b) {
                   const auto score =
                       binary ? prefer::input_view<1, prefer::space::host>(b.solved.data(), b.of.samples()) : b.score();
                   return prefer::group_advantages(exec, rule, {.score = score, .offsets = b.begin()},
                                                   {.advantage = b.advantage()});
                 },
                 true});
}
template <class Rule>
void add_ranks(entries& all, const char* name, const Rule& rule) {
  all.push_back({name,
                 [=](const prefer::cpu& exec, batch& b) {
                   return prefer::rank_advantages(
                       b.with_memory(exec, prefer::rank_advantages_workspace(b.of.samples())), rule,
                       {.score = b.score(), .offsets = b.begin()}, {.advantage = b.advantage()});
                 },
                 true});
}
template <class Rule>
void add_baseline(entries& all, const char* name, const Rule& rule) {
  all.push_back({name,
                 [=](const prefer::cpu& exec, batch& b) {
                   prefer::baseline_inputs<prefer::space::host> in{.score = b.score(), .offsets = b.begin()};
                   if (Rule::reads_weight) in.weight = {b.lengths.data(), b.of.samples()};
                   return prefer::baseline_advantages(exec, rule, in, {.advantage = b.advantage()});
                 },
                 true});
}

// Weights of the batch, and the advantages that they lead to.
prefer::status saturation(const prefer::cpu& exec, batch& b) {
  prefer::check(prefer::reward_moments(exec, b.rewards(), {.offsets = b.begin()}, b.found()));
  prefer::check(prefer::adapt_weights(exec, prefer::saturation_aware{}, {.moments = {b.moments, b.of.rewards, 3}},
                                      {.weight = {b.weight, b.of.rewards}}));
  return aggregate_in_steps(exec, prefer::weighted_sum{}, b, b.weight);
}
prefer::status constrained(const prefer::cpu& exec, batch& b) {
  double dual[prefer::detail::most_rewards] = {};
  prefer::check(prefer::reward_moments(exec, b.rewards(), {.offsets = b.begin()}, b.found()));
  prefer::check(prefer::adapt_weights(exec, prefer::lagrangian{},
                                      {.moments = {b.moments, b.of.rewards, 3}, .target = {b.ideal, b.of.rewards}},
                                      {.weight = {b.weight, b.of.rewards}, .dual = {dual, b.of.rewards}}));
  return decouple(exec, prefer::gdpo{}, b, b.weight);
}
prefer::status targeted(const prefer::cpu& exec, batch& b) {
  double dual[prefer::detail::most_rewards] = {}, average[prefer::detail::most_rewards] = {};
  const auto bytes = prefer::group_covariances_workspace(b.of.groups, b.of.samples(), b.of.rewards);
  prefer::check(prefer::group_covariances(
      b.with_memory(exec, bytes), {},
      {.rewards = b.rewards(), .score = {b.lengths.data(), b.of.samples()}, .offsets = b.begin()},
      {.covariance = {b.covariance, b.of.rewards}}));
  prefer::check(prefer::adapt_weights(
      exec, prefer::covariance_targeted{},
      {.covariance = {b.covariance, b.of.rewards}, .target = {b.ideal, b.of.rewards}},
      {.weight = {b.weight, b.of.rewards}, .dual = {dual, b.of.rewards}, .average = {average, b.of.rewards}}));
  return aggregate_in_steps(exec, prefer::weighted_sum{}, b, b.weight);
}
prefer::status with_best(const prefer::cpu& exec, batch& b) {
  for (double& x : b.ideal) x = -1e30;
  prefer::check(prefer::best_rewards(exec, b.rewards(), {}, {b.ideal, b.of.rewards}));
  const prefer::status s = aggregate_in_steps(exec, prefer::tchebycheff{}, b);
  for (double& x : b.ideal) x = 1;
  return s;
}
prefer::status by_history(const prefer::cpu& exec, batch& b) {
  const std::int64_t window = 32;
  for (std::int64_t& p : b.pushed) p = 0;
  prefer::check(prefer::history_moments(exec, prefer::history{}, {.score = b.score(), .offsets = b.begin()},
                                        {.ring = {b.ring.data(), b.of.groups, window},
                                         .pushed = {b.pushed.data(), b.of.groups},
                                         .moments = {b.of_groups.data(), b.of.groups, 3}}));
  return prefer::group_advantages(
      exec, prefer::grpo{.epsilon = 1e-6, .std = prefer::deviation::population},
      {.score = b.score(), .offsets = b.begin(), .moments = {b.of_groups.data(), b.of.groups, 3}},
      {.advantage = b.advantage()});
}

entries every_rule() {
  entries all;
  add_aggregation(all, "weighted_sum", prefer::weighted_sum{});
  add_aggregation(all, "log_tamed", prefer::log_tamed{});
  add_aggregation(all, "log_tamed_held", prefer::log_tamed::released());
  add_aggregation(all, "soft_min", prefer::soft_min{});
  add_aggregation(all, "geometric_mean", prefer::geometric_mean{});
  add_aggregation(all, "harmonic_mean", prefer::harmonic_mean{});
  add_aggregation(all, "tchebycheff", prefer::tchebycheff{});
  add_aggregation(all, "smooth_tchebycheff", prefer::smooth_tchebycheff{});
  add_aggregation(all, "min_geometric", prefer::min_geometric{.block_begins = 0b0101});
  add_aggregation(all, "rubric", prefer::rubric{.critical = 1, .threshold = 0.1, .saturation = 3.0});
  add_decoupled(all, "mo_grpo", prefer::decoupled<>{.rule = {.epsilon = 0.0}, .whiten = {.on = false}});
  add_decoupled(all, "decoupled", prefer::decoupled<>{});
  add_decoupled(all, "gdpo", prefer::gdpo{});
  add_decoupled(all, "dvao", prefer::dvao{});
  add_decoupled(all, "rvpo", prefer::rvpo{});
  add_decoupled(all, "dara", prefer::dara{});
  add_decoupled(all, "gd2po", prefer::gd2po{.agreement = 0.2});
  add_decoupled(all, "corr_grpo", prefer::corr_grpo{});
  all.push_back({"saturation_aware", saturation});
  all.push_back({"lagrangian", constrained});
  all.push_back({"covariance_targeted", targeted});
  all.push_back({"best_rewards", with_best});
  add_advantage(all, "grpo", prefer::grpo{});
  add_advantage(all, "dr_grpo", prefer::dr_grpo{});
  add_advantage(all, "rloo", prefer::rloo{});
  add_advantage(all, "max_rl", prefer::max_rl{}, true);
  add_advantage(all, "reinforce_plus_plus", prefer::reinforce_plus_plus{});
  add_advantage(all, "lite_ppo", prefer::lite_ppo{});
  add_advantage(all, "batch_whitened", prefer::batch_whitened{prefer::dr_grpo{}});
  add_advantage(all, "clipped", prefer::clipped{prefer::grpo{}, 1.0});
  add_ranks(all, "centred_ranks", prefer::centred_ranks{});
  add_ranks(all, "best_worst", prefer::best_worst{});
  add_baseline(all, "opo", prefer::opo{});
  add_baseline(all, "optimal_value", prefer::optimal_value{});
  add_baseline(all, "grpo_pass_k", prefer::grpo_pass_k{});
  all.push_back({"history", by_history, true});
  return all;
}

constexpr shape shapes[] = {{65536, 8, 4}, {64, 4096, 8}};

int write(const std::string& folder) {
  for (const shape& of : shapes)
    for (const entry& e : every_rule()) {
      batch b(of, e.alone);
      prefer::check(e.call(prefer::cpu{}, b));
      std::string file = e.name;
      for (char& c : file) c = c == '/' ? '.' : c;
      std::FILE* out = std::fopen((folder + "/" + file + "." + of.name()).c_str(), "wb");
      if (out == nullptr) return 1;
      const auto n = static_cast<std::size_t>(of.samples());
      const bool written = std::fwrite(b.advantage().data, sizeof(float), n, out) == n;
      if (std::fclose(out) != 0 || !written) return 1;
    }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (const std::string option = argv[i]; option.rfind("--write=", 0) == 0) return write(option.substr(8));
  for (const prefer::isa level : bench::levels())
    for (const int threads : {1, 2})
      for (const shape& of : shapes)
        for (const entry& e : every_rule())
          benchmark::RegisterBenchmark(
              (e.name + "/" + bench::name_of(level) + "/threads:" + std::to_string(threads) + "/" + of.name()).c_str(),
              [=](benchmark::State& state) {
                batch b(of, e.alone);
                bench::beside_probe(state, {level, threads}, b.arrays, static_cast<int>(b.columns), 1, of.samples(),
                                    of.samples(), 0, [&](const prefer::cpu& exec) { return e.call(exec, b); });
              })
              ->Iterations(1)
              ->UseManualTime();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
