// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/core/arena.hpp>
#include <prefer/rank/comparisons.hpp>
#include <prefer/rank/detail/comparison_edge.hpp>
#include <prefer/rank/detail/comparison_row.hpp>

#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>

#include <algorithm>
#include <cstddef>
#include <cstdint>

// Comparisons in device memory as a graph like that of detail/comparison_graph.hpp: for every item its opponents in
// increasing order, with merged counts. Pairs and sparse matrices are sorted by item and opponent (stable, so counts
// are added in the order of the data); a full matrix is its own graph, with an entry of no games where two never met.
// Bad rows are reported and left out, and every result is then NaN.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// What one item's entry says of its opponent.
enum link : std::uint8_t { link_out = 1, link_in = 2, link_won = 4, link_lost = 8, link_tied = 16 };

// Games of a pair, as the item of the entry sees them.
struct device_counts {
  double* won = nullptr;  // [entries]
  double* lost = nullptr;
  double* tied = nullptr;

  void carve(arena& memory, std::int64_t entries) {
    for (double** a : {&won, &lost, &tied}) *a = memory.take<double>(entries);
  }
};

struct device_graph {
  std::int64_t items = 0;
  tie_model ties = tie_model::half;  // the model whose parameter is estimated, or half
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

  static std::int64_t most_entries(const comparison_shape& shape) {
    const std::int64_t n = shape.items;
    return shape.form == comparison_form::matrix ? n * n : std::min(2 * shape.rows, n * (n - 1));
  }
  void carve(arena& memory, const comparison_shape& shape, tie_model asked) {
    const std::int64_t most = most_entries(shape);
    items = shape.items;
    ties = shape.ties ? asked : tie_model::half;
    lanes = most >= 64 * items ? 32 : 8;
    bad = memory.take<unsigned>(1);
    if (shape.form != comparison_form::matrix) {
      offsets = memory.take<std::int64_t>(items + 1);
      opponent = memory.take<std::int32_t>(most);
    }
    carve_counts(memory, most);
  }
  // What a graph of the same pairs with other counts has of its own.
  PREFER_HD void carve_counts(arena& memory, std::int64_t most) {
    x = memory.take<double>(most);
    weight = memory.take<double>(most);
    link = memory.take<std::uint8_t>(most);
    if (ties != tie_model::half) tied = memory.take<double>(most);
    if (ties == tie_model::rao_kupper) y = memory.take<double>(most);
  }
  PREFER_HD std::int64_t entries() const { return offsets != nullptr ? offsets[items] : items * items; }
};

struct device_input {
  comparisons<space::device> data;
  comparison_shape shape;
  content_report* report;
  device_counts counts = {};     // also wanted as they are, or null
  bool squared_weights = false;  // in these counts, a game of weight w then counts w^2
};

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
    if (index_at(offsets, middle) <= k)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

static __device__ inline comparison_row read_row(const device_input& in, std::int64_t k) {
  return in.shape.form == comparison_form::sparse
             ? sparse_row(in.data, row_of_entry(in.data.row_offsets, in.shape.items, k), k)
             : pair_row(in.data, k);
}

static __device__ inline errc check_row(const device_input& in, const comparison_row& r) {
  const std::int64_t n = in.shape.items;
  if (r.first < 0 || r.first >= n || r.second < 0 || r.second >= n) return errc::bad_index;
  for (double x : {r.first_wins, r.second_wins, r.ties, r.weight, r.total()})
    if (!is_count(x)) return errc::bad_label;
  if (in.squared_weights && !has_square(r.weight)) return errc::bad_label;
  const bool diagonal = in.shape.form == comparison_form::sparse && !(r.first_wins + r.ties > 0);
  return r.first == r.second && !diagonal ? errc::bad_index : errc::ok;
}

static __global__ void check_row_offsets(device_input in, unsigned* bad) {
  const auto& v = in.data.row_offsets;
  const std::int64_t n = in.shape.items;
  for (std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; i <= n;
       i += std::int64_t{gridDim.x} * blockDim.x) {
    const std::int64_t at = index_at(v, i), before = i > 0 ? index_at(v, i - 1) : 0;
    if (at < before || (i == 0 && at != 0) || (i == n && at != in.shape.rows)) refuse(in, bad, errc::bad_offsets, i);
  }
}

inline status running_sum(void* scratch, std::size_t& bytes, std::int64_t* x, std::int64_t count, cudaStream_t stream) {
  return cuda_status(cub::DeviceScan::InclusiveSum(scratch, bytes, x, x, count, stream),
                     "cub::DeviceScan::InclusiveSum");
}

