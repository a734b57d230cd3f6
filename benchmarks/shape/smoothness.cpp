// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/shape/penalty_samples.hpp>
#include <prefer/shape/smoothness.hpp>

#include <string>
#include <vector>

// Smoothness penalties in float, value and gradient: actions of 8 and of 512 elements, 2^18 and 2^22 in all. An item of
// the table is one element of one array.
namespace {

// Call(exec, in(k), out(k)) on n rows of d elements.
template <class Call>
void add(const char* name, int inputs, int outputs, Call call) {
  for (const prefer::isa level : bench::levels())
    for (const std::int64_t d : {8, 512})
      for (const std::int64_t all : {std::int64_t{1} << 18, std::int64_t{1} << 22})
        benchmark::RegisterBenchmark(
            (std::string(name) + "/" + bench::name_of(level) + "/D:" + std::to_string(d) +
             "/rows:" + std::to_string(all / d))
                .c_str(),
            [=](benchmark::State& state) {
              const std::int64_t n = all / d;
              bench::arrays<float> a(inputs + outputs, all, bench::spacing::odd);
              std::vector<char> memory(prefer::temporal_smoothness_workspace(prefer::cpu{}, n) +
                                       prefer::dragan_samples_workspace(prefer::cpu{}, d));
              const auto in = [&](int k) { return prefer::view<const float, 2>(a[k], n, d); };
              const auto out = [&](int k) { return prefer::view<float, 2>(a[inputs + k], n, d); };
              bench::beside_probe(state, {level, 1}, a, inputs, outputs, all, all, 0, [&](prefer::cpu exec) {
                exec.workspace = {memory.data(), memory.size()};
                return call(exec, in, out);
              });
            })
            ->Iterations(1)
            ->UseManualTime();
}

}  // namespace

int main(int argc, char** argv) {
  using namespace prefer;
  const auto temporal = [](difference_order order) {
    return [=](const cpu& exec, auto in, auto out) {
      float loss = 0;
      return temporal_smoothness<float>(exec, {}, order, {.action = in(0)},
                                        {.loss = {&loss, 1}, .grad_action = out(0)});
    };
  };
  add("temporal_smoothness", 1, 1, temporal(difference_order::first));
  add("temporal_smoothness_second", 1, 1, temporal(difference_order::second));
  add("spatial_smoothness", 2, 2, [](const cpu& exec, auto in, auto out) {
    float loss = 0;
    return evaluate_rows<float>(exec, action_distance{}, smoothness_penalty{}, {.rows = {in(0), in(1)}},
                                {.loss = {&loss, 1}, .grad = {out(0), out(1)}});
  });
  add("dragan_samples", 1, 1,
      [](const cpu& exec, auto in, auto out) { return dragan_samples(exec, {.seed = 1}, {}, {in(0)}, {out(0)}); });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
