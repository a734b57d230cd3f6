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
//
// Weights may differ by any factor, so nothing is found by taking a large number from another. The root of a tree is
// its heaviest node: what is below a node then weighs no more than N times what is not, and flows are as small as what
// is below. f comes from means and bounds of trees, not from flows; weights and flows of a part that lost something are
// added up anew from the children.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Rooted trees over n nodes. What belongs to an edge is kept at its lower node in the tree, the child.
struct active_forest {
  std::int64_t n = 0;
  double *f = nullptr, *reward = nullptr, *weight = nullptr;  // of a node; weight 0: it is left out
  double *flow = nullptr, *bound = nullptr;  // of the edge to the parent; by rounding a flow may be < 0
  double* below = nullptr;                   // weight of the subtree
  double* total = nullptr;                   // weight of the tree, by label
  double* noise = nullptr;  // what rounding may have made of the flow, and at a root of the sum of its tree's w (r - f)
  double* offset = nullptr;                                                                // of f from that of the root
  std::int64_t *parent = nullptr, *child = nullptr, *next = nullptr, *previous = nullptr;  // -1 for none
  std::int64_t *size = nullptr, *heaviest = nullptr;  // nodes of the subtree; which of them has the largest weight
  std::int64_t *label = nullptr, *unused = nullptr;   // trees; labels that are free
  std::int64_t* order = nullptr;                      // parents before children
  std::uint8_t* high = nullptr;                       // the child is the upper end of its edge
  std::uint8_t* path = nullptr;  // 1: on the way from the upper end of the pair at hand to its root; 2: from the lower
  struct step_plan {
    std::int64_t p, q;  // the pair at hand
    double given;       // its flow while it is no edge
    double length;
    std::int64_t drops;       // the edge that the step ends at, or -1: the pair at hand becomes one
    std::int64_t gone, kept;  // labels of trees that were joined
    std::int64_t free_labels;
  }* step = nullptr;

