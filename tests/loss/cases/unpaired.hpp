// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/unpaired.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct bco_unpaired_cases {
  static constexpr const char* name = "bco_unpaired";
  static constexpr double roundings = 8;
  static constexpr response_row rows[] = {
#include <golden_bco_unpaired.inc>
  };
  static prefer::bco_unpaired make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .shift = static_cast<double>(p[1])};
  }
  static prefer::bco_unpaired typical() { return {.beta = 0.1, .shift = 0.5}; }
};

struct sppo_soft_cases {
  static constexpr const char* name = "sppo_soft";
  static constexpr double roundings = 8;
  static constexpr response_row rows[] = {
#include <golden_sppo_soft.inc>
  };
  static prefer::sppo_soft make(const long double (&p)[3]) { return {.beta = static_cast<double>(p[0])}; }
  static prefer::sppo_soft typical() { return {.beta = 0.05}; }
};

}  // namespace prefer_test
