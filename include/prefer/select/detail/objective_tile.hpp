// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/dominance_lanes.hpp>
#include <prefer/select/objectives.hpp>

#include <cstdint>
#include <type_traits>

// Samples of a group as keys on the CPU, objective by objective: more is better, NaN is dealt with.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Part of a group: key k of sample `first` + i is keys[k * stride + i]. Whole lanes may be read and written.
template <class T>
struct objective_tile {
  static constexpr int most = 256;  // samples

  T* keys = nullptr;
  std::int64_t stride = 0;  // at least `count`, and a multiple of the lanes' width
  std::int64_t first = 0;
  int count = 0;
  std::uint64_t present[most / 64] = {};  // bit i: the sample takes part
  std::int64_t first_nan = -1;            // the first sample that is not in the mask's shadow and has a NaN

  bool takes_part(int i) const { return (present[i >> 6] >> (i & 63) & 1) != 0; }
};

// How many samples a tile of keys of 16 KB has: a multiple of the lanes' width.
inline int tile_samples(int objectives, int bytes) {
  const int fitting = (16 << 10) / (objectives * bytes) / 16 * 16;
  return fitting < 16 ? 16 : fitting > 256 ? 256 : fitting;
}

#if !defined(__CUDACC__)
// Vector sizes are literals, since g++ drops those that depend on template parameters.
template <class T>
struct four_keys;
template <>
struct four_keys<float> {
  typedef float in_memory __attribute__((vector_size(16), aligned(4), may_alias));
};
template <>
struct four_keys<double> {
  typedef double in_memory __attribute__((vector_size(32), aligned(8), may_alias));
};
#endif

template <class T>
struct load_tile_job {
  const objective_table* table;
  group_rows group;
  double least_violation;  // samples with more do not matter
  objective_tile<T>* tile;
};

// Fills a tile's keys and says which samples take part.
template <class T>
struct load_tile_work {
  using job_type = load_tile_job<T>;

#if !defined(__CUDACC__)
  // Four objectives of four samples.
  static inline __attribute__((always_inline)) void turn(const T* from, std::int64_t row, T* to, std::int64_t stride) {
    using four = typename four_keys<T>::in_memory;
    // Read in place: clang forgets the alignment of such a type in a reference that is returned.
    const auto a = *reinterpret_cast<const four*>(from), b = *reinterpret_cast<const four*>(from + row);
    const auto c = *reinterpret_cast<const four*>(from + 2 * row), d = *reinterpret_cast<const four*>(from + 3 * row);
    const auto ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const auto ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const auto cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const auto cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *reinterpret_cast<four*>(to) = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    *reinterpret_cast<four*>(to + stride) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    *reinterpret_cast<four*>(to + 2 * stride) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    *reinterpret_cast<four*>(to + 3 * stride) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
  }

  // Rows of adjacent objectives, in blocks of four by four; the last block may overlap the one before it. Two or three
  // objectives are read with what follows them, while that is there. The answer is how many samples are done.
  static inline __attribute__((always_inline)) int turn_rows(const T* from, std::int64_t row, std::int64_t after,
                                                             int count, int objectives, T* to, std::int64_t stride) {
    int i = 0;
    if (objectives >= 4) {
      for (; i + 4 <= count; i += 4)
        for (int k = 0; k < objectives; k += 4) {
          const int at = k + 4 <= objectives ? k : objectives - 4;
          turn(from + i * row + at, row, to + at * stride + i, stride);
        }
    } else if (objectives > 1 && row >= objectives) {
      // The buffer has room for four objectives.
      for (; i + 4 <= count && i + 5 < count + after; i += 4) turn(from + i * row, row, to + i, stride);
    }
    return i;
  }
#endif

  static inline __attribute__((always_inline)) void load(const objective_table& t, const group_rows& g,
                                                         objective_tile<T>& tile) {
    const std::int64_t start = g.base + tile.first * t.row_stride;
    with_elements(t.data, t.type, [&](const auto* p) PREFER_HD_LAMBDA {
      using S = std::remove_cvref_t<decltype(*p)>;
      if constexpr (!std::is_integral_v<S>) {
        p += start;
        int done = 0;
#if !defined(__CUDACC__)
        if constexpr (std::is_same_v<S, T>)
          if (t.objective_stride == 1)
            done = turn_rows(p, t.row_stride, g.count - tile.first - tile.count, tile.count, t.count, tile.keys,
                             tile.stride);
#endif
        for (int k = 0; k < t.count; ++k) {
          const S* const from = p + k * t.objective_stride;
          T* const to = tile.keys + k * tile.stride;
          for (int i = done; i < tile.count; ++i) to[i] = static_cast<T>(widen(from[i * t.row_stride]));
        }
      }
    });
  }

