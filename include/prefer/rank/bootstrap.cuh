// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/rank/bootstrap.hpp>
#include <prefer/rank/detail/device_solver.cuh>

#include <algorithm>
#include <cstddef>
#include <cstdint>

// Bootstrap intervals on CUDA: the call of bootstrap.hpp with prefer::cuda and device memory. It enqueues the
// construction of the graph and of the urn of games, one cooperative kernel that fits all games, one in which every
// block of threads draws and fits one replicate after the other, and one that sorts each item's replicates.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// What one block of threads needs.
struct device_bootstrap_lane {
  device_graph graph;  // the pairs of all games with counts of its own
  device_solver_memory solver = {};
  std::uint32_t* drawn = nullptr;  // [cells]
  double* sorted = nullptr;        // [replicates]

  PREFER_HD void carve(arena& memory, const device_graph& all, std::int64_t entries, std::int64_t cells,
                       std::int64_t replicates) {
    graph = all;
    graph.carve_counts(memory, entries);
    solver.carve(memory, graph);
    drawn = memory.take<std::uint32_t>(cells);
    sorted = memory.take<double>(replicates);
  }
};

// The tie parameter of all games, as users see it, and whether there is a fit.
struct device_bootstrap_state {
  double tie_parameter;
  std::uint8_t converged;
};

// The memory of one call. Cells are three per entry of the graph, of which the list of the lower item of a pair holds
// the games; with weights three per row.
struct device_bootstrap_memory {
  device_fit_memory fit;
  device_counts counts;
  std::int64_t entries = 0, cells = 0;
  std::int64_t* pair = nullptr;  // [entries] where the lower item of the pair lists it
  game_urn* urn = nullptr;
  std::int64_t* last = nullptr;
  std::uint32_t* guide = nullptr;
  void* temporary = nullptr;
  std::size_t temporary_bytes = 0;
  device_bootstrap_state* state = nullptr;
  double* samples = nullptr;  // [replicates, items]
  char* lanes = nullptr;
  std::int64_t lane_count = 0, lane_bytes = 0;

  status carve(arena& memory, const bradley_terry_bootstrap& o, const comparison_shape& shape, bool weighted) {
    status s = fit.carve(memory, o.fit, shape);
    entries = device_graph::most_entries(shape);
    cells = 3 * (weighted ? shape.rows : entries);
    if (!weighted) {
      counts.carve(memory, entries);
      pair = memory.take<std::int64_t>(entries);
    }
    urn = memory.take<game_urn>(1);
    last = memory.take<std::int64_t>(cells);
    guide = memory.take<std::uint32_t>(game_urn::buckets_per_cell * cells);
    if (s.ok()) s = running_sum(nullptr, temporary_bytes, last, cells, nullptr);
    temporary = memory.take<char>(static_cast<std::int64_t>(temporary_bytes));
    state = memory.take<device_bootstrap_state>(1);
    samples = memory.take<double>(o.replicates * shape.items);
    arena one;
    device_bootstrap_lane().carve(one, fit.graph, entries, cells, o.replicates);
    lane_bytes = static_cast<std::int64_t>(one.bytes());
    const std::int64_t fitting = std::clamp<std::int64_t>((std::int64_t{1} << 29) / lane_bytes, 1, 512);
    lane_count = std::min(o.lanes > 0 ? o.lanes : fitting, std::max(o.replicates, shape.items));
    lanes = memory.take<char>(lane_count * lane_bytes);
    return s;
  }
};

struct device_bootstrap {
  device_input in;
  device_problem problem;
  device_build build;
  device_bootstrap_memory memory;
  bradley_terry_bootstrap options;
  bootstrap_outputs<space::device> out;
  bool weighted;

  __device__ const device_graph& graph() const { return problem.graph; }

  __device__ device_bootstrap_lane lane() const {
    arena carved(memory.lanes + blockIdx.x * memory.lane_bytes);
    device_bootstrap_lane l;
    l.carve(carved, graph(), memory.entries, memory.cells, options.replicates);
    return l;
  }

  // Where a bad count is reported, as on the CPU: the row with weights, else the item.
  __device__ std::int64_t place_of(std::int64_t cell) const {
    return weighted ? cell / 3 : build.item_of(graph(), cell / 3);
  }

