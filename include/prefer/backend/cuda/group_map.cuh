// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/segmented_map_reduce.cuh>
#include <prefer/backend/group_map.hpp>

#include <cstdint>

// group_map on CUDA (contract: backend/group_map.hpp). Eight threads take one group, or one piece of a group that is
// longer than 256 scores, so that four groups of 8 fill a warp. Pieces are found without counting them first: the cells
// of a table stand for stretches of 256 scores, in each of which at most one group of more than 256 can begin and at
// most one other can have the beginning of a later piece.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int octet = 8;
inline constexpr int group_threads = 128, group_octets = group_threads / octet;
inline constexpr std::int64_t cuda_group_piece = 256;
inline constexpr std::int64_t group_max_blocks = 4096, group_max_parts = 1024;
inline constexpr unsigned long long no_group = ~0ull;

// Scratch memory of one call.
struct group_scratch {
  moments* groups = nullptr;            // [n]
  moments* pieces = nullptr;            // [cells]
  moments* parts = nullptr;             // of the batch: [group_max_parts]
  double* batch = nullptr;              // 3
  unsigned long long* cells = nullptr;  // the group of a piece
  unsigned* finished = nullptr;
  std::int64_t count = 0;  // of cells; 0 if no group can be long
  content_report* report = nullptr;
};

inline std::int64_t group_cells(std::int64_t scores) {
  return scores <= cuda_group_piece ? 0 : 2 * ((scores + cuda_group_piece - 1) / cuda_group_piece);
}
inline unsigned group_grid(std::int64_t octets) {
  const std::int64_t blocks = (octets + group_octets - 1) / group_octets;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks < group_max_blocks ? blocks : group_max_blocks);
}

PREFER_HD moments no_moments() {
  const double nan = math::detail::not_a_number<double>();
  return {nan, nan, nan};
}

static __device__ inline int octet_lane() { return static_cast<int>(threadIdx.x) % octet; }
static __device__ inline std::int64_t octet_number() {
  return static_cast<std::int64_t>(blockIdx.x) * group_octets + threadIdx.x / octet;
}
static __device__ inline std::int64_t octet_step() { return static_cast<std::int64_t>(gridDim.x) * group_octets; }
static __device__ inline unsigned octet_mask() { return 0xffu << (threadIdx.x % 32 / octet * octet); }

static __device__ inline double octet_sum(double x) {
  for (int step = octet / 2; step > 0; step /= 2) x += __shfl_xor_sync(octet_mask(), x, step);
  return x;
}
static __device__ inline std::int64_t octet_least(std::int64_t x) {
  for (int step = octet / 2; step > 0; step /= 2) {
    const long long other = __shfl_xor_sync(octet_mask(), static_cast<long long>(x), step);
    x = other < x ? other : x;
  }
  return x;
}

template <class Scores>
static __device__ bool takes_part(const group_arguments& a, const Scores& scores, std::int64_t i) {
  return selects(a.scores.mask, i) && !(a.exclude_nan && math::is_nan(scores.at(i)));
}

// The moments of the scores [begin, end), in all eight threads.
template <class Scores>
static __device__ moments octet_moments(const group_arguments& a, const Scores& scores, std::int64_t begin,
                                        std::int64_t end) {
  const std::int64_t mine = begin + octet_lane();
  std::int64_t first = mine;
  while (first < end && !takes_part(a, scores, first)) first += octet;
  first = octet_least(first);
  if (first >= end) return {};
  const double pivot = scores.at(first);
  double sum = 0, kept = 0, squares = 0;
  for (std::int64_t i = mine; i < end; i += octet)
    if (takes_part(a, scores, i)) sum += scores.at(i) - pivot, kept += 1;
  const double number = octet_sum(kept), apart = octet_sum(sum) / number;
  for (std::int64_t i = mine; i < end; i += octet)
    if (takes_part(a, scores, i)) {
      const double d = (scores.at(i) - pivot) - apart;
      squares += d * d;
    }
  return {number, pivot + apart, octet_sum(squares)};
}

