// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/for_groups.hpp>
#include <prefer/core/math.hpp>

#include <cstdint>

// Weighted least squares under bounds on differences,
//
//   min over f of 1/2 sum w_i (f_i - r_i)^2   with   f_p - f_q <= bound_pq   for the pairs that were raised,
//
// by a dual active-set method (Goldfarb and Idnani 1983) that uses what these constraints are: active pairs are edges
// of a forest. A tree moves as one: its mean is that of its rewards, and its inner differences are the bounds of its
// edges. The multiplier of an edge is a flow from its upper end to its lower one, and a node gives away w_i (r_i - f_i)
// more than it gets. So N - 1 multipliers are all there are, every step is exact, and the dual value rises with each.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Rooted trees over n nodes. What belongs to an edge is kept at its lower node in the tree, the child.
struct active_forest {
  std::int64_t n = 0;
  double *f = nullptr, *reward = nullptr, *weight = nullptr;  // of a node; weight 0: it is left out
  double *flow = nullptr, *bound = nullptr;                   // of the edge to the parent
  double* below = nullptr;                                    // weight of the subtree
  double* total = nullptr;                                    // weight of the tree, by label
  double* noise = nullptr;                                    // of a node: what rounding may have made of f
  std::int64_t *parent = nullptr, *child = nullptr, *next = nullptr, *previous = nullptr;  // -1 for none
  std::int64_t *size = nullptr, *label = nullptr, *unused = nullptr;  // nodes of a subtree; trees; labels that are free
  std::uint8_t* high = nullptr;                                       // the child is the upper end of its edge
  std::uint8_t* path = nullptr;  // 1: on the way from the upper end of the pair at hand to its root; 2: from the lower
  struct step_plan {
    double length;
    std::int64_t drops;  // the edge that it ends at, or -1: the pair at hand becomes one
    std::int64_t free_labels;
  }* step = nullptr;

  template <class Memory>
  void carve(Memory& memory, std::int64_t nodes) {
    n = nodes;
    for (double** a : {&f, &reward, &weight, &flow, &bound, &below, &total, &noise})
      *a = memory.template take<double>(n);
    for (std::int64_t** a : {&parent, &child, &next, &previous, &size, &label, &unused})
      *a = memory.template take<std::int64_t>(n);
    high = memory.template take<std::uint8_t>(n), path = memory.template take<std::uint8_t>(n);
    step = memory.template take<step_plan>(1);
  }

  // Every node a tree of its own, at its reward.
  template <class Team>
  PREFER_HD void begin(const Team& team) const {
    team.each(n, [&](std::int64_t i) PREFER_HD_LAMBDA {
      f[i] = reward[i], below[i] = total[i] = weight[i];
      flow[i] = bound[i] = noise[i] = 0, high[i] = path[i] = 0;
      parent[i] = child[i] = next[i] = previous[i] = -1, size[i] = 1, label[i] = i;
    });
    team.once([&]() PREFER_HD_LAMBDA { step->free_labels = 0; });
  }

  // Makes f_p - f_q <= bound_pq hold, with everything that was tight still tight, or let go where its flow ends.
  template <class Team>
  PREFER_HD void raise(const Team& team, std::int64_t p, std::int64_t q, double bound_pq) const {
    for (double given = 0;;) {
      team.once([&]() PREFER_HD_LAMBDA { mark(p, 1), mark(q, 2); });
      const std::int64_t of_p = label[p], of_q = label[q];
      const ranked first = team.first(n, [&](std::int64_t i) PREFER_HD_LAMBDA {
        const double change = rate(i, of_p, of_q);
        return ranked{change < 0 ? sortable(flow[i] / -change) : left_out, i};
      });
      team.once([&]() PREFER_HD_LAMBDA { plan(first, p, q, bound_pq, of_p, of_q); });
      const double length = step->length;
      const std::int64_t drops = step->drops;
      team.each(n, [&](std::int64_t i) PREFER_HD_LAMBDA { move(i, of_p, of_q, length); });
      given += length;
      team.once([&]() PREFER_HD_LAMBDA {
        mark(p, 0), mark(q, 0);
        if (drops >= 0)
          cut(drops);
        else if (of_p != of_q)
          link(p, q, given, bound_pq, of_p, of_q);
      });
      if (drops >= 0) continue;
      if (of_p != of_q) team.each(n, [&](std::int64_t i) PREFER_HD_LAMBDA { relabel(i, of_q, of_p); });
      return;
    }
  }

  // f from the flows, without what steps have rounded.
  template <class Team>
  PREFER_HD void refresh(const Team& team) const {
    team.each(n, [&](std::int64_t i) PREFER_HD_LAMBDA {
      if (!(weight[i] > 0)) return;
      double given = parent[i] < 0 ? 0 : high[i] != 0 ? flow[i] : -flow[i], all = math::abs(given);
      for (std::int64_t c = child[i]; c >= 0; c = next[c]) given += high[c] != 0 ? -flow[c] : flow[c], all += flow[c];
      f[i] = reward[i] - given / weight[i], noise[i] = all / weight[i] * 0x1p-52;
    });
  }

