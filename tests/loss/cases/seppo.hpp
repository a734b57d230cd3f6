// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/seppo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct seppo_cases {
  static constexpr const char* name = "seppo";
  static constexpr double roundings = 8;
  static constexpr pair_row rows[] = {
#include <golden_seppo.inc>
  };
  static prefer::seppo make(const long double (&p)[3]) {
    return {.beta = static_cast<double>(p[0]),
            .anchor = p[1] != 0 ? prefer::seppo::criterion::sign : prefer::seppo::criterion::indicator};
  }
  static prefer::seppo typical() { return {.beta = 0.2}; }
};

}  // namespace prefer_test
