// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/f_dpo.hpp>
#include <prefer/loss/dpo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("alpha_dpo: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::alpha_dpo_cases>();
}

TEST_CASE("js_dpo: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::js_dpo_cases>();
}

TEST_CASE("alpha-DPO is DPO at alpha = 1, continuously, and the forward KL at alpha = 0") {
  covers("alpha_dpo", "identity");
  const pair<double> p = {.policy_chosen = 1.5, .policy_rejected = -0.5, .label = 1};
  const auto at = [&](double alpha) { return ask(alpha_dpo{.beta = 0.5, .alpha = alpha}, p); };
  const auto plain = ask(dpo{.beta = 0.5}, p);
  CHECK(at(1).value == plain.value);
  CHECK(at(1).d_chosen == plain.d_chosen);
  for (double alpha : {1 - 1e-6, 1 + 1e-6, 1 - 1e-12}) {
    CHECK(at(alpha).value == doctest::Approx(plain.value).epsilon(1e-5));
    CHECK(at(alpha).d_rejected == doctest::Approx(plain.d_rejected).epsilon(1e-5));
  }
  CHECK(at(0).value == doctest::Approx(std::log1p(std::exp(-0.5 * (std::exp(0.5) - std::exp(-1.5))))).epsilon(1e-14));
}

TEST_CASE("alpha-DPO saturates without NaN where its exponentials overflow") {
  const alpha_dpo forward{.beta = 0.1, .alpha = 0.0};
  const auto in_float = [&](float a, float c) {
    return forward(pair<float>{.policy_chosen = a, .policy_rejected = c});
  };
  CHECK(in_float(-200, -200).value == doctest::Approx(std::log(2.0)));
  CHECK(in_float(-200, -190).value == HUGE_VALF);
  CHECK(in_float(-190, -200).value == 0);
  CHECK(in_float(-190, -200).d_policy_chosen == 0);
  CHECK(in_float(-190, -200).d_policy_rejected == 0);
  CHECK(in_float(1e4f, 1e4f).value == doctest::Approx(std::log(2.0)));
}

TEST_CASE("Jensen-Shannon DPO: equal ratios give log 2, and likely responses are left alone") {
  covers("js_dpo", "identity");
  CHECK(ask(js_dpo{.beta = 0.5}, {.policy_chosen = -7, .policy_rejected = -7}).value == doctest::Approx(std::log(2.0)));
  const pair<double> far = {.policy_chosen = -90, .policy_rejected = -80, .label = 1};
  CHECK(ask(js_dpo{.beta = 0.5}, far).value == doctest::Approx(ask(dpo{.beta = 0.5}, far).value).epsilon(1e-14));
  CHECK(std::fabs(ask(js_dpo{.beta = 0.5}, {.policy_chosen = 40, .policy_rejected = 40}).d_chosen) < 1e-17);
  CHECK(refused(js_dpo{.beta = 0.0}) == "beta");
  CHECK(refused(alpha_dpo{.beta = 0.0}) == "beta");
  CHECK(refused(alpha_dpo{.alpha = HUGE_VAL}) == "alpha");
}
