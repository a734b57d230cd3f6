// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/front_search.hpp>

#include <cstdint>

// The non-dominated sets of groups whose keys fit into the first cache, on the CPU: many small groups per call.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Where the bits of a group begin: every group has words of its own, so that threads share none.
inline std::int64_t front_words(const group_rows& g, std::int64_t b) { return g.first / 64 + b; }

template <class T>
class small_groups {
 public:
  // `words`: the bits of all groups, zeros before.
  small_groups(isa level, const objective_table& table, pareto_algorithm method, std::uint64_t* words)
      : level_(level), table_(table), filters_(method != pareto_algorithm::all_pairs), words_(words) {
    tile_.keys = keys_, tile_.stride = most();
  }
  int most() const { return tile_samples(table_.count, sizeof(T)); }

  // The answer is the group's first sample that has a NaN, or -1.
  std::int64_t run(const group_rows& g, std::int64_t nth) {
    tile_.first = 0, tile_.count = static_cast<int>(g.count);
    load_tile(level_, table_, g, least_violation(table_, g), tile_);
    if (filters_ && g.count >= filter_from) filter();
    const int kept = gather();
    for (int j = 0; j * width < kept; ++j) stay_[j] = pair_bits<T>::of_first(kept - j * width);
    pairs_job<T> job{keys_, tile_.stride, kept, &table_, stay_};
    run_keys<pairs_work<T>>(level_, job);
    std::uint64_t* const words = words_ + front_words(g, nth);
    for (int j = 0; j * width < kept; ++j)
      for (std::uint32_t bits = stay_[j]; bits != 0; bits &= bits - 1) {
        const int i = index_[j * width + __builtin_ctz(bits)];
        words[i >> 6] |= std::uint64_t{1} << (i & 63);
      }
    return tile_.first_nan;
  }

 private:
  static constexpr int filter_from = 32;  // samples; fewer are compared with each other at once
  static constexpr int pivots_at_most = 4;
  static constexpr int width = pair_bits<T>::width;

  const isa level_;
  const objective_table& table_;
  const bool filters_;
  std::uint64_t* const words_;
  objective_tile<T> tile_;
  score_scale<T> scale_;
  int index_[objective_tile<T>::most];
  std::uint32_t stay_[objective_tile<T>::most / width];
  alignas(64) T keys_[(16 << 10) / sizeof(T) + 4 * objective_tile<T>::most];
  alignas(64) T score_[objective_tile<T>::most];

  // Drops what a few good samples dominate.
  void filter() {
    pivot_list<T> pivots(table_.count);
    pivots.capacity = std::min(pivots.capacity, pivots_at_most);
    const bool strict = table_.dominance == dominance::strict;
    filter_job<T> job{&tile_, &scale_, &pivots, table_.count, strict, score_, true};
    run_keys<filter_work<T>>(level_, job);
    pivots.offer(tile_, score_, table_.count);
    job.measures = false;
    run_keys<filter_work<T>>(level_, job);
  }

  // Moves those that take part together.
  int gather() {
    int kept = 0;
    for (int w = 0; 64 * w < tile_.count; ++w)
      for (std::uint64_t bits = tile_.present[w]; bits != 0; bits &= bits - 1)
        index_[kept++] = 64 * w + __builtin_ctzll(bits);
    for (int k = 0; k < table_.count; ++k) {
      T* const x = keys_ + k * tile_.stride;
      for (int i = 0; i < kept; ++i) x[i] = x[index_[i]];
    }
    return kept;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
