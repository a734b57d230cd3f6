// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/core/evaluate_to_go.hpp>
#include <prefer/loss/nash_md_pg.hpp>

#include <string>
#include <vector>

// Nash-MD-PG from tokens: two arrays in, one gradient out, with the weight of the whole response (`whole`) and of what
// follows each token (`to_go`). An item of the table is one token.
namespace {

void tokens(benchmark::State& state, bench::place where, bool to_go, std::int64_t length) {
  constexpr std::int64_t n = std::int64_t{1} << 21;
  const std::int64_t responses = n / length;
  bench::arrays<float> a(3, n, bench::spacing::odd);
  std::vector<float> label(static_cast<std::size_t>(responses), 0.75f);
  std::vector<std::int64_t> offsets;
  for (std::int64_t i = 0; i <= responses; ++i) offsets.push_back(i * length);
  const prefer::response_token_inputs<prefer::space::host> in = {.policy = {a[0], n},
                                                                 .reference = {a[1], n},
                                                                 .offsets = {offsets.data(), responses + 1},
                                                                 .label = {label.data(), responses}};
  const prefer::response_outputs<prefer::space::host> out = {.grad_policy = {a[2], n}};
  bench::beside_probe(state, where, a, 2, 1, n, n, 0, [&](const prefer::cpu& exec) {
    return to_go ? prefer::evaluate_to_go(exec, prefer::nash_md_pg{}, in, out)
                 : prefer::evaluate_tokens(exec, prefer::nash_md_pg{}, in, out);
  });
}

}  // namespace

int main(int argc, char** argv) {
  for (const prefer::isa level : bench::levels())
    for (const int threads : {1, 2})
      for (const bool to_go : {false, true})
        for (const std::int64_t length : {32, 512})
          benchmark::RegisterBenchmark((std::string("nash_md_pg/") + (to_go ? "to_go/" : "whole/") +
                                        bench::name_of(level) + "/threads:" + std::to_string(threads) +
                                        "/tokens:" + std::to_string(length))
                                           .c_str(),
                                       [=](benchmark::State& state) {
                                         tokens(state, {level, threads}, to_go, length);
                                       })
              ->Iterations(1)
              ->UseManualTime();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
