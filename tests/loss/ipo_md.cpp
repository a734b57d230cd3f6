// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cases/ipo_md.hpp>
#include <loss/small_game.hpp>
#include <prefer/loss/ipo.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace prefer;
using prefer_test::ask;
using prefer_test::covers;
using prefer_test::numbers;
using prefer_test::refused;
using prefer_test::small_game;

namespace {

constexpr double tau = 0.3;

// Every ordered pair of actions, drawn from exp(sampler) and labelled with its preference: the mean loss, and its
// gradient by logits.
struct all_pairs {
  long double value = 0;
  numbers gradient;

  all_pairs(const small_game& game, const ipo_md& loss, const numbers& logp, const numbers& sampler) {
    std::vector<double> pc, pr, rc, rr, label, weight;
    for (std::size_t i = 0; i < game.n; ++i)
      for (std::size_t j = 0; j < game.n; ++j) {
        pc.push_back(static_cast<double>(logp[i])), pr.push_back(static_cast<double>(logp[j]));
        rc.push_back(static_cast<double>(game.log_reference[i]));
        rr.push_back(static_cast<double>(game.log_reference[j]));
        label.push_back(static_cast<double>(game.preference[i][j]));
        weight.push_back(static_cast<double>(std::exp(sampler[i] + sampler[j])));
      }
    const auto n = static_cast<std::int64_t>(pc.size());
    std::vector<double> gc(pc.size()), gr(pc.size());
    double mean = 0;
    check(evaluate<double>(cpu{}, loss,
                           {.policy_chosen = {pc.data(), n},
                            .policy_rejected = {pr.data(), n},
                            .reference_chosen = {rc.data(), n},
                            .reference_rejected = {rr.data(), n},
                            .label = {label.data(), n},
                            .weight = {weight.data(), n},
                            .normalizer = 1.0},
                           {.loss = {&mean, 1},
                            .grad_policy_chosen = {gc.data(), n},
                            .grad_policy_rejected = {gr.data(), n}}));
    value = mean;
    numbers by_logp(game.n, 0);
    for (std::size_t k = 0; k < pc.size(); ++k) by_logp[k / game.n] += gc[k], by_logp[k % game.n] += gr[k];
    gradient = prefer_test::to_logits(by_logp, logp);
  }
};

// The loss as written, in long double, with the sampler held fixed.
long double mean_loss(const small_game& game, const numbers& logits, const numbers& sampler) {
  const numbers l = prefer_test::log_softmax(logits);
  long double sum = 0;
  for (std::size_t i = 0; i < game.n; ++i)
    for (std::size_t j = 0; j < game.n; ++j) {
      const long double h = (l[i] - game.log_reference[i]) - (l[j] - game.log_reference[j]);
      const long double gap = h - (2 * game.preference[i][j] - 1) / (2 * static_cast<long double>(tau));
      sum += std::exp(sampler[i] + sampler[j]) * gap * gap;
    }
  return sum;
}

// -(4 / tau) sum_y pi_m(y) grad log pi(y) [P(y beats pi_m) - 1/2 - tau (u(y) - E_pi_m u)]; without the mean of u if it
// is left out.
numbers closed_form(const small_game& game, const numbers& logp, const numbers& sampler, bool with_mean) {
  const numbers p = game.win_rates(sampler);
  long double mean = 0;
  for (std::size_t i = 0; with_mean && i < game.n; ++i)
    mean += std::exp(sampler[i]) * (logp[i] - game.log_reference[i]);
  numbers by_logp;
  for (std::size_t i = 0; i < game.n; ++i) {
    const long double u = logp[i] - game.log_reference[i];
    const long double t = tau;
    by_logp.push_back(-4 / t * std::exp(sampler[i]) * (p[i] - 0.5L - t * (u - mean)));
  }
  return prefer_test::to_logits(by_logp, logp);
}

}  // namespace

TEST_CASE("ipo_md: golden values, and what every loss promises") {
  prefer_test::loss_tests<prefer_test::ipo_md_cases>();
}

