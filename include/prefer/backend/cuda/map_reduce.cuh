// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/backend/cuda/launch.cuh>
#include <prefer/backend/map_reduce.hpp>
#include <prefer/core/math.hpp>

#include <cstdint>

// map_reduce on CUDA (contract: backend/map_reduce.hpp): one launch. The items are cut into tiles of a fixed size, the
// tiles are dealt to at most 1024 blocks of threads by n alone, and the last block to finish adds up the blocks' sums
// in their order. The grid does not depend on the device, so neither do the results.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int cuda_threads = 256;
inline constexpr int cuda_items_per_thread = 4;
inline constexpr int cuda_tile = cuda_threads * cuda_items_per_thread;
inline constexpr std::int64_t cuda_max_blocks = 1024;

inline std::int64_t cuda_blocks(std::int64_t n) {
  const std::int64_t tiles = (n + cuda_tile - 1) / cuda_tile;
  return tiles < 1 ? 1 : tiles < cuda_max_blocks ? tiles : cuda_max_blocks;
}

// What the blocks of one call share.
struct block_exchange {
  double* sums;        // [blocks][Sums]
  unsigned* finished;  // blocks that have written their sums
  content_report* report;
};

static __device__ inline void report_content(content_report* report, errc code, std::int64_t item) {
  if (report == nullptr) return;
  const auto word = (static_cast<unsigned long long>(item) << 8) | static_cast<unsigned long long>(code);
  atomicMin(&report->word, word);  // the first item wins, whatever the order
}

// The sum over a block of threads, in a fixed order; valid in thread 0. `shared` has one double per warp.
static __device__ inline double block_sum(double x, double* shared) {
  for (int step = 16; step > 0; step /= 2) x += __shfl_down_sync(0xffffffffu, x, static_cast<unsigned>(step));
  const int warp = static_cast<int>(threadIdx.x) / 32, warps = static_cast<int>(blockDim.x) / 32;
  __syncthreads();
  if (threadIdx.x % 32 == 0) shared[warp] = x;
  __syncthreads();
  double total = 0;
  if (threadIdx.x == 0)
    for (int w = 0; w < warps; ++w) total += shared[w];
  return total;
}

// What sums are divided by; a count of no items divides by one.
static __device__ inline double divisor(const normalizer& n) {
  const double given = n.value.as<double>();
  return n.given || given > 0 ? given : 1.0;
}

// True in every thread of the block that finishes last; its reads then see all blocks' writes.
static __device__ inline bool last_block(unsigned* finished) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    __threadfence();
    last = atomicAdd(finished, 1u) == gridDim.x - 1;
    __threadfence();
  }
  __syncthreads();
  return last;
}

// Every input and output contiguous, of the compute type and overwritten: no conversion, no gather.
template <class T, class Body>
bool is_plain(const map_reduce_arguments_of<Body>& a) {
  bool plain = !a.accumulate;
  for (const source& s : a.in)
    plain = plain && (s.data == nullptr || (s.stride == 1 && s.type == element_of<T>() && s.index == nullptr));
  for (const sink& s : a.out) plain = plain && (s.data == nullptr || (s.stride == 1 && s.type == element_of<T>()));
  return plain;
}

template <class T, bool Plain>
PREFER_HD T read_source(const source& s, std::int64_t i, bool& inside) {
  if (s.data == nullptr) return static_cast<T>(s.neutral);
  if constexpr (Plain) return static_cast<const T*>(s.data)[i];
  std::int64_t at = i;
  if (s.index != nullptr) {
    at = load_index(s.index, s.index_type, i * s.index_stride);
    if (at < 0 || at >= s.bound) {
      inside = false;
      return T(0);
    }
  }
  return load_element<T>(s.data, s.type, at * s.stride);
}

