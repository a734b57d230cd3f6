// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include "support/loss_benchmark.hpp"

#include <prefer/loss/bradley_terry.hpp>

namespace {

// Loss and both gradients of the reward-model loss: two arrays in, two out.
struct bradley_terry_subject {
  using loss = prefer::bradley_terry;
  static constexpr int inputs = 2, outputs = 2;

  template <class T, class Compute>
  static prefer::status call(const prefer::cpu& exec, bench::arrays<T>& a, std::int64_t n, Compute* total) {
    return prefer::evaluate<Compute>(exec, prefer::bradley_terry{}, {.chosen = {a[0], n}, .rejected = {a[1], n}},
                                     {.loss = {total, 1}, .grad_chosen = {a[2], n}, .grad_rejected = {a[3], n}});
  }
};

}  // namespace

int main(int argc, char** argv) { return bench::run<bradley_terry_subject>("bradley_terry", argc, argv); }
