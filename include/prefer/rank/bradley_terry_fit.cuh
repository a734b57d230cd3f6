// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/rank/bradley_terry_fit.hpp>
#include <prefer/rank/detail/device_solver.cuh>

#include <cstddef>
#include <cstdint>

// fit_bradley_terry on CUDA: the call of bradley_terry_fit.hpp with prefer::cuda and device memory. It enqueues the
// construction of the lists of opponents (CUB sorts; a full matrix needs none) and one cooperative kernel with the
// whole iteration, and returns; nothing is synchronised, and converged, gradient and the iterations are device outputs.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Memory of one call, in one layout for measuring and for taking.
struct device_fit_memory {
  device_graph graph;
  device_solver_memory solver;
  device_build build;
  std::size_t bytes = 0;
  status problem;

  // `memory` null measures.
  device_fit_memory(const bradley_terry_fit& o, const comparison_shape& shape, scratch* memory) : memory_(memory) {
    const bool matrix = shape.form == comparison_form::matrix, tie_parameter = o.ties != tie_model::half && shape.ties;
    const std::int64_t n = shape.items, entries = matrix ? n * n : 2 * shape.rows;
    graph.items = n;
    graph.entries = entries;
    graph.lanes = entries >= 64 * n ? 32 : 8;
    take(graph.bad, 1);
    take(graph.x, entries);
    take(graph.weight, entries);
    take(graph.link, entries);
    if (tie_parameter) take(graph.tied, entries);
    if (tie_parameter && o.ties == tie_model::rao_kupper) take(graph.y, entries);
    if (!matrix) {
      take(graph.offsets, n + 1);
      take(graph.opponent, entries);
      take(build.item, entries);
      take(build.sorted_item, entries);
      take(build.entry, entries);
      take(build.sorted_entry, entries);
      problem = sort_bytes(entries, n, build.sorting_bytes);
      char* sorting = nullptr;
      take(sorting, static_cast<std::int64_t>(build.sorting_bytes));
      build.sorting = sorting;
    }
    device_solver_memory& m = solver;
    for (double** a : {&m.rating, &m.previous, &m.linear, &m.games, &m.gradient, &m.diagonal, &m.prior_curvature,
                       &m.cross, &m.step, &m.residual, &m.direction, &m.image, &m.scaled, &m.scale})
      take(*a, n);
    take(m.reached, n);
    take(m.partial, 6 * device_solver_memory::tiles(n, graph.lanes));
  }

 private:
  scratch* memory_;

  template <class T>
  void take(T*& out, std::int64_t count) {
    const auto elements = static_cast<std::size_t>(count);
    bytes += scratch_bytes<T>(elements);
    if (memory_ != nullptr) out = memory_->take<T>(elements);
  }
};

}  // namespace detail

// Bytes of device memory that a fit needs, from the extents, the form and the tie model alone. Views that do not fit
// together give 0.
inline std::size_t fit_bradley_terry_workspace(const cuda&, const bradley_terry_fit& options,
                                               const comparisons<space::device>& data) {
  comparison_shape shape;
  if (!require::comparison_views(data, shape).ok()) return 0;
  const detail::device_fit_memory m(options, shape, nullptr);
  return m.problem.ok() ? m.bytes + detail::scratch_alignment : 0;
}

// Fits the ratings on the device. Without exec.workspace, memory comes from the device's pool in stream order, which a
// stream that is being captured refuses. The ratings are bitwise the same for every grid and device of one
// architecture, and agree with the CPU to the tolerance.
//
// Errors that the host can see are those of the CPU. Bad content (indices, offsets, counts, a matrix of ties that is
// not symmetric) is never read through; it and ratings that do not exist (errc::not_connected, with the first item that
// does not connect with item 0, or item 0 for the tie parameter) leave every number NaN, converged false and a word in
// exec.report. A sparse matrix of ties is not checked for symmetry: the mean of both entries is used.
inline status fit_bradley_terry(const cuda& exec, const bradley_terry_fit& options,
                                const comparisons<space::device>& data, const fit_outputs<space::device>& out) {
  comparison_shape shape;
  status s = require::comparison_views(data, shape);
  if (s.ok()) s = require::fit_parameters(options, shape.items);
  if (s.ok()) s = require::fit_outputs_of(out, shape.items);
  if (s.ok()) s = require::fit_overlap(data, out);
  if (!s.ok()) return s;
  const detail::device_fit_memory measured(options, shape, nullptr);
  detail::scratch memory;
  s = measured.problem.ok() ? memory.reserve(exec, measured.bytes + detail::scratch_alignment) : measured.problem;
  if (!s.ok()) return s;

  const detail::device_fit_memory m(options, shape, &memory);
  const bool directed = m.graph.y != nullptr;
  s = detail::build_graph(exec.stream.stream, {data, shape, exec.report, directed}, m.graph, m.build);
  if (!s.ok()) return s;
  const detail::device_problem problem{m.graph, m.solver, detail::settings_of(options, shape.items),
                                       options, out,      exec.report};
  if (directed) return detail::launch_fit<detail::rao_kupper_edge>(exec, problem);
  if (m.graph.tied != nullptr) return detail::launch_fit<detail::davidson_edge>(exec, problem);
  return detail::launch_fit<detail::bradley_terry_edge>(exec, problem);
}

}  // namespace PREFER_ABI
}  // namespace prefer
