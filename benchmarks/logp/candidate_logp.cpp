// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/levels.hpp"
#include "support/timing.hpp"

#include <prefer/logp/candidate_logp.hpp>
#include <prefer/logp/token_logp.hpp>
#include <prefer/logp/top_k_logp.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

// K candidates per row, their gradient, and the K largest, each beside token_logp (or its gradient) on the same logits
// in the same run: of_token_logp is the share of its speed. An item of the table is one logit.
namespace {

enum class mode { candidates, gradient, largest };
const char* name_of(mode m) {
  return m == mode::candidates ? "candidates" : m == mode::gradient ? "gradient" : "largest";
}

void picked(benchmark::State& state, prefer::isa level, mode what, std::int64_t rows, std::int64_t vocabulary,
            std::int64_t k) {
  const std::int64_t count = rows * vocabulary;
  bench::arrays<float> a(2, count, bench::spacing::odd);
  std::uint32_t bits = 1;
  for (std::int64_t i = 0; i < count; ++i) {
    bits = bits * 1664525u + 1013904223u;
    a[0][i] = 4.0f * std::sin(static_cast<float>(bits >> 8));
  }
  const auto m = static_cast<std::size_t>(rows);
  std::vector<std::int32_t> token(m * static_cast<std::size_t>(k)), target(m, 17);
  for (std::size_t i = 0; i < token.size(); ++i)
    token[i] = static_cast<std::int32_t>(i * 7919 % static_cast<std::size_t>(vocabulary));
  std::vector<float> logp(token.size()), one(m), max(m), log_sum(m);
  const float upstream = -1.0f / static_cast<float>(rows);
  const prefer::cpu exec{.isa = level};
  const prefer::view<const float, 2> logits(a[0], rows, vocabulary);
  const prefer::view<float, 2> gradient(a[1], rows, vocabulary);
  const prefer::view<std::int32_t, 2> tokens(token.data(), rows, k);
  prefer::check(prefer::token_logp<float>(
      exec, {}, {.logits = logits, .target = {target.data(), rows}},
      {.logp = {one.data(), rows}, .max = {max.data(), rows}, .log_sum = {log_sum.data(), rows}}));

  const auto call = [&] {
    if (what == mode::candidates)
      prefer::check(prefer::candidate_logp<float>(exec, {}, {.logits = logits, .candidates = tokens},
                                                  {.logp = {logp.data(), rows, k}}));
    else if (what == mode::gradient)
      prefer::check(prefer::candidate_logp_gradient<float>(exec, {},
                                                           {.logits = logits,
                                                            .candidates = tokens,
                                                            .max = {max.data(), rows},
                                                            .log_sum = {log_sum.data(), rows},
                                                            .grad_logp = {&upstream, rows, k, 0, 0}},
                                                           {.grad_logits = gradient}));
    else
      prefer::check(prefer::top_k_logp<float>(exec, {}, {.logits = logits},
                                              {.logp = {logp.data(), rows, k}, .index = tokens}));
  };
  const auto peer = [&] {
    if (what == mode::gradient)
      prefer::check(prefer::token_logp_gradient<float>(exec, {},
                                                       {.logits = logits,
                                                        .target = {target.data(), rows},
                                                        .logp = {one.data(), rows},
                                                        .max = {max.data(), rows},
                                                        .log_sum = {log_sum.data(), rows},
                                                        .grad_logp = {&upstream, rows, 0}},
                                                       {.grad_logits = gradient}));
    else
      prefer::check(prefer::token_logp<float>(exec, {}, {.logits = logits, .target = {target.data(), rows}},
                                              {.logp = {one.data(), rows}}));
  };
  const std::vector<std::function<void()>> both = {call, peer};
  for (auto _ : state) {
    const std::vector<double> best = bench::interleaved(both);
    state.SetIterationTime(best[0]);
    state.counters["ns_per_item"] = best[0] / static_cast<double>(count) * 1e9;
    state.counters["of_token_logp"] = best[1] / best[0];
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const prefer::isa level : bench::levels())
    for (const mode what : {mode::candidates, mode::gradient, mode::largest})
      for (const std::int64_t vocabulary : {32000, 128256})
        for (const std::int64_t k : {1, 8, 64}) {
          const std::string name = std::string(name_of(what)) + "/" + bench::name_of(level) +
                                   "/V:" + std::to_string(vocabulary) + "/K:" + std::to_string(k);
          benchmark::RegisterBenchmark(
              name.c_str(), [=](benchmark::State& state) { picked(state, level, what, 16, vocabulary, k); })
              ->Iterations(1)
              ->UseManualTime();
        }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
