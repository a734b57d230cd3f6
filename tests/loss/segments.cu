// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/cpl.hpp>
#include <loss/cases/regret.hpp>
#include <prefer/core/evaluate_tokens.cuh>
#include <prefer/loss/cpl.cuh>
#include <prefer/loss/regret.cuh>
#include <support/cuda.cuh>
#include <support/golden_cases.cuh>

#include <doctest/doctest.h>

#include <map>
#include <vector>

using namespace prefer_test;

TEST_CASE("golden values, and what every loss promises, on CUDA") {
  SUBCASE("cpl") { loss_tests_on_cuda<cpl_cases>(); }
  SUBCASE("partial_return") { loss_tests_on_cuda<partial_return_cases>(); }
  SUBCASE("regret") { loss_tests_on_cuda<regret_cases>(); }
  SUBCASE("weighted_return") { loss_tests_on_cuda<weighted_return_cases>(); }
}

TEST_CASE("regret from steps with a discount, weights and a tail: CUDA as CPU") {
  stream s;
  constexpr std::int64_t n = 7;
  buffer<std::int64_t> chosen(n + 1), rejected(n + 1);
  for (std::int64_t i = 0; i <= n; ++i) chosen.at(i) = i * (i + 3) / 2 * 17, rejected.at(i) = i * 31;
  const std::int64_t c = chosen.at(n), r = rejected.at(n);
  buffer<float> vc(c), vr(r), qc(c), qr(r), wc(c), grad(c), expected(c);
  buffer<double> loss(1), host_loss(1);
  noise random(3);
  for (auto* b : {&vc, &vr, &qc, &qr, &wc})
    for (std::int64_t t = 0; t < b->size(); ++t) b->set(t, random.uniform(-1, 1));
  const auto call = [&](const auto& exec, auto read, auto write) {
    using E = std::remove_cvref_t<decltype(exec)>;
    const prefer::segment_pair_token_inputs<E::memory> in = {.value_chosen = read(vc),
                                                             .value_rejected = read(vr),
                                                             .action_value_chosen = read(qc),
                                                             .action_value_rejected = read(qr),
                                                             .chosen_offsets = read(chosen),
                                                             .rejected_offsets = read(rejected),
                                                             .chosen_weight = read(wc),
                                                             .discount = 0.99,
                                                             .tail = 0.5};
    return prefer::evaluate_tokens(exec, prefer::regret{}, in,
                                   {.loss = write(loss), .grad_action_value_chosen = write(grad)});
  };
  const auto on_host = [](auto& b) { return b.view(); };
  prefer::check(call(
      prefer::cpu{}, [](auto& b) { return b.read(); }, on_host));
  host_loss.set(0, loss.get(0));
  for (std::int64_t t = 0; t < c; ++t) expected.set(t, grad.get(t)), grad.set(t, -7);
  device<float> dvc(vc), dvr(vr), dqc(qc), dqr(qr), dwc(wc), dgrad(grad);
  device<std::int64_t> dchosen(chosen), drejected(rejected);
  device<double> dloss(loss);
  const std::map<const void*, void*> mirror = {
      {&vc, &dvc},    {&vr, &dvr},     {&qc, &dqc},         {&qr, &dqr},
      {&wc, &dwc},    {&grad, &dgrad}, {&chosen, &dchosen}, {&rejected, &drejected},
      {&loss, &dloss}};
  const auto find = [&]<class T>(buffer<T>& b) -> device<T>& { return *static_cast<device<T>*>(mirror.at(&b)); };
  prefer::check(call(
      prefer::cuda{s.handle}, [&](auto& b) { return find(b).read(); }, [&](auto& b) { return find(b).view(); }));
  s.wait();
  dgrad.fetch(), dloss.fetch();
  CHECK(loss.get(0) == doctest::Approx(host_loss.get(0)).epsilon(1e-13));
  for (std::int64_t t = 0; t < c; ++t) CHECK(grad.get(t) == doctest::Approx(expected.get(t)).epsilon(1e-6));
}
