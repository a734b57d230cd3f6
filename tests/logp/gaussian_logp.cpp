// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <logp/gaussian_logp.hpp>
#include <prefer/core/sum_rows.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/logp/denoising_step.hpp>
#include <prefer/loss/reward_feedback.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::compute_of;
using prefer_test::covers;
using prefer_test::density_of;
using prefer_test::element_score;
using prefer_test::log_normal;
using prefer_test::matrix;
using prefer_test::ratio_of;
using prefer_test::storage;
using prefer_test::wide;
using prefer_test::wide_tolerance;

namespace {

const reward_linear itself{.slope = 1.0};

struct density_row {
  long double x, mean, sigma, value, by_x, by_mean, by_sigma, by_log_sigma;
};
const density_row densities[] = {
#include <golden_gaussian_logp.inc>
};
struct ratio_row {
  long double x, mean, sigma, reference_mean, reference_sigma, value, size, by_mean, by_sigma;
};
const ratio_row ratios[] = {
#include <golden_gaussian_log_ratio.inc>
};

template <class T>
long double unit(int bits) {
  return std::ldexp(1.0L, bits - storage<T>::digits);
}

// One item of one element, in T: its score, and its derivatives.
template <class T, std::size_t Arrays, std::size_t Gradients>
struct single {
  T x[Arrays] = {}, slope[Gradients] = {};
  double value = 0;
  view<const T, 2> in(std::size_t k) const { return {&x[k], 1, 1}; }
  view<T, 2> out(std::size_t k) { return {&slope[k], 1, 1}; }
};

template <class T>
void check_density(const density_row& r, isa level) {
  for (bool logs : {false, true}) {
    const T stored = static_cast<T>(logs ? std::log(r.sigma) : r.sigma);
    single<T, 3, 3> c{{static_cast<T>(r.x), static_cast<T>(r.mean), stored}};
    REQUIRE(evaluate_rows<T>(cpu{.isa = level}, gaussian_logp{.log_sigma = logs}, itself,
                             {.rows = {c.in(0), c.in(1), c.in(2)}},
                             {.grad = {c.out(0), c.out(1), c.out(2)}, .losses = {&c.value, 1}})
                .ok());
    // A rounded logarithm moves the density by z^2 - 1 times what it lost.
    const long double z = (r.x - r.mean) / r.sigma;
    const long double lost = logs ? std::fabs(std::log(r.sigma)) * (z * z + 1) : 0;
    CHECK(std::fabs(c.value - r.value) <= unit<T>(3) * (z * z / 2 + std::fabs(std::log(r.sigma)) + 1 + lost));
    CHECK(std::fabs(c.slope[0] - r.by_x) <= unit<T>(3) * (std::fabs(r.by_x) * (1 + 2 * lost)));
    CHECK(std::fabs(c.slope[1] - r.by_mean) <= unit<T>(3) * (std::fabs(r.by_mean) * (1 + 2 * lost)));
    const long double by = logs ? r.by_log_sigma : r.by_sigma;
    CHECK(std::fabs(c.slope[2] - by) <=
          unit<T>(4) * ((z * z + std::fabs(z)) / (logs ? 1 : r.sigma) * (1 + 2 * lost) + std::fabs(by)));
  }
}

template <class T>
void check_ratio(const ratio_row& r, isa level) {
  single<T, 5, 2> c{{static_cast<T>(r.x), static_cast<T>(r.mean), static_cast<T>(r.sigma),
                     static_cast<T>(r.reference_mean), static_cast<T>(r.reference_sigma)}};
  REQUIRE(evaluate_rows<T>(cpu{.isa = level}, gaussian_log_ratio{}, itself,
                           {.rows = {c.in(0), c.in(1), c.in(2), c.in(3), c.in(4)}},
                           {.grad = {c.out(0), c.out(1)}, .losses = {&c.value, 1}})
              .ok());
  INFO("x " << static_cast<double>(r.x) << " gives " << c.value << " is " << static_cast<double>(r.value));
  CHECK(std::fabs(c.value - r.value) <= unit<T>(3) * r.size);
  CHECK(std::fabs(c.slope[0] - r.by_mean) <= unit<T>(3) * std::fabs(r.by_mean));
  const long double z = (r.x - r.mean) / r.sigma;
  CHECK(std::fabs(c.slope[1] - r.by_sigma) <= unit<T>(4) * ((z * z + std::fabs(z)) / r.sigma + std::fabs(r.by_sigma)));
}

template <class T>
void check_golden() {
  for (isa level : prefer_test::levels()) {
    for (const density_row& r : densities) check_density<T>(r, level);
    for (const ratio_row& r : ratios) check_ratio<T>(r, level);
  }
}

// Rows of both scores, and room for their gradients.
template <class S>
struct gaussians {
  std::int64_t n, d;
  std::vector<matrix<S>> in, grad;
  buffer<double> losses, loss, weight;
  buffer<bool> mask;

