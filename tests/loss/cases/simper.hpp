// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/simper.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct simper_cases {
  static constexpr const char* name = "simper";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_simper.inc>
  };
  static prefer::simper make(const long double (&)[3]) { return {}; }
  static prefer::simper typical() { return {}; }
};

}  // namespace prefer_test
