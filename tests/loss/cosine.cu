// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/loss/cosine.cuh>
#include <prefer/loss/focal_ranking.cuh>
#include <prefer/loss/reward_feedback.cuh>
#include <prefer/loss/score_divergence.cuh>
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

// Gradients agree to a few roundings of the compute type, relative to 1 / |e|, and one of the storage type.
template <class S>
void check_gradients(rows_on_both<S>& r, std::size_t count) {
  const double unit = std::ldexp(1.0, 1 - storage<S>::digits);
  for (std::size_t g = 0; g < count; ++g) {
    r.dgrad[g]->fetch();
    for (std::int64_t i = 0; i < r.n; ++i)
      for (std::int64_t e = 0; e < r.d; ++e)
        CHECK(std::fabs(r.grad[g].get(i, e) - r.expected[g].get(i, e)) <=
              unit * std::fabs(r.expected[g].get(i, e)) +
                  std::ldexp(64.0, -storage<compute<S>>::digits) / std::sqrt(static_cast<double>(r.d)) +
                  std::ldexp(1.0, storage<S>::least_exponent));
    CHECK(r.grad[g].memory.intact());
  }
}

template <class S>
void check_identity(std::int64_t n, std::int64_t d, std::int64_t gap) {
  stream s;
  rows_on_both<S> r(2, n, d, gap);
  buffer<bool> mask(n);
  for (std::int64_t i = 0; i < n; ++i) {
    mask.at(i) = i % 3 != 1;
    for (std::int64_t e = 0; e < d; ++e) {
      if (!mask.at(i)) r.in[0].set(i, e, std::numeric_limits<double>::quiet_NaN());
      if (i == 2) r.in[0].set(i, e, 0);  // no embedding
    }
  }
  r.din[0]->send();
  buffer<double> losses(n), host_losses(n), loss(1);
  device<bool> dmask(mask);
  device<double> dlosses(losses), dloss(loss);
  const reward_linear objective{.slope = -1.0, .offset = 1.0};
  check(evaluate_rows<compute<S>>(
      cpu{}, cosine{}, objective, {.rows = {r.in[0].read(), r.in[1].read()}, .mask = mask.read(), .normalizer = 1.0},
      {.grad = {r.expected[0].view(), r.expected[1].view()}, .losses = host_losses.view()}));
  const prefer_test::device_workspace memory(evaluate_rows_workspace(objective, n));
  prefer_test::enqueues_only("cosine", 1, [&] {
    check(evaluate_rows<compute<S>>(
        cuda{.stream = s.handle, .workspace = memory.get()}, cosine{}, objective,
        {.rows = {r.read(0), r.read(1)}, .mask = dmask.read(), .normalizer = 1.0},
        {.loss = dloss.view(), .grad = {.embedding = r.write(0), .reference = r.write(1)}, .losses = dlosses.view()}));
  });
  s.wait();
  dlosses.fetch(), dloss.fetch();
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    INFO("item " << i << " of " << n << " x " << d);
    CHECK(std::fabs(losses.get(i) - host_losses.get(i)) <= std::ldexp(64.0, -storage<compute<S>>::digits));
    total += losses.get(i);
  }
  CHECK(loss.get(0) == doctest::Approx(total).epsilon(1e-14));
  if (n > 2) CHECK(losses.get(2) == 1);
  check_gradients(r, 2);
  prefer_test::covers<S>("cosine", "sizes");
  for (const char* tag : {"masked", "allocation"}) prefer_test::covers("cosine", tag);
}

}  // namespace

TEST_CASE("cosine on CUDA: 1 - cos as on the CPU, in one launch; masked rows are not read, no embedding loses one") {
  for (std::int64_t d : {1, 31, 255, 257, 900}) {
    check_identity<float>(5, d, 0);
    check_identity<double>(4, d, 2);
  }
  check_identity<half>(5, 300, 1);
  check_identity<bfloat16>(5, 300, 1);
}

