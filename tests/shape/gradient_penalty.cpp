// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <shape/gradient_penalty.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <string>
#include <type_traits>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::matrix;
using prefer_test::penalty_case;
using prefer_test::penalty_cases;
using prefer_test::squares_of;
using prefer_test::storage;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

// Gradients and inputs of n samples, of which the second has a gradient of 0; what calls on them write.
template <class S>
struct samples {
  std::int64_t n, d;
  matrix<S> g, x, by_g, plus, minus;
  buffer<double> loss, losses, weight, coefficient;
  buffer<bool> mask;

  samples(std::int64_t items, std::int64_t elements, std::int64_t gap = 0)
      : n(items),
        d(elements),
        g(n, d, gap),
        x(n, d, gap),
        by_g(n, d, gap),
        plus(n, d, gap),
        minus(n, d, gap),
        loss(1),
        losses(n),
        weight(n),
        coefficient(n),
        mask(n) {
    prefer_test::noise random(11);
    const double size = 3 / std::sqrt(static_cast<double>(d > 0 ? d : 1));
    g.fill(random, -size, size), x.fill(random, -1, 1);
    for (std::int64_t i = 0; i < n; ++i) weight.set(i, random.uniform(-2, 2)), mask.at(i) = i % 4 != 2;
    for (std::int64_t e = 0; n > 1 && e < d; ++e) g.set(1, e, 0);
  }
  row_response_inputs<gradient_norm, space::host> inputs() {
    return {.rows = {g.read()}, .weight = weight.read(), .mask = mask.read()};
  }
  row_scored_outputs<space::host, input_gradient_gradients<space::host>> outputs() {
    return {.loss = loss.view(), .grad = {by_g.view()}, .losses = losses.view()};
  }
  penalty_difference_inputs<space::host> difference_inputs() {
    return {.gradient = g.read(), .x = x.read(), .weight = weight.read(), .mask = mask.read()};
  }
  penalty_difference_outputs<space::host> difference_outputs() {
    return {plus.view(), minus.view(), coefficient.view()};
  }
  long double selected() {
    long double count = 0;
    for (std::int64_t i = 0; i < n; ++i) count += mask.at(i) ? 1 : 0;
    return count;
  }
  long double weight_of(std::int64_t i) { return mask.at(i) ? static_cast<long double>(weight.get(i)) : 0; }
};

// Roundings of Compute in the norm, of the storage type in what is written.
template <class S>
void near(double got, long double exact, long double size) {
  CHECK(std::fabs(got - exact) <= std::ldexp(64 * size, -storage<compute<S>>::digits) +
                                      std::ldexp(std::fabs(exact), 1 - storage<S>::digits) +
                                      std::ldexp(1.0L, storage<S>::least_exponent));
}

template <class S>
void check_penalty(const penalty_case& c, std::int64_t n, std::int64_t d, std::int64_t gap) {
  samples<S> s(n, d, gap);
  for (isa level : prefer_test::levels()) {
    REQUIRE(evaluate_rows<compute<S>>(cpu{.isa = level}, c.norm, c.penalty, s.inputs(), s.outputs()).ok());
    long double total = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      INFO("sample " << i << " of " << n << " x " << d);
      const long double squares = squares_of(s.g, i), w = s.weight_of(i);
      CHECK(std::fabs(s.losses.get(i) - w * c.value(squares)) <= std::ldexp(400.0L, -storage<compute<S>>::digits));
      total += w * c.value(squares) / s.selected();
      for (std::int64_t e = 0; e < d; ++e) {
        const long double direction = squares > 0 ? s.g.get(i, e) / std::sqrt(squares) : 0;
        near<S>(s.by_g.get(i, e), w / s.selected() * c.by_length(squares) * direction, 10);
      }
    }
    if (n > 0) CHECK(std::fabs(s.loss.get(0) - total) <= std::ldexp(400.0L, -storage<compute<S>>::digits));
    CHECK((s.by_g.memory.intact() && s.losses.intact() && s.loss.intact()));
  }
}

template <class S>
void check_differences(const penalty_case& c, std::int64_t n, std::int64_t d, std::int64_t gap) {
  samples<S> s(n, d, gap);
  const double h = 0.0625;
  for (isa level : prefer_test::levels()) {
    REQUIRE(penalty_differences<compute<S>>(cpu{.isa = level}, c.norm, c.penalty, h, s.difference_inputs(),
                                            s.difference_outputs())
                .ok());
    for (std::int64_t i = 0; i < n; ++i) {
      INFO("sample " << i << " of " << n << " x " << d);
      const long double squares = squares_of(s.g, i), w = s.weight_of(i);
      const long double exact = w / s.selected() * c.by_length(squares) / (2 * h);
      CHECK(std::fabs(s.coefficient.get(i) - exact) <= std::ldexp(4000.0L, -storage<compute<S>>::digits));
      for (std::int64_t e = 0; e < d; ++e) {
        const long double move = squares > 0 ? h * s.g.get(i, e) / std::sqrt(squares) : 0;
        near<S>(s.plus.get(i, e), s.mask.at(i) ? s.x.get(i, e) + move : 0, 1);
        near<S>(s.minus.get(i, e), s.mask.at(i) ? s.x.get(i, e) - move : 0, 1);
      }
    }
    CHECK((s.plus.memory.intact() && s.minus.memory.intact() && s.coefficient.intact()));
  }
}

