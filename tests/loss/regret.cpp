// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/regret.hpp>
#include <prefer/core/evaluate_tokens.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

TEST_CASE("partial_return: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::partial_return_cases>();
}

TEST_CASE("regret: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::regret_cases>();
}

TEST_CASE("weighted_return: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::weighted_return_cases>();
}

TEST_CASE("general and deterministic regret agree where transitions are deterministic and nothing is discounted") {
  covers("regret", "identity");
  // A corridor with a goal at its end: V(s) = -(steps to go), each step earns -1; segments of three steps.
  const double reward[] = {-1, -1, -1, -1, -1, -1}, value[] = {-5, -4, -3, -5, -6, -5};
  const double action_value[] = {-5, -4, -3, -7, -6, -7};  // forward three times; back, forward, back
  const double start[] = {-5, -5}, end[] = {-2, -6};
  const int chosen[] = {0, 3}, rejected[] = {3, 6};
  double general = 0, simple = 0, general_score[2], simple_score[2];
  check(evaluate_tokens(
      cpu{}, regret{},
      {.value_chosen = {value, 6},
       .value_rejected = {value, 6},
       .action_value_chosen = {action_value, 6},
       .action_value_rejected = {action_value, 6},
       .chosen_offsets = {chosen, 2},
       .rejected_offsets = {rejected, 2}},
      {.loss = {&general, 1}, .score_chosen = {&general_score[0], 1}, .score_rejected = {&general_score[1], 1}}));
  check(evaluate_tokens(
      cpu{}, deterministic_regret(),
      {.reward_chosen = {reward, 6},
       .reward_rejected = {reward, 6},
       .start_value_chosen = {start, 1},
       .start_value_rejected = {start + 1, 1},
       .end_value_chosen = {end, 1},
       .end_value_rejected = {end + 1, 1},
       .chosen_offsets = {chosen, 2},
       .rejected_offsets = {rejected, 2}},
      {.loss = {&simple, 1}, .score_chosen = {&simple_score[0], 1}, .score_rejected = {&simple_score[1], 1}}));
  CHECK((general_score[0] == 0 && simple_score[0] == 0));  // optimal: no regret
  CHECK((general_score[1] == -4 && simple_score[1] == -4));
  CHECK(general == doctest::Approx(std::log1p(std::exp(-4.0))).epsilon(1e-15));
  CHECK(simple == general);
}

TEST_CASE("with weights (1, 0, 0) the weighted return is the partial return, whatever the values are") {
  covers("weighted_return", "identity"), covers("partial_return", "identity");
  const segment_pair<double> p = {.reward_chosen = 2,
                                  .reward_rejected = -1,
                                  .start_value_chosen = 9,
                                  .start_value_rejected = 4,
                                  .end_value_chosen = 5,
                                  .end_value_rejected = 7,
                                  .label = 1};
  const weighted_return plain{.reward_weight = 1.0, .end_weight = 0.0, .start_weight = 0.0};
  CHECK(plain(p).value == partial_return{}(p).value);
  CHECK(plain(p).d_reward_chosen == partial_return{}(p).d_reward_chosen);
}

TEST_CASE("derivatives by the share of random answers and by the three weights: finite differences") {
  const segment_pair<double> p = {.reward_chosen = 2,
                                  .reward_rejected = -1,
                                  .start_value_chosen = 1.5,
                                  .start_value_rejected = 0.5,
                                  .end_value_chosen = -1,
                                  .end_value_rejected = 0.25,
                                  .label = 0.75};
  const auto term = [&](double u, double r, double e, double s) {
    return weighted_return{.reward_weight = r, .end_weight = e, .start_weight = s, .uniform = u}(p);
  };
  const double h = 1e-5;
  const auto t = term(0.2, 1, 2, 0.5);
  const auto slope = [&](double u, double r, double e, double s) {
    return (term(0.2 + u, 1 + r, 2 + e, 0.5 + s).value - term(0.2 - u, 1 - r, 2 - e, 0.5 - s).value) / (2 * h);
  };
  CHECK(t.d_uniform == doctest::Approx(slope(h, 0, 0, 0)).epsilon(1e-8));
  CHECK(t.d_weight[0] == doctest::Approx(slope(0, h, 0, 0)).epsilon(1e-8));
  CHECK(t.d_weight[1] == doctest::Approx(slope(0, 0, 0, h)).epsilon(1e-8));
  CHECK(t.d_weight[2] == doctest::Approx(slope(0, 0, h, 0)).epsilon(1e-8));
  // At no random answers the limit from above.
  CHECK(term(0, 1, 2, 0.5).d_uniform ==
        doctest::Approx((term(1e-7, 1, 2, 0.5).value - term(0, 1, 2, 0.5).value) / 1e-7).epsilon(1e-5));
}

TEST_CASE("random answers bound the loss of a surprising preference; certain ones do not") {
  const segment_pair<float> surprising = {.reward_chosen = -1e4f, .reward_rejected = 0, .label = 1};
  CHECK(partial_return{.uniform = 0.1}(surprising).value == doctest::Approx(-std::log(0.05)));
  CHECK(partial_return{.uniform = 0.1}(surprising).d_reward_chosen == 0);
  CHECK(partial_return{}(surprising).value == 1e4f);
  CHECK(partial_return{}(surprising).d_reward_chosen == -1);
}

TEST_CASE("a learner that weighs with Adam or anything else gets its three weights' gradients as totals") {
  const double reward[] = {1, 2}, other[] = {0, 3}, zero = 0;
  double by_weight = 0, count = 0;
  check(evaluate<double>(cpu{}, weighted_return{},
                         {.reward_chosen = {reward, 2},
                          .reward_rejected = {other, 2},
                          .start_value_chosen = {&zero, 2, 0},
                          .start_value_rejected = {&zero, 2, 0},
                          .end_value_chosen = {&zero, 2, 0},
                          .end_value_rejected = {&zero, 2, 0}},
                         {.count = {&count, 1}, .grad_reward_weight = {&by_weight, 1}}));
  CHECK(count == 2);
  const double s = 1 / (1 + std::exp(1.0));
  CHECK(by_weight == doctest::Approx((-s * 1 + -(1 - s) * -1) / 2));
}

TEST_CASE("bad parameters of the segment losses are named") {
  CHECK(refused(partial_return{.beta = 0.0}) == "beta");
  CHECK(refused(partial_return{.uniform = 1.0}) == "uniform");
  CHECK(refused(regret{.uniform = -0.1}) == "uniform");
  CHECK(refused(regret{.beta = 0.0}) == "beta");
  CHECK(refused(weighted_return{.reward_weight = HUGE_VAL}) == "reward_weight");
  CHECK(refused(weighted_return{.end_weight = HUGE_VAL}) == "end_weight");
  CHECK(refused(weighted_return{.start_weight = HUGE_VAL}) == "start_weight");
  CHECK(refused(weighted_return{.beta = 0.0}) == "beta");
}
