// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/sum_rows.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/loss/annealing.hpp>
#include <prefer/loss/gaussian_kl.hpp>
#include <prefer/loss/latent_sample.hpp>
#include <prefer/loss/regret.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>
#include <support/row_call.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <type_traits>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::matrix;
using prefer_test::storage;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

struct golden_row {
  long double mean, log_variance, prior_mean, prior_log_variance, value;
  long double by_mean, by_log_variance, by_prior_mean, by_prior_log_variance, last_size;
};
const golden_row golden[] = {
#include <golden_gaussian_kl.inc>
};
constexpr std::int64_t golden_rows = sizeof(golden) / sizeof(golden[0]);

const reward_linear sum{.slope = 1.0};

// Posteriors, priors, and room for their gradients.
template <class S>
struct gaussians {
  std::int64_t n, z;
  std::vector<matrix<S>> in, grad;
  buffer<double> loss, losses;
  buffer<bool> mask;

  gaussians(std::int64_t items, std::int64_t dimensions, std::int64_t gap = 0)
      : n(items),
        z(dimensions),
        in(4, matrix<S>(n, z, gap)),
        grad(4, matrix<S>(n, z, gap)),
        loss(1),
        losses(n),
        mask(n) {
    prefer_test::noise random(23);
    for (auto& m : in) m.fill(random, -1.5, 1.5);
    for (std::int64_t i = 0; i < n; ++i) mask.at(i) = i % 4 != 1;
  }
  row_response_inputs<gaussian_kl, space::host> inputs() {
    return {.rows = {in[0].read(), in[1].read(), in[2].read(), in[3].read()}, .mask = mask.read(), .normalizer = 1.0};
  }
  row_scored_outputs<space::host, gaussian_gradients<space::host>> outputs() {
    return {.loss = loss.view(),
            .grad = {grad[0].view(), grad[1].view(), grad[2].view(), grad[3].view()},
            .losses = losses.view()};
  }
};

template <class S>
void check_golden() {
  gaussians<S> g(golden_rows, 1);
  for (std::int64_t i = 0; i < g.n; ++i) {
    g.mask.at(i) = true;
    const golden_row& r = golden[i];
    const long double x[] = {r.mean, r.log_variance, r.prior_mean, r.prior_log_variance};
    for (std::size_t k = 0; k < 4; ++k) g.in[k].set(i, 0, static_cast<double>(x[k]));
  }
  const long double unit = std::ldexp(16.0L, 1 - storage<compute<S>>::digits);
  for (isa level : prefer_test::levels()) {
    REQUIRE(evaluate_rows<compute<S>>(cpu{.isa = level}, gaussian_kl{}, sum, g.inputs(), g.outputs()).ok());
    for (std::int64_t i = 0; i < g.n; ++i) {
      const golden_row& r = golden[i];
      const long double slope[] = {r.by_mean, r.by_log_variance, r.by_prior_mean, r.by_prior_log_variance};
      INFO("row " << i);
      CHECK(std::fabs(g.losses.get(i) - r.value) <= unit * std::fabs(r.value));
      for (std::size_t k = 0; k < 4; ++k)
        CHECK(std::fabs(g.grad[k].get(i, 0) - slope[k]) <= unit * (k == 3 ? r.last_size : std::fabs(slope[k])));
    }
  }
}

template <class S>
void check_sizes(std::int64_t n, std::int64_t z, std::int64_t gap) {
  gaussians<S> g(n, z, gap);
  for (isa level : prefer_test::levels()) {
    REQUIRE(evaluate_rows<compute<S>>(cpu{.isa = level}, gaussian_kl{}, reward_linear{.slope = 0.5}, g.inputs(),
                                      g.outputs())
                .ok());
    long double total = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      INFO("item " << i << " of " << n << " x " << z);
      long double value = 0;
      for (std::int64_t e = 0; e < z && g.mask.at(i); ++e) {
        const long double mu = g.in[0].get(i, e), lv = g.in[1].get(i, e), m = g.in[2].get(i, e), lp = g.in[3].get(i, e);
        const long double q = (mu - m) * (mu - m) * std::exp(-lp);
        value += (std::exp(lv - lp) - 1 - (lv - lp) + q) / 4;
        const long double slope[] = {(mu - m) * std::exp(-lp), (std::exp(lv - lp) - 1) / 2, (m - mu) * std::exp(-lp),
                                     -(std::exp(lv - lp) - 1 + q) / 2};
        for (std::size_t k = 0; k < 4; ++k)
          CHECK(std::fabs(g.grad[k].get(i, e) - slope[k] / 2) <=
                std::ldexp(32.0L, -storage<compute<S>>::digits) * (1 + q) +
                    std::ldexp(std::fabs(slope[k]), -storage<S>::digits));
      }
      for (std::size_t k = 0; k < 4; ++k)
        for (std::int64_t e = 0; e < z && !g.mask.at(i); ++e) CHECK(g.grad[k].get(i, e) == 0);
      CHECK(std::fabs(g.losses.get(i) - value) <= std::ldexp(32 * value, -storage<compute<S>>::digits));
      total += value;
    }
    CHECK(std::fabs(g.loss.get(0) - total) <= std::ldexp(32 * total, -storage<compute<S>>::digits));
    for (auto& m : g.grad) CHECK(m.memory.intact());
  }
}

