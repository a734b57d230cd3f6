// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/rank/bradley_terry_fit.hpp>
#include <prefer/rank/detail/device_curvature.cuh>

#include <algorithm>
#include <cstddef>
#include <cstdint>

// The iteration of detail/bradley_terry_solver.hpp by a team of threads (detail/device_passes.cuh) that decides
// everything on the device.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// The arrays of one team.
struct device_solver_memory {
  double* rating = nullptr;
  double* previous = nullptr;
  double* linear = nullptr;
  double* games = nullptr;
  double* gradient = nullptr;
  double* diagonal = nullptr;
  double* prior_curvature = nullptr;
  double* cross = nullptr;
  double* scale = nullptr;
  unsigned* reached = nullptr;
  double* partial = nullptr;  // partial_results of the graph
  device_cg_memory cg = {};

  PREFER_HD void carve(arena& memory, const device_graph& g) {
    for (double** a : {&rating, &previous, &linear, &games, &gradient, &diagonal, &prior_curvature, &cross, &scale})
      *a = memory.take<double>(g.items);
    reached = memory.take<unsigned>(g.items);
    partial = memory.take<double>(partial_results(g));
    cg.carve(memory, g.items);
  }
};

template <class Edge, class Team>
class device_solver {
 public:
  __device__ device_solver(device_passes<Team>& passes, const device_graph& graph, const device_solver_memory& memory,
                           const solver_settings& settings)
      : passes_(passes), g_(graph), m_(memory), settings_(settings) {}

  // Counts the games.
  __device__ void prepare() {
    const device_triple t = passes_.over_rows(false, [&](std::int64_t i, int lane) -> device_triple {
      double net = 0, games = 0, ties = 0, wins = 0;
      passes_.each_entry(i, lane, [&](std::int64_t e, std::int64_t) {
        const double tied = g_.tied != nullptr ? g_.tied[e] : 0;
        net += g_.weight[e];
        games += Edge::directed ? g_.x[e] + g_.y[e] - tied : g_.x[e];
        ties += tied;
        wins += (g_.link[e] & link_won) != 0 ? 1 : 0;
      });
      net = passes_.row_sum(net), games = passes_.row_sum(games), ties = passes_.row_sum(ties),
      wins = passes_.row_sum(wins);
      if (!passes_.leads(i, lane)) return {};
      m_.reached[i] = 0;
      m_.linear[i] = Edge::directed ? 0 : 0.5 * net;
      m_.games[i] = games + settings_.prior.precision + 2 * settings_.prior.count;
      return {0.5 * games, 0.5 * ties, wins};
    });
    total_ = t.a;
    ties_ = t.b;
    has_ties_ = Edge::has_tie_parameter && ties_ > 0;
    has_wins_ = t.c > 0;
  }

  // Whether finite ratings exist; if not, the first item that does not connect with item 0, or 0 for the tie parameter.
  __device__ bool exists(std::int64_t& item) {
    item = 0;
    if (has_ties_ && !has_wins_) return false;
    if (settings_.prior.given()) return true;
    spread(1, link_in);
    spread(2, link_out);
    const std::int64_t apart = passes_.first_item([&](std::int64_t i) { return i > 0 && m_.reached[i] != 3; });
    item = apart < 0 ? 0 : apart;
    return apart < 0 && (!has_ties_ || wins_have_cycle() || !fit_on_a_scale());
  }

  // The ratings and the tie parameter to start from.
  template <class F>
  __device__ void start(F rating_of, double tie) {
    tie_ = has_ties_ ? tie : 0;
    passes_.over_items(false, [&](std::int64_t i) -> device_triple {
      m_.rating[i] = rating_of(i);
      return {};
    });
  }
  __device__ double first_tie() const { return has_ties_ ? first_tie_parameter<Edge>(ties_ / total_) : 0; }

  __device__ void solve() {
    sweep();
    if (!result_.converged) newton();
    result_.tie_parameter = tie_;
  }

