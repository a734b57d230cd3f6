// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/levels.hpp"
#include "support/timing.hpp"

#include <prefer/logp/token_divergence.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

// Divergences between rows of logits, their gradients by both rows from saved statistics, and both in one call. An item
// of the table is one pair of logits. The limit is bare arithmetic, measured in the same run: the exponentials that a
// pass needs, on numbers that stay in the first cache, with no output. The peer is the textbook with libm: a maximum, a
// sum, a sum of p (log p - log q), one number after the other.
namespace {

constexpr std::int64_t vocabulary = 32000;

struct arithmetic_job {
  const float* x;  // one tile
  std::int64_t count;
  float sink;
};
struct arithmetic_work {
  static constexpr int tile = 2048;

  template <class Level>
  static inline __attribute__((always_inline)) void run(arithmetic_job& job) {
    using V = prefer::lane<float, Level>;
    V sum[4] = {};
    for (std::int64_t first = 0; first < job.count; first += tile)
      for (int g = 0; g < tile; g += 4 * V::width)
        prefer::detail::unrolled<4>(
            [&](auto j) PREFER_HD_LAMBDA { sum[j] += prefer::math::exp_decay(V::load(job.x + g + j * V::width)); });
    job.sink = ((sum[0] + sum[1]) + (sum[2] + sum[3])).sum();
  }
};

template <class T>
double textbook(const T* p, const T* q) {
  const auto normalizer = [](const T* x, float& max) {
    max = -HUGE_VALF;
    for (std::int64_t v = 0; v < vocabulary; ++v) max = std::max(max, prefer::detail::widen(x[v]));
    float sum = 0;
    for (std::int64_t v = 0; v < vocabulary; ++v) sum += std::exp(prefer::detail::widen(x[v]) - max);
    return std::log(sum);
  };
  float max_p, max_q;
  const float log_p = normalizer(p, max_p), log_q = normalizer(q, max_q);
  float sum = 0;
  for (std::int64_t v = 0; v < vocabulary; ++v) {
    const float a = prefer::detail::widen(p[v]) - max_p - log_p, b = prefer::detail::widen(q[v]) - max_q - log_q;
    sum += std::exp(a) * (a - b);
  }
  return static_cast<double>(sum);
}

enum class mode { value, gradient, both, textbook };

template <class T>
void divergence(benchmark::State& state, prefer::isa level, prefer::divergence_kind kind, mode what,
                std::int64_t rows) {
  const std::int64_t count = rows * vocabulary;
  bench::arrays<T> a(4, count, bench::spacing::odd);
  for (int k = 0; k < 2; ++k)
    for (std::int64_t i = 0; i < count; ++i)
      a[k][i] = prefer::detail::narrow<T>::from(
          4.0f * std::sin((0.37f + 0.11f * static_cast<float>(k)) * static_cast<float>(i % 9973)));
  const auto m = static_cast<std::size_t>(rows);
  std::vector<double> value(m), p_max(m), p_log_sum(m), q_max(m), q_log_sum(m), to_p(m), to_q(m);
  const double upstream = 1.0 / static_cast<double>(rows);
  const prefer::cpu exec{.isa = level};
  const prefer::row_divergence options = {.kind = kind};
  const auto vector = [&](std::vector<double>& x) { return prefer::view<double>(x.data(), rows); };
  const auto read = [&](int k) { return prefer::view<const T, 2>(a[k], rows, vocabulary); };
  const auto write = [&](int k) { return prefer::view<T, 2>(a[k], rows, vocabulary); };

  const auto forward = [&](bool with_gradients) {
    prefer::token_divergence_inputs<prefer::space::host> in = {.p_logits = read(0), .q_logits = read(1)};
    prefer::token_divergence_outputs<prefer::space::host> out = {.divergence = vector(value),
                                                                 .p_max = vector(p_max),
                                                                 .p_log_sum = vector(p_log_sum),
                                                                 .q_max = vector(q_max),
                                                                 .q_log_sum = vector(q_log_sum)};
    if (options.mixes()) out.p_to_mixture = vector(to_p), out.q_to_mixture = vector(to_q);
    if (with_gradients)
      in.grad_divergence = {&upstream, rows, 0}, out.grad_p_logits = write(2), out.grad_q_logits = write(3);
    prefer::check(prefer::token_divergence<float>(exec, options, in, out));
  };
  const auto backward = [&] {
    prefer::token_divergence_gradient_inputs<prefer::space::host> in = {.p_logits = read(0),
                                                                        .q_logits = read(1),
                                                                        .p_max = vector(p_max),
                                                                        .p_log_sum = vector(p_log_sum),
                                                                        .q_max = vector(q_max),
                                                                        .q_log_sum = vector(q_log_sum),
                                                                        .grad_divergence = {&upstream, rows, 0}};
    if (options.mixes())
      in.p_to_mixture = vector(to_p), in.q_to_mixture = vector(to_q);
    else
      in.divergence = vector(value);
    prefer::check(prefer::token_divergence_gradient<float>(exec, options, in,
                                                           {.grad_p_logits = write(2), .grad_q_logits = write(3)}));
  };
  forward(false);

  alignas(64) float numbers[arithmetic_work::tile];
  for (int i = 0; i < arithmetic_work::tile; ++i) numbers[i] = -0.01f * static_cast<float>(i % 997);
  // One exponential per row for its statistics, two for the value, two for the gradients.
  const std::int64_t exponentials = what == mode::both ? 6 : what == mode::gradient ? 2 : 4;
  std::vector<std::function<void()>> candidates = {
      [&] {
        if (what == mode::textbook)
          for (std::int64_t i = 0; i < rows; ++i)
            benchmark::DoNotOptimize(textbook(a[0] + i * vocabulary, a[1] + i * vocabulary));
        else
          what == mode::gradient ? backward() : forward(what == mode::both);
      },
      [&] {
        arithmetic_job job{numbers, exponentials * count, 0};
        prefer::detail::run_at<arithmetic_work>(level, job);
        benchmark::DoNotOptimize(job.sink);
      }};
  for (auto _ : state) {
    const std::vector<double> best = bench::interleaved(candidates);
    state.SetIterationTime(best[0]);
    state.counters["ns_per_item"] = best[0] / static_cast<double>(count) * 1e9;
    state.counters["of_arithmetic"] = best[1] / best[0];
  }
}

template <class T>
void add(const char* type) {
  using kind = prefer::divergence_kind;
  const auto one = [&](const char* name, kind k, mode what, prefer::isa level, std::int64_t rows) {
    const std::string full =
        std::string(name) + "/" + type + "/" + bench::name_of(level) + "/rows:" + std::to_string(rows);
    benchmark::RegisterBenchmark(full.c_str(),
                                 [=](benchmark::State& state) { divergence<T>(state, level, k, what, rows); })
        ->Iterations(1)
        ->UseManualTime();
  };
  for (const std::int64_t rows : {2, 128}) {
    for (const prefer::isa level : bench::levels()) {
      one("kl", kind::forward_kl, mode::value, level, rows);
      one("kl_gradient", kind::forward_kl, mode::gradient, level, rows);
      one("kl_both", kind::forward_kl, mode::both, level, rows);
      one("js", kind::jensen_shannon, mode::value, level, rows);
      one("js_both", kind::jensen_shannon, mode::both, level, rows);
    }
    one("kl_textbook", kind::forward_kl, mode::textbook, prefer::isa::automatic, rows);
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
