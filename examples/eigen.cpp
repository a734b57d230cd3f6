// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Eigen in, Eigen out: a linear reward model r(x) = w.x trained on pairs with the Bradley-Terry loss.
#include <prefer/interop/eigen.hpp>
#include <prefer/loss/bradley_terry.hpp>

#include <Eigen/Dense>

#include <cstdio>

int main() {
  constexpr int pairs = 400, features = 5;
  std::srand(1);
  const Eigen::VectorXd truth = Eigen::VectorXd::LinSpaced(features, -1, 1);
  Eigen::MatrixXd better = Eigen::MatrixXd::Random(pairs, features), worse = Eigen::MatrixXd::Random(pairs, features);
  for (int i = 0; i < pairs; ++i)
    if ((better.row(i) - worse.row(i)).dot(truth) < 0) better.row(i).swap(worse.row(i));

  Eigen::VectorXd w = Eigen::VectorXd::Zero(features), chosen, rejected, grad_chosen(pairs), grad_rejected(pairs);
  double loss = 0, accuracy = 0;
  for (int step = 0; step < 300; ++step) {
    chosen = better * w, rejected = worse * w;
    prefer::check(
        prefer::evaluate<double>(prefer::cpu{}, prefer::bradley_terry{},
                                 {.chosen = prefer::as_vector(chosen), .rejected = prefer::as_vector(rejected)},
                                 {.loss = {&loss, 1},
                                  .grad_chosen = prefer::as_vector(grad_chosen),
                                  .grad_rejected = prefer::as_vector(grad_rejected),
                                  .accuracy = {&accuracy, 1}}));
    w -= 3 * (better.transpose() * grad_chosen + worse.transpose() * grad_rejected);
  }
  const double cosine = w.normalized().dot(truth.normalized());
  std::printf("loss %.4f, accuracy %.3f, cosine of learned and true weights %.4f\n", loss, accuracy, cosine);
  return cosine > 0.98 ? 0 : 1;
}
