// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/perceptron.hpp"
#include "support/random.hpp"

#include <prefer/logp/denoising_step.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

// A small denoiser of points in the plane. Batches are matrices with one point per column.

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
  explicit denoiser(std::uint64_t seed) : denoiser(dice(seed)) {}

  // The predicted noise of points x at the times t.
  MatrixXf predict(const MatrixXf& x, const std::vector<int>& t) { return layers_.forward(features(x, t)); }
  // One step of Adam along the gradient of a loss by the last prediction.
  void learn(const MatrixXf& by_prediction, float rate) { layers_.learn(by_prediction, rate); }
  void forget_moments() { layers_.forget_moments(); }

 private:
  static constexpr int inputs = 8, hidden = 64;
  perceptron layers_;

  explicit denoiser(dice random) : layers_({inputs, hidden, hidden, 2}, random) {}

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
