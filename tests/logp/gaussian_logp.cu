// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <logp/gaussian_logp.hpp>
#include <prefer/logp/gaussian_logp.cuh>
#include <prefer/loss/reward_feedback.cuh>
#include <support/coverage.hpp>
#include <support/row_call.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::compute_of;
using prefer_test::covers;
using prefer_test::device;
using prefer_test::element_score;
using prefer_test::rows_on_both;
using prefer_test::storage;
using prefer_test::stream;

namespace {

const reward_linear itself{.slope = 1.0};

template <class S>
void make_sigmas_positive(rows_on_both<S>& r) {
  for (std::size_t k : {2u, 4u}) {
    for (std::int64_t i = 0; i < r.n; ++i)
      for (std::int64_t e = 0; e < r.d; ++e) r.in[k].set(i, e, 1 + 0.5 * r.in[k].get(i, e));
    r.din[k]->send();
  }
}

// Scores and gradients against the textbook of the elements and its differences.
template <class S>
void check_answers(rows_on_both<S>& r, buffer<double>& losses, buffer<bool>& mask, element_score score,
                   const std::vector<std::size_t>& by) {
  const long double unit = std::ldexp(1.0L, 6 - storage<compute_of<S>>::digits);
  for (std::size_t m = 0; m < by.size(); ++m) r.dgrad[m]->fetch();
  for (std::int64_t i = 0; i < r.n; ++i) {
    INFO("item " << i << " of " << r.n << " x " << r.d);
    long double value = 0;
    for (std::int64_t e = 0; e < r.d; ++e) {
      long double x[5];
      for (std::size_t k = 0; k < 5; ++k) x[k] = r.in[k].get(i, e);
      if (mask.at(i)) value += score(x);
      for (std::size_t m = 0; m < by.size(); ++m) {
        const long double slope = mask.at(i) ? prefer_test::slope_of(score, x, by[m]) : 0;
        CHECK(std::fabs(r.grad[m].get(i, e) - slope) <=
              (std::fabs(slope) + 20) * unit + 1e-6L + std::ldexp(std::fabs(slope), -storage<S>::digits));
      }
    }
    CHECK(std::fabs(losses.get(i) - value) <= unit * 4 * static_cast<long double>(r.d));
  }
  for (std::size_t m = 0; m < by.size(); ++m) CHECK(r.grad[m].memory.intact());
}

template <class S>
void check_rows(std::int64_t n, std::int64_t d, std::int64_t gap) {
  using T = compute_of<S>;
  stream s;
  rows_on_both<S> r(5, n, d, gap);
  make_sigmas_positive(r);
  buffer<double> losses(n);
  buffer<bool> mask(n);
  for (std::int64_t i = 0; i < n; ++i) mask.at(i) = i != 1;
  for (std::int64_t e = 0; e < d && n > 1; ++e) r.in[0].set(1, e, std::nan(""));
  r.din[0]->send();
  device<double> dlosses(losses);
  device<bool> dmask(mask);
  const prefer_test::device_workspace memory(evaluate_rows_workspace(itself, n));
  const cuda exec{.stream = s.handle, .workspace = memory.get()};
  prefer_test::enqueues_only("density", 1, [&] {
    REQUIRE(evaluate_rows<T>(exec, gaussian_logp{}, itself,
                             {.rows = {r.read(0), r.read(1), r.read(2)}, .mask = dmask.read(), .normalizer = 1.0},
                             {.grad = {r.write(0), r.write(1), r.write(2)}, .losses = dlosses.view()})
                .ok());
  });
  s.wait(), dlosses.fetch();
  check_answers(r, losses, mask, prefer_test::density_of, {0, 1, 2});
  prefer_test::enqueues_only("ratio", 1, [&] {
    REQUIRE(
        evaluate_rows<T>(
            exec, gaussian_log_ratio{}, itself,
            {.rows = {r.read(0), r.read(1), r.read(2), r.read(3), r.read(4)}, .mask = dmask.read(), .normalizer = 1.0},
            {.grad = {r.write(0), r.write(1)}, .losses = dlosses.view()})
            .ok());
  });
  s.wait(), dlosses.fetch();
  check_answers(r, losses, mask, prefer_test::ratio_of, {1, 2});
  for (const char* name : {"gaussian_logp", "gaussian_log_ratio"}) {
    covers<S>(name, "sizes");
    for (const char* tag : {"masked", "allocation"}) covers(name, tag);
  }
}

}  // namespace

