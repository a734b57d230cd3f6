// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/tdpo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct tdpo_cases {
  static constexpr const char* name = "tdpo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_tdpo.inc>
  };
  static prefer::tdpo make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .alpha = static_cast<double>(p[1])};
  }
  static prefer::tdpo typical() { return {.beta = 0.1, .alpha = 0.5}; }
};

}  // namespace prefer_test
