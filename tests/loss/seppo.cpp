// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/seppo.hpp>
#include <prefer/loss/diffusion_dpo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("seppo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::seppo_cases>(); }

TEST_CASE("SePPO flips exactly where the errors on the winning image cross") {
  covers("seppo", "identity");
  const seppo loss{.beta = 2.0};
  const auto at = [&](double winner) {
    return ask(loss,
               {.policy_chosen = winner, .policy_rejected = 0.5, .reference_chosen = 0.25, .reference_rejected = 0.25});
  };
  CHECK(at(0.125).d_rejected < 0);  // the checkpoint's image is avoided
  CHECK(at(0.25).d_rejected < 0);   // equality counts as winning
  CHECK(at(0.375).d_rejected > 0);  // and learnt from
  for (double winner : {0.125, 0.25, 0.375}) CHECK(at(winner).d_chosen > 0);
  CHECK(at(0.125).value == doctest::Approx(std::log1p(std::exp(-0.125 - 0.25))).epsilon(1e-15));
  CHECK(at(0.375).value == doctest::Approx(std::log1p(std::exp(0.125 + 0.25))).epsilon(1e-15));
}

TEST_CASE("SePPO where the policy denoises the winner better is Diffusion-DPO; the indicator drops the other image") {
  const pair<double> better = {
      .policy_chosen = 0.1, .policy_rejected = 0.5, .reference_chosen = 0.2, .reference_rejected = 0.3};
  CHECK(ask(seppo{.beta = 2.0}, better).value == ask(diffusion_dpo{.beta = 2.0}, better).value);
  pair<double> worse = better;
  worse.policy_chosen = 0.3;
  const auto t = ask(seppo{.beta = 2.0, .anchor = seppo::criterion::indicator}, worse);
  CHECK(t.d_rejected == 0);
  CHECK(t.value == doctest::Approx(std::log1p(std::exp(0.1))).epsilon(1e-14));
  CHECK(refused(seppo{.beta = 0.0}) == "beta");
}

TEST_CASE("on a Gaussian with a linear denoiser the sign follows the closed form of the expected errors") {
  // x = sqrt(1 - s^2) x0 + s e with x0 ~ N(0, 1); predicting the noise as w x has the expected error
  // E (e - w x)^2 = 1 - 2 w s + w^2, lowest at w = s.
  const double s = 0.6;
  const auto error = [&](double w) { return 1 - 2 * w * s + w * w; };
  for (double w : {0.1, 0.3, 0.5, 0.7, 0.89, 0.91}) {
    const double checkpoint = 0.3;
    const auto t = ask(seppo{.beta = 2.0}, {.policy_chosen = error(w),
                                            .policy_rejected = 1,
                                            .reference_chosen = error(checkpoint),
                                            .reference_rejected = 1});
    const bool as_good = std::fabs(w - s) <= std::fabs(checkpoint - s) + 1e-12;
    CHECK((t.d_rejected < 0) == as_good);
  }
}

TEST_CASE("checkpoints: first, latest, or uniform and reproducible by seed and iteration") {
  CHECK(select_checkpoint(checkpoint::first, 5, 1, 2) == 0);
  CHECK(select_checkpoint(checkpoint::latest, 5, 1, 2) == 4);
  for (checkpoint c : {checkpoint::uniform, checkpoint::first, checkpoint::latest})
    CHECK(select_checkpoint(c, 0, 1, 2) == -1);
  int drawn[4] = {};
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const std::int64_t k = select_checkpoint(checkpoint::uniform, 4, 7, i);
    REQUIRE((k >= 0 && k < 4));
    CHECK(k == select_checkpoint(checkpoint::uniform, 4, 7, i));
    ++drawn[k];
  }
  for (int count : drawn) CHECK(std::abs(count - 1000) < 140);  // five standard deviations
}
