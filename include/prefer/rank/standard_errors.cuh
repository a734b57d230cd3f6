// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/rank/detail/device_solver.cuh>
#include <prefer/rank/rating_errors.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

// Standard errors of fitted ratings on CUDA; what they are, and options, inputs and outputs: rating_errors.hpp. It
// enqueues the construction of the graph, one cooperative kernel for the curvature at the ratings, and one in which
// every block of threads takes one requested item after the other: a solution by conjugate gradients (for covariances
// by the sandwich a second), preconditioned by the diagonal. H is never factorised; `dense_items` is not looked at.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// What the kernels of one call tell each other.
struct device_error_state {
  double tie_curvature, meat_tie_curvature;
  bool good, has_ties;
};

// The memory of one block of threads.
struct device_error_lane {
  device_cg_memory cg = {};
  double* partial = nullptr;

  PREFER_HD void carve(arena& memory, const device_graph& g) {
    cg.carve(memory, g.items);
    partial = memory.take<double>(partial_results(g));
  }
};

struct device_error_memory {
  device_fit_memory fit;
  device_counts counts;  // for the sandwich: squared weights; later `won` is the meat's weight
  double* meat_cross = nullptr;
  device_error_state* state = nullptr;
  char* lanes = nullptr;
  std::int64_t lane_count = 0, lane_bytes = 0;

  status carve(arena& memory, const bradley_terry_errors& o, const comparison_shape& shape, std::int64_t wanted) {
    const status s = fit.carve(memory, o.fit, shape);
    if (o.estimate == error_estimate::sandwich) {
      counts.carve(memory, device_graph::most_entries(shape));
      meat_cross = memory.take<double>(shape.items);
    }
    state = memory.take<device_error_state>(1);
    arena one;
    device_error_lane().carve(one, fit.graph);
    lane_bytes = static_cast<std::int64_t>(one.bytes());
    // Enough blocks to fill a device, as long as their vectors stay below some hundred megabytes.
    lane_count = std::min(wanted + 1, std::clamp<std::int64_t>((std::int64_t{1} << 23) / shape.items, 16, 512));
    lanes = memory.take<char>(lane_count * lane_bytes);
    return s;
  }
};

struct device_errors {
  device_problem problem;
  fitted_ratings<space::device> at;
  error_outputs<space::device> out;
  device_counts counts;
  double* meat_cross;
  device_error_state* state;
  char* lanes;
  std::int64_t lane_bytes;
  rating_gauge gauge;
  std::int64_t wanted, columns;  // the last column may be the tie parameter's
  double tolerance;

  __device__ bool sandwich() const { return meat_cross != nullptr; }
  __device__ device_curvature curvature(const device_error_state& s) const {
    const device_solver_memory& m = problem.memory;
    return {problem.graph.weight, m.diagonal, m.prior_curvature, m.cross, s.tie_curvature, s.has_ties};
  }
  __device__ device_curvature meat(const device_error_state& s) const {
    return {counts.won, nullptr, nullptr, meat_cross, s.meat_tie_curvature, s.has_ties};
  }
  // Requested item k, or -1.
  __device__ std::int64_t item(std::int64_t k) const {
    const std::int64_t i = at.items.type != element::none ? index_at(at.items, k) : k;
    return i >= 0 && i < gauge.items ? i : -1;
  }
  __device__ void store_covariance(std::int64_t k, std::int64_t l, double x) const {
    const auto& c = out.covariance;
    store_element<double>(c.data, c.type, k * c.stride[0] + l * c.stride[1], x, false);
    if (k != l) store_element<double>(c.data, c.type, l * c.stride[0] + k * c.stride[1], x, false);
  }
};

// The fitted parameters on the scale of the likelihood, the curvature there, and what the games' gradients add up to.
template <class Edge>
class device_error_curvature {
 public:
  __device__ device_error_curvature(const device_errors& errors, double* shared)
      : e_(errors),
        g_(errors.problem.graph),
        passes_(g_, errors.problem.memory.partial, shared),
        solver_(passes_, g_, errors.problem.memory, errors.problem.settings) {}

  __device__ void run() {
    const bool good = *g_.bad == 0 && exists() && differentiate();
    const double corner = good && e_.sandwich() ? fill_meat() : 0;
    if (passes_.first_thread()) *e_.state = {solver_.curvature().tie_curvature, corner, good, solver_.has_ties()};
  }

 private:
  const device_errors& e_;
  const device_graph& g_;
  device_passes<grid_team> passes_;
  device_solver<Edge, grid_team> solver_;

  __device__ bool report(errc code, std::int64_t item) {
    if (passes_.first_thread()) report_content(e_.problem.report, code, item);
    return false;
  }

