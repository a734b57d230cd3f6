// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/d3po.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct d3po_cases {
  static constexpr const char* name = "d3po";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_d3po.inc>
  };
  static prefer::d3po make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]), .clip = static_cast<double>(p[1])};
  }
  static prefer::d3po typical() { return {.beta = 2.0, .clip = 0.9}; }
};

}  // namespace prefer_test
