// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/logp/evaluate_logits.cuh>
#include <prefer/loss/dpo.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>
#include <support/logits_call.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::buffer;
using prefer_test::compute_of;
using prefer_test::device;
using prefer_test::logits_batch;
using prefer_test::logits_truth;
using prefer_test::stream;

namespace {

// A batch on the device.
template <class S>
struct batch_on_device {
  logits_batch<S>& host;
  device<S> logits, reference, gradient;
  device<std::int64_t> target;
  device<std::int32_t> begin0, begin1, end0, end1;
  device<bool> mask0, mask1, pair_mask;
  device<double> loss, losses;

  explicit batch_on_device(logits_batch<S>& b)
      : host(b),
        logits(b.logits.memory),
        reference(b.reference.memory),
        gradient(b.gradient.memory),
        target(b.target),
        begin0(b.begin[0]),
        begin1(b.begin[1]),
        end0(b.end[0]),
        end1(b.end[1]),
        mask0(b.mask[0]),
        mask1(b.mask[1]),
        pair_mask(b.pair_mask),
        loss(b.loss),
        losses(b.losses) {}

  template <class V>
  V matrix(device<S>& d) {
    return {d.data(), host.m, host.v, host.logits.row, host.logits.stride};
  }
  policy_logits<space::device> matrices() {
    using input = view<const S, 2, space::device>;
    return {.logits = matrix<input>(logits),
            .reference_logits = matrix<input>(reference),
            .target = target.read(),
            .softmax = host.softmax,
            .grad_logits = matrix<view<S, 2, space::device>>(gradient)};
  }
  pair_token_inputs<space::device> tokens() {
    return {.chosen_offsets = begin0.read(),
            .rejected_offsets = begin1.read(),
            .chosen_mask = mask0.read(),
            .rejected_mask = mask1.read(),
            .chosen_ends = end0.read(),
            .rejected_ends = end1.read(),
            .mask = pair_mask.read()};
  }
  pair_outputs<space::device> outputs() { return {.loss = loss.view(), .losses = losses.view()}; }
  void fetch() { gradient.fetch(), loss.fetch(), losses.fetch(); }
};

template <class S>
void check_batch(std::int64_t n, std::int64_t v, std::int64_t gap, std::int64_t offset, std::int64_t step) {
  stream s;
  logits_batch<S> b(n, v, gap, offset, step);
  batch_on_device<S> d(b);
  INFO(n << " pairs, V = " << v);
  REQUIRE(evaluate_logits<compute_of<S>>(cuda{s.handle}, dpo{.beta = 0.5}, d.matrices(), d.tokens(), d.outputs()).ok());
  s.wait(), d.fetch();
  logits_truth<S>(b, 0.5).check(b);
  CHECK(b.intact());
}

template <class S>
void check_batches() {
  check_batch<S>(2, 17, 0, 0, 1), check_batch<S>(5, 40, 3, 1, 1), check_batch<S>(2, 5, 1, 1, 2);
  check_batch<S>(1, 1100, 0, 0, 1);
  prefer_test::covers<S>("evaluate_logits", "sizes");
}

std::size_t workspace_of(std::int64_t tokens, std::int64_t v, std::int64_t items) {
  return evaluate_logits_workspace<float>(cuda{nullptr}, dpo{}, tokens, v, items);
}

}  // namespace

TEST_CASE("DPO from logits on CUDA is that of the textbook; rows that do not count have gradient 0") {
  check_batches<float>(), check_batches<double>(), check_batches<half>(), check_batches<bfloat16>();
  check_batch<float>(0, 7, 0, 0, 1);
  prefer_test::covers("evaluate_logits", "masked");
}

TEST_CASE("evaluate_logits on CUDA: the same bits from a workspace, in chunks of any size, and enqueued only") {
  stream s;
  for (std::int64_t v : {90, 16500}) {
    logits_batch<bfloat16> b(v > 1000 ? 1 : 6, v, 1);
    batch_on_device<bfloat16> d(b);
    const prefer_test::device_workspace memory(workspace_of(b.m, v, b.n));
    const cuda exec{.stream = s.handle, .workspace = memory.get()};
    // Selection twice, log-probabilities twice, a count of pairs, the loss, the gradient.
    prefer_test::enqueues_only(v > 1000 ? "long rows" : "rows", 7, [&] {
      REQUIRE(evaluate_logits<float>(exec, dpo{.beta = 0.5}, d.matrices(), d.tokens(), d.outputs()).ok());
    });
    s.wait(), d.fetch();
    const std::vector<unsigned char> expected = b.bits();
    logits_truth<bfloat16>(b, 0.5).check(b);

    for (std::int64_t size : {std::int64_t{1}, std::int64_t{3}, b.m}) {
      INFO("V = " << v << ", chunks of " << size);
      buffer<bfloat16> chunk(size * b.logits.row);
      device<bfloat16> dchunk(chunk);
      const auto copy = [&](void* to, const void* from, std::int64_t rows) {
        const auto bytes = static_cast<std::size_t>(((rows - 1) * b.logits.row + v) * 2);
        return detail::cuda_status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, s.handle), "copy");
      };
      auto make = [&](std::int64_t first, std::int64_t count) {
        return copy(dchunk.data(), d.logits.data() + first * b.logits.row, count);
      };
      auto make_reference = [&](std::int64_t first, std::int64_t count) {
        return copy(dchunk.data(), d.reference.data() + first * b.logits.row, count);
      };
      // Row by row, since the gaps are nobody's.
      auto take = [&](std::int64_t first, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i)
          if (const status st =
                  copy(d.gradient.data() + (first + i) * b.logits.row, dchunk.data() + i * b.logits.row, 1);
              !st.ok())
            return st;
        return status{};
      };
      b.gradient = prefer_test::token_matrix<bfloat16>(b.m, v, 1), d.gradient.send();
      REQUIRE(evaluate_logits_chunks<float>(
                  exec, dpo{.beta = 0.5},
                  {.chunks = {.rows = b.m,
                              .buffer = view<bfloat16, 2, space::device>(dchunk.data(), size, v, b.logits.row, 1),
                              .logits = make,
                              .grad_logits = take},
                   .reference_logits = make_reference,
                   .target = d.target.read(),
                   .softmax = b.softmax},
                  d.tokens(), d.outputs())
                  .ok());
      s.wait(), d.fetch();
      CHECK(b.bits() == expected);
    }
  }
  for (const char* tag : {"identity", "allocation"}) prefer_test::covers("evaluate_logits", tag);
}

