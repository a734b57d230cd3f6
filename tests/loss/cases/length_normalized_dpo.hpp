// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/length_normalized_dpo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct length_normalized_dpo_cases {
  static constexpr const char* name = "length_normalized_dpo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_length_normalized_dpo.inc>
  };
  static prefer::length_normalized_dpo make(const long double (&p)[3]) { return {.beta = static_cast<double>(p[0])}; }
  static prefer::length_normalized_dpo typical() { return {.beta = 2.0}; }
};

}  // namespace prefer_test
