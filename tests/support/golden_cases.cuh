// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <support/loss_suite.cuh>
#include <support/golden_cases.hpp>

// The tests that a loss gets from its `cases`, on CUDA: see golden_cases.hpp.
namespace prefer_test {

template <class Cases, class S>
void check_golden_on_cuda() {
  stream s;
  const auto* last = std::begin(Cases::rows);
  for (const auto* first = last; first != std::end(Cases::rows); first = last) {
    last = same_parameters(first, std::end(Cases::rows));
    auto c = golden_call<S>(Cases::make(first->parameter), first, last);
    device_loss_call<decltype(Cases::make(first->parameter)), S> d(c);
    REQUIRE(run(prefer::cuda{s.handle}, d, false).ok());
    s.wait();
    d.fetch();
    check_golden_call(c, first, Cases::roundings);
  }
  for (const char* tag : {"golden", "tails"}) covers<S>(Cases::name, tag);
}

template <class Cases>
void loss_tests_on_cuda() {
  SUBCASE("golden values and gradients in both tails, in every storage type") {
    check_golden_on_cuda<Cases, float>();
    check_golden_on_cuda<Cases, double>();
    check_golden_on_cuda<Cases, prefer::half>();
    check_golden_on_cuda<Cases, prefer::bfloat16>();
  }
  loss_suite_on_cuda(Cases::name, Cases::typical());
}

}  // namespace prefer_test