  // Where the opponent lists the pair of entry e.
  __device__ std::int64_t mirror_of(std::int64_t i, std::int64_t e) const {
    const std::int64_t j = graph().opponent_of(i, e);
    if (graph().offsets == nullptr) return j * graph().items + i;
    std::int64_t low = graph().begin(j), high = graph().end(j);
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (graph().opponent[middle] < i)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

  // The games of three cells, one for each outcome.
  __device__ device_games games_of(std::int64_t triple) const {
    if (weighted) {
      const comparison_row r = pair_row(in.data, triple);
      const bool played = check_row(in, r) == errc::ok && r.total() > 0;
      return played ? device_games{r.first_wins, r.second_wins, r.ties} : device_games{};
    }
    if (triple >= graph().entries() || memory.pair[triple] != triple) return {};
    return {memory.counts.won[triple], memory.counts.lost[triple], memory.counts.tied[triple]};
  }

  // What an entry counts in a replicate.
  __device__ device_games drawn_of(const std::uint32_t* drawn, std::int64_t e) const {
    if (!weighted) {
      const std::uint32_t* d = drawn + 3 * memory.pair[e];
      const device_games n{static_cast<double>(d[0]), static_cast<double>(d[1]), static_cast<double>(d[2])};
      return memory.pair[e] == e ? n : n.mirrored();
    }
    device_games sum;
    for (std::int64_t k = build.run[e]; k < build.run[e + 1]; ++k) {
      const std::int64_t row = build.sorted_use[k] / 2;
      const double w = number_at(in.data.weight, row);
      const std::uint32_t* d = drawn + 3 * row;
      const device_games n{w * d[0], w * d[1], w * d[2]}, own = build.sorted_use[k] % 2 == 0 ? n : n.mirrored();
      sum = {sum.won + own.won, sum.lost + own.lost, sum.tied + own.tied};
    }
    return sum;
  }
};

static __global__ void find_pairs(device_bootstrap p) {
  const std::int64_t entries = p.graph().entries();
  for (std::int64_t e = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; e < entries;
       e += std::int64_t{gridDim.x} * blockDim.x) {
    const std::int64_t i = p.build.item_of(p.graph(), e);
    p.memory.pair[e] = i <= p.graph().opponent_of(i, e) ? e : p.mirror_of(i, e);
  }
}

static __global__ void count_games(device_bootstrap p) {
  for (std::int64_t c = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; c < p.memory.cells;
       c += std::int64_t{gridDim.x} * blockDim.x) {
    const device_games n = p.games_of(c / 3);
    const double games = c % 3 == 0 ? n.won : c % 3 == 1 ? n.lost : n.tied;
    if (!is_whole(games)) refuse(p.in, p.graph().bad, errc::bad_label, p.place_of(c));
    // Too many games stay too many, and the sum in range.
    p.memory.last[c] = static_cast<std::int64_t>(math::min(games, static_cast<double>(most_games + 1)));
  }
}

static __global__ void fill_guide(device_bootstrap p) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x, cells = p.memory.cells,
                     self = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x;
  const std::int64_t* last = p.memory.last;
  game_urn urn;
  urn.cells = cells;
  urn.last = p.memory.last;
  urn.guide = p.memory.guide;
  urn.set_games(cells > 0 ? last[cells - 1] : 0, cells);
  if (self == 0) *p.memory.urn = urn;
  for (std::int64_t c = self; c < cells; c += step)
    if (last[c] > most_games && (c == 0 || last[c - 1] <= most_games))
      refuse(p.in, p.graph().bad, errc::bad_label, p.place_of(c));
  for (std::int64_t b = self; b << urn.shift < urn.games; b += step) {
    std::int64_t low = 0, high = cells - 1;
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (last[middle] <= b << urn.shift)
        low = middle + 1;
      else
        high = middle;
    }
    urn.guide[b] = static_cast<std::uint32_t>(low);
  }
}