// Scratch of the construction. Every row is listed twice, as each of its items sees it, under the key item * items +
// opponent; equal keys make one entry of the graph. Rows without a game have the key items^2, behind all others.
struct device_build {
  std::int64_t listed = 0;             // two per row
  std::int64_t* key = nullptr;         // [listed]
  std::int64_t* sorted_key = nullptr;  // [listed]
  std::int64_t* use = nullptr;         // [listed] 2k: row k as `first` sees it, 2k + 1: as `second` does
  std::int64_t* sorted_use = nullptr;  // [listed]
  std::int64_t* place = nullptr;       // [listed] entries that begin here or before
  std::int64_t* run = nullptr;         // [listed + 1] where the uses of an entry begin
  void* temporary = nullptr;
  std::size_t temporary_bytes = 0;

  status carve(arena& memory, const comparison_shape& shape) {
    if (shape.form == comparison_form::matrix) return {};
    listed = 2 * shape.rows;
    for (std::int64_t** a : {&key, &sorted_key, &use, &sorted_use, &place}) *a = memory.take<std::int64_t>(listed);
    run = memory.take<std::int64_t>(listed + 1);
    std::size_t sorting = 0, scanning = 0;
    status s = sort(nullptr, sorting, shape.items, nullptr);
    if (s.ok()) s = running_sum(nullptr, scanning, place, listed, nullptr);
    temporary_bytes = std::max(sorting, scanning);
    temporary = memory.take<char>(static_cast<std::int64_t>(temporary_bytes));
    return s;
  }
  status sort(void* scratch, std::size_t& bytes, std::int64_t items, cudaStream_t stream) const {
    return cuda_status(cub::DeviceRadixSort::SortPairs(scratch, bytes, key, sorted_key, use, sorted_use, listed, 0,
                                                       bits_for(items * items), stream),
                       "cub::DeviceRadixSort::SortPairs");
  }

  // The item whose list entry e of the graph is in.
  __device__ std::int64_t item_of(const device_graph& g, std::int64_t e) const {
    return (g.offsets != nullptr ? sorted_key[run[e]] : e) / g.items;
  }
};

static __global__ void list_rows(device_input in, device_build b, unsigned* bad) {
  const std::int64_t n = in.shape.items;
  for (std::int64_t k = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; k < in.shape.rows;
       k += std::int64_t{gridDim.x} * blockDim.x) {
    const comparison_row r = read_row(in, k);
    const errc code = check_row(in, r);
    if (code != errc::ok) refuse(in, bad, code, k);
    const bool counts = code == errc::ok && r.first != r.second && r.total() > 0;
    b.key[2 * k] = counts ? r.first * n + r.second : n * n;
    b.key[2 * k + 1] = counts ? r.second * n + r.first : n * n;
    b.use[2 * k] = 2 * k;
    b.use[2 * k + 1] = 2 * k + 1;
  }
}

static __device__ inline bool begins_entry(const device_build& b, std::int64_t items, std::int64_t at) {
  return b.sorted_key[at] < items * items && (at == 0 || b.sorted_key[at] != b.sorted_key[at - 1]);
}

static __global__ void mark_entries(device_build b, std::int64_t items) {
  for (std::int64_t k = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; k < b.listed;
       k += std::int64_t{gridDim.x} * blockDim.x)
    b.place[k] = begins_entry(b, items, k) ? 1 : 0;
}

// The number of entries whose key is below `key`.
static __device__ inline std::int64_t entries_below(const device_build& b, std::int64_t key) {
  std::int64_t low = 0, high = b.listed;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (b.sorted_key[middle] < key)
      low = middle + 1;
    else
      high = middle;
  }
  return low > 0 ? b.place[low - 1] : 0;
}

static __global__ void place_entries(device_build b, device_graph g) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x,
                     self = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x;
  for (std::int64_t k = self; k < b.listed; k += step) {
    const bool behind = b.sorted_key[k] == g.items * g.items;
    if (!behind && begins_entry(b, g.items, k)) {
      g.opponent[b.place[k] - 1] = static_cast<std::int32_t>(b.sorted_key[k] % g.items);
      b.run[b.place[k] - 1] = k;
    }
    if (behind && (k == 0 || b.sorted_key[k - 1] != b.sorted_key[k])) b.run[b.place[k]] = k;
    if (!behind && k == b.listed - 1) b.run[b.place[k]] = b.listed;
  }
  for (std::int64_t i = self; i <= g.items; i += step) g.offsets[i] = entries_below(b, i * g.items);
}

// Of one pair, as one of its items sees it.
struct device_games {
  double won = 0, lost = 0, tied = 0;

  PREFER_HD device_games mirrored() const { return {lost, won, tied}; }
};

