// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <loss/latent_sample.hpp>
#include <prefer/core/thread_pool.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <string>
#include <type_traits>

using namespace prefer;
using prefer_test::covers;
using prefer_test::latent_options;
using prefer_test::matrix;
using prefer_test::storage;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

// Mean, log-variance, noise and upstream; the sample and the two gradients.
template <class S>
struct latents {
  std::int64_t n, z;
  std::vector<matrix<S>> in, out;

  latents(std::int64_t rows, std::int64_t dimensions, std::int64_t gap = 0)
      : n(rows), z(dimensions), in(4, matrix<S>(n, z, gap)), out(3, matrix<S>(n, z, gap)) {
    prefer_test::noise random(41);
    for (auto& m : in) m.fill(random, -1.5, 1.5);
  }
  latent_inputs<space::host> inputs(const latent_sample& o) {
    latent_inputs<space::host> x = {.mean = in[0].read()};
    if (!o.mean_only) x.log_variance = in[1].read(), x.noise = in[2].read();
    return x;
  }
  latent_gradient_inputs<space::host> gradient_inputs(const latent_sample& o) {
    const auto x = inputs(o);
    return {x.mean, x.log_variance, x.noise, in[3].read()};
  }
  latent_gradient_outputs<space::host> gradient_outputs(const latent_sample& o) {
    latent_gradient_outputs<space::host> x = {.grad_mean = out[1].view()};
    if (!o.mean_only) x.grad_log_variance = out[2].view();
    return x;
  }
  std::vector<long double> row(std::size_t k, std::int64_t i) {
    std::vector<long double> x;
    for (std::int64_t e = 0; e < z; ++e) x.push_back(in[k].get(i, e));
    return x;
  }
};

template <class S>
void check_rows(const latent_sample& o, std::int64_t n, std::int64_t z, std::int64_t gap) {
  latents<S> l(n, z, gap);
  const auto near = [](double got, long double exact, long double size) {
    CHECK(std::fabs(got - exact) <= std::ldexp(64 * size, -storage<compute<S>>::digits) + 1e-12L * size +
                                        std::ldexp(std::fabs(exact), -storage<S>::digits) +
                                        std::ldexp(1.0L, storage<S>::least_exponent));
  };
  for (isa level : prefer_test::levels()) {
    REQUIRE(sample_latent<compute<S>>(cpu{.isa = level}, o, l.inputs(o), {l.out[0].view()}).ok());
    REQUIRE(sample_latent_gradient<compute<S>>(cpu{.isa = level}, o, l.gradient_inputs(o), l.gradient_outputs(o)).ok());
    for (std::int64_t i = 0; i < n; ++i) {
      const std::vector<long double> x[4] = {l.row(0, i), l.row(1, i), l.row(2, i), l.row(3, i)};
      const auto y = prefer_test::sample_of(o, x[0], x[1], x[2]);
      const auto by_mean = prefer_test::sample_slopes(o, 0, x), by_variance = prefer_test::sample_slopes(o, 1, x);
      long double steep = 1;
      for (long double s : by_mean) steep = std::max(steep, std::fabs(s));
      for (std::int64_t e = 0; e < z; ++e) {
        INFO("element " << e << " of row " << i << " of " << n << " x " << z);
        const auto at = static_cast<std::size_t>(e);
        near(l.out[0].get(i, e), y[at], 2);
        near(l.out[1].get(i, e), by_mean[at], 4 * steep);
        if (!o.mean_only) near(l.out[2].get(i, e), by_variance[at], 4 * steep);
      }
    }
    for (auto& m : l.out) CHECK(m.memory.intact());
  }
}

template <class S>
void check_all() {
  for (const latent_sample& o : latent_options())
    for (std::int64_t z : {1, 7, 16, 17, 70}) check_rows<S>(o, 3, z, z % 2 * 3);
  check_rows<S>({.sphere = true}, 2, 530, 0), check_rows<S>({}, 0, 4, 0), check_rows<S>({}, 3, 0, 0);
  covers<S>("latent_sample", "sizes");
}

}  // namespace

TEST_CASE("samples and their gradients are the definition and its differences: every option, size and storage type") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<half>(); }
  SUBCASE("bfloat16") { check_all<bfloat16>(); }
}

