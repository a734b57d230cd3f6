// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/inpo_pair.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct inpo_pair_cases {
  static constexpr const char* name = "inpo_pair";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_inpo_pair.inc>
  };
  static prefer::inpo_pair make(const long double (&p)[3]) {
    return {.eta = static_cast<double>(p[0]), .tau = static_cast<double>(p[1])};
  }
  static prefer::inpo_pair typical() { return {.eta = 0.15, .tau = 0.05}; }
};

}  // namespace prefer_test
