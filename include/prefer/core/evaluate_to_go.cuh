// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_to_go.hpp>
#include <prefer/core/evaluate_tokens.cuh>

// The CUDA half of core/evaluate_to_go.hpp: a block of threads walks a response from its end, a tile of tokens at a
// time, and adds up by a scan.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// The body at one token, whose sums (by input) are those of the tokens from it on.
template <class Body>
static __device__ void evaluate_token(const Body& body, const segmented_arguments_of<Body>& a,
                                      const double (&in)[Body::inputs], std::int64_t token, bool keep) {
  double out[Body::outputs] = {}, part[Body::sums];
  if (keep) body(in, out, part);
  for (int m = 0; m < Body::outputs; ++m) write_item(a.items.out[m], token, keep, out[m], a.items.accumulate);
}

template <class Body>
static __device__ void evaluate_block_to_go(const Body& body, const segmented_arguments_of<Body>& a, std::int64_t item,
                                            content_report* report, double* shared) {
  const bool selected = selects(a.items.mask, item);
  const device_range range = range_at(a.segment[0], item);
  if (!range.valid) {
    if (selected && threadIdx.x == 0) report_content(report, errc::bad_offsets, item);
    return;
  }
  double behind[Body::inputs] = {}, in[Body::inputs] = {};  // sums over tokens behind the tile, and from this token on
  unrolled<Body::inputs>([&](auto i) {
    constexpr int k = decltype(i)::value;
    if (selected && input_role_of<Body, k>.role == role::item) in[k] = read_item<double>(a.items.in[k], item);
  });
  errc code = errc::ok;
  for (std::int64_t end = range.end; end > range.begin; end -= segment_threads) {
    const std::int64_t t = end - 1 - threadIdx.x;
    const bool inside = t >= range.begin, keep = inside && selected && selects(a.segment[0].mask, t);
    unrolled<Body::inputs>([&](auto i) {
      constexpr int k = decltype(i)::value;
      constexpr role what = input_role_of<Body, k>.role;
      if constexpr (what != role::item) {
        double total;
        const double x = !keep ? 0 : what == role::length ? 1 : read_item<double>(a.items.in[k], t);
        in[k] = behind[k] + scan_block(x, shared, total);
        behind[k] += total;
      }
    });
    if constexpr (requires { body.invalid(in); }) {
      if (selected) code = body.invalid(in);
    }
    if (code != errc::ok) {
      if (threadIdx.x == 0) report_content(report, code, item);
      for (double& x : in) x = math::detail::not_a_number<double>();
    }
    if (inside) evaluate_token(body, a, in, t, keep);
  }
}

template <class Body>
static __global__ void __launch_bounds__(segment_threads)
    to_go_kernel(const Body unready, const segmented_arguments_of<Body> a, content_report* report) {
  __shared__ double shared[segment_threads / 32];
  const Body body = unready.ready(divisor(a.items.normalizer));
  for (std::int64_t item = blockIdx.x; item < a.items.n; item += gridDim.x)
    evaluate_block_to_go(body, a, item, report, shared);
}

template <class Body>
status run_to_go(const cuda& exec, const Body& body, const segmented_arguments_of<Body>& given) {
  auto a = given;
  scratch memory;
  block_exchange exchange;
  const std::int64_t blocks = segment_blocks(a.items.n);
  if (const status s = prepare_reduction<Body>(exec, blocks, a.items, memory, exchange); !s.ok()) return s;
  if (a.items.n == 0) return {};
  to_go_kernel<Body><<<static_cast<unsigned>(blocks), segment_threads, 0, exec.stream.stream>>>(body, a, exec.report);
  return launch_status("evaluate_to_go");
}

}  // namespace detail

// Bytes of workspace that evaluate_to_go needs on CUDA for n responses of this loss.
template <class Loss>
std::size_t evaluate_to_go_workspace(const Loss& loss, std::int64_t n) {
  return evaluate_tokens_workspace(loss, n);
}

}  // namespace PREFER_ABI
}  // namespace prefer