// The answers for the scores [begin, end) of a group that begins at `start`.
template <class Function, class Scores>
static __device__ void octet_map(const group_arguments& a, const Scores& scores, const Function& f, double mean,
                                 std::int64_t start, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin + octet_lane(); a.out.data != nullptr && i < end; i += octet) {
    double answer = 0;
    if (takes_part(a, scores, i)) {
      const double score = scores.at(i);
      answer = f(group_item<double>{score, score - mean, static_cast<double>(i - start)});
    }
    write_item(a.out, i, true, answer, a.accumulate);
  }
}

// The piece of a cell: an odd one has the first piece of a group, an even one a later piece.
static __device__ inline std::int64_t piece_begin(std::int64_t group_begin, std::int64_t cell) {
  if (cell % 2 != 0) return group_begin;
  const std::int64_t behind = cell / 2 * cuda_group_piece - group_begin;
  return group_begin + (behind + cuda_group_piece - 1) / cuda_group_piece * cuda_group_piece;
}
static __device__ inline std::int64_t cell_of(std::int64_t group_begin, std::int64_t piece) {
  return (group_begin + piece * cuda_group_piece) / cuda_group_piece * 2 + (piece == 0 ? 1 : 0);
}
static __device__ inline std::int64_t pieces_of(const device_range& r) {
  return (r.end - r.begin + cuda_group_piece - 1) / cuda_group_piece;
}

// The moments of the batch, known beforehand or found by this call.
template <class Rule>
static __device__ moments batch_of(const group_arguments& a, const group_scratch& m) {
  if constexpr (!learns_batch<Rule>) return {};
  return moments_at(a.batch != nullptr ? a.batch : m.batch);
}

// The groups, eight threads each: moments, and if nothing more has to be learnt the answers; long groups enter the
// table.
template <class Rule, class Scores>
static __global__ void __launch_bounds__(group_threads)
    group_kernel(const Rule rule, const Scores scores, const group_arguments a, const group_scratch memory,
                 const bool maps) {
  __shared__ std::int64_t long_begin[group_octets], long_pieces[group_octets];
  const int own = static_cast<int>(threadIdx.x) / octet;
  for (std::int64_t base = static_cast<std::int64_t>(blockIdx.x) * group_octets; base < a.groups;
       base += octet_step()) {
    const std::int64_t g = base + own;
    device_range r = {0, 0, false};
    if (g < a.groups) r = range_at(a.scores, g);
    const bool is_long = r.valid && r.end - r.begin > cuda_group_piece;
    if (octet_lane() == 0) long_begin[own] = r.begin, long_pieces[own] = is_long ? pieces_of(r) : 0;
    if (g < a.groups && !is_long) {
      const moments m = !r.valid             ? no_moments()
                        : a.known != nullptr ? moments_at(a.known + 3 * g)
                                             : octet_moments(a, scores, r.begin, r.end);
      if (octet_lane() == 0) {
        memory.groups[g] = m;
        if (!r.valid) report_content(memory.report, errc::bad_offsets, g);
        if (maps) write_group(a, g, m);
      }
      if (maps && r.valid)
        octet_map(a, scores, function_of(rule, m, batch_of<Rule>(a, memory)), m.mean, r.begin, r.begin, r.end);
    }
    if (memory.count == 0) continue;
    __syncthreads();
    for (int k = 0; k < group_octets; ++k)
      for (std::int64_t piece = threadIdx.x; piece < long_pieces[k]; piece += group_threads)
        atomicMin(&memory.cells[cell_of(long_begin[k], piece)], static_cast<unsigned long long>(base + k));
    __syncthreads();
  }
}

template <class Scores>
static __global__ void __launch_bounds__(group_threads)
    piece_kernel(const Scores scores, const group_arguments a, const group_scratch memory) {
  for (std::int64_t cell = octet_number(); cell < memory.count; cell += octet_step()) {
    if (memory.cells[cell] == no_group) continue;
    const device_range r = range_at(a.scores, static_cast<std::int64_t>(memory.cells[cell]));
    const std::int64_t begin = piece_begin(r.begin, cell), end = begin + cuda_group_piece;
    const moments m = octet_moments(a, scores, begin, end < r.end ? end : r.end);
    if (octet_lane() == 0) memory.pieces[cell] = m;
  }
}

