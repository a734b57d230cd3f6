// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/rare_positive.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct rare_positive_cases {
  static constexpr const char* name = "rare_positive";
  static constexpr double roundings = 8;
  static constexpr scored_row rows[] = {
#include <golden_rare_positive.inc>
  };
  static prefer::rare_positive make(const long double (&p)[3]) {
    return {.positive_weight = static_cast<double>(p[0]), .shift = static_cast<double>(p[1])};
  }
  static prefer::rare_positive typical() { return {.positive_weight = 0.25, .shift = 1.5}; }
};

}  // namespace prefer_test
