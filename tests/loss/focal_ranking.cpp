// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/focal_ranking.hpp>
#include <prefer/loss/bradley_terry.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::covers;
using prefer_test::refused;

namespace {

template <class Loss>
reward_pair_term<double> at(const Loss& loss, double chosen, double rejected = 0) {
  return loss(reward_pair<double>{.chosen = chosen, .rejected = rejected, .label = 1});
}

}  // namespace

TEST_CASE("focal_ranking: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::focal_ranking_cases>();
}

TEST_CASE("score_barrier: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::score_barrier_cases>();
}

TEST_CASE("score_hinge: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::score_hinge_cases>();
}

TEST_CASE("focal ranking: hand-worked values, Bradley-Terry for lost comparisons and for gamma = 0, a jump at zero") {
  covers("focal_ranking", "identity");
  CHECK(at(focal_ranking{}, 0.5).value == doctest::Approx(0.270294).epsilon(1e-5));
  CHECK(at(focal_ranking{}, 0.5).d_chosen == doctest::Approx(-0.551748).epsilon(1e-5));
  CHECK(at(focal_ranking{}, 2).value == doctest::Approx(0.00721425).epsilon(1e-5));
  CHECK(at(focal_ranking{}, 2).d_chosen == doctest::Approx(-0.0194838).epsilon(1e-5));
  CHECK(at(focal_ranking{}, -1).value == at(bradley_terry{}, -1).value);
  CHECK(at(focal_ranking{.gamma = 0.0}, 2).value == doctest::Approx(at(bradley_terry{}, 2).value).epsilon(1e-15));
  CHECK(at(focal_ranking{}, 0).d_chosen == -0.5);
  CHECK(at(focal_ranking{}, 1e-12).d_chosen == doctest::Approx(-1.193147).epsilon(1e-6));
  CHECK(refused(focal_ranking{.gamma = -1.0}) == "gamma");
}

TEST_CASE("the barrier: hand-worked values, finite beyond its bounds, and it pulls escaped scores back") {
  covers("score_barrier", "identity");
  CHECK(at(score_barrier{}, 0).value == doctest::Approx(2 * -3.218876).epsilon(1e-6));
  CHECK(at(score_barrier{}, 4).value == doctest::Approx(-2.197225 - 3.218876).epsilon(1e-6));
  CHECK(at(score_barrier{}, 0).d_chosen == 0);
  const auto escaped = score_barrier{}(reward_pair<float>{.chosen = 9, .rejected = -40});
  CHECK((escaped.d_chosen > 900 && escaped.d_rejected < -900 && std::isfinite(escaped.value)));
  CHECK(refused(score_barrier{.low = 6.0}) == "low");
  CHECK(refused(score_barrier{.high = HUGE_VAL}) == "high");
  CHECK(refused(score_barrier{.edge = 0.0}) == "edge");
  CHECK(refused(score_barrier{.edge = 5.0}) == "edge");
}

TEST_CASE("the triplet loss of unit vectors is twice the hinge on their cosines") {
  covers("score_hinge", "identity");
  const double a[] = {1, 0}, m = 0.3;
  for (double turn : {0.2, 0.7, 1.4})
    for (double other : {0.3, 0.6, 1.2}) {
      const double p[] = {std::cos(turn), std::sin(turn)}, n[] = {std::cos(other), std::sin(other)};
      const auto distance = [&](const double* x) { return std::pow(a[0] - x[0], 2) + std::pow(a[1] - x[1], 2); };
      CHECK(2 * at(score_hinge{.target = m / 2}, p[0], n[0]).value ==
            doctest::Approx(std::max(0.0, distance(p) - distance(n) + m)).epsilon(1e-13));
    }
  CHECK(at(score_hinge{.target = 1.0}, 0.9375).d_chosen == -1);  // up to the corner
  CHECK(refused(score_hinge{.target = HUGE_VAL}) == "target");
}
