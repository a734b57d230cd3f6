// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>
#include <prefer/rank/bradley_terry_fit.hpp>
#include <prefer/rank/comparisons.hpp>
#include <prefer/rank/detail/comparison_graph.hpp>

#include <cstddef>
#include <cstdint>

namespace prefer {

template <space Space>
struct group_outputs {
  output_view<1, Space> group = {};  // [items] int32 or int64: the group of every item, from 0
  output_view<1, Space> count = {};  // [1] int32 or int64: how many groups there are
};

inline namespace PREFER_ABI {
namespace detail {

// Tarjan 1972 without recursion.
struct component_search {
  std::int32_t* order = nullptr;   // [items] of discovery, from 1; 0 is undiscovered
  std::int32_t* lowest = nullptr;  // [items] earliest item on the stack that can be reached
  std::int32_t* component = nullptr;
  std::int32_t* open = nullptr;  // stack of items without a component
  std::int32_t* path = nullptr;  // stack of items being visited
  std::int64_t* next = nullptr;  // [items] the next link to follow

  void carve(arena& memory, std::int64_t items) {
    for (std::int32_t** a : {&order, &lowest, &component, &open, &path}) *a = memory.take<std::int32_t>(items);
    next = memory.take<std::int64_t>(items);
  }

  // Components are numbered as they close: no link leads from one to a later one.
  std::int32_t run(const comparison_graph& g) {
    for (std::int64_t i = 0; i < g.items; ++i) order[i] = 0, component[i] = -1;
    count_ = time_ = 0;
    open_size_ = 0;
    for (std::int64_t i = 0; i < g.items; ++i)
      if (order[i] == 0) visit(g, static_cast<std::int32_t>(i));
    return count_;
  }

 private:
  std::int32_t count_ = 0, time_ = 0;
  std::int64_t open_size_ = 0, path_size_ = 0;

  void enter(const comparison_graph& g, std::int32_t v) {
    order[v] = lowest[v] = ++time_;
    next[v] = g.offsets[v];
    open[open_size_++] = v;
    path[path_size_++] = v;
  }

  void visit(const comparison_graph& g, std::int32_t root) {
    path_size_ = 0;
    enter(g, root);
    while (path_size_ > 0) {
      const std::int32_t v = path[path_size_ - 1];
      if (next[v] < g.offsets[v + 1]) {
        const std::int64_t e = next[v]++;
        if (!(g.won[e] + (g.tied != nullptr ? g.tied[e] : 0) > 0)) continue;
        const std::int32_t u = g.opponent[e];
        if (order[u] == 0)
          enter(g, u);
        else if (component[u] < 0)
          lowest[v] = std::min(lowest[v], order[u]);
      } else {
        leave(v);
      }
    }
  }

  void leave(std::int32_t v) {
    --path_size_;
    if (path_size_ > 0) lowest[path[path_size_ - 1]] = std::min(lowest[path[path_size_ - 1]], lowest[v]);
    if (lowest[v] != order[v]) return;
    std::int32_t u;
    do {
      u = open[--open_size_];
      component[u] = count_;
    } while (u != v);
    ++count_;
  }
};

inline void measure_groups(arena& memory, const comparison_shape& shape) {
  measure_graph(memory, shape);
  component_search().carve(memory, shape.items);
}

}  // namespace detail

// Bytes that comparison_groups needs. Views that do not fit together give 0.
inline std::size_t comparison_groups_workspace(const cpu&, const comparisons<space::host>& data) {
  comparison_shape shape;
  if (!require::comparison_views(data, shape).ok()) return 0;
  detail::arena memory;
  detail::measure_groups(memory, shape);
  return memory.bytes();
}

// The groups within which ratings are determined: the strongly connected components of "won or tied against". Two items
// share a group exactly if each can be reached from the other. Groups are numbered from the top: between groups, every
// win goes from a lower number to a higher one. One group means that fit_bradley_terry needs no prior.
//
// O(items + pairs that met), one thread. Memory and errors as fit_bradley_terry, without not_connected.
inline status comparison_groups(const cpu& exec, const comparisons<space::host>& data,
                                const group_outputs<space::host>& out) {
  comparison_shape shape;
  status s = require::comparison_views(data, shape);
  if (s.ok() && !out.group.given() && !out.count.given())
    s = require::fail(errc::missing_output, "outputs", "at least one output");
  if (s.ok())
    s = require::optional_output("group", out.group, shape.items, "the number of items,", require::holds::indices);
  if (s.ok()) s = require::optional_output("count", out.count, 1, "one element,", require::holds::indices);
  if (!s.ok()) return s;
  require::address_ranges all;
  all.read(data);
  all.write("group", out.group);
  all.write("count", out.count);
  s = all.check();
  detail::host_scratch lent;
  if (s.ok()) s = lent.provide(exec.workspace, comparison_groups_workspace(exec, data));
  if (!s.ok()) return s;

  detail::arena memory(lent.data);
  detail::comparison_graph graph;
  s = detail::make_graph({data, shape, false, exec.content != content::none}, memory, graph);
  if (!s.ok()) return s;
  detail::component_search search;
  search.carve(memory, shape.items);
  const std::int32_t count = search.run(graph);
  for (std::int64_t i = 0; out.group.given() && i < shape.items; ++i)
    detail::store_count(static_cast<char*>(out.group.data) + i * out.group.stride[0] * size_of(out.group.type),
                        out.group.type, count - 1 - search.component[i]);
  if (out.count.given()) detail::store_count(out.count.data, out.count.type, count);
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
