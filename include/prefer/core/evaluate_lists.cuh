// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/segmented_map_reduce.cuh>
#include <prefer/core/evaluate_lists.hpp>

// The CUDA half of core/evaluate_lists.hpp: one launch, one block of threads per list at a time, one thread per item.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int list_threads = 64;

// Runs over one list by a whole block; the value is valid in thread 0.
template <class Loss>
static __device__ double list_on_device(const Loss& loss, const list_view& l, double scale, bool selected, bool* broken,
                                        double* shared) {
  const list_arguments& a = *l.a;
  if (threadIdx.x == 0) *broken = false;
  __syncthreads();
  if (selected) {
    for (std::int64_t i = threadIdx.x; i < l.size(); i += list_threads) l.set_key(i);
    __syncthreads();
    for (std::int64_t i = threadIdx.x; i < l.size(); i += list_threads)
      if (!l.orders(i)) *broken = true;
    __syncthreads();
    for (std::int64_t i = threadIdx.x; i < l.size() && !*broken; i += list_threads)
      a.prepared[l.begin + i] = loss.prepare(l, i);
    __syncthreads();
  }
  double value = 0;
  for (std::int64_t i = threadIdx.x; i < l.size(); i += list_threads)
    value += run_list_item(loss, l, i, selected, *broken, scale);
  return block_sum(value, shared);
}

template <class Loss>
static __global__ void __launch_bounds__(list_threads)
    list_kernel(const Loss loss, const list_arguments a, const block_exchange exchange) {
  __shared__ double shared[list_threads / 32];
  __shared__ bool broken;
  const double normalizer = divisor(a.items.normalizer);
  double sums[2] = {};
  for (std::int64_t list = blockIdx.x; list < a.items.n; list += gridDim.x) {
    const bool selected = selects(a.items.mask, list);
    const double scale = selected ? read_item<double>(a.items.in[0], list) / normalizer : 0;
    const device_range range = range_at(a.lists, list);
    const list_view l{&a, range.begin, range.valid ? range.end - range.begin : 0};
    double value = list_on_device(loss, l, scale, selected, &broken, shared);
    if (threadIdx.x == 0) {
      if (!range.valid) value = math::detail::not_a_number<double>();
      if (selected && (!range.valid || broken))
        report_content(exchange.report, range.valid ? errc::bad_index : errc::bad_offsets, list);
      write_list(a, list, selected, value, sums);
    }
    __syncthreads();
  }
  if (exchange.sums != nullptr) finish_sums(a.items, sums, normalizer, exchange, shared);
}

template <class Loss>
status run_lists(const cuda& exec, const Loss& loss, const list_arguments& given) {
  list_arguments a = given;
  const std::int64_t blocks = a.items.n < 1 ? 1 : smaller(a.items.n, most_list_blocks);
  // The reduction's scratch memory and, behind it, two numbers per item (carve_lists, in the device's alignment).
  scratch memory;
  const std::size_t numbers = static_cast<std::size_t>(a.lists.tokens);
  if (const status s = memory.reserve(exec, reduction_bytes<list_body>(blocks) + 2 * scratch_bytes<double>(numbers));
      !s.ok())
    return s;
  block_exchange exchange = {};
  exchange.finished = memory.take<unsigned>(1);
  double* const count = memory.take<double>(1);
  exchange.sums = memory.take<double>(static_cast<std::size_t>(blocks) * list_body::sums);
  a.key = memory.take<double>(numbers);
  a.prepared = memory.take<double>(numbers);
  if (const status s = count_items(exec, a.items, count, exchange); !s.ok()) return s;
  exchange.report = exec.report;
  if (const status s = begin_reduction(exec, a.items, exchange); !s.ok()) return s;
  if (a.items.n == 0 && exchange.sums == nullptr) return {};
  list_kernel<Loss><<<static_cast<unsigned>(blocks), list_threads, 0, exec.stream.stream>>>(loss, a, exchange);
  return launch_status("evaluate_lists");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
