// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/bco.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct bco_cases {
  static constexpr const char* name = "bco";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_bco.inc>
  };
  static prefer::bco make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .shift = static_cast<double>(p[1])};
  }
  static prefer::bco typical() { return {.beta = 0.1, .shift = 0.3}; }
};

struct mean_reward_cases {
  static constexpr const char* name = "mean_reward";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_mean_reward.inc>
  };
  static prefer::mean_reward make(const long double (&p)[3]) { return {.beta = static_cast<double>(p[0])}; }
  static prefer::mean_reward typical() { return {.beta = 0.1}; }
};

}  // namespace prefer_test