  // Derivatives at the current ratings; `keep` stores the curvature of every pair.
  __device__ void differentiate(bool keep) {
    const Edge edge_now = edge();
    const device_triple t = passes_.over_rows(true, [&](std::int64_t i, int lane) -> device_triple {
      edge_terms<double> sum{0, 0, 0, 0, 0};
      const double own = i < g_.items ? m_.rating[i] : 0;
      passes_.each_entry(i, lane, [&](std::int64_t e, std::int64_t j) {
        const edge_terms<double> one =
            edge_now(g_.x[e], Edge::directed ? g_.y[e] : 0, odds_of_ratings(own, m_.rating[j]));
        sum.gradient += one.gradient;
        sum.curvature += one.curvature;
        sum.cross += one.cross;
        sum.tie_gradient += one.tie_gradient;
        sum.tie_curvature += one.tie_curvature;
        if (keep) g_.weight[e] = one.curvature;
      });
      sum = {passes_.row_sum(sum.gradient), passes_.row_sum(sum.curvature), passes_.row_sum(sum.cross),
             passes_.row_sum(sum.tie_gradient), passes_.row_sum(sum.tie_curvature)};
      if (!passes_.leads(i, lane)) return {};
      return {finish_item(i, own, sum), 0.5 * sum.tie_gradient, 0.5 * sum.tie_curvature};
    });
    result_.gradient = t.a;
    if (has_ties_) {
      const tie_barrier alone = tie_terms<Edge>(tie_, ties_);
      tie_gradient_ = t.b + alone.gradient;
      tie_curvature_ = t.c + alone.curvature;
      result_.gradient = device_passes<Team>::pick(result_.gradient, math::abs(tie_gradient_) / total_, true);
    }
    result_.converged = result_.gradient <= settings_.tolerance;
  }

  __device__ double loss() {
    const Edge edge_now = edge();
    const double pairs =
        passes_
            .over_rows(false,
                       [&](std::int64_t i, int lane) -> device_triple {
                         double sum = 0;
                         const double own = i < g_.items ? m_.rating[i] : 0;
                         passes_.each_entry(i, lane, [&](std::int64_t e, std::int64_t j) {
                           sum += edge_now.loss(g_.x[e], Edge::directed ? g_.y[e] : 0, own - m_.rating[j]);
                         });
                         sum = passes_.row_sum(sum);
                         return {passes_.leads(i, lane) ? 0.5 * sum + m_.linear[i] * own : 0, 0, 0};
                       })
            .a;
    return has_ties_ ? pairs + tie_terms<Edge>(tie_, ties_).loss : pairs;
  }

  // What the options say is added to every rating.
  __device__ double shift(const bradley_terry_fit& o) {
    if (o.anchor >= 0) return o.anchor_rating - m_.rating[o.anchor];
    if (settings_.prior.given()) return 0;
    return -passes_.over_items(false,
                               [&](std::int64_t i) -> device_triple {
                                 return {m_.rating[i], 0, 0};
                               })
                .a /
           static_cast<double>(g_.items);
  }

  // After differentiate(true).
  __device__ device_curvature curvature() const {
    return {g_.weight, m_.diagonal, m_.prior_curvature, m_.cross, tie_curvature_, has_ties_};
  }
  __device__ Edge edge() const { return has_ties_ ? Edge::at(tie_) : Edge::without_ties(); }
  __device__ bool has_ties() const { return has_ties_; }
  __device__ const solver_result& result() const { return result_; }

 private:
  device_passes<Team>& passes_;
  const device_graph& g_;
  const device_solver_memory& m_;
  const solver_settings& settings_;
  solver_result result_;
  double total_ = 0, ties_ = 0, tie_ = 0, tie_gradient_ = 0, tie_curvature_ = 1, tie_step_ = 0;
  bool has_ties_ = false, has_wins_ = false;

