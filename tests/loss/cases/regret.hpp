// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/regret.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct partial_return_cases {
  static constexpr const char* name = "partial_return";
  static constexpr double roundings = 8;
  static constexpr segment_pair_row rows[] = {
#include <golden_partial_return.inc>
  };
  static prefer::partial_return make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .uniform = static_cast<double>(p[1])};
  }
  static prefer::partial_return typical() { return {.beta = 0.7, .uniform = 0.1}; }
};

struct regret_cases {
  static constexpr const char* name = "regret";
  static constexpr double roundings = 8;
  static constexpr segment_pair_row rows[] = {
#include <golden_regret.inc>
  };
  static prefer::regret make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .uniform = static_cast<double>(p[1])};
  }
  static prefer::regret typical() { return {.beta = 0.7}; }
};

struct weighted_return_cases {
  static constexpr const char* name = "weighted_return";
  static constexpr double roundings = 8;
  static constexpr segment_pair_row rows[] = {
#include <golden_weighted_return.inc>
  };
  static prefer::weighted_return make(const long double (&p)[3]) {
    return {.reward_weight = static_cast<double>(p[0]),
            .end_weight = static_cast<double>(p[1]),
            .start_weight = static_cast<double>(p[2])};
  }
  static prefer::weighted_return typical() {
    return {.reward_weight = 0.5, .end_weight = 2.0, .start_weight = 1.5, .uniform = 0.05};
  }
};

}  // namespace prefer_test
