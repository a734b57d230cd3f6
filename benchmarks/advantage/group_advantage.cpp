// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/beside_probe.hpp"
#include "support/levels.hpp"

#include <prefer/advantage/group_advantage.hpp>
#include <prefer/advantage/history.hpp>
#include <prefer/advantage/rank_advantage.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

// Advantages of 512K and 16M scores (float; the second do not fit into a cache) in groups of one size, up to one group
// of all; GRPO also in sizes that suit no lane, in sizes from 1 to 16 (mixed), of bfloat16 and with NaN excluded. GRPO
// learns of the group, Lite PPO of the batch too, which is one more pass; centred ranks compare or sort;
// history has windows of 32. An item of the table is one score; the offsets are not counted as bytes. The arithmetic of
// GRPO is its stages on one buffer of scores.
namespace {

constexpr std::int64_t cached = std::int64_t{1} << 19, large = std::int64_t{1} << 24;

struct groups {
  std::int64_t scores, size;
  std::vector<std::int32_t> offsets;
  bench::arrays<float> arrays;

  // Of size `mixed`: 1 to 16.
  static constexpr std::int64_t mixed = 0;
  groups(std::int64_t n, std::int64_t of) : scores(n), size(of), arrays(2, n, bench::spacing::odd) {
    std::uint32_t state = 1;
    const auto next = [&] { return of != mixed ? of : 1 + ((state = state * 1664525u + 1013904223u) >> 28); };
    for (std::int64_t at = 0; at <= n; at += next()) offsets.push_back(static_cast<std::int32_t>(at));
    for (std::int64_t i = 0; i < n; ++i) arrays[0][i] = static_cast<float>(i * 7919 % 1009) / 1009;
  }
  prefer::advantage_inputs<prefer::space::host> inputs() {
    return {.score = {arrays[0], scores}, .offsets = {offsets.data(), static_cast<std::int64_t>(offsets.size())}};
  }
  template <class Call>
  void measure(benchmark::State& state, bench::place where, const Call& call,
               const std::function<void()>& arithmetic = {}) {
    bench::beside_probe(state, where, arrays, 1, 1, scores, scores, 0, call, arithmetic);
    // The moments of one group that no cache holds are known before its first answer: it is read twice.
    const bool twice = scores == large && size == scores;
    if (arithmetic) state.counters["of_bytes_needed"] = state.counters["of_probe"] * (twice ? 1.5 : 1.0);
  }
};

// What GRPO computes for `scores` scores in groups of one size.
std::function<void()> arithmetic_of(const prefer::grpo& rule, const groups& g, bench::place where) {
  namespace detail = prefer::detail;
  auto b = std::make_shared<detail::group_buffer>();
  if (g.size == groups::mixed) return {};
  const int size = static_cast<int>(std::min<std::int64_t>(g.size, detail::group_piece));
  const int number = std::min(detail::group_piece / size, detail::most_neighbours);
  for (int i = 0; i < number * size; ++i) b->own[i] = i * 7919 % 1009;
  b->x = b->own, b->floats = nullptr, b->keep = nullptr, b->from = 0;
  b->groups = 0, b->group_alike(number, size);
  const std::int64_t times = g.scores / where.threads / (number * size);
  return [=] {
    static thread_local prefer::advantage_line lines[detail::group_buffer::groups_room];
    static thread_local detail::group_buffer own;
    own = *b, own.x = own.own;
    const prefer::moments batch;
    for (std::int64_t k = 0; k < times; ++k) {
      detail::moments_work find{&own};
      detail::run_at<detail::moments_work>(where.level, find);
      detail::answer_work<prefer::grpo> answer{&rule, &own, &batch, lines};
      detail::run_at<detail::answer_work<prefer::grpo>>(where.level, answer);
      detail::group_map_work<prefer::advantage_line> map{&own, lines, own.y, nullptr};
      detail::run_at<detail::group_map_work<prefer::advantage_line>>(where.level, map);
    }
  };
}

template <class F>
void add(const std::string& name, F f) {
  benchmark::RegisterBenchmark(name.c_str(), f)->Iterations(1)->UseManualTime();
}
std::string named(const char* name, bench::place where, std::int64_t scores, std::int64_t size) {
  return std::string(name) + "/" + bench::name_of(where.level) + "/threads:" + std::to_string(where.threads) +
         "/n:" + std::to_string(scores) + "/group:" + (size == groups::mixed ? "mixed" : std::to_string(size));
}

void sweep_grpo(bench::place where, std::int64_t scores, std::int64_t size, bool exclude_nan = false) {
  add(named(exclude_nan ? "grpo_without_nan" : "grpo", where, scores, size), [=](benchmark::State& state) {
    groups g(scores, size);
    static const prefer::grpo rule;
    g.measure(
        state, where,
        [&](const prefer::cpu& exec) {
          auto in = g.inputs();
          in.exclude_nan = exclude_nan;
          return prefer::group_advantages(exec, rule, in, {.advantage = {g.arrays[1], scores}});
        },
        arithmetic_of(rule, g, where));
  });
}
// The same numbers as bfloat16, in the arrays of floats: a probe moves twice the bytes.
void sweep_bfloat16(bench::place where, std::int64_t scores, std::int64_t size) {
  add(named("grpo_bfloat16", where, scores, size), [=](benchmark::State& state) {
    groups g(scores, size);
    auto *const x = reinterpret_cast<prefer::bfloat16*>(g.arrays[0]),
               *const y = reinterpret_cast<prefer::bfloat16*>(g.arrays[1]);
    for (std::int64_t i = 0; i < scores; ++i) x[i] = prefer::to_bfloat16(static_cast<float>(i * 7919 % 1009) / 1009);
    g.measure(state, where, [&](const prefer::cpu& exec) {
      auto in = g.inputs();
      in.score = {x, scores};
      return prefer::group_advantages(exec, prefer::grpo{}, in, {.advantage = {y, scores}});
    });
  });
}
void sweep_lite_ppo(bench::place where, std::int64_t scores, std::int64_t size) {
  add(named("lite_ppo", where, scores, size), [=](benchmark::State& state) {
    groups g(scores, size);
    g.measure(state, where, [&](const prefer::cpu& exec) {
      return prefer::group_advantages(exec, prefer::lite_ppo{}, g.inputs(), {.advantage = {g.arrays[1], scores}});
    });
  });
}
void sweep_ranks(bench::place where, std::int64_t scores, std::int64_t size) {
  add(named("centred_ranks", where, scores, size), [=](benchmark::State& state) {
    groups g(scores, size);
    std::vector<char> memory(prefer::rank_advantages_workspace(scores));
    g.measure(state, where, [&](const prefer::cpu& exec) {
      prefer::cpu with = exec;
      with.workspace = {memory.data(), memory.size()};
      const auto in = g.inputs();
      return prefer::rank_advantages(with, prefer::centred_ranks{}, {.score = in.score, .offsets = in.offsets},
                                     {.advantage = {g.arrays[1], scores}});
    });
  });
}
void sweep_history(bench::place where, std::int64_t scores, std::int64_t size) {
  add(named("history", where, scores, size), [=](benchmark::State& state) {
    groups g(scores, size);
    const std::int64_t n = scores / size, window = 32;
    std::vector<float> ring(static_cast<std::size_t>(n * window));
    std::vector<std::int64_t> pushed(static_cast<std::size_t>(n));
    std::vector<double> found(static_cast<std::size_t>(3 * n));
    g.measure(state, where, [&](const prefer::cpu& exec) {
      auto in = g.inputs();
      in.moments = {found.data(), n, 3};
      const prefer::status s = prefer::history_moments(
          exec, prefer::history{}, {.score = in.score, .offsets = in.offsets},
          {.ring = {ring.data(), n, window}, .pushed = {pushed.data(), n}, .moments = {found.data(), n, 3}});
      return s.ok() ? prefer::group_advantages(exec, prefer::grpo{}, in, {.advantage = {g.arrays[1], scores}}) : s;
    });
  });
}

}  // namespace

int main(int argc, char** argv) {
  for (const prefer::isa level : bench::levels())
    for (const int threads : {1, 2})
      for (const std::int64_t scores : {cached, large})
        for (const std::int64_t size :
             {std::int64_t{4}, std::int64_t{8}, std::int64_t{16}, std::int64_t{64}, std::int64_t{4096}, scores}) {
          sweep_grpo({level, threads}, scores, size);
          if (scores == large) continue;
          sweep_lite_ppo({level, threads}, scores, size);
          if (size < scores) sweep_history({level, threads}, scores, size);
          sweep_ranks({level, threads}, scores, size);
        }
  for (const prefer::isa level : bench::levels()) {
    for (const std::int64_t size : {5, 7, 12, 17, 100, 0}) sweep_grpo({level, 1}, cached, size);
    for (const std::int64_t size : {4, 8, 64, 4096}) {
      sweep_grpo({level, 1}, cached, size, true);
      sweep_bfloat16({level, 1}, cached, size);
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
