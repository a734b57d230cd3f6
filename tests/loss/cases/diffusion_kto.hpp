// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/diffusion_kto.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct diffusion_kto_cases {
  static constexpr const char* name = "diffusion_kto";
  static constexpr double roundings = 8;
  static constexpr response_row rows[] = {
#include <golden_diffusion_kto.inc>
  };
  static prefer::diffusion_kto make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]),
            .baseline = static_cast<double>(p[1]),
            .kind = static_cast<prefer::diffusion_kto::utility>(static_cast<int>(p[2]))};
  }
  static prefer::diffusion_kto typical() { return {.beta = 0.1, .baseline = -0.5}; }
};

}  // namespace prefer_test
