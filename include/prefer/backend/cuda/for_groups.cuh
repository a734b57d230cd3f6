// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/backend/for_groups.hpp>

// for_groups on CUDA (contract: backend/for_groups.hpp): a team is a warp, or a block where groups are large.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int for_groups_threads = 256;

// What a team keeps in shared memory.
template <int Threads>
struct team_memory {
  std::int64_t sum[Threads / 32];
  ranked best[Threads / 32];
  unsigned counts[256];
};

template <class Keys>
struct thread_places {
  const Keys& keys;
  std::int64_t first;
  PREFER_HD ranked operator()(std::int64_t i) const { return {keys.key(first + i), i}; }
};

template <int Threads>
struct thread_team {
  team_memory<Threads>* memory;
  content_report* report;

  static constexpr int warps = Threads / 32;
  __device__ static int rank() { return static_cast<int>(threadIdx.x) % Threads; }
  __device__ static int lane() { return rank() % 32; }
  __device__ static int warp() { return rank() / 32; }
  __device__ static void sync() {
    if constexpr (warps == 1)
      __syncwarp();
    else
      __syncthreads();
  }

  template <class F>
  __device__ void each(std::int64_t n, F f) const {
    for (std::int64_t i = rank(); i < n; i += Threads) f(i);
    sync();
  }
  template <class F>
  __device__ std::int64_t total(std::int64_t n, F f) const {
    long long x = 0;
    for (std::int64_t i = rank(); i < n; i += Threads) x += f(i);
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    if constexpr (warps > 1) {
      if (lane() == 0) memory->sum[warp()] = x;
      sync();
      x = 0;
      for (int w = 0; w < warps; ++w) x += memory->sum[w];
    }
    sync();
    return x;
  }
  template <class F>
  __device__ ranked first(std::int64_t n, F f) const {
    ranked best{left_out, -1};
    for (std::int64_t i = rank(); i < n; i += Threads) best = earlier(best, f(i));
    for (int step = 16; step > 0; step /= 2)
      best = earlier(
          best,
          {static_cast<std::uint64_t>(__shfl_xor_sync(0xffffffffu, static_cast<unsigned long long>(best.key), step)),
           static_cast<std::int64_t>(__shfl_xor_sync(0xffffffffu, static_cast<long long>(best.item), step))});
    if constexpr (warps > 1) {
      if (lane() == 0) memory->best[warp()] = best;
      sync();
      for (int w = 0; w < warps; ++w) best = earlier(best, memory->best[w]);
    }
    sync();
    return best;
  }
  template <class F>
  __device__ digit_place digit(std::int64_t n, F f, std::int64_t nth) const {
    for (int d = rank(); d < 256; d += Threads) memory->counts[d] = 0;
    sync();
    for (std::int64_t i = rank(); i < n; i += Threads)
      if (const int d = f(i); d >= 0) atomicAdd(memory->counts + d, 1u);
    sync();
    // Every warp finds it: eight digits per lane.
    long long mine = 0;
    for (int k = 0; k < 8; ++k) mine += memory->counts[8 * lane() + k];
    long long until = mine;
    for (int step = 1; step < 32; step *= 2)
      if (const long long x = __shfl_up_sync(0xffffffffu, until, step); lane() >= step) until += x;
    const unsigned reached = __ballot_sync(0xffffffffu, until > nth);
    const int at = reached == 0 ? 31 : __ffs(static_cast<int>(reached)) - 1;
    digit_place p;
    p.before = __shfl_sync(0xffffffffu, until - mine, at);
    p.digit = 8 * at;
    while (p.digit < 8 * at + 7 && p.before + memory->counts[p.digit] <= nth) p.before += memory->counts[p.digit++];
    p.here = memory->counts[p.digit];
    sync();
    return p;
  }
  template <class F, class G>
  __device__ std::int64_t prefix(std::int64_t n, F f, G g) const {
    long long sum = 0;
    for (std::int64_t first = 0; first < n; first += Threads) {
      const std::int64_t i = first + rank();
      const long long mine = i < n ? f(i) : 0;
      long long until = mine;
      for (int step = 1; step < 32; step *= 2)
        if (const long long x = __shfl_up_sync(0xffffffffu, until, step); lane() >= step) until += x;
      long long before = until - mine, all = __shfl_sync(0xffffffffu, until, 31);
      if constexpr (warps > 1) {
        if (lane() == 31) memory->sum[warp()] = until;
        sync();
        all = 0;
        for (int w = 0; w < warps; ++w) {
          if (w < warp()) before += memory->sum[w];
          all += memory->sum[w];
        }
        sync();
      }
      if (i < n) g(i, static_cast<std::int64_t>(sum + before));
      sum += all;
    }
    sync();
    return sum;
  }
  template <class Keys>
  __device__ thread_places<Keys> places(const group_range& g, const Keys& keys) const {
    return {keys, g.first};
  }
  template <class F>
  __device__ void once(F f) const {
    if (rank() == 0) f();
    sync();
  }
  __device__ void fault(errc code, std::int64_t index) const { report_content(report, code, index); }

 private:
  // {left_out, -1} is nothing yet.
  __device__ static ranked earlier(const ranked& a, const ranked& b) {
    if (a.item < 0 || b.item < 0) return a.item < 0 ? b : a;
    return b < a ? b : a;
  }
};

template <int Threads, class Work>
static __global__ void __launch_bounds__(for_groups_threads)
    for_groups_kernel(const group_table groups, const Work work, content_report* report) {
  constexpr int teams = for_groups_threads / Threads;
  __shared__ team_memory<Threads> memory[teams];
  const int nth = static_cast<int>(threadIdx.x) / Threads;
  const thread_team<Threads> team{memory + nth, report};
  for (std::int64_t b = static_cast<std::int64_t>(blockIdx.x) * teams + nth; b < groups.groups;
       b += static_cast<std::int64_t>(gridDim.x) * teams) {
    group_range g;
    const bool valid = groups.find(b, g);
    if (!valid && team.rank() == 0) report_content(report, errc::bad_offsets, b);
    work(team, g);
  }
}

template <int Threads, class Work>
status launch_groups(const cuda& exec, const group_table& groups, const Work& work) {
  constexpr int teams = for_groups_threads / Threads;
  const std::int64_t blocks = (groups.groups + teams - 1) / teams;
  const unsigned grid = static_cast<unsigned>(blocks < 65536 ? blocks : 65536);
  for_groups_kernel<Threads, Work><<<grid, for_groups_threads, 0, exec.stream.stream>>>(groups, work, exec.report);
  return launch_status("for_groups");
}

}  // namespace detail

template <class Work>
status for_groups(const cuda& exec, const detail::group_table& groups, const Work& work) {
  if (groups.groups == 0) return {};
  // By what the host knows: the mean size.
  return groups.samples / groups.groups <= 512 ? detail::launch_groups<32>(exec, groups, work)
                                               : detail::launch_groups<detail::for_groups_threads>(exec, groups, work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
