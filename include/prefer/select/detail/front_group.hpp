// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/front_search.hpp>

#include <cstdint>

// The non-dominated sets of groups whose keys fit into the first cache, on the CPU: many small groups per call.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T>
struct small_groups_job {
  const objective_table* table;
  std::int64_t first, last;  // groups; those that are not small are passed over
  std::uint64_t* words;      // of all groups, see front_words
  std::int64_t first_nan;    // sample, -1 for none
};

// Where the bits of a group begin: every group has words of its own, so that threads share none.
inline std::int64_t front_words(const group_rows& g, std::int64_t b) { return g.first / 64 + b; }

template <class T>
struct small_groups_work {
  static constexpr int filter_from = 32;  // samples; fewer are compared with each other at once

  struct buffers {
    alignas(64) T keys[(16 << 10) / sizeof(T) + 4 * objective_tile<T>::most];
    alignas(64) T score[objective_tile<T>::most];
    objective_tile<T> tile;
    score_scale<T> scale;
    int index[objective_tile<T>::most];
    std::uint32_t stay[objective_tile<T>::most / pair_bits<T>::width];
  };

  template <class Level>
  static inline __attribute__((always_inline)) void set_scale(buffers& b, int objectives) {
    using V = lane<T, Level>;
    const T far = std::numeric_limits<T>::max();
    for (int k = 0; k < objectives; ++k) {
      T low = far, high = -far;
      V lows(far), highs(-far);
      const T* const x = b.keys + k * b.tile.stride;
      int i = 0;
      for (; i + V::width <= b.tile.count; i += V::width) {
        const V v = V::load(x + i);
        lows = select(v < lows, v, lows), highs = select(v > highs, v, highs);
      }
      T ends[V::width];
      lows.store(ends);
      for (const T e : ends) low = std::min(low, e);
      highs.store(ends);
      for (const T e : ends) high = std::max(high, e);
      for (; i < b.tile.count; ++i) low = std::min(low, x[i]), high = std::max(high, x[i]);
      b.scale.set(k, low, high);
    }
  }

  // Drops what a few good samples dominate.
  template <class Level>
  static inline __attribute__((always_inline)) void filter(buffers& b, int objectives, bool strict) {
    pivot_list<T> pivots(objectives);
    set_scale<Level>(b, objectives);
    filter_job<T> job{&b.tile, &b.scale, &pivots, objectives, strict, b.score};
    filter_work<T>::template run<Level>(job);
    pivots.offer(b.tile, b.score, objectives);
    filter_work<T>::template run<Level>(job);
  }

  // Moves those that take part together.
  static inline __attribute__((always_inline)) int gather(buffers& b, int objectives) {
    int kept = 0;
    for (int w = 0; 64 * w < b.tile.count; ++w)
      for (std::uint64_t bits = b.tile.present[w]; bits != 0; bits &= bits - 1)
        b.index[kept++] = 64 * w + __builtin_ctzll(bits);
    for (int k = 0; k < objectives; ++k) {
      T* const x = b.keys + k * b.tile.stride;
      for (int i = 0; i < kept; ++i) x[i] = x[b.index[i]];
    }
    return kept;
  }

  template <class Level>
  static inline __attribute__((always_inline)) void run(small_groups_job<T>& job) {
    const objective_table& t = *job.table;
    const int most = tile_samples(t.count, sizeof(T));
    buffers b;
    b.tile.keys = b.keys, b.tile.stride = most;
    for (std::int64_t nth = job.first; nth < job.last; ++nth) {
      const group_rows g = t.group(nth);
      if (g.count > most || g.count <= 0) continue;
      b.tile.first = 0, b.tile.count = static_cast<int>(g.count);
      load_tile_job<T> load{&t, g, least_violation(t, g), &b.tile};
      load_tile_work<T>::template run<Level>(load);
      if (job.first_nan < 0 && b.tile.first_nan >= 0) job.first_nan = g.first + b.tile.first_nan;
      if (b.tile.count >= filter_from) filter<Level>(b, t.count, t.dominance == dominance::strict);
      const int kept = gather(b, t.count);
      for (int j = 0; j * pair_bits<T>::width < kept; ++j)
        b.stay[j] = pair_bits<T>::of_first(kept - j * pair_bits<T>::width);
      front_pairs<T, Level>::run(b.keys, b.tile.stride, kept, t, b.stay);
      std::uint64_t* const words = job.words + front_words(g, nth);
      for (int i = 0; i < kept; ++i)
        if (pair_bits<T>::get(b.stay, i)) words[b.index[i] >> 6] |= std::uint64_t{1} << (b.index[i] & 63);
    }
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