template <class S>
void check_all() {
  for (const penalty_case& c : penalty_cases())
    for (std::int64_t d : {1, 7, 17, 70})
      check_penalty<S>(c, 5, d, d % 2 * 3), check_differences<S>(c, 5, d, d % 2 * 3);
  for (std::int64_t n : {0, 1, 3})
    for (std::int64_t d : {0, 600}) check_penalty<S>({}, n, d, 1), check_differences<S>({}, n, d, 1);
  covers<S>("gradient_penalty", "sizes");
}

// A model with two parameters and a gradient that is known: D(x) = a (x1^2 + x1 x2) / 2 + b x2.
struct toy {
  double a, b;
  double value(const double* x) const { return a * (x[0] * x[0] + x[0] * x[1]) / 2 + b * x[1]; }
  void by_input(const double* x, double* g) const { g[0] = a * (x[0] + x[1] / 2), g[1] = a * x[0] / 2 + b; }
  std::array<double, 2> by_parameters(const double* x) const { return {(x[0] * x[0] + x[0] * x[1]) / 2, x[1]}; }
};

const double places[] = {0.5, -1, 2, 0.25, -1.5, 1, 0.1, 0.2};

// The penalty of the toy at four places.
double penalty_of(const toy& model, const penalty_case& c) {
  double g[8], value = 0;
  for (int i = 0; i < 4; ++i) model.by_input(places + 2 * i, g + 2 * i);
  check(evaluate_rows<double>(cpu{}, c.norm, c.penalty, {.rows = {{g, 4, 2}}}, {.loss = {&value, 1}}));
  return value;
}

}  // namespace

TEST_CASE("the penalty, its gradient and its difference points are the textbook's, for every size and storage type") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("a hand-worked batch: two-sided pulls short gradients up, one-sided leaves them, zero is stuck or free") {
  const double g[] = {3, 4, 0.3, 0.4, 0, 0};
  double losses[3], by_g[6];
  const auto call = [&](const gradient_penalty& p) {
    check(evaluate_rows<double>(cpu{}, gradient_norm{}, p, {.rows = {{g, 3, 2}}, .normalizer = 1.0},
                                {.grad = {{by_g, 3, 2}}, .losses = {losses, 3}}));
  };
  call({.target = 1.0, .coefficient = 10.0});
  CHECK((losses[0] == 160 && losses[1] == 2.5 && losses[2] == 10));
  CHECK(by_g[0] == doctest::Approx(2 * 10 * 4 * 0.6).epsilon(1e-15));
  CHECK(by_g[3] == doctest::Approx(2 * 10 * -0.5 * 0.8).epsilon(1e-15));
  CHECK((by_g[4] == 0 && by_g[5] == 0));
  call({.target = 1.0, .coefficient = 10.0, .one_sided = true});
  CHECK((losses[0] == 160 && losses[1] == 0 && losses[2] == 0));
  for (int k = 2; k < 6; ++k) CHECK(by_g[k] == 0);
  // The norm alone is a score like any other.
  check(evaluate_rows<double>(cpu{}, gradient_norm{}, gradient_penalty{.target = 0.0, .coefficient = 1.0},
                              {.rows = {{g, 3, 2}}}, {.losses = {losses, 3}}));
  CHECK((losses[0] == 25 && losses[1] == 0.25 && losses[2] == 0));
}

