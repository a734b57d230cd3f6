// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/logp/denoising_step.cuh>
#include <prefer/logp/noise_error.cuh>
#include <prefer/loss/d3po.cuh>
#include <prefer/loss/diffusion_dpo.cuh>
#include <prefer/loss/diffusion_kto.cuh>
#include <prefer/loss/seppo.cuh>
#include <support/coverage.hpp>
#include <support/row_call.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::device;
using prefer_test::rows_on_both;
using prefer_test::storage;
using prefer_test::stream;

namespace {

template <class S>
using compute = std::conditional_t<std::is_same_v<S, double>, double, float>;

template <class S>
void check_denoising(std::int64_t n, std::int64_t d, std::int64_t gap) {
  stream s;
  rows_on_both<S> r(12, n, d, gap);
  buffer<float> factor[3] = {buffer<float>(n), buffer<float>(n), buffer<float>(n)};
  buffer<bool> mask(n);
  for (std::int64_t i = 0; i < n; ++i) {
    factor[0].set(i, 1.1), factor[1].set(i, 0.3), factor[2].set(i, 0.7), mask.at(i) = i % 3 != 1;
    for (std::int64_t e = 0; !mask.at(i) && e < d; ++e) r.in[2].set(i, e, std::numeric_limits<double>::quiet_NaN());
  }
  r.din[2]->send();
  buffer<double> loss(1), losses(n), host_losses(n);
  device<float> df[3] = {device<float>(factor[0]), device<float>(factor[1]), device<float>(factor[2])};
  device<bool> dmask(mask);
  device<double> dloss(loss), dlosses(losses);
  const denoising_step score{.guidance = 1.75};
  const d3po objective{.beta = 3.0, .clip = 0.6};
  const auto side = [&](auto in, std::size_t k) {
    using V = decltype(in(k));
    return denoising_rows<V::memory>{in(k), in(k + 1), in(k + 2), in(k + 3), in(k + 4), in(k + 5)};
  };
  const auto host = [&](std::size_t k) { return view<const S, 2, space::host>(r.in[k].memory.data(), n, d, r.row, 1); };
  check(evaluate_rows<compute<S>>(cpu{}, score, objective,
                                  {.chosen = side(host, 0),
                                   .rejected = side(host, 6),
                                   .step = {factor[0].read(), factor[1].read(), factor[2].read()},
                                   .mask = mask.read()},
                                  {.grad_chosen = {r.expected[0].view(), r.expected[1].view()},
                                   .grad_rejected = {r.expected[2].view(), r.expected[3].view()},
                                   .losses = host_losses.view()}));
  const auto there = [&](std::size_t k) { return r.read(k); };
  const prefer_test::device_workspace memory(evaluate_rows_workspace(objective, n));
  row_pair_inputs<denoising_step, space::device> in = {.chosen = side(there, 0),
                                                       .rejected = side(there, 6),
                                                       .step = {df[0].read(), df[1].read(), df[2].read()},
                                                       .mask = dmask.read()};
  std::int64_t selected = 0;
  for (std::int64_t i = 0; i < n; ++i) selected += mask.at(i) ? 1 : 0;
  in.normalizer = static_cast<double>(std::max<std::int64_t>(selected, 1));
  prefer_test::enqueues_only("rows", 1, [&] {
    check(evaluate_rows<compute<S>>(cuda{.stream = s.handle, .workspace = memory.get()}, score, objective, in,
                                    {.loss = dloss.view(),
                                     .grad_chosen = {r.write(0), r.write(1)},
                                     .grad_rejected = {r.write(2), r.write(3)},
                                     .losses = dlosses.view()}));
  });
  s.wait();
  dlosses.fetch();
  for (auto& g : r.dgrad) g->fetch();
  const double unit = std::ldexp(1.0, 1 - storage<S>::digits) + std::ldexp(16.0, 1 - storage<compute<S>>::digits);
  for (std::int64_t i = 0; i < n; ++i) {
    INFO("item " << i << " of " << n << " x " << d);
    CHECK(losses.get(i) == doctest::Approx(host_losses.get(i)).epsilon(std::ldexp(64.0, -storage<compute<S>>::digits)));
    for (std::size_t g = 0; g < 4; ++g)
      for (std::int64_t e = 0; e < d; ++e)
        CHECK(std::fabs(r.grad[g].get(i, e) - r.expected[g].get(i, e)) <=
              unit * std::fabs(r.expected[g].get(i, e)) +
                  std::ldexp(8.0, -storage<compute<S>>::digits) / static_cast<double>(d + 1) +
                  std::ldexp(1.0, storage<S>::least_exponent));
  }
  for (auto& m : r.grad) CHECK(m.memory.intact());
  prefer_test::covers<S>("rows", "sizes");
  for (const char* tag : {"masked", "allocation"}) prefer_test::covers("rows", tag);
}

}  // namespace

TEST_CASE("rows on CUDA: D3PO of denoising steps with guidance as on the CPU, in one launch, masked rows not read") {
  for (std::int64_t d : {1, 31, 255, 257, 900}) {
    check_denoising<float>(5, d, 0);
    check_denoising<double>(4, d, 2);
  }
  check_denoising<half>(5, 300, 1);
  check_denoising<bfloat16>(5, 300, 1);
}

