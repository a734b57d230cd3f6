// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/core/math.hpp>

#include <cstdint>

// Who works on one game of an exact solver: one thread of the CPU, with lanes in the loops over whole matrices, which
// other threads share if there is one large game, or a block of threads (solver_team.cuh). Solvers are written once, on
// a team that has
//
//   each(n, f)     f(i) for 0 <= i < n in any order; everyone sees afterwards what was written
//   least(n, f)    the smallest f(i) and the first i that has it, the same on every thread; {infinity, 0} for n = 0
//   total(n, f)    the sum of f(i), in an order that depends on n and the team alone
//   update(u)      see matrix_update
//   apart(work)    work.solve(), which is long and does not depend on what tables are made of
//
// All threads of a team take the same decisions, since they see the same numbers.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

struct least_entry {
  double value;
  std::int64_t index;
};

// Changes rows 0 <= i < rows of a matrix, row i from column body.begin(i) on, up to `width`:
//
//   body.change(x, i, j)   x[k] is entry (i + k, j), of `Rows` rows at once; with lanes, of as many columns
//
// With lanes all of this may reach further than asked for: down to whole groups of rows, left and right to whole lanes.
// begin does not decrease with i.
template <class Body>
struct matrix_update {
  static constexpr int group = 4;
  double* entry;
  std::int64_t step, rows, width;
  Body body;
  std::int64_t first = 0;  // row

  template <class Level>
  static PREFER_HD void run(const matrix_update& u) {
    using V = lane<double, Level>;
    for (std::int64_t i = u.first; i < u.rows; i += group) {
      double* const row = u.entry + i * u.step;
      for (std::int64_t j = u.body.begin(i) / V::width * V::width; j < u.width; j += V::width) {
        V x[group];
        for (int k = 0; k < group; ++k) x[k] = V::load(row + k * u.step + j);
        u.body.change(x, i, j);
        for (int k = 0; k < group; ++k) x[k].store(row + k * u.step + j);
      }
    }
  }
};

// Consecutive elements of a vector as a value.
template <class V>
PREFER_HD V read_value(const double* p) {
  if constexpr (width_of<V> == 1)
    return *p;
  else
    return V::load(p);
}

// How a team keeps a matrix of n rows of `width` numbers.
struct matrix_shape {
  std::int64_t rows, step;
};

struct serial_team {
  static constexpr std::int64_t rows_per_task = 64;  // whole groups
  static constexpr std::int64_t least_shared = 1 << 17;  // entries of a matrix that is worth other threads

  isa level;
  const cpu* lent = nullptr;  // threads for updates of large matrices: rows do not depend on who changes them

  // Whole groups of rows of whole lanes.
  static PREFER_HD matrix_shape shape(std::int64_t n, std::int64_t width) {
    return {(n + 3) / 4 * 4, (width + 7) / 8 * 8};
  }

  template <class F>
  PREFER_HD void each(std::int64_t n, F f) const {
    for (std::int64_t i = 0; i < n; ++i) f(i);
  }
  template <class F>
  PREFER_HD least_entry least(std::int64_t n, F f) const {
    least_entry best = {math::detail::infinity<double>(), 0};
    for (std::int64_t i = 0; i < n; ++i)
      if (const double x = f(i); x < best.value) best = {x, i};
    return best;
  }
  template <class F>
  PREFER_HD double total(std::int64_t n, F f) const {
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += f(i);
    return sum;
  }
  template <class Body>
  PREFER_HD void update(const matrix_update<Body>& update) const {
    using work = matrix_update<Body>;
#if defined(__CUDACC__)
    work::template run<base_level>(update);
#else
    if (lent == nullptr || update.rows * update.width < least_shared) return run_at<work>(level, update);
    for_blocks(*lent, (update.rows + rows_per_task - 1) / rows_per_task, update.rows * update.width,
               [&](std::int64_t first, std::int64_t last) {
                 work part = update;
                 part.first = first * rows_per_task, part.rows = smaller(last * rows_per_task, update.rows);
                 run_at<work>(level, part);
               });
#endif
  }
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class Work>
  static __attribute__((noinline)) auto apart(Work& work) {
    return work.solve();
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