  // Marks what can be reached from item 0 along links of one kind, until nothing is added; marks only grow, so the
  // order in which blocks see each other's does not matter.
  __device__ void spread(unsigned mark, unsigned through) {
    volatile unsigned* reached = m_.reached;
    for (bool again = true; again;) {
      again = passes_
                  .over_rows(false,
                             [&](std::int64_t i, int lane) -> device_triple {
                               double found = i == 0 ? 1 : 0;
                               const bool open = i < g_.items && (reached[i] & mark) == 0;
                               if (open && i > 0)
                                 passes_.each_entry(i, lane, [&](std::int64_t e, std::int64_t j) {
                                   if ((g_.link[e] & through) != 0 && (reached[j] & mark) != 0) found = 1;
                                 });
                               found = passes_.row_max(found);
                               if (!open || lane != 0 || found == 0) return {};
                               reached[i] = reached[i] | mark;
                               return {1, 0, 0};
                             })
                  .a > 0;
    }
  }

  // Items leave once all that beat them have left; whether any remain.
  __device__ bool wins_have_cycle() {
    volatile unsigned* left = m_.reached;
    passes_.over_items(false, [&](std::int64_t i) -> device_triple {
      left[i] = 0;
      return {};
    });
    double gone = 0;
    for (bool again = true; again;) {
      const double now = passes_
                             .over_rows(false,
                                        [&](std::int64_t i, int lane) -> device_triple {
                                          double held = 0;
                                          const bool open = i < g_.items && left[i] == 0;
                                          if (open)
                                            passes_.each_entry(i, lane, [&](std::int64_t e, std::int64_t j) {
                                              if ((g_.link[e] & link_lost) != 0 && left[j] == 0) held = 1;
                                            });
                                          held = passes_.row_max(held);
                                          if (!open || lane != 0 || held != 0) return {};
                                          left[i] = 1;
                                          return {1, 0, 0};
                                        })
                             .a;
      gone += now;
      again = now > 0;
    }
    return gone < static_cast<double>(g_.items);
  }

  // See connectivity::fit_on_a_scale.
  __device__ bool fit_on_a_scale() {
    volatile double* scale = m_.scale;
    passes_.over_items(false, [&](std::int64_t i) -> device_triple {
      scale[i] = 0;
      return {};
    });
    for (;;) {
      const device_triple t = passes_.over_rows(true, [&](std::int64_t i, int lane) -> device_triple {
        double least = i < g_.items ? scale[i] : 0;
        const double before = least;
        passes_.each_entry(i, lane, [&](std::int64_t e, std::int64_t j) {
          if ((g_.link[e] & link_won) != 0)
            least = math::max(least, scale[j] + 1);
          else if ((g_.link[e] & link_tied) != 0)
            least = math::max(least, scale[j] - 1);
        });
        least = passes_.row_max(least);
        if (!passes_.leads(i, lane)) return {};
        if (least > before) scale[i] = least;
        return {least, least > before ? 1.0 : 0.0, 0};
      });
      if (t.a > static_cast<double>(g_.items)) return false;
      if (!(t.b > 0)) return true;
    }
  }

  __device__ double finish_item(std::int64_t i, double rating, const edge_terms<double>& sum) {
    const rating_prior& prior = settings_.prior;
    const double bend = prior.given() ? prior.curvature(rating) : 0;
    const double slope = sum.gradient + m_.linear[i] + (prior.given() ? prior.gradient(rating) : 0);
    m_.gradient[i] = slope;
    m_.diagonal[i] = sum.curvature + bend;
    m_.prior_curvature[i] = bend;
    m_.cross[i] = has_ties_ ? sum.cross : 0;
    return m_.games[i] > 0 ? math::abs(slope) / m_.games[i] : 0;
  }

  __device__ void sweep() {
    differentiate(false);
    while (!result_.converged && result_.sweeps < settings_.max_sweeps) {
      const double before = result_.gradient, tie_before = tie_;
      passes_.over_items(false, [&](std::int64_t i) -> device_triple {
        m_.previous[i] = m_.rating[i];
        if (m_.gradient[i] != 0) m_.rating[i] += minorised_step(m_.gradient[i], m_.diagonal[i]);
        return {};
      });
      if (has_ties_) tie_ += tie_step<Edge>(tie_, tie_gradient_, tie_curvature_);
      ++result_.sweeps;
      differentiate(false);
      if (result_.gradient <= 0.5 * before) continue;
      if (result_.gradient <= before) return;
      tie_ = tie_before;
      passes_.over_items(false, [&](std::int64_t i) -> device_triple {
        m_.rating[i] = m_.previous[i];
        return {};
      });
      return;
    }
  }

