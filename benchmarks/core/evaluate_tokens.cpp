// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/loss/dpo.hpp>

#include <cstring>
#include <string>

// DPO from log-probabilities per token: four arrays in, two gradients out, responses packed one behind the other. An
// item of the table is one token of one response. Masks keep every token: they are read and applied.
namespace {

struct shape {
  std::int64_t pairs, tokens;  // of each response
  bool masked;
};

template <class T>
void tokens(benchmark::State& state, bench::place where, shape s) {
  const std::int64_t n = s.pairs * s.tokens;
  bench::arrays<T> a(6, n, bench::spacing::odd);
  bench::arrays<bool> masks(2, n, bench::spacing::odd);
  for (int p = 0; p < 2; ++p) std::memset(masks[p], 1, static_cast<std::size_t>(n));
  std::vector<std::int64_t> offsets;
  for (std::int64_t i = 0; i <= s.pairs; ++i) offsets.push_back(i * s.tokens);
  float loss = 0;
  prefer::pair_token_inputs<prefer::space::host> in = {.policy_chosen = {a[0], n},
                                                       .policy_rejected = {a[1], n},
                                                       .reference_chosen = {a[2], n},
                                                       .reference_rejected = {a[3], n},
                                                       .chosen_offsets = {offsets.data(), s.pairs + 1},
                                                       .rejected_offsets = {offsets.data(), s.pairs + 1}};
  if (s.masked) in.chosen_mask = {masks[0], n}, in.rejected_mask = {masks[1], n};
  bench::beside_probe(state, where, a, 4, 2, n, 2 * n, s.masked ? 2 * n : 0, [&](const prefer::cpu& exec) {
    return prefer::evaluate_tokens(
        exec, prefer::dpo{}, in,
        {.loss = {&loss, 1}, .grad_policy_chosen = {a[4], n}, .grad_policy_rejected = {a[5], n}});
  });
}

template <class T>
void add(const char* type, shape s) {
  for (const prefer::isa level : bench::levels())
    for (const int threads : {1, 2})
      benchmark::RegisterBenchmark((std::string("dpo_tokens/") + type + "/" + bench::name_of(level) + "/threads:" +
                                    std::to_string(threads) + (s.masked ? "/masked" : "") + "/pairs:" +
                                    std::to_string(s.pairs) + "/tokens:" + std::to_string(s.tokens))
                                       .c_str(),
                                   [=](benchmark::State& state) { tokens<T>(state, {level, threads}, s); })
          ->Iterations(1)
          ->UseManualTime();
}

}  // namespace

int main(int argc, char** argv) {
  for (const bool masked : {false, true}) {
    add<float>("float", {4096, 512, masked});
    add<float>("float", {64, 512, masked});
  }
  for (const std::int64_t length : {1, 4, 8, 32}) add<float>("float", {16384, length, false});
  add<prefer::bfloat16>("bfloat16", {4096, 512, false});
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
