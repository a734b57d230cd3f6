// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/iql.hpp>
#include <prefer/loss/iql.cuh>
#include <support/golden_cases.cuh>

#include <doctest/doctest.h>

using namespace prefer_test;

TEST_CASE("golden values, and what every loss promises, on CUDA") {
  SUBCASE("iql_value") { loss_tests_on_cuda<iql_value_cases>(); }
  SUBCASE("iql_q") { loss_tests_on_cuda<iql_q_cases>(); }
  SUBCASE("iql_policy") { loss_tests_on_cuda<iql_policy_cases>(); }
}
