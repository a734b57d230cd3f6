// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/rank/comparisons.hpp>
#include <prefer/rank/detail/comparison_edge.hpp>

#include <cub/device/device_radix_sort.cuh>

#include <cstddef>
#include <cstdint>

// Comparisons in device memory as lists of opponents, one per item. A full matrix is its own list. Pairs and sparse
// matrices are sorted by item (stable, so the order is that of the data); a pair that stands in several rows stands as
// often in the lists. Bad rows are reported and left out, and the fit is then NaN.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// What one item's entry says of its opponent.
enum link : std::uint8_t { link_out = 1, link_in = 2, link_won = 4, link_lost = 8, link_tied = 16 };

struct device_graph {
  std::int64_t items = 0;
  std::int64_t entries = 0;
  std::int64_t* offsets = nullptr;   // [items + 1], null for a full matrix
  std::int32_t* opponent = nullptr;  // [entries], null for a full matrix
  double* x = nullptr;               // [entries] the model's numbers of a pair, see comparison_edge.hpp
  double* y = nullptr;               // [entries] if the model reads it
  double* weight = nullptr;          // [entries] at first lost - won, later the curvature
  double* tied = nullptr;            // [entries] if a tie parameter is estimated
  std::uint8_t* link = nullptr;      // [entries]
  unsigned* bad = nullptr;           // [1] not 0 once a row was left out
  int lanes = 8;                     // threads that share an item

  PREFER_HD std::int64_t begin(std::int64_t i) const { return offsets != nullptr ? offsets[i] : i * items; }
  PREFER_HD std::int64_t end(std::int64_t i) const { return offsets != nullptr ? offsets[i + 1] : (i + 1) * items; }
  PREFER_HD std::int64_t opponent_of(std::int64_t i, std::int64_t e) const {
    return opponent != nullptr ? opponent[e] : e - i * items;
  }
};

struct device_input {
  comparisons<space::device> data;
  comparison_shape shape;
  content_report* report;
  bool directed;  // the model's x and y, see comparison_edge.hpp
};

struct device_row {
  std::int64_t first, second;
  double won, lost, tied;
};

template <int Rank>
static __device__ inline bool has(const input_view<Rank, space::device>& v) {
  return v.type != element::none;
}
static __device__ inline double device_number(const input_view<1, space::device>& v, std::int64_t k) {
  return load_element<double>(v.data, v.type, k * v.stride[0]);
}
static __device__ inline double device_number(const input_view<2, space::device>& v, std::int64_t i, std::int64_t j) {
  return load_element<double>(v.data, v.type, i * v.stride[0] + j * v.stride[1]);
}
static __device__ inline bool device_count(double x) {
  const auto bits = bits_as<std::uint64_t>(x);
  return (bits & 0x7fffffffffffffffull) == 0 || bits < 0x7ff0000000000000ull;
}

static __device__ inline void refuse(const device_input& in, unsigned* bad, errc code, std::int64_t at) {
  atomicOr(bad, 1u);
  report_content(in.report, code, at);
}