// The counts of replicate b, by a block.
static __device__ inline void draw_replicate(const device_bootstrap& p, const device_bootstrap_lane& lane,
                                             std::int64_t b) {
  const game_urn urn = *p.memory.urn;
  for (std::int64_t c = threadIdx.x; c < urn.cells; c += team_threads) lane.drawn[c] = 0;
  __syncthreads();
  for (std::int64_t g = 2 * std::int64_t{threadIdx.x}; g < urn.games; g += 2 * team_threads) {
    const random_pair bits =
        draw_pair(p.options.seed, bootstrap_stream + static_cast<std::uint64_t>(b), static_cast<std::uint64_t>(g / 2));
    atomicAdd(lane.drawn + urn.draw(bits.first), 1u);
    if (g + 1 < urn.games) atomicAdd(lane.drawn + urn.draw(bits.second), 1u);
  }
  __syncthreads();
  const std::int64_t entries = p.graph().entries();
  for (std::int64_t e = threadIdx.x; e < entries; e += team_threads)
    write_entry(lane.graph, e, p.drawn_of(lane.drawn, e));
  __syncthreads();
}

template <class Edge>
static __global__ void __launch_bounds__(team_threads) replicate_kernel(device_bootstrap p) {
  __shared__ double shared[team_threads / 32];
  const device_bootstrap_lane lane = p.lane();
  const std::int64_t n = p.graph().items;
  const double tie = solved_tie_parameter(p.graph().ties, p.memory.state->tie_parameter);
  for (std::int64_t b = blockIdx.x; b < p.options.replicates; b += gridDim.x) {
    device_passes<block_team> passes(lane.graph, lane.solver.partial, shared);
    device_solver<Edge, block_team> solver(passes, lane.graph, lane.solver, p.problem.settings);
    bool good = p.memory.state->converged != 0;
    if (good) {
      draw_replicate(p, lane, b);
      solver.prepare();
      std::int64_t item = 0;
      good = solver.exists(item);
    }
    double shift = 0;
    if (good) {
      solver.start([&](std::int64_t i) { return p.problem.memory.rating[i]; }, tie);
      solver.solve();
      good = solver.result().converged;
      shift = solver.shift(p.options.fit);
    }
    for (std::int64_t i = threadIdx.x; i < n; i += team_threads) {
      const double x = !good                       ? math::detail::not_a_number<double>()
                       : i == p.options.fit.anchor ? p.options.fit.anchor_rating
                                                   : lane.solver.rating[i] + shift;
      p.memory.samples[b * n + i] = x;
      const auto& v = p.out.samples;
      if (v.type != element::none) store_element<double>(v.data, v.type, b * v.stride[0] + i * v.stride[1], x, false);
    }
    __syncthreads();
  }
}

// Sorts by a block: a bitonic network whose every step moves the larger number up, so that what is missing to a power
// of two would stay behind the end.
static __device__ inline void sort_by_block(double* x, std::int64_t n) {
  for (std::int64_t size = 2; size / 2 < n; size *= 2)
    for (std::int64_t step = size / 2; step > 0; step /= 2) {
      __syncthreads();
      for (std::int64_t t = threadIdx.x; 2 * (t / step) * step < n; t += team_threads) {
        const std::int64_t low = 2 * (t / step) * step + t % step,
                           high = step == size / 2 ? low ^ (size - 1) : low + step;
        if (high >= n || !(x[low] > x[high])) continue;
        const double y = x[low];
        x[low] = x[high];
        x[high] = y;
      }
    }
  __syncthreads();
}

static __global__ void __launch_bounds__(team_threads) interval_kernel(device_bootstrap p) {
  __shared__ unsigned failed;
  double* const sorted = p.lane().sorted;
  const std::int64_t n = p.graph().items, replicates = p.options.replicates;
  for (std::int64_t i = blockIdx.x; i < n; i += gridDim.x) {
    if (threadIdx.x == 0) failed = 0;
    __syncthreads();
    for (std::int64_t b = threadIdx.x; b < replicates; b += team_threads) {
      const double r = p.memory.samples[b * n + i];
      sorted[b] = math::is_nan(r) ? math::detail::infinity<double>() : r;
      if (math::is_nan(r)) atomicAdd(&failed, 1u);
    }
    sort_by_block(sorted, replicates);
    if (threadIdx.x == 0) {
      store_interval(p.out, i, interval_of(sorted, replicates - failed, p.options.level));
      if (i == 0 && p.out.failed.type != element::none) store_count(p.out.failed.data, p.out.failed.type, failed);
    }
    __syncthreads();
  }
}

