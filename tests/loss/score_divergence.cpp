// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/cosine.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/loss/score_divergence.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::differences;
using prefer_test::dot;
using prefer_test::matrix;
using prefer_test::row_of;
using prefer_test::storage;
using prefer_test::vector;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;
const reward_linear value_itself{.slope = 1.0, .offset = 0.0};

// The textbook form: minus the inner product of e with the unit-like vector d'(y).
long double regulariser(const vector& y, const vector& e, long double c) {
  vector slope = y;
  const long double rho = std::sqrt(dot(y, y) + c * c);
  for (long double& x : slope) x /= rho;
  return -dot(slope, e);
}

template <class S>
struct scores {
  std::int64_t n, d;
  matrix<S> y, e, grad_y, grad_e;
  buffer<double> losses, loss, weight;
  buffer<bool> mask;

  scores(std::int64_t items, std::int64_t elements, std::int64_t gap)
      : n(items),
        d(elements),
        y(n, d, gap),
        e(n, d, gap),
        grad_y(n, d, gap),
        grad_e(n, d, gap),
        losses(n),
        loss(1),
        weight(n),
        mask(n) {
    prefer_test::noise random(static_cast<std::uint64_t>(n * d));
    y.fill(random, -1, 1), e.fill(random, -2, 1);
    for (std::int64_t i = 0; i < n; ++i) weight.set(i, random.uniform(-2, 2)), mask.at(i) = i % 4 != 1;
  }
  row_response_inputs<score_divergence, space::host> inputs() {
    return {.rows = {y.read(), e.read()}, .weight = weight.read(), .mask = mask.read(), .normalizer = 1.0};
  }
  row_scored_outputs<space::host, score_row_gradients<space::host>> outputs() {
    return {.loss = loss.view(), .grad = {grad_y.view(), grad_e.view()}, .losses = losses.view()};
  }
};

template <class S>
void check_size(std::int64_t n, std::int64_t d, std::int64_t gap) {
  for (const double c : {0.125, 3.0}) {
    scores<S> x(n, d, gap);
    for (const isa level : prefer_test::levels()) {
      REQUIRE(
          evaluate_rows<compute<S>>(cpu{.isa = level}, score_divergence{.c = c}, value_itself, x.inputs(), x.outputs())
              .ok());
      const long double unit = std::ldexp(1.0L, 6 - storage<compute<S>>::digits);
      for (std::int64_t i = 0; i < n; ++i) {
        INFO("item " << i << " of " << n << " x " << d << ", c " << c);
        const vector y = row_of(x.y, i), e = row_of(x.e, i);
        const long double w = x.mask.at(i) ? static_cast<long double>(x.weight.get(i)) : 0;
        // Relative to what is added up, which may cancel: |e|.
        const long double size = std::fabs(w) * (1 + std::sqrt(dot(e, e)));
        CHECK(std::fabs(x.losses.get(i) - w * regulariser(y, e, c)) <= unit * size);
        const auto check_gradient = [&](matrix<S>& got, const vector& exact, long double scale) {
          for (std::int64_t k = 0; k < d; ++k) {
            const long double g = w * exact[static_cast<std::size_t>(k)];
            CHECK(std::fabs(got.get(i, k) - g) <= unit * size * scale + 1e-9L * size * scale +
                                                      std::ldexp(std::fabs(g), 1 - storage<S>::digits) +
                                                      std::ldexp(1.0L, storage<S>::least_exponent));
          }
        };
        check_gradient(x.grad_y, differences(y, [&](const vector& v) { return regulariser(v, e, c); }), 1 / c);
        check_gradient(x.grad_e, differences(e, [&](const vector& v) { return regulariser(y, v, c); }), 1);
      }
      CHECK((x.grad_y.memory.intact() && x.grad_e.memory.intact() && x.losses.intact()));
    }
  }
}
template <class S>
void check_all() {
  for (const std::int64_t d : {1, 7, 16, 17, 130}) check_size<S>(5, d, 0), check_size<S>(3, d, 3);
  check_size<S>(2, 600, 1);
  check_size<S>(0, 9, 0);
  covers<S>("score_divergence", "sizes");
}

}  // namespace

