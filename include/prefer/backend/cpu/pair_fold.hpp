// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/backend/cpu/strided.hpp>
#include <prefer/backend/pair_fold.hpp>
#include <prefer/core/host_scratch.hpp>

#include <cstddef>
#include <cstdint>

// pair_fold on the CPU (contract: backend/pair_fold.hpp). Rows are first packed: a panel holds as many as a lane has
// elements, coordinate by coordinate. Then a lane of points meets a few queries at a time, whose sums stay in
// registers; a panel of points meets all queries of a task while it is in the first cache.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Packed rows. `present` is 1 for those that count, else 0; rows that do not, and those behind the last, hold zeros.
template <class T>
struct packed_rows {
  static constexpr int panel = 64 / static_cast<int>(sizeof(T));
  std::int64_t rows = 0, width = 0;
  T *coordinate = nullptr, *number = nullptr, *present = nullptr;

  std::int64_t panels() const { return (rows + panel - 1) / panel; }
  const T* at(std::int64_t p) const { return coordinate + p * width * panel; }

  void carve(arena& memory, std::int64_t n, std::int64_t d) {
    rows = n, width = d;
    coordinate = memory.take<T>(panels() * panel * width);
    number = memory.take<T>(panels() * panel);
    present = memory.take<T>(panels() * panel);
  }

  void pack(isa level, const row_source& from, const source& numbers, const source& mask, std::int64_t p) const {
    for (int lane = 0; lane < panel; ++lane) {
      const std::int64_t i = p * panel + lane;
      const bool counts = i < rows && is_point<T>(from, numbers, mask, width, i);
      number[i] = counts ? read_item<T>(numbers, i) : T(0);
      present[i] = counts ? T(1) : T(0);
      T* const to = coordinate + p * width * panel + lane;
      if (counts)
        unpack_row(level, from, i, to);
      else
        for (std::int64_t d = 0; d < width; ++d) to[d * panel] = 0;
    }
  }

 private:
  static constexpr int piece = 256;

  void unpack_row(isa level, const row_source& from, std::int64_t i, T* to) const {
    const source row{static_cast<const char*>(from.data) + i * from.row_stride * size_of(from.type), from.stride,
                     from.type};
    T x[piece];
    for (std::int64_t first = 0; first < width; first += piece) {
      const int count = static_cast<int>(smaller(piece, width - first));
      load_strided(row, first, count, x, level);
      for (int d = 0; d < count; ++d) to[(first + d) * panel] = x[d];
    }
  }
};

// Queries whose sums are kept in registers at a time: half of these, less what else is needed.
template <class Level>
inline constexpr int queries_at_once = 2;
template <>
inline constexpr int queries_at_once<level::avx2> = 4;
template <>
inline constexpr int queries_at_once<level::avx512> = 8;

// Panels of queries [first, last), at most `panels_per_task`, and all points.
template <class T, class Metric>
struct pair_job {
  const Metric* metric;
  const packed_rows<T>*queries, *points;
  pairs_among among;
  std::int64_t first, last;
};

inline constexpr int panels_per_task = 8;

// All pairs of a job: visit(row, query, p, distance, other, counts) for query `row` of the job (row `query` of all) and
// panel p of points: the distances, the points' numbers, and which of them count. Points come in increasing order.
template <class T, class Metric>
struct pair_tiles {
  static constexpr int panel = packed_rows<T>::panel;

  template <class Level, class Visit>
  static inline __attribute__((always_inline)) void run(const pair_job<T, Metric>& w, const Visit& visit) {
    using V = lane<T, Level>;
    const std::int64_t begin = w.among == pairs_among::later ? w.first : 0;
    for (std::int64_t p = begin; p < w.points->panels(); ++p) {
      const V other = V::load(w.points->number + p * panel);
      const auto present = V::load(w.points->present + p * panel) == V(1);
      const std::int64_t end = w.among == pairs_among::later ? smaller(w.last, p + 1) : w.last;
      for (std::int64_t q = w.first; q < end; ++q)
        for (int first = 0; first < panel; first += queries_at_once<Level>)
          meet<Level>(w, p, q, first, other, present, visit);
    }
  }

