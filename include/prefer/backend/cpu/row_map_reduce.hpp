// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/item.hpp>
#include <prefer/backend/row_map_reduce.hpp>

#include <cstdint>

// row_map_reduce on the CPU (contract: backend/row_map_reduce.hpp). One item after the other: its rows pass through
// tiles of lanes twice, for the score and for the gradient; between the two the body runs once.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T, class Score, class Body, int Sides>
struct row_job {
  const Score* score;
  const Body* body;
  const row_arguments<Score, Body, Sides>* arguments;
  std::int64_t first, last, blocks;
  double (*sums)[Body::sums];
};

template <class T, class Score, class Body, int Sides>
struct row_work {
  using job_type = row_job<T, Score, Body, Sides>;
  using arguments = row_arguments<Score, Body, Sides>;
  using shape = row_sums<Score>;
  static constexpr int answers = answers_of<Score>;

  // One tile of a side's rows: in place where they are contiguous and of the compute type, else in a buffer, the rest
  // of the last lane filled with zeros. Gradients likewise.
  struct tile {
    const T* from[Score::arrays];
    T* to[Score::gradients];
    alignas(64) T x[Score::arrays][tile_items];
    alignas(64) T gradient[Score::gradients][tile_items];
  };

  static void load(const arguments& a, int side, std::int64_t row, std::int64_t first, int count, int padded, tile& t) {
    for (int k = 0; k < Score::arrays; ++k) {
      const row_source& r = a.row[side][k];
      const auto* from = static_cast<const char*>(r.data) + row * r.row_stride * size_of(r.type);
      if (r.data != nullptr && r.stride == 1 && r.type == element_of<T>() && count == padded) {
        t.from[k] = reinterpret_cast<const T*>(from) + first;
        continue;
      }
      if (r.data != nullptr) load_strided(source{from, r.stride, r.type}, first, count, t.x[k]);
      for (int i = r.data != nullptr ? count : 0; i < padded; ++i) t.x[k][i] = T(0);
      t.from[k] = t.x[k];
    }
  }

  // Whether gradients of a tile can be written in place.
  static bool direct(const arguments& a, const row_sink& r, int count, int padded) {
    return r.data != nullptr && r.stride == 1 && r.type == element_of<T>() && count == padded && !a.items.accumulate;
  }

  template <class V>
  static inline __attribute__((always_inline)) void load_lane(const tile& t, int g, V (&x)[Score::arrays]) {
    unrolled<Score::arrays>([&](auto k) PREFER_HD_LAMBDA { x[k] = V::load(t.from[k] + g); });
  }

  template <class V>
  static inline __attribute__((always_inline)) double score_of(const Score& score, const arguments& a, int side,
                                                               std::int64_t item, std::int64_t row,
                                                               const V (&factor)[Score::factors],
                                                               double (&keep)[shape::kept], tile& t) {
    double total[shape::sums] = {};
    const std::int64_t elements = has_sums(score) ? a.elements : 0;
    for (std::int64_t first = 0; first < elements; first += tile_items) {
      const int count = static_cast<int>(smaller(tile_items, elements - first));
      const int padded = (count + V::width - 1) / V::width * V::width;
      load(a, side, row, first, count, padded, t);
      V sum[shape::sums] = {};
      for (int g = 0; g < padded; g += V::width) {
        V x[Score::arrays], term[shape::sums];
        load_lane(t, g, x);
        shape::terms(score, x, factor, term);
        const bool whole = g + V::width <= count;
        unrolled<shape::sums>([&](auto r) PREFER_HD_LAMBDA {
          sum[r] += whole ? term[r] : select(V::index() < V(count - g), term[r], V(0));
        });
      }
      for (int r = 0; r < shape::sums; ++r) total[r] += static_cast<double>(sum[r].sum());
    }
    return shape::finish(score, item, total, keep) * a.scale;
  }