// The moments that the threads of a block have, merged in the order of the threads; valid in thread 0.
static __device__ inline moments block_merge(const moments& mine, double (*shared)[3]) {
  __syncthreads();
  shared[threadIdx.x][0] = mine.count, shared[threadIdx.x][1] = mine.mean, shared[threadIdx.x][2] = mine.squares;
  for (unsigned step = 1; step < group_threads; step *= 2) {
    __syncthreads();
    if (threadIdx.x % (2 * step) != 0) continue;
    const moments both = merge(moments_at(shared[threadIdx.x]), moments_at(shared[threadIdx.x + step]));
    shared[threadIdx.x][0] = both.count, shared[threadIdx.x][1] = both.mean, shared[threadIdx.x][2] = both.squares;
  }
  return moments_at(shared[threadIdx.x]);
}

// Long groups, a block each: their pieces, merged in order.
static __global__ void __launch_bounds__(group_threads)
    long_group_kernel(const group_arguments a, const group_scratch memory, const bool maps) {
  __shared__ double shared[group_threads][3];
  for (std::int64_t first = 2 * static_cast<std::int64_t>(blockIdx.x) + 1; first < memory.count;
       first += 2 * static_cast<std::int64_t>(gridDim.x)) {
    if (memory.cells[first] == no_group) continue;
    const auto g = static_cast<std::int64_t>(memory.cells[first]);
    const device_range r = range_at(a.scores, g);
    const std::int64_t pieces = a.known != nullptr ? 0 : pieces_of(r);
    moments mine;
    for (std::int64_t k = pieces * threadIdx.x / group_threads; k < pieces * (threadIdx.x + 1) / group_threads; ++k) {
      const std::int64_t cell = cell_of(r.begin, k);
      mine = merge(mine, memory.cells[cell] == memory.cells[first] ? memory.pieces[cell] : no_moments());
    }
    moments all = block_merge(mine, shared);
    if (threadIdx.x == 0) {
      if (a.known != nullptr) all = moments_at(a.known + 3 * g);
      memory.groups[g] = all;
      if (maps) write_group(a, g, all);
    }
  }
}

// What the groups contribute to the batch, merged in their order: in parts, a block each, then the parts.
template <class Rule>
static __global__ void __launch_bounds__(group_threads)
    group_batch_kernel(const Rule rule, const group_arguments a, const group_scratch memory, double* to) {
  __shared__ double shared[group_threads][3];
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * group_threads;
  const std::int64_t own = static_cast<std::int64_t>(blockIdx.x) * group_threads + threadIdx.x;
  moments mine;
  for (std::int64_t g = a.groups * own / threads; g < a.groups * (own + 1) / threads; ++g)
    mine = merge(mine, rule.contribution(memory.groups[g]));
  moments all = block_merge(mine, shared);
  if (threadIdx.x == 0) memory.parts[blockIdx.x] = all;
  if (!last_block(memory.finished)) return;
  mine = {};
  for (unsigned k = gridDim.x * threadIdx.x / group_threads; k < gridDim.x * (threadIdx.x + 1) / group_threads; ++k) {
    const double* part = &memory.parts[k].count;
    mine = merge(mine, {__ldcg(part), __ldcg(part + 1), __ldcg(part + 2)});
  }
  all = block_merge(mine, shared);
  if (threadIdx.x == 0) to[0] = all.count, to[1] = all.mean, to[2] = all.squares;
}

// The answers for short groups whose batch had to be learnt first.
template <class Rule, class Scores>
static __global__ void __launch_bounds__(group_threads)
    group_answer_kernel(const Rule rule, const Scores scores, const group_arguments a, const group_scratch memory) {
  for (std::int64_t g = octet_number(); g < a.groups; g += octet_step()) {
    const device_range r = range_at(a.scores, g);
    const moments m = memory.groups[g];
    if (octet_lane() == 0) write_group(a, g, m);
    if (r.valid && r.end - r.begin <= cuda_group_piece)
      octet_map(a, scores, function_of(rule, m, batch_of<Rule>(a, memory)), m.mean, r.begin, r.begin, r.end);
  }
}

