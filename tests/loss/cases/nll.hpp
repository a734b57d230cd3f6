// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/nll.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct nll_cases {
  static constexpr const char* name = "nll";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_nll.inc>
  };
  static prefer::nll make(const long double (&p)[3]) { return {.length_normalized = p[0] != 0}; }
  static prefer::nll typical() { return {}; }
};

}  // namespace prefer_test
