// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/loss/bradley_terry.hpp>
#include <support/buffer.hpp>
#include <support/loss_suite.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::storage;
using prefer_test::ulps;

namespace {

struct golden_row {
  long double chosen, label, margin, smoothing, centering, value, d_chosen, scale_chosen, d_rejected, scale_rejected;
};
const golden_row golden[] = {
#include <golden_bradley_terry.inc>
};
struct tie_row {
  long double chosen, parameter, tie, value, slope, scale, d_parameter, scale_parameter;
};
const tie_row golden_rao_kupper[] = {
#include <golden_rao_kupper.inc>
};
const tie_row golden_davidson[] = {
#include <golden_davidson.inc>
};

// One comparison at a time: value and derivatives as the call gives them.
struct answer {
  double value, d_chosen, d_rejected, d_parameter;
};
template <class Compute, class Loss>
answer ask(isa level, const Loss& loss, long double chosen, long double rejected, long double label, long double margin,
           long double tie) {
  const auto c = static_cast<Compute>(chosen), r = static_cast<Compute>(rejected);
  const auto l = static_cast<Compute>(label), m = static_cast<Compute>(margin), t = static_cast<Compute>(tie);
  Compute value = 0, dc = 0, dr = 0;
  double dp = 0;
  reward_pair_inputs<space::host> in = {.chosen = {&c, 1}, .rejected = {&r, 1}, .margin = {&m, 1}, .normalizer = 1.0};
  reward_pair_outputs<space::host> out = {.grad_chosen = {&dc, 1}, .grad_rejected = {&dr, 1}, .losses = {&value, 1}};
  if constexpr (std::is_same_v<Loss, bradley_terry>)
    in.label = {&l, 1};
  else
    in.tie = {&t, 1}, out.grad_tie_parameter = {&dp, 1};
  check(evaluate<Compute>(cpu{.isa = level}, loss, in, out));
  return {static_cast<double>(value), static_cast<double>(dc), static_cast<double>(dr), dp};
}

// Within `count` units in the last place of Compute at `scale` (the size of the terms whose difference is meant).
template <class Compute>
void within(double got, long double exact, long double scale, double count) {
  if (std::fabs(exact) > std::numeric_limits<Compute>::max()) return;
  const long double unit =
      std::max(std::ldexp(scale, 1 - storage<Compute>::digits), std::ldexp(1.0L, storage<Compute>::least_exponent));
  INFO("got " << got << " exact " << static_cast<double>(exact));
  CHECK(std::fabs(static_cast<long double>(got) - exact) <= count * unit);
}

template <class Compute>
void check_golden() {
  for (isa level : prefer_test::levels())
    for (const golden_row& g : golden) {
      const bradley_terry loss{.label_smoothing = static_cast<double>(g.smoothing),
                               .centering = static_cast<double>(g.centering)};
      const answer a = ask<Compute>(level, loss, g.chosen, 1, g.label, g.margin, 0);
      INFO("chosen " << static_cast<double>(g.chosen) << " label " << static_cast<double>(g.label));
      // 3 ulp of log(1 + e^-|d|), and a rounding for each product and sum.
      within<Compute>(a.value, g.value, g.value, 5);
      within<Compute>(a.d_chosen, g.d_chosen, g.scale_chosen, 5);
      within<Compute>(a.d_rejected, g.d_rejected, g.scale_rejected, 5);
    }
}

// An argument of size x that is rounded shifts a probability by x times the unit; the forms below add up three
// functions.
template <class Compute, class MakeLoss>
void check_ties(const tie_row* first, const tie_row* last, MakeLoss make) {
  for (isa level : prefer_test::levels())
    for (const tie_row* g = first; g != last; ++g) {
      const answer a = ask<Compute>(level, make(static_cast<double>(g->parameter)), g->chosen, 1, 1, 0, g->tie);
      INFO("chosen " << static_cast<double>(g->chosen) << " parameter " << static_cast<double>(g->parameter) << " tie "
                     << static_cast<double>(g->tie));
      const double condition = 8 + static_cast<double>(std::fabs(g->chosen) + std::fabs(g->parameter));
      within<Compute>(a.value, g->value, g->value, 12);
      within<Compute>(a.d_chosen, g->slope, g->scale, std::min(condition, 30.0));
      CHECK(a.d_rejected == -a.d_chosen);
      within<Compute>(a.d_parameter, g->d_parameter, g->scale_parameter, std::min(condition, 30.0));
    }
}

}  // namespace

