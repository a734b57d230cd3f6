// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/backend/item.hpp>
#include <prefer/backend/row_map_reduce.hpp>

#include <cstdint>

// row_map_reduce on CUDA (contract: backend/row_map_reduce.hpp): one launch, one block of threads per item at a time.
// The block strides over the item's rows for the scores, one thread runs the body, and the block strides over the rows
// again, which then come from a cache, for the gradients.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int row_threads = 256;
inline constexpr std::int64_t row_max_blocks = 2048;

inline std::int64_t row_grid(std::int64_t n) { return n < 1 ? 1 : n < row_max_blocks ? n : row_max_blocks; }

template <class T, class Score, class Body, int Sides>
struct device_rows {
  using shape = row_sums<Score>;

  const Score& score;
  const row_arguments<Score, Body, Sides>& a;
  std::int64_t item, row;
  T factor[Score::factors];

  __device__ void load(int side, std::int64_t e, T (&x)[Score::arrays]) const {
#pragma unroll
    for (int k = 0; k < Score::arrays; ++k) {
      const row_source& r = a.row[side][k];
      x[k] = r.data == nullptr ? T(0) : load_element<T>(r.data, r.type, row * r.row_stride + e * r.stride);
    }
  }
  // Valid in thread 0, which also writes what the slopes need.
  __device__ double score_of(int side, double* shared, double (&keep)[shape::kept]) const {
    double sum[shape::sums] = {};
    const std::int64_t elements = has_sums(score) ? a.elements : 0;
    for (std::int64_t e = threadIdx.x; e < elements; e += row_threads) {
      T x[Score::arrays], term[shape::sums];
      load(side, e, x);
      shape::terms(score, x, factor, term);
#pragma unroll
      for (int r = 0; r < shape::sums; ++r) sum[r] += static_cast<double>(term[r]);
    }
    for (int r = 0; r < shape::sums; ++r) sum[r] = block_sum(sum[r], shared);
    return threadIdx.x == 0 ? shape::finish(score, item, sum, keep) * a.scale : 0;
  }
  __device__ void spread(int side, bool selected, double coefficient, const double (&keep)[shape::kept]) const {
    if (!a.wants_gradient(side) || row < 0 || (a.items.accumulate && !selected)) return;
    const T c = static_cast<T>(coefficient * a.scale);
    T kept[shape::kept];
    for (int k = 0; k < shape::kept; ++k) kept[k] = selected ? static_cast<T>(keep[k]) : T(0);
    for (std::int64_t e = threadIdx.x; e < a.elements; e += row_threads) {
      T x[Score::arrays], slope[Score::gradients] = {};
      if (selected) {
        load(side, e, x);
        shape::slopes(score, x, factor, kept, slope);
      }
#pragma unroll
      for (int m = 0; m < Score::gradients; ++m) {
        const row_sink& r = a.gradient[side][m];
        if (r.data != nullptr)
          store_element(r.data, r.type, row * r.row_stride + e * r.stride, selected ? c * slope[m] : T(0),
                        a.items.accumulate);
      }
    }
  }
};

// By thread 0: the body on one item; its outputs for the item are stored, the derivatives by the scores returned. An
// item without a row is NaN.
template <class Body, int Sides, class Arguments>
__device__ void evaluate_row_item(const Body& body, const Arguments& a, std::int64_t item, bool selected, bool has_row,
                                  double (&in)[Body::inputs], double* coefficient, double (&sums)[Body::sums],
                                  content_report* report) {
  double out[Body::outputs] = {}, part[Body::sums] = {};
  if (selected) {
    errc code = has_row ? errc::ok : errc::bad_index;
    if (has_row) {
      for (int k = a.computed; k < Body::inputs; ++k) in[k] = read_item<double>(a.items.in[k], item);
      body(in, out, part);
      if constexpr (requires { body.invalid(in); }) code = body.invalid(in);
    }
    if (code != errc::ok) {
      report_content(report, code, item);
      for (double& x : out) x = math::detail::not_a_number<double>();
      for (double& x : part) x = math::detail::not_a_number<double>();
    }
    for (int r = 0; r < Body::sums; ++r) sums[r] += part[r];
  }
  for (int side = 0; side < Sides; ++side) coefficient[side] = out[side];
  for (int m = 0; m < Body::outputs; ++m) write_item(a.items.out[m], item, selected, out[m], a.items.accumulate);
}

template <class T, class Score, class Body, int Sides>
static __global__ void __launch_bounds__(row_threads)
    row_kernel(const Score score, const Body unready, const row_arguments<Score, Body, Sides> a,
               const block_exchange exchange) {
  __shared__ double shared[row_threads / 32];
  __shared__ double coefficient[Sides], keep[Sides][row_sums<Score>::kept];
  const double normalizer = divisor(a.items.normalizer);
  const Body body = unready.ready(normalizer);

  double sums[Body::sums] = {};
  for (std::int64_t item = blockIdx.x; item < a.items.n; item += gridDim.x) {
    const std::int64_t row = listed_row(a.index, a.rows, item);
    const bool wanted = selects(a.items.mask, item), selected = wanted && row >= 0;
    device_rows<T, Score, Body, Sides> rows{score, a, item, row, {}};
    read_factors(score, a.factor, item, rows.factor);
    double in[Body::inputs] = {};
    if (selected)
      for (int side = 0; side < Sides; ++side) {
        in[side] = rows.score_of(side, shared, keep[side]);
        for (int k = 0; k < answers_of<Score> && threadIdx.x == 0; ++k)
          in[Sides + side * answers_of<Score> + k] = keep[side][k];
      }
    if (threadIdx.x == 0)
      evaluate_row_item<Body, Sides>(body, a, item, wanted, row >= 0, in, coefficient, sums, exchange.report);
    __syncthreads();
    for (int side = 0; side < Sides; ++side) rows.spread(side, selected, coefficient[side], keep[side]);
    __syncthreads();
  }
  if (exchange.sums != nullptr) finish_sums(a.items, sums, normalizer, exchange, shared);
}

}  // namespace detail

// Bytes of workspace for row_map_reduce over n items.
template <class Body>
std::size_t row_workspace(std::int64_t n) {
  return detail::reduction_bytes<Body>(detail::row_grid(n));
}

template <class T, class Score, class Body, int Sides>
status row_map_reduce(const cuda& exec, const Score& score, const Body& body,
                      const row_arguments<Score, Body, Sides>& given) {
  auto a = given;
  const std::int64_t blocks = detail::row_grid(a.items.n);
  detail::scratch memory;
  detail::block_exchange exchange;
  if (const status s = detail::prepare_reduction<Body>(exec, blocks, a.items, memory, exchange); !s.ok()) return s;
  if (const status s = detail::begin_reduction(exec, a.items, exchange); !s.ok()) return s;
  if (a.items.n == 0 && exchange.sums == nullptr) return {};
  detail::row_kernel<T, Score, Body, Sides>
      <<<static_cast<unsigned>(blocks), detail::row_threads, 0, exec.stream.stream>>>(score, body, a, exchange);
  return detail::launch_status("row_map_reduce");
}

}  // namespace PREFER_ABI
}  // namespace prefer
