// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/nca.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct nca_cases {
  static constexpr const char* name = "nca";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_nca.inc>
  };
  static prefer::nca make(const long double (&p)[3]) { return {.beta = static_cast<double>(p[0])}; }
  static prefer::nca typical() { return {.beta = 0.1}; }
};

}  // namespace prefer_test
