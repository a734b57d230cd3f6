// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>

#include <cmath>

namespace prefer {

// The course of a weight (of a divergence, say) over training: from `base` to 1 in `steps` steps, then 1, or with
// `cyclical` from the start again.
//
//   s = step / steps (its place in the cycle with cyclical, at most 1 without)
//   y = s (linear),  (1 - cos(pi s)) / 2 (cosine),  sigmoid(step - steps / 2) (logistic)
//   at(step) = base + (1 - base) y
//
// On the host, to be put where the loss reads its weight. The logistic course is a switch at half time, some ten steps
// wide, and starts and ends at sigmoid(-steps / 2) and sigmoid(steps / 2), not quite at base and 1. Errors (`check`):
// steps above 0, base from 0 to 1. Source: Poddar et al. 2024 (VPL), arXiv 2408.10075, released code.
struct annealing {
  enum class course { linear, cosine, logistic };

  course shape = course::cosine;
  double steps = 10000;
  double base = 0;
  bool cyclical = false;

  constexpr status check() const {
    return first_error(require::positive(steps, "steps"),
                       require::that(base >= 0 && base <= 1, "base", base, "from 0 to 1"));
  }

  double at(double step) const {
    const double t = step < 0 ? 0 : cyclical ? std::fmod(step, steps) : step < steps ? step : steps;
    return base + (1 - base) * progress(t);
  }

 private:
  double progress(double t) const {
    switch (shape) {
      case course::linear: return t / steps;
      case course::cosine: return (1 - std::cos(3.14159265358979323846 * t / steps)) / 2;
      case course::logistic: return math::sigmoid(t - steps / 2);
    }
    return 1;
  }
};

}  // namespace prefer
