// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <backend/for_groups.hpp>

using namespace prefer_test;

TEST_CASE("teams on the CPU: sums, first places, digits, prefix sums of groups by offsets and by size") {
  check_teams<host_side>(false);
  check_teams<host_side>(true);
}