static __device__ inline void write_entry(const device_graph& g, std::int64_t e, const device_games& n) {
  const bool directed = g.ties == tie_model::rao_kupper;
  g.x[e] = directed ? n.won + n.tied : n.won + n.lost + n.tied;
  if (directed) g.y[e] = n.lost + n.tied;
  g.weight[e] = n.lost - n.won;
  if (g.tied != nullptr) g.tied[e] = n.tied;
  const int bits = (n.won + n.tied > 0 ? link_out : 0) | (n.lost + n.tied > 0 ? link_in : 0) |
                   (n.won > 0 ? link_won : 0) | (n.lost > 0 ? link_lost : 0) | (n.tied > 0 ? link_tied : 0);
  g.link[e] = static_cast<std::uint8_t>(bits);
}
static __device__ inline void write_counts(const device_counts& c, std::int64_t e, const device_games& n) {
  if (c.won != nullptr) c.won[e] = n.won, c.lost[e] = n.lost, c.tied[e] = n.tied;
}

inline constexpr int merge_lanes = 8;  // threads that add up the rows of an entry

static __device__ inline double merge_sum(double x) {
  for (int step = merge_lanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

static __global__ void fill_entries(device_input in, device_build b, device_graph g) {
  const std::int64_t used = g.offsets[g.items], step = std::int64_t{gridDim.x} * blockDim.x / merge_lanes;
  const int lane = static_cast<int>(threadIdx.x) % merge_lanes;
  const std::int64_t rounds = (used + step - 1) / step;
  for (std::int64_t round = 0; round < rounds; ++round) {
    const std::int64_t e =
        round * step + (blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x) / std::int64_t{merge_lanes};
    device_games sum, counts;
    double own_ties = 0;
    for (std::int64_t k = e < used ? b.run[e] + lane : 0, end = e < used ? b.run[e + 1] : 0; k < end;
         k += merge_lanes) {
      const comparison_row r = read_row(in, b.sorted_use[k] / 2);
      const bool own = b.sorted_use[k] % 2 == 0;
      const double won = r.weight * (own ? r.first_wins : r.second_wins),
                   lost = r.weight * (own ? r.second_wins : r.first_wins), tied = r.weight * r.ties,
                   again = in.squared_weights ? r.weight : 1;
      sum = {sum.won + won, sum.lost + lost, sum.tied + tied};
      counts = {counts.won + again * won, counts.lost + again * lost, counts.tied + again * tied};
      if (own) own_ties += tied;
    }
    sum = {merge_sum(sum.won), merge_sum(sum.lost), merge_sum(sum.tied)};
    counts = {merge_sum(counts.won), merge_sum(counts.lost), merge_sum(counts.tied)};
    own_ties = merge_sum(own_ties);
    if (e >= used || lane != 0) continue;
    write_entry(g, e, sum);
    write_counts(in.counts, e, counts);
    if (in.shape.form == comparison_form::sparse && ties_differ(own_ties, sum.tied - own_ties))
      refuse(in, g.bad, errc::bad_label, b.item_of(g, e));
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
      wins[y][x] = inside ? number_at(in.data.win_matrix, left + y, top + x) : 0;
      ties[y][x] = inside && in.shape.ties ? number_at(in.data.tie_matrix, left + y, top + x) : 0;
    }
    __syncthreads();
    for (std::int64_t y = threadIdx.y; y < matrix_tile; y += blockDim.y) {
      const std::int64_t i = top + y, j = left + x, e = i * n + j;
      if (i >= n || j >= n) continue;
      const double won = number_at(in.data.win_matrix, i, j),
                   tied = in.shape.ties ? number_at(in.data.tie_matrix, i, j) : 0;
      const bool bad_diagonal = i == j && won + tied > 0;
      const bool bad_count = !is_count(won) || !is_count(tied) || ties_differ(tied, ties[x][y]);
      if (bad_diagonal || bad_count) refuse(in, g.bad, bad_count ? errc::bad_label : errc::bad_index, e);
      device_games games;
      if (i != j && !bad_count) games = {won, wins[x][y], 0.5 * tied + 0.5 * ties[x][y]};
      write_entry(g, e, games);
      write_counts(in.counts, e, games);
    }
  }
}

inline unsigned device_blocks(std::int64_t work) {
  const std::int64_t blocks = (work + 255) / 256;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks > 4096 ? 4096 : blocks);
}

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
  if (b.listed > 0) {
    list_rows<<<device_blocks(in.shape.rows), 256, 0, stream>>>(in, b, g.bad);
    if (s = launch_status("list_rows"); !s.ok()) return s;
    std::size_t bytes = b.temporary_bytes;
    if (s = b.sort(b.temporary, bytes, g.items, stream); !s.ok()) return s;
    mark_entries<<<device_blocks(b.listed), 256, 0, stream>>>(b, g.items);
    if (s = launch_status("mark_entries"); !s.ok()) return s;
    if (s = running_sum(b.temporary, bytes, b.place, b.listed, stream); !s.ok()) return s;
  }
  place_entries<<<device_blocks(std::max(b.listed, g.items + 1)), 256, 0, stream>>>(b, g);
  if (s = launch_status("place_entries"); !s.ok()) return s;
  fill_entries<<<device_blocks(b.listed), 256, 0, stream>>>(in, b, g);
  return launch_status("fill_entries");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
