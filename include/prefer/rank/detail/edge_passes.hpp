// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/rank/detail/comparison_edge.hpp>
#include <prefer/rank/detail/comparison_graph.hpp>

#include <cstdint>

// The loops over all pairs that fitting consists of, on vectors of eight pairs of one item. The opponents of an item
// are often consecutive (in a full matrix always); then their ratings are loaded, otherwise gathered. A sum has one
// order.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int pairs_at_once = 8;

PREFER_HD int pairs_from(std::int64_t k, std::int64_t end) {
  return static_cast<int>(end - k < pairs_at_once ? end - k : pairs_at_once);
}

// count <= 8 elements of a column of entries, then `rest`.
template <class V>
PREFER_HD V load_entries(const double* column, int count, double rest) {
  if (count == pairs_at_once) return V::load(column);
  double part[pairs_at_once];
  for (int i = 0; i < pairs_at_once; ++i) part[i] = i < count ? column[i] : rest;
  return V::load(part);
}

// The values of count <= 8 opponents, then `rest`.
template <class V>
PREFER_HD V load_opponents(const double* value, const std::int32_t* opponent, int count, double rest) {
  if (count == pairs_at_once && opponent[pairs_at_once - 1] - opponent[0] == pairs_at_once - 1)
    return V::load(value + opponent[0]);
  double part[pairs_at_once];
  if (count == pairs_at_once)
    for (int i = 0; i < pairs_at_once; ++i) part[i] = value[opponent[i]];
  else
    for (int i = 0; i < pairs_at_once; ++i) part[i] = i < count ? value[opponent[i]] : rest;
  return V::load(part);
}

// Derivatives of the likelihood by every rating, and optionally the curvature of every pair.
template <class Edge>
struct derivative_pass {
  const comparison_graph& graph;
  const double* x;
  const double* y;      // read if Edge::directed
  const double* value;  // e^(rating / 2) when that fits, else the ratings
  bool ratings;
  Edge edge;
  double* gradient;
  double* diagonal;
  double* weight;  // [entries] or null
  double* cross;   // [items] these three if the model has a tie parameter
  double* tie_gradient;
  double* tie_curvature;

  struct rows {
    const derivative_pass& pass;
    std::int64_t first, last;
  };

  template <bool Ratings, class V>
  PREFER_HD edge_terms<V> chunk(const V& own, double fallback, std::int64_t k, int count) const {
    const V other = load_opponents<V>(value, graph.opponent + k, count, fallback);
    const V games = load_entries<V>(x + k, count, 0.0);
    const V lost = Edge::directed ? load_entries<V>(y + k, count, 0.0) : games;
    if constexpr (Ratings)
      return edge(games, lost, odds_of_ratings(own, other));
    else
      return edge(games, lost, odds_of_roots(own, other));
  }

  template <bool Ratings, class V>
  PREFER_HD void row(std::int64_t i) const {
    const V own(value[i]);
    V g(0), h(0), c(0), tg(0), tc(0);
    for (std::int64_t k = graph.offsets[i], end = graph.offsets[i + 1]; k < end; k += pairs_at_once) {
      const int count = pairs_from(k, end);
      const edge_terms<V> t = chunk<Ratings, V>(own, value[i], k, count);
      g += t.gradient;
      h += t.curvature;
      if constexpr (Edge::has_tie_parameter) {
        c += t.cross;
        tg += t.tie_gradient;
        tc += t.tie_curvature;
      }
      if (weight != nullptr) store(t.curvature, weight + k, count);
    }
    gradient[i] = g.sum();
    diagonal[i] = h.sum();
    if constexpr (Edge::has_tie_parameter) {
      cross[i] = c.sum();
      tie_gradient[i] = tg.sum();
      tie_curvature[i] = tc.sum();
    }
  }

  template <class V>
  static PREFER_HD void store(const V& v, double* out, int count) {
    if (count == pairs_at_once) return v.store(out);
    double part[pairs_at_once];
    v.store(part);
    for (int i = 0; i < count; ++i) out[i] = part[i];
  }

  template <class Level>
  static PREFER_HD void run(rows& r) {
    using V = lane<double, Level>;
    for (std::int64_t i = r.first; i < r.last; ++i) {
      if (r.pass.ratings)
        r.pass.template row<true, V>(i);
      else
        r.pass.template row<false, V>(i);
    }
  }
};

// The curvature times a vector: sum over the pairs of an item of weight (p_i - p_j).
struct curvature_pass {
  const comparison_graph& graph;
  const double* weight;
  const double* p;
  double* out;

  struct rows {
    const curvature_pass& pass;
    std::int64_t first, last;
  };

  template <class Level>
  static PREFER_HD void run(rows& r) {
    using V = lane<double, Level>;
    const curvature_pass& a = r.pass;
    for (std::int64_t i = r.first; i < r.last; ++i) {
      const V own(a.p[i]);
      V sum(0);
      for (std::int64_t k = a.graph.offsets[i], end = a.graph.offsets[i + 1]; k < end; k += pairs_at_once) {
        const int count = pairs_from(k, end);
        const V other = load_opponents<V>(a.p, a.graph.opponent + k, count, a.p[i]);
        sum += load_entries<V>(a.weight + k, count, 0.0) * (own - other);
      }
      a.out[i] = sum.sum();
    }
  }
};

// The largest difference of a vector over any pair of the rows.
struct reach_pass {
  const comparison_graph& graph;
  const double* p;

  struct rows {
    const reach_pass& pass;
    std::int64_t first, last;
    double most = 0;
  };

  template <class Level>
  static PREFER_HD void run(rows& r) {
    using V = lane<double, Level>;
    const reach_pass& a = r.pass;
    V most(0);
    for (std::int64_t i = r.first; i < r.last; ++i) {
      const V own(a.p[i]);
      for (std::int64_t k = a.graph.offsets[i], end = a.graph.offsets[i + 1]; k < end; k += pairs_at_once) {
        const int count = pairs_from(k, end);
        most = math::max(math::abs(V(own - load_opponents<V>(a.p, a.graph.opponent + k, count, a.p[i]))), most);
      }
    }
    double each[pairs_at_once];
    most.store(each);
    for (const double d : each) r.most = d > r.most ? d : r.most;
  }
};

// The negative log-likelihood of every item's pairs (each pair is seen twice).
template <class Edge>
struct loss_pass {
  const comparison_graph& graph;
  const double* x;
  const double* y;
  const double* rating;
  Edge edge;
  double* out;

  struct rows {
    const loss_pass& pass;
    std::int64_t first, last;
  };

  template <class Level>
  static PREFER_HD void run(rows& r) {
    using V = lane<double, Level>;
    const loss_pass& a = r.pass;
    for (std::int64_t i = r.first; i < r.last; ++i) {
      const V own(a.rating[i]);
      V sum(0);
      for (std::int64_t k = a.graph.offsets[i], end = a.graph.offsets[i + 1]; k < end; k += pairs_at_once) {
        const int count = pairs_from(k, end);
        const V other = load_opponents<V>(a.rating, a.graph.opponent + k, count, a.rating[i]);
        const V games = load_entries<V>(a.x + k, count, 0.0);
        const V lost = Edge::directed ? load_entries<V>(a.y + k, count, 0.0) : games;
        sum += a.edge.loss(games, lost, V(own - other));
      }
      a.out[i] = sum.sum();
    }
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
