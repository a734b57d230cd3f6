// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/hinge.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct hinge_cases {
  static constexpr const char* name = "hinge";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_hinge.inc>
  };
  static prefer::hinge make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .margin = static_cast<double>(p[1])};
  }
  static prefer::hinge typical() { return {.beta = 0.05, .margin = 1.0}; }
};

}  // namespace prefer_test
