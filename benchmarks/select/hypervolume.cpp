// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/random.hpp>
#include <prefer/select/hypervolume_subset.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Hypervolumes, their gradients, contributions and subsets of a tenth on one thread: large concave fronts, where every
// sample counts, and many groups of random samples. With --points=FILE --objectives=K --samples=N the sets of N points
// of that file instead (doubles, row after row, minimised), under the reference 1.1, in a call each.
namespace {

enum class what { volume, gradient, contributions, subset };

struct sets {
  std::vector<double> rewards;
  std::int64_t groups, samples, objectives;
  double reference;
  bool minimized;
  bool call_each = false;  // a call per group
};

double uniform(std::size_t i, std::uint64_t stream) {
  return prefer::to_uniform(prefer::draw_pair(1, stream, i).first);
}

// Points whose distances to 1 lie on a sphere: directions of normal numbers.
sets sphere(std::int64_t n, std::int64_t k) {
  sets s{std::vector<double>(static_cast<std::size_t>(n * k)), 1, n, k, 1.1, true};
  for (std::size_t i = 0; i < s.rewards.size(); i += static_cast<std::size_t>(k)) {
    double squares = 0;
    for (std::size_t j = i; j < i + static_cast<std::size_t>(k); ++j) {
      const double radius = std::sqrt(-2 * std::log(uniform(j, 1)));
      s.rewards[j] = std::fabs(radius * std::cos(6.283185307179586 * uniform(j, 2)));
      squares += s.rewards[j] * s.rewards[j];
    }
    for (std::size_t j = i; j < i + static_cast<std::size_t>(k); ++j)
      s.rewards[j] = static_cast<float>(1 - s.rewards[j] / std::sqrt(squares));
  }
  return s;
}

sets random_groups(std::int64_t groups, std::int64_t n, std::int64_t k) {
  sets s{std::vector<double>(static_cast<std::size_t>(groups * n * k)), groups, n, k, 0, false};
  for (std::size_t i = 0; i < s.rewards.size(); ++i) s.rewards[i] = uniform(i, 3);
  return s;
}

void measure(benchmark::State& state, const sets& s, what w) {
  using prefer::cpu;
  const auto better = s.minimized ? prefer::direction::minimize : prefer::direction::maximize;
  const std::vector<prefer::direction> direction(static_cast<std::size_t>(s.objectives), better);
  const prefer::objectives objectives{.directions = {direction.data(), s.objectives}};
  const std::vector<double> low(static_cast<std::size_t>(s.objectives), s.reference);
  const std::int64_t calls = s.call_each ? s.groups : 1, groups = s.groups / calls, all = groups * s.samples;
  std::vector<prefer::hypervolume_inputs<prefer::space::host>> in;
  for (std::int64_t c = 0; c < calls; ++c)
    in.push_back({.samples = {.reward_groups = {s.rewards.data() + c * all * s.objectives, groups, s.samples,
                                                s.objectives}},
                  .reference = {low.data(), s.objectives}});
  std::vector<double> volume(static_cast<std::size_t>(groups)), share(static_cast<std::size_t>(all)),
      slope(static_cast<std::size_t>(all * s.objectives));
  const prefer::hypervolume options{.objectives = objectives};
  const prefer::hypervolume_contribution exclusive{.objectives = objectives};
  const std::int64_t picks = s.samples / 10 + 1;
  const prefer::hypervolume_subset few{.size = picks, .objectives = objectives};
  std::vector<std::byte> scratch(w == what::contributions
                                     ? prefer::hypervolume_contributions_workspace(cpu{}, exclusive, in[0])
                                 : w == what::subset ? prefer::hypervolume_subsets_workspace(cpu{}, few, in[0])
                                                     : prefer::hypervolume_workspace(cpu{}, options, in[0]));
  std::vector<std::int64_t> index(static_cast<std::size_t>(groups * picks));
  const cpu exec{.workspace = {scratch.data(), scratch.size()}};
  prefer::hypervolume_outputs<prefer::space::host> out{.hypervolume = {volume.data(), groups}};
  if (w == what::gradient) out.grad_rewards = {slope.data(), all, s.objectives};
  for (auto _ : state)
    for (const auto& one : in)
      prefer::check(w == what::contributions
                        ? prefer::hypervolume_contributions(exec, exclusive, one, {.contribution = {share.data(), all}})
                    : w == what::subset
                        ? prefer::hypervolume_subsets(exec, few, one, {.indices = {index.data(), groups, picks}})
                        : prefer::hypervolumes(exec, options, one, out));
  double sum = 0;
  for (double x : share) sum += x;
  state.counters["answer"] = w == what::contributions ? sum : volume[0];  // of the last call
  state.SetItemsProcessed(state.iterations() * s.groups);
}

sets read_points(const std::string& path, std::int64_t k, std::int64_t n) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto rows = static_cast<std::int64_t>(file.tellg()) / (k * static_cast<std::int64_t>(sizeof(double)));
  if (n <= 0) n = rows;
  sets s{std::vector<double>(static_cast<std::size_t>(rows * k)), rows / n, n, k, 1.1, true, true};
  file.seekg(0).read(reinterpret_cast<char*>(s.rewards.data()), rows * k * static_cast<std::int64_t>(sizeof(double)));
  return s;
}

void add(const std::string& name, const sets& s) {
  const std::pair<what, const char*> all[] = {{what::volume, "volume/"},
                                              {what::gradient, "gradient/"},
                                              {what::contributions, "contributions/"},
                                              {what::subset, "subset/"}};
  for (const auto& [w, of] : all) {
    if (w == what::subset && s.samples > 1000) continue;  // a tenth of many is many
    benchmark::RegisterBenchmark((of + name).c_str(), [s, w = w](benchmark::State& state) { measure(state, s, w); })
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string points;
  std::int64_t objectives = 2, samples = 0;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option.starts_with("--points="))
      points = option.substr(9);
    else if (option.starts_with("--objectives="))
      objectives = std::stoll(std::string(option.substr(13)));
    else if (option.starts_with("--samples="))
      samples = std::stoll(std::string(option.substr(10)));
    else
      argv[kept++] = argv[i];
  }
  argc = kept;
  benchmark::Initialize(&argc, argv);
  if (!points.empty()) {
    add("file", read_points(points, objectives, samples));
  } else {
    const std::int64_t fronts[][2] = {{1000, 2}, {100000, 2}, {1000, 3}, {100000, 3}, {100, 4}, {1000, 4},
                                      {100, 5},  {200, 5},    {100, 6},  {60, 8}};
    for (const auto& [n, k] : fronts) add("sphere/N:" + std::to_string(n) + "/K:" + std::to_string(k), sphere(n, k));
    const std::int64_t groups[][2] = {{8, 2}, {16, 3}, {16, 4}, {64, 4}};
    for (const auto& [n, k] : groups)
      add("groups:1000/N:" + std::to_string(n) + "/K:" + std::to_string(k), random_groups(1000, n, k));
  }
  benchmark::RunSpecifiedBenchmarks();
}
