// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/game/win_rate.hpp>

// The CUDA half of game/win_rate.hpp: a team of threads per sample, 4 to 32 of a warp or a whole block as rows are
// long, one launch.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::int64_t win_rate_warp_columns = 1024;

// The threads of a row: by its length alone, since the order of its sum is theirs.
inline int win_rate_team(std::int64_t opponents) {
  if (opponents > win_rate_warp_columns) return cuda_threads;
  int team = 4;
  while (team < 32 && team < opponents) team *= 2;
  return team;
}

// The sum over a team, in all its threads; every thread of the block takes part.
static __device__ inline double team_sum(double x, int team, double* shared) {
  const int within = team < 32 ? team : 32;
  for (int step = within / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step, within);
  if (team <= 32) return x;
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = x;
  __syncthreads();
  double all = 0;
  for (int warp = 0; warp < cuda_threads / 32; ++warp) all += shared[warp];
  __syncthreads();
  return all;
}

template <class S>
static __device__ void add_opponents(const win_rate_tables& w, std::int64_t b, std::int64_t i, int rank, int team,
                                     double& sum, double& met) {
  const S* const row = static_cast<const S*>(w.preference.data) + w.preference.row(b, i);
  const std::int64_t end = w.opponents_of(b), stride = w.preference.stride[2], self = w.self(i);
  if (w.opponent_mask.data == nullptr && w.games.data == nullptr) {
#pragma unroll 4
    for (std::int64_t j = rank; j < end; j += team) {
      const bool meets = j != self;
      sum += meets ? static_cast<double>(widen(row[j * stride])) : 0;
      met += meets ? 1 : 0;
    }
    return;
  }
  for (std::int64_t j = rank; j < end; j += team) {
    if (!w.meets(b, i, j)) continue;
    const double x = static_cast<double>(widen(row[j * stride]));
    const double games = w.games.data == nullptr ? 1
                                                 : load_element<double>(w.games.data, w.games.type,
                                                                        w.games.row(b, i) + j * w.games.stride[2]);
    sum += rate_of(x, games), met += games > 0 ? 1 : 0;
  }
}

static __device__ inline void write_gradient(const win_rate_tables& w, std::int64_t b, std::int64_t i, bool present,
                                             double slope, int rank, int team) {
  const std::int64_t there = present ? w.opponents_of(b) : 0;
  for (std::int64_t j = rank; j < w.opponents; j += team) {
    double x = j < there && w.meets(b, i, j) ? slope : 0;
    if (w.games.data != nullptr && x != 0)
      x = rate_of(x, load_element<double>(w.games.data, w.games.type, w.games.row(b, i) + j * w.games.stride[2]));
    store_element(const_cast<void*>(w.grad_preference.data), w.grad_preference.type,
                  w.grad_preference.row(b, i) + j * w.grad_preference.stride[2], x, false);
  }
}

template <class S>
static __global__ void __launch_bounds__(cuda_threads)
    win_rate_kernel(const win_rate_tables w, const int team, content_report* report) {
  __shared__ double shared[cuda_threads / 32];
  const int teams = cuda_threads / team, nth = static_cast<int>(threadIdx.x) / team;
  const int rank = static_cast<int>(threadIdx.x) % team;
  const std::int64_t rows = w.batch * w.samples;
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * teams; first < rows;
       first += static_cast<std::int64_t>(gridDim.x) * teams) {
    const bool mine = first + nth < rows;
    const std::int64_t r = mine ? first + nth : 0, b = r / w.samples, i = r % w.samples;
    const bool known = w.samples_of(b) >= 0 && w.opponents_of(b) >= 0, present = mine && known && w.has_sample(b, i);
    double sum = 0, met = 0;
    if (present) add_opponents<S>(w, b, i, rank, team, sum, met);
    sum = team_sum(sum, team, shared), met = team_sum(met, team, shared);
    const double nan = math::detail::not_a_number<double>();
    if (mine && rank == 0) {
      if (present)
        w.finish(b, i, sum, met);
      else if (known)
        w.write(b, i, 0, 0, 0);
      else
        w.write(b, i, nan, nan, nan), report_content(report, errc::bad_index, b);
    }
    if (mine && w.grad_preference.data != nullptr)
      write_gradient(w, b, i, present, present ? w.slope(b, i, w.with_self(met)) : 0, rank, team);
  }
}

inline status run_win_rates(const cuda& exec, const win_rate_tables& w) {
  if (w.batch * w.samples == 0) return {};
  const int team = win_rate_team(w.opponents);
  const std::int64_t teams = cuda_threads / team, blocks = (w.batch * w.samples + teams - 1) / teams;
  const auto grid = static_cast<unsigned>(blocks < 65536 ? blocks : 65536);
  with_elements(w.preference.data, w.preference.type, [&](const auto* p) {
    using S = std::remove_cvref_t<decltype(*p)>;
    win_rate_kernel<S><<<grid, cuda_threads, 0, exec.stream.stream>>>(w, team, exec.report);
  });
  return launch_status("win_rates");
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
