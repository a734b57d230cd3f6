// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>

#include <cstdint>
#include <type_traits>

// Metrics on rows of D numbers, as calls on all pairs of samples take them: a sum over the differences of the
// coordinates, and a function of it. A metric of one's own has the same shape and, so that what is proven with it is
// true, the triangle inequality, which nobody checks:
//
//   struct metric {
//     // The sum after coordinate d; `difference` and its negative have to give the same.
//     template <class V> PREFER_HD V step(const V& sum, const V& difference, std::int64_t d) const;
//     template <class V> PREFER_HD V finish(const V& sum) const;
//     static constexpr double least, most;  // optional: sums in float outside of these are taken in double
//     // Optional, for gradients by points: that of the distance (above 0) by the difference of coordinate d.
//     PREFER_HD double derivative(double difference, double distance, std::int64_t d) const;
//   };
//
// Distances beyond the range of the arithmetic are infinite: no one's neighbours, and no slope.
//
// A general Mahalanobis distance sqrt((x - y)' M (x - y)) with M = A' A is the metric l2 on the rows A x; of near
// duplicates far from 0 the rows A x should be double, or be centred first.
namespace prefer::metric {
inline namespace PREFER_ABI {

// sum |x - y|
struct l1 {
  template <class V>
  PREFER_HD V step(const V& sum, const V& difference, std::int64_t) const {
    return sum + math::abs(difference);
  }
  template <class V>
  PREFER_HD V finish(const V& sum) const {
    return sum;
  }
  PREFER_HD double derivative(double difference, double, std::int64_t) const {
    return difference > 0 ? 1 : difference < 0 ? -1 : 0;
  }
};

// sqrt(sum (x - y)^2). Squares leave the range of float far before the numbers do, hence `least` and `most`; in double
// differences below 1e-154 are 0 and those above 1e154 infinite.
struct l2 {
  static constexpr double least = 1e-30, most = 3e38;

  template <class V>
  PREFER_HD V step(const V& sum, const V& difference, std::int64_t) const {
    return math::fma(difference, difference, sum);
  }
  template <class V>
  PREFER_HD V finish(const V& sum) const {
    return math::sqrt(sum);
  }
  PREFER_HD double derivative(double difference, double distance, std::int64_t) const { return difference / distance; }
};

// max |x - y|. It has no derivative here.
struct linf {
  template <class V>
  PREFER_HD V step(const V& sum, const V& difference, std::int64_t) const {
    return math::max(math::abs(difference), sum);
  }
  template <class V>
  PREFER_HD V finish(const V& sum) const {
    return sum;
  }
};

// sqrt(sum weight_d (x - y)^2): features of different units; a diagonal Mahalanobis distance. `weight` are D positive
// numbers where the call runs.
struct weighted_l2 {
  const double* weight;
  static constexpr double least = 1e-30, most = 3e38;

  template <class V>
  PREFER_HD V step(const V& sum, const V& difference, std::int64_t d) const {
    return math::fma(V(weight[d]) * difference, difference, sum);
  }
  template <class V>
  PREFER_HD V finish(const V& sum) const {
    return math::sqrt(sum);
  }
  PREFER_HD double derivative(double difference, double distance, std::int64_t d) const {
    return weight[d] * difference / distance;
  }
};

}  // namespace PREFER_ABI
}  // namespace prefer::metric