TEST_CASE("Bradley-Terry: golden values and gradients in both tails, at every level") {
  check_golden<float>();
  check_golden<double>();
  for (const char* tag : {"golden", "tails"}) covers<float>("bradley_terry", tag), covers<double>("bradley_terry", tag);
}

TEST_CASE("Rao-Kupper: golden values, slopes and eta derivatives") {
  const auto make = [](double eta) { return rao_kupper{.eta = eta}; };
  check_ties<float>(std::begin(golden_rao_kupper), std::end(golden_rao_kupper), make);
  check_ties<double>(std::begin(golden_rao_kupper), std::end(golden_rao_kupper), make);
  for (const char* tag : {"golden", "tails"}) covers<float>("rao_kupper", tag), covers<double>("rao_kupper", tag);
}

TEST_CASE("Davidson: golden values, slopes and log nu derivatives") {
  const auto make = [](double log_nu) { return davidson{.log_nu = log_nu}; };
  check_ties<float>(std::begin(golden_davidson), std::end(golden_davidson), make);
  check_ties<double>(std::begin(golden_davidson), std::end(golden_davidson), make);
  for (const char* tag : {"golden", "tails"}) covers<float>("davidson", tag), covers<double>("davidson", tag);
}

TEST_CASE("the derivative by the tie parameter is that of the loss: finite differences") {
  for (double x : {0.2, 0.9, 3.0})
    for (long double tie : {0.0L, 1.0L, 0.5L})
      for (long double chosen : {-2.0L, 0.5L, 4.0L}) {
        const auto slope = [&](auto make, double h) {
          return (ask<double>(isa::base, make(x + h), chosen, 1, 1, 0, tie).value -
                  ask<double>(isa::base, make(x - h), chosen, 1, 1, 0, tie).value) /
                 (2 * h);
        };
        const auto rk = [](double eta) { return rao_kupper{.eta = eta}; };
        const auto dv = [](double log_nu) { return davidson{.log_nu = log_nu}; };
        CHECK(ask<double>(isa::base, rk(x), chosen, 1, 1, 0, tie).d_parameter ==
              doctest::Approx((4 * slope(rk, 5e-4) - slope(rk, 1e-3)) / 3).epsilon(1e-8));
        CHECK(ask<double>(isa::base, dv(x), chosen, 1, 1, 0, tie).d_parameter ==
              doctest::Approx((4 * slope(dv, 5e-4) - slope(dv, 1e-3)) / 3).epsilon(1e-8));
      }
}

TEST_CASE("the three outcomes of a tie model have probabilities that sum to one") {
  covers("rao_kupper", "identity"), covers("davidson", "identity");
  for (double x : {0.1, 0.7, 2.0})
    for (long double d : {-5.0L, 0.0L, 1.5L}) {
      const auto total = [&](const auto& loss) {
        return std::exp(-ask<double>(isa::base, loss, d, 0, 1, 0, 0).value) +
               std::exp(-ask<double>(isa::base, loss, -d, 0, 1, 0, 0).value) +
               std::exp(-ask<double>(isa::base, loss, d, 0, 1, 0, 1).value);
      };
      CHECK(total(rao_kupper{.eta = x}) == doctest::Approx(1).epsilon(1e-14));
      CHECK(total(davidson{.log_nu = x}) == doctest::Approx(1).epsilon(1e-14));
    }
}

