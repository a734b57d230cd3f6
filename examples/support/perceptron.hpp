// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "random.hpp"

#include <Eigen/Dense>

#include <cmath>
#include <vector>

// Small networks by hand. Batches are matrices with one item per column.
using Eigen::MatrixXf;

// A matrix that is learnt, with the moments of Adam.
class parameter {
 public:
  explicit parameter(MatrixXf value) : value_(std::move(value)) { forget_moments(); }

  const MatrixXf& value() const { return value_; }

  void learn(const MatrixXf& gradient, float rate) {
    ++steps_;
    first_ = 0.9f * first_ + 0.1f * gradient;
    second_ = 0.999f * second_ + 0.001f * MatrixXf(gradient.array().square());
    const float first = 1 - std::pow(0.9f, static_cast<float>(steps_));
    const float second = 1 - std::pow(0.999f, static_cast<float>(steps_));
    value_.array() -= rate * (first_.array() / first) / ((second_.array() / second).sqrt() + 1e-8f);
  }
  void follow(const parameter& leader, float share) { value_ += share * (leader.value_ - value_); }
  void forget_moments() {
    steps_ = 0;
    first_ = second_ = MatrixXf::Zero(value_.rows(), value_.cols());
  }

 private:
  MatrixXf value_, first_, second_;
  int steps_ = 0;
};

// Dense layers with tanh between them.
class perceptron {
 public:
  // sizes: of the input, of each hidden layer and of the output.
  perceptron(const std::vector<int>& sizes, dice& random) {
    for (std::size_t l = 0; l + 1 < sizes.size(); ++l)
      layers_.push_back({parameter(random.normals(sizes[l + 1], sizes[l]) / std::sqrt(static_cast<float>(sizes[l]))),
                         parameter(MatrixXf::Zero(sizes[l + 1], 1)),
                         {}});
  }

  MatrixXf forward(MatrixXf x) {
    for (layer& l : layers_) {
      l.input = std::move(x);
      x = l.weight.value() * l.input;
      x.colwise() += l.bias.value().col(0);
      if (&l != &layers_.back()) x = x.array().tanh();
    }
    return x;
  }

  // One step of Adam along the gradient of a loss by the last output. Answers with the gradient by the input.
  MatrixXf learn(MatrixXf gradient, float rate) {
    for (std::size_t l = layers_.size(); l-- > 0;) {
      layer& here = layers_[l];
      const MatrixXf by_weight = gradient * here.input.transpose(), by_bias = gradient.rowwise().sum();
      gradient = before(l, gradient);
      here.weight.learn(by_weight, rate);
      here.bias.learn(by_bias, rate);
    }
    return gradient;
  }

  // The gradient by the input, of the last call of forward, of a loss by the output; nothing is learnt.
  MatrixXf by_input(MatrixXf gradient) const {
    for (std::size_t l = layers_.size(); l-- > 0;) gradient = before(l, gradient);
    return gradient;
  }

  // Moves a share of the way to a network of the same sizes.
  void follow(const perceptron& leader, float share) {
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      layers_[l].weight.follow(leader.layers_[l].weight, share);
      layers_[l].bias.follow(leader.layers_[l].bias, share);
    }
  }

  void forget_moments() {
    for (layer& l : layers_) l.weight.forget_moments(), l.bias.forget_moments();
  }

 private:
  struct layer {
    parameter weight, bias;
    MatrixXf input;  // of the last call of forward
  };
  std::vector<layer> layers_;

  // From the gradient by what a layer answers to that by what the layer before it does.
  MatrixXf before(std::size_t l, const MatrixXf& gradient) const {
    MatrixXf by_input = layers_[l].weight.value().transpose() * gradient;
    if (l > 0) by_input.array() *= 1 - layers_[l].input.array().square();
    return by_input;
  }
};
