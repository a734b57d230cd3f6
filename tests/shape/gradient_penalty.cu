// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/shape/gradient_penalty.cuh>
#include <support/coverage.hpp>
#include <support/row_call.cuh>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::covers;
using prefer_test::device;
using prefer_test::rows_on_both;
using prefer_test::storage;
using prefer_test::stream;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

// What both calls write in one run: the penalty's gradient, and both points.
template <class S, class Exec, class In, class Out>
void run(const Exec& exec, const gradient_norm& norm, const gradient_penalty& penalty, In in, Out out,
         const std::type_identity_t<input_view<1, Exec::memory>>& mask,
         const std::type_identity_t<output_view<1, Exec::memory>>& losses,
         const std::type_identity_t<output_view<1, Exec::memory>>& coefficient) {
  check(evaluate_rows<compute<S>>(exec, norm, penalty, {.rows = {in(0)}, .mask = mask, .normalizer = 2.5},
                                  {.grad = {out(0)}, .losses = losses}));
  check(penalty_differences<compute<S>>(exec, norm, penalty, 0.25,
                                        {.gradient = in(0), .x = in(1), .mask = mask, .normalizer = 2.5},
                                        {out(1), out(2), coefficient}));
}

// CUDA against the CPU: a few roundings of the compute type, and one of the storage type.
template <class S>
void check_gradients(rows_on_both<S>& r) {
  for (std::size_t g = 0; g < 3; ++g) {
    r.dgrad[g]->fetch();
    for (std::int64_t i = 0; i < r.n; ++i)
      for (std::int64_t e = 0; e < r.d; ++e)
        CHECK(std::fabs(r.grad[g].get(i, e) - r.expected[g].get(i, e)) <=
              std::ldexp(std::fabs(r.expected[g].get(i, e)), 1 - storage<S>::digits) +
                  std::ldexp(512.0, -storage<compute<S>>::digits) + std::ldexp(1.0, storage<S>::least_exponent));
    CHECK(r.grad[g].memory.intact());
  }
}

template <class S>
void check_all(std::int64_t n, std::int64_t d, std::int64_t gap, const gradient_norm& norm,
               const gradient_penalty& penalty) {
  stream s;
  rows_on_both<S> r(2, n, d, gap);
  buffer<bool> mask(n);
  for (std::int64_t i = 0; i < n; ++i) {
    mask.at(i) = i % 3 != 1;
    for (std::int64_t e = 0; e < d; ++e) {
      if (!mask.at(i)) r.in[0].set(i, e, std::numeric_limits<double>::quiet_NaN());
      if (i == 2) r.in[0].set(i, e, 0);
    }
  }
  r.din[0]->send();
  buffer<double> losses(n), coefficient(n), host_losses(n), host_coefficient(n);
  device<bool> dmask(mask);
  device<double> dlosses(losses), dcoefficient(coefficient);
  run<S>(
      cpu{}, norm, penalty, [&](std::size_t k) { return r.in[k].read(); },
      [&](std::size_t g) { return r.expected[g].view(); }, mask.read(), host_losses.view(), host_coefficient.view());
  const prefer_test::device_workspace memory(
      std::max(evaluate_rows_workspace(penalty, n), penalty_differences_workspace(n)));
  prefer_test::enqueues_only("penalty", 2, [&] {
    run<S>(
        cuda{.stream = s.handle, .workspace = memory.get()}, norm, penalty, [&](std::size_t k) { return r.read(k); },
        [&](std::size_t g) { return r.write(g); }, dmask.read(), dlosses.view(), dcoefficient.view());
  });
  s.wait();
  dlosses.fetch(), dcoefficient.fetch();
  const double unit = std::ldexp(1024.0, -storage<compute<S>>::digits);
  for (std::int64_t i = 0; i < n; ++i) {
    INFO("sample " << i << " of " << n << " x " << d);
    CHECK(std::fabs(losses.get(i) - host_losses.get(i)) <= unit * (1 + host_losses.get(i)));
    CHECK(std::fabs(coefficient.get(i) - host_coefficient.get(i)) <= unit * (1 + std::fabs(host_coefficient.get(i))));
  }
  check_gradients(r);
  covers<S>("gradient_penalty", "sizes");
  for (const char* tag : {"masked", "allocation"}) covers("gradient_penalty", tag);
}

}  // namespace

TEST_CASE("the penalty and its difference points on CUDA as on the CPU, a launch each; masked rows are not read") {
  for (std::int64_t d : {1, 31, 257, 600}) check_all<float>(5, d, 0, {}, {}), check_all<double>(4, d, 2, {}, {});
  check_all<float>(5, 40, 1, {.epsilon = 0.25}, {.target = 3.0, .one_sided = true});
  check_all<half>(5, 100, 1, {}, {}), check_all<bfloat16>(5, 100, 1, {}, {});
}

TEST_CASE("a step is captured and replayed with another target and other gradients; errors are named") {
  stream s;
  constexpr std::int64_t n = 3, d = 40;
  rows_on_both<float> r(2, n, d, 0);
  buffer<double> target(1), losses(n), coefficient(n);
  device<double> dtarget(target), dlosses(losses), dcoefficient(coefficient);
  const prefer_test::device_workspace memory(
      std::max(evaluate_rows_workspace(gradient_penalty{}, n), penalty_differences_workspace(n)));
  const cuda exec{.stream = s.handle, .workspace = memory.get()};
  const auto graph = prefer_test::capture(s.handle, [&] {
    run<float>(
        exec, gradient_norm{}, gradient_penalty{.target = dtarget.data()}, [&](std::size_t k) { return r.read(k); },
        [&](std::size_t g) { return r.write(g); }, input_view<1, space::device>{}, dlosses.view(), dcoefficient.view());
  });
  for (double x : {0.5, 3.0}) {
    target.set(0, x), dtarget.send();
    for (std::int64_t e = 0; e < d; ++e) r.in[0].set(1, e, x * std::cos(static_cast<double>(e)));
    r.din[0]->send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    buffer<double> host_losses(n), host_coefficient(n);
    run<float>(
        cpu{}, gradient_norm{}, gradient_penalty{.target = x}, [&](std::size_t k) { return r.in[k].read(); },
        [&](std::size_t g) { return r.expected[g].view(); }, input_view<1, space::host>{}, host_losses.view(),
        host_coefficient.view());
    dlosses.fetch(), dcoefficient.fetch();
    for (std::int64_t i = 0; i < n; ++i) {
      CHECK(losses.get(i) == doctest::Approx(host_losses.get(i)).epsilon(1e-5));
      CHECK(coefficient.get(i) == doctest::Approx(host_coefficient.get(i)).epsilon(1e-5));
    }
    check_gradients(r);
  }
  cudaGraphExecDestroy(graph);
  const auto named = [](const status& st, errc code, const char* argument) {
    CHECK(st.code == code);
    CHECK(std::string(st.argument) == argument);
  };
  const penalty_difference_inputs<space::device> in = {.gradient = r.read(0), .x = r.read(1)};
  named(penalty_differences<float>(exec, {}, {}, 0.25, in, {}), errc::missing_output, "outputs");
  named(penalty_differences<float>(exec, {}, {}, 0.25, in, {.plus = r.write(0), .minus = r.write(0)}), errc::overlap,
        "minus");
  const prefer_test::device_workspace little(16);
  CHECK(penalty_differences<float>(cuda{.stream = s.handle, .workspace = little.get()}, {}, {}, 0.25, in,
                                   {.plus = r.write(0)})
            .code == errc::small_workspace);
  for (const char* tag : {"capture", "bad-argument"}) covers("gradient_penalty", tag);
}