template <class S>
void check_all() {
  for (std::int64_t z : {0, 1, 7, 16, 17, 513}) check_sizes<S>(5, z, 0), check_sizes<S>(3, z, 3);
  check_sizes<S>(0, 4, 0);
  covers<S>("gaussian_kl", "sizes");
}

}  // namespace

TEST_CASE("the divergence and its gradients keep their digits, nearly equal Gaussians and far ones included") {
  check_golden<float>();
  check_golden<double>();
}

TEST_CASE("the divergence of rows is the textbook's, for every size and storage type") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("hand-worked values; a Gaussian has no divergence from itself; the standard prior needs no arrays") {
  const double mean[] = {1, 0, 0.3}, log_variance[] = {0, std::log(4.0), -2}, zero[] = {0, 0, 0};
  double value[3], other[3], grad[2][3];
  check(evaluate_rows<double>(
      cpu{}, gaussian_kl{.standard_prior = true}, sum,
      {.rows = {.mean = {mean, 3, 1}, .log_variance = {log_variance, 3, 1}}, .normalizer = 1.0},
      {.grad = {.mean = {grad[0], 3, 1}, .log_variance = {grad[1], 3, 1}}, .losses = {value, 3}}));
  CHECK(value[0] == 0.5);
  CHECK(value[1] == doctest::Approx(0.806853).epsilon(1e-6));
  CHECK((grad[0][0] == 1 && grad[1][0] == 0));
  check(evaluate_rows<double>(cpu{}, gaussian_kl{}, sum,
                              {.rows = {{mean, 3, 1}, {log_variance, 3, 1}, {zero, 3, 1}, {zero, 3, 1}}},
                              {.losses = {other, 3}}));
  for (int i = 0; i < 3; ++i) CHECK(other[i] == value[i]);
  check(evaluate_rows<double>(cpu{}, gaussian_kl{}, sum,
                              {.rows = {{mean, 3, 1}, {log_variance, 3, 1}, {mean, 3, 1}, {log_variance, 3, 1}}},
                              {.grad = {.prior_log_variance = {grad[0], 3, 1}}, .losses = {other, 3}}));
  for (int i = 0; i < 3; ++i) CHECK((other[i] == 0 && grad[0][i] == 0));
}