  template <class V>
  static inline __attribute__((always_inline)) bool has_nan(const objective_tile<T>& tile, int objectives) {
    using integer = typename V::integer;
    using number = typename bits_of<T>::type;
    constexpr number magnitude = static_cast<number>(~(std::uint64_t{1} << (8 * sizeof(T) - 1)));
    constexpr number infinite = sizeof(T) == 4 ? number(0x7f800000) : number(0x7ff0000000000000);
    integer below[V::count] = {};
    for (int k = 0; k < objectives; ++k)
      for (int i = 0; i < tile.count; i += V::width) {
        const V v = V::load(tile.keys + k * tile.stride + i);
        each<V::count>([&](int c) PREFER_HD_LAMBDA {
          below[c] |= infinite - (__builtin_bit_cast(integer, v.v[c]) & magnitude);
        });
      }
    number word[V::width], any = 0;
    __builtin_memcpy(word, below, sizeof word);
    for (const number w : word) any |= w;
    return any < 0;
  }

  static void leave_out(objective_tile<T>& tile, int i) { tile.present[i >> 6] &= ~(std::uint64_t{1} << (i & 63)); }

  static void set_present(const job_type& job) {
    const objective_table& t = *job.table;
    objective_tile<T>& tile = *job.tile;
    for (int w = 0; w < objective_tile<T>::most / 64; ++w) {
      const int left = tile.count - 64 * w;
      tile.present[w] = left >= 64 ? ~std::uint64_t{0} : left > 0 ? (std::uint64_t{1} << left) - 1 : 0;
    }
    for (int i = 0; t.mask.data != nullptr && i < tile.count; ++i)
      if (!t.in_mask(job.group.first + tile.first + i)) leave_out(tile, i);
  }

  // NaN by the policy, one by one.
  static void settle_nan(const objective_table& t, objective_tile<T>& tile) {
    for (int i = 0; i < tile.count; ++i) {
      bool nan = false;
      for (int k = 0; k < t.count; ++k) {
        T& x = tile.keys[k * tile.stride + i];
        if (!math::is_nan(x)) continue;
        nan = true;
        x = t.minimizes(k) ? math::detail::infinity<T>() : -math::detail::infinity<T>();
      }
      if (nan && tile.takes_part(i)) found_nan(t, tile, i);
    }
  }
  static void found_nan(const objective_table& t, objective_tile<T>& tile, int i) {
    if (tile.first_nan < 0 || tile.first + i < tile.first_nan) tile.first_nan = tile.first + i;
    if (t.nan != nan_policy::worst) leave_out(tile, i);
  }

  static void leave_out_violators(const job_type& job) {
    const objective_table& t = *job.table;
    objective_tile<T>& tile = *job.tile;
    for (int i = 0; i < tile.count; ++i) {
      const std::int64_t s = job.group.first + tile.first + i;
      if (!tile.takes_part(i)) continue;
      if (math::is_nan(load_element<double>(t.violation.data, t.violation.type, s * t.violation.stride)))
        found_nan(t, tile, i);
      if (t.violation_of(s) > job.least_violation) leave_out(tile, i);
    }
  }

  template <class Level>
  static inline __attribute__((always_inline)) void run(job_type& job) {
    using V = lane<T, key_level<Level>>;
    const objective_table& t = *job.table;
    objective_tile<T>& tile = *job.tile;
    tile.first_nan = -1;
    load(t, job.group, tile);
    const int padded = (tile.count + V::width - 1) / V::width * V::width;
    for (int k = 0; k < t.count; ++k)
      for (int i = tile.count; i < padded; ++i) tile.keys[k * tile.stride + i] = 0;
    set_present(job);
    if (has_nan<V>(tile, t.count)) settle_nan(t, tile);
    if (t.violation.data != nullptr) leave_out_violators(job);
    for (int k = 0; k < t.count; ++k) {
      T* const x = tile.keys + k * tile.stride;
      if (t.minimizes(k))
        for (int i = 0; i < tile.count; i += V::width) (-V::load(x + i)).store(x + i);
      if (t.stepped && t.tolerance[k] > 0)
        for (int i = 0; i < tile.count; ++i)
          x[i] = static_cast<T>(::floor(static_cast<double>(x[i]) / t.tolerance[k]));
    }
  }
};

// Samples [tile.first, tile.first + tile.count) of a group.
template <class T>
void load_tile(isa level, const objective_table& t, const group_rows& g, double least_violation,
               objective_tile<T>& tile) {
  load_tile_job<T> job{&t, g, least_violation, &tile};
  run_keys<load_tile_work<T>>(level, job);
}

// The least violation among the samples of a group that take part: the others are dominated.
inline double least_violation(const objective_table& t, const group_rows& g) {
  if (t.violation.data == nullptr) return 0;
  double least = math::detail::infinity<double>();
  for (std::int64_t i = 0; i < g.count && least > 0; ++i) {
    const double x = t.violation_of(g.first + i);
    if (x < least && t.state_of(g, i) == sample_state::present) least = x;
  }
  return least;
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