template <class T, bool Plain, class Body>
__device__ __forceinline__ void do_item(const Body& body, const map_reduce_arguments_of<Body>& a, std::int64_t i,
                                        content_report* report, T (&sums)[Body::sums]) {
  const bool selected = a.mask.data == nullptr || load_element<T>(a.mask.data, a.mask.type, i * a.mask.stride) != T(0);
  T in[Body::inputs], out[Body::outputs], part[Body::sums];
  bool inside = true;
#pragma unroll
  for (int k = 0; k < Body::inputs; ++k) in[k] = read_source<T, Plain>(a.in[k], i, inside);
  body(in, out, part);

  errc code = inside ? errc::ok : errc::bad_index;
  if constexpr (requires { body.invalid(in); }) {
    if (inside) code = body.invalid(in);
  }
  if (selected && code != errc::ok) report_content(report, code, i);
  const bool usable = code == errc::ok;
  const T unusable = math::detail::not_a_number<T>();
#pragma unroll
  for (int r = 0; r < Body::sums; ++r)
    if (selected) sums[r] += usable ? part[r] : unusable;
#pragma unroll
  for (int m = 0; m < Body::outputs; ++m) {
    const sink& s = a.out[m];
    if (s.data == nullptr) continue;
    const T x = !selected ? T(0) : usable ? out[m] : unusable;
    if constexpr (Plain)
      static_cast<T*>(s.data)[i] = x;
    else if (const bool adds = a.accumulate && !s.fresh; selected || !adds)
      store_element(s.data, s.type, i * s.stride, x, adds);
  }
}

// Every block's sums meet in memory; the last block to finish adds them up in block order and writes the totals.
template <int Inputs, int Outputs, int Sums>
static __device__ void finish_sums(const map_reduce_arguments<Inputs, Outputs, Sums>& a, const double (&sums)[Sums],
                                   double normalizer, const block_exchange& exchange, double* shared) {
  for (int r = 0; r < Sums; ++r) {
    const double sum = block_sum(sums[r], shared);
    if (threadIdx.x == 0) exchange.sums[static_cast<std::int64_t>(blockIdx.x) * Sums + r] = sum;
  }
  if (!last_block(exchange.finished)) return;
  for (int r = 0; r < Sums; ++r) {
    double mine = 0;
    for (unsigned b = threadIdx.x; b < gridDim.x; b += blockDim.x)
      mine += __ldcg(&exchange.sums[static_cast<std::int64_t>(b) * Sums + r]);
    const double sum = block_sum(mine, shared);
    if (threadIdx.x == 0 && a.sum[r].data != nullptr)
      store_element(a.sum[r].data, a.sum[r].type, 0, a.sum[r].divided ? sum / normalizer : sum, a.accumulate);
  }
}

template <class T, bool Plain, class Body>
static __global__ void __launch_bounds__(cuda_threads)
    map_reduce_kernel(const Body unready, const map_reduce_arguments_of<Body> a, const block_exchange exchange) {
  __shared__ double shared[cuda_threads / 32];
  const double normalizer = divisor(a.normalizer);
  const Body body = unready.ready(normalizer);

  double sums[Body::sums] = {};
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * cuda_tile; first < a.n;
       first += static_cast<std::int64_t>(gridDim.x) * cuda_tile) {
    T tile[Body::sums] = {};
#pragma unroll
    for (int j = 0; j < cuda_items_per_thread; ++j) {
      const std::int64_t i = first + j * cuda_threads + static_cast<std::int64_t>(threadIdx.x);
      if (i < a.n) do_item<T, Plain>(body, a, i, exchange.report, tile);
    }
#pragma unroll
    for (int r = 0; r < Body::sums; ++r) sums[r] += static_cast<double>(tile[r]);
  }
  if (exchange.sums != nullptr) finish_sums(a, sums, normalizer, exchange, shared);
}

// Counts what the mask selects, as a map_reduce of its own.
struct count_body {
  static constexpr int inputs = 1, outputs = 1, sums = 1;
  PREFER_HD count_body ready(double) const { return *this; }
  template <class V>
  PREFER_HD void operator()(const V (&)[1], V (&out)[1], V (&sum)[1]) const {
    out[0] = V(0);
    sum[0] = V(1);
  }
};

