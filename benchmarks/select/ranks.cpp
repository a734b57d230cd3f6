// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/reward_points.hpp"
#include "support/timing.hpp"

#include <prefer/core/thread_pool.hpp>
#include <prefer/select/crowding_distance.hpp>
#include <prefer/select/knee_point.hpp>
#include <prefer/select/non_dominated.hpp>
#include <prefer/select/non_dominated_ranks.hpp>
#include <prefer/select/pareto_truncation.hpp>
#include <prefer/select/scalarized_pick.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Non-dominated sorting, crowding distances, truncation, picks and knees: of one large group, of many small ones. With
// --points=FILE --objectives=K ranks and distances of that file's floats instead, row after row.
namespace {

using bench::cloud;
using samples = prefer::objective_samples<prefer::space::host>;

template <class T>
struct contest {
  std::vector<T> x;
  samples in;
  std::vector<std::int32_t> rank;
  std::vector<double> distance;
  std::int64_t groups = 1, n = 0, fronts = 0;
  int k = 0;

  explicit contest(const cloud& c, std::int64_t parts = 1)
      : x(c.x.begin(), c.x.end()),
        rank(static_cast<std::size_t>(c.n)),
        distance(rank.size()),
        groups(parts),
        n(c.n / parts),
        k(c.k) {
    in.reward_groups = {x.data(), groups, n, k};
    std::vector<std::int32_t> count(static_cast<std::size_t>(groups));
    prefer::check(prefer::non_dominated_ranks(
        prefer::cpu{}, {}, in, {.rank = {rank.data(), rank.size()}, .fronts = {count.data(), count.size()}}));
    for (const std::int32_t f : count) fronts += f;
  }

  double ranks(int threads, prefer::rank_algorithm method) {
    prefer::thread_pool pool(threads);
    const prefer::non_dominated_sorting options{.method = method};
    std::vector<std::byte> memory(prefer::non_dominated_ranks_workspace(prefer::cpu{}, options, in));
    prefer::cpu exec{.workspace = {memory.data(), memory.size()}};
    if (threads > 1) exec.pool = pool;
    return bench::interleaved(
        {[&] {
          prefer::check(prefer::non_dominated_ranks(exec, options, in, {.rank = {rank.data(), rank.size()}}));
        }},
        threads)[0];
  }
  double set() {
    std::vector<std::byte> memory(prefer::non_dominated_workspace(prefer::cpu{}, {}, in));
    const prefer::cpu exec{.workspace = {memory.data(), memory.size()}};
    return bench::interleaved(
        {[&] {
          prefer::check(prefer::non_dominated_set(exec, {}, in, {.indices = {rank.data(), rank.size()}}));
        }},
        1)[0];
  }
  double crowding() {
    const prefer::crowding_inputs<prefer::space::host> all{.samples = in, .rank = {rank.data(), rank.size()}};
    std::vector<std::byte> memory(prefer::crowding_distances_workspace(prefer::cpu{}, {}, all));
    const prefer::cpu exec{.workspace = {memory.data(), memory.size()}};
    return bench::interleaved(
        {[&] {
          prefer::check(prefer::crowding_distances(exec, {}, all, {.distance = {distance.data(), distance.size()}}));
        }},
        1)[0];
  }
  double truncation() {
    std::vector<std::int64_t> kept(static_cast<std::size_t>(groups * (n / 2)));
    crowding();
    return bench::interleaved({[&] {
                                prefer::check(prefer::truncate_fronts(prefer::cpu{}, {.budget = n / 2, .group_size = n},
                                                                      {.rank = {rank.data(), rank.size()},
                                                                       .distance = {distance.data(), distance.size()}},
                                                                      {.indices = {kept.data(), groups, n / 2}}));
                              }},
                              1)[0];
  }
  double picks(std::int64_t count) {
    std::vector<double> weights(static_cast<std::size_t>(count * k), 1);
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] += static_cast<double>(i % 7);
    std::vector<std::int64_t> index(static_cast<std::size_t>(groups * count));
    return bench::interleaved({[&] {
                                prefer::check(prefer::scalarized_picks(
                                    prefer::cpu{}, {}, {.samples = in, .weights = {weights.data(), count, k}},
                                    {.index = {index.data(), groups, count}}));
                              }},
                              1)[0];
  }
  double knees() {
    std::vector<std::int64_t> index(static_cast<std::size_t>(groups));
    return bench::interleaved(
        {[&] {
          prefer::check(prefer::knee_points(prefer::cpu{}, {}, {.samples = in, .rank = {rank.data(), rank.size()}},
                                            {.index = {index.data(), index.size()}}));
        }},
        1)[0];
  }
};

