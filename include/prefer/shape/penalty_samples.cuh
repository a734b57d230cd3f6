// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/for_groups.cuh>
#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/shape/penalty_samples.hpp>

// The CUDA half of shape/penalty_samples.hpp: one launch, a thread per pair of columns.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

static __global__ void __launch_bounds__(cuda_threads) sample_kernel(const sample_job job) {
  const std::int64_t pairs = job.pairs(), all = job.n * pairs,
                     step = static_cast<std::int64_t>(gridDim.x) * cuda_threads;
  const std::uint64_t seed = job.draw.seed.get();
  const double sigma = job.sigma.as<double>();
  for (std::int64_t p = static_cast<std::int64_t>(blockIdx.x) * cuda_threads + threadIdx.x; p < all; p += step) {
    const std::int64_t row = p / pairs, pair = p % pairs;
    const auto at = [&](const row_source& r, std::int64_t column) {
      return load_element<double>(r.data, r.type, row * r.row_stride + column * r.stride);
    };
    const bool noise = job.b.data == nullptr;
    const random_pair bits = noise ? job.uniforms(seed, row, pair) : random_pair{};
    const double e = noise ? 0 : job.coefficient(seed, row);
    for (std::int64_t column = job.first_column(pair); column < job.columns; column += 32) {
      const bool second = column % 64 >= 32;
      const double a = at(job.a, column);
      const double u = to_uniform(second ? bits.second : bits.first);
      const double x = !noise                  ? interpolated(e, a, at(job.b, column))
                       : job.spread != nullptr ? shifted(a, sigma * job.spread[column * job.spread_stride], u)
                                               : perturbed(a, sigma, u);
      store_element(job.out.data, job.out.type, row * job.out.row_stride + column * job.out.stride, x, false);
      if (second) break;
    }
  }
}

inline status draw_samples(const cuda& exec, const sample_job& job) {
  if (job.n * job.pairs() == 0) return {};
  const auto blocks = static_cast<unsigned>(cuda_blocks(job.n * job.pairs()));
  sample_kernel<<<blocks, cuda_threads, 0, exec.stream.stream>>>(job);
  return launch_status("penalty samples");
}

}  // namespace detail

// Bytes of workspace that dragan_samples needs on CUDA for D columns.
inline std::size_t dragan_samples_workspace(const cuda&, std::int64_t columns) {
  return columns > 0 ? detail::lent_bytes(detail::dragan_scratch(columns)) : 0;
}

}  // namespace PREFER_ABI
}  // namespace prefer
