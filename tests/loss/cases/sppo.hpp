// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/sppo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct sppo_cases {
  static constexpr const char* name = "sppo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_sppo.inc>
  };
  static prefer::sppo make(const long double (&p)[3]) { return {.beta = static_cast<double>(p[0])}; }
  static prefer::sppo typical() { return {.beta = 0.05}; }
};

}  // namespace prefer_test
