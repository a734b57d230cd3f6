// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <support/golden_cases.hpp>
#include <support/loss_suite.cuh>

// The tests that a loss gets from its `cases`, on CUDA: see golden_cases.hpp.
namespace prefer_test {

template <class Kind, class Row>
void check_golden_on_cuda(const char* name, double roundings, const cuda_subject<Kind>& loss, const Row* first,
                          const Row* last);

template <class Cases>
void loss_tests_on_cuda() {
  SUBCASE("golden values and gradients in both tails, in every storage type") {
    each_golden_loss<Cases>([](const auto& loss, const auto* first, const auto* last) {
      using kind = prefer::kind_of<std::remove_cvref_t<decltype(loss)>>;
      check_golden_on_cuda(Cases::name, Cases::roundings, cuda_subject<kind>(loss), first, last);
    });
  }
  loss_suite_on_cuda(Cases::name, Cases::typical());
}

}  // namespace prefer_test
