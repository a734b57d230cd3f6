// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/random.hpp>
#include <prefer/logp/denoising_step.hpp>

#include <Eigen/Dense>

#include <cmath>
#include <cstdint>
#include <vector>

// A small denoiser of points in the plane: a perceptron with two hidden layers, trained by Adam. Batches are matrices
// with one point per column.
using Eigen::MatrixXf;

// Reproducible random numbers from one counter.
class dice {
 public:
  explicit dice(std::uint64_t seed) : seed_(seed) {}
  double uniform() { return prefer::to_uniform(prefer::draw_pair(seed_, 1, count_++).first); }
  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(uniform() * static_cast<double>(n)); }
  float normal() {
    const prefer::random_pair p = prefer::draw_pair(seed_, 2, count_++);
    return static_cast<float>(std::sqrt(-2 * std::log(prefer::to_uniform(p.first))) *
                              std::cos(6.283185307179586 * prefer::to_uniform(p.second)));
  }
  MatrixXf normals(Eigen::Index rows, Eigen::Index columns) {
    return MatrixXf::NullaryExpr(rows, columns, [this] { return normal(); });
  }

 private:
  std::uint64_t seed_, count_ = 0;
};

// The noise schedule: alpha_bar falls from nearly 1 to nearly 0 in `steps` steps.
struct schedule {
  static constexpr int steps = 40;
  double alpha_bar[steps];
  schedule() {
    double product = 1;
    for (int t = 0; t < steps; ++t) alpha_bar[t] = product *= 1 - (0.002 + 0.25 * t / (steps - 1));
  }
  float signal(int t) const { return static_cast<float>(std::sqrt(alpha_bar[t])); }
  float noise(int t) const { return static_cast<float>(std::sqrt(1 - alpha_bar[t])); }
};
inline const schedule times;

class denoiser {
 public:
  static constexpr int inputs = 8, hidden = 64;

  explicit denoiser(std::uint64_t seed) {
    dice random(seed);
    const int sizes[] = {inputs, hidden, hidden, 2};
    for (int l = 0; l < 3; ++l) {
      layer_[l].weight = random.normals(sizes[l + 1], sizes[l]) / std::sqrt(static_cast<float>(sizes[l]));
      layer_[l].bias = MatrixXf::Zero(sizes[l + 1], 1);
      layer_[l].reset();
    }
  }

  // The predicted noise of points x at the times t.
  MatrixXf predict(const MatrixXf& x, const std::vector<int>& t) {
    activation_[0] = features(x, t);
    for (int l = 0; l < 3; ++l) {
      MatrixXf z = layer_[l].weight * activation_[l];
      z.colwise() += layer_[l].bias.col(0);
      activation_[l + 1] = l < 2 ? MatrixXf(z.array().tanh()) : z;
    }
    return activation_[3];
  }

  // One step of Adam along the gradient of a loss by the last prediction.
  void learn(const MatrixXf& by_prediction, float rate) {
    ++step_;
    MatrixXf delta = by_prediction;
    for (int l = 2; l >= 0; --l) {
      const MatrixXf by_weight = delta * activation_[l].transpose(), by_bias = delta.rowwise().sum();
      if (l > 0)
        delta = ((layer_[l].weight.transpose() * delta).array() * (1 - activation_[l].array().square())).matrix();
      adam(layer_[l].weight, layer_[l].state[0], by_weight, rate);
      adam(layer_[l].bias, layer_[l].state[1], by_bias, rate);
    }
  }

  void forget_moments() {
    step_ = 0;
    for (auto& l : layer_) l.reset();
  }

 private:
  struct moments {
    MatrixXf first, second;
  };
  struct layer {
    MatrixXf weight, bias;
    moments state[2];
    void reset() {
      state[0] = {MatrixXf::Zero(weight.rows(), weight.cols()), MatrixXf::Zero(weight.rows(), weight.cols())};
      state[1] = {MatrixXf::Zero(bias.rows(), 1), MatrixXf::Zero(bias.rows(), 1)};
    }
  };
  layer layer_[3];
  MatrixXf activation_[4];
  int step_ = 0;

  static MatrixXf features(const MatrixXf& x, const std::vector<int>& t) {
    MatrixXf f(inputs, x.cols());
    for (Eigen::Index i = 0; i < x.cols(); ++i) {
      const float when = static_cast<float>(t[static_cast<std::size_t>(i)]) / schedule::steps;
      f.col(i).head<2>() = x.col(i);
      for (int k = 0; k < 3; ++k) {
        const float angle = 3.14159265f * static_cast<float>(1 << k) * when;
        f(2 + 2 * k, i) = std::sin(angle);
        f(3 + 2 * k, i) = std::cos(angle);
      }
    }
    return f;
  }
  void adam(MatrixXf& x, moments& m, const MatrixXf& g, float rate) const {
    m.first = 0.9f * m.first + 0.1f * g;
    m.second = 0.999f * m.second + 0.001f * MatrixXf(g.array().square());
    const float first = 1 - std::pow(0.9f, static_cast<float>(step_));
    const float second = 1 - std::pow(0.999f, static_cast<float>(step_));
    x.array() -= rate * (m.first.array() / first) / ((m.second.array() / second).sqrt() + 1e-8f);
  }
};

// Points noised to the times t with the given noise.
inline MatrixXf noised(const MatrixXf& x, const MatrixXf& noise, const std::vector<int>& t) {
  MatrixXf y(2, x.cols());
  for (Eigen::Index i = 0; i < x.cols(); ++i) {
    const int at = t[static_cast<std::size_t>(i)];
    y.col(i) = times.signal(at) * x.col(i) + times.noise(at) * noise.col(i);
  }
  return y;
}

// Points drawn by the model, and if `path` is given every state on the way: path[k] is the state at time steps - 1 - k.
inline MatrixXf draw_points(denoiser& model, MatrixXf x, dice& random, std::vector<MatrixXf>* path = nullptr) {
  for (int t = schedule::steps - 1; t >= 0; --t) {
    if (path != nullptr) path->push_back(x);
    const MatrixXf noise = model.predict(x, std::vector<int>(static_cast<std::size_t>(x.cols()), t));
    if (t == 0) {
      x = (x - times.noise(0) * noise) / times.signal(0);
    } else {
      const prefer::ddim_transition step = prefer::ddim_step(times.alpha_bar[t], times.alpha_bar[t - 1]);
      x = static_cast<float>(step.state_factor) * x + static_cast<float>(step.noise_factor) * noise +
          static_cast<float>(step.sigma) * random.normals(2, x.cols());
    }
  }
  return x;
}
