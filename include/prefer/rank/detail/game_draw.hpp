// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>
#include <prefer/core/random.hpp>

#include <cstdint>

// What the bootstrap does on both backends: drawing a game, and the interval of an item from its replicates.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Streams of random numbers from here on are the replicates.
inline constexpr std::uint64_t bootstrap_stream = std::uint64_t{0x6254} << 48;

inline constexpr std::int64_t most_games = 2147483647;

// Games are drawn one by one, so there has to be a whole number of them.
PREFER_HD bool is_whole(double count) {
  return count >= 0x1p53 || static_cast<double>(static_cast<std::int64_t>(count)) == count;
}

// All games in the order of their cells: the outcomes that a pair had, each with as many games as were played. A game
// is drawn by its number. Its cell is found from that of the first game of its bucket of 2^shift games; with several
// buckets per cell that is nearly always the same, however uneven the cells are.
struct game_urn {
  static constexpr std::int64_t buckets_per_cell = 8;

  std::int64_t cells = 0;
  std::int64_t games = 0;
  int shift = 0;
  std::int64_t* last = nullptr;    // [cells] games of this cell and all before
  std::uint32_t* guide = nullptr;  // [buckets] the cell of a bucket's first game

  PREFER_HD void set_games(std::int64_t all, std::int64_t most_cells) {
    games = all;
    for (shift = 0; ((games - 1) >> shift) >= buckets_per_cell * most_cells; ++shift) {
    }
  }
  PREFER_HD std::int64_t draw(std::uint64_t bits) const {
    const auto game = static_cast<std::int64_t>(to_below(bits, static_cast<std::uint64_t>(games)));
    std::int64_t cell = guide[game >> shift];
    while (shift > 0 && last[cell] <= game) ++cell;
    return cell;
  }
};

struct rating_interval {
  double lower, upper, standard_error;
};

// Linear between order statistics.
PREFER_HD double percentile(const double* sorted, std::int64_t count, double p) {
  const double at = p * static_cast<double>(count - 1);
  const auto below = static_cast<std::int64_t>(at);
  if (below + 1 >= count) return sorted[count - 1];
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
}

// NaN from no replicates, and from one for the standard error.
PREFER_HD rating_interval interval_of(const double* sorted, std::int64_t count, double level) {
  const double nan = math::detail::not_a_number<double>();
  if (count == 0) return {nan, nan, nan};
  double sum = 0, squares = 0;
  for (std::int64_t k = 0; k < count; ++k) sum += sorted[k];
  const double mean = sum / static_cast<double>(count);
  for (std::int64_t k = 0; k < count; ++k) squares += (sorted[k] - mean) * (sorted[k] - mean);
  return {percentile(sorted, count, 0.5 * (1 - level)), percentile(sorted, count, 0.5 * (1 + level)),
          count > 1 ? math::sqrt(squares / static_cast<double>(count - 1)) : nan};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
