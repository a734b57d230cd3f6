// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arrays.hpp"
#include "probe.hpp"
#include "timing.hpp"

#include <prefer/core/thread_pool.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace bench {

// Time, bytes per second, and fraction of the fastest probe over the same arrays, of a call that reads the first
// `inputs` arrays of `count` elements and writes the next `outputs`. An item is an element of one array.
template <class T, class Call>
void against_probe(benchmark::State& state, arrays<T>& a, int inputs, int outputs, std::int64_t count,
                   prefer::isa level, prefer::thread_pool& pool, int threads, Call call) {
  std::vector<const char*> from;
  std::vector<char*> to;
  for (int k = 0; k < inputs; ++k) from.push_back(reinterpret_cast<char*>(a[k]));
  for (int k = 0; k < outputs; ++k) to.push_back(reinterpret_cast<char*>(a[inputs + k]));
  const auto bytes = count * static_cast<std::int64_t>(sizeof(T));
  const probe_job probes[] = {make_probe(traffic::copy, false, from.data(), inputs, to.data(), outputs, bytes),
                              make_probe(traffic::own, false, from.data(), inputs, to.data(), outputs, bytes),
                              make_probe(traffic::own, true, from.data(), inputs, to.data(), outputs, bytes)};
  std::vector<std::function<void()>> candidates = {call};
  for (const probe_job& p : probes)
    candidates.push_back([&] {
      pool(threads, [&](std::int64_t task) { benchmark::DoNotOptimize(probe_part(p, level, task, threads)); });
    });
  for (auto _ : state) {
    const std::vector<double> best = interleaved(candidates);
    double fastest = 0;
    for (std::size_t p = 0; p < 3; ++p) fastest = std::max(fastest, useful_bytes(probes[p]) / best[p + 1]);
    const double moved = (inputs + outputs) * static_cast<double>(bytes);
    state.SetIterationTime(best[0]);
    state.counters["ns_per_item"] = best[0] / static_cast<double>(count) * 1e9;
    state.counters["GB_per_s"] = moved / best[0] * 1e-9;
    state.counters["of_limit"] = moved / fastest / best[0];
  }
}

}  // namespace bench
