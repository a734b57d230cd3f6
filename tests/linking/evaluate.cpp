// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Compiled several times, by different compilers and with different flags, into one program: PREFER_LINKING_NAME names
// the copy. Beside DPO it evaluates a user's loss that passes lanes by value through a call that is not inlined.
#if defined(__CUDACC__)
#include <prefer/loss/combine.cuh>
#include <prefer/loss/dpo.cuh>
#else
#include <prefer/loss/combine.hpp>
#include <prefer/loss/dpo.hpp>
#endif
#include <support/losses.hpp>

prefer::status PREFER_LINKING_NAME(prefer::isa level, const double* x, std::int64_t n, double* grad, double* loss) {
  return prefer::evaluate<double>(prefer::cpu{.isa = level},
                                  prefer::combine(1.0, prefer::dpo{.beta = 0.3}, 0.01, prefer_test::squared_by_value{}),
                                  {.policy_chosen = {x, n},
                                   .policy_rejected = {x + n, n},
                                   .reference_chosen = {x + 2 * n, n},
                                   .reference_rejected = {x + 3 * n, n}},
                                  {.loss = {loss, 1}, .grad_policy_chosen = {grad, n}});
}
