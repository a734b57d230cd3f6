// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/view.hpp>
#include <support/numbers.hpp>

#include <cstring>
#include <vector>

namespace prefer_test {

// n elements of storage type S at a given stride and offset, with a sentinel in every byte that is not one of them.
template <class S>
class buffer {
 public:
  explicit buffer(std::int64_t n, std::int64_t stride = 1, std::int64_t offset = 0)
      : n_(n),
        stride_(stride),
        first_(guard + offset),
        bytes_(static_cast<std::size_t>(2 * guard + offset + (n > 0 ? (n - 1) * stride + 1 : 0)) * sizeof(S),
               sentinel) {}

  std::int64_t size() const { return n_; }
  S* data() { return reinterpret_cast<S*>(bytes_.data()) + first_; }
  S& at(std::int64_t i) { return data()[i * stride_]; }
  double get(std::int64_t i) { return storage<S>::to(at(i)); }
  void set(std::int64_t i, double x) { at(i) = storage<S>::from(x); }
  void fill(const std::vector<double>& x) {
    for (std::int64_t i = 0; i < n_; ++i) set(i, x[static_cast<std::size_t>(i)]);
  }
  std::vector<double> values() {
    std::vector<double> x(static_cast<std::size_t>(n_));
    for (std::int64_t i = 0; i < n_; ++i) x[static_cast<std::size_t>(i)] = get(i);
    return x;
  }
  prefer::view<S> view() { return prefer::view<S>(data(), n_, stride_); }
  prefer::view<const S> read() { return prefer::view<const S>(data(), n_, stride_); }

  // Nothing but the elements was written.
  bool intact() {
    std::vector<unsigned char> copy = bytes_;
    for (std::int64_t i = 0; i < n_; ++i)
      std::memset(copy.data() + static_cast<std::size_t>(first_ + i * stride_) * sizeof(S), sentinel, sizeof(S));
    for (unsigned char b : copy)
      if (b != sentinel) return false;
    return true;
  }
  bool untouched() const {
    for (unsigned char b : bytes_)
      if (b != sentinel) return false;
    return true;
  }
  const std::vector<unsigned char>& bytes() const { return bytes_; }

 private:
  static constexpr std::int64_t guard = 64;
  static constexpr unsigned char sentinel = 0xa5;
  std::int64_t n_, stride_, first_;
  std::vector<unsigned char> bytes_;
};

}  // namespace prefer_test
