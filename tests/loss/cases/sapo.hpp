// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/sapo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct sapo_cases {
  static constexpr const char* name = "sapo";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_sapo.inc>
  };
  static prefer::sapo make(const long double (&p)[3]) {
    return {.tau_positive = static_cast<double>(p[0]), .tau_negative = static_cast<double>(p[1])};
  }
  static prefer::sapo typical() { return {}; }
};

}  // namespace prefer_test