  gaussians(std::int64_t items, std::int64_t elements, std::int64_t gap = 0)
      : n(items),
        d(elements),
        in(5, matrix<S>(n, d, gap)),
        grad(3, matrix<S>(n, d, gap)),
        losses(n),
        loss(1),
        weight(n),
        mask(n) {
    prefer_test::noise random(17);
    for (std::size_t k : {0u, 1u, 3u}) in[k].fill(random, -2, 2);
    for (std::size_t k : {2u, 4u}) in[k].fill(random, 0.5, 2);
    for (std::int64_t i = 0; i < n; ++i) weight.set(i, random.uniform(-2, 2)), mask.at(i) = i % 4 != 1;
  }
  row_response_inputs<gaussian_logp, space::host> density() {
    return {.rows = {in[0].read(), in[1].read(), in[2].read()},
            .weight = weight.read(),
            .mask = mask.read(),
            .normalizer = 1.0};
  }
  row_scored_outputs<space::host, gaussian_density_gradients<space::host>> density_outputs() {
    return {.loss = loss.view(), .grad = {grad[0].view(), grad[1].view(), grad[2].view()}, .losses = losses.view()};
  }
  row_response_inputs<gaussian_log_ratio, space::host> ratio() {
    return {.rows = {in[0].read(), in[1].read(), in[2].read(), in[3].read(), in[4].read()},
            .weight = weight.read(),
            .mask = mask.read(),
            .normalizer = 1.0};
  }
  row_scored_outputs<space::host, gaussian_ratio_gradients<space::host>> ratio_outputs() {
    return {.loss = loss.view(), .grad = {grad[0].view(), grad[1].view()}, .losses = losses.view()};
  }
};

template <class S>
void check_rows(gaussians<S>& g, element_score score, const std::vector<std::size_t>& by, long double scale) {
  using T = compute_of<S>;
  long double total = 0;
  for (std::int64_t i = 0; i < g.n; ++i) {
    INFO("item " << i << " of " << g.n << " x " << g.d);
    const long double w = g.mask.at(i) ? scale * g.weight.get(i) : 0;
    long double value = 0, size = 0;
    for (std::int64_t e = 0; e < g.d; ++e) {
      long double x[5];
      for (std::size_t k = 0; k < 5; ++k) x[k] = g.in[k].get(i, e);
      value += score(x), size += std::fabs(score(x)) + 4;
      for (std::size_t m = 0; m < by.size(); ++m) {
        const long double slope = prefer_test::slope_of(score, x, by[m]);
        CHECK(std::fabs(g.grad[m].get(i, e) - w * slope) <=
              std::fabs(w) * ((std::fabs(slope) + 20) * unit<T>(5) + 1e-6L) +
                  std::ldexp(std::fabs(w * slope), -storage<S>::digits) + std::ldexp(1.0L, storage<S>::least_exponent));
      }
    }
    CHECK(std::fabs(g.losses.get(i) - w * value) <= std::fabs(w) * size * unit<T>(5));
    total += g.losses.get(i);
  }
  CHECK(std::fabs(g.loss.get(0) - total) <= 1e-12L * (1 + std::fabs(total)));
  for (auto& m : g.grad) CHECK(m.memory.intact());
}

template <class S>
void check_sizes() {
  for (std::int64_t d : {1, 7, 16, 17, 513}) {
    gaussians<S> g(d == 513 ? 2 : 5, d, d % 3);
    const bool mean = d == 17;
    const long double scale = mean ? 1.0L / 17 : 1;
    REQUIRE(evaluate_rows<compute_of<S>>(cpu{}, gaussian_logp{.mean = mean}, itself, g.density(), g.density_outputs())
                .ok());
    check_rows(g, density_of, {0, 1, 2}, scale);
    REQUIRE(evaluate_rows<compute_of<S>>(cpu{}, gaussian_log_ratio{.mean = mean}, itself, g.ratio(), g.ratio_outputs())
                .ok());
    check_rows(g, ratio_of, {1, 2}, scale);
  }
  covers<S>("gaussian_logp", "sizes"), covers<S>("gaussian_log_ratio", "sizes");
}

}  // namespace

