// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/diffusion_dpo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("diffusion_dpo: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::diffusion_dpo_cases>();
}

TEST_CASE("Diffusion-DPO: a hand-worked pair, and lower errors than the reference's are rewarded") {
  covers("diffusion_dpo", "identity");
  const auto t = ask(
      diffusion_dpo{.beta = 5000.0},
      {.policy_chosen = 0.1010, .policy_rejected = 0.1205, .reference_chosen = 0.1012, .reference_rejected = 0.1203});
  CHECK(t.value == doctest::Approx(0.3132616875).epsilon(1e-10));  // z = 1
  CHECK(t.d_chosen == doctest::Approx(672.35355).epsilon(1e-7));
  CHECK(t.d_rejected == -t.d_chosen);
  CHECK(diffusion_dpo{}(pair<double>{.policy_chosen = 0.1, .reference_chosen = 0.2}).reward_chosen > 0);
  CHECK(refused(diffusion_dpo{.beta = 0.0}) == "beta");
}
