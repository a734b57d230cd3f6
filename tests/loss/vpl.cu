// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/sum_rows.cuh>
#include <prefer/loss/gaussian_kl.cuh>
#include <prefer/loss/latent_sample.cuh>
#include <loss/latent_sample.hpp>
#include <support/coverage.hpp>
#include <support/row_call.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::device;
using prefer_test::latent_options;
using prefer_test::rows_on_both;
using prefer_test::storage;
using prefer_test::stream;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

// CUDA against the CPU: a few roundings of the compute type, and one of the storage type.
template <class S>
void check_gradients(rows_on_both<S>& r, std::size_t count, double size) {
  for (std::size_t g = 0; g < count; ++g) {
    r.dgrad[g]->fetch();
    for (std::int64_t i = 0; i < r.n; ++i)
      for (std::int64_t e = 0; e < r.d; ++e)
        CHECK(std::fabs(r.grad[g].get(i, e) - r.expected[g].get(i, e)) <=
              std::ldexp(std::fabs(r.expected[g].get(i, e)), 1 - storage<S>::digits) +
                  std::ldexp(64 * size, -storage<compute<S>>::digits) + std::ldexp(1.0, storage<S>::least_exponent));
    CHECK(r.grad[g].memory.intact());
  }
}

template <class S>
void check_divergence(std::int64_t n, std::int64_t z, std::int64_t gap) {
  stream s;
  rows_on_both<S> r(4, n, z, gap);
  buffer<bool> mask(n);
  for (std::int64_t i = 0; i < n; ++i) {
    mask.at(i) = i % 3 != 1;
    for (std::int64_t e = 0; !mask.at(i) && e < z; ++e) r.in[1].set(i, e, std::numeric_limits<double>::quiet_NaN());
  }
  r.din[1]->send();
  buffer<double> losses(n), host_losses(n);
  device<bool> dmask(mask);
  device<double> dlosses(losses);
  const reward_linear objective{.slope = 0.25};
  check(evaluate_rows<compute<S>>(
      cpu{}, gaussian_kl{}, objective,
      {.rows = {r.in[0].read(), r.in[1].read(), r.in[2].read(), r.in[3].read()},
       .mask = mask.read(),
       .normalizer = 1.0},
      {.grad = {r.expected[0].view(), r.expected[1].view(), r.expected[2].view(), r.expected[3].view()},
       .losses = host_losses.view()}));
  const prefer_test::device_workspace memory(evaluate_rows_workspace(objective, n));
  prefer_test::enqueues_only("divergence", 1, [&] {
    check(evaluate_rows<compute<S>>(
        cuda{.stream = s.handle, .workspace = memory.get()}, gaussian_kl{}, objective,
        {.rows = {r.read(0), r.read(1), r.read(2), r.read(3)}, .mask = dmask.read(), .normalizer = 1.0},
        {.grad = {r.write(0), r.write(1), r.write(2), r.write(3)}, .losses = dlosses.view()}));
  });
  s.wait();
  dlosses.fetch();
  for (std::int64_t i = 0; i < n; ++i)
    CHECK(losses.get(i) == doctest::Approx(host_losses.get(i)).epsilon(std::ldexp(64.0, -storage<compute<S>>::digits)));
  check_gradients(r, 4, 8);
  covers<S>("gaussian_kl", "sizes");
  for (const char* tag : {"masked", "allocation"}) covers("gaussian_kl", tag);
}

// Sample and gradients on either side; what(k) and where(g) are inputs and outputs by number.
template <class S, class Exec, class What, class Where>
void sample_both(const Exec& exec, const latent_sample& o, What what, Where where) {
  latent_inputs<Exec::memory> in = {.mean = what(0)};
  latent_gradient_outputs<Exec::memory> grad = {.grad_mean = where(1)};
  if (!o.mean_only) in.log_variance = what(1), in.noise = what(2), grad.grad_log_variance = where(2);
  check(sample_latent<compute<S>>(exec, o, in, {where(0)}));
  check(sample_latent_gradient<compute<S>>(exec, o, {in.mean, in.log_variance, in.noise, what(3)}, grad));
}

template <class S>
void check_samples(std::int64_t n, std::int64_t z, std::int64_t gap) {
  stream s;
  const prefer_test::device_workspace memory(sample_latent_workspace(n));
  for (const latent_sample& o : latent_options()) {
    rows_on_both<S> r(4, n, z, gap);
    sample_both<S>(
        cpu{}, o, [&](std::size_t k) { return r.in[k].read(); }, [&](std::size_t g) { return r.expected[g].view(); });
    prefer_test::enqueues_only("latent", 2, [&] {
      sample_both<S>(
          cuda{.stream = s.handle, .workspace = memory.get()}, o, [&](std::size_t k) { return r.read(k); },
          [&](std::size_t g) { return r.write(g); });
    });
    s.wait();
    check_gradients(r, o.mean_only ? 2 : 3, 8);
  }
  covers<S>("latent_sample", "sizes");
  covers("latent_sample", "allocation");
}

