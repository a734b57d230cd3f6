// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/ipo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct ipo_cases {
  static constexpr const char* name = "ipo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_ipo.inc>
  };
  static prefer::ipo make(const long double (&p)[3]) {
    return {.tau = static_cast<double>(p[0]), .length_normalized = p[1] != 0};
  }
  static prefer::ipo typical() { return {.tau = 0.1, .length_normalized = true}; }
};

}  // namespace prefer_test
