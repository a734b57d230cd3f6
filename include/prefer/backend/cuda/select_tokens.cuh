// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/segmented_map_reduce.cuh>
#include <prefer/backend/select_tokens.hpp>

#include <cstdint>

// select_tokens on CUDA (contract: backend/select_tokens.hpp): one launch over the tokens, then one with a block of
// threads per item at a time.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <int Segments>
static __global__ void __launch_bounds__(segment_threads) clear_tokens_kernel(const token_selection<Segments> a) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * segment_threads;
  for (std::int64_t t = static_cast<std::int64_t>(blockIdx.x) * segment_threads + threadIdx.x; t < a.tokens; t += step)
    a.clear(t);
}

template <int Segments>
static __global__ void __launch_bounds__(segment_threads) select_tokens_kernel(const token_selection<Segments> a) {
  for (std::int64_t item = blockIdx.x; item < a.items; item += gridDim.x) {
    if (!selects(a.mask, item)) continue;
    for (int p = 0; p < Segments; ++p) {
      const device_range range = range_at(a.segment[p], item);
      if (!range.valid) continue;
      for (std::int64_t t = range.begin + threadIdx.x; t < range.end; t += segment_threads) a.visit(p, t);
    }
  }
}

}  // namespace detail

template <int Segments>
status select_tokens(const cuda& exec, const token_selection<Segments>& a) {
  const auto grid = [](std::int64_t n) { return static_cast<unsigned>(detail::segment_blocks(n)); };
  const std::int64_t threads = detail::segment_threads;
  detail::clear_tokens_kernel<Segments>
      <<<grid((a.tokens + threads - 1) / threads), detail::segment_threads, 0, exec.stream.stream>>>(a);
  if (const status s = detail::launch_status("select_tokens"); !s.ok()) return s;
  detail::select_tokens_kernel<Segments><<<grid(a.items), detail::segment_threads, 0, exec.stream.stream>>>(a);
  return detail::launch_status("select_tokens");
}

}  // namespace PREFER_ABI
}  // namespace prefer