  __device__ bool exists() {
    const std::int64_t odd = passes_.first_item([&](std::int64_t i) {
      const double r = number_at(e_.at.ratings, i);
      return math::is_nan(r - r);
    });
    if (odd >= 0) return report(errc::not_a_number, odd);
    solver_.prepare();
    std::int64_t item = 0;
    return solver_.exists(item) || report(errc::not_connected, item);
  }

  __device__ bool differentiate() {
    double tie = 0;
    if (solver_.has_ties()) {
      tie = number_at(e_.at.tie_parameter, 0);
      if (!(tie > 0) || math::is_nan(tie - tie)) return report(errc::bad_parameter, 0);
    }
    solver_.start([&](std::int64_t i) { return number_at(e_.at.ratings, i); }, solved_tie_parameter(g_.ties, tie));
    solver_.differentiate(true);
    if (g_.items == 1 && e_.gauge.sums_to_zero()) return true;
    const std::int64_t flat = passes_.first_item([&](std::int64_t i) { return !(e_.problem.memory.diagonal[i] > 0); });
    return flat < 0 || report(errc::bad_parameter, flat);
  }

  __device__ double fill_meat() {
    const Edge edge = solver_.edge();
    const double* rating = e_.problem.memory.rating;
    return 0.5 * passes_
                     .over_rows(false,
                                [&](std::int64_t i, int lane) -> device_triple {
                                  double cross = 0, corner = 0;
                                  passes_.each_entry(i, lane, [&](std::int64_t e, std::int64_t j) {
                                    const score_squares s =
                                        squares_of(scores_of(edge, odds_of_ratings(rating[i], rating[j])),
                                                   e_.counts.won[e], e_.counts.lost[e], e_.counts.tied[e]);
                                    e_.counts.won[e] = s.weight;
                                    cross += s.cross;
                                    corner += s.tie;
                                  });
                                  cross = passes_.row_sum(cross), corner = passes_.row_sum(corner);
                                  if (!passes_.leads(i, lane)) return {};
                                  e_.meat_cross[i] = cross;
                                  return {corner, 0, 0};
                                })
                     .a;
  }
};

template <class Edge>
static __global__ void __launch_bounds__(team_threads) error_curvature_kernel(device_errors errors) {
  __shared__ double shared[team_threads / 32];
  device_error_curvature<Edge>(errors, shared).run();
}

// The errors of one requested item after the other, by a block.
class device_error_solver {
 public:
  __device__ device_error_solver(const device_errors& errors, const device_error_lane& lane, double* shared)
      : e_(errors), g_(errors.problem.graph), m_(lane.cg), passes_(g_, lane.partial, shared), state_(*errors.state) {}

  __device__ void column(std::int64_t k) {
    const std::int64_t item = k < e_.wanted ? e_.item(k) : 0;
    if (state_.good && item < 0) report(errc::bad_index, k);
    bool good = state_.good && (k < e_.wanted ? item >= 0 : state_.has_ties);
    double variance = 0;
    curvature_image image{0, 0};
    if (good) {
      const cg_result r = solve([&](std::int64_t i) { return k < e_.wanted ? e_.gauge.contrast(item, i) : 0.0; },
                                k < e_.wanted ? 0 : 1, k);
      good = r.converged;
      if (e_.sandwich())
        variance = (image = apply_curvature(passes_, g_, e_.meat(state_), m_.step, r.tie_step, m_.image)).product;
      else
        variance = k < e_.wanted ? e_.gauge.of(m_.step, item, mean()) : r.tie_step;
    }
    const double error = good ? error_of(variance) : math::detail::not_a_number<double>();
    if (threadIdx.x == 0)
      store_number(k < e_.wanted ? e_.out.standard_errors : e_.out.tie_standard_error, k < e_.wanted ? k : 0, error);
    if (k < e_.wanted && e_.out.covariance.type != element::none) covariances(k, good, error * error, image.tie);
  }

 private:
  const device_errors& e_;
  const device_graph& g_;
  const device_cg_memory& m_;
  device_passes<block_team> passes_;
  device_error_state state_;

  __device__ void report(errc code, std::int64_t k) {
    if (passes_.first_thread()) report_content(e_.problem.report, code, k);
  }
  template <class F>
  __device__ cg_result solve(F right, double tie, std::int64_t k) {
    const cg_result r = solve_curvature(passes_, g_, e_.curvature(state_), m_, right, tie, e_.tolerance,
                                        most_error_iterations(g_.items));
    if (!r.converged) report(errc::not_converged, k);
    return r;
  }
  __device__ double mean() {
    return !e_.gauge.sums_to_zero() ? 0
                                    : passes_.over_items(false,
                                                         [&](std::int64_t i) -> device_triple {
                                                           return {m_.step[i], 0, 0};
                                                         })
                                              .a /
                                          static_cast<double>(g_.items);
  }

