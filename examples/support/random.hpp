// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/random.hpp>

#include <Eigen/Core>

#include <cmath>
#include <cstdint>

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
  Eigen::MatrixXf normals(Eigen::Index rows, Eigen::Index columns) {
    return Eigen::MatrixXf::NullaryExpr(rows, columns, [this] { return normal(); });
  }
  // Puts a range in random order.
  template <class Range>
  void shuffle(Range&& range) {
    for (auto left = static_cast<std::int64_t>(std::size(range)); left > 1; --left)
      std::swap(std::begin(range)[left - 1], std::begin(range)[below(left)]);
  }

 private:
  std::uint64_t seed_, count_ = 0;
};
