// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/logp/noise_error.hpp>
#include <prefer/loss/diffusion_dpo.hpp>

#include <string>
#include <type_traits>

// Diffusion-DPO straight from noise predictions of 4 x 64 x 64 elements: six arrays in, two gradients out. An item of
// the table is one element of one pair.
namespace {

template <class T>
void rows(benchmark::State& state, bench::place where, std::int64_t pairs) {
  using compute = std::conditional_t<std::is_same_v<T, double>, double, float>;
  constexpr std::int64_t elements = 4 * 64 * 64;
  bench::arrays<T> a(8, pairs * elements, bench::spacing::odd);
  compute loss = 0;
  const auto in = [&](int k) { return prefer::view<const T, 2>(a[k], pairs, elements); };
  const auto out = [&](int k) { return prefer::view<T, 2>(a[k], pairs, elements); };
  bench::beside_probe(state, where, a, 6, 2, pairs * elements, pairs * elements, 0, [&](const prefer::cpu& exec) {
    return prefer::evaluate_rows<compute>(
        exec, prefer::noise_error{}, prefer::diffusion_dpo{},
        {.chosen = {in(0), in(1), in(2)}, .rejected = {in(3), in(4), in(5)}},
        {.loss = {&loss, 1}, .grad_chosen = {.prediction = out(6)}, .grad_rejected = {.prediction = out(7)}});
  });
}

template <class T>
void add(const char* type) {
  for (const prefer::isa level : bench::levels())
    for (const int threads : {1, 2})
      for (const std::int64_t pairs : {4, 256})
        benchmark::RegisterBenchmark((std::string("diffusion_dpo_rows/") + type + "/" + bench::name_of(level) +
                                      "/threads:" + std::to_string(threads) + "/pairs:" + std::to_string(pairs))
                                         .c_str(),
                                     [=](benchmark::State& state) { rows<T>(state, {level, threads}, pairs); })
            ->Iterations(1)
            ->UseManualTime();
}

}  // namespace

int main(int argc, char** argv) {
  add<float>("float");
  add<prefer::bfloat16>("bfloat16");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
