// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/pair_fold.hpp>
#include <prefer/backend/nearest.hpp>

#include <cstddef>
#include <cstdint>

// nearest and listed_fold on the CPU (contracts: backend/nearest.hpp). Nearest points go through the tiles of
// pair_fold: a lane of distances is compared with the worst of the query's list, and few get in. Listed points are
// gathered, as many as a lane has elements, and meet their query as panels do in pair_fold.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T, class Metric>
struct nearest_job {
  const nearest_lists<T>* lists;
  pair_job<T, Metric> pairs;
};

template <class T, class Metric>
struct nearest_work {
  using job = nearest_job<T, Metric>;
  static constexpr int panel = packed_rows<T>::panel;

  template <class Level>
  static inline __attribute__((always_inline)) void run(job& w) {
    using V = lane<T, Level>;
    const nearest_lists<T>& lists = *w.lists;
    const std::int64_t first = w.pairs.first * panel, last = smaller(w.pairs.last * panel, w.pairs.queries->rows);
    T worst[panels_per_task * panel];
    for (T& x : worst) x = math::detail::infinity<T>();
    clear(lists, first, last);
    pair_tiles<T, Metric>::template run<Level>(
        w.pairs, [&](int row, std::int64_t query, std::int64_t p, const V& distance, const V&, const auto& counts)
                     PREFER_HD_LAMBDA {
                       const unsigned nearer = ((distance < V(worst[row])) & counts).bits();
                       if (nearer == 0 || query >= last) return;
                       alignas(64) T found[panel];
                       distance.store(found);
                       worst[row] = insert(lists, query, p * panel, nearer, found);
                     });
    for (std::int64_t q = first; q < last; ++q)
      if (w.pairs.queries->present[q] == 0) clear(lists, q, q + 1);
  }

 private:
  static __attribute__((noinline)) void clear(const nearest_lists<T>& lists, std::int64_t first, std::int64_t last) {
    for (std::int64_t e = first * lists.k; e < last * lists.k; ++e)
      lists.distance[e] = math::detail::infinity<T>(), lists.point[e] = -1;
  }
  // Points [first, first + panel) whose bit is set into the list of a query; returns its worst distance.
  static __attribute__((noinline)) T insert(const nearest_lists<T>& lists, std::int64_t query, std::int64_t first,
                                            unsigned nearer, const T* found) {
    T* const distance = lists.distance + query * lists.k;
    std::int64_t* const point = lists.point + query * lists.k;
    for (; nearer != 0; nearer &= nearer - 1) {
      const int lane = __builtin_ctz(nearer);
      if (!(found[lane] < distance[lists.k - 1])) continue;
      std::int64_t at = lists.k - 1;
      for (; at > 0 && found[lane] < distance[at - 1]; --at) distance[at] = distance[at - 1], point[at] = point[at - 1];
      distance[at] = found[lane], point[at] = first + lane;
    }
    return distance[lists.k - 1];
  }
};

template <class T, class Metric, class Fold>
struct listed_job {
  isa level;
  const Metric* metric;
  const Fold* fold;
  const listed_points* list;
  const pair_fold_arguments* a;
  std::int64_t first, last;  // queries
};

template <class T, class Metric, class Fold>
struct listed_work {
  using job = listed_job<T, Metric, Fold>;
  static constexpr int panel = packed_rows<T>::panel, scores = Fold::scores, piece = 64;

  template <class Level>
  static inline __attribute__((always_inline)) void run(job& w) {
    for (std::int64_t q = w.first; q < w.last; ++q) {
      pair_best<T, scores> best = nothing();
      if (counts(w, q))
        for (std::int64_t entry = 0; entry < w.list->k; entry += panel) meet<Level>(w, q, entry, best);
      w.fold->finish(q, best);
    }
  }

 private:
  // Entries of a query's list, and pieces of their rows, coordinate by coordinate.
  struct gathered {
    alignas(64) T coordinate[piece * panel], number[panel], mine[piece];
    std::int64_t point[panel];
    unsigned counts = 0;
  };

  static pair_best<T, scores> nothing() {
    pair_best<T, scores> best;
    for (int k = 0; k < scores; ++k) best.score[k] = no_score<T>, best.at[k] = -1;
    best.events = 0;
    return best;
  }
  static const row_source& queries(const job& w) { return w.a->same() ? w.a->point : w.a->query; }
  static bool counts(const job& w, std::int64_t q) {
    return w.a->same() ? is_point<T>(w.a->point, w.a->other, w.a->mask, w.a->width, q)
                       : is_point<T>(w.a->query, w.a->mine, {}, w.a->width, q);
  }

