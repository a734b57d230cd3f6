// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/discopop.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct discopop_cases {
  static constexpr const char* name = "discopop";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_discopop.inc>
  };
  static prefer::discopop make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .tau = static_cast<double>(p[1])};
  }
  static prefer::discopop typical() { return {.beta = 0.05, .tau = 0.05}; }
};

}  // namespace prefer_test
