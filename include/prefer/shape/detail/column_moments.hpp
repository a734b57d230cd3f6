// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/item.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/moments.hpp>

#include <cstdint>

// The moments of every column of a matrix, over all rows or over the rows of each label.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// What both backends do with a value, in two passes around a pivot, and what they end with.
struct pivoted_moments {
  static PREFER_HD double part(double x, double pivot) { return x - pivot; }
  static PREFER_HD double square(double x, double pivot, double apart) {
    const double d = part(x, pivot) - apart;
    return d * d;
  }
  static PREFER_HD moments of(double count, double pivot, double apart, double squares) {
    return count == 0 ? moments{} : moments{count, pivot + apart, squares};
  }
};

// The values of column c in rows labelled k, in two passes around the first of them: equal values have squares of 0.
// One item per label and column, the columns of a label next to each other.
struct column_moments {
  std::int64_t rows = 0, columns = 0;
  row_source x;
  source label;           // int32 or int64; without it all rows have label 0
  moments* to = nullptr;  // [labels, columns]

  PREFER_HD bool counts(std::int64_t row, std::int64_t k) const {
    return label.data == nullptr || load_index(label.data, label.type, row * label.stride) == k;
  }
  PREFER_HD double value(std::int64_t row, std::int64_t c) const {
    return load_element<double>(x.data, x.type, row * x.row_stride + c * x.stride);
  }
  PREFER_HD moments of(std::int64_t k, std::int64_t c) const {
    double count = 0, pivot = 0, sum = 0, squares = 0;
    for (std::int64_t i = 0; i < rows; ++i) {
      if (!counts(i, k)) continue;
      const double v = value(i, c);
      if (count == 0) pivot = v;
      count += 1, sum += pivoted_moments::part(v, pivot);
    }
    const double apart = count == 0 ? 0 : sum / count;
    for (std::int64_t i = 0; i < rows; ++i)
      if (counts(i, k)) squares += pivoted_moments::square(value(i, c), pivot, apart);
    return pivoted_moments::of(count, pivot, apart, squares);
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t item = g.first + i;
      to[item] = of(item / columns, item % columns);
    });
  }
};

// The same on the CPU: whole rows of a tile of columns at a time.
struct column_moment_tiles {
  static constexpr int width = 64, group = 8;  // at -O2 compilers make vectors of loops over groups

  const column_moments& job;
  double x[width] = {}, pivot[width] = {}, sum[width] = {}, squares[width] = {};

  // f() for every row of label k, whose part is in x then.
  template <class F>
  void each_row(std::int64_t k, std::int64_t column, int count, F f) {
    for (std::int64_t i = 0; i < job.rows; ++i) {
      if (!job.counts(i, k)) continue;
      const auto* row = static_cast<const char*>(job.x.data) + i * job.x.row_stride * size_of(job.x.type);
      load_strided(source{row, job.x.stride, job.x.type}, column, count, x);
      f();
    }
  }
  void find(std::int64_t k, std::int64_t column, int count) {
    std::int64_t n = 0;
    for (double* cleared : {sum, squares})
      for (int c = 0; c < width; ++c) cleared[c] = 0;
    each_row(k, column, count, [&] {
      for (int c = 0; c < count && n == 0; ++c) pivot[c] = x[c];
      for (int first = 0; first < count; first += group)
        for (int c = first; c < first + group; ++c) sum[c] += pivoted_moments::part(x[c], pivot[c]);
      ++n;
    });
    const auto number = static_cast<double>(n);
    for (int c = 0; c < width; ++c) sum[c] = n == 0 ? 0 : sum[c] / number;
    each_row(k, column, count, [&] {
      for (int first = 0; first < count; first += group)
        for (int c = first; c < first + group; ++c) squares[c] += pivoted_moments::square(x[c], pivot[c], sum[c]);
    });
    for (int c = 0; c < count; ++c)
      job.to[k * job.columns + column + c] = pivoted_moments::of(number, pivot[c], sum[c], squares[c]);
  }
};

// Of `labels` labels.
template <class Exec>
status find_column_moments(const Exec& exec, const column_moments& job, std::int64_t labels) {
  return for_groups(exec, pieces_of(labels * job.columns), job);
}
inline status find_column_moments(const cpu& exec, const column_moments& job, std::int64_t labels) {
  constexpr int width = column_moment_tiles::width;
  const std::int64_t tiles = (job.columns + width - 1) / width;
  for_blocks(exec, tiles * labels, job.rows * job.columns, [&](std::int64_t first, std::int64_t last) {
    column_moment_tiles part{job};
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t column = i % tiles * width;
      part.find(i / tiles, column, static_cast<int>(smaller(width, job.columns - column)));
    }
  });
  return {};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
