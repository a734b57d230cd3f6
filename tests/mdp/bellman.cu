// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/mdp/bellman.cuh>
#include <prefer/mdp/softmax_value.cuh>
#include <mdp/random_mdp.hpp>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace prefer;
using prefer_test::covers;
using prefer_test::device_array;
using prefer_test::random_mdp;
using prefer_test::stream;

namespace {

void same(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-12));
}

// A process on both sides.
struct both {
  const random_mdp& host;
  device_array<double> reward, transition, policy, phi;
  device_array<std::int32_t> next;
  device_array<unsigned char> terminal;
  explicit both(const random_mdp& m)
      : host(m),
        reward(m.reward),
        transition(m.transition),
        policy(m.policy),
        phi(m.phi),
        next(m.next),
        terminal(m.terminal) {}
  mdp<space::device> device(bool stochastic) const {
    mdp<space::device> m = {.reward = {reward.data, host.batch, host.states, host.actions},
                            .terminal = {reinterpret_cast<const bool*>(terminal.data), host.batch, host.states},
                            .discount = host.discount};
    if (stochastic)
      m.transition = {transition.data, host.batch, host.states * host.actions, host.states};
    else
      m.next = {next.data, host.batch, host.states, host.actions};
    return m;
  }
};

}  // namespace

TEST_CASE("values, policies and successor features on CUDA are those of the CPU, in one launch for the whole batch") {
  stream s;
  const random_mdp m(9, 37, 3);
  const both d(m);
  const std::int64_t B = m.batch, S = m.states, A = m.actions, F = m.features;
  const auto n = static_cast<std::size_t>(B * S);
  std::vector<double> memory(bellman_workspace(B, S, F)), value(n), action_value(n * 3), policy(n * 3), psi(n * 3),
      residual(9);
  std::vector<std::int64_t> iterations(9);
  const cpu host{.workspace = {memory.data(), memory.size()}};
  device_array<double> dvalue(n), daction(n * 3), dpolicy(n * 3), dpsi(n * 3), dresidual(9);
  device_array<std::int64_t> diterations(9);
  const prefer_test::device_workspace scratch(bellman_workspace(B, S, F));
  const cuda exec{.stream = s.handle, .workspace = scratch.get()};
  const value_outputs<space::host> out = {{value.data(), B, S},
                                          {action_value.data(), B, S, A},
                                          {policy.data(), B, S, A},
                                          {iterations.data(), B},
                                          {residual.data(), B}};
  const value_outputs<space::device> dout = {{dvalue.data, B, S},
                                             {daction.data, B, S, A},
                                             {dpolicy.data, B, S, A},
                                             {diterations.data, B},
                                             {dresidual.data, B}};
  for (bool stochastic : {false, true}) {
    const auto in = stochastic ? m.stochastic() : m.deterministic();
    check(value_iteration(host, in, {.tolerance = 1e-9}, out));
    prefer_test::enqueues_only("value_iteration", 1,
                               [&] { check(value_iteration(exec, d.device(stochastic), {.tolerance = 1e-9}, dout)); });
    s.wait();
    same(dvalue.fetch(), value), same(daction.fetch(), action_value), same(dpolicy.fetch(), policy);
    CHECK(diterations.fetch() == iterations);
    check(policy_evaluation(host, in, {m.policy.data(), B, S, A}, {}, out));
    prefer_test::enqueues_only("policy_evaluation", 1, [&] {
      check(policy_evaluation(exec, d.device(stochastic), {d.policy.data, B, S, A}, {}, dout));
    });
    s.wait();
    same(dvalue.fetch(), value);
    check(successor_features(host, in, {m.policy.data(), B, S, A}, {m.phi.data(), S, A, F}, {},
                             {.successor = {psi.data(), B, S, F}}));
    prefer_test::enqueues_only("successor_features", 1, [&] {
      check(successor_features(exec, d.device(stochastic), {d.policy.data, B, S, A}, {d.phi.data, S, A, F}, {},
                               {.successor = {dpsi.data, B, S, F}, .residual = {dresidual.data, B}}));
    });
    s.wait();
    same(dpsi.fetch(), psi);
    for (double r : dresidual.fetch()) CHECK(r <= 1e-10);
  }
  for (const char* name : {"value_iteration", "policy_evaluation", "successor_features"})
    for (const char* tag : {"golden", "allocation"}) covers(name, tag);
}

TEST_CASE("the softened value and its gradient on CUDA are those of the CPU") {
  stream s;
  const std::int64_t K = 6, S = 300, F = 4;
  std::vector<double> psi(static_cast<std::size_t>(K * S * F)), w = {0.5, -1, 0.25, 2}, upstream(300), value(300),
                                                                gradient(4);
  prefer_test::noise random(2);
  for (double& x : psi) x = random.uniform(-3, 3);
  for (double& x : upstream) x = random.uniform(0, 1) < 0.5 ? 0 : random.uniform(-1, 1);
  const device_array<double> dpsi(psi), dw(w), dupstream(upstream), dvalue(300), dgradient(4);
  for (double temperature : {1e-3, 0.7}) {
    const policy_values<space::host> in = {{psi.data(), K, S, F}, {w.data(), F}, temperature};
    const policy_values<space::device> din = {{dpsi.data, K, S, F}, {dw.data, F}, temperature};
    check(softmax_value(cpu{}, in, {value.data(), S}));
    check(softmax_value_gradient(cpu{}, in, {upstream.data(), S}, {gradient.data(), F}));
    prefer_test::enqueues_only("softmax_value", 1, [&] {
      check(softmax_value(cuda{s.handle}, din, {dvalue.data, S}));
    });
    prefer_test::enqueues_only("softmax_value_gradient", 1, [&] {
      check(softmax_value_gradient(cuda{s.handle}, din, {dupstream.data, S}, {dgradient.data, F}));
    });
    s.wait();
    same(dvalue.fetch(), value), same(dgradient.fetch(), gradient);
  }
  for (const char* tag : {"golden", "allocation"}) covers("softmax_value", tag);
}

TEST_CASE(
    "bad arguments on CUDA: named where the host can see them; a state that does not exist makes its process NaN") {
  stream s;
  random_mdp m(2, 4, 3);
  m.next[1] = 99;
  const both d(m);
  device_array<double> value(8);
  const prefer_test::device_workspace scratch(bellman_workspace(2, 4)), little(64);
  check(value_iteration(cuda{.stream = s.handle, .workspace = scratch.get()}, d.device(false), {},
                        {.value = {value.data, 2, 4}}));
  s.wait();
  const auto got = value.fetch();
  CHECK(std::isnan(got[0]));
  for (std::size_t i = 4; i < 8; ++i) CHECK(std::isfinite(got[i]));
  CHECK(value_iteration(cuda{.stream = s.handle, .workspace = little.get()}, d.device(false), {},
                        {.value = {value.data, 2, 4}})
            .code == errc::small_workspace);
  auto in = d.device(true);
  in.discount = 2;
  CHECK(value_iteration(cuda{s.handle}, in, {}, {.value = {value.data, 2, 4}}).code == errc::bad_parameter);
  CHECK(softmax_value(cuda{s.handle}, {{value.data, 1, 4, 2}, {value.data, 2}, 0.0}, {value.data, 4}).code ==
        errc::bad_parameter);
  for (const char* name : {"value_iteration", "policy_evaluation", "successor_features", "softmax_value"})
    covers(name, "bad-argument");
}
