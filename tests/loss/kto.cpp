// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/kto.hpp>
#include <prefer/core/evaluate_tokens.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

namespace {

response_term<double> at(const kto& loss, double e, double label) {
  return loss(response<double>{.policy = e, .label = label});
}

}  // namespace

TEST_CASE("kto: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::kto_cases>(); }

TEST_CASE("mean_log_ratio: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::mean_log_ratio_cases>();
}

TEST_CASE("KTO at the baseline costs half of lambda and pulls each kind its own way, as hard as its lambda says") {
  covers("kto", "identity");
  const kto loss{.beta = 2.0, .baseline = 0.5, .lambda_desirable = 1.0, .lambda_undesirable = 1.5};
  CHECK(at(loss, 0.5, 1).value == 0.5);
  CHECK(at(loss, 0.5, 0).value == 0.75);
  CHECK(at(loss, 0.5, 1).d_policy == -2 * 0.25);
  CHECK(at(loss, 0.5, 0).d_policy == 1.5 * 2 * 0.25);
  CHECK(at(loss, 0.5, 0.5).d_policy == doctest::Approx(0.5 * (1.5 - 1) * 2 * 0.25));
}

TEST_CASE("KTO's baseline is clamped at zero and may live behind a pointer") {
  double baseline = -3;
  CHECK(at(kto{.baseline = &baseline}, 1, 1).value == at(kto{}, 1, 1).value);
  baseline = 0.25;
  CHECK(at(kto{.baseline = &baseline}, 1, 1).value == at(kto{.baseline = 0.25}, 1, 1).value);
  baseline = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(at(kto{.baseline = &baseline}, 1, 1).value));
  baseline = 1e6;
  CHECK(std::isfinite(at(kto{.baseline = &baseline}, 1, 0).d_policy));
}

TEST_CASE("a batch of one kind only is fine, and the baseline is the mean log-ratio of mismatched responses") {
  covers("mean_log_ratio", "identity");
  const double policy[] = {-1, -5, -2}, reference[] = {-2, -4, -4}, undesirable[] = {0, 0, 0};
  double baseline = 0, loss = 0, rewards = 0;
  check(evaluate<double>(cpu{}, mean_log_ratio{}, {.policy = {policy, 3}, .reference = {reference, 3}},
                         {.loss = {&baseline, 1}}));
  CHECK(baseline == doctest::Approx(2.0 / 3).epsilon(1e-15));
  check(evaluate<double>(cpu{}, kto{.beta = 0.5, .baseline = &baseline},
                         {.policy = {policy, 3}, .reference = {reference, 3}, .label = {undesirable, 3}},
                         {.loss = {&loss, 1}, .mean_reward = {&rewards, 1}}));
  CHECK((loss > 0 && loss < 1));
  CHECK(rewards == doctest::Approx(0.5 * 2.0 / 3).epsilon(1e-15));
}

TEST_CASE("KTO from tokens is KTO of whole responses; lengths, masks and weights of tokens count") {
  const float policy[] = {-1, -2, -3, -1, -5}, reference[] = {-2, -2, -1, -1, -4};
  const bool mask[] = {true, true, true, false, true};
  const int offsets[] = {0, 2, 5};
  float grad[5];
  double losses[2];
  check(evaluate_tokens(cpu{}, kto{.beta = 1.0},
                        {.policy = {policy, 5},
                         .reference = {reference, 5},
                         .offsets = {offsets, 3},
                         .token_mask = {mask, 5},
                         .normalizer = 1.0},
                        {.grad_policy = {grad, 5}, .losses = {losses, 2}}));
  const auto first = at(kto{.beta = 1.0}, 1, 1), second = at(kto{.beta = 1.0}, -3, 1);
  CHECK(losses[0] == doctest::Approx(first.value).epsilon(1e-14));
  CHECK(losses[1] == doctest::Approx(second.value).epsilon(1e-14));
  const double expected[] = {first.d_policy, first.d_policy, second.d_policy, 0, second.d_policy};
  for (int t = 0; t < 5; ++t) CHECK(grad[t] == doctest::Approx(expected[t]).epsilon(1e-6));
  response_token_inputs<space::host> bad = {
      .policy = {policy, 5}, .reference = {reference, 5}, .offsets = {offsets, 3}};
  bad.ends = {offsets, 2};
  const status s = evaluate_tokens(cpu{}, kto{}, bad, {.losses = {losses, 2}});
  CHECK(std::string(s.argument) == "ends");
}

TEST_CASE("bad parameters of KTO are named") {
  CHECK(refused(kto{.beta = 0.0}) == "beta");
  CHECK(refused(kto{.baseline = HUGE_VAL}) == "baseline");
  CHECK(refused(kto{.lambda_desirable = -1.0}) == "lambda_desirable");
  CHECK(refused(kto{.lambda_undesirable = -1.0}) == "lambda_undesirable");
}
