// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/probe.hpp"
#include "support/timing.hpp"

#include <prefer/core/thread_pool.hpp>
#include <prefer/logp/evaluate_logits.hpp>
#include <prefer/loss/dpo.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

// DPO straight from logits, value and gradient, whole or in chunks whose callbacks copy rows. An item of the table is
// one logit. `of_passes`: the time of token_logp and token_logp_gradient alone, over that of the call, which adds what
// is per token (and in chunks the copies). `of_memory`: a probe that reads the logits, and reads and writes them again.
namespace {

enum class mode { value, gradient, chunks };
const char* name_of(mode m) { return m == mode::value ? "value" : m == mode::gradient ? "gradient" : "chunks"; }

template <class T>
struct logits_case {
  std::int64_t rows, vocabulary, responses = 16;
  bench::arrays<T> a;  // logits, gradient
  std::vector<std::int32_t> target, offsets;
  std::vector<double> reference, logp, max, log_sum, upstream;
  std::vector<T> chunk;
  std::vector<std::byte> memory;

  static constexpr std::int64_t chunk_rows = 32;

  logits_case(std::int64_t m, std::int64_t v)
      : rows(m),
        vocabulary(v),
        a(2, m * v, bench::spacing::odd),
        target(size(m), 17),
        reference(size(m), -3),
        logp(size(m)),
        max(size(m)),
        log_sum(size(m)),
        upstream(size(m), 1e-3),
        chunk(size(chunk_rows * v)),
        memory(prefer::evaluate_logits_workspace<float>(prefer::cpu{}, prefer::dpo{}, m, v, responses / 2)) {
    for (std::int64_t i = 0; i <= responses; ++i) offsets.push_back(static_cast<std::int32_t>(m * i / responses));
    for (std::int64_t i = 0; i < m * v; ++i) {
      const float x = 4.0f * std::sin(0.37f * static_cast<float>(i % 9973)) - 2.0f;
      if constexpr (std::is_same_v<T, float>)
        a[0][i] = x;
      else
        a[0][i] = prefer::to_bfloat16(x);
    }
  }
  static std::size_t size(std::int64_t x) { return static_cast<std::size_t>(x); }

  prefer::pair_token_inputs<prefer::space::host> tokens() const {
    const std::int64_t n = responses / 2;
    return {.chosen_offsets = {offsets.data(), n, 2},
            .rejected_offsets = {offsets.data() + 1, n, 2},
            .chosen_ends = {offsets.data() + 1, n, 2},
            .rejected_ends = {offsets.data() + 2, n, 2}};
  }
  prefer::view<const T, 2> logits() { return {a[0], rows, vocabulary}; }
  prefer::view<T, 2> gradient() { return {a[1], rows, vocabulary}; }

  void whole(prefer::cpu exec, bool with_gradient) {
    exec.workspace = {memory.data(), memory.size()};
    double loss = 0;
    prefer::policy_logits<prefer::space::host> in = {
        .logits = logits(), .target = {target.data(), rows}, .reference_logp = {reference.data(), rows}};
    if (with_gradient) in.grad_logits = gradient();
    prefer::check(prefer::evaluate_logits<float>(exec, prefer::dpo{}, in, tokens(), {.loss = {&loss, 1}}));
  }
  void in_chunks(prefer::cpu exec) {
    exec.workspace = {memory.data(), memory.size()};
    double loss = 0;
    const auto bytes = [&](std::int64_t count) { return size(count * vocabulary) * sizeof(T); };
    auto make = [&](std::int64_t first, std::int64_t count) {
      std::memcpy(chunk.data(), a[0] + first * vocabulary, bytes(count));
    };
    auto take = [&](std::int64_t first, std::int64_t count) {
      std::memcpy(a[1] + first * vocabulary, chunk.data(), bytes(count));
    };
    prefer::check(prefer::evaluate_logits_chunks<float>(exec, prefer::dpo{},
                                                        {.chunks = {.rows = rows,
                                                                    .buffer = {chunk.data(), chunk_rows, vocabulary},
                                                                    .logits = make,
                                                                    .grad_logits = take},
                                                         .target = {target.data(), rows},
                                                         .reference_logp = {reference.data(), rows}},
                                                        tokens(), {.loss = {&loss, 1}}));
  }
  void passes(const prefer::cpu& exec, bool with_gradient) {
    prefer::check(prefer::token_logp<float>(
        exec, {}, {.logits = logits(), .target = {target.data(), rows}},
        {.logp = {logp.data(), rows}, .max = {max.data(), rows}, .log_sum = {log_sum.data(), rows}}));
    if (with_gradient)
      prefer::check(prefer::token_logp_gradient<float>(exec, {},
                                                       {.logits = logits(),
                                                        .target = {target.data(), rows},
                                                        .logp = {logp.data(), rows},
                                                        .max = {max.data(), rows},
                                                        .log_sum = {log_sum.data(), rows},
                                                        .grad_logp = {upstream.data(), rows}},
                                                       {.grad_logits = gradient()}));
  }
};

template <class T>
void evaluate_logits(benchmark::State& state, int threads, mode what, std::int64_t rows, std::int64_t vocabulary) {
  logits_case<T> c(rows, vocabulary);
  prefer::thread_pool pool(threads);
  prefer::cpu exec;
  if (threads > 1) exec.pool = pool;
  const std::int64_t count = rows * vocabulary, bytes = count * static_cast<std::int64_t>(sizeof(T));
  const bool gradient = what != mode::value;
  const char* from = reinterpret_cast<const char*>(c.a[0]);
  char* to = reinterpret_cast<char*>(c.a[1]);
  const auto read = bench::make_probe(bench::traffic::own, false, &from, 1, &to, 0, bytes),
             write = bench::make_probe(bench::traffic::own, false, &from, 1, &to, 1, bytes);
  prefer::isa level = prefer::isa::base;
  prefer::check(prefer::resolve_isa(exec, level));
  const auto probe = [&](std::int64_t task) {
    benchmark::DoNotOptimize(bench::probe_part(read, level, task, threads));
    if (gradient) benchmark::DoNotOptimize(bench::probe_part(write, level, task, threads));
  };
  const std::vector<std::function<void()>> candidates = {
      [&] { what == mode::chunks ? c.in_chunks(exec) : c.whole(exec, gradient); }, [&] { c.passes(exec, gradient); },
      [&] { pool(threads, probe); }};
  for (auto _ : state) {
    const std::vector<double> best = bench::interleaved(candidates, threads);
    state.SetIterationTime(best[0]);
    state.counters["ns_per_item"] = best[0] / static_cast<double>(count) * 1e9;
    state.counters["GB_per_s"] = static_cast<double>(bytes) * (gradient ? 3 : 1) / best[0] * 1e-9;
    state.counters["of_passes"] = best[1] / best[0];
    state.counters["of_memory"] = best[2] / best[0];
  }
}

template <class T>
void add(const char* type) {
  for (const int threads : {1, 2})
    for (const mode what : {mode::value, mode::gradient, mode::chunks})
      for (const std::int64_t vocabulary : {1000, 32000, 128256}) {
        const std::int64_t rows = vocabulary > 100000 ? 128 : 512;
        const std::string name = std::string(name_of(what)) + "/" + type + "/threads:" + std::to_string(threads) +
                                 "/V:" + std::to_string(vocabulary) + "/rows:" + std::to_string(rows);
        benchmark::RegisterBenchmark(
            name.c_str(), [=](benchmark::State& state) { evaluate_logits<T>(state, threads, what, rows, vocabulary); })
            ->Iterations(1)
            ->UseManualTime();
      }
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