// The urn holds the games that the graph was made of.
inline status fill_urn(cudaStream_t stream, const device_bootstrap& p) {
  status s;
  if (!p.weighted) {
    find_pairs<<<device_blocks(p.memory.entries), 256, 0, stream>>>(p);
    s = launch_status("find_pairs");
  }
  if (s.ok() && p.memory.cells > 0) {
    count_games<<<device_blocks(p.memory.cells), 256, 0, stream>>>(p);
    s = launch_status("count_games");
    std::size_t bytes = p.memory.temporary_bytes;
    if (s.ok()) s = running_sum(p.memory.temporary, bytes, p.memory.last, p.memory.cells, stream);
  }
  if (!s.ok()) return s;
  fill_guide<<<device_blocks(game_urn::buckets_per_cell * p.memory.cells), 256, 0, stream>>>(p);
  return launch_status("fill_guide");
}

template <class Edge>
status launch_bootstrap(const cuda& exec, const device_bootstrap& p) {
  const device_fit_outputs all{
      p.options.fit,
      {.tie_parameter = {&p.memory.state->tie_parameter, 1}, .converged = {&p.memory.state->converged, 1}}};
  status s = launch_team(exec, "fit_kernel", fit_kernel<Edge>, tiles_of(p.problem.graph.items, p.problem.graph.lanes),
                         p.problem, all);
  if (!s.ok()) return s;
  const auto blocks = [&](std::int64_t work) { return static_cast<unsigned>(std::min(work, p.memory.lane_count)); };
  replicate_kernel<Edge><<<blocks(p.options.replicates), team_threads, 0, exec.stream.stream>>>(p);
  if (s = launch_status("replicate_kernel"); !s.ok()) return s;
  interval_kernel<<<blocks(p.problem.graph.items), team_threads, 0, exec.stream.stream>>>(p);
  return launch_status("interval_kernel");
}

}  // namespace detail

// Bytes of device memory that the bootstrap needs, from extents, form and options alone. Views that do not fit together
// give 0.
inline std::size_t bootstrap_bradley_terry_workspace(const cuda&, const bradley_terry_bootstrap& options,
                                                     const comparisons<space::device>& data) {
  comparison_shape shape;
  if (!require::comparison_views(data, shape).ok()) return 0;
  detail::device_bootstrap_memory m;
  return detail::bytes_of([&](detail::arena& memory) { return m.carve(memory, options, shape, data.weight.given()); });
}

// Enqueues the bootstrap. Memory, reports and bits are as for fit_bradley_terry on CUDA; the same games are drawn as on
// the CPU, so that counts are equal and ratings agree to the tolerance of the fits.
//
// Errors that the host can see are those of the CPU. What it cannot see is reported, as by the fit and, for the counts,
// as on the CPU (bad_label with the row of a weighted game, else with the item); so is a fit of all games that does not
// converge. All results are then NaN, and every replicate has failed.
inline status bootstrap_bradley_terry(const cuda& exec, const bradley_terry_bootstrap& options,
                                      const comparisons<space::device>& data,
                                      const bootstrap_outputs<space::device>& out) {
  comparison_shape shape;
  status s = require::comparison_views(data, shape);
  if (s.ok()) s = require::bootstrap_arguments(options, shape.items, out);
  if (s.ok()) s = require::bootstrap_overlap(data, out);
  if (!s.ok()) return s;
  const bool weighted = data.weight.given();
  detail::scratch owner;
  detail::device_bootstrap_memory m;
  s = detail::reserve(exec, owner, [&](detail::arena& memory) { return m.carve(memory, options, shape, weighted); });
  if (s.ok())
    s = require::that(m.cells <= 4294967295, "items", static_cast<double>(shape.items),
                      "fewer items or rows: at most 2^32 - 1 outcomes of pairs");
  if (!s.ok()) return s;
  const detail::device_bootstrap p{
      {data, shape, exec.report, m.counts},
      {m.fit.graph, m.fit.solver, detail::settings_of(options.fit, shape.items), exec.report},
      m.fit.build,
      m,
      options,
      out,
      weighted};
  s = detail::build_graph(exec.stream.stream, p.in, m.fit.graph, m.fit.build);
  if (s.ok()) s = detail::fill_urn(exec.stream.stream, p);
  if (!s.ok()) return s;
  return detail::with_edge(m.fit.graph,
                           [&]<class Edge>(const Edge&) { return detail::launch_bootstrap<Edge>(exec, p); });
}

}  // namespace PREFER_ABI
}  // namespace prefer