TEST_CASE("gaussian_logp on CUDA: densities and log-ratios of rows are the textbook's, in one launch each") {
  for (std::int64_t d : {1, 33, 257}) check_rows<float>(4, d, 0), check_rows<double>(3, d, 2);
  check_rows<half>(3, 100, 1);
  check_rows<bfloat16>(3, 100, 1);
}

TEST_CASE("gaussian_logp on CUDA: captured and replayed on other rows, with one sigma for all; errors are named") {
  stream s;
  constexpr std::int64_t n = 3, d = 40;
  rows_on_both<float> r(5, n, d, 0);
  make_sigmas_positive(r);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t e = 0; e < d; ++e)
      for (std::size_t k : {2u, 4u}) r.in[k].set(i, e, 0.75);
  buffer<double> losses(n), sigma(1);
  buffer<bool> mask(n);
  for (std::int64_t i = 0; i < n; ++i) mask.at(i) = true;
  sigma.set(0, 0.75);
  device<double> dlosses(losses), dsigma(sigma);
  const view<const double, 2, space::device> one(dsigma.data(), n, d, 0, 0);
  const prefer_test::device_workspace memory(evaluate_rows_workspace(itself, n));
  const cuda exec{.stream = s.handle, .workspace = memory.get()};
  const row_response_inputs<gaussian_logp, space::device> density = {.rows = {r.read(0), r.read(1), one},
                                                                     .normalizer = 1.0};
  const row_response_inputs<gaussian_log_ratio, space::device> ratio = {.rows = {r.read(0), r.read(1), one, r.read(3)},
                                                                        .normalizer = 1.0};
  const gaussian_log_ratio score{.one_sigma = true};
  const row_scored_outputs<space::device, gaussian_ratio_gradients<space::device>> ratio_out = {
      .grad = {.mean = r.write(1)}, .losses = dlosses.view()};
  const auto graph = prefer_test::capture(s.handle, [&] {
    check(evaluate_rows<float>(exec, gaussian_logp{}, itself, density, {.grad = {.x = r.write(0)}}));
    check(evaluate_rows<float>(exec, score, itself, ratio, ratio_out));
  });
  for (double x : {0.5, -0.25}) {
    for (std::int64_t e = 0; e < d; ++e) r.in[1].set(1, e, x * r.in[1].get(1, e));
    r.din[1]->send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait(), dlosses.fetch(), r.dgrad[1]->fetch();
    check_answers(r, losses, mask, prefer_test::ratio_of, {});
    for (std::int64_t e = 0; e < d; ++e) {
      const double z = (r.in[0].get(1, e) - r.in[1].get(1, e)) / 0.75;
      CHECK(r.grad[1].get(1, e) == doctest::Approx(z / 0.75).epsilon(1e-5).scale(1e-3));
    }
  }
  cudaGraphExecDestroy(graph);
  const prefer_test::device_workspace little(64);
  CHECK(
      evaluate_rows<float>(cuda{.stream = s.handle, .workspace = little.get()}, score, itself, ratio, ratio_out).code ==
      errc::small_workspace);
  auto odd = ratio;
  odd.rows.mean.extent[1] = d - 1;
  CHECK(std::string(evaluate_rows<float>(exec, score, itself, odd, ratio_out).argument) == "rows.mean");
  auto bare = density;
  bare.rows.sigma = {};
  const status st = evaluate_rows<float>(exec, gaussian_logp{}, itself, bare, {.losses = dlosses.view()});
  CHECK(st.code == errc::missing_input);
  CHECK(std::string(st.argument) == "rows.sigma");
  for (const char* name : {"gaussian_logp", "gaussian_log_ratio"})
    for (const char* tag : {"capture", "bad-argument"}) covers(name, tag);
}
