// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/loss/policy_gradient.hpp>
#include <support/golden_cases.hpp>

namespace prefer_test {

struct policy_gradient_cases : plain_cases<prefer::policy_gradient> {
  static constexpr const char* name = "policy_gradient";
  static constexpr action_row rows[] = {
#include <golden_policy_gradient.inc>
  };
};

struct cispo_cases {
  static constexpr const char* name = "cispo";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_cispo.inc>
  };
  static prefer::cispo make(const long double (&p)[3]) {
    return {.ratio_min = static_cast<double>(p[0]), .ratio_max = static_cast<double>(p[1])};
  }
  static prefer::cispo typical() { return {.ratio_min = 0.5, .ratio_max = 1.5}; }
};

struct topr_cases : plain_cases<prefer::topr> {
  static constexpr const char* name = "topr";
  static constexpr action_row rows[] = {
#include <golden_topr.inc>
  };
};

struct dppo_cases {
  static constexpr const char* name = "dppo";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_dppo.inc>
  };
  static prefer::dppo make(const long double (&p)[3]) {
    return {.delta_low = static_cast<double>(p[0]), .delta_high = static_cast<double>(p[1])};
  }
  static prefer::dppo typical() { return {.delta_low = 0.05, .delta_high = 0.05}; }
};

struct dppo_kl_cases {
  static constexpr const char* name = "dppo_kl";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_dppo_kl.inc>
  };
  static prefer::dppo_kl make(const long double (&p)[3]) {
    return {.delta_low = static_cast<double>(p[0]), .delta_high = static_cast<double>(p[1])};
  }
  static prefer::dppo_kl typical() { return {.delta_low = 0.01, .delta_high = 0.01}; }
};

struct aspo_cases {
  static constexpr const char* name = "aspo";
  static constexpr double roundings = 8;
  static constexpr action_row rows[] = {
#include <golden_aspo.inc>
  };
  static prefer::aspo make(const long double (&p)[3]) {
    return {.clip_low = static_cast<double>(p[0]),
            .clip_high = static_cast<double>(p[1]),
            .weight_max = static_cast<double>(p[2])};
  }
  static prefer::aspo typical() { return {}; }
};

struct vespo_cases : plain_cases<prefer::vespo> {
  static constexpr const char* name = "vespo";
  static constexpr double roundings = 16;  // exponents of 30 and more are rounded before their exponential is taken
  static constexpr action_row rows[] = {
#include <golden_vespo.inc>
  };
};

}  // namespace prefer_test
