// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/game/split_reward.hpp>
#include <prefer/game/win_rate.hpp>

#include <string>
#include <vector>

// Win rates of 64 MB (float) of preferences: one large batch, and many small ones. `trusted` reads them once
// (content::none), `checked` looks at them first, `masked` also leaves samples out. Beside them rewards split over
// steps. An item of the table is one preference, or one step.
namespace {

enum class mode { trusted, checked, masked };

const char* name_of(mode m) { return m == mode::trusted ? "trusted" : m == mode::checked ? "checked" : "masked"; }

template <class T>
void win_rates(benchmark::State& state, bench::place where, mode what, std::int64_t batch, std::int64_t samples) {
  const std::int64_t rows = batch * samples, cells = rows * samples;
  bench::arrays<T> a(1, cells, bench::spacing::odd);
  std::vector<float> reward(static_cast<std::size_t>(rows));
  std::vector<std::uint8_t> mask(reward.size());
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = i % 7 != 3;
  prefer::win_rate_inputs<prefer::space::host> in = {
      .preference = {static_cast<const T*>(a[0]), batch, samples, samples}};
  if (what == mode::masked) in.sample_mask = {mask.data(), batch, samples};
  bench::beside_probe(state, where, a, 1, 0, cells, cells, 0, [&](prefer::cpu exec) {
    if (what != mode::checked) exec.content = prefer::content::none;
    return prefer::win_rates(exec, {}, in, {.reward = {reward.data(), batch, samples}});
  });
}

void split(benchmark::State& state, bench::place where, std::int64_t length) {
  constexpr std::int64_t steps = std::int64_t{1} << 24;
  const std::int64_t n = steps / length;
  bench::arrays<float> a(1, steps, bench::spacing::odd);
  std::vector<float> reward(static_cast<std::size_t>(n), 0.5f);
  std::vector<std::int64_t> offsets;
  for (std::int64_t i = 0; i <= n; ++i) offsets.push_back(i * length);
  bench::beside_probe(state, where, a, 0, 1, steps, steps, 0, [&](const prefer::cpu& exec) {
    return prefer::split_rewards(exec, {.reward = {reward.data(), n}, .offsets = {offsets.data(), n + 1}},
                                 {.step_reward = {a[0], steps}});
  });
}

void add(const std::string& name, bench::place where, const std::function<void(benchmark::State&)>& run) {
  const std::string place = std::string(bench::name_of(where.level)) + "/threads:" + std::to_string(where.threads);
  benchmark::RegisterBenchmark((name + "/" + place).c_str(), run)->Iterations(1)->UseManualTime();
}

template <class T>
void add_win_rates(const char* type, bench::place where) {
  for (const mode what : {mode::trusted, mode::checked, mode::masked})
    for (const std::int64_t samples : {8, 64, 4096}) {
      const std::int64_t batch = (std::int64_t{1} << 24) / (samples * samples);
      const std::string shape = "/B:" + std::to_string(batch) + "/N:" + std::to_string(samples);
      add(std::string("win_rates/") + name_of(what) + "/" + type + shape, where,
          [=](benchmark::State& state) { win_rates<T>(state, where, what, batch, samples); });
    }
}

}  // namespace

int main(int argc, char** argv) {
  for (const prefer::isa level : bench::levels())
    for (const int threads : {1, 2}) {
      const bench::place where{level, threads};
      add_win_rates<float>("float", where);
      add_win_rates<prefer::bfloat16>("bfloat16", where);
      for (const std::int64_t length : {16, 1024})
        add("split_rewards/float/T:" + std::to_string(length), where,
            [=](benchmark::State& state) { split(state, where, length); });
    }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
