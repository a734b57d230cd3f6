// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/backend/item.hpp>
#include <prefer/backend/segmented_map_reduce.hpp>

#include <cstdint>

// segmented_map_reduce on CUDA (contract: backend/segmented_map_reduce.hpp): one launch, one block of threads per item
// at a time. The block strides over the tokens of the item's segments, one thread runs the body, and the block strides
// back over the tokens with the answer.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int segment_threads = 128;
inline constexpr std::int64_t segment_max_blocks = 2048;

inline std::int64_t segment_blocks(std::int64_t n) {
  return n < 1 ? 1 : n < segment_max_blocks ? n : segment_max_blocks;
}

// Roles as constants, since device code may not call the body's constexpr functions.
template <class Body, int Input>
inline constexpr token_role input_role_of = Body::input_role(Input);
template <class Body, int Output>
inline constexpr token_role output_role_of = Body::output_role(Output);
template <class Body, int Input, int Segment>
inline constexpr bool is_stream =
    input_role_of<Body, Input>.role == role::tokens&& input_role_of<Body, Input>.segment == Segment;
template <class Body, int Input, int Segment>
inline constexpr bool is_length =
    input_role_of<Body, Input>.role == role::length&& input_role_of<Body, Input>.segment == Segment;

struct device_range {
  std::int64_t begin, end;
  bool valid;
};

static __device__ inline device_range range_at(const segment_source& s, std::int64_t item) {
  const std::int64_t begin = load_index(s.begin, s.begin_type, item * s.begin_stride);
  const std::int64_t end = load_index(s.end, s.end_type, item * s.end_stride);
  return {begin, end, begin >= 0 && begin <= end && end <= s.tokens};
}

// Sums over the threads from 0 up to this one, for all threads of the block; `total` of all of them.
static __device__ inline double scan_block(double x, double* shared, double& total) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  for (int step = 1; step < 32; step *= 2) {
    const double before = __shfl_up_sync(0xffffffffu, x, static_cast<unsigned>(step));
    if (lane >= step) x += before;
  }
  __syncthreads();
  if (lane == 31) shared[warp] = x;
  __syncthreads();
  double ahead = 0;
  total = 0;
  for (int w = 0; w < segment_threads / 32; ++w) {
    if (w == warp) ahead = total;
    total += shared[w];
  }
  return ahead + x;
}

template <class Body>
struct device_walk {
  const Body& body;
  const segmented_arguments_of<Body>& a;
  double* shared;         // one per warp
  std::int64_t shortest;  // the length of the item's shortest segment

  template <int Segment>
  __device__ double weight_of(std::int64_t token, std::int64_t begin) const {
    const double own = read_item<double>(a.segment[Segment].weight, token);
    return a.weights.trivial() ? own : own * a.weights.at(token - begin, shortest);
  }

  // Sums over one segment's selected tokens into the body's inputs, valid in thread 0.
  template <int Segment>
  __device__ void gather(const device_range& range, double (&in)[Body::inputs]) const {
    double sum[Body::inputs] = {};
    double selected = 0;
    for (std::int64_t t = range.begin + threadIdx.x; t < range.end; t += segment_threads) {
      if (!selects(a.segment[Segment].mask, t)) continue;
      selected += 1;
      const double weight = weight_of<Segment>(t, range.begin);
      unrolled<Body::inputs>([&](auto i) {
        constexpr int k = decltype(i)::value;
        if constexpr (is_stream<Body, k, Segment>) {
          const source& s = a.items.in[k];
          if (s.data != nullptr) sum[k] += weight * load_element<double>(s.data, s.type, t * s.stride);
        }
      });
    }
    unrolled<Body::inputs>([&](auto i) {
      constexpr int k = decltype(i)::value;
      if constexpr (is_stream<Body, k, Segment>) {
        if (a.items.in[k].data != nullptr) in[k] = block_sum(sum[k], shared);
      }
      if constexpr (is_length<Body, k, Segment>) in[k] = block_sum(selected, shared);
    });
  }

  // The body's outputs to every token of the segments.
  __device__ void scatter(const device_range (&range)[Body::segments], bool selected, const double* out) const {
    unrolled<Body::outputs>([&](auto i) {
      constexpr int m = decltype(i)::value;
      if constexpr (output_role_of<Body, m>.role == role::tokens) {
        constexpr int p = output_role_of<Body, m>.segment;
        const sink& s = a.items.out[m];
        if (s.data == nullptr || !range[p].valid) return;
        for (std::int64_t t = range[p].begin + threadIdx.x; t < range[p].end; t += segment_threads) {
          const bool keep = selected && selects(a.segment[p].mask, t);
          if (keep || !a.items.accumulate)
            store_element(s.data, s.type, t * s.stride, keep ? out[m] * weight_of<p>(t, range[p].begin) : 0.0,
                          a.items.accumulate);
        }
      }
    });
  }

