// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/segmented_map_reduce.hpp>
#include <prefer/backend/cpu/strided.hpp>
#include <prefer/backend/cpu/transpose.hpp>
#include <prefer/backend/row_map_reduce.hpp>

#include <cstdint>
#include <cstring>

// Columns of a matrix into arrays of doubles.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Blocks of eight rows and eight columns at a time; columns behind the last are read and dropped.
template <class S>
struct columns_work {
  const S* from;
  std::int64_t stride;  // of rows
  int columns, rows;
  double* to;
  int apart;

  template <class Level>
  static inline __attribute__((always_inline)) void run(columns_work& w) {
    using V = lane<double, Level>;
    if (w.columns == 4 && w.stride == 4) {
      for (int i = 0; i < w.rows; i += 16) sixteen_of_four<V>(w, i);
      return;
    }
    for (int i = 0; i < w.rows; i += 8)
      for (int c = 0; c < w.columns; c += 8) {
        V block[8];
        unrolled<8>([&](auto k) PREFER_HD_LAMBDA { block[k] = V::load(w.from + (i + k) * w.stride + c); });
        transpose(block);
        unrolled<8>([&](auto k) PREFER_HD_LAMBDA {
          if (c + k < w.columns) block[k].store(w.to + (c + k) * w.apart + i);
        });
      }
  }
  // Two rows of four to a lane.
  template <class V>
  static inline __attribute__((always_inline)) void sixteen_of_four(columns_work& w, int i) {
    V block[8];
    unrolled<8>([&](auto k) PREFER_HD_LAMBDA { block[k] = V::load(w.from + 4 * i + 8 * k); });
    transpose(block);
    unrolled<4>([&](auto c) PREFER_HD_LAMBDA {
      interleave(block[c], block[4 + c]);
      block[c].store(w.to + c * w.apart + i), block[4 + c].store(w.to + c * w.apart + i + 8);
    });
  }
};

// How many of `count` rows from number `first` on are loaded in blocks: they are. Nothing is read behind the end of the
// matrix.
template <class S>
int load_column_blocks(const row_source& r, int columns, std::int64_t rows, std::int64_t first, int count, double* to,
                       int apart, isa level) {
  const bool fours = columns == 4 && r.row_stride == 4;
  const std::int64_t unread = fours ? 0 : (columns + 7) / 8 * 8 - columns;
  const std::int64_t behind = (unread + r.row_stride - 1) / r.row_stride;
  const int step = fours ? 16 : 8, whole = static_cast<int>(smaller(count, rows - first - behind)) / step * step;
  if (whole <= 0) return 0;
  columns_work<S> w{static_cast<const S*>(r.data) + first * r.row_stride, r.row_stride, columns, whole, to, apart};
  run_at<columns_work<S>>(level, w);
  return whole;
}

// Columns 0, 1, ... of rows [first, first + count) of a matrix of `rows` rows: column k goes to to + k * apart.
inline void load_columns(const row_source& r, int columns, std::int64_t rows, std::int64_t first, int count, double* to,
                         int apart, isa level) {
  int done = 0;
  if (r.stride == 1 && r.row_stride >= columns && columns > 1) {
    if (r.type == element::f32) done = load_column_blocks<float>(r, columns, rows, first, count, to, apart, level);
    if (r.type == element::f64) done = load_column_blocks<double>(r, columns, rows, first, count, to, apart, level);
  }
  for (int k = 0; done < count && k < columns; ++k)
    load_strided({static_cast<const char*>(r.data) + k * r.stride * size_of(r.type), r.row_stride, r.type},
                 first + done, count - done, to + k * apart + done, level);
}

// The columns of a matrix as scores of group_map, number `column` of them. Those of some groups side by side are held,
// so that one pass after the other finds them in the cache.
struct column_scores {
  static constexpr std::int64_t room = 4096;
  row_source rows;
  int columns = 0;
  std::int64_t samples = 0;  // rows
  int column = 0;
  std::int64_t first = 0, count = 0;       // rows that are held
  alignas(64) double held[room + 8] = {};  // a lane can be read behind the last one

  // The groups from number g on, at least one and at most up to `end`, that can be held together.
  std::int64_t side_by_side(const segment_source& groups, std::int64_t g, std::int64_t end) const {
    const std::int64_t most = range_of(groups, g).begin + room / columns;
    for (++g; g < end && range_of(groups, g).end <= most;) ++g;
    return g;
  }
  // Holds the rows of groups [g, end), unless they are too many.
  void hold(const segment_source& groups, std::int64_t g, std::int64_t end, isa level) {
    first = range_of(groups, g).begin, count = range_of(groups, end - 1).end - first;
    if (count * columns > room) count = 0;
    load_columns(rows, columns, samples, first, static_cast<int>(count), held, static_cast<int>(count), level);
  }
  bool has(std::int64_t from, int number) const { return from >= first && from + number <= first + count; }
  const double* of(int k, std::int64_t from) const { return held + k * count + (from - first); }

  void fill(std::int64_t from, int number, double* to, isa level) const {
    if (has(from, number)) {
      std::memcpy(to, of(column, from), static_cast<std::size_t>(number) * sizeof(double));
      return;
    }
    load_strided(
        {static_cast<const char*>(rows.data) + column * rows.stride * size_of(rows.type), rows.row_stride, rows.type},
        from, number, to, level);
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