  __device__ void newton() {
    double before = 0, reach = 1;
    for (;; ++result_.newton_steps) {
      differentiate(true);
      if (result_.converged || result_.newton_steps == settings_.max_newton_steps) return;
      if (!(result_.gradient < 1e300) || (reach < 1e-6 && result_.gradient > 0.5 * before)) return;
      before = result_.gradient;
      solve_step(math::max(math::min(0.1, before), 0.1 * settings_.tolerance / before));
      reach = apply_step();
    }
  }

  __device__ void solve_step(double forcing) {
    const cg_result r = solve_curvature(
        passes_, g_, curvature(), m_.cg, [&](std::int64_t i) { return -m_.gradient[i]; },
        has_ties_ ? -tie_gradient_ : 0, forcing, settings_.max_cg_iterations);
    tie_step_ = r.tie_step;
    result_.cg_iterations += r.iterations;
  }

  __device__ double apply_step() {
    const bool opponent_of_prior = settings_.prior.count > 0;
    const double edge_reach = passes_
                                  .over_rows(true,
                                             [&](std::int64_t i, int lane) -> device_triple {
                                               const double own = i < g_.items ? m_.cg.step[i] : 0;
                                               double most = opponent_of_prior ? math::abs(own) : 0;
                                               passes_.each_entry(i, lane, [&](std::int64_t e, std::int64_t j) {
                                                 if (g_.x[e] > 0 || (Edge::directed && g_.y[e] > 0))
                                                   most = math::max(math::abs(own - m_.cg.step[j]), most);
                                               });
                                               most = passes_.row_max(most);
                                               return {passes_.leads(i, lane) ? most : 0, 0, 0};
                                             })
                                  .a;
    const step_reach r = has_ties_ ? reach_of<Edge>(tie_, edge_reach, tie_step_) : step_reach{edge_reach, 1};
    const double fraction = math::min(damped_fraction(r.reach), r.most);
    passes_.over_items(false, [&](std::int64_t i) -> device_triple {
      m_.rating[i] += fraction * m_.cg.step[i];
      return {};
    });
    tie_ += fraction * tie_step_;
    return r.reach;
  }
};

// The outputs of a fit; NaN and not converged when there is none.
struct device_fit_outputs {
  bradley_terry_fit options;
  fit_outputs<space::device> out;

  __device__ static bool wanted(const output_view<1, space::device>& v) { return v.type != element::none; }

  // By all threads of the grid.
  __device__ void store_ratings(const device_graph& g, const double* rating, double shift) const {
    for (std::int64_t i = blockIdx.x * std::int64_t{team_threads} + threadIdx.x; wanted(out.ratings) && i < g.items;
         i += std::int64_t{gridDim.x} * team_threads)
      store_number(out.ratings, i,
                   rating == nullptr     ? math::detail::not_a_number<double>()
                   : i == options.anchor ? options.anchor_rating
                                         : rating[i] + shift);
  }
  // By one thread.
  __device__ void store_numbers(bool good, const solver_result& r, bool has_ties, double loss) const {
    const double nan = math::detail::not_a_number<double>();
    const tie_model used = has_ties ? options.ties : tie_model::half;
    store_number(out.tie_parameter, 0, good ? shown_tie_parameter(options.ties, used, r.tie_parameter) : nan);
    store_number(out.loss, 0, good ? loss : nan);
    store_number(out.gradient, 0, good ? r.gradient : nan);
    if (wanted(out.converged)) *static_cast<std::uint8_t*>(out.converged.data) = good && r.converged ? 1 : 0;
    store_iterations(out.sweeps, r.sweeps);
    store_iterations(out.newton_steps, r.newton_steps);
    store_iterations(out.cg_iterations, r.cg_iterations);
  }
  __device__ static void store_iterations(const output_view<1, space::device>& v, std::int64_t count) {
    if (wanted(v)) store_count(v.data, v.type, count);
  }
};