TEST_CASE("gaussian_logp: densities, log-ratios and their derivatives at 50 digits, deep tails included") {
  check_golden<float>();
  check_golden<wide>();
}

TEST_CASE("gaussian_logp: rows of every length and storage type agree with the textbook and its differences") {
  SUBCASE("float") { check_sizes<float>(); }
  SUBCASE("double") { check_sizes<wide>(); }
  SUBCASE("half") { check_sizes<half>(); }
  SUBCASE("bfloat16") { check_sizes<bfloat16>(); }
}

TEST_CASE("gaussian_logp: one sigma, one per item and one per element are strides; their gradients are sums of rows") {
  constexpr std::int64_t n = 3, d = 5;
  gaussians<wide> g(n, d);
  const double one[] = {0.7}, per_item[] = {0.5, 1, 2}, per_element[] = {1, 2, 3, 0.5, 0.25};
  double filled[n * d], grad[n * d], losses[n], expected[n];
  const struct {
    view<const double, 2> sigma;
    std::int64_t row, stride;
  } shared[] = {{{one, n, d, 0, 0}, 0, 0}, {{per_item, n, d, 1, 0}, 1, 0}, {{per_element, n, d, 0, 1}, 0, 1}};
  for (const auto& s : shared) {
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t e = 0; e < d; ++e) filled[i * d + e] = s.sigma.data[i * s.row + e * s.stride];
    const auto run = [&](view<const double, 2> sigma, double* out) {
      check(evaluate_rows<wide>(cpu{}, gaussian_logp{}, itself,
                                {.rows = {g.in[0].read(), g.in[1].read(), sigma}, .normalizer = 1.0},
                                {.grad = {.sigma = {grad, n, d}}, .losses = {out, n}}));
    };
    run({filled, n, d}, expected), run(s.sigma, losses);
    for (std::size_t i = 0; i < n; ++i) CHECK(losses[i] == expected[i]);
  }
  double by_element[d], by_item[n];
  check(sum_rows(cpu{}, {grad, n, d}, {by_element, d}));
  check(sum_rows(cpu{}, {grad, d, n, 1, d}, {by_item, n}));
  double sum = 0, other = 0;
  for (double x : by_element) sum += x;
  for (double x : by_item) other += x;
  CHECK(sum == doctest::Approx(other).epsilon(wide_tolerance(1e-13)));
  CHECK(by_item[1] == doctest::Approx(grad[5] + grad[6] + grad[7] + grad[8] + grad[9]).epsilon(wide_tolerance(1e-14)));
}

