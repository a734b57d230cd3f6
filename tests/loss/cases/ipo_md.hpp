// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/ipo_md.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct ipo_md_cases {
  static constexpr const char* name = "ipo_md";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_ipo_md.inc>
  };
  static prefer::ipo_md make(const long double (&p)[3]) {
    using form = prefer::ipo_md::form;
    return {.tau = static_cast<double>(p[0]), .value = p[1] != 0 ? form::implementation : form::squared};
  }
  static prefer::ipo_md typical() { return {.tau = 0.3, .value = prefer::ipo_md::form::implementation}; }
};

}  // namespace prefer_test
