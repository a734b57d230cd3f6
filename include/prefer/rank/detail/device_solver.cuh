// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/rank/bradley_terry_fit.hpp>
#include <prefer/rank/detail/device_graph.cuh>

#include <cooperative_groups.h>

#include <cstdint>

// The iteration of detail/bradley_terry_solver.hpp as one cooperative kernel that decides everything on the device. All
// blocks take the same decisions, because every scalar is added from the same partial results in the same order: one
// per tile of a fixed number of items, whatever the grid. The preconditioner is the diagonal.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int solver_threads = 256;

struct device_solver_memory {
  double* rating = nullptr;
  double* previous = nullptr;
  double* linear = nullptr;
  double* games = nullptr;
  double* gradient = nullptr;
  double* diagonal = nullptr;
  double* prior_curvature = nullptr;
  double* cross = nullptr;
  double* step = nullptr;
  double* residual = nullptr;
  double* direction = nullptr;
  double* image = nullptr;
  double* scaled = nullptr;
  double* scale = nullptr;
  unsigned* reached = nullptr;
  double* partial = nullptr;  // two turns of three numbers per tile

  static std::int64_t tiles(std::int64_t items, int lanes) {
    return (items * lanes + solver_threads - 1) / solver_threads;
  }
};

struct device_problem {
  device_graph graph;
  device_solver_memory memory;
  solver_settings settings;
  bradley_terry_fit options;
  fit_outputs<space::device> out;
  content_report* report;
};

struct device_triple {
  double a = 0, b = 0, c = 0;
};

template <class Edge>
class device_solver {
 public:
  __device__ device_solver(const device_problem& problem, double* shared)
      : p_(problem), g_(problem.graph), m_(problem.memory), shared_(shared), grid_(cooperative_groups::this_grid()) {}

  __device__ void run() {
    if (*g_.bad != 0) return finish(errc::bad_index, -1);  // reported by those who met it
    prepare();
    std::int64_t item = -1;
    if (!exists(item)) return finish(errc::not_connected, item);
    sweep();
    if (!converged_) newton();
    finish(errc::ok, -1);
  }

 private:
  const device_problem& p_;
  const device_graph& g_;
  const device_solver_memory& m_;
  double* shared_;
  cooperative_groups::grid_group grid_;
  int turn_ = 0;
  double total_ = 0, ties_ = 0, tie_ = 0, tie_gradient_ = 0, tie_curvature_ = 1, tie_step_ = 0;
  double gradient_ = 0;
  std::int64_t sweeps_ = 0, newton_steps_ = 0, cg_iterations_ = 0;
  bool has_ties_ = false, has_wins_ = false, converged_ = false;

  __device__ Edge edge() const { return has_ties_ ? Edge::at(tie_) : Edge::without_ties(); }
  __device__ static double pick(double x, double y, bool largest) {
    return !largest ? x + y : y > x || math::is_nan(y) ? y : x;
  }

  // The sum or the maximum over the block, in every thread.
  __device__ double combine(double x, bool largest) {
    for (int step = 16; step > 0; step /= 2) x = pick(x, __shfl_xor_sync(0xffffffffu, x, step), largest);
    __syncthreads();
    if (threadIdx.x % 32 == 0) shared_[threadIdx.x / 32] = x;
    __syncthreads();
    x = shared_[0];
    for (int w = 1; w < solver_threads / 32; ++w) x = pick(x, shared_[w], largest);
    return x;
  }

  // One result per tile from f(item, lane), then the total of all tiles: the maximum of a, or its sum, and the sums of
  // b and c. All threads of the grid get it, and see everything written before. `lanes` threads call f for an item; all
  // but the first return zero. Two buffers take turns, so that a fast block does not overwrite what a slow one still
  // reads.
  template <class F>
  __device__ device_triple over_tiles(int lanes, bool largest, F f) {
    const std::int64_t per_tile = solver_threads / lanes, tiles = (g_.items + per_tile - 1) / per_tile;
    double* partial = m_.partial + turn_ * 3 * device_tiles();
    turn_ ^= 1;
    for (std::int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
      device_triple t =
          f(tile * per_tile + static_cast<int>(threadIdx.x) / lanes, static_cast<int>(threadIdx.x) % lanes);
      t = {combine(t.a, largest), combine(t.b, false), combine(t.c, false)};
      if (threadIdx.x == 0) partial[3 * tile] = t.a, partial[3 * tile + 1] = t.b, partial[3 * tile + 2] = t.c;
    }
    grid_.sync();
    device_triple all;
    for (std::int64_t tile = threadIdx.x; tile < tiles; tile += solver_threads)
      all = {pick(all.a, partial[3 * tile], largest), all.b + partial[3 * tile + 1], all.c + partial[3 * tile + 2]};
    return {combine(all.a, largest), combine(all.b, false), combine(all.c, false)};
  }
  __device__ std::int64_t device_tiles() const { return (g_.items * g_.lanes + solver_threads - 1) / solver_threads; }

