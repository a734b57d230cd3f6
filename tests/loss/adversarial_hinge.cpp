// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/adversarial_hinge.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("adversarial_hinge: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::adversarial_hinge_cases>();
}

TEST_CASE("adversarial_hinge: half the mean over references and half over what was generated, then patches") {
  covers("adversarial_hinge", "identity");
  // Two references, two generated ones; three patches of each kind. The mean of all is the half sum of two means.
  const double score[] = {0.5, 3, -0.5, 0.25}, label[] = {1, 1, 0, 0};
  const double patch[] = {0, 2, 0.5, -2, 0, 1}, patch_label[] = {1, 1, 1, 0, 0, 0}, share = 0.3;
  double loss = 0, grad[4];
  check(evaluate<double>(cpu{}, adversarial_hinge{}, {.score = {score, 4}, .label = {label, 4}},
                         {.loss = {&loss, 1}, .grad_score = {grad, 4}}));
  CHECK(loss == doctest::Approx(((0.5 + 0) / 2 + (0.5 + 1.25) / 2) / 2).epsilon(1e-15));
  CHECK((grad[0] == -0.25 && grad[1] == 0 && grad[2] == 0.25 && grad[3] == 0.25));
  const double before = loss;
  check(evaluate<double>(cpu{}, adversarial_hinge{},
                         {.score = {patch, 6}, .label = {patch_label, 6}, .weight = {&share, 6, 0}},
                         {.loss = {&loss, 1}, .accumulate = true}));
  CHECK(loss - before == doctest::Approx(0.3 * ((1 + 0 + 0.5) / 3 + (0 + 1 + 2.0) / 3) / 2).epsilon(1e-14));
}

TEST_CASE("adversarial_hinge is symmetric in reference and generated, and refuses what is no margin") {
  const adversarial_hinge loss{.margin = 2.0};
  for (const double s : {-3.0, -2.0, -0.5, 0.0, 1.0, 2.0, 5.0}) {
    const auto real = loss(scored<double>{.score = s, .label = 1}),
               fake = loss(scored<double>{.score = -s, .label = 0});
    CHECK((real.value == fake.value && real.d_score == -fake.d_score));
  }
  // Infinitely sure and right costs nothing, infinitely sure and wrong everything; a NaN is no hit.
  for (const double sign : {1.0, -1.0})
    for (const double label : {0.0, 1.0}) {
      const auto t = loss(scored<double>{.score = sign * HUGE_VAL, .label = label});
      const bool right = (sign > 0) == (label == 1);
      CHECK((t.value == (right ? 0 : HUGE_VAL) && t.d_score == (right ? 0 : sign)));
      CHECK(std::isnan(loss(scored<double>{.score = std::nan(""), .label = label}).value));
    }
  CHECK(refused(adversarial_hinge{.margin = 0.0}) == "margin");
  CHECK(refused(adversarial_hinge{.margin = HUGE_VAL}) == "margin");
}
