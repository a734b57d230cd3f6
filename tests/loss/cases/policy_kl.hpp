// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/policy_kl.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct policy_kl_cases {
  static constexpr const char* name = "policy_kl";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_policy_kl.inc>
  };
  static prefer::policy_kl make(const long double (&p)[3]) {
    return {.estimator = static_cast<prefer::kl_estimator>(static_cast<int>(p[0]) - 1)};
  }
  static prefer::policy_kl typical() { return {}; }
};

struct unbiased_policy_kl_cases : plain_cases<prefer::unbiased_policy_kl> {
  static constexpr const char* name = "unbiased_policy_kl";
  static constexpr action_row rows[] = {
#include <golden_unbiased_policy_kl.inc>
  };
};

}  // namespace prefer_test
