// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "explicable_reward.hpp"

#include <prefer/shape/explicable_reward.cuh>
#include <prefer/shape/exploration_shaping.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::device_array;
using prefer_test::explicable_case;
using prefer_test::stream;

namespace {

void check_all(std::int64_t B, std::int64_t S, std::int64_t A, bool stochastic, const horizons& ahead,
               double discount = 0.9) {
  stream at;
  explicable_case c(B, S, A, stochastic);
  c.m.discount = discount;
  const device_array<double> reward(c.m.reward), transition(c.m.transition), target(c.target), required(c.required),
      gap(c.gap), local(c.local_gap), least(c.least_gap), shortfall(c.shortfall), informativeness(c.informativeness),
      violation(c.violation), residual(c.residual);
  const device_array<std::int32_t> next(c.m.next);
  const device_array<unsigned char> terminal(c.m.terminal);
  const device_array<std::int64_t> iterations(c.iterations);
  const prefer_test::device_workspace memory(explicability_workspace(B, S));
  mdp<space::device> m = {.reward = {reward.data, B, S, A},
                          .terminal = {reinterpret_cast<const bool*>(terminal.data), B, S},
                          .discount = c.m.discount};
  if (stochastic)
    m.transition = {transition.data, B, S * A, S};
  else
    m.next = {next.data, B, S, A};
  const auto call = [&] {
    return explicability(cuda{.stream = at.handle, .workspace = memory.get()}, m,
                         {{target.data, B, S, A}, {required.data, B, S}}, ahead, {.tolerance = 1e-13},
                         {{gap.data, B, S, A},
                          {local.data, B, S, A},
                          {least.data, B, S},
                          {shortfall.data, B, S},
                          {informativeness.data, B},
                          {violation.data, B},
                          {iterations.data, B},
                          {residual.data, B}});
  };
  prefer_test::enqueues_only("explicability", 1, [&] { check(call()); });
  const auto fetch = [&] {
    at.wait();
    c.gap = gap.fetch(), c.local_gap = local.fetch(), c.least_gap = least.fetch(), c.shortfall = shortfall.fetch();
    c.informativeness = informativeness.fetch(), c.violation = violation.fetch(), c.residual = residual.fetch();
    c.iterations = iterations.fetch();
    c.check_answer(ahead);
  };
  fetch();
  const auto graph = prefer_test::capture(at.handle, [&] { check(call()); });
  for (double& r : c.m.reward) r = 0.5 - r;  // another reward, when it is replayed
  REQUIRE(cudaMemcpy(reward.data, c.m.reward.data(), c.m.reward.size() * sizeof(double), cudaMemcpyHostToDevice) ==
          cudaSuccess);
  REQUIRE(cudaGraphLaunch(graph, at.handle) == cudaSuccess);
  fetch();
  cudaGraphExecDestroy(graph);
  const cuda little{.stream = at.handle, .workspace = {memory.memory, 16}};
  CHECK(explicability(little, m, {{target.data, B, S, A}, {}}, ahead, {}, {.gap = {gap.data, B, S, A}}).code ==
        errc::small_workspace);
  CHECK(explicability(little, m, {}, ahead, {}, {.gap = {gap.data, B, S, A}}).code == errc::bad_extent);
  for (const char* tag : {"allocation", "bad-argument"}) covers("explicable_reward", tag);
}

}  // namespace

TEST_CASE("gaps, informativeness and violations on CUDA are those of the operator, in one launch for the batch") {
  check_all(3, 5, 3, false, {0, 3}), check_all(2, 37, 2, true, {2, 2}), check_all(1, 2, 1, true, {0, 0});
  check_all(1, 520, 2, false, {1, 3}, 0.5);  // a block of threads for one process
  covers("explicable_reward", "golden");
}

TEST_CASE("adaptive informativeness and exploration shaping on CUDA are those of the CPU") {
  stream at;
  const explicable_case c(3, 4, 3, true);
  const std::int64_t B = 3, S = 4, A = 3, n = 50;
  std::vector<double> target(36), local(36), slope(36), value(3), phi(12), base(4), after(50), visits(50), shaped(50);
  std::vector<std::int32_t> state(50), action(50);
  prefer_test::noise random(8);
  for (auto* v : {&target, &local, &phi, &base, &after, &visits})
    for (double& x : *v) x = random.uniform(0, 3);
  for (std::size_t i = 0; i < 50; ++i)
    state[i] = static_cast<std::int32_t>(random.uniform(0, 4)),
    action[i] = static_cast<std::int32_t>(random.uniform(0, 3));
  state[7] = 4;  // outside the table: left out, and reported
  const device_array<double> dpolicy(c.m.policy), dtarget(target), dlocal(local), dslope(slope), dvalue(value),
      dphi(phi), dbase(base), dafter(after), dvisits(visits), dshaped(shaped);
  const device_array<std::int32_t> dstate(state), daction(action);
  const device_array<content_report> report(std::vector<content_report>(1));
  const cuda exec{.stream = at.handle, .report = report.data};
  const exploration_shaping how{.step = 0.2, .clip = 0.3};
  prefer_test::enqueues_only("adaptive", 6, [&] {
    check(adaptive_informativeness(exec, {{dpolicy.data, B, S, A}, {dtarget.data, B, S, A}, {dlocal.data, B, S, A}, {}},
                                   {{dvalue.data, B}, {dslope.data, B, S, A}}));
    check(exploration_update(exec, how, {{dstate.data, n}, {daction.data, n}, {dafter.data, n}, {dpolicy.data, S, A}},
                             {{dphi.data, S, A}, {dbase.data, S}}));
    check(explored_rewards(
        exec, how, {{dafter.data, n}, {dstate.data, n}, {daction.data, n}, {dvisits.data, n}, {}, {dphi.data, S, A}},
        {dshaped.data, n}));
  });
  at.wait();
  CHECK((report.fetch()[0].code() == errc::bad_index && report.fetch()[0].index() == 7));
  check(adaptive_informativeness(cpu{},
                                 {{c.m.policy.data(), B, S, A}, {target.data(), B, S, A}, {local.data(), B, S, A}, {}},
                                 {{value.data(), B}, {slope.data(), B, S, A}}));
  const cpu host{.content = content::none};
  check(exploration_update(host, how,
                           {{state.data(), n}, {action.data(), n}, {after.data(), n}, {c.m.policy.data(), S, A}},
                           {{phi.data(), S, A}, {base.data(), S}}));
  check(explored_rewards(
      host, how, {{after.data(), n}, {state.data(), n}, {action.data(), n}, {visits.data(), n}, {}, {phi.data(), S, A}},
      {shaped.data(), n}));
  const auto same = [](const std::vector<double>& got, const std::vector<double>& want) {
    for (std::size_t i = 0; i < want.size(); ++i)
      CHECK((std::fabs(got[i] - want[i]) < 1e-13 || (std::isnan(got[i]) && std::isnan(want[i]))));
  };
  same(dvalue.fetch(), value), same(dslope.fetch(), slope), same(dphi.fetch(), phi), same(dbase.fetch(), base);
  same(dshaped.fetch(), shaped);
  CHECK(std::isnan(shaped[7]));
  CHECK(exploration_update(exec, {.step = 0}, {}, {}).code == errc::bad_parameter);
  for (const char* tag : {"golden", "allocation", "bad-argument"}) covers("exploration_shaping", tag);
}
