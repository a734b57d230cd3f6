// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/dominance_lanes.hpp>
#include <prefer/select/objectives.hpp>

#include <cstdint>

// Every sample against every other, a lane of them at a time.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Bits of samples in words of one lane's width: sample i is bit i % width of word i / width.
template <class T>
struct pair_bits {
  static constexpr int width = 64 / static_cast<int>(sizeof(T));
  static bool get(const std::uint32_t* words, std::int64_t i) { return (words[i / width] >> i % width & 1) != 0; }
  static void clear(std::uint32_t* words, std::int64_t i) { words[i / width] &= ~(std::uint32_t{1} << i % width); }
  static std::uint32_t of_first(std::int64_t n) { return (std::uint32_t{1} << (n < width ? n : width)) - 1; }
  static std::int64_t words_of(std::int64_t n) { return (n + width - 1) / width; }
};

// Key k of sample i is keys[k * stride + i]. `left` has the samples that take part; those that stay are the set.
template <class T, class Level>
struct front_pairs {
  using V = lane<T, key_level<Level>>;
  using lanes = key_lanes<T, Level>;
  using bits = pair_bits<T>;

  static inline __attribute__((always_inline)) void spread(const T* keys, std::int64_t stride, int count,
                                                           std::int64_t i, V* x) {
    for (int k = 0; k < count; ++k) x[k] = V(keys[k * stride + i]);
  }

  static inline __attribute__((always_inline)) void dominated(const T* keys, std::int64_t stride, std::int64_t n,
                                                              int count, bool strict, std::uint32_t* left) {
    V x[objectives::most];
    const std::int64_t words = bits::words_of(n);
    for (std::int64_t i = 0; i < n; ++i) {
      if (!bits::get(left, i)) continue;  // what it dominates its dominator does too
      spread(keys, stride, count, i, x);
      for (std::int64_t j = 0; j < words; ++j) {
        if (left[j] == 0) continue;
        const T* const w = keys + j * bits::width;
        if (strict) {
          left[j] &= ~lanes::template every<compare::below>(w, stride, x, count);
          continue;
        }
        const std::uint32_t under = left[j] & lanes::template every<compare::at_most>(w, stride, x, count);
        if (under != 0) left[j] &= ~under | lanes::template every<compare::at_least>(w, stride, x, count);
      }
    }
  }

  static inline __attribute__((always_inline)) void equal(const T* keys, std::int64_t stride, std::int64_t n,
                                                          int count, bool keep_first, std::uint32_t* left) {
    V x[objectives::most];
    const std::int64_t words = bits::words_of(n);
    for (std::int64_t i = 0; i < n; ++i) {
      if (!bits::get(left, i)) continue;
      spread(keys, stride, count, i, x);
      bits::clear(left, i);
      bool alone = true;
      for (std::int64_t j = i / bits::width; j < words; ++j) {
        if (left[j] == 0) continue;
        const T* const w = keys + j * bits::width;
        std::uint32_t same = left[j] & lanes::template every<compare::at_least>(w, stride, x, count);
        if (same != 0) same &= lanes::template every<compare::at_most>(w, stride, x, count);
        if (same == 0) continue;
        left[j] &= ~same;  // all of them after i, which an earlier one would have removed
        alone = false;
      }
      if (keep_first || alone) left[i / bits::width] |= std::uint32_t{1} << i % bits::width;
    }
  }

  static inline __attribute__((always_inline)) void run(const T* keys, std::int64_t stride, std::int64_t n,
                                                        const objective_table& t, std::uint32_t* left) {
    dominated(keys, stride, n, t.count, t.dominance == dominance::strict, left);
    if (t.duplicates != duplicates::keep) equal(keys, stride, n, t.count, t.duplicates == duplicates::first, left);
  }
};

// front_pairs at a level.
template <class T>
struct pairs_job {
  const T* keys;
  std::int64_t stride, count;
  const objective_table* table;
  std::uint32_t* stay;
};
template <class T>
struct pairs_work {
  template <class Level>
  static inline __attribute__((always_inline)) void run(pairs_job<T>& job) {
    front_pairs<T, Level>::run(job.keys, job.stride, job.count, *job.table, job.stay);
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