 private:
  // The way from a node to its root, either with a bit more or all clear.
  PREFER_HD void mark(std::int64_t i, int bit) const {
    for (; i >= 0; i = parent[i]) path[i] = bit == 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(path[i] | bit);
  }

  // How fast the flow of an edge changes with that of the pair at hand.
  PREFER_HD double rate(std::int64_t i, std::int64_t of_p, std::int64_t of_q) const {
    if (parent[i] < 0 || (label[i] != of_p && label[i] != of_q)) return 0;
    const double upward = high[i] != 0 ? 1 : -1;  // of a flow from the child to its parent
    if (of_p == of_q) return path[i] == 1 ? -upward : path[i] == 2 ? upward : 0;  // what went from p to q in the tree
    const double share = below[i] / total[label[i]];
    const double leaving = path[i] != 0 ? share - 1 : share;  // every node gives its share of what p gives away
    return label[i] == of_p ? leaving * upward : -leaving * upward;
  }

  // How far: until the pair is tight, or an edge has no flow left.
  PREFER_HD void plan(const ranked& first, std::int64_t p, std::int64_t q, double bound_pq, std::int64_t of_p,
                      std::int64_t of_q) const {
    const bool some = first.key != left_out;
    const double until = some ? flow[first.item] / -rate(first.item, of_p, of_q) : 0;
    if (of_p == of_q) {  // without a flow to replace the pair is tight but for rounding
      step->length = until, step->drops = some ? first.item : -1;
      return;
    }
    const double apart = math::max(f[p] - f[q] - bound_pq, 0.0);
    const double whole = apart / (1 / total[of_p] + 1 / total[of_q]);
    const bool ends = some && until < whole;
    step->length = ends ? until : whole, step->drops = ends ? first.item : -1;
  }

  PREFER_HD void move(std::int64_t i, std::int64_t of_p, std::int64_t of_q, double length) const {
    const double change = rate(i, of_p, of_q);
    if (change != 0) flow[i] = math::max(flow[i] + length * change, 0.0);
    if (of_p == of_q) return;
    if (label[i] == of_p) f[i] -= length / total[of_p];
    if (label[i] == of_q) f[i] += length / total[of_q];
  }
  PREFER_HD void relabel(std::int64_t i, std::int64_t from, std::int64_t to) const {
    if (label[i] == from) label[i] = to;
  }

  PREFER_HD void attach(std::int64_t i, std::int64_t to) const {
    parent[i] = to, previous[i] = -1, next[i] = child[to];
    if (child[to] >= 0) previous[child[to]] = i;
    child[to] = i;
  }
  PREFER_HD void detach(std::int64_t i) const {
    if (parent[i] < 0) return;
    if (previous[i] >= 0)
      next[previous[i]] = next[i];
    else
      child[parent[i]] = next[i];
    if (next[i] >= 0) previous[next[i]] = previous[i];
    parent[i] = next[i] = previous[i] = -1;
  }

  // The tree of q hangs below p by a new edge: on its way to the root, edges turn round.
  PREFER_HD void link(std::int64_t p, std::int64_t q, double flow_pq, double bound_pq, std::int64_t of_p,
                      std::int64_t of_q) const {
    const double weight_q = total[of_q];
    std::int64_t nodes = 0;
    for (std::int64_t root = q; root >= 0; root = parent[root]) nodes = size[root];
    double edge_flow = flow_pq, edge_bound = bound_pq, weight_behind = 0;
    std::int64_t size_behind = 0, to = p;
    std::uint8_t edge_high = 0;
    for (std::int64_t i = q; i >= 0;) {
      const double old_flow = flow[i], old_bound = bound[i], old_below = below[i];
      const std::int64_t old_parent = parent[i], old_size = size[i];
      const std::uint8_t old_high = high[i];
      detach(i), attach(i, to);
      flow[i] = edge_flow, bound[i] = edge_bound, high[i] = edge_high;
      below[i] = weight_q - weight_behind, size[i] = nodes - size_behind;
      edge_flow = old_flow, edge_bound = old_bound, edge_high = old_high == 0 ? 1 : 0;
      weight_behind = old_below, size_behind = old_size;
      to = i, i = old_parent;
    }
    for (std::int64_t i = p; i >= 0; i = parent[i]) below[i] += weight_q, size[i] += nodes;
    total[of_p] += weight_q;
    unused[step->free_labels++] = of_q;
  }

  // The subtree of a node becomes a tree; the smaller part gets a new label.
  PREFER_HD void cut(std::int64_t i) const {
    const std::int64_t old = label[i], fresh = unused[--step->free_labels];
    std::int64_t root = i;
    for (std::int64_t up = parent[i]; up >= 0; up = parent[up]) below[up] -= below[i], size[up] -= size[i], root = up;
    detach(i);
    flow[i] = 0;
    const bool subtree = size[i] <= size[root];
    total[old] = below[subtree ? root : i], total[fresh] = below[subtree ? i : root];
    const std::int64_t top = subtree ? i : root;
    for (std::int64_t at = top; at >= 0;) {  // in depth-first order
      label[at] = fresh;
      if (child[at] >= 0) {
        at = child[at];
        continue;
      }
      while (at != top && next[at] < 0) at = parent[at];
      at = at == top ? -1 : next[at];
    }
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
