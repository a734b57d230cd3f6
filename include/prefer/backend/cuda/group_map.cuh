// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/segmented_map_reduce.cuh>
#include <prefer/backend/group_map.hpp>

#include <cstdint>

// group_map on CUDA (contract: backend/group_map.hpp). A team of threads takes one group, or one piece of a group that
// is longer than 256 scores: one thread where groups are small on average, else four. A thread holds eight scores, so
// that those of most groups are read once. Pieces are found without counting them first: the cells of a table stand for
// stretches of 256 scores, in each of which at most one group of more than 256 can begin and at most one other can have
// the beginning of a later piece.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int few_threads = 1, more_threads = 4;  // of a team
inline constexpr int group_threads = 128;
inline constexpr std::int64_t cuda_group_piece = 256;
inline constexpr std::int64_t group_max_blocks = 4096, group_max_parts = 1024;
inline constexpr unsigned long long no_group = ~0ull;

// Scratch memory of one call.
struct group_scratch {
  moments* groups = nullptr;            // [n]
  moments* pieces = nullptr;            // [cells]
  moments* parts = nullptr;             // of the batch: [group_max_parts]
  double* batch = nullptr;              // 3
  unsigned long long* cells = nullptr;  // the group of a piece; behind them, whether there is any
  unsigned* finished = nullptr;
  std::int64_t count = 0;  // of cells; 0 if no group can be long
  content_report* report = nullptr;
};

inline std::int64_t group_cells(std::int64_t scores) {
  return scores <= cuda_group_piece ? 0 : 2 * ((scores + cuda_group_piece - 1) / cuda_group_piece);
}
inline unsigned group_grid(std::int64_t teams, int threads) {
  const std::int64_t blocks = (teams * threads + group_threads - 1) / group_threads;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks < group_max_blocks ? blocks : group_max_blocks);
}

PREFER_HD moments no_moments() {
  const double nan = math::detail::not_a_number<double>();
  return {nan, nan, nan};
}

template <int Threads>
struct team {
  static constexpr int per_block = group_threads / Threads;

  static __device__ int lane() { return static_cast<int>(threadIdx.x) % Threads; }
  static __device__ int in_block() { return static_cast<int>(threadIdx.x) / Threads; }
  static __device__ std::int64_t number() { return static_cast<std::int64_t>(blockIdx.x) * per_block + in_block(); }
  static __device__ std::int64_t step() { return static_cast<std::int64_t>(gridDim.x) * per_block; }
  static __device__ unsigned mask() { return ((1u << Threads) - 1) << (threadIdx.x % 32 / Threads * Threads); }
  static __device__ std::int64_t least(std::int64_t x) {
    for (int step = Threads / 2; step > 0; step /= 2) {
      const long long other = __shfl_xor_sync(mask(), static_cast<long long>(x), step);
      x = other < x ? other : x;
    }
    return x;
  }
  template <class T>
  static __device__ T sum(T x) {
    for (int step = Threads / 2; step > 0; step /= 2) x += __shfl_xor_sync(mask(), x, step);
    return x;
  }
};

// Four elements that are moved at once where their address allows it: a thread that has a group to itself would move as
// many sectors as elements otherwise.
template <class S>
struct alignas(4 * sizeof(S) < 16 ? 4 * sizeof(S) : 16) four {
  S of[4];
};
template <class S>
static __device__ bool movable(const S* p, std::int64_t stride) {
  return stride == 1 && reinterpret_cast<std::uintptr_t>(p) % alignof(four<S>) == 0;
}

