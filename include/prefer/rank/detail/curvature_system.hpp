// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/rank/detail/edge_passes.hpp>
#include <prefer/rank/detail/incomplete_cholesky.hpp>

#include <algorithm>
#include <cstdint>

// Linear systems with the curvature of a Bradley-Terry likelihood: a weighted graph Laplacian, plus the diagonal of a
// prior, bordered by the row of the tie parameter if there is one.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Rows are cut into blocks of about equal work by the graph alone; every sum adds rows in order, then blocks in order.
struct row_blocks {
  static constexpr std::int64_t work = 4096;  // entries and rows

  std::int64_t count = 0;
  std::int64_t* first = nullptr;  // [count + 1]

  static std::int64_t most(std::int64_t items, std::int64_t entries) { return (items + entries) / work + 1; }

  void carve(arena& memory, std::int64_t items, std::int64_t most_entries) {
    first = memory.take<std::int64_t>(most(items, most_entries) + 1);
  }
  void cut(const comparison_graph& g) {
    count = 0;
    first[0] = 0;
    std::int64_t load = 0;
    for (std::int64_t i = 0; i < g.items; ++i) {
      load += g.offsets[i + 1] - g.offsets[i] + 1;
      if (load < work && i + 1 < g.items) continue;
      first[++count] = i + 1;
      load = 0;
    }
  }
};

// Runs loops over all items and pairs, on the caller's threads when there is enough to do.
struct row_runner {
  const cpu& exec;
  isa level;
  row_blocks blocks;

  // f(block, first item, last item)
  template <class F>
  void each_block(F f) const {
    const std::int64_t tasks = std::min<std::int64_t>(blocks.count, 64);
    auto task = [&](std::int64_t t) {
      for (std::int64_t b = t * blocks.count / tasks; b < (t + 1) * blocks.count / tasks; ++b)
        f(b, blocks.first[b], blocks.first[b + 1]);
    };
    run_tasks(exec, tasks, task);
  }

  template <class Pass>
  void run(const Pass& pass, std::int64_t first, std::int64_t last) const {
    typename Pass::rows r{pass, first, last};
    run_at<Pass>(level, r);
  }
};

// Without a prior the constant vector spans the null space; right-hand sides are orthogonal to it.
struct curvature_system {
  comparison_graph graph;
  const double* weight = nullptr;           // [entries] of every pair, in both directions
  const double* diagonal = nullptr;         // [items] all of it, for preconditioning
  const double* prior_curvature = nullptr;  // [items] or null
  const double* cross = nullptr;            // [items] the border, or null without a tie parameter
  double tie_curvature = 0;
  const incomplete_cholesky* cholesky = nullptr;  // or null: the diagonal alone
};

struct cg_memory {
  double* step = nullptr;      // the solution
  double* residual = nullptr;  // the right-hand side before, what is left of it after
  double* direction = nullptr;
  double* image = nullptr;
  double* scaled = nullptr;
  double* partial = nullptr;  // [2 * blocks]

  void carve(arena& memory, std::int64_t items, std::int64_t most_entries) {
    for (double** a : {&step, &residual, &direction, &image, &scaled}) *a = memory.take<double>(items);
    partial = memory.take<double>(2 * row_blocks::most(items, most_entries));
  }
};

struct cg_result {
  double tie_step = 0;
  std::int64_t iterations = 0;
  bool converged = false;
};

// image = curvature * (p, tie); returns (p, tie) * image.
inline double apply_curvature(const row_runner& run, const curvature_system& a, const double* p, double tie,
                              double* image, double& tie_image, double* partial) {
  const curvature_pass pass{a.graph, a.weight, p, image};
  run.each_block([&](std::int64_t b, std::int64_t first, std::int64_t last) {
    run.run(pass, first, last);
    double product = 0, crossed = 0;
    for (std::int64_t i = first; i < last; ++i) {
      if (a.prior_curvature != nullptr) image[i] += a.prior_curvature[i] * p[i];
      if (a.cross != nullptr) {
        image[i] += a.cross[i] * tie;
        crossed += a.cross[i] * p[i];
      }
      product += p[i] * image[i];
    }
    partial[2 * b] = product;
    partial[2 * b + 1] = crossed;
  });
  double product = 0, crossed = 0;
  for (std::int64_t b = 0; b < run.blocks.count; ++b) {
    product += partial[2 * b];
    crossed += partial[2 * b + 1];
  }
  tie_image = crossed + a.tie_curvature * tie;
  return product + tie * tie_image;
}

// Preconditioned conjugate gradients, until the residual (in the norm of the preconditioner) is `forcing` of the first.
class conjugate_gradients {
 public:
  conjugate_gradients(const row_runner& run, const curvature_system& system, const cg_memory& memory)
      : run_(run), a_(system), m_(memory), items_(system.graph.items) {}

  cg_result solve(double tie_residual, double forcing, std::int64_t max_iterations) {
    cg_result r;
    std::fill(m_.step, m_.step + items_, 0.0);
    double tie_direction = 0, size = precondition(tie_residual), before = 0;
    const double goal = forcing * forcing * size;
    while (size > goal && r.iterations < max_iterations) {
      const double keep = r.iterations == 0 ? 0 : size / before;
      for (std::int64_t i = 0; i < items_; ++i)
        m_.direction[i] = r.iterations == 0 ? m_.scaled[i] : m_.scaled[i] + keep * m_.direction[i];
      if (a_.cross != nullptr) tie_direction = tie_residual / a_.tie_curvature + keep * tie_direction;
      double tie_image = 0;
      const double bend = apply_curvature(run_, a_, m_.direction, tie_direction, m_.image, tie_image, m_.partial);
      ++r.iterations;
      if (!(bend > 0)) break;
      const double length = size / bend;
      for (std::int64_t i = 0; i < items_; ++i) {
        m_.step[i] += length * m_.direction[i];
        m_.residual[i] -= length * m_.image[i];
      }
      r.tie_step += length * tie_direction;
      tie_residual -= length * tie_image;
      before = size;
      size = precondition(tie_residual);
    }
    r.converged = size <= goal;
    return r;
  }

 private:
  const row_runner& run_;
  const curvature_system& a_;
  cg_memory m_;
  std::int64_t items_;

  // scaled = preconditioner * residual; returns their product.
  double precondition(double tie_residual) {
    if (a_.cholesky != nullptr) a_.cholesky->solve(items_, m_.residual, m_.scaled);
    run_.each_block([&](std::int64_t b, std::int64_t first, std::int64_t last) {
      double part = 0;
      for (std::int64_t i = first; i < last; ++i) {
        if (a_.cholesky == nullptr) m_.scaled[i] = a_.diagonal[i] > 0 ? m_.residual[i] / a_.diagonal[i] : 0;
        part += m_.scaled[i] * m_.residual[i];
      }
      m_.partial[b] = part;
    });
    double s = a_.cross != nullptr ? tie_residual * tie_residual / a_.tie_curvature : 0;
    for (std::int64_t b = 0; b < run_.blocks.count; ++b) s += m_.partial[b];
    return s;
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
