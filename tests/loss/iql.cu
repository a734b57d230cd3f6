// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/iql.hpp>
#include <loss/cases/temporal_difference.hpp>
#include <prefer/loss/iql.cuh>
#include <prefer/loss/temporal_difference.cuh>
#include <support/golden_cases.cuh>

#include <doctest/doctest.h>

using namespace prefer_test;

TEST_CASE("golden values, and what every loss promises, on CUDA") {
  SUBCASE("iql_value") { loss_tests_on_cuda<iql_value_cases>(); }
  SUBCASE("temporal_difference") { loss_tests_on_cuda<temporal_difference_cases>(); }
  SUBCASE("value_temporal_difference") { loss_tests_on_cuda<value_temporal_difference_cases>(); }
  SUBCASE("iql_policy") { loss_tests_on_cuda<iql_policy_cases>(); }
}
