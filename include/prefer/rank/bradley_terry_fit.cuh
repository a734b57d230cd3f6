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

// Bytes of device memory that a fit needs, from the extents, the form and the tie model alone. Views that do not fit
// together give 0.
inline std::size_t fit_bradley_terry_workspace(const cuda&, const bradley_terry_fit& options,
                                               const comparisons<space::device>& data) {
  comparison_shape shape;
  if (!require::comparison_views(data, shape).ok()) return 0;
  detail::device_fit_memory m;
  return detail::bytes_of([&](detail::arena& memory) { return m.carve(memory, options, shape); });
}

// Fits the ratings on the device. Without exec.workspace, memory comes from the device's pool in stream order, which a
// stream that is being captured refuses. The ratings are bitwise the same for every grid and device of one
// architecture, and agree with the CPU to the tolerance.
//
// Errors that the host can see are those of the CPU. Bad content (indices, offsets, counts, a matrix of ties that is
// not symmetric) is never read through; it and ratings that do not exist (errc::not_connected, with the first item that
// does not connect with item 0, or item 0 for the tie parameter) leave every number NaN, converged false and a word in
// exec.report. A fit that did not converge is reported, too (errc::not_converged, 0), with all outputs written.
inline status fit_bradley_terry(const cuda& exec, const bradley_terry_fit& options,
                                const comparisons<space::device>& data, const fit_outputs<space::device>& out) {
  comparison_shape shape;
  status s = require::comparison_views(data, shape);
  if (s.ok()) s = require::fit_parameters(options, shape.items);
  if (s.ok()) s = require::fit_outputs_of(out, shape.items);
  if (s.ok()) s = require::fit_overlap(data, out);
  if (!s.ok()) return s;
  detail::scratch owner;
  detail::device_fit_memory m;
  s = detail::reserve(exec, owner, [&](detail::arena& memory) { return m.carve(memory, options, shape); });
  if (s.ok()) s = detail::build_graph(exec.stream.stream, {data, shape, exec.report}, m.graph, m.build);
  if (!s.ok()) return s;
  const detail::device_problem problem{m.graph, m.solver, detail::settings_of(options, shape.items), exec.report};
  return detail::with_edge(m.graph, [&]<class Edge>(const Edge&) {
    return detail::launch_team(exec, "fit_kernel", detail::fit_kernel<Edge>,
                               detail::tiles_of(shape.items, m.graph.lanes), problem,
                               detail::device_fit_outputs{options, out});
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
