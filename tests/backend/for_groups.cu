// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <backend/for_groups.hpp>
#include <prefer/backend/cuda/for_groups.cuh>
#include <support/side.cuh>

using namespace prefer_test;

TEST_CASE("teams on CUDA, warps and blocks: sums, first places, digits, prefix sums of groups by offsets and by size") {
  check_teams<device_side>(false);
  check_teams<device_side>(true);
}
