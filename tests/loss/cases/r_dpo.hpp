// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/r_dpo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct r_dpo_cases {
  static constexpr const char* name = "r_dpo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_r_dpo.inc>
  };
  static prefer::r_dpo make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .alpha = static_cast<double>(p[1])};
  }
  static prefer::r_dpo typical() { return {.beta = 0.1, .alpha = 0.05}; }
};

}  // namespace prefer_test