TEST_CASE("two items in closed form: the gradient vanishes at the maximum-likelihood estimate") {
  const double won = 0.5, lost = 0.2, tied = 0.3;
  const double weight[] = {won, lost, tied}, tie[] = {0, 0, 1};
  const auto residual = [&](const auto& loss, double d) {
    const double chosen[] = {d, 0, d}, rejected[] = {0, d, 0};
    double gc[3], gr[3], gp = 0;
    check(evaluate<double>(
        cpu{}, loss,
        {.chosen = {chosen, 3}, .rejected = {rejected, 3}, .tie = {tie, 3}, .weight = {weight, 3}, .normalizer = 1.0},
        {.grad_chosen = {gc, 3}, .grad_rejected = {gr, 3}, .grad_tie_parameter = {&gp, 1}}));
    return std::max(std::fabs(gc[0] + gr[1] + gc[2]), std::fabs(gp));
  };
  const auto logit = [](double p) { return std::log(p / (1 - p)); };
  CHECK(residual(rao_kupper{.eta = -(logit(won) + logit(lost)) / 2}, (logit(won) - logit(lost)) / 2) < 1e-15);
  CHECK(residual(davidson{.log_nu = std::log(tied / std::sqrt(won * lost))}, std::log(won / lost)) < 1e-15);
}

TEST_CASE("a label of one half is half a win and half a loss; without ties Rao-Kupper tends to Bradley-Terry") {
  covers("bradley_terry", "identity");
  const answer half_win = ask<double>(isa::base, bradley_terry{}, 2, 1, 0.5L, 0, 0);
  const answer win = ask<double>(isa::base, bradley_terry{}, 2, 1, 1, 0, 0),
               loss = ask<double>(isa::base, bradley_terry{}, 2, 1, 0, 0, 0);
  CHECK(half_win.value == doctest::Approx((win.value + loss.value) / 2).epsilon(1e-15));
  CHECK(half_win.d_chosen == doctest::Approx((win.d_chosen + loss.d_chosen) / 2).epsilon(1e-15));
  CHECK(ask<double>(isa::base, rao_kupper{.eta = 1e-9}, 2, 1, 1, 0, 0).value ==
        doctest::Approx(win.value).epsilon(1e-8));
  CHECK(ask<double>(isa::base, davidson{.log_nu = -60}, 2, 1, 1, 0, 0).value ==
        doctest::Approx(win.value).epsilon(1e-14));
}

TEST_CASE("the Bradley-Terry losses keep what every loss promises") {
  SUBCASE("bradley_terry") {
    prefer_test::loss_suite("bradley_terry", bradley_terry{.label_smoothing = 0.05, .centering = 0.01});
  }
  SUBCASE("rao_kupper") { prefer_test::loss_suite("rao_kupper", rao_kupper{.eta = 0.4}); }
  SUBCASE("davidson") { prefer_test::loss_suite("davidson", davidson{.log_nu = 0.3}); }
}

TEST_CASE("bad parameters and fields are named") {
  const float x = 0;
  float y = 0;
  const auto refuse = [&](const auto& loss, const reward_pair_inputs<space::host>& in, errc code,
                          const char* argument) {
    const status s = evaluate<float>(cpu{}, loss, in, {.loss = {&y, 1}});
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const reward_pair_inputs<space::host> in = {.chosen = {&x, 1}, .rejected = {&x, 1}};
  refuse(bradley_terry{.label_smoothing = 0.5}, in, errc::bad_parameter, "label_smoothing");
  refuse(bradley_terry{.centering = -1.0}, in, errc::bad_parameter, "centering");
  refuse(rao_kupper{.eta = 0.0}, in, errc::bad_parameter, "eta");
  refuse(davidson{.log_nu = std::numeric_limits<double>::infinity()}, in, errc::bad_parameter, "log_nu");
  refuse(bradley_terry{}, {.chosen = {&x, 1}}, errc::missing_input, "rejected");
  refuse(bradley_terry{}, {.chosen = {&x, 1}, .rejected = {&x, 1}, .tie = {&x, 1}}, errc::unused_input, "tie");
  refuse(rao_kupper{}, {.chosen = {&x, 1}, .rejected = {&x, 1}, .label = {&x, 1}}, errc::unused_input, "label");
  const status s = evaluate<float>(cpu{}, bradley_terry{}, in, {.grad_tie_parameter = {&y, 1}});
  CHECK(s.code == errc::unavailable_output);
}
