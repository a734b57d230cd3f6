// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/loss_benchmark.hpp"

#include <prefer/loss/dpo.hpp>

namespace {

// Loss and both policy gradients of DPO: four arrays in, two out.
struct dpo_subject {
  using loss = prefer::dpo;
  static constexpr int inputs = 4, outputs = 2;

  template <class T, class Compute>
  static prefer::status call(const prefer::cpu& exec, bench::arrays<T>& a, std::int64_t n, Compute* total) {
    return prefer::evaluate<Compute>(
        exec, prefer::dpo{.beta = 0.1},
        {.policy_chosen = {a[0], n},
         .policy_rejected = {a[1], n},
         .reference_chosen = {a[2], n},
         .reference_rejected = {a[3], n}},
        {.loss = {total, 1}, .grad_policy_chosen = {a[4], n}, .grad_policy_rejected = {a[5], n}});
  }
};

}  // namespace

int main(int argc, char** argv) { return bench::run<dpo_subject>("dpo", argc, argv); }
