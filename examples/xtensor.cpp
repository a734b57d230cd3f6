// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// xtensor in, xtensor out: DPO on the columns of one array of log-probabilities, without a copy.
#include <prefer/interop/xtensor.hpp>
#include <prefer/loss/dpo.hpp>

#if __has_include(<xtensor/containers/xtensor.hpp>)  // xtensor 0.26 moved its headers
#include <xtensor/containers/xtensor.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>
#endif

#include <cmath>
#include <cstdio>

int main() {
  // One row per pair: policy chosen, policy rejected, reference chosen, reference rejected.
  const xt::xtensor<float, 2> logp = {{-12, -15, -13, -14}, {-30, -22, -28, -25}, {-8, -9, -8, -9}};
  xt::xtensor<float, 2> grad = xt::zeros<float>({3, 2});
  float loss = 0;
  const auto column = [](auto& array, int k) { return xt::view(array, xt::all(), k); };
  const auto pc = column(logp, 0), pr = column(logp, 1), rc = column(logp, 2), rr = column(logp, 3);
  auto gc = column(grad, 0), gr = column(grad, 1);
  prefer::check(prefer::evaluate<float>(prefer::cpu{}, prefer::dpo{.beta = 0.1},
                                        {.policy_chosen = prefer::as_vector(pc),
                                         .policy_rejected = prefer::as_vector(pr),
                                         .reference_chosen = prefer::as_vector(rc),
                                         .reference_rejected = prefer::as_vector(rr)},
                                        {.loss = {&loss, 1},
                                         .grad_policy_chosen = prefer::as_vector(gc),
                                         .grad_policy_rejected = prefer::as_vector(gr)}));
  std::printf("loss %.5f\n", static_cast<double>(loss));
  for (std::size_t i = 0; i < 3; ++i)
    std::printf("pair %zu: gradient %+.5f %+.5f\n", i, static_cast<double>(grad(i, 0)),
                static_cast<double>(grad(i, 1)));
  // The last pair is where the reference is: slope -beta / 2, divided by the number of pairs.
  return std::fabs(grad(2, 0) + 0.1f / 2 / 3) < 1e-7f ? 0 : 1;
}
