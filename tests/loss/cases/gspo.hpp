// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/gspo.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct gspo_cases {
  static constexpr const char* name = "gspo";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_gspo.inc>
  };
  static prefer::gspo make(const long double (&p)[3]) {
    return {.clip_low = static_cast<double>(p[0]), .clip_high = static_cast<double>(p[1])};
  }
  static prefer::gspo typical() { return {.clip_low = 0.05, .clip_high = 0.1}; }
};

struct luspo_cases {
  static constexpr const char* name = "luspo";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_luspo.inc>
  };
  static prefer::luspo make(const long double (&p)[3]) {
    return {.clip_low = static_cast<double>(p[0]), .clip_high = static_cast<double>(p[1])};
  }
  static prefer::luspo typical() { return {.clip_low = 0.05, .clip_high = 0.1}; }
};

struct gspo_token_cases {
  static constexpr const char* name = "gspo_token";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_gspo_token.inc>
  };
  static prefer::gspo_token make(const long double (&p)[3]) {
    return {.clip_low = static_cast<double>(p[0]), .clip_high = static_cast<double>(p[1])};
  }
  static prefer::gspo_token typical() { return {.clip_low = 0.5, .clip_high = 1.0}; }
};

struct gmpo_cases {
  static constexpr const char* name = "gmpo";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_gmpo.inc>
  };
  static prefer::gmpo make(const long double (&p)[3]) { return {.clip = static_cast<double>(p[0])}; }
  static prefer::gmpo typical() { return {}; }
};

}  // namespace prefer_test
