// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/cpo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct cpo_cases {
  static constexpr const char* name = "cpo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_cpo.inc>
  };
  static prefer::cpo make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]),
            .nll_weight = static_cast<double>(p[1]),
            .label_smoothing = static_cast<double>(p[2])};
  }
  static prefer::cpo typical() { return {.beta = 0.1, .nll_weight = 1.0, .label_smoothing = 0.05}; }
};

}  // namespace prefer_test
