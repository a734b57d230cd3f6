// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fit_support.hpp"

#include <support/cuda.cuh>

namespace prefer_test {

constexpr prefer::tie_model all_models[] = {prefer::tie_model::half, prefer::tie_model::rao_kupper,
                                            prefer::tie_model::davidson};

// A vector in device memory; asynchronous work is waited for by `get`.
template <class T>
class array {
 public:
  explicit array(const std::vector<T>& x) : size_(x.size()) {
    REQUIRE(cudaMalloc(&data_, size_ * sizeof(T) + 1) == cudaSuccess);
    set(x);
  }
  array(const array&) = delete;
  ~array() { cudaFree(data_); }
  void set(const std::vector<T>& x) {
    REQUIRE(cudaMemcpy(data_, x.data(), size_ * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  std::vector<T> get() const {
    std::vector<T> x(size_);
    REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
    REQUIRE(cudaMemcpy(x.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return x;
  }
  T* data() const { return static_cast<T*>(data_); }
  std::int64_t size() const { return static_cast<std::int64_t>(size_); }
  prefer_test::device_bytes all() const { return {data_, size_ * sizeof(T)}; }

 private:
  void* data_ = nullptr;
  std::size_t size_;
};

struct device_games {
  std::int64_t items;
  array<std::int32_t> first, second;
  array<double> first_wins, second_wins, ties, wins, tie_matrix;

  explicit device_games(const games& g)
      : items(g.items),
        first(g.first),
        second(g.second),
        first_wins(g.first_wins),
        second_wins(g.second_wins),
        ties(g.ties),
        wins(g.win_matrix()),
        tie_matrix(g.tie_matrix()) {}
  prefer::comparisons<prefer::space::device> pairs() const {
    const std::int64_t m = first.size();
    return {.items = items,
            .first = {first.data(), m},
            .second = {second.data(), m},
            .first_wins = {first_wins.data(), m},
            .second_wins = {second_wins.data(), m},
            .ties = {ties.data(), m}};
  }
  prefer::comparisons<prefer::space::device> matrix() const {
    return {.win_matrix = {wins.data(), items, items}, .tie_matrix = {tie_matrix.data(), items, items}};
  }
};

// A word that kernels report bad content in.
struct report_word {
  array<unsigned long long> word{std::vector<unsigned long long>(1, ~0ull)};

  prefer::content_report* data() const { return reinterpret_cast<prefer::content_report*>(word.data()); }
  prefer::content_report get() const { return {word.get()[0]}; }
};

// The lower triangle of square tables, as pairs.
inline games table(const double* wins, const double* ties, std::int64_t n) {
  games g{.items = n};
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j)
      g.add(i, j, wins[i * n + j], wins[j * n + i], ties != nullptr ? ties[i * n + j] : 0);
  return g;
}

}  // namespace prefer_test
