// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/diffusion_kto.hpp>
#include <prefer/loss/kto.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("diffusion_kto: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::diffusion_kto_cases>();
}

TEST_CASE("Diffusion-KTO is KTO with errors for negative log-probabilities") {
  covers("diffusion_kto", "identity");
  for (double label : {0.0, 1.0})
    for (double baseline : {-0.25, 0.0, 0.5}) {
      const auto errors = diffusion_kto{
          .beta = 2.0, .baseline = baseline}(response<double>{.policy = 0.5, .reference = 0.75, .label = label});
      const auto likelihoods =
          kto{.beta = 2.0, .baseline = -baseline}(response<double>{.policy = -0.5, .reference = -0.75, .label = label});
      CHECK(errors.value == doctest::Approx(likelihoods.value).epsilon(1e-15));
      CHECK(errors.d_policy == doctest::Approx(-likelihoods.d_policy).epsilon(1e-15));
      CHECK(errors.reward == likelihoods.reward);
    }
}

TEST_CASE("the utilities agree in slope at zero up to their factor, and differ in the tails") {
  const auto slope = [](diffusion_kto::utility u, double g) {
    return diffusion_kto{.beta = 1.0, .kind = u}(response<double>{.policy = -g, .label = 1}).d_policy;
  };
  using enum diffusion_kto::utility;
  CHECK(slope(kahneman_tversky, 0) == 0.25);
  CHECK(slope(loss_averse, 0) == 0.5);
  CHECK(slope(risk_seeking, 0) == 0.5);
  CHECK(slope(loss_averse, -30) == doctest::Approx(1));
  CHECK(slope(risk_seeking, 30) == doctest::Approx(1));
  CHECK(refused(diffusion_kto{.beta = 0.0}) == "beta");
  CHECK(refused(diffusion_kto{.baseline = HUGE_VAL}) == "baseline");
  CHECK(refused(diffusion_kto{.lambda_desirable = -1.0}) == "lambda_desirable");
  CHECK(refused(diffusion_kto{.lambda_undesirable = -1.0}) == "lambda_undesirable");
}
