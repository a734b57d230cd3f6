// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/perceptron.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cmath>

// A pendulum whose motor is too weak to lift it at once, and an expert who swings it up and holds it there. Batches are
// matrices with one pendulum per column: a state is (cos, sin, velocity / 8) of the angle from upright, an action the
// torque, from -1 to 1.
namespace pendulum {

constexpr int state = 3, action = 1, input = state + action;  // what a discriminator and a critic see
constexpr int episode = 100;                                  // steps, after which everything starts anew
constexpr float tick = 0.05f, gravity = 15, torque = 6, fastest = 8;

inline MatrixXf state_of(float angle, float velocity) {
  return Eigen::Vector3f(std::cos(angle), std::sin(angle), velocity / fastest);
}
inline float angle_of(const MatrixXf& s, Eigen::Index i) { return std::atan2(s(1, i), s(0, i)); }

// At any angle, nearly at rest.
inline MatrixXf start(int n, dice& random) {
  MatrixXf s(state, n);
  const auto between = [&](float low, float high) { return low + (high - low) * static_cast<float>(random.uniform()); };
  for (int i = 0; i < n; ++i) s.col(i) = state_of(between(-3.14159265f, 3.14159265f), between(-1, 1));
  return s;
}

inline MatrixXf step(const MatrixXf& s, const MatrixXf& a) {
  MatrixXf next(state, s.cols());
  for (Eigen::Index i = 0; i < s.cols(); ++i) {
    const float faster = fastest * s(2, i) + tick * (gravity * s(1, i) + torque * a(0, i));
    const float velocity = std::clamp(faster, -fastest, fastest);
    next.col(i) = state_of(angle_of(s, i) + tick * velocity, velocity);
  }
  return next;
}

// Pumps energy until there is enough of it, then holds.
inline MatrixXf expert(const MatrixXf& s) {
  MatrixXf a(action, s.cols());
  for (Eigen::Index i = 0; i < s.cols(); ++i) {
    const float angle = angle_of(s, i), velocity = fastest * s(2, i);
    const float missing = gravity * (1 - s(0, i)) - 0.5f * velocity * velocity;
    const float pump = missing * (velocity < 0 ? -0.5f : 0.5f), hold = -5 * angle - 1.2f * velocity;
    a(0, i) = std::clamp(s(0, i) > 0.85f ? hold : pump, -1.0f, 1.0f);
  }
  return a;
}

// The share of pendulums that are up, unknown to those who imitate.
inline double score(const MatrixXf& s) { return (s.row(0).array() > 0.9f).cast<double>().mean(); }

inline MatrixXf joined(const MatrixXf& s, const MatrixXf& a) {
  MatrixXf both(input, s.cols());
  both << s, a;
  return both;
}

}  // namespace pendulum
