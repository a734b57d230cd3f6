// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/ppo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct ppo_cases {
  static constexpr const char* name = "ppo";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_ppo.inc>
  };
  static prefer::ppo make(const long double (&p)[3]) {
    return {.clip_low = static_cast<double>(p[0]),
            .clip_high = static_cast<double>(p[1]),
            .dual_clip = static_cast<double>(p[2])};
  }
  static prefer::ppo typical() { return {.clip_low = 0.2, .clip_high = 0.28, .dual_clip = 3.0}; }
};

}  // namespace prefer_test