 private:
  // Some queries of a panel and the points of another.
  template <class Level, class V, class Mask, class Visit>
  static inline __attribute__((always_inline)) void meet(const pair_job<T, Metric>& w, std::int64_t p, std::int64_t q,
                                                         int first, const V& other, const Mask& present,
                                                         const Visit& visit) {
    constexpr int count = queries_at_once<Level>;
    const std::int64_t width = w.points->width;
    const T *points = w.points->at(p), *queries = w.queries->at(q) + first;
    const Metric metric = *w.metric;
    V sum[count];
    unrolled<count>([&](int k) PREFER_HD_LAMBDA { sum[k] = V(0); });
    for (std::int64_t d = 0; d < width; ++d) {
      const V x = V::load(points + d * panel);
      const T* const mine = queries + d * panel;
      unrolled<count>([&](int k) PREFER_HD_LAMBDA { sum[k] = metric.step(sum[k], V(mine[k]) - x, d); });
    }
    unrolled<count>([&](int k) PREFER_HD_LAMBDA {
      V distance = metric.finish(sum[k]);
      if constexpr (has_range<T, Metric>) {
        const unsigned inside = within_range<T, Metric>(sum[k]).bits();
        if (inside != (1u << panel) - 1) {
          alignas(64) T fixed[panel];
          distance.store(fixed);
          repair(metric, points, queries + k, width, inside, fixed);
          distance = V::load(fixed);
        }
      }
      const int row = static_cast<int>(q - w.first) * panel + first + k;
      const std::int64_t query = q * panel + first + k;
      if (p == q && w.among > pairs_among::all)
        visit(row, query, p, distance, other, present & partners<V>(w.among, first + k));
      else
        visit(row, query, p, distance, other, present);
    });
  }

  // Those of its own panel that a row meets.
  template <class V>
  static inline __attribute__((always_inline)) auto partners(pairs_among among, int row) {
    const V index = V::index(), own(static_cast<T>(row));
    const auto later = own < index;
    return among == pairs_among::later ? later : later | (index < own);
  }

  // Distances whose sums are not `inside` the range of T. Out of line, so that it is there once and not at every level.
  static __attribute__((noinline)) void repair(const Metric& metric, const T* points, const T* query,
                                               std::int64_t width, unsigned inside, T* distance) {
    for (int lane = 0; lane < panel; ++lane) {
      if ((inside >> lane & 1) != 0) continue;
      double sum = 0;
      for (std::int64_t d = 0; d < width; ++d)
        sum =
            metric.step(sum, static_cast<double>(query[d * panel]) - static_cast<double>(points[d * panel + lane]), d);
      distance[lane] = static_cast<T>(metric.finish(sum));
    }
  }
};

template <class T, class Metric, class Fold>
struct pair_fold_job {
  const Fold* fold;
  pair_job<T, Metric> pairs;
};

template <class T, class Metric, class Fold>
struct pair_fold_work {
  using job = pair_fold_job<T, Metric, Fold>;
  static constexpr int panel = packed_rows<T>::panel, scores = Fold::scores;

  template <class Level>
  static inline __attribute__((always_inline)) void run(job& w) {
    using V = lane<T, Level>;
    state<V> all[panels_per_task * panel];
    for (state<V>& s : all) {
      for (int k = 0; k < scores; ++k) s.best[k] = V(no_score<T>), s.at[k] = V(-1);
      s.events = V(0);
    }
    const T* const numbers = w.pairs.queries->number;
    pair_tiles<T, Metric>::template run<Level>(
        w.pairs, [&](int row, std::int64_t query, std::int64_t p, const V& distance, const V& other, const auto& counts)
                     PREFER_HD_LAMBDA {
                       V score[scores];
                       auto event = distance < V(0);
                       (*w.fold)(distance, V(numbers[query]), other, score, event);
                       take(counts, p, score, event, all[row]);
                     });
    for (std::int64_t q = w.pairs.first; q < w.pairs.last; ++q)
      for (int i = 0; i < panel && q * panel + i < w.pairs.queries->rows; ++i)
        finish<V>(w, q * panel + i, all[(q - w.pairs.first) * panel + i]);
  }

 private:
  template <class V>
  struct state {  // of one query: in every element the best of the points that were there
    V best[scores], at[scores], events;
  };

  template <class V, class Mask>
  static inline __attribute__((always_inline)) void take(const Mask& counts, std::int64_t p, const V (&score)[scores],
                                                         const Mask& event, state<V>& s) {
    for (int k = 0; k < scores; ++k) {
      const auto better = (s.best[k] < score[k]) & counts;
      s.best[k] = math::select(better, score[k], s.best[k]);
      s.at[k] = math::select(better, V(static_cast<T>(p)), s.at[k]);
    }
    s.events = s.events + math::select(event & counts, V(1), V(0));
  }