TEST_CASE("evaluate_logits on CUDA: replays from a graph with other logits, targets and beta") {
  stream s;
  logits_batch<float> b(3, 50);
  batch_on_device<float> d(b);
  buffer<double> beta(1);
  beta.set(0, 0.5);
  device<double> dbeta(beta);
  const dpo loss{.beta = static_cast<const double*>(dbeta.data())};
  const prefer_test::device_workspace memory(workspace_of(b.m, b.v, b.n));
  const cuda exec{.stream = s.handle, .workspace = memory.get()};
  const cudaGraphExec_t graph = prefer_test::capture(
      s.handle, [&] { check(evaluate_logits<float>(exec, loss, d.matrices(), d.tokens(), d.outputs())); });
  std::int64_t token = 0;
  while (!b.counts(token)) ++token;
  for (double next : {0.5, 1.5}) {
    beta.set(0, next), b.logits.set(token, 7, next), b.target.at(token) = next > 1 ? 7 : 3;
    dbeta.send(), d.logits.send(), d.target.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait(), d.fetch();
    logits_truth<float>(b, next).check(b);
  }
  cudaGraphExecDestroy(graph);
  prefer_test::covers("evaluate_logits", "capture");
}

TEST_CASE("evaluate_logits on CUDA: bad content is NaN and reported, bad arguments are named") {
  stream s;
  logits_batch<float> b(3, 20);
  content_report* word = nullptr;
  REQUIRE(cudaMalloc(&word, sizeof *word) == cudaSuccess);
  std::int64_t token = 0;
  while (!b.counts(token)) ++token;
  content_report report;
  const auto run = [&] {
    batch_on_device<float> d(b);
    REQUIRE(cudaMemsetAsync(word, 0xff, sizeof *word, s.handle) == cudaSuccess);
    REQUIRE(
        evaluate_logits<float>(cuda{.stream = s.handle, .report = word}, dpo{}, d.matrices(), d.tokens(), d.outputs())
            .ok());
    s.wait(), d.fetch();
    REQUIRE(cudaMemcpy(&report, word, sizeof report, cudaMemcpyDeviceToHost) == cudaSuccess);
  };
  // A target out of range spoils its pair.
  b.target.at(token) = 20;
  run();
  const std::int64_t pair = b.place_of(token).pair;
  CHECK((report.code() == errc::bad_index && report.index() == token));
  for (std::int64_t i = 0; i < b.n; ++i) CHECK(std::isnan(b.losses.get(i)) == (i == pair));
  CHECK(std::isnan(b.gradient.get(token, 0)));
  b.target.at(token) = 1;
  // A segment that ends behind the tokens: nothing out of bounds is touched, its pair is NaN.
  b.end[1].at(1) = static_cast<std::int32_t>(b.m + 1000);
  run();
  CHECK((report.code() == errc::bad_offsets && report.index() == 1));
  for (std::int64_t i = 0; i < b.n; ++i) CHECK(std::isnan(b.losses.get(i)) == (i == 1));
  cudaFree(word);

  batch_on_device<float> d(b);
  const prefer_test::device_workspace little(64);
  const auto named = [](const status& st, errc code, const char* argument) {
    INFO(message(st).c_str());
    CHECK(st.code == code);
    CHECK(std::string(st.argument) == argument);
  };
  named(evaluate_logits<float>(cuda{.stream = s.handle, .workspace = little.get()}, dpo{}, d.matrices(), d.tokens(),
                               d.outputs()),
        errc::small_workspace, "exec.workspace.bytes");
  auto matrices = d.matrices();
  matrices.target.extent[0] -= 1;
  named(evaluate_logits<float>(cuda{s.handle}, dpo{}, matrices, d.tokens(), d.outputs()), errc::bad_extent, "target");
  prefer_test::covers("evaluate_logits", "bad-argument");
}
