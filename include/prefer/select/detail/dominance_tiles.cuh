// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/sorted_samples.cuh>

#include <cstdint>

// What the searches on CUDA share: a sample of a thread against tiles of candidates in shared memory.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

PREFER_HD std::int64_t earlier_of(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
PREFER_HD std::int64_t later_of(std::int64_t a, std::int64_t b) { return a < b ? b : a; }

// Up to so many objectives of a thread's own sample are in registers; more are read again for every candidate.
inline constexpr int own_objectives = 8;
inline constexpr int tile_bytes = 16 << 10;

// Candidates in a tile, at most one per thread.
template <class T>
PREFER_HD int tile_rows(int objectives) {
  const int rows = tile_bytes / (objectives * static_cast<int>(sizeof(T)));
  return rows < select_threads ? rows : select_threads;
}

// How two samples are compared: what the table of a call says, without its size.
struct pair_rule {
  int count;
  bool constrained;
  prefer::dominance dominance;
  prefer::duplicates duplicates;

  explicit pair_rule(const objective_table& t)
      : count(t.count), constrained(t.violation.data != nullptr), dominance(t.dominance), duplicates(t.duplicates) {}
};

// Keys of a sample in registers.
template <class T>
struct own_keys {
  T key[own_objectives];

  template <class Load>
  __device__ void load(int count, const Load& at) {
#pragma unroll
    for (int k = 0; k < own_objectives; ++k) key[k] = k < count ? at(k) : T(0);
  }
  __device__ T operator()(int k) const { return key[k]; }
  // Is the other one worse in some objective, so that it neither dominates this one nor equals it?
  template <class Other>
  __device__ bool beats(int count, const Other& other) const {
#pragma unroll
    for (int k = 0; k < own_objectives; ++k) {
      if (k >= count) break;
      if (other(k) < key[k]) return true;
    }
    return false;
  }
};

// The same where keys are read again.
template <class T>
struct far_keys {
  const T* at = nullptr;
  std::int64_t stride = 0;

  __device__ T operator()(int k) const { return at[k * stride]; }
  template <class Other>
  __device__ bool beats(int count, const Other& other) const {
    for (int k = 0; k < count; ++k)
      if (other(k) < at[k * stride]) return true;
    return false;
  }
};

// What another sample is to one's own. Most others are worse in one of the first objectives, which is looked at alone.
template <class T, class Own, class Other>
__device__ relation compare_keys(const pair_rule& rule, const Other& other, double other_violation, const Own& own,
                                 double own_violation) {
  if (rule.constrained && other_violation != own_violation)
    return other_violation < own_violation ? relation::dominates : relation::none;
  if (own.beats(rule.count, other)) return relation::none;
  dominance_test<T> test;
#pragma unroll 1
  for (int k = 0; k < rule.count; ++k) test.see(other(k), own(k));
  return test.dominates(rule.dominance) ? relation::dominates : test.equal() ? relation::equals : relation::none;
}

// A thread's own sample at a position.
template <class T, bool Few>
struct own_sample;
template <class T>
struct own_sample<T, true> {
  own_keys<T> keys;
  double violation = 0;

  __device__ void load(const position_rows<T>& rows, std::int64_t i) {
    keys.load(rows.count, [&](int k) { return rows.keys[k * rows.n + i]; });
    violation = rows.violation_at(i);
  }
  template <class Other>
  __device__ relation against(const pair_rule& rule, const Other& other, double other_violation) const {
    return compare_keys<T>(rule, other, other_violation, keys, violation);
  }
};
template <class T>
struct own_sample<T, false> {
  far_keys<T> keys;
  double violation = 0;

  __device__ void load(const position_rows<T>& rows, std::int64_t i) {
    keys = {rows.keys + i, rows.n}, violation = rows.violation_at(i);
  }
  template <class Other>
  __device__ relation against(const pair_rule& rule, const Other& other, double other_violation) const {
    return compare_keys<T>(rule, other, other_violation, keys, violation);
  }
};

// Candidates in shared memory, column by column.
template <class T>
struct candidate_tile {
  T* keys;
  double* violation;

  static std::size_t bytes(int objectives) {
    const auto rows = static_cast<std::size_t>(tile_rows<T>(objectives));
    return rows * (static_cast<std::size_t>(objectives) * sizeof(T) + sizeof(double));
  }
  // Rows [first, first + rows) of the samples as they lie, those from `end` on left out. Neighbouring threads read
  // neighbouring elements.
  __device__ void load(const device_samples& samples, std::int64_t first, int rows, std::int64_t end) const {
    const int count = samples.table.count;
    for (int e = static_cast<int>(threadIdx.x); e < rows * count; e += static_cast<int>(blockDim.x)) {
      const int row = e / count, k = e - row * count;
      keys[k * rows + row] = first + row < end ? samples.template key_at<T>(first + row, k) : T(0);
    }
    for (int row = static_cast<int>(threadIdx.x); row < rows; row += static_cast<int>(blockDim.x))
      violation[row] = first + row < end ? samples.table.violation_of(first + row) : 0;
  }
  __device__ explicit candidate_tile(unsigned char* shared, int rows)
      : keys(reinterpret_cast<T*>(shared + static_cast<std::size_t>(rows) * sizeof(double))),
        violation(reinterpret_cast<double*>(shared)) {}
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
