// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/robust_dpo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct robust_dpo_cases {
  static constexpr const char* name = "robust_dpo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_robust_dpo.inc>
  };
  static prefer::robust_dpo make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .epsilon = static_cast<double>(p[1])};
  }
  static prefer::robust_dpo typical() { return {.beta = 0.2, .epsilon = 0.1}; }
};

}  // namespace prefer_test
