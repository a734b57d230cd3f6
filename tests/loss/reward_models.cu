// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/focal_ranking.hpp>
#include <prefer/loss/focal_ranking.cuh>
#include <support/golden_cases.cuh>

#include <doctest/doctest.h>

using namespace prefer_test;

TEST_CASE("golden values, and what every loss promises, on CUDA") {
  SUBCASE("focal_ranking") { loss_tests_on_cuda<focal_ranking_cases>(); }
  SUBCASE("score_barrier") { loss_tests_on_cuda<score_barrier_cases>(); }
  SUBCASE("score_hinge") { loss_tests_on_cuda<score_hinge_cases>(); }
}