  template <class V>
  static inline __attribute__((always_inline)) void finish(const job& w, std::int64_t query, const state<V>& s) {
    alignas(64) T score[scores][panel], at[scores][panel];
    for (int k = 0; k < scores; ++k) s.best[k].store(score[k]), s.at[k].store(at[k]);
    answer(w, query, score, at, static_cast<std::int64_t>(s.events.sum()));
  }
  static __attribute__((noinline)) void answer(const job& w, std::int64_t query, const T (&score)[scores][panel],
                                               const T (&at)[scores][panel], std::int64_t events) {
    pair_best<T, scores> best;
    const bool counts = w.pairs.queries->present[query] != 0;
    best.events = counts ? events : 0;
    for (int k = 0; k < scores; ++k) {
      best.score[k] = no_score<T>, best.at[k] = -1;
      for (int i = 0; counts && i < panel; ++i) {
        if (at[k][i] < 0) continue;
        const std::int64_t point = static_cast<std::int64_t>(at[k][i]) * panel + i;
        const bool better = score[k][i] > best.score[k] || (score[k][i] == best.score[k] && point < best.at[k]);
        if (best.at[k] < 0 || better) best.score[k] = score[k][i], best.at[k] = point;
      }
    }
    w.fold->finish(query, best);
  }
};

// The packed rows of a call, and its queries in tasks: f(level, job) for each. Few queries make small tasks, so that
// threads have something to share.
template <class T>
struct packed_pairs {
  packed_rows<T> points, queries;

  void carve(arena& memory, const pair_fold_arguments& a) {
    points.carve(memory, a.points, a.width);
    if (a.same())
      queries = points;
    else
      queries.carve(memory, a.queries, a.width);
  }
  void pack(const cpu& exec, isa level, const pair_fold_arguments& a) const {
    pack_rows(exec, level, points, a.point, a.other, a.mask);
    if (!a.same()) pack_rows(exec, level, queries, a.query, a.mine, {});
  }
  template <class Metric, class F>
  void for_jobs(const cpu& exec, const Metric& metric, const pair_fold_arguments& a, F f) const {
    const std::int64_t few = queries.panels() / 32 + 1, size = smaller(few, panels_per_task);
    auto task = [&](std::int64_t t) {
      f(pair_job<T, Metric>{&metric, &queries, &points, a.among, t * size, smaller(queries.panels(), (t + 1) * size)});
    };
    run_tasks(exec, (queries.panels() + size - 1) / size, task);
  }

 private:
  static void pack_rows(const cpu& exec, isa level, const packed_rows<T>& to, const row_source& rows,
                        const source& number, const source& mask) {
    constexpr std::int64_t some = 64;  // panels
    auto task = [&](std::int64_t t) {
      for (std::int64_t p = t * some; p < to.panels() && p < (t + 1) * some; ++p) to.pack(level, rows, number, mask, p);
    };
    run_tasks(exec, (to.panels() + some - 1) / some, task);
  }
};

}  // namespace detail

// Bytes of a call on the CPU, without what the caller keeps for itself.
template <class T>
std::size_t pair_fold_workspace(const cpu&, const pair_fold_arguments& a) {
  detail::arena memory;
  detail::packed_pairs<T>{}.carve(memory, a);
  return memory.bytes();
}

template <class T, class Metric, class Fold>
status pair_fold(const cpu& exec, const Metric& metric, const Fold& fold, const pair_fold_arguments& a) {
  isa level;
  if (const status s = first_error(resolve_isa(exec, level), detail::check_runner(exec)); !s.ok()) return s;
  detail::host_scratch scratch;
  if (const status s = scratch.provide(exec.workspace, pair_fold_workspace<T>(exec, a)); !s.ok()) return s;
  detail::arena memory(scratch.data);
  detail::packed_pairs<T> packed;
  packed.carve(memory, a);
  packed.pack(exec, level, a);
  packed.for_jobs(exec, metric, a, [&](const detail::pair_job<T, Metric>& pairs) {
    detail::pair_fold_job<T, Metric, Fold> job{&fold, pairs};
    detail::run_at<detail::pair_fold_work<T, Metric, Fold>>(level, job);
  });
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