TEST_CASE("noise predictions on CUDA: SePPO, Diffusion-DPO and Diffusion-KTO as on the CPU") {
  stream s;
  constexpr std::int64_t n = 6, d = 333;
  rows_on_both<float> r(6, n, d, 0);
  buffer<double> loss(1), reward(n), label(n);
  for (std::int64_t i = 0; i < n; ++i) label.set(i, i % 2 == 0);
  device<double> dloss(loss), dreward(reward), dlabel(label);
  const auto compare = [&](const auto& objective) {
    const auto host = [&](std::size_t k) { return r.in[k].read(); };
    check(evaluate_rows<float>(cpu{}, noise_error{}, objective,
                               {.chosen = {host(0), host(1), host(2)}, .rejected = {host(3), host(4), host(5)}},
                               {.loss = loss.view(),
                                .grad_chosen = {.prediction = r.expected[0].view()},
                                .grad_rejected = {.prediction = r.expected[1].view()}}));
    const double expected = loss.get(0);
    check(evaluate_rows<float>(
        cuda{s.handle}, noise_error{}, objective,
        {.chosen = {r.read(0), r.read(1), r.read(2)}, .rejected = {r.read(3), r.read(4), r.read(5)}},
        {.loss = dloss.view(),
         .grad_chosen = {.prediction = r.write(0)},
         .grad_rejected = {.prediction = r.write(1)}}));
    s.wait();
    dloss.fetch(), r.dgrad[0]->fetch(), r.dgrad[1]->fetch();
    CHECK(loss.get(0) == doctest::Approx(expected).epsilon(1e-6));
    for (std::size_t g = 0; g < 2; ++g)
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t e = 0; e < d; ++e)
          CHECK(r.grad[g].get(i, e) == doctest::Approx(r.expected[g].get(i, e)).epsilon(1e-5).scale(1e-4));
  };
  compare(seppo{.beta = 2.0});
  compare(diffusion_dpo{.beta = 2.0});

  const diffusion_kto objective{.beta = 2.0};
  check(evaluate_rows<float>(cpu{}, noise_error{}, objective,
                             {.rows = {r.in[0].read(), r.in[1].read(), r.in[2].read()}, .label = label.read()},
                             {.grad = {.prediction = r.expected[0].view()}, .reward = reward.view()}));
  const auto rewards = reward.values();
  check(evaluate_rows<float>(cuda{s.handle}, noise_error{}, objective,
                             {.rows = {r.read(0), r.read(1), r.read(2)}, .label = dlabel.read()},
                             {.grad = {.prediction = r.write(0)}, .reward = dreward.view()}));
  s.wait();
  r.dgrad[0]->fetch(), dreward.fetch();
  for (std::int64_t i = 0; i < n; ++i) {
    CHECK(reward.get(i) == doctest::Approx(rewards[static_cast<std::size_t>(i)]).epsilon(1e-5));
    for (std::int64_t e = 0; e < d; ++e)
      CHECK(r.grad[0].get(i, e) == doctest::Approx(r.expected[0].get(i, e)).epsilon(1e-5).scale(1e-4));
  }
}

TEST_CASE("a call over rows on CUDA replays from a graph, and names what is wrong") {
  stream s;
  constexpr std::int64_t n = 3, d = 50;
  rows_on_both<float> r(6, n, d, 0);
  const prefer_test::device_workspace memory(evaluate_rows_workspace(diffusion_dpo{}, n));
  row_pair_inputs<noise_error, space::device> in = {.chosen = {r.read(0), r.read(1), r.read(2)},
                                                    .rejected = {r.read(3), r.read(4), r.read(5)}};
  const row_pair_outputs<space::device> out = {.grad_chosen = {.prediction = r.write(0)}};
  const cuda exec{.stream = s.handle, .workspace = memory.get()};
  const cudaGraphExec_t graph = prefer_test::capture(
      s.handle, [&] { check(evaluate_rows<float>(exec, noise_error{}, diffusion_dpo{.beta = 1.0}, in, out)); });
  for (double x : {0.5, -0.25}) {
    r.in[0].set(1, 7, x);
    r.din[0]->send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    r.dgrad[0]->fetch();
    check(evaluate_rows<float>(cpu{}, noise_error{}, diffusion_dpo{.beta = 1.0},
                               {.chosen = {r.in[0].read(), r.in[1].read(), r.in[2].read()},
                                .rejected = {r.in[3].read(), r.in[4].read(), r.in[5].read()}},
                               {.grad_chosen = {.prediction = r.expected[0].view()}}));
    CHECK(r.grad[0].get(1, 7) == doctest::Approx(r.expected[0].get(1, 7)).epsilon(1e-5));
  }
  cudaGraphExecDestroy(graph);
  const prefer_test::device_workspace little(64);
  CHECK(
      evaluate_rows<float>(cuda{.stream = s.handle, .workspace = little.get()}, noise_error{}, diffusion_dpo{}, in, out)
          .code == errc::small_workspace);
  in.rejected.noise.extent[1] = 49;
  const status st = evaluate_rows<float>(exec, noise_error{}, diffusion_dpo{}, in, out);
  CHECK(st.code == errc::bad_extent);
  CHECK(std::string(st.argument) == "rejected.noise");
  for (const char* tag : {"capture", "bad-argument"}) prefer_test::covers("rows", tag);
}
