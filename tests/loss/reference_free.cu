// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/cpo.hpp>
#include <loss/cases/nll.hpp>
#include <loss/cases/orpo.hpp>
#include <loss/cases/simper.hpp>
#include <loss/cases/simpo.hpp>
#include <loss/cases/slic.hpp>
#include <prefer/loss/cpo.cuh>
#include <prefer/loss/nll.cuh>
#include <prefer/loss/orpo.cuh>
#include <prefer/loss/simper.cuh>
#include <prefer/loss/simpo.cuh>
#include <prefer/loss/slic.cuh>
#include <support/golden_cases.cuh>

#include <doctest/doctest.h>

using namespace prefer_test;

TEST_CASE("golden values, and what every loss promises, on CUDA") {
  SUBCASE("nll") { loss_tests_on_cuda<nll_cases>(); }
  SUBCASE("simpo") { loss_tests_on_cuda<simpo_cases>(); }
  SUBCASE("alphapo") { loss_tests_on_cuda<alphapo_cases>(); }
  SUBCASE("cpo") { loss_tests_on_cuda<cpo_cases>(); }
  SUBCASE("orpo") { loss_tests_on_cuda<orpo_cases>(); }
  SUBCASE("simper") { loss_tests_on_cuda<simper_cases>(); }
  SUBCASE("slic") { loss_tests_on_cuda<slic_cases>(); }
}
