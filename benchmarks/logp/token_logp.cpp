// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/levels.hpp"
#include "support/probe.hpp"
#include "support/timing.hpp"

#include <prefer/core/thread_pool.hpp>
#include <prefer/logp/token_logp.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

// Log-probabilities of targets, their gradient from saved answers, and both in one call. An item of the table is one
// logit. The limit is the slower of two, measured in the same run: memory moved without arithmetic, and the bare
// arithmetic on numbers of the same type that stay in the first cache. That is a maximum and an exponential per logit,
// added up, for the answers; and for the gradient an exponential and the store of a number of the type, rounding
// included.
namespace {

template <class S>
struct arithmetic_work {
  static constexpr int tile = 1024;

  const S* x;  // one tile
  S* to;
  bool adds, stores;
  std::int64_t count;
  float sink = 0;

  template <class Level>
  static inline __attribute__((always_inline)) void run(arithmetic_work& w) {
    using V = prefer::lane<float, Level>;
    const V bits(prefer::math::detail::format<float>::log2e);
    V top[4] = {}, sum[4] = {};
    for (std::int64_t first = 0; first < w.count; first += tile) {
      for (int g = 0; w.adds && g < tile; g += 4 * V::width)
        prefer::detail::unrolled<4>([&](auto j) PREFER_HD_LAMBDA {
          const V y = V::load(w.x + g + j * V::width);
          top[j] = prefer::math::max(y, top[j]);
          sum[j] += prefer::math::exp2_decay(y * bits);
        });
      if (w.stores) store_tile<V>(w);
    }
    w.sink = (((top[0] + sum[0]) + (top[1] + sum[1])) + ((top[2] + sum[2]) + (top[3] + sum[3]))).sum();
  }

