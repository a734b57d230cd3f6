// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/dpop.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct dpop_cases {
  static constexpr const char* name = "dpop";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_dpop.inc>
  };
  static prefer::dpop make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .lambda = static_cast<double>(p[1])};
  }
  static prefer::dpop typical() { return {.beta = 0.3, .lambda = 5.0}; }
};

}  // namespace prefer_test