TEST_CASE(
    "gaussian_log_ratio: a policy near its reference keeps its digits; equal ones are 0; logs or not, one sigma or "
    "two") {
  constexpr std::int64_t n = 1, d = 64;
  for (float step : {1e-2f, 1e-4f, 1e-6f}) {
    gaussians<float> g(n, d);
    long double exact = 0, size = 0;
    for (std::int64_t e = 0; e < d; ++e) {
      g.in[3].set(0, e, g.in[1].get(0, e) + step * std::sin(static_cast<double>(e)));
      g.in[4].set(0, e, g.in[2].get(0, e) * (1 + step * std::cos(3.0 * static_cast<double>(e))));
      long double x[5];
      for (std::size_t k = 0; k < 5; ++k) x[k] = g.in[k].get(0, e);
      exact += ratio_of(x), size += std::fabs(ratio_of(x));
    }
    auto in = g.ratio();
    in.weight = {}, in.mask = {};
    REQUIRE(evaluate_rows<float>(cpu{}, gaussian_log_ratio{}, itself, in, g.ratio_outputs()).ok());
    CHECK(std::fabs(g.losses.get(0) - exact) <= 1e-5L * size);
    in.rows.reference_mean = in.rows.mean, in.rows.reference_sigma = in.rows.sigma;
    REQUIRE(evaluate_rows<float>(cpu{}, gaussian_log_ratio{}, itself, in, g.ratio_outputs()).ok());
    CHECK(g.losses.get(0) == 0);
  }
  gaussians<wide> g(4, 9), logs(4, 9);
  for (std::size_t k : {2u, 4u})
    for (std::int64_t i = 0; i < 4; ++i)
      for (std::int64_t e = 0; e < 9; ++e) logs.in[k].set(i, e, std::log(g.in[k].get(i, e)));
  REQUIRE(evaluate_rows<wide>(cpu{}, gaussian_log_ratio{}, itself, g.ratio(), g.ratio_outputs()).ok());
  REQUIRE(evaluate_rows<wide>(cpu{}, gaussian_log_ratio{.log_sigma = true}, itself, logs.ratio(), logs.ratio_outputs())
              .ok());
  for (std::int64_t i = 0; i < 4; ++i) {
    CHECK(g.losses.get(i) == doctest::Approx(logs.losses.get(i)).epsilon(wide_tolerance(1e-13)));
    for (std::int64_t e = 0; e < 9; ++e)
      CHECK(g.grad[1].get(i, e) * g.in[2].get(i, e) ==
            doctest::Approx(logs.grad[1].get(i, e)).epsilon(wide_tolerance(1e-12)).scale(1e-2));
  }
  // One sigma: the other's, and the derivative of both.
  auto in = g.ratio();
  in.rows.reference_sigma = {};
  for (bool log_sigma : {false, true}) {
    auto& from = log_sigma ? logs : g;
    in.rows.sigma = from.in[2].read();
    const gaussian_log_ratio score{.log_sigma = log_sigma, .one_sigma = true};
    REQUIRE(evaluate_rows<wide>(cpu{}, score, itself, in, from.ratio_outputs()).ok());
    const auto both = [](const long double(&x)[5]) {
      return log_normal(x[0], x[1], x[2]) - log_normal(x[0], x[3], x[2]);
    };
    if (!log_sigma) check_rows(g, both, {1, 2}, 1);
  }
  for (std::int64_t i = 0; i < 4; ++i)
    CHECK(g.losses.get(i) == doctest::Approx(logs.losses.get(i)).epsilon(wide_tolerance(1e-13)));
}

TEST_CASE("gaussian_log_ratio: steps given by their means are those of denoising_step") {
  constexpr std::int64_t n = 2, d = 11;
  std::vector<matrix<wide>> m(8, matrix<wide>(n, d, 0));  // state, next, prediction, reference; the means; gradients
  prefer_test::noise random(41);
  for (std::size_t k = 0; k < 4; ++k) m[k].fill(random, -1, 1);
  const double state = 0.9, by_noise = -0.3, sigma = 0.2;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t e = 0; e < d; ++e)
      for (std::size_t k : {2u, 3u}) m[k + 2].set(i, e, state * m[0].get(i, e) + by_noise * m[k].get(i, e));
  double steps[n], means[n];
  const view<const double, 2> width(&sigma, n, d, 0, 0);
  check(evaluate_rows<wide>(cpu{}, denoising_step{}, itself,
                            {.rows = {m[0].read(), m[1].read(), m[2].read(), m[3].read()},
                             .step = {{&state, n, 0}, {&by_noise, n, 0}, {&sigma, n, 0}}},
                            {.grad = {.prediction = m[6].view()}, .losses = {steps, n}}));
  const gaussian_log_ratio score{.one_sigma = true, .mean = true};
  check(evaluate_rows<wide>(cpu{}, score, itself, {.rows = {m[1].read(), m[4].read(), width, m[5].read()}},
                            {.grad = {.mean = m[7].view()}, .losses = {means, n}}));
  for (std::int64_t i = 0; i < n; ++i) {
    CHECK(steps[i] == doctest::Approx(means[i]).epsilon(wide_tolerance(1e-12)));
    for (std::int64_t e = 0; e < d; ++e)
      CHECK(m[6].get(i, e) == doctest::Approx(by_noise * m[7].get(i, e)).epsilon(wide_tolerance(1e-12)));
  }
}

