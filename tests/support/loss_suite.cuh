// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.cuh>
#include <support/loss_suite.hpp>

// What every loss owes its users on CUDA: see loss_suite.hpp.
namespace prefer_test {

template <class Kind>
struct cuda_subject : subject<Kind, prefer::cuda> {
  std::function<std::size_t(std::int64_t)> workspace;

  template <class Loss>
  explicit cuda_subject(const Loss& loss)
      : subject<Kind, prefer::cuda>(loss),
        workspace([loss](std::int64_t n) { return prefer::evaluate_workspace(loss, n); }) {}
};

// Compiled once per kind, in loss_suite.cu.
template <class Kind>
void check_promises_on_cuda(const char* name, const cuda_subject<Kind>& loss, double roundings);

template <class Loss>
void loss_suite_on_cuda(const char* name, const Loss& loss, double roundings = 64) {
  using kind = prefer::kind_of<Loss>;
  check_promises_on_cuda<kind>(name, cuda_subject<kind>(loss), roundings);
}

}  // namespace prefer_test