template <class Rule, class Scores>
static __global__ void __launch_bounds__(group_threads)
    piece_answer_kernel(const Rule rule, const Scores scores, const group_arguments a, const group_scratch memory) {
  for (std::int64_t cell = octet_number(); cell < memory.count; cell += octet_step()) {
    if (memory.cells[cell] == no_group) continue;
    const auto g = static_cast<std::int64_t>(memory.cells[cell]);
    const device_range r = range_at(a.scores, g);
    const moments m = memory.groups[g];
    const std::int64_t begin = piece_begin(r.begin, cell), end = begin + cuda_group_piece;
    octet_map(a, scores, function_of(rule, m, batch_of<Rule>(a, memory)), m.mean, r.begin, begin,
              end < r.end ? end : r.end);
  }
}

}  // namespace detail

// Bytes of workspace for group_map of N scores in n groups.
inline std::size_t group_map_workspace(std::int64_t n, std::int64_t scores) {
  const auto cells = static_cast<std::size_t>(detail::group_cells(scores));
  return detail::scratch_alignment + detail::scratch_bytes<moments>(static_cast<std::size_t>(n)) +
         detail::scratch_bytes<moments>(cells) + detail::scratch_bytes<unsigned long long>(cells) +
         detail::scratch_bytes<moments>(static_cast<std::size_t>(detail::group_max_parts)) +
         detail::scratch_bytes<double>(3) + detail::scratch_bytes<unsigned>(1);
}

template <class Rule, class Scores>
status group_map(const cuda& exec, const Rule& rule, const group_arguments& a, const Scores& scores) {
  using namespace detail;
  scratch memory;
  if (const status s = memory.reserve(exec, group_map_workspace(a.groups, a.scores.tokens)); !s.ok()) return s;
  group_scratch m;
  m.count = group_cells(a.scores.tokens);
  m.groups = memory.take<moments>(static_cast<std::size_t>(a.groups));
  m.pieces = memory.take<moments>(static_cast<std::size_t>(m.count));
  m.cells = memory.take<unsigned long long>(static_cast<std::size_t>(m.count));
  m.parts = memory.take<moments>(static_cast<std::size_t>(group_max_parts));
  m.batch = memory.take<double>(3);
  m.finished = memory.take<unsigned>(1);
  m.report = exec.report;
  const cudaStream_t stream = exec.stream.stream;
  const auto clear = [&](void* at, int byte, std::size_t bytes) {
    return cuda_status(cudaMemsetAsync(at, byte, bytes, stream), "cudaMemsetAsync");
  };

  const bool learns = learns_batch<Rule> && a.batch == nullptr;
  const unsigned grid = group_grid(a.groups), piece_grid = group_grid(m.count);
  if (m.count > 0)
    if (const status s = clear(m.cells, 0xff, static_cast<std::size_t>(m.count) * sizeof(*m.cells)); !s.ok()) return s;
  if (a.groups == 0 && a.batch_out == nullptr) return {};
  group_kernel<<<grid, group_threads, 0, stream>>>(rule, scores, a, m, !learns);
  if (m.count > 0) {
    if (a.known == nullptr) piece_kernel<<<piece_grid, group_threads, 0, stream>>>(scores, a, m);
    long_group_kernel<<<piece_grid, group_threads, 0, stream>>>(a, m, !learns);
  }
  if constexpr (learns_batch<Rule>) {
    if (learns) {
      if (const status s = clear(m.finished, 0, sizeof(unsigned)); !s.ok()) return s;
      const std::int64_t parts = (a.groups + group_threads - 1) / group_threads;
      const auto blocks = static_cast<unsigned>(parts < 1 ? 1 : parts < group_max_parts ? parts : group_max_parts);
      double* const to = a.batch_out != nullptr ? a.batch_out : m.batch;
      group_batch_kernel<Rule><<<blocks, group_threads, 0, stream>>>(rule, a, m, to);
      if (a.batch_out == nullptr) group_answer_kernel<<<grid, group_threads, 0, stream>>>(rule, scores, a, m);
    }
  }
  if (m.count > 0 && a.out.data != nullptr)
    piece_answer_kernel<<<piece_grid, group_threads, 0, stream>>>(rule, scores, a, m);
  return launch_status("group_map");
}
template <class Rule>
status group_map(const cuda& exec, const Rule& rule, const group_arguments& a) {
  return group_map(exec, rule, a, detail::stored_scores{a.score});
}

}  // namespace PREFER_ABI
}  // namespace prefer
