// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/simpo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct simpo_cases {
  static constexpr const char* name = "simpo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_simpo.inc>
  };
  static prefer::simpo make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]),
            .gamma = static_cast<double>(p[1]),
            .label_smoothing = static_cast<double>(p[2])};
  }
  static prefer::simpo typical() { return {.beta = 2.0, .gamma = 0.5, .label_smoothing = 0.1}; }
};

struct alphapo_cases {
  static constexpr const char* name = "alphapo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_alphapo.inc>
  };
  static prefer::alphapo make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .gamma = static_cast<double>(p[1]), .alpha = static_cast<double>(p[2])};
  }
  static prefer::alphapo typical() { return {.beta = 2.5, .gamma = 0.1, .alpha = 0.125}; }
};

}  // namespace prefer_test