  // By thread 0: the body on one item; its outputs for the item are stored, those for tokens returned.
  __device__ void evaluate(std::int64_t item, bool selected, errc code, double (&in)[Body::inputs], double* out,
                           double (&sums)[Body::sums], content_report* report) const {
    double result[Body::outputs] = {}, part[Body::sums] = {};
    if (selected) {
      unrolled<Body::inputs>([&](auto i) {
        constexpr int k = decltype(i)::value;
        constexpr role what = input_role_of<Body, k>.role;
        if (what == role::item || (what == role::tokens && a.items.in[k].data == nullptr))
          in[k] = read_item<double>(a.items.in[k], item);
      });
      body(in, result, part);
      if constexpr (requires { body.invalid(in); }) {
        if (code == errc::ok) code = body.invalid(in);
      }
      if (code != errc::ok) {
        report_content(report, code, item);
        for (double& x : result) x = math::detail::not_a_number<double>();
        for (double& x : part) x = math::detail::not_a_number<double>();
      }
      for (int r = 0; r < Body::sums; ++r) sums[r] += part[r];
    }
    unrolled<Body::outputs>([&](auto i) {
      constexpr int m = decltype(i)::value;
      out[m] = result[m];
      if constexpr (output_role_of<Body, m>.role == role::item)
        write_item(a.items.out[m], item, selected, result[m], a.items.accumulate);
    });
  }
};

template <class Body>
static __global__ void __launch_bounds__(segment_threads)
    segmented_kernel(const Body unready, const segmented_arguments_of<Body> a, const block_exchange exchange) {
  __shared__ double shared[segment_threads / 32];
  __shared__ double out[Body::outputs];
  const double normalizer = divisor(a.items.normalizer);
  const Body body = unready.ready(normalizer);

  double sums[Body::sums] = {};
  for (std::int64_t item = blockIdx.x; item < a.items.n; item += gridDim.x) {
    const bool selected = selects(a.items.mask, item);
    device_range range[Body::segments];
    double in[Body::inputs] = {};
    errc code = errc::ok;
    std::int64_t shortest = INT64_MAX;
    unrolled<Body::segments>([&](auto i) {
      constexpr int p = decltype(i)::value;
      range[p] = range_at(a.segment[p], item);
      if (!range[p].valid) code = errc::bad_offsets;
      if (range[p].end - range[p].begin < shortest) shortest = range[p].end - range[p].begin;
    });
    const device_walk<Body> walk{body, a, shared, shortest};
    unrolled<Body::segments>([&](auto i) {
      constexpr int p = decltype(i)::value;
      if (selected && range[p].valid) walk.template gather<p>(range[p], in);
    });
    if (threadIdx.x == 0) walk.evaluate(item, selected, code, in, out, sums, exchange.report);
    __syncthreads();
    walk.scatter(range, selected, out);
    __syncthreads();
  }
  if (exchange.sums != nullptr) finish_sums(a.items, sums, normalizer, exchange, shared);
}

}  // namespace detail

// Bytes of workspace for segmented_map_reduce over n items.
template <class Body>
std::size_t segmented_workspace(std::int64_t n) {
  return detail::reduction_bytes<Body>(detail::segment_blocks(n));
}

template <class Body>
status segmented_map_reduce(const cuda& exec, const Body& body, const segmented_arguments_of<Body>& given) {
  auto a = given;
  const std::int64_t blocks = detail::segment_blocks(a.items.n);
  detail::scratch memory;
  detail::block_exchange exchange;
  if (const status s = detail::prepare_reduction<Body>(exec, blocks, a.items, memory, exchange); !s.ok()) return s;
  if (const status s = detail::begin_reduction(exec, a.items, exchange); !s.ok()) return s;
  if (a.items.n == 0 && exchange.sums == nullptr) return {};
  detail::segmented_kernel<Body>
      <<<static_cast<unsigned>(blocks), detail::segment_threads, 0, exec.stream.stream>>>(body, a, exchange);
  return detail::launch_status("segmented_map_reduce");
}

}  // namespace PREFER_ABI
}  // namespace prefer