TEST_CASE("over all pairs of a game IPO-MD has the closed gradient, and that of its loss by differences") {
  covers("ipo_md", "identity");
  for (const long double b : {0.0L, 0.4L, 1.0L}) {
    const small_game game(5, 23);
    const numbers logp = prefer_test::log_softmax(game.logits), sampler = game.mixture(logp, b);
    const all_pairs pairs(game, {.tau = tau}, logp, sampler);
    CHECK(pairs.value == doctest::Approx(static_cast<double>(mean_loss(game, game.logits, sampler))).epsilon(1e-14));
    CHECK(prefer_test::distance(pairs.gradient, closed_form(game, logp, sampler, true)) < 1e-13);
    const auto f = [&](const numbers& logits) { return mean_loss(game, logits, sampler); };
    CHECK(prefer_test::distance(pairs.gradient, prefer_test::slopes_of(f, game.logits)) < 1e-10);
    // Without the mean log-ratio it is right for pairs of the policy itself, and for no others.
    const long double off = prefer_test::distance(pairs.gradient, closed_form(game, logp, sampler, false));
    CHECK((b == 0 ? off < 1e-13L : off > 2e-3L));
    // The implementation's form: tau times the gradient.
    const all_pairs scaled(game, {.tau = tau, .value = ipo_md::form::implementation}, logp, sampler);
    numbers expected;
    for (long double x : pairs.gradient) expected.push_back(tau * x);
    CHECK(prefer_test::distance(scaled.gradient, expected) < 1e-14);
  }
}

TEST_CASE("the gradient of IPO-MD vanishes at its equilibrium; the mixture is then one at tau / (1 - b)") {
  const small_game game(5, 7);
  for (const long double b : {0.0L, 0.4L, 1.0L}) {
    const numbers logp = game.equilibrium(tau, b), sampler = game.mixture(logp, b);
    const all_pairs pairs(game, {.tau = tau}, logp, sampler);
    CHECK(prefer_test::distance(pairs.gradient, numbers(game.n, 0)) < 1e-14);
    if (b < 1) CHECK(prefer_test::distance(sampler, game.equilibrium(tau / (1 - b), 0)) < 1e-15);
  }
  const numbers elsewhere = prefer_test::log_softmax(game.logits);
  CHECK(prefer_test::distance(all_pairs(game, {.tau = tau}, elsewhere, elsewhere).gradient, numbers(game.n, 0)) > 0.1);
}

TEST_CASE("IPO-MD with a certain winner is IPO; a drawn winner has the mean gradient of the soft label") {
  const pair<double> p = {.policy_chosen = -3, .policy_rejected = -4.5, .reference_chosen = -3.25, .label = 1};
  CHECK(ask(ipo_md{.tau = 0.7}, p).value == ask(ipo{.tau = 0.7}, p).value);
  CHECK(ask(ipo_md{.tau = 0.7}, p).d_chosen == ask(ipo{.tau = 0.7}, p).d_chosen);
  pair<double> soft = p, swapped = p;
  soft.label = 0.3;
  std::swap(swapped.policy_chosen, swapped.policy_rejected);
  std::swap(swapped.reference_chosen, swapped.reference_rejected);
  for (const auto form : {ipo_md::form::squared, ipo_md::form::implementation}) {
    const ipo_md loss{.tau = 0.7, .value = form};
    CHECK(ask(loss, soft).d_chosen ==
          doctest::Approx(0.3 * ask(loss, p).d_chosen + 0.7 * ask(loss, swapped).d_rejected).epsilon(1e-14));
  }
  const auto far = ask(ipo_md{.tau = 0.5}, {.policy_chosen = -1e4, .policy_rejected = -5, .label = 0.9});
  CHECK(far.d_chosen == doctest::Approx(2 * (-9995 - 0.8)).epsilon(1e-15));
  CHECK(refused(ipo_md{.tau = 0.0}) == "tau");
}
