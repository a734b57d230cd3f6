// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/arrays.hpp"
#include "support/probe.hpp"
#include "support/timing.hpp"

#include <prefer/core/thread_pool.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace bench {

// Where a call runs.
struct place {
  prefer::isa level;
  int threads;
};

// Times call(exec), which reads the first `inputs` of the arrays of n elements and writes the others, beside every
// probe over the same arrays, and fills the counters of one row of the table; `items` is what ns_per_item counts and
// `masks` how many bytes of masks the call reads beside the arrays. The limit is the fastest probe, or `arithmetic`,
// one thread's share of the call's arithmetic on memory that stays in the first cache, if that is slower.
template <class T, class Call>
void beside_probe(benchmark::State& state, place where, arrays<T>& a, int inputs, int outputs, std::int64_t n,
                  std::int64_t items, std::int64_t masks, const Call& call,
                  const std::function<void()>& arithmetic = {}) {
  prefer::thread_pool pool(where.threads);
  prefer::cpu exec{.isa = where.level};
  if (where.threads > 1) exec.pool = pool;
  const char* from[probe_job::most];
  char* to[probe_job::most];
  for (int k = 0; k < inputs; ++k) from[k] = reinterpret_cast<char*>(a[k]);
  for (int m = 0; m < outputs; ++m) to[m] = reinterpret_cast<char*>(a[inputs + m]);
  const auto bytes = n * static_cast<std::int64_t>(sizeof(T));
  std::vector<probe_job> probes;
  for (const traffic kind : {traffic::read, traffic::copy, traffic::own})
    for (const bool streaming : {false, true})
      if (kind != traffic::read || !streaming)
        probes.push_back(make_probe(kind, streaming, from, inputs, to, outputs, bytes));
  std::vector<std::function<void()>> candidates = {[&] { prefer::check(call(exec)); }};
  for (const probe_job& p : probes)
    candidates.push_back([&] {
      pool(where.threads,
           [&](std::int64_t task) { benchmark::DoNotOptimize(probe_part(p, where.level, task, where.threads)); });
    });
  if (arithmetic) candidates.push_back([&] { pool(where.threads, [&](std::int64_t) { arithmetic(); }); });
  for (auto _ : state) {
    const std::vector<double> best = interleaved(candidates, where.threads);
    double fastest = 0;
    for (std::size_t p = 0; p < probes.size(); ++p) fastest = std::max(fastest, useful_bytes(probes[p]) / best[p + 1]);
    const auto moved = static_cast<double>((inputs + outputs) * bytes + masks);
    state.SetIterationTime(best[0]);
    state.counters["ns_per_item"] = best[0] / static_cast<double>(items) * 1e9;
    state.counters["GB_per_s"] = moved / best[0] * 1e-9;
    state.counters["probe_GB_per_s"] = fastest * 1e-9;
    const double computed = arithmetic ? best.back() : 0;
    if (arithmetic) state.counters["of_probe"] = moved / fastest / best[0];
    state.counters["of_limit"] = std::max(moved / fastest, computed) / best[0];
  }
}

}  // namespace bench