TEST_CASE(
    "turning all gradients changes no value and turns their gradient along; infinities and NaN stay in their row") {
  const double c = 0.6, s = 0.8, inf = HUGE_VAL;
  const double g[] = {1.5, -0.5, 0.25, 2, inf, 1, std::nan(""), 1};
  double turned[8], losses[2][4], by_g[2][8];
  for (int i = 0; i < 8; i += 2) turned[i] = c * g[i] - s * g[i + 1], turned[i + 1] = s * g[i] + c * g[i + 1];
  for (int k : {0, 1})
    check(evaluate_rows<double>(cpu{}, gradient_norm{}, gradient_penalty{}, {.rows = {{k == 0 ? g : turned, 4, 2}}},
                                {.grad = {{by_g[k], 4, 2}}, .losses = {losses[k], 4}}));
  for (int i : {0, 2}) {
    CHECK(losses[1][i / 2] == doctest::Approx(losses[0][i / 2]).epsilon(1e-14));
    CHECK(by_g[1][i] == doctest::Approx(c * by_g[0][i] - s * by_g[0][i + 1]).epsilon(1e-14));
    CHECK(by_g[1][i + 1] == doctest::Approx(s * by_g[0][i] + c * by_g[0][i + 1]).epsilon(1e-14));
  }
  CHECK((losses[0][2] == inf && std::isnan(losses[0][3])));
  check(evaluate_rows<double>(cpu{}, gradient_norm{}, gradient_penalty{.one_sided = true}, {.rows = {{g, 4, 2}}},
                              {.losses = {losses[1], 4}}));
  CHECK((losses[1][2] == inf && std::isnan(losses[1][3])));
  covers("gradient_penalty", "identity");
}

TEST_CASE(
    "differences at the points give the penalty's gradient by the parameters, to rounding for a quadratic model") {
  const toy model{1.25, -0.75};
  double g[8], plus[8], minus[8], coefficient[4], norm[4], losses[4];
  for (int i = 0; i < 4; ++i) model.by_input(places + 2 * i, g + 2 * i);
  for (const penalty_case& c : penalty_cases()) {
    check(penalty_differences<double>(cpu{}, c.norm, c.penalty, 0.125, {.gradient = {g, 4, 2}, .x = {places, 4, 2}},
                                      {{plus, 4, 2}, {minus, 4, 2}, {coefficient, 4}, {norm, 4}, {losses, 4}}));
    for (int i = 0; i < 4; ++i) {
      const long double squares = prefer_test::square(g[2 * i]) + prefer_test::square(g[2 * i + 1]);
      CHECK(norm[i] == doctest::Approx(static_cast<double>(c.norm_of(squares))).epsilon(1e-15));
      CHECK(losses[i] == doctest::Approx(static_cast<double>(c.value(squares))).epsilon(1e-13));
    }
    std::array<double, 2> by{};
    for (int i = 0; i < 4; ++i)
      for (std::size_t k = 0; k < 2; ++k)
        by[k] += coefficient[i] * (model.by_parameters(plus + 2 * i)[k] - model.by_parameters(minus + 2 * i)[k]);
    const double h = 1e-5;
    const double by_a = (penalty_of({model.a + h, model.b}, c) - penalty_of({model.a - h, model.b}, c)) / (2 * h);
    const double by_b = (penalty_of({model.a, model.b + h}, c) - penalty_of({model.a, model.b - h}, c)) / (2 * h);
    CHECK(by[0] == doctest::Approx(by_a).epsilon(1e-8));
    CHECK(by[1] == doctest::Approx(by_b).epsilon(1e-8));
  }
}

