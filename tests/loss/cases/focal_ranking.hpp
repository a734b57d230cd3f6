// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/focal_ranking.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct focal_ranking_cases {
  static constexpr const char* name = "focal_ranking";
  static constexpr double roundings = 8;
  static constexpr reward_pair_row rows[] = {
#include <golden_focal_ranking.inc>
  };
  static prefer::focal_ranking make(const long double (&p)[3]) { return {.gamma = static_cast<double>(p[0])}; }
  static prefer::focal_ranking typical() { return {.gamma = 2.0}; }
};

struct score_barrier_cases {
  static constexpr const char* name = "score_barrier";
  static constexpr double roundings = 8;
  static constexpr reward_pair_row rows[] = {
#include <golden_score_barrier.inc>
  };
  static prefer::score_barrier make(const long double (&p)[3]) {
    return {.low = static_cast<double>(p[0]), .high = static_cast<double>(p[1]), .edge = static_cast<double>(p[2])};
  }
  static prefer::score_barrier typical() { return {.low = -2.0, .high = 2.5, .edge = 0.05}; }
};

struct score_hinge_cases {
  static constexpr const char* name = "score_hinge";
  static constexpr double roundings = 8;
  static constexpr reward_pair_row rows[] = {
#include <golden_score_hinge.inc>
  };
  static prefer::score_hinge make(const long double (&p)[3]) { return {.target = static_cast<double>(p[0])}; }
  static prefer::score_hinge typical() { return {.target = 1.0}; }
};

}  // namespace prefer_test