  // Item k with those before it, in both triangles. The solution is still in memory, or for the sandwich G times it.
  __device__ void covariances(std::int64_t k, bool good, double variance, double tie_image) {
    if (good && e_.sandwich()) good = solve([&](std::int64_t i) { return m_.image[i]; }, tie_image, k).converged;
    const double middle = good ? mean() : 0;
    for (std::int64_t l = threadIdx.x; l <= k; l += team_threads) {
      const std::int64_t item = e_.item(l);
      const double x = !good || item < 0 ? math::detail::not_a_number<double>()
                       : l == k          ? variance
                                         : e_.gauge.of(m_.step, item, middle);
      e_.store_covariance(k, l, x);
    }
    __syncthreads();
  }
};

static __global__ void __launch_bounds__(team_threads) errors_kernel(device_errors errors) {
  __shared__ double shared[team_threads / 32];
  arena memory(errors.lanes + blockIdx.x * errors.lane_bytes);
  device_error_lane lane;
  lane.carve(memory, errors.problem.graph);
  device_error_solver solver(errors, lane, shared);
  for (std::int64_t k = blockIdx.x; k < errors.columns; k += gridDim.x) solver.column(k);
}

}  // namespace detail

// Bytes of device memory that standard_errors needs, from extents, form, tie model and estimate alone. Views that do
// not fit together give 0.
inline std::size_t standard_errors_workspace(const cuda&, const bradley_terry_errors& options,
                                             const comparisons<space::device>& data,
                                             const fitted_ratings<space::device>& at) {
  comparison_shape shape;
  if (!require::comparison_views(data, shape).ok()) return 0;
  const std::int64_t wanted = at.items.given() ? at.items.extent[0] : shape.items;
  detail::device_error_memory m;
  return detail::bytes_of([&](detail::arena& memory) { return m.carve(memory, options, shape, wanted); });
}

// Enqueues the errors. Memory, reports and bits are as for fit_bradley_terry on CUDA. Solutions are not kept: memory
// grows with the items, not with their square.
//
// Errors that the host can see are those of the CPU; an estimated tie model needs its tie_parameter whenever the data
// have a column of ties. What the host cannot see is reported, with all results NaN: content as by the fit,
// not_connected with the item, not_a_number with the rating that is not finite, bad_parameter for ratings without any
// curvature (with the item) or a tie parameter that is not above 0 (item 0). A requested item that does not exist
// (bad_index), or whose solution does not come (not_converged), has NaN of its own.
inline status standard_errors(const cuda& exec, const bradley_terry_errors& options,
                              const comparisons<space::device>& data, const fitted_ratings<space::device>& at,
                              const error_outputs<space::device>& out) {
  comparison_shape shape;
  status s = require::comparison_views(data, shape);
  if (s.ok()) s = require::error_arguments(options, shape.items, at, out);
  if (s.ok() && options.fit.ties != tie_model::half && shape.ties)
    s = require::missing(at.tie_parameter.given(), "tie_parameter", "the fitted tie parameter");
  if (s.ok()) s = require::error_overlap(data, at, out);
  if (!s.ok()) return s;
  const std::int64_t wanted = at.items.given() ? at.items.extent[0] : shape.items;
  detail::scratch owner;
  detail::device_error_memory m;
  s = detail::reserve(exec, owner, [&](detail::arena& memory) { return m.carve(memory, options, shape, wanted); });
  const detail::device_graph& graph = m.fit.graph;
  if (s.ok())
    s = detail::build_graph(exec.stream.stream, {data, shape, exec.report, m.counts, true}, graph, m.fit.build);
  if (!s.ok()) return s;

  const detail::device_errors errors{{graph, m.fit.solver, detail::settings_of(options.fit, shape.items), exec.report},
                                     at,
                                     out,
                                     m.counts,
                                     m.meat_cross,
                                     m.state,
                                     m.lanes,
                                     m.lane_bytes,
                                     detail::gauge_of(options.fit, shape.items),
                                     wanted,
                                     wanted + (out.tie_standard_error.given() ? 1 : 0),
                                     options.tolerance};
  s = detail::with_edge(graph, [&]<class Edge>(const Edge&) {
    return detail::launch_team(exec, "error_curvature", detail::error_curvature_kernel<Edge>,
                               detail::tiles_of(shape.items, graph.lanes), errors);
  });
  if (!s.ok()) return s;
  const auto blocks = static_cast<unsigned>(std::clamp<std::int64_t>(errors.columns, 1, m.lane_count));
  detail::errors_kernel<<<blocks, detail::team_threads, 0, exec.stream.stream>>>(errors);
  return detail::launch_status("errors");
}

}  // namespace PREFER_ABI
}  // namespace prefer