template <class S>
void check_sums(std::int64_t n, std::int64_t d) {
  stream s;
  rows_on_both<S> r(1, n, d, 1);
  buffer<double> sum(d, 2), expected(d, 2);
  device<double> dsum(sum);
  check(sum_rows(cpu{}, r.in[0].read(), expected.view()));
  prefer_test::enqueues_only("sums", 1, [&] { check(sum_rows(cuda{s.handle}, r.read(0), dsum.view())); });
  s.wait();
  dsum.fetch();
  CHECK(sum.values() == expected.values());  // the same order of the same numbers
  CHECK(sum.intact());
  covers<S>("sum_rows", "sizes");
  covers("sum_rows", "allocation");
}

}  // namespace

TEST_CASE("the Gaussian divergence on CUDA as on the CPU, in one launch, masked rows not read") {
  for (std::int64_t z : {1, 31, 257, 600}) check_divergence<float>(5, z, 0), check_divergence<double>(4, z, 2);
  check_divergence<half>(5, 100, 1), check_divergence<bfloat16>(5, 100, 1);
}

TEST_CASE("latent samples and their gradients on CUDA as on the CPU, a launch each") {
  for (std::int64_t z : {1, 31, 257}) check_samples<float>(3, z, 0), check_samples<double>(2, z, 2);
  check_samples<half>(3, 100, 1), check_samples<bfloat16>(3, 100, 1);
}

TEST_CASE("sums of rows on CUDA have the bits of the CPU") {
  for (std::int64_t d : {1, 255, 257}) check_sums<double>(7, d), check_sums<float>(6, d);
  check_sums<half>(5, 30), check_sums<bfloat16>(5, 30);
}

TEST_CASE("a step of VPL is captured and replayed with another weight and noise; errors are named") {
  stream s;
  constexpr std::int64_t n = 3, z = 40;
  rows_on_both<float> r(4, n, z, 0);
  buffer<double> beta(1), loss(1), sum(z), expected(z);
  device<double> dbeta(beta), dloss(loss), dsum(sum);
  const prefer_test::device_workspace memory(sample_latent_workspace(n));
  const cuda exec{.stream = s.handle, .workspace = memory.get()};
  const reward_linear objective{.slope = dbeta.data()};
  const row_response_inputs<gaussian_kl, space::device> in = {.rows = {.mean = r.read(0), .log_variance = r.read(1)},
                                                              .normalizer = 1.0};
  const row_scored_outputs<space::device, gaussian_gradients<space::device>> out = {.loss = dloss.view(),
                                                                                    .grad = {.mean = r.write(0)}};
  const gaussian_kl standard{.standard_prior = true};
  const latent_inputs<space::device> latent = {r.read(0), r.read(1), r.read(2)};
  const auto graph = prefer_test::capture(s.handle, [&] {
    check(evaluate_rows<float>(exec, standard, objective, in, out));
    check(sum_rows(exec, view<const float, 2, space::device>(r.read(0)), dsum.view()));
    check(sample_latent<float>(exec, {.sphere = true}, latent, {r.write(1)}));
  });
  for (double x : {0.25, 2.0}) {
    beta.set(0, x), dbeta.send();
    for (std::int64_t e = 0; e < z; ++e) r.in[2].set(1, e, x * std::cos(static_cast<double>(e)));
    r.din[2]->send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    dloss.fetch(), dsum.fetch();
    double value = 0;
    check(evaluate_rows<float>(cpu{}, standard, reward_linear{.slope = x},
                               {.rows = {.mean = r.in[0].read(), .log_variance = r.in[1].read()}, .normalizer = 1.0},
                               {.loss = {&value, 1}, .grad = {.mean = r.expected[0].view()}}));
    check(sum_rows(cpu{}, r.in[0].read(), expected.view()));
    check(sample_latent<float>(cpu{}, {.sphere = true}, {r.in[0].read(), r.in[1].read(), r.in[2].read()},
                               {r.expected[1].view()}));
    CHECK(loss.get(0) == doctest::Approx(value).epsilon(1e-5));
    CHECK(sum.values() == expected.values());
    check_gradients(r, 2, 8);
  }
  cudaGraphExecDestroy(graph);
  auto odd = latent;
  odd.noise.extent[1] = 39;
  const status st = sample_latent<float>(exec, {}, odd, {r.write(1)});
  CHECK((st.code == errc::bad_extent && std::string(st.argument) == "noise"));
  auto unread = in;
  unread.rows.prior_mean = r.read(2);
  CHECK(std::string(evaluate_rows<float>(exec, standard, objective, unread, out).argument) == "rows.prior_mean");
  CHECK(sum_rows(exec, view<const float, 2, space::device>(r.read(0)), {}).code == errc::missing_output);
  for (const char* name : {"gaussian_kl", "latent_sample", "sum_rows"})
    for (const char* tag : {"capture", "bad-argument"}) covers(name, tag);
}
