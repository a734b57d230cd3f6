// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/cpl.hpp>
#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/loss/dpo.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("cpl: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::cpl_cases>(); }

TEST_CASE("CPL without bias and relative to a reference is DPO; a bias prefers what is in the data") {
  covers("cpl", "identity");
  const pair<double> p = {
      .policy_chosen = -3, .policy_rejected = -4, .reference_chosen = -2, .reference_rejected = -6, .label = 0.75};
  const auto a = ask(cpl{.alpha = 0.5, .bias = 1.0, .relative_to_reference = true}, p), b = ask(dpo{.beta = 0.5}, p);
  CHECK(a.value == doctest::Approx(b.value).epsilon(1e-15));
  CHECK(a.d_chosen == doctest::Approx(b.d_chosen).epsilon(1e-15));
  const auto shifted = [](double bias, double shift) {
    return ask(cpl{.alpha = 1.0, .bias = bias},
               {.policy_chosen = -1 + shift, .policy_rejected = -1.5 + shift, .label = 1})
        .value;
  };
  CHECK(shifted(1.0, 5) == doctest::Approx(shifted(1.0, 0)));
  CHECK(shifted(0.5, 5) < shifted(0.5, 0));
}

TEST_CASE("CPL reads references only relative to one, and takes its discount from the tokens") {
  CHECK(!prefer_test::loss_call<cpl, float>(cpl{}, 1).reads(2));
  CHECK(prefer_test::loss_call<cpl, float>(cpl{.relative_to_reference = true}, 1).reads(2));
  const double chosen[] = {-1, -2, -4}, rejected[] = {-3, -1};
  const int chosen_offsets[] = {0, 3}, rejected_offsets[] = {0, 2};
  double value = 0, grad[3];
  check(evaluate_tokens(cpu{}, cpl{.alpha = 0.5, .bias = 0.5},
                        {.policy_chosen = {chosen, 3},
                         .policy_rejected = {rejected, 2},
                         .chosen_offsets = {chosen_offsets, 2},
                         .rejected_offsets = {rejected_offsets, 2},
                         .discount = 0.5},
                        {.loss = {&value, 1}, .grad_policy_chosen = {grad, 3}}));
  const auto whole = ask(cpl{.alpha = 0.5, .bias = 0.5}, {.policy_chosen = -3, .policy_rejected = -3.5, .label = 1});
  CHECK(value == doctest::Approx(whole.value).epsilon(1e-15));
  for (int t = 0; t < 3; ++t) CHECK(grad[t] == doctest::Approx(whole.d_chosen * std::pow(0.5, t)).epsilon(1e-15));
  CHECK(refused(cpl{.alpha = 0.0}) == "alpha");
  CHECK(refused(cpl{.bias = 0.0}) == "bias");
  CHECK(refused(cpl{.bias = 1.5}) == "bias");
}
