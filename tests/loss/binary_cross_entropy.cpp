// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/binary_cross_entropy.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

namespace {

scored_term<double> at(const binary_cross_entropy& loss, double score, double label) {
  return loss(scored<double>{.score = score, .label = label});
}

}  // namespace

TEST_CASE("binary_cross_entropy: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::binary_cross_entropy_cases>();
}

TEST_CASE("cross-entropy on a logit: hand-worked values, and the shift from one positive in ten to one in a hundred") {
  covers("binary_cross_entropy", "identity");
  CHECK(at({}, 2, 1).value == doctest::Approx(0.126928).epsilon(1e-5));
  CHECK(at({}, 2, 0).value == doctest::Approx(2.126928).epsilon(1e-6));
  CHECK(prior_shift(0.1, 0.01) == doctest::Approx(2.397895).epsilon(1e-6));
  CHECK(prior_shift(0.25, 0.25) == 0);
}

// A constant score at its minimum says how probable a positive is. Sampled at `training`, the two corrections bring it
// to the true rate: the shift inside the loss, or the class weight.
TEST_CASE("trained on up-sampled positives, the score's probability is the true rate with the shift or the weight") {
  const double training = 0.1, truth = 0.01, shift = prior_shift(training, truth);
  for (const binary_cross_entropy& loss :
       {binary_cross_entropy{.shift = shift}, binary_cross_entropy{.positive_weight = std::exp(-shift)}}) {
    const double logit = std::log(truth / (1 - truth));
    CHECK(std::fabs(training * at(loss, logit, 1).d_score + (1 - training) * at(loss, logit, 0).d_score) < 1e-15);
    CHECK(at(loss, logit, 1).probability == doctest::Approx(truth).epsilon(1e-14));
  }
  CHECK(std::exp(-shift) == doctest::Approx(truth * (1 - training) / (training * (1 - truth))).epsilon(1e-14));
}

TEST_CASE("infinite logits give exact values, and what is no parameter is refused") {
  CHECK(at({.positive_weight = 0.5}, HUGE_VAL, 1).value == 0);
  CHECK(at({}, -HUGE_VAL, 0).value == 0);
  CHECK(at({.positive_weight = 0.5}, HUGE_VAL, 0).d_score == 1);
  CHECK(at({.positive_weight = 0.5}, -1e6, 1).value == 5e5);
  CHECK(refused(binary_cross_entropy{.positive_weight = 0.0}) == "positive_weight");
  CHECK(refused(binary_cross_entropy{.shift = prior_shift(0.5, 0.0)}) == "shift");
  CHECK(refused(binary_cross_entropy{.shift = prior_shift(1.5, 0.5)}) == "shift");
}
