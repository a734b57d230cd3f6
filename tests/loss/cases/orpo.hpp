// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/orpo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct orpo_cases {
  static constexpr const char* name = "orpo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_orpo.inc>
  };
  static prefer::orpo make(const long double (&p)[3]) { return {.lambda = static_cast<double>(p[0])}; }
  static prefer::orpo typical() { return {.lambda = 0.5}; }
};

}  // namespace prefer_test
