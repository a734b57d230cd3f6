// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/rebel.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct rebel_cases {
  static constexpr const char* name = "rebel";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_rebel.inc>
  };
  static prefer::rebel make(const long double (&p)[3]) { return {.eta = static_cast<double>(p[0])}; }
  static prefer::rebel typical() { return {.eta = 0.5}; }
};

}  // namespace prefer_test