  // Those of bfloat16 are rounded after a tile, which is faster.
  template <class V>
  static inline __attribute__((always_inline)) void store_tile(arithmetic_work& w) {
    const V bits(prefer::math::detail::format<float>::log2e);
    constexpr bool apart = std::is_same_v<S, prefer::bfloat16>;
    alignas(64) float some[tile];
    for (int g = 0; g < tile; g += V::width) {
      const V e = prefer::math::exp2_decay(V::load(w.x + g) * bits);
      if constexpr (apart)
        e.store(some + g);
      else
        e.store(w.to + g);
    }
    for (int g = 0; apart && g < tile; g += V::width) V::load(some + g).store(w.to + g);
  }
};

template <class S>
S stored(float x) {
  return prefer::detail::narrow<S>::from(x);
}

enum class mode { logp, gradient, both };
const char* name_of(mode m) { return m == mode::logp ? "logp" : m == mode::gradient ? "gradient" : "both"; }

template <class T>
void token_logp(benchmark::State& state, prefer::isa level, int threads, mode what, std::int64_t rows,
                std::int64_t vocabulary) {
  const std::int64_t count = rows * vocabulary;
  bench::arrays<T> a(2, count, bench::spacing::odd);
  for (std::int64_t i = 0; i < count; ++i)
    a[0][i] = stored<T>(4.0f * std::sin(0.37f * static_cast<float>(i % 9973)) - 2.0f);
  const auto m = static_cast<std::size_t>(rows);
  std::vector<std::int32_t> target(m, 17);
  std::vector<float> logp(m), max(m), log_sum(m);
  const float upstream = -1.0f / static_cast<float>(rows);
  prefer::thread_pool pool(threads);
  prefer::cpu exec{.isa = level};
  if (threads > 1) exec.pool = pool;

  const prefer::view<const T, 2> logits(a[0], rows, vocabulary);
  const prefer::view<T, 2> gradient(a[1], rows, vocabulary);
  const auto forward = [&](bool with_gradient) {
    prefer::token_logp_inputs<prefer::space::host> in = {.logits = logits, .target = {target.data(), rows}};
    prefer::token_logp_outputs<prefer::space::host> out = {
        .logp = {logp.data(), rows}, .max = {max.data(), rows}, .log_sum = {log_sum.data(), rows}};
    if (with_gradient) in.grad_logp = {&upstream, rows, 0}, out.grad_logits = gradient;
    prefer::check(prefer::token_logp<float>(exec, {}, in, out));
  };
  const auto backward = [&] {
    prefer::check(prefer::token_logp_gradient<float>(exec, {},
                                                     {.logits = logits,
                                                      .target = {target.data(), rows},
                                                      .logp = {logp.data(), rows},
                                                      .max = {max.data(), rows},
                                                      .log_sum = {log_sum.data(), rows},
                                                      .grad_logp = {&upstream, rows, 0}},
                                                     {.grad_logits = gradient}));
  };
  forward(false);

  using bare = arithmetic_work<T>;
  alignas(64) T numbers[bare::tile], results[bare::tile];
  for (int i = 0; i < bare::tile; ++i) numbers[i] = stored<T>(-0.01f * static_cast<float>(i % 997));
  const auto arithmetic = [&](std::int64_t task) {
    bare loop{numbers, results, what != mode::gradient, what != mode::logp,
              count * (task + 1) / threads - count * task / threads};
    prefer::detail::run_at<bare>(level, loop);
    benchmark::DoNotOptimize(loop.sink);
  };
  const char* from = reinterpret_cast<char*>(a[0]);
  char* to = reinterpret_cast<char*>(a[1]);
  const auto bytes = count * static_cast<std::int64_t>(sizeof(T));
  const int outputs = what == mode::logp ? 0 : 1;
  std::vector<bench::probe_job> probes = {bench::make_probe(bench::traffic::own, false, &from, 1, &to, outputs, bytes)};
  if (outputs > 0) probes.push_back(bench::make_probe(bench::traffic::own, true, &from, 1, &to, outputs, bytes));
  std::vector<std::function<void()>> candidates = {
      [&] { what == mode::gradient ? backward() : forward(what == mode::both); }, [&] { pool(threads, arithmetic); }};
  for (const bench::probe_job& p : probes)
    candidates.push_back([&] {
      pool(threads, [&](std::int64_t task) { benchmark::DoNotOptimize(bench::probe_part(p, level, task, threads)); });
    });

  for (auto _ : state) {
    const std::vector<double> best = bench::interleaved(candidates, threads);
    double memory = best[2];
    for (std::size_t p = 3; p < best.size(); ++p) memory = std::min(memory, best[p]);
    state.SetIterationTime(best[0]);
    state.counters["ns_per_item"] = best[0] / static_cast<double>(count) * 1e9;
    state.counters["GB_per_s"] = static_cast<double>(bytes) * (1 + outputs) / best[0] * 1e-9;
    state.counters["of_memory"] = memory / best[0];
    state.counters["of_arithmetic"] = best[1] / best[0];
    state.counters["of_limit"] = std::max(memory, best[1]) / best[0];
  }
}

struct shape {
  std::int64_t rows, vocabulary;
};
constexpr shape shapes[] = {{2, 32000}, {256, 32000}, {512, 32000}, {2, 128256}, {256, 128256}, {256, 131072}};

template <class T>
void add(const char* type) {
  for (const prefer::isa level : bench::levels())
    for (const int threads : {1, 2})
      for (const mode what : {mode::logp, mode::gradient, mode::both})
        for (const shape s : shapes) {
          const std::string name = std::string(name_of(what)) + "/" + type + "/" + bench::name_of(level) +
                                   "/threads:" + std::to_string(threads) + "/V:" + std::to_string(s.vocabulary) +
                                   "/rows:" + std::to_string(s.rows);
          benchmark::RegisterBenchmark(
              name.c_str(),
              [=](benchmark::State& state) { token_logp<T>(state, level, threads, what, s.rows, s.vocabulary); })
              ->Iterations(1)
              ->UseManualTime();
        }
}

}  // namespace

int main(int argc, char** argv) {
  add<float>("float");
  add<prefer::bfloat16>("bfloat16");
  add<prefer::half>("half");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