// The row of a sparse matrix that holds entry k; within bounds whatever the offsets are.
static __device__ inline std::int64_t row_of_entry(const input_view<1, space::device>& offsets, std::int64_t items,
                                                   std::int64_t k) {
  std::int64_t low = 0, high = items - 1;
  while (low < high) {
    const std::int64_t middle = low + (high - low + 1) / 2;
    if (load_index(offsets.data, offsets.type, middle * offsets.stride[0]) <= k)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

static __device__ inline device_row read_row(const device_input& in, std::int64_t k) {
  const comparisons<space::device>& d = in.data;
  if (in.shape.form == comparison_form::sparse)
    return {row_of_entry(d.row_offsets, in.shape.items, k),
            load_index(d.columns.data, d.columns.type, k * d.columns.stride[0]), device_number(d.row_wins, k), 0,
            has(d.row_ties) ? 0.5 * device_number(d.row_ties, k) : 0};
  const double w = has(d.weight) ? device_number(d.weight, k) : 1;
  return {load_index(d.first.data, d.first.type, k * d.first.stride[0]),
          load_index(d.second.data, d.second.type, k * d.second.stride[0]),
          has(d.first_wins) ? w * device_number(d.first_wins, k) : w,
          has(d.second_wins) ? w * device_number(d.second_wins, k) : 0, has(d.ties) ? w * device_number(d.ties, k) : 0};
}

static __device__ inline errc check_row(const device_input& in, std::int64_t k, const device_row& r) {
  const std::int64_t n = in.shape.items;
  if (r.first < 0 || r.first >= n || r.second < 0 || r.second >= n) return errc::bad_index;
  const auto& w = in.data.weight;
  if (has(w) && !device_count(device_number(w, k))) return errc::bad_label;
  if (!device_count(r.won) || !device_count(r.lost) || !device_count(r.tied)) return errc::bad_label;
  const bool diagonal = in.shape.form == comparison_form::sparse && !(r.won + r.tied > 0);
  return r.first == r.second && !diagonal ? errc::bad_index : errc::ok;
}

static __global__ void check_row_offsets(device_input in, unsigned* bad) {
  const auto& v = in.data.row_offsets;
  const std::int64_t n = in.shape.items;
  for (std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; i <= n;
       i += std::int64_t{gridDim.x} * blockDim.x) {
    const std::int64_t at = load_index(v.data, v.type, i * v.stride[0]);
    const std::int64_t before = i > 0 ? load_index(v.data, v.type, (i - 1) * v.stride[0]) : 0;
    if (at < before || (i == 0 && at != 0) || (i == n && at != in.shape.rows)) refuse(in, bad, errc::bad_offsets, i);
  }
}

// Every row twice, as each of its items sees it; rows without a game go to a list of their own, behind the last item's.
static __global__ void list_rows(device_input in, std::int32_t* item, std::int64_t* entry, unsigned* bad) {
  for (std::int64_t k = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; k < in.shape.rows;
       k += std::int64_t{gridDim.x} * blockDim.x) {
    const device_row r = read_row(in, k);
    const errc code = check_row(in, k, r);
    if (code != errc::ok) refuse(in, bad, code, k);
    const bool counts = code == errc::ok && r.first != r.second && r.won + r.lost + r.tied > 0;
    item[2 * k] = static_cast<std::int32_t>(counts ? r.first : in.shape.items);
    item[2 * k + 1] = static_cast<std::int32_t>(counts ? r.second : in.shape.items);
    entry[2 * k] = 2 * k;
    entry[2 * k + 1] = 2 * k + 1;
  }
}

static __global__ void find_offsets(const std::int32_t* item, std::int64_t entries, device_graph g) {
  for (std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; i <= g.items;
       i += std::int64_t{gridDim.x} * blockDim.x) {
    std::int64_t low = 0, high = entries;
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (item[middle] < i)
        low = middle + 1;
      else
        high = middle;
    }
    g.offsets[i] = low;
  }
}

static __device__ inline void write_entry(const device_graph& g, bool directed, std::int64_t e, double won, double lost,
                                          double tied) {
  g.x[e] = directed ? won + tied : won + lost + tied;
  if (directed) g.y[e] = lost + tied;
  g.weight[e] = lost - won;
  if (g.tied != nullptr) g.tied[e] = tied;
  const int bits = (won + tied > 0 ? link_out : 0) | (lost + tied > 0 ? link_in : 0) | (won > 0 ? link_won : 0) |
                   (lost > 0 ? link_lost : 0) | (tied > 0 ? link_tied : 0);
  g.link[e] = static_cast<std::uint8_t>(bits);
}

static __global__ void fill_entries(device_input in, const std::int64_t* entry, device_graph g) {
  const std::int64_t used = g.offsets[g.items];
  for (std::int64_t e = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; e < used;
       e += std::int64_t{gridDim.x} * blockDim.x) {
    const device_row r = read_row(in, entry[e] / 2);
    const bool own = entry[e] % 2 == 0;
    g.opponent[e] = static_cast<std::int32_t>(own ? r.second : r.first);
    write_entry(g, in.directed, e, own ? r.won : r.lost, own ? r.lost : r.won, r.tied);
  }
}

inline constexpr int matrix_tile = 32;

// A tile of the matrix and its mirror image through shared memory, so that both are read along rows.
static __global__ void fill_matrix(device_input in, device_graph g) {
  __shared__ double wins[matrix_tile][matrix_tile + 1];
  __shared__ double ties[matrix_tile][matrix_tile + 1];
  const std::int64_t n = g.items, tiles = (n + matrix_tile - 1) / matrix_tile;
  const auto x = static_cast<std::int64_t>(threadIdx.x);
  for (std::int64_t t = blockIdx.x; t < tiles * tiles; t += gridDim.x) {
    const std::int64_t top = t / tiles * matrix_tile, left = t % tiles * matrix_tile;
    __syncthreads();
    for (std::int64_t y = threadIdx.y; y < matrix_tile; y += blockDim.y) {
      const bool inside = left + y < n && top + x < n;
      wins[y][x] = inside ? device_number(in.data.win_matrix, left + y, top + x) : 0;
      ties[y][x] = inside && in.shape.ties ? device_number(in.data.tie_matrix, left + y, top + x) : 0;
    }
    __syncthreads();
    for (std::int64_t y = threadIdx.y; y < matrix_tile; y += blockDim.y) {
      const std::int64_t i = top + y, j = left + x, e = i * n + j;
      if (i >= n || j >= n) continue;
      const double won = device_number(in.data.win_matrix, i, j),
                   tied = in.shape.ties ? device_number(in.data.tie_matrix, i, j) : 0;
      const bool bad_diagonal = i == j && won + tied > 0;
      const bool bad_count = !device_count(won) || !device_count(tied) || tied != ties[x][y];
      if (bad_diagonal || bad_count) refuse(in, g.bad, bad_count ? errc::bad_label : errc::bad_index, e);
      const bool use = i != j && !bad_count;
      write_entry(g, in.directed, e, use ? won : 0, use ? wins[x][y] : 0, use ? tied : 0);
    }
  }
}

inline unsigned device_blocks(std::int64_t work) {
  const std::int64_t blocks = (work + 255) / 256;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks > 4096 ? 4096 : blocks);
}

