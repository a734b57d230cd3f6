// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/bco.hpp>
#include <loss/cases/discopop.hpp>
#include <loss/cases/dpop.hpp>
#include <loss/cases/f_dpo.hpp>
#include <loss/cases/length_normalized_dpo.hpp>
#include <loss/cases/r_dpo.hpp>
#include <loss/cases/tdpo.hpp>
#include <prefer/loss/bco.cuh>
#include <prefer/loss/discopop.cuh>
#include <prefer/loss/dpop.cuh>
#include <prefer/loss/f_dpo.cuh>
#include <prefer/loss/length_normalized_dpo.cuh>
#include <prefer/loss/r_dpo.cuh>
#include <prefer/loss/tdpo.cuh>
#include <support/golden_cases.cuh>

#include <doctest/doctest.h>

using namespace prefer_test;

TEST_CASE("golden values, and what every loss promises, on CUDA") {
  SUBCASE("discopop") { loss_tests_on_cuda<discopop_cases>(); }
  SUBCASE("dpop") { loss_tests_on_cuda<dpop_cases>(); }
  SUBCASE("r_dpo") { loss_tests_on_cuda<r_dpo_cases>(); }
  SUBCASE("length_normalized_dpo") { loss_tests_on_cuda<length_normalized_dpo_cases>(); }
  SUBCASE("alpha_dpo") { loss_tests_on_cuda<alpha_dpo_cases>(); }
  SUBCASE("js_dpo") { loss_tests_on_cuda<js_dpo_cases>(); }
  SUBCASE("tdpo") { loss_tests_on_cuda<tdpo_cases>(); }
  SUBCASE("bco") { loss_tests_on_cuda<bco_cases>(); }
  SUBCASE("mean_reward") { loss_tests_on_cuda<mean_reward_cases>(); }
}
