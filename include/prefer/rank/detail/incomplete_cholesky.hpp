// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/rank/detail/comparison_graph.hpp>

#include <cstdint>

// Incomplete Cholesky factorisation without fill of a weighted graph Laplacian (plus a diagonal), items eliminated in
// the order of least remaining degree. It is exact where that order makes no fill: on trees, whatever their numbering,
// so on the chains and stars that defeat every local iteration; close on rings and on other thin graphs.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

class incomplete_cholesky {
 public:
  // On well-connected graphs the diagonal alone is as good, and cheaper.
  static bool worthwhile(std::int64_t items, std::int64_t entries) { return entries <= 12 * items; }

  void carve(arena& memory, std::int64_t items, std::int64_t most_entries) {
    order_ = memory.take<std::int32_t>(items);
    position_ = memory.take<std::int32_t>(items);
    degree_ = memory.take<std::int32_t>(items);
    next_ = memory.take<std::int32_t>(items);
    before_ = memory.take<std::int32_t>(items);
    head_ = memory.take<std::int32_t>(items + 1);
    offsets_ = memory.take<std::int64_t>(items + 1);
    later_ = memory.take<std::int32_t>(most_entries / 2 + 1);
    entry_ = memory.take<std::int64_t>(most_entries / 2 + 1);
    value_ = memory.take<double>(most_entries / 2 + 1);
    pivot_ = memory.take<double>(items);
    rest_ = memory.take<double>(items);
  }

  // The order and the pattern.
  void analyse(const comparison_graph& g) {
    eliminate(g);
    std::int64_t at = 0;
    for (std::int64_t k = 0; k < g.items; ++k) {
      const std::int32_t v = order_[k];
      offsets_[k] = at;
      for (std::int64_t e = g.offsets[v]; e < g.offsets[v + 1]; ++e) {
        if (position_[g.opponent[e]] < k) continue;
        std::int64_t place = at++;  // sorted by position; the lists are short
        for (; place > offsets_[k] && position_[later_[place - 1]] > position_[g.opponent[e]]; --place) {
          later_[place] = later_[place - 1];
          entry_[place] = entry_[place - 1];
        }
        later_[place] = g.opponent[e];
        entry_[place] = e;
      }
    }
    offsets_[g.items] = at;
  }

  void factorise(const comparison_graph& g, const double* weight, const double* diagonal) {
    for (std::int64_t e = 0; e < offsets_[g.items]; ++e) value_[e] = weight[entry_[e]];
    for (std::int64_t i = 0; i < g.items; ++i) rest_[i] = diagonal[i];
    for (std::int64_t k = 0; k < g.items; ++k) {
      const std::int32_t v = order_[k];
      // The last item of a Laplacian has nothing left but rounding; any positive number pins it. Items before it may
      // hang on to the rest by little, and it matters by how much.
      const double least = k + 1 < g.items ? 1e-14 : 1e-8;
      pivot_[v] = rest_[v] > least * diagonal[v] ? rest_[v] : diagonal[v];
      for (std::int64_t e = offsets_[k]; e < offsets_[k + 1]; ++e) {
        const double ratio = value_[e] / pivot_[v];
        rest_[later_[e]] -= ratio * value_[e];
        for (std::int64_t f = e + 1; f < offsets_[k + 1]; ++f) add(later_[e], later_[f], ratio * value_[f]);
      }
    }
  }

  void solve(std::int64_t items, const double* b, double* z) const {
    for (std::int64_t i = 0; i < items; ++i) z[i] = b[i];
    for (std::int64_t k = 0; k < items; ++k) {
      const std::int32_t v = order_[k];
      const double t = z[v] / pivot_[v];
      for (std::int64_t e = offsets_[k]; e < offsets_[k + 1]; ++e) z[later_[e]] += value_[e] * t;
    }
    for (std::int64_t k = items; k-- > 0;) {
      const std::int32_t v = order_[k];
      double t = z[v];
      for (std::int64_t e = offsets_[k]; e < offsets_[k + 1]; ++e) t += value_[e] * z[later_[e]];
      z[v] = t / pivot_[v];
    }
  }

 private:
  std::int32_t* order_ = nullptr;
  std::int32_t* position_ = nullptr;
  std::int32_t* degree_ = nullptr;
  std::int32_t* next_ = nullptr;  // doubly linked lists of the items of one remaining degree
  std::int32_t* before_ = nullptr;
  std::int32_t* head_ = nullptr;
  std::int64_t* offsets_ = nullptr;  // by position: the neighbours that are eliminated later
  std::int32_t* later_ = nullptr;
  std::int64_t* entry_ = nullptr;
  double* value_ = nullptr;
  double* pivot_ = nullptr;
  double* rest_ = nullptr;

  void link(std::int32_t v) {
    const std::int32_t d = degree_[v];
    before_[v] = -1;
    next_[v] = head_[d];
    if (head_[d] >= 0) before_[head_[d]] = v;
    head_[d] = v;
  }
  void unlink(std::int32_t v) {
    if (before_[v] >= 0)
      next_[before_[v]] = next_[v];
    else
      head_[degree_[v]] = next_[v];
    if (next_[v] >= 0) before_[next_[v]] = before_[v];
  }

  void eliminate(const comparison_graph& g) {
    for (std::int64_t i = 0; i <= g.items; ++i) head_[i] = -1;
    for (std::int64_t i = g.items; i-- > 0;) {
      position_[i] = -1;
      degree_[i] = static_cast<std::int32_t>(g.offsets[i + 1] - g.offsets[i]);
      link(static_cast<std::int32_t>(i));
    }
    std::int32_t least = 0;
    for (std::int64_t k = 0; k < g.items; ++k) {
      while (head_[least] < 0) ++least;
      const std::int32_t v = head_[least];
      unlink(v);
      order_[k] = v;
      position_[v] = static_cast<std::int32_t>(k);
      for (std::int64_t e = g.offsets[v]; e < g.offsets[v + 1]; ++e) {
        const std::int32_t u = g.opponent[e];
        if (position_[u] >= 0) continue;
        unlink(u);
        --degree_[u];
        link(u);
      }
      least = least > 0 ? least - 1 : 0;
    }
  }

  // Adds to the weight between two items, if they have one.
  void add(std::int32_t one, std::int32_t other, double weight) {
    const std::int64_t k = position_[one];
    std::int64_t low = offsets_[k], high = offsets_[k + 1];
    const std::int32_t wanted = position_[other];
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (position_[later_[middle]] < wanted)
        low = middle + 1;
      else
        high = middle;
    }
    if (low < offsets_[k + 1] && later_[low] == other) value_[low] += weight;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