  template <class V>
  static inline __attribute__((always_inline)) void spread(const Score& score, const arguments& a, int side,
                                                           std::int64_t row, const V (&factor)[Score::factors],
                                                           const double (&keep)[shape::kept], bool selected,
                                                           double coefficient, tile& t) {
    const V c = V(static_cast<T>(coefficient * a.scale));
    V kept[shape::kept];
    for (int k = 0; k < shape::kept; ++k) kept[k] = V(static_cast<T>(keep[k]));
    for (std::int64_t first = 0; first < a.elements; first += tile_items) {
      const int count = static_cast<int>(smaller(tile_items, a.elements - first));
      const int padded = (count + V::width - 1) / V::width * V::width;
      if (selected) load(a, side, row, first, count, padded, t);
      for (int m = 0; m < Score::gradients; ++m) {
        const row_sink& r = a.gradient[side][m];
        auto* to = static_cast<char*>(r.data) + row * r.row_stride * size_of(r.type);
        t.to[m] = direct(a, r, count, padded) ? reinterpret_cast<T*>(to) + first : t.gradient[m];
      }
      for (int g = 0; g < padded; g += V::width) {
        V x[Score::arrays], slope[Score::gradients] = {};
        if (selected) {
          load_lane(t, g, x);
          shape::slopes(score, x, factor, kept, slope);
        }
        unrolled<Score::gradients>([&](auto m) PREFER_HD_LAMBDA { (c * slope[m]).store(t.to[m] + g); });
      }
      for (int m = 0; m < Score::gradients; ++m)
        if (t.to[m] == t.gradient[m]) store(a, a.gradient[side][m], row, first, count, selected, t.gradient[m]);
    }
  }

  static void store(const arguments& a, const row_sink& r, std::int64_t row, std::int64_t first, int count,
                    bool selected, const T* x) {
    if (r.data == nullptr || (a.items.accumulate && !selected)) return;
    const sink s{static_cast<char*>(r.data) + row * r.row_stride * size_of(r.type), r.stride, r.type};
    store_strided(s, first, count, x, nullptr, a.items.accumulate);
  }

  template <class V>
  static inline __attribute__((always_inline)) void run_item(const job_type& job, std::int64_t item, double* sums,
                                                             tile& t) {
    const arguments& a = *job.arguments;
    const std::int64_t row = listed_row(a.index, a.rows, item);
    const bool wanted = selects(a.items.mask, item), selected = wanted && row >= 0;
    double in[Body::inputs] = {}, out[Body::outputs] = {}, part[Body::sums] = {};
    double keep[Sides][shape::kept] = {};
    V factor[Score::factors] = {};
    if (selected) {
      T numbers[Score::factors];
      read_factors(*job.score, a.factor, item, numbers);
      for (int k = 0; k < Score::factors; ++k) factor[k] = V(numbers[k]);
      for (int k = a.computed; k < Body::inputs; ++k) in[k] = read_item<double>(a.items.in[k], item);
      for (int side = 0; side < Sides; ++side) {
        in[side] = score_of(*job.score, a, side, item, row, factor, keep[side], t);
        for (int k = 0; k < answers; ++k) in[Sides + side * answers + k] = keep[side][k];
      }
      (*job.body)(in, out, part);
      for (int r = 0; r < Body::sums; ++r) sums[r] += part[r];
    }
    for (int side = 0; side < Sides; ++side)
      if (a.wants_gradient(side) && row >= 0)
        spread(*job.score, a, side, row, factor, keep[side], selected, out[side], t);
    for (double& x : out)
      if (wanted && row < 0) x = math::detail::not_a_number<double>();
    for (int m = 0; m < Body::outputs; ++m) write_item(a.items.out[m], item, wanted, out[m], a.items.accumulate);
  }

  template <class Level>
  static inline __attribute__((always_inline)) void run(job_type& job) {
    tile t;
    const std::int64_t n = job.arguments->items.n;
    for (std::int64_t block = job.first; block < job.last; ++block)
      for (std::int64_t i = n * block / job.blocks; i < n * (block + 1) / job.blocks; ++i)
        run_item<lane<T, Level>>(job, i, job.sums[block], t);
  }
};

}  // namespace detail

template <class T, class Score, class Body, int Sides>
status row_map_reduce(const cpu& exec, const Score& score, const Body& body,
                      const row_arguments<Score, Body, Sides>& a) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  const std::int64_t n = a.items.n;
  const double normalizer = detail::resolve_normalizer(a.items.normalizer, a.items.mask, n);
  const Body ready = body.ready(normalizer);
  const std::int64_t blocks = detail::smaller(n, detail::max_blocks);

  double sums[detail::max_blocks][Body::sums];
  detail::for_blocks(exec, blocks, n * a.elements * Sides, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block)
      for (double& s : sums[block]) s = 0;
    detail::row_job<T, Score, Body, Sides> job{&score, &ready, &a, first, last, blocks, sums};
    detail::run_at<detail::row_work<T, Score, Body, Sides>>(level, job);
  });
  detail::write_totals(sums, blocks, a.items, normalizer);
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
