// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/apo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct apo_zero_cases {
  static constexpr const char* name = "apo_zero";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_apo_zero.inc>
  };
  static prefer::apo_zero make(const long double (&p)[3]) { return {.beta = static_cast<double>(p[0])}; }
  static prefer::apo_zero typical() { return {.beta = 0.1}; }
};

struct apo_down_cases {
  static constexpr const char* name = "apo_down";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_apo_down.inc>
  };
  static prefer::apo_down make(const long double (&p)[3]) { return {.beta = static_cast<double>(p[0])}; }
  static prefer::apo_down typical() { return {.beta = 0.1}; }
};

}  // namespace prefer_test
