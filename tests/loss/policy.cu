// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/gspo.hpp>
#include <loss/cases/kl_cov.hpp>
#include <loss/cases/kl_mixed_reinforce.hpp>
#include <loss/cases/policy_gradient.hpp>
#include <loss/cases/policy_kl.hpp>
#include <loss/cases/policy_regression.hpp>
#include <loss/cases/ppo.hpp>
#include <loss/cases/sapo.hpp>
#include <prefer/loss/gspo.cuh>
#include <prefer/loss/kl_cov.cuh>
#include <prefer/loss/kl_mixed_reinforce.cuh>
#include <prefer/loss/policy_gradient.cuh>
#include <prefer/loss/policy_kl.cuh>
#include <prefer/loss/policy_regression.cuh>
#include <prefer/loss/ppo.cuh>
#include <prefer/loss/sapo.cuh>
#include <support/golden_cases.cuh>

#include <doctest/doctest.h>

using namespace prefer_test;

TEST_CASE("golden values, and what every loss promises, on CUDA") {
  SUBCASE("ppo") { loss_tests_on_cuda<ppo_cases>(); }
  SUBCASE("gspo") { loss_tests_on_cuda<gspo_cases>(); }
  SUBCASE("gspo_token") { loss_tests_on_cuda<gspo_token_cases>(); }
  SUBCASE("luspo") { loss_tests_on_cuda<luspo_cases>(); }
  SUBCASE("gmpo") { loss_tests_on_cuda<gmpo_cases>(); }
  SUBCASE("policy_gradient") { loss_tests_on_cuda<policy_gradient_cases>(); }
  SUBCASE("cispo") { loss_tests_on_cuda<cispo_cases>(); }
  SUBCASE("topr") { loss_tests_on_cuda<topr_cases>(); }
  SUBCASE("dppo") { loss_tests_on_cuda<dppo_cases>(); }
  SUBCASE("dppo_kl") { loss_tests_on_cuda<dppo_kl_cases>(); }
  SUBCASE("aspo") { loss_tests_on_cuda<aspo_cases>(); }
  SUBCASE("vespo") { loss_tests_on_cuda<vespo_cases>(); }
  SUBCASE("sapo") { loss_tests_on_cuda<sapo_cases>(); }
  SUBCASE("dro") { loss_tests_on_cuda<dro_cases>(); }
  SUBCASE("a_star_po") { loss_tests_on_cuda<a_star_po_cases>(); }
  SUBCASE("flow_rl") { loss_tests_on_cuda<flow_rl_cases>(); }
  SUBCASE("kl_cov") { loss_tests_on_cuda<kl_cov_cases>(); }
  SUBCASE("kl_mixed_reinforce") { loss_tests_on_cuda<kl_mixed_reinforce_cases>(); }
  SUBCASE("policy_kl") { loss_tests_on_cuda<policy_kl_cases>(); }
  SUBCASE("unbiased_policy_kl") { loss_tests_on_cuda<unbiased_policy_kl_cases>(); }
}