  template <class Memory>
  void carve(Memory& memory, std::int64_t nodes) {
    n = nodes;
    for (double** a : {&f, &reward, &weight, &flow, &bound, &below, &total, &noise, &offset})
      *a = memory.template take<double>(n);
    for (std::int64_t** a : {&parent, &child, &next, &previous, &size, &heaviest, &label, &unused, &order})
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
      parent[i] = child[i] = next[i] = previous[i] = -1, size[i] = 1, label[i] = heaviest[i] = i;
    });
    team.once([&]() PREFER_HD_LAMBDA { *step = {-1, -1, 0, 0, -1, -1, -1, 0}; });
  }

  // Makes f_p - f_q <= bound_pq hold, with everything that was tight still tight, or let go where its flow ends.
  template <class Team>
  PREFER_HD void raise(const Team& team, std::int64_t p, std::int64_t q, double bound_pq) const {
    team.once([&]() PREFER_HD_LAMBDA { step->p = p, step->q = q, step->given = 0; });
    for (;;) {
      team.once([&]() PREFER_HD_LAMBDA { mark(p, 1), mark(q, 2); });
      const std::int64_t of_p = label[p], of_q = label[q];
      const ranked first = team.first(n, [&](std::int64_t i) PREFER_HD_LAMBDA {
        const double change = rate(i, of_p, of_q);
        return ranked{change < 0 ? sortable(math::max(flow[i], 0.0) / -change) : left_out, i};
      });
      team.once([&]() PREFER_HD_LAMBDA { plan(first, p, q, bound_pq, of_p, of_q); });
      const double length = step->length;
      const std::int64_t drops = step->drops;
      team.each(n, [&](std::int64_t i) PREFER_HD_LAMBDA { move(i, of_p, of_q, length); });
      team.once([&]() PREFER_HD_LAMBDA {
        mark(p, 0), mark(q, 0);
        step->given += length;
        if (drops >= 0)
          cut(drops);
        else if (of_p != of_q)
          link(p, q, bound_pq);
      });
      if (drops >= 0) continue;
      if (of_p != of_q) {
        const std::int64_t gone = step->gone, kept = step->kept;
        team.each(n, [&](std::int64_t i) PREFER_HD_LAMBDA { relabel(i, gone, kept); });
      }
      return;
    }
  }

  // All of it anew from what is tight, without what steps have rounded. An edge whose flow turns out to be the wrong
  // way is let go.
  template <class Team>
  PREFER_HD void refresh(const Team& team) const {
    team.once([&]() PREFER_HD_LAMBDA {
      step->p = step->q = -1;
      bool again = true;
      for (int rest = most_refreshes; again && rest > 0; --rest) {
        sort();
        for (std::int64_t k = 0; k < n;) k = level(k);
        for (std::int64_t k = n; k-- > 0;) settle(order[k]), find_noise(order[k]);
        again = rest > 1 && cut_wrong() > 0;
      }
    });
  }

 private:
  static constexpr int most_refreshes = 4;

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
    const double until = some ? math::max(flow[first.item], 0.0) / -rate(first.item, of_p, of_q) : 0;
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
    if (change != 0) flow[i] += length * change;
    if (of_p == of_q) return;
    if (label[i] == of_p) f[i] -= length / total[of_p];
    if (label[i] == of_q) f[i] += length / total[of_q];
  }
  PREFER_HD void relabel(std::int64_t i, std::int64_t from, std::int64_t to) const {
    if (label[i] == from) label[i] = to;
  }

  PREFER_HD void attach(std::int64_t i, std::int64_t to) const {
    parent[i] = to, previous[i] = -1, next[i] = -1;
    if (to < 0) return;
    next[i] = child[to];
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
  PREFER_HD std::int64_t root_of(std::int64_t i) const {
    while (parent[i] >= 0) i = parent[i];
    return i;
  }
  PREFER_HD std::int64_t heavier(std::int64_t i, std::int64_t j) const { return weight[j] > weight[i] ? j : i; }

  // The tree of i hangs below `to` (-1: below nothing, i is its root): on its way to its old root, which is returned,
  // edges turn round.
  PREFER_HD std::int64_t hang(std::int64_t i, std::int64_t to, double edge_bound, std::uint8_t edge_high) const {
    double edge_flow = 0;
    while (i >= 0) {
      const double old_flow = flow[i], old_bound = bound[i];
      const std::int64_t old_parent = parent[i];
      const std::uint8_t old_high = high[i];
      detach(i), attach(i, to);
      flow[i] = edge_flow, bound[i] = edge_bound, high[i] = edge_high;
      edge_flow = old_flow, edge_bound = old_bound, edge_high = old_high == 0 ? 1 : 0;
      to = i, i = old_parent;
    }
    return to;
  }

  // What is known of a subtree, from those of its children.
  PREFER_HD void settle(std::int64_t i) const {
    double gives = weight[i] * (reward[i] - f[i]), weighs = weight[i];
    if (i == step->p) gives -= step->given;
    if (i == step->q) gives += step->given;
    std::int64_t nodes = 1, top = i;
    for (std::int64_t c = child[i]; c >= 0; c = next[c]) {
      gives += high[c] != 0 ? flow[c] : -flow[c], weighs += below[c];
      nodes += size[c], top = heavier(top, heaviest[c]);
    }
    below[i] = weighs, size[i] = nodes, heaviest[i] = top;
    flow[i] = parent[i] < 0 ? 0 : high[i] != 0 ? gives : -gives;
    if (parent[i] < 0) total[label[i]] = weighs;
  }
  PREFER_HD void settle_way(std::int64_t from, std::int64_t until) const {
    for (std::int64_t i = from; i != until; i = parent[i]) settle(i);
  }
  PREFER_HD void find_noise(std::int64_t i) const {
    double all = 0x1p-50 * weight[i] * math::abs(reward[i] - f[i]);
    for (std::int64_t c = child[i]; c >= 0; c = next[c]) all += noise[c];
    noise[i] = all;
  }

  // The pair at hand becomes an edge. The tree with the lighter root goes below the other one.
  PREFER_HD void link(std::int64_t p, std::int64_t q, double bound_pq) const {
    const bool lower_hangs = weight[root_of(p)] >= weight[root_of(q)];
    const std::int64_t upper = lower_hangs ? p : q, lower = lower_hangs ? q : p;
    step->gone = label[lower], step->kept = label[upper], step->given = 0;
    const std::int64_t last = hang(lower, upper, bound_pq, lower_hangs ? std::uint8_t{0} : std::uint8_t{1});
    settle_way(last, upper);
    for (std::int64_t i = upper; i >= 0; i = parent[i])
      below[i] += below[lower], size[i] += size[lower], heaviest[i] = heavier(heaviest[i], heaviest[lower]);
    total[step->kept] += below[lower];
    unused[step->free_labels++] = step->gone;
  }

  // The subtree of a node becomes a tree, with the heaviest as its root; the smaller part gets a new label.
  PREFER_HD void cut(std::int64_t i) const {
    const std::int64_t fresh = unused[--step->free_labels];
    const std::int64_t root = root_of(i), above = parent[i];
    detach(i);
    settle_way(above, root);
    below[root] -= below[i], size[root] -= size[i];  // no less than a subtree of it: the root is the heaviest
    const bool subtree = size[i] <= size[root];
    const std::int64_t top = heaviest[i];
    if (top != i) hang(top, -1, 0, 0), settle_way(i, top);
    relabel_tree(subtree ? top : root, fresh);
    settle(top);
    total[label[root]] = below[root];
  }
  PREFER_HD void relabel_tree(std::int64_t top, std::int64_t to) const {
    for (std::int64_t at = top; at >= 0;) {  // in depth-first order
      label[at] = to;
      if (child[at] >= 0) {
        at = child[at];
        continue;
      }
      while (at != top && next[at] < 0) at = parent[at];
      at = at == top ? -1 : next[at];
    }
  }

  // Lets go of edges whose flow is the wrong way. Returns how many.
  PREFER_HD std::int64_t cut_wrong() const {
    std::int64_t cuts = 0;
    for (std::int64_t i = 0; i < n; ++i)
      if (parent[i] >= 0 && flow[i] < 0) cut(i), ++cuts;
    return cuts;
  }

  // Parents before children, tree by tree.
  PREFER_HD void sort() const {
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      if (parent[i] >= 0) continue;
      std::int64_t at = count;
      order[count++] = i;
      for (; at < count; ++at)
        for (std::int64_t c = child[order[at]]; c >= 0; c = next[c]) order[count++] = c;
    }
  }
  // f of the tree whose root has place k: what keeps its mean. Returns the place behind it.
  PREFER_HD std::int64_t level(std::int64_t k) const {
    double sum = 0, weighs = 0;
    std::int64_t end = k;
    for (; end < n && (end == k || parent[order[end]] >= 0); ++end) {
      const std::int64_t i = order[end];
      offset[i] = end == k ? 0 : offset[parent[i]] + (high[i] != 0 ? bound[i] : -bound[i]);
      sum += weight[i] * (reward[i] - offset[i]), weighs += weight[i];
    }
    const double base = weighs > 0 ? sum / weighs : 0;
    for (std::int64_t at = k; at < end; ++at)
      f[order[at]] = end == k + 1 ? reward[order[at]] : base + offset[order[at]];
    return end;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
