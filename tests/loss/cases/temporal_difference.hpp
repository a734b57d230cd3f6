// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/temporal_difference.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct temporal_difference_cases {
  static constexpr const char* name = "temporal_difference";
  static constexpr double roundings = 8;
  static constexpr transition_row rows[] = {
#include <golden_temporal_difference.inc>
  };
  static prefer::temporal_difference make(const long double (&p)[3]) { return {.discount = static_cast<double>(p[0])}; }
  static prefer::temporal_difference typical() { return {.discount = 0.99}; }
};

struct value_temporal_difference_cases {
  static constexpr const char* name = "value_temporal_difference";
  static constexpr double roundings = 8;
  static constexpr transition_row rows[] = {
#include <golden_value_temporal_difference.inc>
  };
  static prefer::value_temporal_difference make(const long double (&p)[3]) {
    return {.discount = static_cast<double>(p[0])};
  }
  static prefer::value_temporal_difference typical() { return {.discount = 0.99}; }
};

}  // namespace prefer_test