  template <class F>
  __device__ device_triple over_rows(bool largest, F f) {
    return over_tiles(g_.lanes, largest, f);
  }
  // f(item) for every item, by one thread.
  template <class F>
  __device__ device_triple over_items(bool largest, F f) {
    return over_tiles(1, largest, [&](std::int64_t i, int) { return i < g_.items ? f(i) : device_triple{}; });
  }
  // f(entry, opponent) for the entries of an item, shared among its lanes.
  template <class F>
  __device__ void each_entry(std::int64_t i, int lane, F f) const {
    if (i >= g_.items) return;
    for (std::int64_t e = g_.begin(i) + lane, end = g_.end(i); e < end; e += g_.lanes) f(e, g_.opponent_of(i, e));
  }
  // The sum over the lanes of an item, in all of them.
  __device__ double row_sum(double x) const {
    for (int step = g_.lanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
  }
  __device__ double row_max(double x) const {
    for (int step = g_.lanes / 2; step > 0; step /= 2) x = pick(x, __shfl_xor_sync(0xffffffffu, x, step), true);
    return x;
  }
  __device__ bool leads(std::int64_t i, int lane) const { return i < g_.items && lane == 0; }

  __device__ void prepare() {
    const device_triple t = over_rows(false, [&](std::int64_t i, int lane) -> device_triple {
      double net = 0, games = 0, ties = 0, wins = 0;
      each_entry(i, lane, [&](std::int64_t e, std::int64_t) {
        const double tied = g_.tied != nullptr ? g_.tied[e] : 0;
        net += g_.weight[e];
        games += Edge::directed ? g_.x[e] + g_.y[e] - tied : g_.x[e];
        ties += tied;
        wins += (g_.link[e] & link_won) != 0 ? 1 : 0;
      });
      net = row_sum(net), games = row_sum(games), ties = row_sum(ties), wins = row_sum(wins);
      if (!leads(i, lane)) return {};
      m_.rating[i] = 0;
      m_.reached[i] = 0;
      m_.linear[i] = Edge::directed ? 0 : 0.5 * net;
      m_.games[i] = games + p_.settings.prior.precision + 2 * p_.settings.prior.count;
      return {0.5 * games, 0.5 * ties, wins};
    });
    total_ = t.a;
    ties_ = t.b;
    has_ties_ = Edge::has_tie_parameter && ties_ > 0;
    has_wins_ = t.c > 0;
    if (has_ties_) tie_ = first_tie_parameter<Edge>(ties_ / total_);
  }

  // Marks what can be reached from item 0 along links of one kind, until nothing is added; marks only grow, so the
  // order in which blocks see each other's does not matter.
  __device__ void spread(unsigned mark, unsigned through) {
    volatile unsigned* reached = m_.reached;
    for (bool again = true; again;) {
      again = over_rows(false, [&](std::int64_t i, int lane) -> device_triple {
                double found = i == 0 ? 1 : 0;
                const bool open = i < g_.items && (reached[i] & mark) == 0;
                if (open && i > 0)
                  each_entry(i, lane, [&](std::int64_t e, std::int64_t j) {
                    if ((g_.link[e] & through) != 0 && (reached[j] & mark) != 0) found = 1;
                  });
                found = row_max(found);
                if (!open || lane != 0 || found == 0) return {};
                reached[i] = reached[i] | mark;
                return {1, 0, 0};
              }).a > 0;
    }
  }

  // Items leave once all that beat them have left; whether any remain.
  __device__ bool wins_have_cycle() {
    volatile unsigned* left = m_.reached;
    over_items(false, [&](std::int64_t i) -> device_triple {
      left[i] = 0;
      return {};
    });
    double gone = 0;
    for (bool again = true; again;) {
      const double now = over_rows(false, [&](std::int64_t i, int lane) -> device_triple {
                           double held = 0;
                           const bool open = i < g_.items && left[i] == 0;
                           if (open)
                             each_entry(i, lane, [&](std::int64_t e, std::int64_t j) {
                               if ((g_.link[e] & link_lost) != 0 && left[j] == 0) held = 1;
                             });
                           held = row_max(held);
                           if (!open || lane != 0 || held != 0) return {};
                           left[i] = 1;
                           return {1, 0, 0};
                         }).a;
      gone += now;
      again = now > 0;
    }
    return gone < static_cast<double>(g_.items);
  }

  // See connectivity::fit_on_a_scale.
  __device__ bool fit_on_a_scale() {
    volatile double* scale = m_.scale;
    over_items(false, [&](std::int64_t i) -> device_triple {
      scale[i] = 0;
      return {};
    });
    for (;;) {
      const device_triple t = over_rows(true, [&](std::int64_t i, int lane) -> device_triple {
        double least = i < g_.items ? scale[i] : 0;
        const double before = least;
        each_entry(i, lane, [&](std::int64_t e, std::int64_t j) {
          if ((g_.link[e] & link_won) != 0)
            least = math::max(least, scale[j] + 1);
          else if ((g_.link[e] & link_tied) != 0)
            least = math::max(least, scale[j] - 1);
        });
        least = row_max(least);
        if (!leads(i, lane)) return {};
        if (least > before) scale[i] = least;
        return {least, least > before ? 1.0 : 0.0, 0};
      });
      if (t.a > static_cast<double>(g_.items)) return false;
      if (!(t.b > 0)) return true;
    }
  }

  __device__ bool exists(std::int64_t& item) {
    if (has_ties_ && !has_wins_) return false;
    if (p_.settings.prior.given()) return true;
    spread(1, link_in);
    spread(2, link_out);
    const double n = static_cast<double>(g_.items);
    const double first = -over_items(true,
                                     [&](std::int64_t i) -> device_triple {
                                       return {i > 0 && m_.reached[i] != 3 ? -static_cast<double>(i) + n : 0, 0, 0};
                                     })
                              .a +
                         n;
    if (first < n) {
      item = static_cast<std::int64_t>(first);
      return false;
    }
    return !has_ties_ || wins_have_cycle() || !fit_on_a_scale();
  }

  // Derivatives at the current ratings; `keep` stores the curvature of every pair.
  __device__ void differentiate(bool keep) {
    const Edge edge_now = edge();
    const device_triple t = over_rows(true, [&](std::int64_t i, int lane) -> device_triple {
      edge_terms<double> sum{0, 0, 0, 0, 0};
      const double own = i < g_.items ? m_.rating[i] : 0;
      each_entry(i, lane, [&](std::int64_t e, std::int64_t j) {
        const edge_terms<double> one =
            edge_now(g_.x[e], Edge::directed ? g_.y[e] : 0, odds_of_ratings(own, m_.rating[j]));
        sum.gradient += one.gradient;
        sum.curvature += one.curvature;
        sum.cross += one.cross;
        sum.tie_gradient += one.tie_gradient;
        sum.tie_curvature += one.tie_curvature;
        if (keep) g_.weight[e] = one.curvature;
      });
      sum = {row_sum(sum.gradient), row_sum(sum.curvature), row_sum(sum.cross), row_sum(sum.tie_gradient),
             row_sum(sum.tie_curvature)};
      if (!leads(i, lane)) return {};
      return {finish_item(i, own, sum), 0.5 * sum.tie_gradient, 0.5 * sum.tie_curvature};
    });
    gradient_ = t.a;
    if (has_ties_) {
      const tie_barrier alone = tie_terms<Edge>(tie_, ties_);
      tie_gradient_ = t.b + alone.gradient;
      tie_curvature_ = t.c + alone.curvature;
      gradient_ = pick(gradient_, math::abs(tie_gradient_) / total_, true);
    }
    converged_ = gradient_ <= p_.settings.tolerance;
  }

  __device__ double finish_item(std::int64_t i, double rating, const edge_terms<double>& sum) {
    const rating_prior& prior = p_.settings.prior;
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
    while (!converged_ && sweeps_ < p_.settings.max_sweeps) {
      const double before = gradient_, tie_before = tie_;
      over_items(false, [&](std::int64_t i) -> device_triple {
        m_.previous[i] = m_.rating[i];
        if (m_.gradient[i] != 0) m_.rating[i] += minorised_step(m_.gradient[i], m_.diagonal[i]);
        return {};
      });
      if (has_ties_) tie_ += tie_step<Edge>(tie_, tie_gradient_, tie_curvature_);
      ++sweeps_;
      differentiate(false);
      if (gradient_ <= 0.5 * before) continue;
      if (gradient_ <= before) return;
      tie_ = tie_before;
      over_items(false, [&](std::int64_t i) -> device_triple {
        m_.rating[i] = m_.previous[i];
        return {};
      });
      return;
    }
  }

  __device__ void newton() {
    double before = 0, reach = 1;
    for (;; ++newton_steps_) {
      differentiate(true);
      if (converged_ || newton_steps_ == p_.settings.max_newton_steps) return;
      if (!(gradient_ < 1e300) || (reach < 1e-6 && gradient_ > 0.5 * before)) return;
      before = gradient_;
      solve_step(math::max(math::min(0.1, before), 0.1 * p_.settings.tolerance / before));
      reach = apply_step();
    }
  }

  __device__ double scaled_residual(std::int64_t i, double residual) const {
    const double z = m_.diagonal[i] > 0 ? residual / m_.diagonal[i] : 0;
    m_.residual[i] = residual;
    m_.scaled[i] = z;
    return z * residual;
  }

  // Conjugate gradients as in curvature_system.hpp.
  __device__ void solve_step(double forcing) {
    tie_step_ = 0;
    double tie_residual = has_ties_ ? -tie_gradient_ : 0, tie_direction = 0, before = 0;
    double size =
        tie_residual * tie_residual / tie_curvature_ + over_items(false, [&](std::int64_t i) -> device_triple {
                                                         m_.step[i] = 0;
                                                         return {scaled_residual(i, -m_.gradient[i]), 0, 0};
                                                       }).a;
    const double goal = forcing * forcing * size;
    for (std::int64_t k = 0; size > goal && k < p_.settings.max_cg_iterations; ++k) {
      const double keep = k == 0 ? 0 : size / before;
      tie_direction = tie_residual / tie_curvature_ + keep * tie_direction;
      over_items(false, [&](std::int64_t i) -> device_triple {
        m_.direction[i] = k == 0 ? m_.scaled[i] : m_.scaled[i] + keep * m_.direction[i];
        return {};
      });
      const device_triple product = apply_curvature(tie_direction);
      const double tie_image = has_ties_ ? product.b + tie_curvature_ * tie_direction : 0;
      const double bend = product.a + tie_direction * tie_image;
      ++cg_iterations_;
      if (!(bend > 0)) return;
      const double length = size / bend;
      tie_step_ += length * tie_direction;
      tie_residual -= length * tie_image;
      before = size;
      size = tie_residual * tie_residual / tie_curvature_ +
             over_items(false, [&](std::int64_t i) -> device_triple {
               m_.step[i] += length * m_.direction[i];
               return {scaled_residual(i, m_.residual[i] - length * m_.image[i]), 0, 0};
             }).a;
    }
  }

  __device__ device_triple apply_curvature(double tie_direction) {
    return over_rows(false, [&](std::int64_t i, int lane) -> device_triple {
      double sum = 0;
      const double own = i < g_.items ? m_.direction[i] : 0;
      each_entry(i, lane, [&](std::int64_t e, std::int64_t j) { sum += g_.weight[e] * (own - m_.direction[j]); });
      sum = row_sum(sum);
      if (!leads(i, lane)) return {};
      sum += m_.prior_curvature[i] * own + m_.cross[i] * tie_direction;
      m_.image[i] = sum;
      return {own * sum, m_.cross[i] * own, 0};
    });
  }

  __device__ double apply_step() {
    const bool opponent_of_prior = p_.settings.prior.count > 0;
    const double edge_reach = over_rows(true, [&](std::int64_t i, int lane) -> device_triple {
                                const double own = i < g_.items ? m_.step[i] : 0;
                                double most = opponent_of_prior ? math::abs(own) : 0;
                                each_entry(i, lane, [&](std::int64_t e, std::int64_t j) {
                                  if (g_.x[e] > 0 || (Edge::directed && g_.y[e] > 0))
                                    most = math::max(math::abs(own - m_.step[j]), most);
                                });
                                most = row_max(most);
                                return {leads(i, lane) ? most : 0, 0, 0};
                              }).a;
    const step_reach r = has_ties_ ? reach_of<Edge>(tie_, edge_reach, tie_step_) : step_reach{edge_reach, 1};
    const double fraction = math::min(damped_fraction(r.reach), r.most);
    over_items(false, [&](std::int64_t i) -> device_triple {
      m_.rating[i] += fraction * m_.step[i];
      return {};
    });
    tie_ += fraction * tie_step_;
    return r.reach;
  }

  __device__ double loss() {
    const Edge edge_now = edge();
    const double pairs = over_rows(false, [&](std::int64_t i, int lane) -> device_triple {
                           double sum = 0;
                           const double own = i < g_.items ? m_.rating[i] : 0;
                           each_entry(i, lane, [&](std::int64_t e, std::int64_t j) {
                             sum += edge_now.loss(g_.x[e], Edge::directed ? g_.y[e] : 0, own - m_.rating[j]);
                           });
                           sum = row_sum(sum);
                           return {leads(i, lane) ? 0.5 * sum + m_.linear[i] * own : 0, 0, 0};
                         }).a;
    return has_ties_ ? pairs + tie_terms<Edge>(tie_, ties_).loss : pairs;
  }

  __device__ double shift() {
    const bradley_terry_fit& o = p_.options;
    if (o.anchor >= 0) return o.anchor_rating - m_.rating[o.anchor];
    if (p_.settings.prior.given()) return 0;
    return -over_items(false,
                       [&](std::int64_t i) -> device_triple {
                         return {m_.rating[i], 0, 0};
                       })
                .a /
           static_cast<double>(g_.items);
  }

  // All outputs; NaN and not converged when there is no fit.
  __device__ void finish(errc code, std::int64_t item) {
    const bool good = code == errc::ok;
    const double nan = math::detail::not_a_number<double>();
    const double nll = good && wanted(p_.out.loss) ? loss() : nan;
    const double moved = good ? shift() : nan;
    const bool first = blockIdx.x == 0 && threadIdx.x == 0;
    if (first && code == errc::not_connected) report_content(p_.report, code, item < 0 ? 0 : item);
    for (std::int64_t i = blockIdx.x * std::int64_t{solver_threads} + threadIdx.x;
         wanted(p_.out.ratings) && i < g_.items; i += std::int64_t{gridDim.x} * solver_threads)
      store_number(p_.out.ratings, i,
                   !good                    ? nan
                   : i == p_.options.anchor ? p_.options.anchor_rating
                                            : m_.rating[i] + moved);
    if (!first) return;
    const tie_model used = has_ties_ ? p_.options.ties : tie_model::half;
    store_number(p_.out.tie_parameter, 0, good ? shown_tie_parameter(p_.options.ties, used, tie_) : nan);
    store_number(p_.out.loss, 0, nll);
    store_number(p_.out.gradient, 0, good ? gradient_ : nan);
    if (wanted(p_.out.converged)) *static_cast<std::uint8_t*>(p_.out.converged.data) = good && converged_ ? 1 : 0;
    store_iterations(p_.out.sweeps, sweeps_);
    store_iterations(p_.out.newton_steps, newton_steps_);
    store_iterations(p_.out.cg_iterations, cg_iterations_);
  }

  __device__ static bool wanted(const output_view<1, space::device>& v) { return v.type != element::none; }
  __device__ void store_iterations(const output_view<1, space::device>& v, std::int64_t count) const {
    if (wanted(v)) store_count(v.data, v.type, count);
  }
};

template <class Edge>
static __global__ void __launch_bounds__(solver_threads) fit_kernel(device_problem problem) {
  __shared__ double shared[solver_threads / 32];
  device_solver<Edge>(problem, shared).run();
}

template <class Edge>
status launch_fit(const cuda& exec, const device_problem& problem) {
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
    s = cuda_status(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, fit_kernel<Edge>, solver_threads, 0),
                    "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  if (!s.ok()) return s;
  const std::int64_t most = std::int64_t{multiprocessors} * resident,
                     wanted = device_solver_memory::tiles(problem.graph.items, problem.graph.lanes);
  const unsigned blocks = static_cast<unsigned>(wanted < 1 ? 1 : wanted < most ? wanted : most);
  device_problem copy = problem;
  void* arguments[] = {&copy};
  return cuda_status(cudaLaunchCooperativeKernel(reinterpret_cast<const void*>(fit_kernel<Edge>), dim3(blocks),
                                                 dim3(solver_threads), arguments, 0, exec.stream.stream),
                     "fit_kernel");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
