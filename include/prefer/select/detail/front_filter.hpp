// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/objective_tile.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>

// Dropping what a few good samples dominate, a tile at a time.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// A monotone number per sample: what dominates another has no smaller one, and equal samples have equal ones. The sum
// of objectives, each over its range in some samples; cut off, so that infinite keys do no harm.
template <class T>
struct score_scale {
  T low[objectives::most];
  T inverse[objectives::most];

  // From the smallest and the largest of some samples; the first above the second for none.
  void set(int k, T least, T largest) {
    constexpr T far = std::numeric_limits<T>::max();
    least = std::max(least, -far), largest = std::min(largest, far);
    const T range = largest > least ? std::min(largest - least, far) : T(1);
    low[k] = least <= largest ? least : T(0);
    inverse[k] = T(1) / std::max(range, std::numeric_limits<T>::min());
  }
  template <class V>
  PREFER_HD V term(const V& key, int k) const {
    const V x = (key - V(low[k])) * V(inverse[k]), most(T(1024));
    return select(x < most, select(x > -most, x, -most), most);
  }
};

// Good samples that others are compared with first.
template <class T>
struct pivot_list {
  static constexpr int most = 8, most_keys = 256;

  T keys[most_keys];  // of pivot p from p * objectives on
  T score[most];
  int capacity = 0, count = 0;

  explicit pivot_list(int objectives) : capacity(most_keys / objectives < most ? most_keys / objectives : most) {}

  // Takes a sample in if it is better than the worst one here.
  void offer(const T* row, T its_score, int objectives) {
    if (count == capacity && !(its_score > score[count - 1])) return;
    int at = count < capacity ? count++ : count - 1;
    for (; at > 0 && score[at - 1] < its_score; --at) {
      score[at] = score[at - 1];
      std::copy_n(keys + (at - 1) * objectives, objectives, keys + at * objectives);
    }
    score[at] = its_score;
    std::copy_n(row, objectives, keys + at * objectives);
  }
  // All samples of a tile that take part.
  void offer(const objective_tile<T>& tile, const T* its_score, int objectives) {
    T row[prefer::objectives::most];
    for (int w = 0; 64 * w < tile.count; ++w)
      for (std::uint64_t bits = tile.present[w]; bits != 0; bits &= bits - 1) {
        const int i = 64 * w + __builtin_ctzll(bits);
        if (count == capacity && !(its_score[i] > score[count - 1])) continue;
        for (int k = 0; k < objectives; ++k) row[k] = tile.keys[k * tile.stride + i];
        offer(row, its_score[i], objectives);
      }
  }
};

// Scores a tile, and drops from `present` what some pivot dominates: what is nowhere better and has a smaller score,
// which keeps equal samples. Strictly: what is everywhere worse.
template <class T>
struct filter_job {
  objective_tile<T>* tile;
  score_scale<T>* scale;
  const pivot_list<T>* pivots;
  int objectives;
  bool strict;
  T* score;         // [tile samples]
  bool measures = false;  // the tile gives the scale
};
template <class T>
struct filter_work {
  using job_type = filter_job<T>;

  template <class V>
  static inline __attribute__((always_inline)) void measure(const job_type& job) {
    const objective_tile<T>& tile = *job.tile;
    const T far = std::numeric_limits<T>::max();
    for (int k = 0; k < job.objectives; ++k) {
      V lows(far), highs(-far);  // lanes behind the last sample hold zeros
      for (int i = 0; i < tile.count; i += V::width) {
        const V v = V::load(tile.keys + k * tile.stride + i);
        lows = select(v < lows, v, lows), highs = select(v > highs, v, highs);
      }
      T low[V::width], high[V::width];
      lows.store(low), highs.store(high);
      for (int i = 1; i < V::width; ++i) low[0] = std::min(low[0], low[i]), high[0] = std::max(high[0], high[i]);
      job.scale->set(k, low[0], high[0]);
    }
  }

  template <class Level>
  static inline __attribute__((always_inline)) void run(job_type& job) {
    using V = lane<T, key_level<Level>>;
    using lanes = key_lanes<T, Level>;
    constexpr int width = V::width;
    objective_tile<T>& tile = *job.tile;
    if (job.measures) measure<V>(job);
    V pivot[pivot_list<T>::most_keys];
    for (int i = 0; i < job.pivots->count * job.objectives; ++i) pivot[i] = V(job.pivots->keys[i]);
    for (int i = 0; i < tile.count; i += width) {
      const T* const x = tile.keys + i;
      V score = job.scale->term(V::load(x), 0);
      for (int k = 1; k < job.objectives; ++k) score += job.scale->term(V::load(x + k * tile.stride), k);
      score.store(job.score + i);
      std::uint64_t& word = tile.present[i >> 6];
      const int shift = i & 63;
      const auto before = static_cast<std::uint32_t>(word >> shift) & lanes::all;
      std::uint32_t left = before;
      for (int p = 0; p < job.pivots->count && left != 0; ++p) {
        const V* const keys = pivot + p * job.objectives;
        if (job.strict) {
          left &= ~lanes::template every<compare::below>(x, tile.stride, keys, job.objectives);
          continue;
        }
        const std::uint32_t under =
            left & lanes::template every<compare::at_most>(x, tile.stride, keys, job.objectives);
        if (under == 0) continue;
        const V limit(job.pivots->score[p]);
        left &= ~(under & lanes::template every<compare::below>(job.score + i, 0, &limit, 1));
      }
      word &= ~(static_cast<std::uint64_t>(before & ~left) << shift);
    }
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