struct device_problem {
  device_graph graph;
  device_solver_memory memory;
  solver_settings settings;
  content_report* report;
};

template <class Edge>
static __global__ void __launch_bounds__(team_threads) fit_kernel(device_problem p, device_fit_outputs to) {
  __shared__ double shared[team_threads / 32];
  device_passes<grid_team> passes(p.graph, p.memory.partial, shared);
  device_solver<Edge, grid_team> solver(passes, p.graph, p.memory, p.settings);
  bool good = *p.graph.bad == 0;  // else reported by those who met it
  if (good) {
    solver.prepare();
    std::int64_t item = 0;
    good = solver.exists(item);
    if (!good && passes.first_thread()) report_content(p.report, errc::not_connected, item);
  }
  double loss = 0, shift = 0;
  if (good) {
    solver.start([](std::int64_t) { return 0.0; }, solver.first_tie());
    solver.solve();
    if (!solver.result().converged && passes.first_thread()) report_content(p.report, errc::not_converged, 0);
    if (to.wanted(to.out.loss)) loss = solver.loss();
    shift = solver.shift(to.options);
  }
  to.store_ratings(p.graph, good ? p.memory.rating : nullptr, shift);
  if (passes.first_thread()) to.store_numbers(good, solver.result(), solver.has_ties(), loss);
}

// A cooperative launch of as many blocks as there are tiles, or as the device holds.
template <class... Parameters>
status launch_team(const cuda& exec, const char* name, void (*kernel)(Parameters...), std::int64_t tiles,
                   Parameters... arguments) {
  int device = 0, multiprocessors = 0, cooperative = 0, resident = 0;
  status s = cuda_status(cudaGetDevice(&device), "cudaGetDevice");
  if (s.ok())
    s = cuda_status(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device),
                    "cudaDeviceGetAttribute");
  if (s.ok())
    s = cuda_status(cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, device),
                    "cudaDeviceGetAttribute");
  if (s.ok() && cooperative == 0)
    s = require::fail(errc::bad_execution, "exec.stream", "a device that can launch cooperative kernels");
  if (s.ok())
    s = cuda_status(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, kernel, team_threads, 0),
                    "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  if (!s.ok()) return s;
  const std::int64_t most = std::int64_t{multiprocessors} * resident;
  const auto blocks = static_cast<unsigned>(std::clamp<std::int64_t>(tiles, 1, most));
  void* pointers[] = {&arguments...};
  return cuda_status(cudaLaunchCooperativeKernel(reinterpret_cast<const void*>(kernel), dim3(blocks),
                                                 dim3(team_threads), pointers, 0, exec.stream.stream),
                     name);
}

// The memory of a fit.
struct device_fit_memory {
  device_graph graph;
  device_build build;
  device_solver_memory solver;

  status carve(arena& memory, const bradley_terry_fit& o, const comparison_shape& shape) {
    graph.carve(memory, shape, o.ties);
    const status s = build.carve(memory, shape);
    solver.carve(memory, graph);
    return s;
  }
};

// The bytes that carve(arena) takes, or 0 where it fails.
template <class Carve>
std::size_t bytes_of(Carve carve) {
  arena measured;
  return carve(measured).ok() ? measured.bytes() + scratch_alignment : 0;
}

// Carves the memory of a call out of the caller's workspace, or of the device's pool.
template <class Carve>
status reserve(const cuda& exec, scratch& owner, Carve carve) {
  arena measured;
  status s = carve(measured);
  if (s.ok()) s = owner.reserve(exec, measured.bytes() + scratch_alignment);
  if (!s.ok()) return s;
  arena memory(owner.take<char>(measured.bytes()));
  return carve(memory);
}

// Calls launch(edge) with the model of a graph.
template <class F>
status with_edge(const device_graph& g, F launch) {
  if (g.ties == tie_model::rao_kupper) return launch(rao_kupper_edge{});
  if (g.ties == tie_model::davidson) return launch(davidson_edge{});
  return launch(bradley_terry_edge{});
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
