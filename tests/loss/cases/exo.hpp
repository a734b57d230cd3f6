// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/exo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct exo_cases {
  static constexpr const char* name = "exo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_exo.inc>
  };
  static prefer::exo make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .epsilon = static_cast<double>(p[1])};
  }
  static prefer::exo typical() { return {.beta = 0.1, .epsilon = 1e-3}; }
};

}  // namespace prefer_test
