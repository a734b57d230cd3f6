// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/apo.hpp>
#include <loss/cases/exo.hpp>
#include <loss/cases/hinge.hpp>
#include <loss/cases/ipo.hpp>
#include <loss/cases/nca.hpp>
#include <loss/cases/robust_dpo.hpp>
#include <loss/cases/sppo.hpp>
#include <prefer/loss/apo.cuh>
#include <prefer/loss/exo.cuh>
#include <prefer/loss/hinge.cuh>
#include <prefer/loss/ipo.cuh>
#include <prefer/loss/nca.cuh>
#include <prefer/loss/robust_dpo.cuh>
#include <prefer/loss/sppo.cuh>
#include <support/golden_cases.cuh>

#include <doctest/doctest.h>

using namespace prefer_test;

TEST_CASE("golden values, and what every loss promises, on CUDA") {
  SUBCASE("robust_dpo") { loss_tests_on_cuda<robust_dpo_cases>(); }
  SUBCASE("hinge") { loss_tests_on_cuda<hinge_cases>(); }
  SUBCASE("ipo") { loss_tests_on_cuda<ipo_cases>(); }
  SUBCASE("exo") { loss_tests_on_cuda<exo_cases>(); }
  SUBCASE("nca") { loss_tests_on_cuda<nca_cases>(); }
  SUBCASE("sppo") { loss_tests_on_cuda<sppo_cases>(); }
  SUBCASE("apo_zero") { loss_tests_on_cuda<apo_zero_cases>(); }
  SUBCASE("apo_down") { loss_tests_on_cuda<apo_down_cases>(); }
}
