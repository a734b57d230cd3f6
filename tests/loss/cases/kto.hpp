// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/kto.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct kto_cases {
  static constexpr const char* name = "kto";
  static constexpr double roundings = 8;
  static constexpr response_row rows[] = {
#include <golden_kto.inc>
  };
  static prefer::kto make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]),
            .baseline = static_cast<double>(p[2]),
            .lambda_desirable = static_cast<double>(p[1])};
  }
  static prefer::kto typical() { return {.beta = 0.1, .baseline = 0.5, .lambda_desirable = 1.5}; }
};

struct mean_log_ratio_cases {
  static constexpr const char* name = "mean_log_ratio";
  static constexpr double roundings = 8;
  static constexpr response_row rows[] = {
#include <golden_mean_log_ratio.inc>
  };
  static prefer::mean_log_ratio make(const long double (&)[3]) { return {}; }
  static prefer::mean_log_ratio typical() { return {}; }
};

}  // namespace prefer_test
