// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/d3po.hpp>
#include <loss/cases/diffusion_dpo.hpp>
#include <loss/cases/seppo.hpp>
#include <prefer/loss/d3po.cuh>
#include <prefer/loss/diffusion_dpo.cuh>
#include <prefer/loss/seppo.cuh>
#include <support/golden_cases.cuh>

#include <doctest/doctest.h>

using namespace prefer_test;

TEST_CASE("golden values, and what every loss promises, on CUDA") {
  SUBCASE("d3po") { loss_tests_on_cuda<d3po_cases>(); }
  SUBCASE("diffusion_dpo") { loss_tests_on_cuda<diffusion_dpo_cases>(); }
  SUBCASE("seppo") { loss_tests_on_cuda<seppo_cases>(); }
}
