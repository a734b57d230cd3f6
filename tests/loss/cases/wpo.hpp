// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/wpo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct wpo_weight_cases {
  static constexpr const char* name = "wpo_weight";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_wpo_weight.inc>
  };
  static prefer::wpo_weight make(const long double (&p)[3]) {
    return {.aligned = p[0] != 0, .max_weight = static_cast<double>(p[1])};
  }
  static prefer::wpo_weight typical() { return {.max_weight = 8.0}; }
};

}  // namespace prefer_test
