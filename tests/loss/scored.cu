// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/adversarial_hinge.hpp>
#include <loss/cases/binary_cross_entropy.hpp>
#include <loss/cases/reward_feedback.hpp>
#include <prefer/loss/adversarial_hinge.cuh>
#include <prefer/loss/binary_cross_entropy.cuh>
#include <prefer/loss/reward_feedback.cuh>
#include <support/golden_cases.cuh>

#include <doctest/doctest.h>

using namespace prefer_test;

TEST_CASE("golden values, and what every loss promises, on CUDA") {
  SUBCASE("reward_hinge") { loss_tests_on_cuda<reward_hinge_cases>(); }
  SUBCASE("reward_linear") { loss_tests_on_cuda<reward_linear_cases>(); }
  SUBCASE("adversarial_hinge") { loss_tests_on_cuda<adversarial_hinge_cases>(); }
  SUBCASE("binary_cross_entropy") { loss_tests_on_cuda<binary_cross_entropy_cases>(); }
}