TEST_CASE("score_divergence: the textbook's value and its gradients by both rows, for every size and storage type") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("score_divergence: the hand-worked example, y = 0, and a large c, which leaves the inner product") {
  const double y[] = {0.3, -0.4, 0, 0, 1, 2}, e[] = {1, 0.5, 5, -7, 3, -1};
  double losses[3], grad_y[6], grad_e[6];
  const auto run = [&](double c) {
    check(evaluate_rows<double>(cpu{}, score_divergence{.c = c}, value_itself,
                                {.rows = {{y, 3, 2}, {e, 3, 2}}, .normalizer = 1.0},
                                {.grad = {{grad_y, 3, 2}, {grad_e, 3, 2}}, .losses = {losses, 3}}));
  };
  run(0.1);
  CHECK(losses[0] == doctest::Approx(-0.196116).epsilon(1e-5));
  CHECK(grad_y[0] == doctest::Approx(-1.734874).epsilon(1e-6));
  CHECK(grad_y[1] == doctest::Approx(-1.282298).epsilon(1e-6));
  // At y = 0 nothing pulls but the residual, by its full size over c.
  CHECK(losses[1] == 0);
  CHECK((grad_y[2] == doctest::Approx(-50).epsilon(1e-15) && grad_y[3] == doctest::Approx(70).epsilon(1e-15)));
  CHECK((grad_e[2] == 0 && grad_e[3] == 0));
  run(1e8);
  CHECK(losses[2] * 1e8 == doctest::Approx(-1).epsilon(1e-14));
  CHECK(
      (grad_y[4] * 1e8 == doctest::Approx(-3).epsilon(1e-14) && grad_e[5] * 1e8 == doctest::Approx(-2).epsilon(1e-14)));
}

TEST_CASE("score_divergence: the same bits for any threads, masked rows unread, nothing allocated, errors named") {
  scores<float> x(40, 700, 0);
  const auto bits = [&](const cpu& exec) {
    REQUIRE(evaluate_rows<float>(exec, score_divergence{}, value_itself, x.inputs(), x.outputs()).ok());
    auto all = x.grad_y.memory.bytes();
    all.insert(all.end(), x.grad_e.memory.bytes().begin(), x.grad_e.memory.bytes().end());
    all.insert(all.end(), x.loss.bytes().begin(), x.loss.bytes().end());
    return all;
  };
  const auto expected = bits(cpu{});
  for (const int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  for (std::int64_t i = 1; i < 40; i += 4)
    for (std::int64_t k = 0; k < 700; ++k) x.y.set(i, k, std::numeric_limits<double>::quiet_NaN());
  CHECK(bits(cpu{}) == expected);
  const auto in = x.inputs();
  const auto out = x.outputs();
  const long before = prefer_test::allocation_count();
  const status s = evaluate_rows<float>(cpu{}, score_divergence{}, value_itself, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());

  scores<float> fresh(4, 10, 0);
  const auto refused = [&](const score_divergence& by, auto change) {
    auto i = fresh.inputs();
    auto o = fresh.outputs();
    change(i, o);
    const status st = evaluate_rows<float>(cpu{}, by, value_itself, i, o);
    CHECK((fresh.losses.untouched() && fresh.grad_y.memory.untouched()));
    return std::string(message(st).c_str()).substr(8);
  };
  CHECK(refused({}, [](auto& i, auto&) { i.rows.residual = {}; }) ==
        "missing input: rows.residual: expected one row per item, since this score reads it");
  CHECK(refused({}, [](auto& i, auto&) { i.rows.residual.extent[1] = 9; }).substr(0, 25) ==
        "bad extent: rows.residual");
  CHECK(refused({}, [](auto&, auto& o) { o.grad.residual = o.grad.divergence; }).substr(0, 22) ==
        "overlap: grad.residual");
  CHECK(refused({.c = 0.0}, [](auto&, auto&) {}) == "bad parameter: c is 0, expected a finite number above 0");
  for (const char* tag : {"threads", "masked", "allocation", "bad-argument"}) covers("score_divergence", tag);
}