  template <class Level>
  static inline __attribute__((always_inline)) void meet(const job& w, std::int64_t q, std::int64_t entry,
                                                         pair_best<T, scores>& best) {
    using V = lane<T, Level>;
    const Metric metric = *w.metric;
    gathered g;
    name(w, q, entry, g);
    V sum(0);
    for (std::int64_t first = 0; first < w.a->width; first += piece) {
      const int count = static_cast<int>(smaller(piece, w.a->width - first));
      gather(w, q, first, count, g);
      for (int d = 0; d < count; ++d)
        sum = metric.step(sum, V(g.mine[d]) - V::load(g.coordinate + d * panel), first + d);
    }
    alignas(64) T score[scores][panel], distance[panel], event[panel];
    metric.finish(sum).store(distance);
    if constexpr (has_range<T, Metric>) repair(w, q, within_range<T, Metric>(sum).bits(), g, distance);
    V found[scores];
    auto happens = sum < sum;
    (*w.fold)(V::load(distance), V(read_item<T>(w.a->same() ? w.a->other : w.a->mine, q)), V::load(g.number), found,
              happens);
    for (int k = 0; k < scores; ++k) found[k].store(score[k]);
    math::select(happens, V(1), V(0)).store(event);
    take(g, score, event, best);
  }

  static __attribute__((noinline)) void name(const job& w, std::int64_t q, std::int64_t entry, gathered& g) {
    for (int lane = 0; lane < panel; ++lane) {
      g.point[lane] = entry + lane < w.list->k ? w.list->at(q, entry + lane) : -1;
      const bool there = is_listed(*w.a, q, g.point[lane]) && selects(w.a->mask, g.point[lane]) &&
                         math::is_finite(read_item<T>(w.a->other, g.point[lane]));
      g.number[lane] = there ? read_item<T>(w.a->other, g.point[lane]) : T(0);
      g.counts |= (there ? 1u : 0u) << lane;
    }
  }
  static __attribute__((noinline)) void gather(const job& w, std::int64_t q, std::int64_t first, int count,
                                               gathered& g) {
    load_row(w.level, queries(w), q, first, count, g.mine);
    T x[piece] = {};
    for (int lane = 0; lane < panel; ++lane) {
      const bool there = (g.counts >> lane & 1) != 0;
      if (there) load_row(w.level, w.a->point, g.point[lane], first, count, x);
      bool finite = there;
      for (int d = 0; d < count; ++d) {
        finite = finite && math::is_finite(x[d]);
        g.coordinate[d * panel + lane] = finite ? x[d] : T(0);
      }
      if (!finite) g.counts &= ~(1u << lane);
    }
  }
  static void load_row(isa level, const row_source& from, std::int64_t i, std::int64_t first, int count, T* to) {
    const source row{static_cast<const char*>(from.data) + i * from.row_stride * size_of(from.type), from.stride,
                     from.type};
    load_strided(row, first, count, to, level);
  }
  static __attribute__((noinline)) void repair(const job& w, std::int64_t q, unsigned inside, const gathered& g,
                                               T* distance) {
    for (unsigned outside = g.counts & ~inside; outside != 0; outside &= outside - 1) {
      const int lane = __builtin_ctz(outside);
      distance[lane] = static_cast<T>(distance_of(*w.metric, queries(w), q, w.a->point, g.point[lane], w.a->width));
    }
  }
  static __attribute__((noinline)) void take(const gathered& g, const T (&score)[scores][panel],
                                             const T (&event)[panel], pair_best<T, scores>& best) {
    for (unsigned rest = g.counts; rest != 0; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      T one[scores];
      for (int k = 0; k < scores; ++k) one[k] = score[k][lane];
      take_listed(best, one, event[lane] != 0, g.point[lane]);
    }
  }
};

}  // namespace detail

template <class T, class Metric>
status nearest(const cpu& exec, const Metric& metric, const nearest_lists<T>& lists, const pair_fold_arguments& a) {
  isa level;
  if (const status s = first_error(resolve_isa(exec, level), detail::check_runner(exec)); !s.ok()) return s;
  detail::host_scratch scratch;
  if (const status s = scratch.provide(exec.workspace, pair_fold_workspace<T>(exec, a)); !s.ok()) return s;
  detail::arena memory(scratch.data);
  detail::packed_pairs<T> packed;
  packed.carve(memory, a);
  packed.pack(exec, level, a);
  packed.for_jobs(exec, metric, a, [&](const detail::pair_job<T, Metric>& pairs) {
    detail::nearest_job<T, Metric> job{&lists, pairs};
    detail::run_at<detail::nearest_work<T, Metric>>(level, job);
  });
  return {};
}

template <class T, class Metric, class Fold>
status listed_fold(const cpu& exec, const Metric& metric, const Fold& fold, const listed_points& list,
                   const pair_fold_arguments& a) {
  isa level;
  if (const status s = first_error(resolve_isa(exec, level), detail::check_runner(exec)); !s.ok()) return s;
  constexpr std::int64_t some = 64;  // queries
  auto task = [&](std::int64_t t) {
    detail::listed_job<T, Metric, Fold> job{
        level, &metric, &fold, &list, &a, t * some, detail::smaller(a.queries, (t + 1) * some)};
    detail::run_at<detail::listed_work<T, Metric, Fold>>(level, job);
  };
  detail::run_tasks(exec, (a.queries + some - 1) / some, task);
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
