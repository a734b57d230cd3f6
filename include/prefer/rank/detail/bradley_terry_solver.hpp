// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/rank/detail/connectivity.hpp>
#include <prefer/rank/detail/curvature_system.hpp>

#include <algorithm>
#include <cstdint>

// The maximum of a Bradley-Terry likelihood on a comparison graph, on the CPU. Sweeps first: every item takes its own
// minorised step, which on well-connected data converges in a handful of passes. As soon as a sweep does not halve the
// gradient, Newton's method with preconditioned conjugate gradients takes over: its damped steps never need the value
// of the likelihood, always descend and end quadratically, whatever the graph.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct solver_settings {
  rating_prior prior = {};
  double tolerance = 0;
  std::int64_t max_sweeps = 0;
  std::int64_t max_newton_steps = 0;
  std::int64_t max_cg_iterations = 0;
};

struct solver_result {
  double gradient = 0;
  double tie_parameter = 0;  // log nu or eta
  std::int64_t sweeps = 0;
  std::int64_t newton_steps = 0;
  std::int64_t cg_iterations = 0;
  bool converged = false;
};

// The arrays of one fit.
struct solver_memory {
  double* rating = nullptr;
  double* previous = nullptr;
  double* odds = nullptr;
  double* linear = nullptr;  // the part of the gradient that does not depend on the ratings
  double* games = nullptr;   // of every item, with what the prior adds
  double* gradient = nullptr;
  double* diagonal = nullptr;
  double* prior_curvature = nullptr;
  double* cross = nullptr;
  double* tie_gradient = nullptr;
  double* tie_curvature = nullptr;
  double* weight = nullptr;  // [entries]: curvature of every pair
  cg_memory cg = {};
  row_blocks blocks = {};
  connectivity links = {};
  incomplete_cholesky cholesky = {};

  void carve(arena& memory, std::int64_t items, std::int64_t most_entries, bool tie_parameter) {
    for (double** a : {&rating, &previous, &odds, &linear, &games, &gradient, &diagonal, &prior_curvature})
      *a = memory.take<double>(items);
    if (tie_parameter)
      for (double** a : {&cross, &tie_gradient, &tie_curvature}) *a = memory.take<double>(items);
    weight = memory.take<double>(most_entries + graph_builder::padding);
    cg.carve(memory, items, most_entries);
    blocks.carve(memory, items, most_entries);
    links.carve(memory, items);
    cholesky.carve(memory, items, std::min(most_entries, 12 * items));
  }
};

template <class Edge>
class bradley_terry_solver {
 public:
  // The counts of the graph are replaced by the numbers that the model needs of a pair.
  bradley_terry_solver(const cpu& exec, isa level, const comparison_graph& graph, const solver_memory& memory,
                       const solver_settings& settings)
      : run_{exec, level, memory.blocks}, g_(graph), m_(memory), settings_(settings), items_(graph.items) {
    run_.blocks.cut(graph);
    thin_ = incomplete_cholesky::worthwhile(items_, g_.entries);
    if (thin_) m_.cholesky.analyse(g_);
    prepare();
  }

  // From the ratings in memory, or from zero. The tie parameter starts where the fraction of ties points, or at `tie`.
  solver_result solve(bool warm, double tie) {
    if (!warm) std::fill(m_.rating, m_.rating + items_, 0.0);
    tie_ = warm || !Edge::has_tie_parameter ? tie : first_tie_parameter<Edge>(ties_ / total_);
    sweep();
    if (!result_.converged) newton();
    result_.tie_parameter = tie_;
    return result_;
  }

  // Derivatives at given ratings; the system then describes the curvature there.
  void differentiate_at(double tie) {
    tie_ = tie;
    differentiate(true);
    if (thin_) m_.cholesky.factorise(g_, m_.weight, m_.diagonal);
  }
  curvature_system system() const {
    return {g_,
            m_.weight,
            m_.diagonal,
            m_.prior_curvature,
            Edge::has_tie_parameter ? m_.cross : nullptr,
            tie_curvature_,
            thin_ ? &m_.cholesky : nullptr};
  }
  const row_runner& runner() const { return run_; }