inline int bits_for(std::int64_t largest) {
  int bits = 1;
  while (largest >> bits != 0) ++bits;
  return bits;
}

inline status sort_bytes(std::int64_t entries, std::int64_t items, std::size_t& bytes) {
  bytes = 0;
  const std::int32_t* keys = nullptr;
  const std::int64_t* values = nullptr;
  return cuda_status(cub::DeviceRadixSort::SortPairs(nullptr, bytes, keys, static_cast<std::int32_t*>(nullptr), values,
                                                     static_cast<std::int64_t*>(nullptr), entries, 0, bits_for(items)),
                     "cub::DeviceRadixSort::SortPairs");
}

// Scratch of the construction.
struct device_build {
  std::int32_t* item = nullptr;
  std::int32_t* sorted_item = nullptr;
  std::int64_t* entry = nullptr;
  std::int64_t* sorted_entry = nullptr;
  void* sorting = nullptr;
  std::size_t sorting_bytes = 0;
};

inline status build_graph(cudaStream_t stream, const device_input& in, const device_graph& g, const device_build& b) {
  status s = cuda_status(cudaMemsetAsync(g.bad, 0, sizeof(unsigned), stream), "cudaMemsetAsync");
  if (!s.ok()) return s;
  if (in.shape.form == comparison_form::matrix) {
    const std::int64_t tiles = (g.items + matrix_tile - 1) / matrix_tile;
    fill_matrix<<<static_cast<unsigned>(tiles * tiles < 65535 ? tiles * tiles : 65535), dim3(matrix_tile, 8), 0,
                  stream>>>(in, g);
    return launch_status("fill_matrix");
  }
  if (in.shape.form == comparison_form::sparse) {
    check_row_offsets<<<device_blocks(g.items + 1), 256, 0, stream>>>(in, g.bad);
    if (s = launch_status("check_row_offsets"); !s.ok()) return s;
  }
  list_rows<<<device_blocks(in.shape.rows), 256, 0, stream>>>(in, b.item, b.entry, g.bad);
  if (s = launch_status("list_rows"); !s.ok()) return s;
  std::size_t bytes = b.sorting_bytes;
  s = cuda_status(cub::DeviceRadixSort::SortPairs(b.sorting, bytes, b.item, b.sorted_item, b.entry, b.sorted_entry,
                                                  2 * in.shape.rows, 0, bits_for(g.items), stream),
                  "cub::DeviceRadixSort::SortPairs");
  if (!s.ok()) return s;
  find_offsets<<<device_blocks(g.items + 1), 256, 0, stream>>>(b.sorted_item, 2 * in.shape.rows, g);
  if (s = launch_status("find_offsets"); !s.ok()) return s;
  fill_entries<<<device_blocks(2 * in.shape.rows), 256, 0, stream>>>(in, b.sorted_entry, g);
  return launch_status("fill_entries");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