TEST_CASE("triplets of embeddings on CUDA as on the CPU: captured and replayed on other embeddings, errors named") {
  stream s;
  constexpr std::int64_t n = 4, d = 70;
  rows_on_both<float> r(3, n, d, 0);
  const score_hinge objective{.target = 0.5};
  const auto call = [&](const auto& exec, auto in, auto out) {
    using E = std::remove_cvref_t<decltype(exec)>;
    const row_pair_inputs<cosine, E::memory> rows = {.chosen = {in(1), in(0)}, .rejected = {in(2), in(0)}};
    return evaluate_rows<float>(exec, cosine{}, objective, rows,
                                {.grad_chosen = {out(0), out(1)}, .grad_rejected = {out(2), out(3)}});
  };
  const prefer_test::device_workspace memory(evaluate_rows_workspace(objective, n));
  const cuda exec{.stream = s.handle, .workspace = memory.get()};
  const auto there = [&](std::size_t k) { return r.read(k); };
  const auto graph =
      prefer_test::capture(s.handle, [&] { check(call(exec, there, [&](std::size_t k) { return r.write(k); })); });
  for (double x : {0.5, -0.25}) {
    for (std::int64_t e = 0; e < d; ++e) r.in[0].set(1, e, x * r.in[1].get(1, e) + 0.1);
    r.din[0]->send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    check(call(
        cpu{}, [&](std::size_t k) { return r.in[k].read(); }, [&](std::size_t k) { return r.expected[k].view(); }));
    check_gradients(r, 4);
  }
  cudaGraphExecDestroy(graph);
  const prefer_test::device_workspace little(64);
  const row_pair_inputs<cosine, space::device> in = {.chosen = {there(1), there(0)}, .rejected = {there(2), there(0)}};
  const row_reward_pair_outputs<space::device, embedding_gradients<space::device>> out = {
      .grad_chosen = {.embedding = r.write(0)}};
  CHECK(evaluate_rows<float>(cuda{.stream = s.handle, .workspace = little.get()}, cosine{}, objective, in, out).code ==
        errc::small_workspace);
  auto odd = in;
  odd.rejected.reference.extent[1] = d - 1;
  const status st = evaluate_rows<float>(exec, cosine{}, objective, odd, out);
  CHECK(st.code == errc::bad_extent);
  CHECK(std::string(st.argument) == "rejected.reference");
  for (const char* tag : {"capture", "bad-argument"}) prefer_test::covers("cosine", tag);
}

namespace {

// The regulariser's values and both gradients as on the CPU; captured, and replayed with another c and other rows.
template <class S>
void check_score_divergence(std::int64_t n, std::int64_t d, std::int64_t gap) {
  stream s;
  rows_on_both<S> r(2, n, d, gap);
  buffer<bool> mask(n);
  for (std::int64_t i = 0; i < n; ++i) mask.at(i) = i % 3 != 1;
  buffer<double> losses(n), expected(n);
  device<bool> dmask(mask);
  device<double> dlosses(losses);
  const reward_linear objective{.slope = 1.0, .offset = 0.0};
  const prefer_test::device_array<double> c(std::vector<double>{0.5});
  const prefer_test::device_workspace memory(evaluate_rows_workspace(objective, n));
  const auto call = [&] {
    check(evaluate_rows<compute<S>>(
        cuda{.stream = s.handle, .workspace = memory.get()}, score_divergence{.c = c.data}, objective,
        {.rows = {r.read(0), r.read(1)}, .mask = dmask.read(), .normalizer = 1.0},
        {.grad = {.divergence = r.write(0), .residual = r.write(1)}, .losses = dlosses.view()}));
  };
  prefer_test::enqueues_only("score_divergence", 1, call);
  s.wait();
  const auto graph = prefer_test::capture(s.handle, call);
  const double other = 2;
  REQUIRE(cudaMemcpy(c.data, &other, sizeof other, cudaMemcpyHostToDevice) == cudaSuccess);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t e = 0; e < d; ++e)
      r.in[1].set(i, e, mask.at(i) ? -r.in[1].get(i, e) : std::numeric_limits<double>::quiet_NaN());
  r.din[1]->send();
  REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
  s.wait();
  cudaGraphExecDestroy(graph);
  check(evaluate_rows<compute<S>>(cpu{}, score_divergence{.c = 2.0}, objective,
                                  {.rows = {r.in[0].read(), r.in[1].read()}, .mask = mask.read(), .normalizer = 1.0},
                                  {.grad = {r.expected[0].view(), r.expected[1].view()}, .losses = expected.view()}));
  dlosses.fetch();
  for (std::int64_t i = 0; i < n; ++i)
    CHECK(std::fabs(losses.get(i) - expected.get(i)) <=
          std::ldexp(64.0, -storage<compute<S>>::digits) * std::sqrt(static_cast<double>(d)));
  check_gradients(r, 2);
  prefer_test::covers<S>("score_divergence", "sizes");
  for (const char* tag : {"masked", "allocation", "capture"}) prefer_test::covers("score_divergence", tag);
}

}  // namespace

TEST_CASE("score_divergence on CUDA: as on the CPU in one launch, replayed with another c; errors named") {
  for (const std::int64_t d : {1, 31, 257, 900}) check_score_divergence<float>(4, d, 0);
  check_score_divergence<double>(4, 300, 2);
  check_score_divergence<half>(5, 300, 1);
  check_score_divergence<bfloat16>(5, 300, 1);
  stream s;
  rows_on_both<float> r(2, 2, 8, 0);
  const row_response_inputs<score_divergence, space::device> in = {.rows = {r.read(0), {}}};
  const status st = evaluate_rows<float>(cuda{s.handle}, score_divergence{}, reward_linear{.slope = 1.0, .offset = 0.0},
                                         in, {.grad = {.divergence = r.write(0)}});
  CHECK(std::string(st.argument) == "rows.residual");
  prefer_test::covers("score_divergence", "bad-argument");
}
