// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/cpl.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct cpl_cases {
  static constexpr const char* name = "cpl";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_cpl.inc>
  };
  static prefer::cpl make(const long double (&p)[3]) {
    return {.alpha = static_cast<double>(p[0]), .bias = static_cast<double>(p[1]), .relative_to_reference = p[2] != 0};
  }
  static prefer::cpl typical() { return {.alpha = 0.1, .bias = 0.5}; }
};

}  // namespace prefer_test
