// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/game/duality_gap.hpp>
#include <prefer/game/self_play.hpp>

#include "support/probe.hpp"
#include "support/timing.hpp"

#include <Eigen/Dense>
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

namespace {

constexpr std::int64_t steps = 100;

template <class T>
std::vector<T> tables(std::int64_t batch, std::int64_t n) {
  std::vector<T> p(static_cast<std::size_t>(batch * n * n), T(0.5));
  std::uint64_t state = 88172645463325252u;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < i; ++j) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        const T x = static_cast<T>(static_cast<double>(state >> 11) * 0x1p-53);
        p[static_cast<std::size_t>((b * n + i) * n + j)] = x, p[static_cast<std::size_t>((b * n + j) * n + i)] = 1 - x;
      }
  return p;
}

// What one writes without a library: mirror descent, a matrix and a few arrays of Eigen.
void eigen_loop(const double* p, std::int64_t n, double tau, Eigen::ArrayXd& policy) {
  const Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> table(p, n, n);
  const double eta = 4 * tau / (1 + 4 * tau * tau);
  policy.setConstant(-std::log(static_cast<double>(n)));
  Eigen::VectorXd weight(n), wins(n);
  for (std::int64_t t = 0; t < steps; ++t) {
    weight = policy.exp().matrix();
    wins.noalias() = table * weight;
    policy = (1 - eta * tau) * policy + eta * wins.array();
    const double top = policy.maxCoeff();
    policy -= top + std::log((policy - top).exp().sum());
  }
}

// Many games of n actions, 100 steps each, on one thread, beside the Eigen loop and a loop that only reads their tables
// as often as there are products, from whichever cache they are in.
void small_games(benchmark::State& state) {
  const std::int64_t n = state.range(0), batch = std::max<std::int64_t>(4, 16384 / (n * n));
  const std::vector<double> p = tables<double>(batch, n);
  std::vector<double> policy(static_cast<std::size_t>(batch * n));
  std::vector<char> memory(prefer::game_workspace(batch, n));
  Eigen::ArrayXd plain(n);
  const prefer::cpu exec{.workspace = {memory.data(), memory.size()}};
  prefer::isa level;
  prefer::check(prefer::resolve_isa(exec, level));
  const auto read_game = [&](std::int64_t b) {
    const char* from[1] = {reinterpret_cast<const char*>(p.data() + b * n * n)};
    const auto bytes = n * n * static_cast<std::int64_t>(sizeof(double));
    const bench::probe_job probe = bench::make_probe(bench::traffic::read, false, from, 1, nullptr, 0, bytes);
    for (std::int64_t t = 0; t < steps; ++t) benchmark::DoNotOptimize(bench::probe_part(probe, level, 0, 1));
  };
  for (auto _ : state) {
    const auto best = bench::interleaved(
        {[&] {
           prefer::check(prefer::self_play(exec, prefer::mirror_descent{}, {.preference = {p.data(), batch, n, n}},
                                           {.max_iterations = steps}, {.policy = {policy.data(), batch, n}}));
         },
         [&] {
           for (std::int64_t b = 0; b < batch; ++b) {
             eigen_loop(p.data() + b * n * n, n, 0.1, plain);
             benchmark::DoNotOptimize(plain.data());
           }
         },
         [&] {
           for (std::int64_t b = 0; b < batch; ++b) read_game(b);
         }},
        1);
    state.SetIterationTime(best[0]);
    state.counters["games_per_s"] = static_cast<double>(batch) / best[0];
    state.counters["ns_per_step"] = best[0] / static_cast<double>(batch * steps) * 1e9;
    state.counters["eigen_over_ours"] = best[1] / best[0];
    state.counters["of_limit"] = best[2] / best[0];
    state.counters["gflop_per_s"] = 2e-9 * static_cast<double>(batch * steps * n * n) / best[0];
  }
}

// One game of 4096 actions: a product per step, which reads the table once, beside a loop that only reads it.
template <class T>
void large_game(benchmark::State& state) {
  const std::int64_t n = 4096, few = 4;
  const int threads = static_cast<int>(state.range(0));
  const std::vector<T> p = tables<T>(1, n);
  std::vector<T> policy(static_cast<std::size_t>(n));
  std::vector<char> memory(prefer::game_workspace<T>(1, n));
  prefer::thread_pool pool(threads);
  prefer::cpu exec{.content = prefer::content::none, .workspace = {memory.data(), memory.size()}};
  if (threads > 1) exec.pool = pool;
  const char* from[1] = {reinterpret_cast<const char*>(p.data())};
  const auto bytes = n * n * static_cast<std::int64_t>(sizeof(T));
  const bench::probe_job probe = bench::make_probe(bench::traffic::read, false, from, 1, nullptr, 0, bytes);
  prefer::isa level;
  prefer::check(prefer::resolve_isa(exec, level));
  for (auto _ : state) {
    const auto best = bench::interleaved({[&] {
                                            prefer::check(prefer::self_play<T>(
                                                exec, prefer::mirror_descent{}, {.preference = {p.data(), 1, n, n}},
                                                {.max_iterations = few}, {.policy = {policy.data(), 1, n}}));
                                          },
                                          [&] {
                                            pool(threads, [&](std::int64_t task) {
                                              benchmark::DoNotOptimize(bench::probe_part(probe, level, task, threads));
                                            });
                                          }},
                                         threads);
    state.SetIterationTime(best[0] / few);
    state.counters["GB_per_s"] = static_cast<double>(bytes * few) / best[0] * 1e-9;
    state.counters["probe_GB_per_s"] = bench::useful_bytes(probe) / best[1] * 1e-9;
    state.counters["of_limit"] = best[1] * few / best[0];
  }
}

}  // namespace

BENCHMARK(small_games)->RangeMultiplier(2)->Range(4, 256)->Iterations(1)->UseManualTime();
BENCHMARK(large_game<double>)->Arg(1)->Arg(2)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(large_game<float>)->Arg(1)->Arg(2)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
