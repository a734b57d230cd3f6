// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/thread_pool.hpp>
#include <support/buffer.hpp>
#include <support/coverage.hpp>
#include <support/numbers.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

// Tests of selections are written once, on a side: the host, or a device with copies of the buffers (side.cuh).
namespace prefer_test {

inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// Leaves the execution of a side as it is; tests of levels and threads change it.
struct unchanged_exec {
  template <class Exec>
  void operator()(Exec&) const {}
};

struct host_side {
  static constexpr prefer::space memory = prefer::space::host;
  prefer::cpu exec = {};

  template <class S>
  prefer::view<const S> read(buffer<S>& b) {
    return b.read();
  }
  template <class S>
  prefer::view<const S, 2> read(buffer<S>& b, std::int64_t rows, std::int64_t columns, std::int64_t row_stride) {
    return {b.data(), rows, columns, row_stride, std::int64_t{1}};
  }
  template <class S>
  prefer::view<S> write(buffer<S>& b) {
    return b.view();
  }
  template <class S>
  prefer::view<S, 2> write(buffer<S>& b, std::int64_t rows, std::int64_t columns, std::int64_t row_stride) {
    return {b.data(), rows, columns, row_stride, std::int64_t{1}};
  }
  void done() {}
};

// Groups of 0 to many samples, with samples of no group before and behind them.
struct ragged_groups {
  buffer<std::int32_t> offsets;
  std::int64_t samples;

  explicit ragged_groups(const std::vector<std::int64_t>& sizes)
      : offsets(static_cast<std::int64_t>(sizes.size()) + 1) {
    std::int64_t at = 2, b = 0;
    for (std::int64_t size : sizes) offsets.at(b++) = static_cast<std::int32_t>(at), at += size;
    offsets.at(b) = static_cast<std::int32_t>(at);
    samples = at + 3;
  }
  std::int64_t count() const { return const_cast<ragged_groups*>(this)->offsets.size() - 1; }
  std::int64_t begin(std::int64_t b) { return offsets.at(b); }
  std::int64_t end(std::int64_t b) { return offsets.at(b + 1); }
  bool owns(std::int64_t s) { return s >= begin(0) && s < end(count() - 1); }
};

// Small and large, for warps and blocks; 600 samples of one group are a block's.
inline std::vector<std::vector<std::int64_t>> group_shapes() {
  return {{1}, {0, 1, 2, 0}, {7, 8, 9, 31, 32, 33}, {600}, {0}, {300, 1, 2000}, {64, 64, 65}};
}

// One rounding to S of a number that is `error` off where it was computed.
template <class S>
bool rounded_right(double got, double exact, double error = 0) {
  return std::fabs(got - exact) <= error + rounding_of<S>(std::fabs(exact) + error);
}

template <class S>
void fill_uniform(buffer<S>& b, noise& random, double low, double high) {
  for (std::int64_t i = 0; i < b.size(); ++i) b.set(i, random.uniform(low, high));
}

template <class Status>
std::string refused_argument(const Status& s) {
  return s.ok() ? "nothing" : s.argument;
}

}  // namespace prefer_test
