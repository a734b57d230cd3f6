// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/reinforce.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct reinforce_cases {
  static constexpr const char* name = "reinforce";
  static constexpr double roundings = 8;
  static constexpr response_row rows[] = {
#include <golden_reinforce.inc>
  };
  static prefer::reinforce make(const long double (&)[3]) { return {}; }
  static prefer::reinforce typical() { return {}; }
};

}  // namespace prefer_test
