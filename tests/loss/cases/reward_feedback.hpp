// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/reward_feedback.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct reward_hinge_cases {
  static constexpr const char* name = "reward_hinge";
  static constexpr double roundings = 8;
  static constexpr scored_row rows[] = {
#include <golden_reward_hinge.inc>
  };
  static prefer::reward_hinge make(const long double (&p)[3]) { return {.target = static_cast<double>(p[0])}; }
  static prefer::reward_hinge typical() { return {.target = 0.5}; }
};

struct reward_linear_cases {
  static constexpr const char* name = "reward_linear";
  static constexpr double roundings = 8;
  static constexpr scored_row rows[] = {
#include <golden_reward_linear.inc>
  };
  static prefer::reward_linear make(const long double (&p)[3]) {
    return {.slope = static_cast<double>(p[0]), .offset = static_cast<double>(p[1])};
  }
  static prefer::reward_linear typical() { return {.slope = -1.0, .offset = 1.0}; }
};

}  // namespace prefer_test
