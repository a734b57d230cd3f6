// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "explicable_reward.hpp"

#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::explicable_case;

namespace {

explicability_outputs<space::host> outputs(explicable_case& c) {
  const std::int64_t B = c.m.batch, S = c.m.states, A = c.m.actions;
  return {{c.gap.data(), B, S, A},    {c.local_gap.data(), B, S, A}, {c.least_gap.data(), B, S},
          {c.shortfall.data(), B, S}, {c.informativeness.data(), B}, {c.violation.data(), B},
          {c.iterations.data(), B},   {c.residual.data(), B}};
}
explicability_inputs<space::host> inputs(const explicable_case& c) {
  return {{c.target.data(), c.m.batch, c.m.states, c.m.actions}, {c.required.data(), c.m.batch, c.m.states}};
}
status call(const cpu& exec, explicable_case& c, const horizons& ahead) {
  return explicability(exec, c.stochastic ? c.m.stochastic() : c.m.deterministic(), inputs(c), ahead,
                       {.tolerance = 1e-13}, outputs(c));
}
std::vector<char> memory_for(const explicable_case& c) {
  return std::vector<char>(explicability_workspace(c.m.batch, c.m.states));
}

}  // namespace

TEST_CASE("gaps, local gaps, informativeness and violations are those of the operator over state-action pairs") {
  for (const bool stochastic : {false, true})
    for (const std::int64_t states : {2, 5, 9})
      for (const std::int64_t actions : {1, 2, 4})
        for (const horizons ahead : {horizons{0, 0}, horizons{1, 1}, horizons{2, 6}}) {
          explicable_case c(3, states, actions, stochastic);
          auto memory = memory_for(c);
          REQUIRE(call(cpu{.workspace = {memory.data(), memory.size()}}, c, ahead).ok());
          c.check_answer(ahead);
        }
}

TEST_CASE("the chain by hand: staying is worse by what it delays, and how soon that shows") {
  // 0 -> 1 -> 2, where it ends; action 1 goes on, and earns 1 on the last step.
  const double reward[] = {0, 0, 0, 1, 0, 0}, policy[] = {0, 1, 0, 1, 0, 1}, required[] = {0.05, 0.05, 9};
  const std::int32_t next[] = {0, 1, 1, 2, 2, 2};
  const bool terminal[] = {false, false, true};
  double gap[6], local[6], shortfall[3], informativeness = 0, violation = 0, least[3];
  std::vector<char> memory(explicability_workspace(1, 3));
  const auto run = [&](const horizons& ahead) {
    check(explicability(
        cpu{.workspace = {memory.data(), memory.size()}},
        {.reward = {reward, 1, 3, 2}, .next = {next, 1, 3, 2}, .terminal = {terminal, 1, 3}, .discount = 0.9},
        {{policy, 1, 3, 2}, {required, 1, 3}}, ahead, {},
        {.gap = {gap, 1, 3, 2},
         .local_gap = {local, 1, 3, 2},
         .least_gap = {least, 1, 3},
         .shortfall = {shortfall, 1, 3},
         .informativeness = {&informativeness, 1},
         .violation = {&violation, 1}}));
  };
  run({0, 1});
  CHECK((std::fabs(gap[0] - 0.09) < 1e-15 && std::fabs(gap[2] - 0.1) < 1e-15));
  CHECK((gap[1] == 0 && gap[3] == 0 && gap[4] == 0 && gap[5] == 0));
  CHECK((std::fabs(least[0] - 0.09) < 1e-15 && least[2] == 0));
  // Looking no step ahead, state 0 shows nothing; one step ahead it does.
  CHECK((shortfall[0] == 0.025 && shortfall[1] == 0 && shortfall[2] == 0));
  CHECK((informativeness == -0.0125 && violation == 0));
  run({0, 0});
  CHECK((local[0] == 0 && local[2] == 1 && informativeness == -0.025));
  CHECK((explicable_horizons(0.9).first == 5 && explicable_horizons(0.9).last == 10));
  CHECK((explicable_horizons(0.95).first == 10 && explicable_horizons(0.95).last == 20));
  CHECK((explicable_horizons(0).first == 0 && explicable_horizons(0).last == 1));
  covers("explicable_reward", "golden");
}

