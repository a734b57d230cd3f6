// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/arrays.hpp"
#include "support/levels.hpp"
#include "support/probe.hpp"
#include "support/timing.hpp"

#include <prefer/core/evaluate.hpp>
#include <prefer/core/thread_pool.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <vector>

// Value and gradients of a loss over n items, beside the two limits that no program can pass: the memory probe and the
// bare arithmetic. A loss is described by
//
//   struct subject {
//     using loss = ...;
//     static constexpr int inputs, outputs;   // the first fields of its kind, the first gradients
//     template <class T, class Compute>
//     static prefer::status call(const prefer::cpu&, bench::arrays<T>&, std::int64_t n, Compute* total);
//   };
//
// Arrays hold zeros: the kernels have no branch on values, and the probes may then write wherever they like.
namespace bench {

template <class T>
const char* type_name() {
  return prefer::name_of(prefer::element_of<T>());
}

// The body of a loss on one tile that stays in the first-level cache, again and again.
template <class Subject, class T>
struct arithmetic_work {
  using body = prefer::detail::loss_body<typename Subject::loss>;
  static constexpr int tile = 256;
  struct job {
    typename Subject::loss loss;
    std::int64_t items;
    T sum;
  };

  template <class Level>
  static inline __attribute__((always_inline)) void run(job& j) {
    using V = prefer::lane<T, Level>;
    alignas(64) T in[Subject::inputs][tile] = {}, out[Subject::outputs][tile];
    body b{j.loss};
    T neutral[body::inputs];
    for (int k = 0; k < body::inputs; ++k)
      neutral[k] = k < body::fields ? static_cast<T>(body::kind::input_fields[k < body::fields ? k : 0].neutral) : T(1);
    // Parameters and absent inputs are run-time values to a call, so they are here.
    __asm__ volatile("" ::"r"(&b), "r"(&neutral) : "memory");
    V constant[body::inputs];
    prefer::detail::unrolled<body::inputs>([&](auto k) PREFER_HD_LAMBDA { constant[k] = V(neutral[k]); });
    const body fixed = b;
    V sum = {};
    for (std::int64_t done = 0; done < j.items; done += tile) {
      for (int g = 0; g < tile; g += V::width) {
        V x[body::inputs], y[body::outputs], part[body::sums];
        prefer::detail::unrolled<body::inputs>([&](auto k) PREFER_HD_LAMBDA {
          if constexpr (k < Subject::inputs)
            x[k] = V::load(in[k] + g);
          else
            x[k] = constant[k];
        });
        fixed(x, y, part);
        sum += part[0];
        prefer::detail::unrolled<Subject::outputs>([&](auto m) PREFER_HD_LAMBDA { y[m].store(out[m] + g); });
      }
      __asm__ volatile("" ::"r"(&in), "r"(&out) : "memory");
    }
    j.sum = sum.sum();
  }
};

struct configuration {
  prefer::isa level;
  int threads;
  std::int64_t n;
  bench::spacing spacing;
};

struct figures {
  double kernel;      // seconds per call
  double probe;       // seconds that the fastest probe needs for the kernel's bytes
  double arithmetic;  // seconds of the bare arithmetic loop
  double bytes;       // useful bytes of the kernel
};

template <class Subject, class T>
figures measure(const configuration& c) {
  using compute = std::conditional_t<std::is_same_v<T, double>, double, float>;
  constexpr int count = Subject::inputs + Subject::outputs;
  arrays<T> memory(count, c.n, c.spacing);
  prefer::thread_pool pool(c.threads);
  prefer::cpu exec{.isa = c.level};
  if (c.threads > 1) exec.pool = pool;

  const char* in[Subject::inputs];
  char* out[Subject::outputs];
  for (int k = 0; k < Subject::inputs; ++k) in[k] = reinterpret_cast<char*>(memory[k]);
  for (int m = 0; m < Subject::outputs; ++m) out[m] = reinterpret_cast<char*>(memory[Subject::inputs + m]);

  std::vector<std::function<void()>> candidates;
  compute total = 0;
  candidates.push_back([&] { prefer::check(Subject::template call<T, compute>(exec, memory, c.n, &total)); });
  const auto work = std::min<std::int64_t>(c.n, std::int64_t{1} << 20);  // arithmetic does not depend on the size
  candidates.push_back([&] {
    pool(c.threads, [&](std::int64_t) {
      typename arithmetic_work<Subject, compute>::job job{{}, work / c.threads, 0};
      prefer::detail::run_at<arithmetic_work<Subject, compute>>(c.level, job);
      benchmark::DoNotOptimize(job.sum);
    });
  });
  std::vector<probe_job> probes;
  for (const traffic kind : {traffic::read, traffic::copy, traffic::own})
    for (const bool streaming : {false, true})
      if (kind != traffic::read || !streaming)
        probes.push_back(make_probe(kind, streaming, in, Subject::inputs, out, Subject::outputs,
                                    c.n * static_cast<std::int64_t>(sizeof(T))));
  for (const probe_job& p : probes)
    candidates.push_back([&p, &pool, &c] {
      pool(c.threads, [&](std::int64_t task) { benchmark::DoNotOptimize(probe_part(p, c.level, task, c.threads)); });
    });

  const std::vector<double> best = interleaved(candidates, c.threads);
  figures f{};
  f.kernel = best[0];
  const std::int64_t tiles = (work / c.threads + 255) / 256 * 256 * c.threads;
  f.arithmetic = best[1] * static_cast<double>(c.n) / static_cast<double>(tiles);
  f.bytes = static_cast<double>(c.n) * sizeof(T) * count;
  double fastest = 0;
  for (std::size_t p = 0; p < probes.size(); ++p) fastest = std::max(fastest, useful_bytes(probes[p]) / best[p + 2]);
  f.probe = f.bytes / fastest;
  if (std::getenv("PREFER_BENCH_PROBES") != nullptr)
    for (std::size_t p = 0; p < probes.size(); ++p)
      std::printf("  probe %d%s %.1f GB/s\n", static_cast<int>(probes[p].kind), probes[p].streaming ? " nt" : "",
                  useful_bytes(probes[p]) / best[p + 2] * 1e-9);
  return f;
}

template <class Subject, class T>
void report(benchmark::State& state, const configuration& c) {
  for (auto _ : state) {
    const figures f = measure<Subject, T>(c);
    state.SetIterationTime(f.kernel);
    state.counters["ns_per_item"] = f.kernel / static_cast<double>(c.n) * 1e9;
    state.counters["GB_per_s"] = f.bytes / f.kernel * 1e-9;
    state.counters["probe_GB_per_s"] = f.bytes / f.probe * 1e-9;
    state.counters["of_probe"] = f.probe / f.kernel;
    state.counters["arithmetic_ns"] = f.arithmetic / static_cast<double>(c.n) * 1e9;
    state.counters["of_limit"] = std::max(f.probe, f.arithmetic) / f.kernel;
  }
}

template <class Subject, class T>
void register_type(const std::string& name) {
  for (const prefer::isa level : levels())
    for (const int threads : {1, 2})
      for (const spacing s : {spacing::power_of_two, spacing::odd, spacing::misaligned})
        for (int bits = 6; bits <= 24; bits += 2) {
          const configuration c{level, threads, std::int64_t{1} << bits, s};
          const std::string full = name + "/" + type_name<T>() + "/" + name_of(level) +
                                   "/threads:" + std::to_string(threads) + "/" + name_of(s) +
                                   "/n:" + std::to_string(c.n);
          benchmark::RegisterBenchmark(full.c_str(), [c](benchmark::State& state) { report<Subject, T>(state, c); })
              ->Iterations(1)
              ->UseManualTime();
        }
}

// What a call on few pairs costs.
template <class Subject>
void register_overhead(const std::string& name) {
  benchmark::RegisterBenchmark((name + "/float/call/n:16").c_str(), [](benchmark::State& state) {
    arrays<float> memory(Subject::inputs + Subject::outputs, 16, spacing::odd);
    float total = 0;
    for (auto _ : state) {
      prefer::status s = Subject::template call<float, float>(prefer::cpu{}, memory, 16, &total);
      benchmark::DoNotOptimize(s);
    }
  });
}

template <class Subject>
int run(const std::string& name, int argc, char** argv) {
  register_overhead<Subject>(name);
  register_type<Subject, float>(name);
  register_type<Subject, double>(name);
  register_type<Subject, prefer::bfloat16>(name);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace bench
