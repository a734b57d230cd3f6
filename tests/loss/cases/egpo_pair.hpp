// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/egpo_pair.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct egpo_pair_cases {
  static constexpr const char* name = "egpo_pair";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_egpo_pair.inc>
  };
  static prefer::egpo_pair make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0])};
  }
  static prefer::egpo_pair typical() { return {.beta = 0.15}; }
};

}  // namespace prefer_test
