// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/slic.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct slic_cases {
  static constexpr const char* name = "slic";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_slic.inc>
  };
  static prefer::slic make(const long double (&p)[3]) {
    return {.delta = static_cast<double>(p[0]), .nll_weight = static_cast<double>(p[1])};
  }
  static prefer::slic typical() { return {.delta = 5.0, .nll_weight = 0.1}; }
};

}  // namespace prefer_test
