// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/logp/logp_mixture.hpp>

#include <string>

// Mixtures of two matrices of logits into a third. An item of the table is one logit; the probe counts two reads and
// one write of each.
namespace {

template <class T>
void mix(benchmark::State& state, bench::place where, std::int64_t rows, std::int64_t vocabulary) {
  const std::int64_t count = rows * vocabulary;
  bench::arrays<T> a(3, count, bench::spacing::odd);
  const auto in = [&](int k) { return prefer::view<const T, 2>(a[k], rows, vocabulary); };
  bench::beside_probe(state, where, a, 2, 1, count, count, 0, [&](const prefer::cpu& exec) {
    return prefer::mix_logp<float>(exec, {}, {.policy = in(0), .reference = in(1)},
                                   {.logp = prefer::view<T, 2>(a[2], rows, vocabulary)});
  });
}

template <class T>
void add(const char* type) {
  for (const prefer::isa level : bench::levels())
    for (const int threads : {1, 2})
      for (const std::int64_t rows : {2, 128})
        benchmark::RegisterBenchmark((std::string("mix_logp/") + type + "/" + bench::name_of(level) + "/threads:" +
                                      std::to_string(threads) + "/V:128256/rows:" + std::to_string(rows))
                                         .c_str(),
                                     [=](benchmark::State& state) { mix<T>(state, {level, threads}, rows, 128256); })
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
