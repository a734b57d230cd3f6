// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/shape/gradient_penalty.hpp>
#include <prefer/shape/penalty_samples.hpp>

#include <string>

// The gradient penalty, and drawing where it is taken, in float: 512 rows of 512 elements, which stay in a cache, and
// 32768, which do not. An item of the table is one element of one array.
namespace {

constexpr std::int64_t d = 512;

// Call(exec, in(k), out(k)) on n rows.
template <class Call>
void add(const char* name, int inputs, int outputs, Call call) {
  for (const prefer::isa level : bench::levels())
    for (const std::int64_t n : {512, 32768})
      benchmark::RegisterBenchmark(
          (std::string(name) + "/" + bench::name_of(level) + "/rows:" + std::to_string(n)).c_str(),
          [=](benchmark::State& state) {
            bench::arrays<float> a(inputs + outputs, n * d, bench::spacing::odd);
            const auto in = [&](int k) { return prefer::view<const float, 2>(a[k], n, d); };
            const auto out = [&](int k) { return prefer::view<float, 2>(a[inputs + k], n, d); };
            bench::beside_probe(state, {level, 1}, a, inputs, outputs, n * d, n * d, 0,
                                [&](const prefer::cpu& exec) { return call(exec, in, out); });
          })
          ->Iterations(1)
          ->UseManualTime();
}

}  // namespace

int main(int argc, char** argv) {
  using namespace prefer;
  add("gradient_penalty", 1, 1, [](const cpu& exec, auto in, auto out) {
    float loss = 0;
    return evaluate_rows<float>(exec, gradient_norm{}, gradient_penalty{}, {.rows = {in(0)}},
                                {.loss = {&loss, 1}, .grad = {out(0)}});
  });
  add("gradient_penalty_value", 1, 0, [](const cpu& exec, auto in, auto) {
    float loss = 0;
    return evaluate_rows<float>(exec, gradient_norm{}, gradient_penalty{}, {.rows = {in(0)}}, {.loss = {&loss, 1}});
  });
  add("penalty_differences", 2, 2, [](const cpu& exec, auto in, auto out) {
    return penalty_differences<float>(exec, {}, {}, 0.01, {.gradient = in(0), .x = in(1)},
                                      {.plus = out(0), .minus = out(1)});
  });
  add("interpolate_samples", 2, 1, [](const cpu& exec, auto in, auto out) {
    return interpolate_samples(exec, {.seed = 1}, {in(0), in(1)}, {out(0)});
  });
  add("perturb_samples", 1, 1,
      [](const cpu& exec, auto in, auto out) { return perturb_samples(exec, {.seed = 1}, 10.0, {in(0)}, {out(0)}); });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