void add(const std::string& name, const std::function<double(std::int64_t& fronts)>& run) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) {
                                 std::int64_t fronts = 0;
                                 const double time = run(fronts);
                                 for (auto _ : state) state.SetIterationTime(time);
                                 state.counters["ms"] = 1e3 * time;
                                 state.counters["fronts"] = static_cast<double>(fronts);
                               })
      ->Iterations(1)
      ->UseManualTime();
}

template <class T>
void add_ranks(const std::string& name, const std::function<cloud()>& make, int threads,
               prefer::rank_algorithm method = prefer::rank_algorithm::automatic) {
  add(name, [=](std::int64_t& fronts) {
    contest<T> c(make());
    fronts = c.fronts;
    return c.ranks(threads, method);
  });
}

void add_file(const std::string& path, int k) {
  const auto make = [=] { return bench::read_cloud(path, k); };
  for (const int threads : {1, 2}) {
    add_ranks<float>("ranks/float/threads:" + std::to_string(threads), make, threads);
    add_ranks<double>("ranks/double/threads:" + std::to_string(threads), make, threads);
  }
  add("crowding/float", [=](std::int64_t&) { return contest<float>(make()).crowding(); });
  add("crowding/double", [=](std::int64_t&) { return contest<double>(make()).crowding(); });
}

void add_shape(const std::string& kind, std::int64_t n, int k) {
  const std::string shape = kind + "/n:" + std::to_string(n) + "/K:" + std::to_string(k);
  const auto make = [=] { return bench::make_cloud(kind, n, k); };
  add_ranks<float>("ranks/" + shape + "/float", make, 1);
  add_ranks<double>("ranks/" + shape + "/double", make, 1);
  if (n <= 10000) add_ranks<float>("ranks/" + shape + "/float/all_pairs", make, 1, prefer::rank_algorithm::all_pairs);
}

// How cost grows with n, whatever the samples: ns per n log2 n.
void add_growth(const std::string& kind, int k) {
  for (const std::int64_t n : {1 << 11, 1 << 14, 1 << 17, 1 << 20}) {
    const std::string name = "growth/" + kind + "/K:" + std::to_string(k) + "/n:" + std::to_string(n);
    benchmark::RegisterBenchmark(name.c_str(),
                                 [=](benchmark::State& state) {
                                   contest<float> c(bench::make_cloud(kind, n, k));
                                   const double unit = 1e-9 * static_cast<double>(n) * std::log2(n);
                                   const double ranks = c.ranks(1, prefer::rank_algorithm::automatic), set = c.set();
                                   for (auto _ : state) state.SetIterationTime(ranks);
                                   state.counters["ranks"] = ranks / unit;
                                   state.counters["set"] = set / unit;
                                   state.counters["fronts"] = static_cast<double>(c.fronts);
                                 })
        ->Iterations(1)
        ->UseManualTime();
  }
}

void add_others(std::int64_t groups, std::int64_t n, int k) {
  const std::string shape = "/B:" + std::to_string(groups) + "/n:" + std::to_string(n) + "/K:" + std::to_string(k);
  const auto of = [=](auto time) {
    return [=](std::int64_t& fronts) {
      contest<float> c(bench::make_cloud("uniform", groups * n, k), groups);
      fronts = c.fronts;
      return time(c);
    };
  };
  add("ranks" + shape, of([](contest<float>& c) { return c.ranks(1, prefer::rank_algorithm::automatic); }));
  add("crowding" + shape, of([](contest<float>& c) { return c.crowding(); }));
  add("truncation" + shape, of([](contest<float>& c) { return c.truncation(); }));
  add("picks" + shape + "/M:1", of([](contest<float>& c) { return c.picks(1); }));
  add("picks" + shape + "/M:16", of([](contest<float>& c) { return c.picks(16); }));
  add("knees" + shape, of([](contest<float>& c) { return c.knees(); }));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::string path;
  int k = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--points=")) path = argument.substr(9);
    if (argument.starts_with("--objectives=")) k = std::stoi(std::string(argument.substr(13)));
  }
  if (!path.empty() && k > 0) {
    add_file(path, k);
  } else {
    for (const auto& [n, objectives] :
         {std::pair{10000, 2}, std::pair{100000, 2}, std::pair{10000, 3}, std::pair{100000, 3}, std::pair{10000, 5},
          std::pair{50000, 5}, std::pair{10000, 10}})
      add_shape("uniform", n, objectives);
    for (const int objectives : {2, 3, 5}) add_shape("chain", 10000, objectives);
    add_shape("anti", 10000, 5), add_shape("sphere", 100000, 3), add_shape("sphere", 100000, 5);
    for (const int objectives : {2, 3})
      for (const char* const points : {"uniform", "anti", "sphere", "chain", "equal", "layers"})
        add_growth(points, objectives);
    add_others(1, 10000, 3), add_others(1000, 64, 4), add_others(1000, 256, 4);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
