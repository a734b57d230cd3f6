// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/binary_cross_entropy.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct binary_cross_entropy_cases {
  static constexpr const char* name = "binary_cross_entropy";
  static constexpr double roundings = 8;
  static constexpr scored_row rows[] = {
#include <golden_binary_cross_entropy.inc>
  };
  static prefer::binary_cross_entropy make(const long double (&p)[3]) {
    return {.positive_weight = static_cast<double>(p[0]), .shift = static_cast<double>(p[1])};
  }
  static prefer::binary_cross_entropy typical() { return {.positive_weight = 0.25, .shift = 1.5}; }
};

}  // namespace prefer_test
