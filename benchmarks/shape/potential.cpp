// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/shape/potential.hpp>
#include <prefer/shape/value_bounds.hpp>

#include <string>

// Rewards of transitions in float: of 2^14, which stay in a cache, and of 2^23, which do not.
namespace {

// Call(exec, in(k), out(k)) on n transitions.
template <class Call>
void add(const char* name, int inputs, int outputs, Call call) {
  for (const prefer::isa level : bench::levels())
    for (const std::int64_t n : {std::int64_t{1} << 14, std::int64_t{1} << 23})
      benchmark::RegisterBenchmark(
          (std::string(name) + "/" + bench::name_of(level) + "/n:" + std::to_string(n)).c_str(),
          [=](benchmark::State& state) {
            bench::arrays<float> a(inputs + outputs, n, bench::spacing::odd);
            const auto in = [&](int k) { return prefer::view<const float>(a[k], n); };
            const auto out = [&](int k) { return prefer::view<float>(a[inputs + k], n); };
            bench::beside_probe(state, {level, 1}, a, inputs, outputs, n, n, 0,
                                [&](const prefer::cpu& exec) { return call(exec, in, out); });
          })
          ->Iterations(1)
          ->UseManualTime();
}

}  // namespace

int main(int argc, char** argv) {
  using namespace prefer;
  add("shape_rewards", 3, 1, [](const cpu& exec, auto in, auto out) {
    return shape_rewards<float>(exec, {}, {.reward = in(0), .potential = in(1), .next_potential = in(2)},
                                {.shaped = out(0)});
  });
  add("precondition_rewards", 2, 1, [](const cpu& exec, auto in, auto out) {
    return precondition_rewards<float>(exec, {.scale = 0.5}, {.reward = in(0), .penalty = in(1)}, {.reward = out(0)});
  });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
