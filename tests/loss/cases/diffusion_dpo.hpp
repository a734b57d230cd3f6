// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/diffusion_dpo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct diffusion_dpo_cases {
  static constexpr const char* name = "diffusion_dpo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_diffusion_dpo.inc>
  };
  static prefer::diffusion_dpo make(const long double (&p)[3]) { return {.beta = static_cast<double>(p[0])}; }
  static prefer::diffusion_dpo typical() { return {.beta = 0.2}; }
};

}  // namespace prefer_test
