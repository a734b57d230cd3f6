// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/iql.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct iql_value_cases {
  static constexpr const char* name = "iql_value";
  static constexpr double roundings = 8;
  static constexpr transition_row rows[] = {
#include <golden_iql_value.inc>
  };
  static prefer::iql_value make(const long double (&p)[3]) { return {.tau = static_cast<double>(p[0])}; }
  static prefer::iql_value typical() { return {.tau = 0.7}; }
};

struct iql_policy_cases {
  static constexpr const char* name = "iql_policy";
  static constexpr double roundings = 8;
  static constexpr transition_row rows[] = {
#include <golden_iql_policy.inc>
  };
  static prefer::iql_policy make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .max_weight = static_cast<double>(p[1])};
  }
  static prefer::iql_policy typical() { return {.beta = 3.0, .max_weight = 100.0}; }
};

}  // namespace prefer_test
