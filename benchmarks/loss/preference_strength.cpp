// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/loss/preference_strength.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <vector>

// Strengths of 2^16 pairs under five models, with label, margin and flags: alone, with the lowest fifth flipped (a
// selection), and with every model on its own scale.
namespace {

void run(benchmark::State& state, const prefer::preference_strength& options) {
  constexpr std::int64_t models = 5, n = std::int64_t{1} << 16;
  std::vector<float> chosen, rejected, strength(n), deviation(n), label(n), margin(n);
  std::vector<std::uint8_t> flip(n), keep(n);
  for (std::int64_t k = 0; k < models * n; ++k) {
    chosen.push_back(static_cast<float>(std::sin(static_cast<double>(k))));
    rejected.push_back(static_cast<float>(std::cos(1.7 * static_cast<double>(k))));
  }
  std::vector<std::byte> memory(prefer::preference_strength_workspace(options, models, n));
  for (auto _ : state)
    prefer::check(
        prefer::measure_strength(prefer::cpu{.workspace = {memory.data(), memory.size()}}, options,
                                 {.chosen = {chosen.data(), models, n}, .rejected = {rejected.data(), models, n}},
                                 {.strength = {strength.data(), n},
                                  .deviation = {deviation.data(), n},
                                  .label = {label.data(), n},
                                  .margin = {margin.data(), n},
                                  .flip = {flip.data(), n},
                                  .keep = {keep.data(), n}}));
  state.SetItemsProcessed(state.iterations() * n);
  state.SetBytesProcessed(state.iterations() * n * (2 * models * 4 + 18));
}

BENCHMARK_CAPTURE(run, alone, prefer::preference_strength{.flip_negative = true});
BENCHMARK_CAPTURE(run, share, prefer::preference_strength{.flip_share = 0.2});
BENCHMARK_CAPTURE(run, normalize, prefer::preference_strength{.normalize = true});

}  // namespace

BENCHMARK_MAIN();
