// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Compiled several times, by different compilers and with different flags, into one program: PREFER_LINKING_NAME names
// the copy.
#if defined(__CUDACC__)
#include <prefer/loss/dpo.cuh>
#else
#include <prefer/loss/dpo.hpp>
#endif

prefer::status PREFER_LINKING_NAME(const double* x, std::int64_t n, double* grad, double* loss) {
  return prefer::evaluate<double>(prefer::cpu{}, prefer::dpo{.beta = 0.3},
                                  {.policy_chosen = {x, n}, .policy_rejected = {x + n, n}, .reference_chosen = {x + 2 * n, n},
                                   .reference_rejected = {x + 3 * n, n}},
                                  {.loss = {loss, 1}, .grad_policy_chosen = {grad, n}});
}
