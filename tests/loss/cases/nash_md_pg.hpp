// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/nash_md_pg.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct nash_md_pg_cases {
  static constexpr const char* name = "nash_md_pg";
  static constexpr double roundings = 8;
  static constexpr response_row rows[] = {
#include <golden_nash_md_pg.inc>
  };
  static prefer::nash_md_pg make(const long double (&p)[3]) {
    return {.tau = static_cast<double>(p[0])};
  }
  static prefer::nash_md_pg typical() { return {.tau = 0.03}; }
};

}  // namespace prefer_test