  // The negative log-likelihood, without the prior.
  double loss() {
    const loss_pass<Edge> pass{g_, g_.won, g_.lost, m_.rating, Edge::at(tie_), m_.cg.image};
    const double pairs = sum([&](std::int64_t first, std::int64_t last) {
      run_.run(pass, first, last);
      double s = 0;
      for (std::int64_t i = first; i < last; ++i) s += 0.5 * m_.cg.image[i] + m_.linear[i] * m_.rating[i];
      return s;
    });
    return Edge::has_tie_parameter ? pairs + tie_terms<Edge>(tie_, ties_).loss : pairs;
  }

 private:
  row_runner run_;
  comparison_graph g_;
  solver_memory m_;
  solver_settings settings_;
  solver_result result_;
  std::int64_t items_;
  bool thin_ = false;
  double ties_ = 0;
  double total_ = 0;
  double tie_ = 0;
  double tie_gradient_ = 0, tie_curvature_ = 0, tie_step_ = 0;

  template <class F>
  double sum(F f) {
    run_.each_block(
        [&](std::int64_t b, std::int64_t first, std::int64_t last) { m_.cg.partial[2 * b] = f(first, last); });
    double s = 0;
    for (std::int64_t b = 0; b < run_.blocks.count; ++b) s += m_.cg.partial[2 * b];
    return s;
  }
  template <class F>
  double maximum(F f) {
    run_.each_block(
        [&](std::int64_t b, std::int64_t first, std::int64_t last) { m_.cg.partial[2 * b] = f(first, last); });
    double s = 0;
    for (std::int64_t b = 0; b < run_.blocks.count; ++b) s = !(m_.cg.partial[2 * b] <= s) ? m_.cg.partial[2 * b] : s;
    return s;
  }

  void prepare() {
    total_ = 0.5 * sum([&](std::int64_t first, std::int64_t last) {
               double all = 0;
               for (std::int64_t i = first; i < last; ++i) all += prepare_item(i);
               return all;
             });
    ties_ = 0;
    for (std::int64_t e = 0; g_.tied != nullptr && e < g_.entries; ++e) ties_ += 0.5 * g_.tied[e];
  }

  double prepare_item(std::int64_t i) {
    double won = 0, lost = 0, games = 0;
    for (std::int64_t e = g_.offsets[i]; e < g_.offsets[i + 1]; ++e) {
      const double t = g_.tied != nullptr ? g_.tied[e] : 0;
      const double all = g_.won[e] + g_.lost[e] + t;
      won += g_.won[e];
      lost += g_.lost[e];
      games += all;
      g_.won[e] = Edge::directed ? g_.won[e] + t : all;
      if constexpr (Edge::directed) g_.lost[e] += t;
    }
    m_.linear[i] = Edge::directed ? 0 : 0.5 * (lost - won);
    m_.games[i] = games + settings_.prior.precision + 2 * settings_.prior.count;
    return games;
  }

  // Derivatives at the current ratings; `keep` stores the curvature of every pair too. Returns the gradient per game.
  double differentiate(bool keep) {
    double low = m_.rating[0], high = low;
    for (std::int64_t i = 0; i < items_; ++i) low = std::min(low, m_.rating[i]), high = std::max(high, m_.rating[i]);
    const bool wide = !(high - low < 600);  // e^(300 / 2) and its inverse have room for their products
    const double middle = 0.5 * (low + high);
    for (std::int64_t i = 0; !wide && i < items_; ++i) m_.odds[i] = math::exp(0.5 * (m_.rating[i] - middle));
    const derivative_pass<Edge> pass{g_,
                                     g_.won,
                                     g_.lost,
                                     wide ? m_.rating : m_.odds,
                                     wide,
                                     Edge::at(tie_),
                                     m_.gradient,
                                     m_.diagonal,
                                     keep ? m_.weight : nullptr,
                                     m_.cross,
                                     m_.tie_gradient,
                                     m_.tie_curvature};
    const double worst = maximum([&](std::int64_t first, std::int64_t last) {
      run_.run(pass, first, last);
      return finish_items(first, last);
    });
    return std::max(worst, finish_tie());
  }