TEST_CASE("the same bits for any threads, masked rows unread, nothing allocated") {
  samples<float> s(40, 700);
  const auto bits = [&](const cpu& exec) {
    REQUIRE(evaluate_rows<float>(exec, gradient_norm{}, gradient_penalty{}, s.inputs(), s.outputs()).ok());
    REQUIRE(penalty_differences<float>(exec, {}, {}, 0.5, s.difference_inputs(), s.difference_outputs()).ok());
    std::vector<unsigned char> all = s.by_g.memory.bytes();
    for (const auto* more : {&s.loss.bytes(), &s.coefficient.bytes(), &s.plus.memory.bytes(), &s.minus.memory.bytes()})
      all.insert(all.end(), more->begin(), more->end());
    return all;
  };
  const auto expected = bits(cpu{});
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  for (std::int64_t i = 2; i < 40; i += 4)
    for (std::int64_t e = 0; e < 700; ++e) s.g.set(i, e, std::nan("")), s.x.set(i, e, std::nan(""));
  CHECK(bits(cpu{}) == expected);
  const auto in = s.inputs();
  const auto out = s.outputs();
  const auto difference_in = s.difference_inputs();
  const auto difference_out = s.difference_outputs();
  const long before = prefer_test::allocation_count();
  const status first = evaluate_rows<float>(cpu{}, gradient_norm{}, gradient_penalty{}, in, out);
  const status second = penalty_differences<float>(cpu{}, {}, {}, 0.5, difference_in, difference_out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK((first.ok() && second.ok()));
  for (const char* tag : {"threads", "masked", "allocation"}) covers("gradient_penalty", tag);
}

TEST_CASE("micro-batches with the normaliser of the whole add up to it, gradients accumulate") {
  samples<double> s(6, 5);
  double whole = 0, parts = 0;
  const normalizer all = 6.0;
  check(evaluate_rows<double>(cpu{}, gradient_norm{}, gradient_penalty{}, {.rows = {s.g.read()}, .normalizer = all},
                              {.loss = {&whole, 1}, .grad = {s.by_g.view()}}));
  const double first = s.by_g.get(0, 2);
  for (std::int64_t i : {0, 2, 4})
    check(evaluate_rows<double>(
        cpu{}, gradient_norm{}, gradient_penalty{}, {.rows = {{&s.g.memory.at(s.g.at(i, 0)), 2, 5}}, .normalizer = all},
        {.loss = {&parts, 1}, .grad = {{&s.by_g.memory.at(s.by_g.at(i, 0)), 2, 5}}, .accumulate = true}));
  CHECK(parts == doctest::Approx(whole).epsilon(1e-14));
  CHECK(s.by_g.get(0, 2) == 2 * first);
}

TEST_CASE("what is wrong is named, and nothing is written") {
  samples<float> s(4, 10);
  const auto named = [](const status& got, errc code, const char* argument) {
    INFO(message(got).c_str() << " expected for " << argument);
    CHECK(got.code == code);
    CHECK(std::string(got.argument) == argument);
  };
  const auto penalty = [&](const gradient_norm& norm, const gradient_penalty& p, auto change) {
    auto in = s.inputs();
    auto out = s.outputs();
    change(in, out);
    return evaluate_rows<float>(cpu{}, norm, p, in, out);
  };
  const auto nothing = [](auto&, auto&) {};
  named(penalty({.epsilon = -1.0}, {}, nothing), errc::bad_parameter, "epsilon");
  named(penalty({}, {.target = -1.0}, nothing), errc::bad_parameter, "target");
  named(penalty({}, {.coefficient = HUGE_VAL}, nothing), errc::bad_parameter, "coefficient");
  named(penalty({}, {}, [](auto& in, auto&) { in.rows.gradient = {}; }), errc::missing_input, "rows.gradient");
  named(penalty({}, {}, [](auto&, auto& out) { out.grad.gradient.extent[1] = 9; }), errc::bad_extent, "grad.gradient");
  named(penalty({}, {}, [](auto& in, auto& out) { out.grad.gradient.data = const_cast<void*>(in.rows.gradient.data); }),
        errc::overlap, "grad.gradient");
  const auto differences = [&](const scalar& step, auto change) {
    auto in = s.difference_inputs();
    auto out = s.difference_outputs();
    change(in, out);
    return penalty_differences<float>(cpu{}, {}, {}, step, in, out);
  };
  named(differences(0.0, nothing), errc::bad_parameter, "step");
  named(differences(1.0, [](auto& in, auto&) { in.gradient = {}; }), errc::missing_input, "gradient");
  named(differences(1.0, [](auto& in, auto&) { in.x = {}; }), errc::missing_input, "x");
  named(differences(1.0, [](auto& in, auto&) { in.x.extent[0] = 3; }), errc::bad_extent, "x");
  named(differences(1.0, [](auto& in, auto&) { in.weight.extent[0] = 3; }), errc::bad_extent, "weight");
  named(differences(1.0, [](auto& in, auto&) { in.mask.type = element::f32; }), errc::bad_element, "mask");
  named(differences(1.0, [](auto&, auto& out) { out.plus.extent[1] = 9; }), errc::bad_extent, "plus");
  named(differences(1.0, [](auto&, auto& out) { out.minus = out.plus; }), errc::overlap, "minus");
  named(differences(1.0, [](auto&, auto& out) { out.coefficient.extent[0] = 5; }), errc::bad_extent, "coefficient");
  named(differences(1.0,
                    [](auto&, auto& out) {
                      out.norm = out.coefficient;
                      out.norm.extent[0] = 5;
                    }),
        errc::bad_extent, "norm");
  named(differences(1.0, [](auto&, auto& out) { out.losses = out.coefficient; }), errc::overlap, "losses");
  named(differences(1.0, [](auto&, auto& out) { out = {}; }), errc::missing_output, "outputs");
  const float fine[] = {1, 1}, holed[] = {1, std::nanf("")};
  float to[2] = {7, 7};
  const auto strict = [&](const penalty_difference_inputs<space::host>& in) {
    return penalty_differences<float>(cpu{.content = content::all}, {}, {}, 1, in, {.coefficient = {to, 2}});
  };
  named(strict({{holed, 2, 1}, {fine, 2, 1}}), errc::not_a_number, "gradient");
  named(strict({{fine, 2, 1}, {holed, 2, 1}}), errc::not_a_number, "x");
  named(strict({{fine, 2, 1}, {fine, 2, 1}, {holed, 2}}), errc::not_a_number, "weight");
  CHECK(to[0] == 7);
  CHECK((s.loss.untouched() && s.by_g.memory.untouched() && s.plus.memory.untouched() && s.coefficient.untouched()));
  covers("gradient_penalty", "bad-argument");
}
