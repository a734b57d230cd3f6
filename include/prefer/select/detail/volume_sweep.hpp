// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/descending_order.hpp>
#include <prefer/select/detail/rank_set.hpp>

#include <cstdint>

// Sweeps over points of up to three objectives, n log n. All objectives are maximised; rows come in descending order of
// their last objective (order_rows) and exceed the reference `low` in every objective.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// What a point is said to add that one of those before it covers.
inline constexpr double covered = -1;

// Two objectives: what each point adds to the length that the x of those before it cover.
inline void gains_of_two(const double* rows, std::int64_t n, const double* low, double* gain) {
  double reached = low[0];
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = rows[2 * i];
    gain[i] = x > reached ? x - reached : covered;
    reached = x > reached ? x : reached;
  }
}

// The staircase of a sweep over three objectives: which points of the projection nothing dominates, by the rank of
// their x, descending, so that y ascends with it.
struct ranked_stairs {
  rank_set steps;
  ordered_row* order;   // of x
  ordered_row* other;
  std::int32_t* rank;   // of a row
  double* x;            // by rank
  double* y;

  ranked_stairs(arena& memory, std::int64_t n) : steps(memory, n) {
    order = memory.take<ordered_row>(n), other = memory.take<ordered_row>(n);
    rank = memory.take<std::int32_t>(n);
    x = memory.take<double>(n), y = memory.take<double>(n);
  }
  void begin(const double* rows, std::int64_t n) {
    steps.clear();
    order_rows(rows, n, 3, 0, order, other);
    for (std::int64_t r = 0; r < n; ++r) {
      const std::int64_t row = order[r].row;
      rank[row] = static_cast<std::int32_t>(r);
      x[r] = rows[3 * row], y[r] = rows[3 * row + 1];
    }
  }
};

inline double width_between(double low, double high) { return high > low ? high - low : 0; }

// Three objectives: the area that each point adds to what those before it cover.
inline void gains_of_three(const double* rows, std::int64_t n, const double* low, ranked_stairs& s, double* gain) {
  s.begin(rows, n);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t r = s.rank[i], before = s.steps.previous(r);
    double under = before >= 0 ? s.y[before] : low[1], right = s.x[r], area = 0;
    const double top = s.y[r];
    gain[i] = covered;
    if (under >= top) continue;
    std::int64_t at = s.steps.next(r);
    for (; at >= 0 && s.y[at] <= top; at = s.steps.next(r)) {
      area += width_between(s.x[at], right) * (top - under);
      right = s.x[at], under = s.y[at];
      s.steps.erase(at);
    }
    const double wide = width_between(at >= 0 ? s.x[at] : low[0], right);
    gain[i] = wide > 0 ? area + wide * (top - under) : area;
    s.steps.insert(r);
  }
}

// Two objectives: what only one point covers, of a set without dominated points. Equal ones stand beside each other.
inline void shares_of_two(const double* rows, std::int64_t n, const double* low, double* share) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double* const p = rows + 2 * i;
    const double left = i > 0 ? p[-2] : low[0], under = i + 1 < n ? p[3] : low[1];
    const double wide = width_between(left, p[0]), high = width_between(under, p[1]);
    share[i] = wide > 0 && high > 0 ? wide * high : 0;
  }
}

// What only one point covers at the height of a sweep: boxes beside each other from left to right, of which each
// reaches up to the point's y and begins lower than the one to its left.
struct share_box {
  double left, right, under, since;  // since: the height where it began
  std::int32_t after;                // the box to its right, or -1
};
struct share_boxes {
  share_box* box;        // [2 n]
  std::int32_t* first;   // by rank: a point's leftmost box, or -1
  double* y;             // by rank
  double* volume;        // by rank
  std::int32_t used = 0;

  void close(std::int64_t r, const share_box& b, double height) {
    if (b.since > height) volume[r] += (b.right - b.left) * (y[r] - b.under) * (b.since - height);
  }
  void close_all(std::int64_t r, double height) {
    for (std::int32_t b = first[r]; b >= 0; b = box[b].after) close(r, box[b], height);
    first[r] = -1;
  }
  // Another point covers everything up to x.
  void cut_left(std::int64_t r, double x, double height) {
    std::int32_t b = first[r];
    for (; b >= 0 && box[b].right <= x; b = box[b].after) close(r, box[b], height);
    first[r] = b;
    if (b < 0 || box[b].left >= x) return;
    close(r, box[b], height);
    box[b].left = x, box[b].since = height;
  }
  // Another point covers everything up to `under`: the boxes that begin below it become one.
  void cut_under(std::int64_t r, double under, double height) {
    std::int32_t last_kept = -1, b = first[r];
    for (; b >= 0 && box[b].under >= under; b = box[b].after) last_kept = b;
    if (b < 0) return;
    const double left = box[b].left;
    double right = left;
    for (std::int32_t c = b; c >= 0; c = box[c].after) close(r, box[c], height), right = box[c].right;
    const bool some = under < y[r];
    if (some) box[b] = {left, right, under, height, -1};
    (last_kept >= 0 ? box[last_kept].after : first[r]) = some ? b : -1;
  }
  // A box to the left of those that the point has.
  void put_left(std::int64_t r, double left, double right, double under, double height) {
    if (!(left < right && under < y[r])) return;
    box[used] = {left, right, under, height, first[r]};
    first[r] = used++;
  }
};

// Three objectives: the volume that only one point covers, of a set without dominated points (equal ones have none).
// Source: Emmerich, Fonseca 2011, "Computing hypervolume contributions in low dimensions", section 4.
inline void shares_of_three(const double* rows, std::int64_t n, const double* low, ranked_stairs& s, share_boxes& b,
                            double* share) {
  s.begin(rows, n);
  b.y = s.y, b.used = 0;
  for (std::int64_t r = 0; r < n; ++r) b.first[r] = -1, b.volume[r] = 0;
  const auto equal = [&](std::int64_t i, std::int64_t j) {
    return rows[3 * i] == rows[3 * j] && rows[3 * i + 1] == rows[3 * j + 1] && rows[3 * i + 2] == rows[3 * j + 2];
  };
  for (std::int64_t i = 0; i < n; ++i) {
    if (i > 0 && equal(i, i - 1)) continue;
    const std::int64_t r = s.rank[i], before = s.steps.previous(r);
    const double height = rows[3 * i + 2], right = s.x[r], top = s.y[r];
    double under = before >= 0 ? s.y[before] : low[1], edge = right;
    std::int64_t at = s.steps.next(r);
    for (; at >= 0 && s.y[at] <= top; at = s.steps.next(r)) {
      b.close_all(at, height);
      b.put_left(r, s.x[at], edge, under, height);
      edge = s.x[at], under = s.y[at];
      s.steps.erase(at);
    }
    b.put_left(r, at >= 0 ? s.x[at] : low[0], edge, under, height);
    if (before >= 0) b.cut_left(before, right, height);
    if (at >= 0) b.cut_under(at, top, height);
    s.steps.insert(r);
  }
  for (std::int64_t r = 0; r < n; ++r) b.close_all(r, low[2]);
  for (std::int64_t i = 0; i < n; ++i) share[i] = b.volume[s.rank[i]];
  for (std::int64_t i = 1; i < n; ++i)
    if (equal(i, i - 1)) share[i - 1] = share[i] = 0;
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