TEST_CASE("gaussian_logp: the same bits for any threads, masked rows unread, nothing allocated") {
  gaussians<float> g(40, 700);
  const auto bits = [&](const cpu& exec) {
    std::vector<unsigned char> all;
    const auto add = [&] {
      for (auto& m : g.grad) all.insert(all.end(), m.memory.bytes().begin(), m.memory.bytes().end());
      all.insert(all.end(), g.losses.bytes().begin(), g.losses.bytes().end());
    };
    REQUIRE(evaluate_rows<float>(exec, gaussian_logp{}, itself, g.density(), g.density_outputs()).ok());
    add();
    REQUIRE(evaluate_rows<float>(exec, gaussian_log_ratio{}, itself, g.ratio(), g.ratio_outputs()).ok());
    add();
    return all;
  };
  const auto expected = bits(cpu{});
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  for (auto& m : g.in)
    for (std::int64_t i = 1; i < 40; i += 4)
      for (std::int64_t e = 0; e < 700; ++e) m.set(i, e, std::numeric_limits<double>::quiet_NaN());
  CHECK(bits(cpu{}) == expected);
  const auto in = g.density();
  const auto out = g.density_outputs();
  const auto ratio = g.ratio();
  const auto ratio_out = g.ratio_outputs();
  const long before = prefer_test::allocation_count();
  const status first = evaluate_rows<float>(cpu{}, gaussian_logp{}, itself, in, out);
  const status second = evaluate_rows<float>(cpu{}, gaussian_log_ratio{}, itself, ratio, ratio_out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK((first.ok() && second.ok()));
  for (const char* name : {"gaussian_logp", "gaussian_log_ratio"})
    for (const char* tag : {"threads", "masked", "allocation"}) covers(name, tag);
}

TEST_CASE("gaussian_logp: what is wrong is named, and nothing is written; a sigma below 0 is NaN in its item alone") {
  gaussians<wide> g(4, 10);
  const auto named = [](const status& s, errc code, const char* argument) {
    INFO(message(s).c_str() << " expected for " << argument);
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const auto density = [&](auto change) {
    auto in = g.density();
    auto out = g.density_outputs();
    change(in, out);
    return evaluate_rows<wide>(cpu{}, gaussian_logp{}, itself, in, out);
  };
  named(density([](auto& in, auto&) { in.rows.sigma = {}; }), errc::missing_input, "rows.sigma");
  named(density([](auto& in, auto&) { in.rows.mean.extent[1] = 9; }), errc::bad_extent, "rows.mean");
  named(density([](auto&, auto& out) { out.grad.sigma.stride[0] = 9; }), errc::bad_stride, "grad.sigma");
  named(density([](auto&, auto& out) { out.grad.x = out.grad.mean; }), errc::overlap, "grad.mean");
  const auto ratio = [&](const gaussian_log_ratio& score, auto change) {
    auto in = g.ratio();
    auto out = g.ratio_outputs();
    change(in, out);
    return evaluate_rows<wide>(cpu{}, score, itself, in, out);
  };
  named(ratio({}, [](auto& in, auto&) { in.rows.reference_sigma = {}; }), errc::missing_input, "rows.reference_sigma");
  named(ratio({.one_sigma = true}, [](auto&, auto&) {}), errc::unused_input, "rows.reference_sigma");
  named(ratio({}, [](auto&, auto& out) { out = {}; }), errc::missing_output, "outputs");
  CHECK((g.losses.untouched() && g.grad[0].memory.untouched() && g.grad[2].memory.untouched()));
  g.in[2].set(2, 3, -1);
  check(density([](auto&, auto&) {}));
  CHECK((std::isnan(g.losses.get(2)) && std::isfinite(g.losses.get(0)) && std::isfinite(g.losses.get(3))));
  covers("gaussian_logp", "bad-argument"), covers("gaussian_log_ratio", "bad-argument");
}
