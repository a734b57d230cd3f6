// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/policy_regression.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct dro_cases {
  static constexpr const char* name = "dro";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_dro.inc>
  };
  static prefer::dro make(const long double (&p)[3]) { return {.tau = static_cast<double>(p[0])}; }
  static prefer::dro typical() { return {}; }
};

struct a_star_po_cases {
  static constexpr const char* name = "a_star_po";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_a_star_po.inc>
  };
  static prefer::a_star_po make(const long double (&p)[3]) { return {.beta = static_cast<double>(p[0])}; }
  static prefer::a_star_po typical() { return {.beta = 0.25}; }
};

struct flow_rl_cases {
  static constexpr const char* name = "flow_rl";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_flow_rl.inc>
  };
  static prefer::flow_rl make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .weight_max = static_cast<double>(p[1])};
  }
  static prefer::flow_rl typical() { return {.beta = 2.0}; }
};

}  // namespace prefer_test
