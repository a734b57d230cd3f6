// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <core/to_go.hpp>
#include <prefer/core/evaluate_to_go.cuh>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

using namespace prefer_test;

namespace {

template <class S>
struct device_to_go {
  device<std::int32_t> offsets;
  device<S> policy, reference, label, weight, grad;
  device<bool> token_mask, mask;
  device_workspace memory;
  stream s;

  explicit device_to_go(to_go_case<S>& c)
      : offsets(c.offsets),
        policy(c.policy),
        reference(c.reference),
        label(c.label),
        weight(c.weight),
        grad(c.grad),
        token_mask(c.token_mask),
        mask(c.mask),
        memory(prefer::evaluate_to_go_workspace(c.loss(), c.n)) {}
  prefer::status run(to_go_case<S>& c) {
    return prefer::evaluate_to_go(prefer::cuda{.stream = s.handle, .workspace = memory.get()}, c.loss(),
                                  {.policy = policy.read(),
                                   .reference = reference.read(),
                                   .offsets = offsets.read(),
                                   .token_mask = token_mask.read(),
                                   .label = label.read(),
                                   .weight = weight.read(),
                                   .mask = mask.read()},
                                  {.grad_policy = grad.view()});
  }
};

template <class S>
void check_case_on_cuda() {
  to_go_case<S> c;
  device_to_go<S> d(c);
  prefer::check(d.run(c));
  d.s.wait();
  d.grad.fetch();
  c.check_definition();
  covers<S>("evaluate_to_go", "sizes");
}

}  // namespace

TEST_CASE("every token's gradient on CUDA is that of the sums from it on, in every storage type") {
  SUBCASE("float") { check_case_on_cuda<float>(); }
  SUBCASE("double") { check_case_on_cuda<double>(); }
  SUBCASE("half") { check_case_on_cuda<prefer::half>(); }
  SUBCASE("bfloat16") { check_case_on_cuda<prefer::bfloat16>(); }
}

TEST_CASE("evaluate_to_go on CUDA: a launch and the count of the mask, captured; bad offsets are not followed") {
  to_go_case<double> c;
  device_to_go<double> d(c);
  enqueues_only("evaluate_to_go", 2, [&] { prefer::check(d.run(c)); });
  const cudaGraphExec_t graph = capture(d.s.handle, [&] { prefer::check(d.run(c)); });
  c.label.set(1, 0.9);
  d.label.send();
  REQUIRE(cudaGraphLaunch(graph, d.s.handle) == cudaSuccess);
  d.s.wait();
  d.grad.fetch();
  cudaGraphExecDestroy(graph);
  c.check_definition();
  // The responses on either side of a bad offset are left alone, the others are not.
  const std::int64_t good = c.offsets.at(1), left = c.offsets.at(7) - 1, right = c.offsets.at(7);
  c.offsets.at(7) = 1000000;
  for (std::int64_t t : {good, left, right}) c.grad.set(t, -7);
  d.offsets.send(), d.grad.send();
  prefer::check(d.run(c));
  d.s.wait();
  d.grad.fetch();
  CHECK((c.grad.get(good) != -7 && c.grad.get(left) == -7 && c.grad.get(right) == -7));
  check_refused("evaluate_to_go",
                prefer::evaluate_to_go(prefer::cuda{.stream = d.s.handle, .workspace = d.memory.get()}, c.loss(),
                                       {.policy = d.policy.read()}, {.grad_policy = d.grad.view()}),
                "offsets");
  for (const char* tag : {"allocation", "capture"}) covers("evaluate_to_go", tag);
}