TEST_CASE("gaussian_kl: the same bits for any threads, masked rows unread, nothing allocated, what is wrong is named") {
  gaussians<float> g(40, 600);
  const auto bits = [&](const cpu& exec) {
    REQUIRE(evaluate_rows<float>(exec, gaussian_kl{}, sum, g.inputs(), g.outputs()).ok());
    auto all = g.grad[3].memory.bytes();
    all.insert(all.end(), g.loss.bytes().begin(), g.loss.bytes().end());
    return all;
  };
  const auto expected = bits(cpu{});
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  for (std::int64_t i = 1; i < 40; i += 4)
    for (std::int64_t e = 0; e < 600; ++e) g.in[1].set(i, e, std::numeric_limits<double>::quiet_NaN());
  CHECK(bits(cpu{}) == expected);
  auto in = g.inputs();
  auto out = g.outputs();
  const long before = prefer_test::allocation_count();
  const status s = evaluate_rows<float>(cpu{}, gaussian_kl{}, sum, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  const auto refused = [&](errc code, const char* argument, const gaussian_kl& score) {
    const status st = evaluate_rows<float>(cpu{}, score, sum, in, out);
    CHECK(st.code == code);
    CHECK(std::string(st.argument) == argument);
  };
  refused(errc::unused_input, "rows.prior_mean", {.standard_prior = true});
  in.rows.prior_mean = in.rows.prior_log_variance = {};
  refused(errc::missing_input, "rows.prior_mean", {});
  refused(errc::unavailable_output, "grad.prior_mean", {.standard_prior = true});
  for (const char* tag : {"threads", "masked", "allocation", "bad-argument"}) covers("gaussian_kl", tag);
}

// The whole bound of VPL for one user of two comparisons: cross-entropy of returns over a scale and beta times the
// divergence from a prior that is learnt; every gradient against differences of the bound itself in long double.
TEST_CASE("the bound of variational preference learning, put together: gradients of all of its inputs") {
  constexpr std::int64_t users = 2, pairs = 2, z = 3;
  const long double scale = 2, beta = 0.25L;
  std::vector<long double> x;  // returns of both sides, mean, log-variance, prior mean, prior log-variance
  prefer_test::noise random(3);
  for (std::size_t k = 0; k < 2 * users * pairs + 2 * users * z + 2 * z; ++k) x.push_back(random.uniform(-1, 1));
  const double label[] = {1, 0, 0.5, 1};
  constexpr std::size_t first = 0, second = users * pairs, mean = 2 * second, variance = mean + users * z,
                        prior_mean = variance + users * z, prior_variance = prior_mean + z;
  const auto bound = [&](const std::vector<long double>& at) {
    long double sum_of_all = 0;
    for (std::size_t i = 0; i < users * pairs; ++i) {
      const long double d = (at[first + i] - at[second + i]) / scale;
      sum_of_all += std::log1p(std::exp(d)) - static_cast<long double>(label[i]) * d;
    }
    for (std::size_t i = 0; i < users * z; ++i) {
      const std::size_t k = i % z;
      const long double v = at[variance + i], p = at[prior_variance + k], gap = at[mean + i] - at[prior_mean + k];
      sum_of_all += beta / 2 * (std::exp(v - p) - 1 - (v - p) + gap * gap * std::exp(-p));
    }
    return sum_of_all;
  };

  std::vector<double> in, grad(x.size()), prior(users * z), prior_v(users * z);
  for (const long double v : x) in.push_back(static_cast<double>(v));
  for (std::size_t k = 0; k < x.size(); ++k) x[k] = in[k];
  double preference = 0, divergence = 0;
  check(evaluate<double>(cpu{}, partial_return{.beta = 1 / static_cast<double>(scale)},
                         {.reward_chosen = {&in[first], users * pairs},
                          .reward_rejected = {&in[second], users * pairs},
                          .label = {label, users * pairs},
                          .normalizer = 1.0},
                         {.loss = {&preference, 1},
                          .grad_reward_chosen = {&grad[first], users * pairs},
                          .grad_reward_rejected = {&grad[second], users * pairs}}));
  check(evaluate_rows<double>(cpu{}, gaussian_kl{}, reward_linear{.slope = static_cast<double>(beta)},
                              {.rows = {.mean = {&in[mean], users, z},
                                        .log_variance = {&in[variance], users, z},
                                        .prior_mean = {&in[prior_mean], users, z, 0, 1},
                                        .prior_log_variance = {&in[prior_variance], users, z, 0, 1}},
                               .normalizer = 1.0},
                              {.loss = {&divergence, 1},
                               .grad = {.mean = {&grad[mean], users, z},
                                        .log_variance = {&grad[variance], users, z},
                                        .prior_mean = {prior.data(), users, z},
                                        .prior_log_variance = {prior_v.data(), users, z}}}));
  check(sum_rows(cpu{}, {static_cast<const double*>(prior.data()), users, z}, {&grad[prior_mean], z}));
  check(sum_rows(cpu{}, {static_cast<const double*>(prior_v.data()), users, z}, {&grad[prior_variance], z}));
  CHECK(preference + divergence == doctest::Approx(static_cast<double>(bound(x))).epsilon(1e-14));
  for (std::size_t k = 0; k < x.size(); ++k) {
    const auto at = [&](long double h) {
      auto moved = x;
      moved[k] += h;
      return bound(moved);
    };
    const long double h = 0x1p-10L;
    CHECK(grad[k] == doctest::Approx(static_cast<double>((8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)))
                         .epsilon(1e-9));
  }
}

TEST_CASE("annealing: linear, cosine and logistic courses, from a base, once or in cycles") {
  using course = annealing::course;
  CHECK(annealing{.shape = course::linear, .steps = 8}.at(2) == 0.25);
  CHECK(annealing{.steps = 8}.at(4) == doctest::Approx(0.5).epsilon(1e-15));
  CHECK(annealing{.steps = 8}.at(0) == 0);
  CHECK(annealing{.steps = 8}.at(2) == doctest::Approx((1 - std::sqrt(0.5)) / 2).epsilon(1e-15));
  const annealing logistic{.shape = course::logistic, .steps = 5000};
  CHECK(logistic.at(2500) == 0.5);
  CHECK(logistic.at(2502) == doctest::Approx(1 / (1 + std::exp(-2.0))).epsilon(1e-15));
  CHECK((logistic.at(0) == 0 && logistic.at(5000) == 1));  // of an exponential of 2500
  const annealing based{.shape = course::linear, .steps = 8, .base = 0.5};
  CHECK((based.at(0) == 0.5 && based.at(4) == 0.75 && based.at(8) == 1 && based.at(100) == 1 && based.at(-3) == 0.5));
  const annealing again{.shape = course::linear, .steps = 8, .cyclical = true};
  CHECK((again.at(7) == 0.875 && again.at(8) == 0 && again.at(18) == 0.25));
  CHECK(std::string(annealing{.steps = 0}.check().argument) == "steps");
  CHECK(std::string(annealing{.base = 1.5}.check().argument) == "base");
  CHECK(annealing{}.check().ok());
}