  double finish_items(std::int64_t first, std::int64_t last) {
    double worst = 0;
    for (std::int64_t i = first; i < last; ++i) {
      m_.gradient[i] += m_.linear[i];
      m_.prior_curvature[i] = 0;
      if (settings_.prior.given()) {
        m_.gradient[i] += settings_.prior.gradient(m_.rating[i]);
        m_.prior_curvature[i] = settings_.prior.curvature(m_.rating[i]);
        m_.diagonal[i] += m_.prior_curvature[i];
      }
      const double g = m_.games[i] > 0 ? math::abs(m_.gradient[i]) / m_.games[i] : 0;
      worst = !(g <= worst) ? g : worst;
    }
    return worst;
  }

  double finish_tie() {
    if constexpr (!Edge::has_tie_parameter) return 0;
    const tie_barrier alone = tie_terms<Edge>(tie_, ties_);
    tie_gradient_ = alone.gradient + 0.5 * sum_of(m_.tie_gradient);
    tie_curvature_ = alone.curvature + 0.5 * sum_of(m_.tie_curvature);
    return math::abs(tie_gradient_) / total_;
  }

  double sum_of(const double* v) {
    return sum([&](std::int64_t first, std::int64_t last) {
      double s = 0;
      for (std::int64_t i = first; i < last; ++i) s += v[i];
      return s;
    });
  }

  void sweep() {
    result_.gradient = differentiate(false);
    while (!settled() && result_.sweeps < settings_.max_sweeps) {
      const double before = result_.gradient, tie_before = tie_;
      std::copy(m_.rating, m_.rating + items_, m_.previous);
      for (std::int64_t i = 0; i < items_; ++i)
        if (m_.gradient[i] != 0) m_.rating[i] += minorised_step(m_.gradient[i], m_.diagonal[i]);
      if constexpr (Edge::has_tie_parameter) tie_ += tie_step<Edge>(tie_, tie_gradient_, tie_curvature_);
      ++result_.sweeps;
      result_.gradient = differentiate(false);
      if (result_.gradient <= 0.5 * before) continue;
      if (!(result_.gradient <= before)) {
        std::copy(m_.previous, m_.previous + items_, m_.rating);
        tie_ = tie_before;
      }
      return;
    }
  }

  bool settled() { return result_.converged = result_.gradient <= settings_.tolerance; }

  void newton() {
    double before = 0, reach = 1;
    for (;; ++result_.newton_steps) {
      result_.gradient = differentiate(true);
      if (settled() || result_.newton_steps == settings_.max_newton_steps) return;
      // Close to the solution a step squares the error; one that does not even halve it has met rounding.
      if (!(result_.gradient < 1e300) || (reach < 1e-6 && result_.gradient > 0.5 * before)) return;
      before = result_.gradient;
      solve_step(std::max(std::min(0.1, before), 0.1 * settings_.tolerance / before));
      reach = apply_step();
    }
  }

  double apply_step() {
    const reach_pass pass{g_, m_.cg.step};
    const double edge = maximum([&](std::int64_t first, std::int64_t last) {
      reach_pass::rows r{pass, first, last};
      run_at<reach_pass>(run_.level, r);
      return r.most;
    });
    double own = 0;  // a game against the prior's opponent moves by the rating itself
    for (std::int64_t i = 0; settings_.prior.count > 0 && i < items_; ++i)
      own = std::max(own, math::abs(m_.cg.step[i]));
    const step_reach r = reach_of<Edge>(tie_, edge, tie_step_);
    const double reach = std::max(r.reach, own);
    const double fraction = std::min(damped_fraction(reach), r.most);
    for (std::int64_t i = 0; i < items_; ++i) m_.rating[i] += fraction * m_.cg.step[i];
    tie_ += fraction * tie_step_;
    return reach;
  }

  // Newton's step, to a residual of `forcing` times the gradient.
  void solve_step(double forcing) {
    if (thin_) m_.cholesky.factorise(g_, m_.weight, m_.diagonal);
    for (std::int64_t i = 0; i < items_; ++i) m_.cg.residual[i] = -m_.gradient[i];
    const cg_result r =
        conjugate_gradients(run_, system(), m_.cg).solve(-tie_gradient_, forcing, settings_.max_cg_iterations);
    tie_step_ = r.tie_step;
    result_.cg_iterations += r.iterations;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