TEST_CASE("invariance: shaping by a potential changes no gap, an optimal policy has no violation, another one has") {
  explicable_case c(3, 6, 3, true);
  std::vector<double> value(18);
  std::vector<char> memory(bellman_workspace(3, 6) + explicability_workspace(3, 6));
  const cpu exec{.workspace = {memory.data(), memory.size()}};
  check(value_iteration(exec, c.m.stochastic(), {.tolerance = 1e-14},
                        {.value = {value.data(), 3, 6}, .policy = {c.target.data(), 3, 6, 3}}));
  c.required.assign(18, 0);
  REQUIRE(call(exec, c, {2, 4}).ok());
  for (double v : c.violation) CHECK(v < 1e-12);
  for (double g : c.gap) CHECK(g > -1e-12);
  const auto before = c.gap;
  c.required = c.least_gap;  // what the original reward has is what is required of the designed one
  // The potential is the optimal value: the reward of an optimal action becomes 0, and the gap shows in the reward.
  const auto original = c.m.reward;
  for (std::int64_t i = 0; i < 3 * 6 * 3; ++i) {
    const std::int64_t b = i / 18, s = i / 3;
    double after = 0;
    for (std::int64_t t = 0; t < 5; ++t)  // the last state is terminal
      after += c.m.transition[static_cast<std::size_t>(i * 6 + t)] * value[static_cast<std::size_t>(b * 6 + t)];
    c.m.reward[static_cast<std::size_t>(i)] +=
        c.m.discount * after - (s % 6 < 5 ? value[static_cast<std::size_t>(s)] : 0);
  }
  REQUIRE(call(exec, c, {0, 0}).ok());
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK(std::fabs(c.gap[i] - before[i]) < 1e-11);
    CHECK(std::fabs(c.local_gap[i] - before[i]) < 1e-11);
  }
  for (double v : c.violation) CHECK(v < 1e-11);
  for (double v : c.informativeness) CHECK(v > -1e-11);
  // A reward that makes another action better by 1 at once.
  c.m.reward = original;
  std::size_t other = 0;
  while (c.target[other] > 0) ++other;
  c.m.reward[other] += c.gap[other] + 1;
  REQUIRE(call(exec, c, {0, 0}).ok());
  CHECK((c.violation[0] > 0.9 && c.violation[1] < 1e-11));
  covers("explicable_reward", "identity");
}

TEST_CASE("adaptive informativeness: its definition, and its slope") {
  explicable_case c(3, 4, 3, true);
  const std::int64_t B = 3, S = 4, A = 3;
  std::vector<double> target(36), local(36), slope(36), weight(12), value(3), uniform(3);
  prefer_test::noise random(8);
  for (auto* v : {&target, &local, &weight})
    for (double& x : *v) x = random.uniform(-1, 1);
  const auto run = [&](std::vector<double>& to, bool weighted) {
    adaptive_inputs<space::host> in = {{c.m.policy.data(), B, S, A}, {target.data(), B, S, A}, {local.data(), B, S, A}};
    if (weighted) in.weight = {weight.data(), B, S};
    check(adaptive_informativeness(cpu{}, in, {{to.data(), B}, {slope.data(), B, S, A}}));
  };
  run(uniform, false);
  run(value, true);
  for (std::int64_t b = 0; b < B; ++b) {
    long double sum = 0, flat = 0;
    for (std::int64_t i = b * S; i < (b + 1) * S; ++i) {
      long double mean = 0;
      const auto at = [&](const std::vector<double>& v, std::int64_t a) {
        return v[static_cast<std::size_t>(i * A + a)];
      };
      for (std::int64_t a = 0; a < A; ++a) mean += at(c.m.policy, a) * at(target, a);
      for (std::int64_t a = 0; a < A; ++a) {
        const long double g = at(c.m.policy, a) * (at(target, a) - mean);
        sum += weight[static_cast<std::size_t>(i)] * g * at(local, a), flat += g * at(local, a) / S;
        CHECK(std::fabs(at(slope, a) - weight[static_cast<std::size_t>(i)] * g) < 1e-15L);
      }
    }
    CHECK(std::fabs(value[static_cast<std::size_t>(b)] - sum) < 1e-14L);
    CHECK(std::fabs(uniform[static_cast<std::size_t>(b)] - flat) < 1e-14L);
  }
}