// A thread's scores, number i, i + Threads, ..., as doubles: 0 for those that are not among the first `left` numbers.
template <int Threads, class Scores>
static __device__ void load_scores(const Scores& scores, std::int64_t i, int left, double (&x)[8]) {
#pragma unroll
  for (int q = 0; q < 8; ++q) x[q] = q * Threads < left ? scores.at(i + q * Threads) : 0;
}
// Addresses are counted in bytes, so that the types share them.
template <int Threads>
static __device__ void load_scores(const stored_scores& scores, std::int64_t i, int left, double (&x)[8]) {
  const source& s = scores.score;
  const std::int64_t stride = s.stride * size_of(s.type);
  const char* const from = static_cast<const char*>(s.data) + i * stride;
  with_numbers(s.data, s.type, [&](const auto* typed) {
    using S = std::remove_cvref_t<decltype(*typed)>;
    const char* p = from;
#pragma unroll
    for (int half = 0; half < 8; half += 4) {
      if (Threads == 1 && left >= half + 4 && movable(reinterpret_cast<const S*>(p), s.stride)) {
        const four<S> all = *reinterpret_cast<const four<S>*>(p);
#pragma unroll
        for (int q = 0; q < 4; ++q) x[half + q] = static_cast<double>(widen(all.of[q]));
        p += 4 * sizeof(S);
        continue;
      }
#pragma unroll
      for (int q = half; q < half + 4; ++q, p += stride * Threads)
        x[q] = q * Threads < left ? static_cast<double>(widen(*reinterpret_cast<const S*>(p))) : 0;
    }
  });
}
template <int Threads>
static __device__ void store_answers(const sink& s, std::int64_t i, int left, bool accumulate, const double (&x)[8]) {
  const std::int64_t stride = s.stride * size_of(s.type);
  char* const to = static_cast<char*>(s.data) + i * stride;
  const bool adds = accumulate && !s.fresh;
  with_numbers(s.data, s.type, [&](auto* typed) {
    using S = std::remove_reference_t<decltype(*typed)>;
    char* p = to;
#pragma unroll
    for (int half = 0; half < 8; half += 4) {
      if (Threads == 1 && !adds && left >= half + 4 && movable(reinterpret_cast<S*>(p), s.stride)) {
        four<S> all;
#pragma unroll
        for (int q = 0; q < 4; ++q) all.of[q] = narrow<S>::from(x[half + q]);
        *reinterpret_cast<four<S>*>(p) = all;
        p += 4 * sizeof(S);
        continue;
      }
#pragma unroll
      for (int q = half; q < half + 4; ++q, p += stride * Threads)
        if (S* const at = reinterpret_cast<S*>(p); q * Threads < left)
          *at = narrow<S>::from(adds ? static_cast<double>(widen(*at)) + x[q] : x[q]);
    }
  });
}

// The scores [begin, end), those of one group or piece, in the threads of a team. Score number i belongs to part i % 8
// of a sum, and the parts are added by halves, for any number of threads: the bits depend on the scores alone.
template <int Threads, class Scores>
class team_scores {
 public:
  using threads = team<Threads>;

  __device__ team_scores(const group_arguments& a, const Scores& scores, std::int64_t begin, std::int64_t end)
      : a_(a), scores_(scores), begin_(begin), end_(end) {}

  // Their moments, in all threads of the team. What the loop reads it reads in one place: it is inlined for each type.
  __device__ moments find_moments() {
    enum stage { choose, add, square, found };
    const bool all = a_.scores.mask.data == nullptr && !a_.exclude_nan;
    moments m = {all ? static_cast<double>(end_ - begin_) : 0, 0, 0};
    double pivot = 0, apart = 0;
    std::int64_t chosen = begin_;
    for (int stage = all ? add : choose; stage != found; ++stage) {
      if (stage == add) {
        if (chosen >= end_) return {};
        pivot = scores_.at(chosen);
      }
      double part[parts] = {};
      std::int64_t first_kept = end_;
      for (std::int64_t first = begin_; first < end_; first += stretch) {
        load(first);
        if (stage == choose) {
          first_kept = choose_from(first, first_kept, part[0]);
        } else if (stage == add) {
#pragma unroll
          for (int q = 0; q < 8; ++q) part[q % parts] += kept_[q] ? x_[q] - pivot : 0;
        } else {
#pragma unroll
          for (int q = 0; q < 8; ++q) {
            const double d = kept_[q] ? (x_[q] - pivot) - apart : 0;
            part[q % parts] = ::fma(d, d, part[q % parts]);
          }
        }
      }
      const double total = sum(part);
      if (stage == choose) m.count = total, chosen = threads::least(first_kept);
      if (stage == add) apart = total / m.count, m.mean = pivot + apart;
      if (stage == square) m.squares = total;
    }
    return m;
  }

  // Writes the answers; the group begins at `start`.
  template <class Function>
  __device__ void map(const Function& f, double mean, std::int64_t start) {
    if (a_.out.data == nullptr) return;
    for (std::int64_t first = begin_; first < end_; first += stretch) {
      load(first);
      const std::int64_t i = first + threads::lane();
      double answer[8];
#pragma unroll
      for (int q = 0; q < 8; ++q) {
        const auto place = static_cast<double>(i + q * Threads - start);
        answer[q] = kept_[q] ? f(group_item<double>{x_[q], x_[q] - mean, place}) : 0;
      }
      store_answers<Threads>(a_.out, i, left(first), a_.accumulate, answer);
    }
  }

