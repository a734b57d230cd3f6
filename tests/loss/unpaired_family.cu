// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/diffusion_kto.hpp>
#include <loss/cases/kto.hpp>
#include <loss/cases/reinforce.hpp>
#include <loss/cases/unpaired.hpp>
#include <prefer/core/evaluate_tokens.cuh>
#include <prefer/loss/diffusion_kto.cuh>
#include <prefer/loss/kto.cuh>
#include <prefer/loss/reinforce.cuh>
#include <prefer/loss/unpaired.cuh>
#include <support/cuda.cuh>
#include <support/golden_cases.cuh>

#include <doctest/doctest.h>

using namespace prefer_test;

TEST_CASE("golden values, and what every loss promises, on CUDA") {
  SUBCASE("kto") { loss_tests_on_cuda<kto_cases>(); }
  SUBCASE("mean_log_ratio") { loss_tests_on_cuda<mean_log_ratio_cases>(); }
  SUBCASE("diffusion_kto") { loss_tests_on_cuda<diffusion_kto_cases>(); }
  SUBCASE("bco_unpaired") { loss_tests_on_cuda<bco_unpaired_cases>(); }
  SUBCASE("sppo_soft") { loss_tests_on_cuda<sppo_soft_cases>(); }
  SUBCASE("reinforce") { loss_tests_on_cuda<reinforce_cases>(); }
}

TEST_CASE("KTO from tokens: CUDA as CPU, one launch") {
  stream s;
  constexpr std::int64_t n = 6;
  buffer<std::int32_t> offsets(n + 1);
  for (std::int64_t i = 0; i <= n; ++i) offsets.at(i) = static_cast<std::int32_t>(i * i * 9);
  const std::int64_t total = offsets.at(n);
  buffer<float> policy(total), reference(total), grad(total), expected(total);
  buffer<bool> mask(total);
  noise random(5);
  for (std::int64_t t = 0; t < total; ++t) {
    policy.set(t, random.uniform(-2, 0)), reference.set(t, random.uniform(-2, 0));
    mask.at(t) = random.uniform(0, 1) < 0.7;
    if (!mask.at(t)) policy.set(t, std::numeric_limits<double>::quiet_NaN());
  }
  prefer::check(prefer::evaluate_tokens(
      prefer::cpu{}, prefer::kto{},
      {.policy = policy.read(), .reference = reference.read(), .offsets = offsets.read(), .token_mask = mask.read()},
      {.grad_policy = expected.view()}));
  device<std::int32_t> doffsets(offsets);
  device<float> dpolicy(policy), dreference(reference), dgrad(grad);
  device<bool> dmask(mask);
  const device_workspace memory(prefer::evaluate_tokens_workspace(prefer::kto{}, n));
  enqueues_only("kto tokens", 1, [&] {
    prefer::check(prefer::evaluate_tokens(prefer::cuda{.stream = s.handle, .workspace = memory.get()}, prefer::kto{},
                                          {.policy = dpolicy.read(),
                                           .reference = dreference.read(),
                                           .offsets = doffsets.read(),
                                           .token_mask = dmask.read()},
                                          {.grad_policy = dgrad.view()}));
  });
  s.wait();
  dgrad.fetch();
  for (std::int64_t t = 0; t < total; ++t) CHECK(grad.get(t) == doctest::Approx(expected.get(t)).epsilon(1e-6));
  CHECK(grad.intact());
}
