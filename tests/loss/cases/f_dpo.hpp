// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/f_dpo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct alpha_dpo_cases {
  static constexpr const char* name = "alpha_dpo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_alpha_dpo.inc>
  };
  static prefer::alpha_dpo make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .alpha = static_cast<double>(p[1])};
  }
  static prefer::alpha_dpo typical() { return {.beta = 0.1, .alpha = 0.9}; }
};

struct js_dpo_cases {
  static constexpr const char* name = "js_dpo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_js_dpo.inc>
  };
  static prefer::js_dpo make(const long double (&p)[3]) { return {.beta = static_cast<double>(p[0])}; }
  static prefer::js_dpo typical() { return {.beta = 0.5}; }
};

}  // namespace prefer_test