 private:
  static constexpr int stretch = 8 * Threads, parts = 8 / Threads;
  const group_arguments& a_;
  const Scores& scores_;
  const std::int64_t begin_, end_;
  std::int64_t loaded_ = -1;
  double x_[8];   // this thread's scores of one stretch
  bool kept_[8];  // whether they take part

  // How many numbers there are from this thread's first of a stretch.
  __device__ int left(std::int64_t first) const {
    const std::int64_t all = end_ - first < stretch ? end_ - first : stretch;
    return static_cast<int>(all) - threads::lane();
  }
  __device__ void load(std::int64_t first) {
    if (loaded_ == first) return;
    loaded_ = first;
    const std::int64_t i = first + threads::lane();
    const int number = left(first);
    load_scores<Threads>(scores_, i, number, x_);
#pragma unroll
    for (int q = 0; q < 8; ++q) kept_[q] = q * Threads < number;
    if (a_.scores.mask.data != nullptr)
#pragma unroll
      for (int q = 0; q < 8; ++q) kept_[q] = kept_[q] && selects(a_.scores.mask, i + q * Threads);
    if (a_.exclude_nan)
#pragma unroll
      for (int q = 0; q < 8; ++q) kept_[q] = kept_[q] && !math::is_nan(x_[q]);
  }
  // Counts the scores that take part; the first of them so far.
  __device__ std::int64_t choose_from(std::int64_t first, std::int64_t found, double& count) const {
#pragma unroll
    for (int q = 0; q < 8; ++q)
      if (kept_[q]) {
        const std::int64_t i = first + threads::lane() + q * Threads;
        found = i < found ? i : found, count += 1;
      }
    return found;
  }
  __device__ double sum(double (&part)[parts]) const {
#pragma unroll
    for (int half = parts / 2; half > 0; half /= 2)
#pragma unroll
      for (int q = 0; q < half; ++q) part[q] += part[q + half];
    return threads::sum(part[0]);
  }
};

static __device__ inline bool has_pieces(const group_scratch& m) { return m.cells[m.count] != no_group; }

