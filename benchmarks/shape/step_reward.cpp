// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/levels.hpp"

#include <prefer/shape/segmentation.hpp>
#include <prefer/shape/step_reward.hpp>

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

// One video of 300 frames of 2048 features in float, three steps, 32 features each. An item of
// the segmentation is one feature of one segment that is looked at.
namespace {

constexpr std::int64_t frames = 300, features = 2048, steps = 3, kept = 32;

struct data {
  std::vector<float> x = std::vector<float>(frames * features), mean = std::vector<float>(steps * kept),
                     deviation = mean, reward = std::vector<float>(frames * steps), gradient = x;
  std::vector<int> step = std::vector<int>(frames), selected = std::vector<int>(steps * kept);
  std::vector<char> memory;
  data() {
    std::uint64_t state = 1;
    for (std::size_t i = 0; i < x.size(); ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      x[i] = static_cast<float>(state >> 40) * 0x1p-24f + static_cast<float>(i / features / 100 * (i % 5));
    }
    for (std::int64_t t = 0; t < frames; ++t) step[static_cast<std::size_t>(t)] = static_cast<int>(t / 100);
    memory.resize(prefer::segment_steps_workspace(prefer::cpu{}, {.steps = steps}, frames, 1, features) +
                  prefer::fit_step_model_workspace(prefer::cpu{}, steps, features));
    prefer::check(fit(prefer::cpu{}));
  }
  prefer::cpu with_memory(prefer::cpu exec) {
    exec.workspace = {memory.data(), memory.size()};
    return exec;
  }
  prefer::status cut(const prefer::cpu& exec) {
    static const int offsets[] = {0, frames};
    return prefer::segment_steps(with_memory(exec), {.steps = steps, .least_frames = 10},
                                 {{x.data(), frames, features}, {offsets, 2}}, {.step = {step.data(), frames}});
  }
  prefer::status fit(const prefer::cpu& exec) {
    return prefer::fit_step_model(with_memory(exec), {}, {{x.data(), frames, features}, {step.data(), frames}},
                                  {.selected = {selected.data(), steps, kept},
                                   .mean = {mean.data(), steps, kept},
                                   .deviation = {deviation.data(), steps, kept}});
  }
  prefer::status rewards(const prefer::cpu& exec, bool with_gradient) {
    prefer::step_reward_outputs<prefer::space::host> out = {.reward = {reward.data(), frames, steps}};
    if (with_gradient) out.grad_feature = {gradient.data(), frames, features};
    return prefer::step_rewards(exec, prefer::step_reward_form::gaussian,
                                {{x.data(), frames, features},
                                 {selected.data(), steps, kept},
                                 {mean.data(), steps, kept},
                                 {deviation.data(), steps, kept}},
                                out);
  }
};

template <class Call>
void add(const std::string& name, double items, Call call) {
  for (const prefer::isa level : bench::levels())
    benchmark::RegisterBenchmark((name + "/" + bench::name_of(level)).c_str(), [=](benchmark::State& state) {
      data d;
      for (auto _ : state) prefer::check(call(d, prefer::cpu{.isa = level}));
      state.counters["ns_per_item"] =
          benchmark::Counter(items * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
    });
}

}  // namespace

int main(int argc, char** argv) {
  add("segment_steps", frames * (frames + 1) / 2 * features, [](data& d, auto exec) { return d.cut(exec); });
  add("fit_step_model", frames * features, [](data& d, auto exec) { return d.fit(exec); });
  add("step_rewards", frames * steps * kept, [](data& d, auto exec) { return d.rewards(exec, false); });
  add("step_rewards_gradient", frames * features, [](data& d, auto exec) { return d.rewards(exec, true); });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
