// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/kl_mixed_reinforce.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct kl_mixed_reinforce_cases {
  static constexpr const char* name = "kl_mixed_reinforce";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_kl_mixed_reinforce.inc>
  };
  static prefer::kl_mixed_reinforce make(const long double (&p)[3]) {
    return {.mix = static_cast<double>(p[0]),
            .estimator = static_cast<prefer::kl_estimator>(static_cast<int>(p[1]) - 1)};
  }
  static prefer::kl_mixed_reinforce typical() { return {.mix = 0.25}; }
};

}  // namespace prefer_test
