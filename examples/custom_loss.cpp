// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// A loss of your own: one call operator. It gets SIMD, threads, masks, weights, tokens, indices, CUDA and combine().
#include <prefer/loss/combine.hpp>
#include <prefer/loss/dpo.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

// The squared distance of the reward margin from a target that the caller brings as a column (as in IPO, whose target
// is the same for all pairs).
struct squared_margin {
  double beta = 0.1;
  template <class V>
  PREFER_HD prefer::pair_term<V> operator()(const prefer::pair<V>& p) const {
    const V margin = V(beta) * ((p.policy_chosen - p.reference_chosen) - (p.policy_rejected - p.reference_rejected));
    const V miss = margin - p.column[0];
    prefer::pair_term<V> t;
    t.value = miss * miss;
    t.d_policy_chosen = V(2 * beta) * miss;
    t.d_policy_rejected = V(-2 * beta) * miss;
    return t;
  }
};

int main() {
  const std::vector<double> pc = {-4, -7, -5}, pr = {-6, -5, -9}, rc = {-5, -6, -5}, rr = {-5, -6, -8},
                            target = {0.5, 1, 0.2};
  const auto loss_at = [&](double step, std::vector<double>* grad) {
    std::vector<double> moved = pc;
    moved[1] += step;
    double loss = 0;
    prefer::check(prefer::evaluate<double>(
        prefer::cpu{}, prefer::combine(1.0, prefer::dpo{}, 0.3, squared_margin{}),
        {.policy_chosen = {moved.data(), 3},
         .policy_rejected = {pr.data(), 3},
         .reference_chosen = {rc.data(), 3},
         .reference_rejected = {rr.data(), 3},
         .column = {{target.data(), 3}}},
        {.loss = {&loss, 1},
         .grad_policy_chosen = grad ? prefer::output_view<1, prefer::space::host>{grad->data(), 3}
                                    : prefer::output_view<1, prefer::space::host>{}}));
    return loss;
  };
  std::vector<double> grad(3);
  const double loss = loss_at(0, &grad), difference = (loss_at(1e-5, nullptr) - loss_at(-1e-5, nullptr)) / 2e-5;
  std::printf("loss %.6f, gradient of the second pair %.8f, by finite differences %.8f\n", loss, grad[1], difference);
  return std::fabs(grad[1] - difference) < 1e-9 ? 0 : 1;
}
