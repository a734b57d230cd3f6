// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/policy_gradient.hpp>
#include <prefer/loss/ppo.hpp>
#include <prefer/loss/sapo.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class V = double, class Loss>
action_term<V> at(const Loss& loss, const action<V>& a) {
  return loss(a);
}
// An action whose ratio is e^log_ratio.
action<double> moved(double log_ratio, double advantage) {
  return {.policy = -3 + log_ratio, .old_policy = -3, .advantage = advantage, .reference = -3};
}

}  // namespace

TEST_CASE("policy_gradient: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::policy_gradient_cases>();
}

TEST_CASE("cispo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::cispo_cases>(); }

TEST_CASE("topr: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::topr_cases>(); }
TEST_CASE("dppo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::dppo_cases>(); }
TEST_CASE("dppo_kl: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::dppo_kl_cases>();
}
TEST_CASE("aspo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::aspo_cases>(); }
TEST_CASE("vespo: golden values, and what every loss promises") { prefer_test::loss_tests<prefer_test::vespo_cases>(); }

TEST_CASE("on samples of the policy itself every rule has the policy gradient") {
  for (const char* name : {"policy_gradient", "cispo", "topr", "dppo", "dppo_kl", "aspo", "vespo"})
    covers(name, "identity");
  for (double advantage : {1.5, -0.75}) {
    const action<double> a = moved(0, advantage);
    for (const auto& t : {at(ppo{}, a), at(policy_gradient{}, a), at(cispo{}, a), at(topr{}, a), at(dppo{}, a),
                          at(dppo_kl{}, a), at(aspo{}, a), at(vespo{}, a), at(sapo{}, a)}) {
      CHECK(t.d_policy == -advantage);
      CHECK(t.clipped == 0);
    }
    CHECK(at(ppo{}, a).value == -advantage);
    CHECK(at(ppo{}, a).ratio == 1);
  }
}

TEST_CASE("an action without advantage has no loss and no gradient, however far it moved; NaN stays NaN") {
  for (double log_ratio : {0.0, -800.0, 2000.0}) {
    const action<double> a = moved(log_ratio, 0);
    for (const auto& t : {at(ppo{}, a), at(policy_gradient{}, a), at(cispo{}, a), at(topr{}, a), at(dppo{}, a),
                          at(dppo_kl{}, a), at(aspo{}, a), at(vespo{}, a), at(sapo{}, a)}) {
      CHECK((t.value == 0 && t.d_policy == 0));
    }
    CHECK(at(ppo{}, a).clipped == 0);
  }
  for (double advantage : {1.5, -0.75}) {
    const action<double> a = moved(not_a_number, advantage);
    for (const auto& t : {at(ppo{}, a), at(cispo{}, a), at(vespo{}, a), at(sapo{}, a)}) CHECK(std::isnan(t.d_policy));
  }
  CHECK(std::isnan(at(ppo{}, moved(0, not_a_number)).value));
}

TEST_CASE("ratios beyond every number: what is bounded stays bounded, in double and float") {
  CHECK(at(cispo{}, moved(2000, 1)).d_policy == -5);
  CHECK(at(topr{}, moved(2000, -1)).d_policy == 1);
  CHECK(at(dppo{}, moved(2000, -1)).d_policy == 20);
  CHECK(at(vespo{}, moved(2000, 1)).d_policy == 0);
  CHECK(at(sapo{}, moved(2000, 1)).value == -4);
  CHECK(at(sapo{}, moved(2000, 1)).d_policy == 0);
  CHECK(at<float>(sapo{}, {.policy = 200, .advantage = 1}).d_policy == 0);
}

TEST_CASE("cispo: every action keeps a gradient, and the bound is one of the ratio") {
  for (double log_ratio : {-5.0, -0.5, 0.0, 0.5, 5.0})
    CHECK(at(cispo{.ratio_min = 0.5, .ratio_max = 2.0}, moved(log_ratio, 1)).d_policy ==
          doctest::Approx(-std::fmin(std::fmax(std::exp(log_ratio), 0.5), 2)).epsilon(1e-14));
  CHECK(refused(cispo{.ratio_min = 1.5}) == "ratio_min");
  CHECK(refused(cispo{.ratio_min = -0.1}) == "ratio_min");
  CHECK(refused(cispo{.ratio_max = 0.9}) == "ratio_max");
  CHECK(refused(cispo{.ratio_max = HUGE_VAL}) == "ratio_max");
}

TEST_CASE("dppo: a rare action may move by a large factor, a likely one may not") {
  const action<double> rare{.policy = -7, .old_policy = -9, .advantage = 1};        // ratio 7.4, 0.0008 of probability
  const action<double> likely{.policy = -0.1, .old_policy = -0.5, .advantage = 1};  // ratio 1.5, 0.3
  CHECK(at(dppo{}, rare).d_policy == doctest::Approx(-std::exp(2.0)).epsilon(1e-14));
  CHECK(at(dppo{}, likely).d_policy == 0);
  CHECK(at(dppo{}, likely).clipped == 1);
  CHECK(at(ppo{}, rare).d_policy == 0);
  // Against its advantage it may always come back.
  CHECK(at(dppo{}, {.policy = -0.1, .old_policy = -0.5, .advantage = -1}).d_policy > 0);
  CHECK(at(dppo{}, {.policy = -1, .old_policy = -0.5, .advantage = -1}).d_policy == 0);
  // The bound is one of the probability, each side with its own.
  for (const double start : {0.3, 0.5}) {
    const auto dropped = [&](double change, double advantage) {
      return at(dppo{.delta_low = 0.1, .delta_high = 0.2},
                {.policy = std::log(start + change), .old_policy = std::log(start), .advantage = advantage})
          .clipped;
    };
    CHECK((dropped(0.1999, 1) == 0 && dropped(0.2001, 1) == 1 && dropped(-0.25, 1) == 0));
    CHECK((dropped(-0.0999, -1) == 0 && dropped(-0.1001, -1) == 1 && dropped(0.4, -1) == 0));
  }
  CHECK(refused(dppo{.delta_low = -0.1}) == "delta_low");
  CHECK(refused(dppo{.delta_high = 1.5}) == "delta_high");
  CHECK(refused(dppo{.ratio_max = 0.0}) == "ratio_max");
}

TEST_CASE("dppo_kl: the distance of two coins, which only the step outwards is stopped by") {
  const action<double> rare{.policy = -7, .old_policy = -9, .advantage = 1};        // 0.0007 apart
  const action<double> likely{.policy = -0.1, .old_policy = -0.7, .advantage = 1};  // 0.54 apart
  CHECK(at(dppo_kl{}, rare).d_policy == doctest::Approx(-std::exp(2.0)).epsilon(1e-14));
  CHECK(at(dppo_kl{}, likely).d_policy == 0);
  CHECK(at(dppo_kl{}, likely).clipped == 1);
  CHECK(at(dppo_kl{.delta_high = 0.6}, likely).clipped == 0);
  CHECK(at(dppo_kl{}, {.policy = -0.1, .old_policy = -0.7, .advantage = -1}).d_policy > 0);
  CHECK(at(dppo_kl{}, {.policy = -0.7, .old_policy = -0.1, .advantage = -1}).d_policy == 0);
  // An action that is certain under both is no distance away, under one of them infinitely far.
  CHECK(at(dppo_kl{}, {.policy = 0, .old_policy = 0, .advantage = 1}).d_policy == -1);
  CHECK(at(dppo_kl{}, {.policy = 0, .old_policy = -0.01, .advantage = 1}).d_policy == 0);
  // One rounded above 0 is certain.
  CHECK(at(dppo_kl{}, {.policy = -0.1, .old_policy = 1e-9, .advantage = -1}).clipped == 1);
  // The bound is one of the divergence, each side with its own.
  const auto far = [](double p, double old) {
    return old * std::log(old / p) + (1 - old) * std::log((1 - old) / (1 - p));
  };
  for (const double p : {0.3, 0.45, 0.7}) {
    const double d = far(p, 0.5), advantage = p > 0.5 ? 1 : -1;
    const action<double> a{.policy = std::log(p), .old_policy = std::log(0.5), .advantage = advantage};
    const auto within = [&](double own) {
      return p > 0.5 ? dppo_kl{.delta_low = 0.0, .delta_high = own} : dppo_kl{.delta_low = own, .delta_high = 0.0};
    };
    CHECK((at(within(d * 1.001), a).clipped == 0 && at(within(d * 0.999), a).clipped == 1));
  }
  CHECK(refused(dppo_kl{.delta_low = -0.1}) == "delta_low");
  CHECK(refused(dppo_kl{.delta_high = HUGE_VAL}) == "delta_high");
  CHECK(refused(dppo_kl{.ratio_max = 0.5}) == "ratio_max");
}

TEST_CASE("aspo: what has become unlikely is pulled hardest, within bounds") {
  const auto weight = [](double ratio, double advantage) {
    return -at(aspo{}, moved(std::log(ratio), advantage)).d_policy / advantage;
  };
  CHECK(weight(0.5, 2) == doctest::Approx(2).epsilon(1e-14));
  CHECK(weight(1.1, 2) == doctest::Approx(1 / 1.1).epsilon(1e-14));
  CHECK(weight(0.1, 2) == 3);
  CHECK(weight(1.3, 2) == 0);
  CHECK(weight(1.5, -2) == doctest::Approx(1.5).epsilon(1e-14));
  CHECK(weight(9, -2) == 3);
  CHECK(weight(0.7, -2) == 0);
  CHECK(at(aspo{}, moved(std::log(1.3), 2)).clipped == 1);
  CHECK(at(aspo{}, moved(std::log(0.1), 2)).clipped == 0);
  CHECK(refused(aspo{.clip_low = 1.5}) == "clip_low");
  CHECK(refused(aspo{.clip_high = -0.1}) == "clip_high");
  CHECK(refused(aspo{.weight_max = 0.5}) == "weight_max");
}

TEST_CASE("vespo: published values of the weight, and its peak at k / lambda") {
  const auto weight = [](double w, double advantage) {
    return -at(vespo{}, moved(std::log(w), advantage)).d_policy / advantage;
  };
  // Figures of arXiv 2602.10693 as computed for the reference notes, four digits.
  CHECK(weight(0.5, 1) == doctest::Approx(1.120).epsilon(1e-3));
  CHECK(weight(2, 1) == doctest::Approx(0.199).epsilon(2e-3));
  CHECK(weight(0.5, -1) == doctest::Approx(0.340).epsilon(2e-3));
  CHECK(weight(2, -1) == doctest::Approx(1.083).epsilon(1e-3));
  CHECK(weight(2.0 / 3, 1) == doctest::Approx(1.208).epsilon(1e-3));
  CHECK(weight(1.5, -1) == doctest::Approx(1.2416).epsilon(1e-3));
  for (double step : {0.99, 1.01}) {
    CHECK(weight(2.0 / 3 * step, 1) < weight(2.0 / 3, 1));
    CHECK(weight(1.5 * step, -1) < weight(1.5, -1));
  }
  CHECK(refused(vespo{.k_positive = 0.0}) == "k_positive");
  CHECK(refused(vespo{.lambda_positive = -1.0}) == "lambda_positive");
  CHECK(refused(vespo{.k_negative = HUGE_VAL}) == "k_negative");
  CHECK(refused(vespo{.lambda_negative = not_a_number}) == "lambda_negative");
}