// The piece of a cell: an odd one has the first piece of a group, an even one a later piece.
static __device__ inline std::int64_t piece_begin(std::int64_t group_begin, std::int64_t cell) {
  if (cell % 2 != 0) return group_begin;
  const std::int64_t behind = cell / 2 * cuda_group_piece - group_begin;
  return group_begin + (behind + cuda_group_piece - 1) / cuda_group_piece * cuda_group_piece;
}
static __device__ inline std::int64_t cell_of(std::int64_t group_begin, std::int64_t piece) {
  return (group_begin + piece * cuda_group_piece) / cuda_group_piece * 2 + (piece == 0 ? 1 : 0);
}
// All later pieces, then all first ones: of a long group the teams of a warp have work together.
static __device__ inline std::int64_t cell_of_team(const group_scratch& m, std::int64_t team) {
  return team < m.count / 2 ? 2 * team : 2 * (team - m.count / 2) + 1;
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

// What a pass over the groups is for.
struct group_pass {
  bool maps;    // writes what is known of the groups, and their answers
  bool learnt;  // the moments of the groups have been found
};

// The groups, a team each: moments, and if nothing more has to be learnt the answers; long groups enter the table.
template <int Threads, class Rule, class Scores>
static __global__ void __launch_bounds__(group_threads)
    group_kernel(const Rule rule, const Scores scores, const group_arguments a, const group_scratch memory,
                 const group_pass pass) {
  using threads = team<Threads>;
  __shared__ std::int64_t long_begin[threads::per_block], long_pieces[threads::per_block];
  for (std::int64_t base = static_cast<std::int64_t>(blockIdx.x) * threads::per_block; base < a.groups;
       base += threads::step()) {
    const std::int64_t g = base + threads::in_block();
    device_range r = {0, 0, false};
    if (g < a.groups) r = range_at(a.scores, g);
    const bool is_long = r.valid && r.end - r.begin > cuda_group_piece;
    if (g < a.groups && (!is_long || pass.learnt)) {
      team_scores<Threads, Scores> own(a, scores, r.begin, r.end);
      const moments m = pass.learnt          ? memory.groups[g]
                        : !r.valid           ? no_moments()
                        : a.known != nullptr ? moments_at(a.known + 3 * g)
                                             : own.find_moments();
      if (threads::lane() == 0) {
        if (!pass.maps) memory.groups[g] = m;
        if (!r.valid) report_content(memory.report, errc::bad_offsets, g);
        if (pass.maps) write_group(a, g, m);
      }
      if (pass.maps && r.valid && !is_long) own.map(function_of(rule, m, batch_of<Rule>(a, memory)), m.mean, r.begin);
    }
    if (memory.count == 0 || pass.learnt || !__syncthreads_or(is_long)) continue;
    if (threadIdx.x == 0) memory.cells[memory.count] = 0;
    if (threads::lane() == 0)
      long_begin[threads::in_block()] = r.begin, long_pieces[threads::in_block()] = is_long ? pieces_of(r) : 0;
    __syncthreads();
    for (int k = 0; k < threads::per_block; ++k)
      for (std::int64_t piece = threadIdx.x; piece < long_pieces[k]; piece += group_threads)
        atomicMin(&memory.cells[cell_of(long_begin[k], piece)], static_cast<unsigned long long>(base + k));
    __syncthreads();
  }
}

template <class Scores>
static __global__ void __launch_bounds__(group_threads)
    piece_kernel(const Scores scores, const group_arguments a, const group_scratch memory) {
  if (!has_pieces(memory)) return;
  for (std::int64_t k = team<more_threads>::number(); k < memory.count; k += team<more_threads>::step()) {
    const std::int64_t cell = cell_of_team(memory, k);
    if (memory.cells[cell] == no_group) continue;
    const device_range r = range_at(a.scores, static_cast<std::int64_t>(memory.cells[cell]));
    const std::int64_t begin = piece_begin(r.begin, cell), end = begin + cuda_group_piece;
    const moments m = team_scores<more_threads, Scores>(a, scores, begin, end < r.end ? end : r.end).find_moments();
    if (team<more_threads>::lane() == 0) memory.pieces[cell] = m;
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
  if (!has_pieces(memory)) return;
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

template <class Rule, class Scores>
static __global__ void __launch_bounds__(group_threads)
    piece_answer_kernel(const Rule rule, const Scores scores, const group_arguments a, const group_scratch memory) {
  if (!has_pieces(memory)) return;
  for (std::int64_t k = team<more_threads>::number(); k < memory.count; k += team<more_threads>::step()) {
    const std::int64_t cell = cell_of_team(memory, k);
    if (memory.cells[cell] == no_group) continue;
    const auto g = static_cast<std::int64_t>(memory.cells[cell]);
    const device_range r = range_at(a.scores, g);
    const moments m = memory.groups[g];
    const std::int64_t begin = piece_begin(r.begin, cell), end = begin + cuda_group_piece;
    team_scores<more_threads, Scores>(a, scores, begin, end < r.end ? end : r.end)
        .map(function_of(rule, m, batch_of<Rule>(a, memory)), m.mean, r.begin);
  }
}

}  // namespace detail

// Bytes of workspace for group_map of N scores in n groups.
inline std::size_t group_map_workspace(std::int64_t n, std::int64_t scores) {
  const auto cells = static_cast<std::size_t>(detail::group_cells(scores));
  return detail::scratch_alignment + detail::scratch_bytes<moments>(static_cast<std::size_t>(n)) +
         detail::scratch_bytes<moments>(cells) + detail::scratch_bytes<unsigned long long>(cells + 1) +
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
  m.cells = memory.take<unsigned long long>(static_cast<std::size_t>(m.count) + 1);
  m.parts = memory.take<moments>(static_cast<std::size_t>(group_max_parts));
  m.batch = memory.take<double>(3);
  m.finished = memory.take<unsigned>(1);
  m.report = exec.report;
  const cudaStream_t stream = exec.stream.stream;
  const auto clear = [&](void* at, int byte, std::size_t bytes) {
    return cuda_status(cudaMemsetAsync(at, byte, bytes, stream), "cudaMemsetAsync");
  };

  const bool learns = learns_batch<Rule> && a.batch == nullptr;
  const bool small = a.scores.tokens <= 16 * a.groups;  // on average
  const unsigned grid = group_grid(a.groups, small ? few_threads : more_threads),
                 piece_grid = group_grid(m.count, more_threads);
  const auto pass = [&](const group_pass& what) {
    if (small)
      group_kernel<few_threads><<<grid, group_threads, 0, stream>>>(rule, scores, a, m, what);
    else
      group_kernel<more_threads><<<grid, group_threads, 0, stream>>>(rule, scores, a, m, what);
  };
  if (m.count > 0)
    if (const status s = clear(m.cells, 0xff, (static_cast<std::size_t>(m.count) + 1) * sizeof(*m.cells)); !s.ok())
      return s;
  if (a.groups == 0 && a.batch_out == nullptr) return {};
  pass({.maps = !learns, .learnt = false});
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
      if (a.batch_out == nullptr) pass({.maps = true, .learnt = true});
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
