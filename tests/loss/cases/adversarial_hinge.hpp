// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/adversarial_hinge.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct adversarial_hinge_cases {
  static constexpr const char* name = "adversarial_hinge";
  static constexpr double roundings = 8;
  static constexpr scored_row rows[] = {
#include <golden_adversarial_hinge.inc>
  };
  static prefer::adversarial_hinge make(const long double (&p)[3]) { return {.margin = static_cast<double>(p[0])}; }
  static prefer::adversarial_hinge typical() { return {.margin = 0.75}; }
};

}  // namespace prefer_test
