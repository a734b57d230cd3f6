// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/kl_cov.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct kl_cov_cases {
  static constexpr const char* name = "kl_cov";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_kl_cov.inc>
  };
  static prefer::kl_cov make(const long double (&p)[3]) { return {.coefficient = static_cast<double>(p[0])}; }
  static prefer::kl_cov typical() { return {}; }
};

}  // namespace prefer_test
