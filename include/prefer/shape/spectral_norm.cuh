// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/matrix_product.cuh>
#include <prefer/backend/cuda/matrix_vector.cuh>
#include <prefer/shape/detail/layers.cuh>
#include <prefer/shape/detail/matrix_norms.cuh>
#include <prefer/shape/spectral_norm.hpp>

// The CUDA half of shape/spectral_norm.hpp: products over many blocks, and one block for what lies between them.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int vector_threads = 512;

struct vector_block {
  double* shared;  // one per warp

  template <class Combine>
  __device__ double over_block(double x, const Combine& combine) const {
    for (int step = 16; step > 0; step /= 2) x = combine(x, __shfl_xor_sync(0xffffffffu, x, step));
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = x;
    __syncthreads();
    x = shared[0];
    for (int warp = 1; warp < vector_threads / 32; ++warp) x = combine(x, shared[warp]);
    __syncthreads();
    return x;
  }
  template <class F>
  __device__ void each(std::int64_t n, const F& f) const {
    for (std::int64_t i = threadIdx.x; i < n; i += vector_threads) f(i);
    __syncthreads();
  }
  template <class F>
  __device__ double total(std::int64_t n, const F& f) const {
    double sum = 0;
    for (std::int64_t i = threadIdx.x; i < n; i += vector_threads) sum += f(i);
    return over_block(sum, [](double x, double y) { return x + y; });
  }
  template <class F>
  __device__ double largest(std::int64_t n, const F& f) const {
    double most = 0;
    for (std::int64_t i = threadIdx.x; i < n; i += vector_threads) most = math::max(f(i), most);
    return over_block(most, [](double x, double y) { return math::max(x, y); });
  }
  template <class F>
  __device__ void once(const F& f) const {
    __syncthreads();  // everyone has read what changes
    if (threadIdx.x == 0) f();
    __syncthreads();
  }
};

template <class T>
static __global__ void __launch_bounds__(vector_threads)
    spectral_step_kernel(const spectral_job<T> job, const spectral_step first, const spectral_step second) {
  __shared__ double shared[vector_threads / 32];
  const vector_block team{shared};
  if (first == spectral_step::advance || first == spectral_step::measure)
    if (job.all.vectors.at->done) return;
  job(team, first, 1);
  if (second != first) job(team, second, 1);
}
static __global__ void __launch_bounds__(vector_threads)
    gram_norm_kernel(const spectral_bound bound, const int level, const std::int64_t entries) {
  __shared__ double shared[vector_threads / 32];
  bound.measure(vector_block{shared}, level, entries);
}

template <class T>
status run_steps(const cuda& exec, const spectral_job<T>& job, spectral_step first, spectral_step second) {
  spectral_step_kernel<T><<<1, vector_threads, 0, exec.stream.stream>>>(job, first, second);
  return launch_status("spectral_norm");
}
template <class T>
status run_step(const cuda& exec, const spectral_job<T>& job, spectral_step step) {
  return run_steps(exec, job, step, step);
}
inline status measure_gram(const cuda& exec, const spectral_bound& bound, int level) {
  gram_norm_kernel<<<1, vector_threads, 0, exec.stream.stream>>>(bound, level, bound.order() * bound.order());
  return launch_status("spectral_norm");
}

template <class T>
status iterate(const cuda& exec, const spectral_job<T>& job, const row_source& weight) {
  const spectral_vectors<T>& v = job.all.vectors;
  if (const status s = run_step(exec, job, spectral_step::begin); !s.ok()) return s;
  matrix_vector_arguments<T> along_rows, along_columns;
  along_rows.rows = v.rows, along_rows.columns = v.columns, along_rows.matrix = weight;
  along_rows.done = &v.at->done;
  along_columns = along_rows;
  along_rows.right = v.right, along_rows.product = v.product;
  along_columns.product = v.left, along_columns.partial = v.partial;
  for (std::int64_t k = 0; k <= v.most; ++k) {
    if (k > 0) {
      if (const status s = matrix_vector(exec, along_rows); !s.ok()) return s;
      if (const status s = run_steps(exec, job, spectral_step::measure, spectral_step::settle); !s.ok()) return s;
    }
    if (k == v.most && !v.looks_ahead()) break;
    if (const status s = matrix_vector(exec, along_columns); !s.ok()) return s;
    if (const status s = run_step(exec, job, spectral_step::advance); !s.ok()) return s;
  }
  return {};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
