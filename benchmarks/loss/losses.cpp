// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/all_losses.hpp"
#include "support/arrays.hpp"
#include "support/levels.hpp"
#include "support/loss_arrays.hpp"
#include "support/timing.hpp"

#include <benchmark/benchmark.h>

#include <string>

// Every loss, value and gradients in float: 2^16 items in one thread, where arithmetic counts.
namespace {

template <class Loss>
void sweep(benchmark::State& state, const Loss& loss, prefer::isa level) {
  constexpr std::int64_t n = std::int64_t{1} << 16;
  const bench::loss_arrays<Loss> call(loss);
  bench::arrays<float> memory(call.inputs() + call.outputs(), n, bench::spacing::odd);
  float total = 0;
  const auto array = [&](int i) { return memory[i]; };
  const auto in = call.template make_inputs<prefer::cpu>(n, array);
  const auto out = call.template make_outputs<prefer::cpu>(n, array, &total);
  for (auto _ : state) {
    const double seconds = bench::interleaved(
        {[&] { prefer::check(prefer::evaluate<float>(prefer::cpu{.isa = level}, loss, in, out)); }}, 1)[0];
    state.SetIterationTime(seconds);
    state.counters["items_per_second"] = static_cast<double>(n) / seconds;
    state.counters["arrays"] = call.inputs() + call.outputs();
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::each_loss([](const char* name, const auto& loss) {
    for (const prefer::isa level : bench::levels())
      benchmark::RegisterBenchmark((std::string(name) + "/" + bench::name_of(level)).c_str(),
                                   [=](benchmark::State& state) { sweep(state, loss, level); })
          ->Iterations(1)
          ->UseManualTime();
  });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