TEST_CASE("the same bits for any threads, nothing is allocated, and only what is given is computed") {
  explicable_case c(400, 7, 3, false);
  auto memory = memory_for(c);
  const auto bits = [&](cpu exec) {
    exec.workspace = {memory.data(), memory.size()};
    const long before = prefer_test::allocation_count();
    const status st = call(exec, c, {1, 4});
    CHECK(prefer_test::allocation_count() == before);
    REQUIRE(st.ok());
    auto all = c.gap;
    for (const auto* v : {&c.local_gap, &c.least_gap, &c.shortfall, &c.informativeness, &c.violation, &c.residual})
      all.insert(all.end(), v->begin(), v->end());
    return all;
  };
  const auto expected = bits(cpu{});
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  const auto gap = c.gap, informativeness = c.informativeness;
  c.gap.assign(c.gap.size(), 7), c.informativeness.assign(c.informativeness.size(), 7);
  explicability_outputs<space::host> one, other;
  one.gap = outputs(c).gap, other.informativeness = outputs(c).informativeness;
  for (const auto& out : {one, other})
    check(explicability(cpu{.workspace = {memory.data(), memory.size()}}, c.m.deterministic(), inputs(c), {1, 4},
                        {.tolerance = 1e-13}, out));
  CHECK((c.gap == gap && c.informativeness == informativeness));
  covers("explicable_reward", "threads");
}

TEST_CASE("what is wrong is named, and nothing is written") {
  explicable_case c(2, 4, 3, false);
  auto memory = memory_for(c);
  const cpu exec{.workspace = {memory.data(), memory.size()}};
  auto in = inputs(c);
  auto out = outputs(c);
  auto m = c.m.deterministic();
  const auto good_in = in;
  const auto good_out = out;
  const auto good_m = m;
  const auto named = [&](auto change, errc code, const char* argument, const horizons& ahead = {}) {
    change();
    const status got = explicability(exec, m, in, ahead, {}, out);
    INFO(message(got).c_str() << " expected for " << argument);
    CHECK(got.code == code);
    CHECK(std::string(got.argument) == argument);
    in = good_in, out = good_out, m = good_m;
  };
  named([] {}, errc::bad_parameter, "horizons.first", {-1, 2});
  named([] {}, errc::bad_parameter, "horizons.last", {2, 1});
  named([&] { m.discount = 1.5; }, errc::bad_parameter, "discount");
  named([&] { m.reward = {}; }, errc::bad_extent, "reward");
  named([&] { in.policy = {}; }, errc::bad_extent, "policy");
  named([&] { in.required_gap.extent[1] = 3; }, errc::bad_extent, "required_gap");
  named([&] { out = {}; }, errc::missing_output, "outputs");
  named([&] { out.gap.extent[2] = 2; }, errc::bad_extent, "gap");
  named([&] { out.violation.extent[0] = 3; }, errc::bad_extent, "violation");
  named([&] { out.local_gap = out.gap; }, errc::overlap, "local_gap");
  c.target[0] += 0.5;
  named([] {}, errc::bad_label, "policy");
  c.target[0] -= 0.5;
  c.m.next[1] = 4;
  named([] {}, errc::bad_index, "next");
  c.m.next[1] = 0;
  CHECK(explicability(cpu{}, m, in, {}, {}, out).code == errc::small_workspace);
  const auto adaptive = [](const status& got, errc code, const char* argument) {
    CHECK(got.code == code);
    CHECK(std::string(got.argument) == argument);
  };
  adaptive(adaptive_informativeness(cpu{}, {in.policy, in.policy, in.policy, {}}, {}), errc::missing_output, "outputs");
  adaptive(adaptive_informativeness(cpu{}, {in.policy, {}, in.policy, {}}, {{c.violation.data(), 2}, {}}),
           errc::bad_extent, "advantage");
  adaptive(adaptive_informativeness(cpu{}, {in.policy, in.policy, in.policy, {}}, {{c.target.data(), 2}, {}}),
           errc::overlap, "informativeness");
  for (const auto* v : {&c.gap, &c.local_gap, &c.shortfall, &c.violation})
    for (double x : *v) CHECK(x == 0);
  covers("explicable_reward", "bad-argument");
}