TEST_CASE("on the sphere the norm is the root of the dimensions, gradients are tangent, and nothing has no direction") {
  latents<double> l(3, 9);
  for (std::int64_t e = 0; e < 9; ++e) l.in[0].set(1, e, 0);
  const latent_sample o{.sphere = true, .mean_only = true};
  check(sample_latent<double>(cpu{}, o, l.inputs(o), {l.out[0].view()}));
  check(sample_latent_gradient<double>(cpu{}, o, l.gradient_inputs(o), l.gradient_outputs(o)));
  for (std::int64_t i : {0, 1, 2}) {
    double norm = 0, along = 0;
    for (std::int64_t e = 0; e < 9; ++e)
      norm += l.out[0].get(i, e) * l.out[0].get(i, e), along += l.out[0].get(i, e) * l.out[1].get(i, e);
    CHECK(norm == doctest::Approx(i == 1 ? 0 : 9).epsilon(1e-14));
    CHECK(std::fabs(along) < 1e-13);
    if (i == 1) CHECK(l.out[1].get(i, 4) == 0);
  }
  covers("latent_sample", "identity");
}

TEST_CASE("a clamp stops the gradient outside its limit and not at it; gradients accumulate") {
  const double mean[] = {0.5, 1, -1, 1.5}, zero[] = {0, 0, 0, 0}, up[] = {1, 2, 3, 4};
  double grad[] = {10, 10, 10, 10}, sample[4];
  const latent_sample o{.mean_only = true, .limit = 1.0};
  check(sample_latent<double>(cpu{}, o, {.mean = {mean, 1, 4}}, {{sample, 1, 4}}));
  CHECK((sample[0] == 0.5 && sample[1] == 1 && sample[2] == -1 && sample[3] == 1));
  check(sample_latent_gradient<double>(cpu{}, o, {.mean = {mean, 1, 4}, .upstream = {up, 1, 4}},
                                       {.grad_mean = {grad, 1, 4}, .accumulate = true}));
  CHECK((grad[0] == 11 && grad[1] == 12 && grad[2] == 13 && grad[3] == 10));
  check(sample_latent_gradient<double>(
      cpu{}, {.limit = 1.0},
      {.mean = {zero, 1, 4}, .log_variance = {mean, 1, 4}, .noise = {up, 1, 4}, .upstream = {up, 1, 4}},
      {.grad_log_variance = {grad, 1, 4}}));
  CHECK(grad[1] == doctest::Approx(2 * 2 * std::exp(0.5) / 2).epsilon(1e-15));
  CHECK((grad[3] == 0 && grad[2] > 0));
}

TEST_CASE("latent_sample: the same bits for any threads, nothing allocated, and what is wrong is named") {
  latents<float> l(40, 700);
  const latent_sample o{.sphere = true};
  const auto bits = [&](const cpu& exec) {
    REQUIRE(sample_latent<float>(exec, o, l.inputs(o), {l.out[0].view()}).ok());
    return l.out[0].memory.bytes();
  };
  const auto expected = bits(cpu{});
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(cpu{.pool = pool}) == expected);
  }
  auto in = l.inputs(o);
  auto gradient_in = l.gradient_inputs(o);
  latent_outputs<space::host> out = {l.out[0].view()};
  const long before = prefer_test::allocation_count();
  const status s = sample_latent<float>(cpu{}, o, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  const auto refused = [&](errc code, const char* argument, const latent_sample& options) {
    const status st = sample_latent<float>(cpu{}, options, in, out);
    INFO(message(st).c_str());
    CHECK(st.code == code);
    CHECK(std::string(st.argument) == argument);
  };
  refused(errc::bad_parameter, "limit", {.limit = 0.0});
  refused(errc::unused_input, "log_variance", {.mean_only = true});
  in.noise.extent[1] = 699;
  refused(errc::bad_extent, "noise", o);
  in.noise = {};
  refused(errc::missing_input, "noise", o);
  in = l.inputs(o);
  out.sample.data = const_cast<void*>(in.mean.data);
  refused(errc::overlap, "sample", o);
  out = {};
  refused(errc::missing_output, "outputs", o);
  gradient_in.upstream = {};
  CHECK(std::string(sample_latent_gradient<float>(cpu{}, o, gradient_in, l.gradient_outputs(o)).argument) ==
        "upstream");
  const latent_sample only{.mean_only = true};
  gradient_in = l.gradient_inputs(only);
  CHECK(sample_latent_gradient<float>(cpu{}, only, gradient_in, l.gradient_outputs(o)).code ==
        errc::unavailable_output);
  for (const char* tag : {"threads", "allocation", "bad-argument"}) covers("latent_sample", tag);
}
