// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/egpo_pair.hpp>
#include <loss/cases/inpo_pair.hpp>
#include <loss/cases/ipo_md.hpp>
#include <loss/cases/nash_md_pg.hpp>
#include <loss/cases/rebel.hpp>
#include <prefer/loss/egpo_pair.cuh>
#include <prefer/loss/inpo_pair.cuh>
#include <prefer/loss/ipo_md.cuh>
#include <prefer/loss/nash_md_pg.cuh>
#include <prefer/loss/rebel.cuh>
#include <support/golden_cases.cuh>

#include <doctest/doctest.h>

using namespace prefer_test;

TEST_CASE("golden values, and what every loss promises, on CUDA") {
  SUBCASE("nash_md_pg") { loss_tests_on_cuda<nash_md_pg_cases>(); }
  SUBCASE("ipo_md") { loss_tests_on_cuda<ipo_md_cases>(); }
  SUBCASE("egpo_pair") { loss_tests_on_cuda<egpo_pair_cases>(); }
  SUBCASE("rebel") { loss_tests_on_cuda<rebel_cases>(); }
  SUBCASE("inpo_pair") { loss_tests_on_cuda<inpo_pair_cases>(); }
}