// Readies the exchange for one launch; without totals to write there is nothing to exchange.
template <int Inputs, int Outputs, int Sums>
status begin_reduction(const cuda& exec, const map_reduce_arguments<Inputs, Outputs, Sums>& a,
                       block_exchange& exchange) {
  for (const total& t : a.sum)
    if (t.data != nullptr)
      return cuda_status(cudaMemsetAsync(exchange.finished, 0, sizeof(unsigned), exec.stream.stream),
                         "cudaMemsetAsync");
  exchange.sums = nullptr;
  return {};
}

template <class T, class Body>
status launch_map_reduce(const cuda& exec, const Body& body, const map_reduce_arguments_of<Body>& a,
                         block_exchange exchange) {
  const auto blocks = static_cast<unsigned>(cuda_blocks(a.n));
  if (const status s = begin_reduction(exec, a, exchange); !s.ok()) return s;
  if (a.n == 0 && exchange.sums == nullptr) return {};
  const cudaStream_t stream = exec.stream.stream;
  if (is_plain<T, Body>(a))
    map_reduce_kernel<T, true, Body><<<blocks, cuda_threads, 0, stream>>>(body, a, exchange);
  else
    map_reduce_kernel<T, false, Body><<<blocks, cuda_threads, 0, stream>>>(body, a, exchange);
  return launch_status("map_reduce");
}

template <class Body>
std::size_t reduction_bytes(std::int64_t blocks) {
  return scratch_alignment + scratch_bytes<unsigned>(1) + scratch_bytes<double>(1) +
         scratch_bytes<double>(static_cast<std::size_t>(blocks) * Body::sums);
}

// The default normaliser: the number of items, counted on the device first (into `count`) where a mask selects them.
template <int Inputs, int Outputs, int Sums>
status count_items(const cuda& exec, map_reduce_arguments<Inputs, Outputs, Sums>& a, double* count,
                   const block_exchange& exchange) {
  if (a.normalizer.given) return {};
  if (a.mask.data == nullptr) {
    a.normalizer.value = scalar(static_cast<double>(a.n));
    return {};
  }
  map_reduce_arguments_of<count_body> counted;
  counted.n = a.n;
  counted.mask = a.mask;
  counted.normalizer = 1.0;
  counted.sum[0] = {count, element::f64, false};
  a.normalizer.value = scalar(static_cast<const double*>(count));
  return launch_map_reduce<float>(exec, count_body{}, counted, exchange);
}

// Scratch memory for one reduction of at least cuda_blocks(n) blocks, and the default normaliser.
template <class Body>
status prepare_reduction(const cuda& exec, std::int64_t blocks, map_reduce_arguments_of<Body>& a, scratch& memory,
                         block_exchange& exchange) {
  if (const status s = memory.reserve(exec, reduction_bytes<Body>(blocks)); !s.ok()) return s;
  exchange = {};
  exchange.finished = memory.take<unsigned>(1);
  double* const count = memory.take<double>(1);
  exchange.sums = memory.take<double>(static_cast<std::size_t>(blocks) * Body::sums);
  if (const status s = count_items(exec, a, count, exchange); !s.ok()) return s;
  exchange.report = exec.report;
  return {};
}

}  // namespace detail

// Bytes of workspace for map_reduce over n items.
template <class Body>
std::size_t map_reduce_workspace(std::int64_t n) {
  return detail::reduction_bytes<Body>(detail::cuda_blocks(n));
}

template <class T, class Body>
status map_reduce(const cuda& exec, const Body& body, const map_reduce_arguments_of<Body>& given) {
  auto a = given;
  detail::scratch memory;
  detail::block_exchange exchange;
  if (const status s = detail::prepare_reduction<Body>(exec, detail::cuda_blocks(a.n), a, memory, exchange); !s.ok())
    return s;
  return detail::launch_map_reduce<T>(exec, body, a, exchange);
}

}  // namespace PREFER_ABI
}  // namespace prefer
