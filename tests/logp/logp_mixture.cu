// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <logp/logp_mixture.hpp>
#include <prefer/logp/logp_mixture.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace prefer_test;

namespace {

// A case and its mirror on the device.
template <class P, class R, class Out>
struct device_mixture {
  mixture_case<P, R, Out>& host;
  device<P> policy;
  device<R> reference;
  device<Out> logp;
  explicit device_mixture(mixture_case<P, R, Out>& c)
      : host(c), policy(c.policy.memory), reference(c.reference.memory), logp(c.logp.memory) {}

  template <class T, class M>
  prefer::view<T, 2, prefer::space::device> view_of(T* data, const M& m) const {
    return {data, m.n, m.elements, m.row, 1};
  }
  auto inputs() {
    prefer::logp_mixture_inputs<prefer::space::device> in;
    in.policy = view_of(policy.data(), host.policy), in.reference = view_of(reference.data(), host.reference);
    return in;
  }
  auto outputs() {
    prefer::logp_mixture_outputs<prefer::space::device> out;
    out.logp = view_of(logp.data(), host.logp);
    return out;
  }
};

// A warp and a block per row, blocks that share a row, rows that are aligned and rows that are not.
template <class Compute, class P, class R, class Out>
void check_sizes_on_cuda() {
  stream s;
  using shape = std::array<std::int64_t, 3>;
  for (const auto& [rows, columns, gap] : {shape{3, 1, 0}, {3, 40, 0}, {2, 1025, 3}, {2, 17000, 1}})
    for (const double b : {0.0, 0.3, 1.0}) {
      mixture_case<P, R, Out> c(rows, columns, b, gap);
      device_mixture<P, R, Out> d(c);
      prefer::check(prefer::mix_logp<Compute>(prefer::cuda{s.handle}, {.weight = b}, d.inputs(), d.outputs()));
      s.wait();
      d.logp.fetch();
      c.template check_answer<Compute>(c.expected());
    }
  covers<Out>("logp_mixture", "sizes");
}

}  // namespace

TEST_CASE("the mixture on CUDA is its definition: sizes, weights, alignments, storage types") {
  SUBCASE("float") { check_sizes_on_cuda<float, float, float, float>(); }
  SUBCASE("double") { check_sizes_on_cuda<double, double, double, double>(); }
  SUBCASE("half") { check_sizes_on_cuda<float, prefer::half, prefer::half, prefer::half>(); }
  SUBCASE("bfloat16") { check_sizes_on_cuda<float, prefer::bfloat16, prefer::bfloat16, prefer::bfloat16>(); }
  SUBCASE("of different types") { check_sizes_on_cuda<float, prefer::bfloat16, float, float>(); }
}

TEST_CASE("the mixture on CUDA: in place over either input, one launch, captured and replayed") {
  stream s;
  mixture_case<float> c(5, 333, 0.3, 3);
  const auto rows = c.expected();
  for (const bool over_policy : {true, false}) {
    device_mixture<float, float, float> d(c);
    auto out = d.outputs();
    out.logp = over_policy ? d.view_of(d.policy.data(), c.policy) : d.view_of(d.reference.data(), c.reference);
    const prefer::cuda exec{s.handle};
    const auto call = [&] { prefer::check(prefer::mix_logp<float>(exec, {.weight = 0.3}, d.inputs(), out)); };
    if (over_policy) {
      enqueues_only("mix_logp", 1, call);
    } else {
      const cudaGraphExec_t graph = capture(s.handle, call);
      REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
      s.wait();
      cudaGraphExecDestroy(graph);
    }
    s.wait();
    mixture_case<float> answer = c;
    device<float> back(answer.logp.memory);
    REQUIRE(cudaMemcpy(back.data(), out.logp.data, static_cast<std::size_t>(5 * 336 - 3) * sizeof(float),
                       cudaMemcpyDeviceToDevice) == cudaSuccess);
    back.fetch();
    answer.check_answer<float>(rows, [&](std::int64_t i, std::int64_t k) { return answer.logp.get(i, k); });
  }
  const device_workspace memory(prefer::mix_logp_workspace(2, 17000));
  mixture_case<float> few(2, 17000, 0.3);
  device_mixture<float, float, float> d(few);
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  const auto mixed = [&](const prefer::cuda& on) {
    return prefer::mix_logp<float>(on, {.weight = 0.3}, d.inputs(), d.outputs());
  };
  const auto other_policy = [&] {
    for (std::int64_t k = 0; k < 17000; ++k) few.policy.set(1, k, few.policy.get(1, k) - static_cast<double>(k % 3));
    d.policy.send();
  };
  check_replay("logp_mixture", s.handle, [&] { prefer::check(mixed(exec)); }, other_policy, {d.logp.all()});
  d.logp.fetch();
  few.check_answer<float>(few.expected());
  const device_workspace little(64);
  CHECK(mixed(prefer::cuda{.stream = s.handle, .workspace = little.get()}).code == prefer::errc::small_workspace);
  auto out = d.outputs();
  out.logp.extent[0] = 3;
  CHECK(std::string(prefer::mix_logp<float>(exec, {}, d.inputs(), out).argument) == "logp");
  for (const char* tag : {"allocation", "capture", "bad-argument"}) covers("logp_mixture", tag);
}
