// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/rank/detail/curvature_system.hpp>
#include <prefer/rank/detail/device_passes.cuh>

#include <cstdint>

// Linear systems as in detail/curvature_system.hpp, solved by a team of threads. The preconditioner is the diagonal.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct device_curvature {
  const double* weight = nullptr;           // [entries]
  const double* diagonal = nullptr;         // [items]
  const double* prior_curvature = nullptr;  // [items] or null
  const double* cross = nullptr;            // [items] the border, not read without a tie parameter
  double tie_curvature = 1;
  bool has_ties = false;
};

// A vector times a curvature: their product and the tie parameter's part of the image.
struct curvature_image {
  double product, tie;
};

// image = curvature * (p, tie)
template <class Team>
__device__ curvature_image apply_curvature(device_passes<Team>& passes, const device_graph& g,
                                           const device_curvature& a, const double* p, double tie, double* image) {
  const device_triple t = passes.over_rows(false, [&](std::int64_t i, int lane) -> device_triple {
    double sum = 0;
    const double own = i < g.items ? p[i] : 0;
    passes.each_entry(i, lane, [&](std::int64_t e, std::int64_t j) { sum += a.weight[e] * (own - p[j]); });
    sum = passes.row_sum(sum);
    if (!passes.leads(i, lane)) return {};
    const double border = a.has_ties ? a.cross[i] : 0;
    sum += (a.prior_curvature != nullptr ? a.prior_curvature[i] * own : 0) + border * tie;
    image[i] = sum;
    return {own * sum, border * own, 0};
  });
  const double tie_image = a.has_ties ? t.b + a.tie_curvature * tie : 0;
  return {t.a + tie * tie_image, tie_image};
}

struct device_cg_memory {
  double* step = nullptr;  // [items] the solution
  double* residual = nullptr;
  double* direction = nullptr;
  double* image = nullptr;
  double* scaled = nullptr;

  PREFER_HD void carve(arena& memory, std::int64_t items) {
    for (double** a : {&step, &residual, &direction, &image, &scaled}) *a = memory.take<double>(items);
  }
};

// Preconditioned conjugate gradients: curvature * (m.step, tie_step) = (right-hand side f(item), tie_residual).
template <class Team, class F>
__device__ cg_result solve_curvature(device_passes<Team>& passes, const device_graph& g, const device_curvature& a,
                                     const device_cg_memory& m, F right, double tie_residual, double forcing,
                                     std::int64_t max_iterations) {
  const auto precondition = [&](std::int64_t i, double residual) -> device_triple {
    const double z = a.diagonal[i] > 0 ? residual / a.diagonal[i] : 0;
    m.residual[i] = residual;
    m.scaled[i] = z;
    return {z * residual, 0, 0};
  };
  const auto tie_size = [&] { return a.has_ties ? tie_residual * tie_residual / a.tie_curvature : 0; };
  cg_result r;
  double tie_direction = 0, before = 0;
  double size = tie_size() + passes
                                 .over_items(false,
                                             [&](std::int64_t i) {
                                               m.step[i] = 0;
                                               return precondition(i, right(i));
                                             })
                                 .a;
  const double goal = forcing * forcing * size;
  for (; size > goal && r.iterations < max_iterations; ++r.iterations) {
    const double keep = r.iterations == 0 ? 0 : size / before;
    if (a.has_ties) tie_direction = tie_residual / a.tie_curvature + keep * tie_direction;
    passes.over_items(false, [&](std::int64_t i) -> device_triple {
      m.direction[i] = r.iterations == 0 ? m.scaled[i] : m.scaled[i] + keep * m.direction[i];
      return {};
    });
    const curvature_image bend = apply_curvature(passes, g, a, m.direction, tie_direction, m.image);
    if (!(bend.product > 0)) break;
    const double length = size / bend.product;
    r.tie_step += length * tie_direction;
    tie_residual -= length * bend.tie;
    before = size;
    size = tie_size() + passes
                            .over_items(false,
                                        [&](std::int64_t i) {
                                          m.step[i] += length * m.direction[i];
                                          return precondition(i, m.residual[i] - length * m.image[i]);
                                        })
                            .a;
  }
  r.converged = size <= goal;
  return r;
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
