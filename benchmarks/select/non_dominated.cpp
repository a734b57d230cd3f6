// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/timing.hpp"

#include <prefer/core/random.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/select/non_dominated.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Non-dominated sets: large ones by every method, and many small groups, each beside what it can be held against: the
// `sorted` counter is the time of std::sort of (first objective, number) pairs, `pairs` that of all pairs in lanes.
// With --points=FILE --objectives=K the set of that file's floats instead, row after row.
namespace {

struct cloud {
  std::int64_t n = 0;
  int k = 0;
  std::vector<float> x = {};
};

double draw(std::int64_t i) {
  return prefer::to_uniform(prefer::draw_pair(7, 1, static_cast<std::uint64_t>(i)).first);
}

// uniform; anti: sums near k / 2 (uniform, projected); sphere: everything is in the set.
cloud make(const std::string& kind, std::int64_t n, int k) {
  cloud c{n, k, std::vector<float>(static_cast<std::size_t>(n * k))};
  for (std::int64_t i = 0; i < n; ++i) {
    float* const row = c.x.data() + i * k;
    double sum = 0, square = 0;
    for (int j = 0; j < k; ++j) {
      const double u = draw(i * (k + 1) + j);
      row[j] = static_cast<float>(u), sum += u, square += u * u;
    }
    const double shift = (sum - 0.5 * k - 0.1 * k * (draw(i * (k + 1) + k) - 0.5)) / k;
    for (int j = 0; j < k; ++j)
      if (kind == "anti")
        row[j] -= static_cast<float>(shift);
      else if (kind == "sphere")
        row[j] /= static_cast<float>(std::sqrt(square));
  }
  return c;
}

template <class T>
double seconds(const std::vector<T>& x, std::int64_t groups, std::int64_t n, int k, int threads,
               prefer::pareto_algorithm method, std::int64_t* front = nullptr) {
  prefer::thread_pool pool(threads);
  prefer::objective_samples<prefer::space::host> in;
  in.reward_groups = {x.data(), groups, n, k};
  std::vector<std::uint8_t> mask(static_cast<std::size_t>(groups * n));
  std::vector<std::int64_t> count(static_cast<std::size_t>(groups));
  const prefer::non_dominated options{.method = method};
  std::vector<std::byte> memory(prefer::non_dominated_workspace(prefer::cpu{}, options, in));
  prefer::cpu exec{.workspace = {memory.data(), memory.size()}};
  if (threads > 1) exec.pool = pool;
  const auto run = [&] {
    prefer::check(prefer::non_dominated_set(
        exec, options, in, {.mask = {mask.data(), mask.size()}, .count = {count.data(), count.size()}}));
  };
  const double best = bench::interleaved({run}, threads)[0];
  if (front != nullptr)
    for (const std::int64_t c : count) *front += c;
  return best;
}

double seconds_to_sort(const cloud& c) {
  std::vector<std::pair<float, std::int32_t>> pairs(static_cast<std::size_t>(c.n));
  return bench::interleaved({[&] {
    for (std::size_t i = 0; i < pairs.size(); ++i)
      pairs[i] = {c.x[i * static_cast<std::size_t>(c.k)], static_cast<std::int32_t>(i)};
    std::sort(pairs.begin(), pairs.end());
  }}, 1)[0];
}

void report(benchmark::State& state, double time, std::int64_t samples, std::int64_t front) {
  for (auto _ : state) state.SetIterationTime(time);
  state.SetItemsProcessed(samples);
  state.counters["ms"] = 1e3 * time;
  state.counters["front"] = static_cast<double>(front);
}

void set_of(benchmark::State& state, const cloud& c, bool wide, int threads, prefer::pareto_algorithm method) {
  std::int64_t front = 0;
  const std::vector<double> doubles(c.x.begin(), c.x.end());
  const double time = wide ? seconds(doubles, 1, c.n, c.k, threads, method, &front)
                           : seconds(c.x, 1, c.n, c.k, threads, method, &front);
  report(state, time, c.n, front);
  if (c.k == 2) state.counters["sorted"] = 1e3 * seconds_to_sort(c);
}

void groups_of(benchmark::State& state, std::int64_t groups, std::int64_t n, int k) {
  const cloud c = make("uniform", groups * n, k);
  std::int64_t front = 0;
  const double time = seconds(c.x, groups, n, k, 1, prefer::pareto_algorithm::automatic, &front);
  report(state, time, groups * n, front / groups);
  state.counters["pairs"] = 1e3 * seconds(c.x, groups, n, k, 1, prefer::pareto_algorithm::all_pairs);
}

const char* name_of(prefer::pareto_algorithm a) {
  constexpr const char* names[] = {"automatic", "all_pairs", "sorted", "partitioned"};
  return names[static_cast<int>(a)];
}

void add(const std::string& name, const std::function<void(benchmark::State&)>& run) {
  benchmark::RegisterBenchmark(name.c_str(), run)->Iterations(1)->UseManualTime();
}

void add_set(const std::string& kind, std::int64_t n, int k) {
  using prefer::pareto_algorithm;
  const std::string shape = "/" + kind + "/n:" + std::to_string(n) + "/K:" + std::to_string(k);
  const auto one = [=](const std::string& type, int threads, pareto_algorithm method) {
    add("non_dominated" + shape + "/" + type + "/" + name_of(method) + "/threads:" + std::to_string(threads),
        [=](benchmark::State& state) { set_of(state, make(kind, n, k), type == "double", threads, method); });
  };
  one("float", 1, pareto_algorithm::automatic), one("float", 2, pareto_algorithm::automatic);
  one("double", 1, pareto_algorithm::automatic);
  if (k >= 4) one("float", 1, pareto_algorithm::sorted), one("float", 1, pareto_algorithm::partitioned);
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
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    cloud c{0, k, std::vector<float>(static_cast<std::size_t>(file.tellg()) / sizeof(float))};
    c.n = static_cast<std::int64_t>(c.x.size()) / k;
    file.seekg(0).read(reinterpret_cast<char*>(c.x.data()), static_cast<std::streamsize>(c.x.size() * sizeof(float)));
    for (const bool wide : {false, true})
      for (const int threads : {1, 2})
        add(std::string("file/") + (wide ? "double" : "float") + "/threads:" + std::to_string(threads),
            [=](benchmark::State& state) { set_of(state, c, wide, threads, prefer::pareto_algorithm::automatic); });
    benchmark::RunSpecifiedBenchmarks();
    return 0;
  }
  for (const auto& [n, objectives] : {std::pair{1000000, 2}, std::pair{1000000, 3}, std::pair{1000000, 4},
                                      std::pair{1000000, 6}, std::pair{100000, 8}})
    add_set("uniform", n, objectives);
  for (const int objectives : {3, 4, 6, 8}) add_set("anti", 100000, objectives);
  for (const int objectives : {2, 3, 4}) add_set("sphere", 100000, objectives);
  for (const auto& [n, objectives] : {std::pair{16, 4}, std::pair{256, 2}, std::pair{256, 4}, std::pair{256, 8}}) {
    const std::int64_t size = n;
    const int each = objectives;
    add("groups/B:10000/n:" + std::to_string(n) + "/K:" + std::to_string(each),
        [=](benchmark::State& state) { groups_of(state, 10000, size, each); });
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
