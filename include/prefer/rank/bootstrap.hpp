// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>
#include <prefer/rank/bradley_terry_fit.hpp>
#include <prefer/rank/detail/game_draw.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

// Bootstrap intervals of Bradley-Terry ratings. A replicate draws as many games as there are, with replacement and each
// game with the same probability (a multinomial over pairs and outcomes), and fits them anew, starting from the fit of
// all games. Counts must be whole numbers; a weighted game keeps its weight whenever it is drawn.
//
// Intervals are percentiles of the replicates (linear between order statistics), in the gauge of the fit: sum zero, the
// prior's, or the difference to the anchor.
//
// A replicate may lose the only win of an item and then has no finite ratings. It is counted in `failed`, its row of
// `samples` is NaN, and the intervals are of the others: too short for the items concerned. With a prior this cannot
// happen. Not even one replicate left: the intervals are NaN.
//
// Replicates run on the caller's threads, each on one. Game g of replicate b depends on (seed, b, g) alone, so the
// result is bitwise the same for any number of threads.
//
// Source: Efron 1979; random numbers: core/random.hpp.
namespace prefer {

struct bradley_terry_bootstrap {
  bradley_terry_fit fit = {};
  std::int64_t replicates = 1000;
  std::uint64_t seed = 0;
  double level = 0.95;  // of the intervals
  // How many replicates have memory of their own, so how many threads (on CUDA, blocks of threads) can work at a time.
  // 0 is 16 on the CPU, and on CUDA as many as fit in 512 MiB, up to 512.
  std::int64_t lanes = 0;
};

template <space Space>
struct bootstrap_outputs {
  output_view<1, Space> lower = {};            // [items] percentile (1 - level)/2
  output_view<1, Space> upper = {};            // [items] percentile (1 + level)/2
  output_view<1, Space> standard_errors = {};  // [items] standard deviation of the replicates
  output_view<1, Space> failed = {};           // [1] int32 or int64: replicates without finite ratings
  output_view<2, Space> samples = {};          // [replicates, items] the ratings of every replicate
};

namespace require {

template <space S>
constexpr status bootstrap_arguments(const bradley_terry_bootstrap& o, std::int64_t items,
                                     const bootstrap_outputs<S>& out) {
  status s =
      first_error(fit_parameters(o.fit, items),
                  that(o.replicates >= 1, "replicates", static_cast<double>(o.replicates), "1 or more"),
                  that(o.level > 0 && o.level < 1, "level", o.level, "a number between 0 and 1"),
                  that(o.lanes >= 0, "lanes", static_cast<double>(o.lanes), "0 or more"),
                  optional_output("lower", out.lower, items, "the number of items,", holds::totals),
                  optional_output("upper", out.upper, items, "the number of items,", holds::totals),
                  optional_output("standard_errors", out.standard_errors, items, "the number of items,", holds::totals),
                  optional_output("failed", out.failed, 1, "one element,", holds::indices));
  const auto& v = out.samples;
  if (s.ok() && !v.given() && !out.lower.given() && !out.upper.given() && !out.standard_errors.given() &&
      !out.failed.given())
    s = fail(errc::missing_output, "outputs", "at least one output");
  if (!s.ok() || !v.given()) return s;
  s = element_type("samples", v.type, holds::totals);
  if (s.ok() && v.extent[0] != o.replicates)
    s = fail(errc::bad_extent, "samples", "as many rows as replicates,", static_cast<double>(v.extent[0]),
             static_cast<double>(o.replicates));
  if (s.ok() && v.extent[1] != items)
    s = fail(errc::bad_extent, "samples", "as many columns as items,", static_cast<double>(v.extent[1]),
             static_cast<double>(items));
  if (s.ok() && v.data == nullptr) s = fail(errc::null_data, "samples", "a pointer to its elements, but it is null");
  if (s.ok() && (v.stride[1] < 1 || v.stride[0] < items * v.stride[1]))
    s = fail(errc::bad_stride, "samples", "rows that do not overlap: at least", static_cast<double>(v.stride[0]),
             static_cast<double>(items * std::max<std::int64_t>(1, v.stride[1])));
  return s;
}

template <space S>
status bootstrap_overlap(const comparisons<S>& c, const bootstrap_outputs<S>& out) {
  address_ranges all;
  all.read(c);
  all.write("lower", out.lower);
  all.write("upper", out.upper);
  all.write("standard_errors", out.standard_errors);
  all.write("failed", out.failed);
  all.write("samples", out.samples);
  return all.check();
}

}  // namespace require

inline namespace PREFER_ABI {
namespace detail {

enum class outcome : std::uint8_t { win, loss, tie };

// A kind of game: each adds `value` to the count of an outcome of a pair.
struct game_cell {
  std::int64_t entry;  // in the list of the first item of the pair
  double value;
  outcome what;
};

// The urn with what its cells are.
struct urn_memory {
  game_urn urn = {};
  std::int64_t most_cells = 0;
  game_cell* cell = nullptr;
  std::int64_t* cursor = nullptr;  // [items]
  std::int64_t* mirror = nullptr;  // [entries] where the same pair stands in the other item's list

  void carve(arena& memory, std::int64_t items, std::int64_t cells, std::int64_t entries) {
    most_cells = cells;
    cell = memory.take<game_cell>(cells);
    urn.last = memory.take<std::int64_t>(cells);
    urn.guide = memory.take<std::uint32_t>(game_urn::buckets_per_cell * cells);
    cursor = memory.take<std::int64_t>(items);
    mirror = memory.take<std::int64_t>(entries);
  }

  status add(double games, double value, std::int64_t entry, outcome what, std::int64_t at) {
    if (!(games > 0)) return {};
    if (!is_whole(games))
      return require::fail(errc::bad_label, "counts", "a whole number: games are drawn one by one", games, 0, at);
    if (static_cast<double>(urn.games) + games > static_cast<double>(most_games))
      return require::fail(errc::bad_label, "counts", "at most 2147483647 games in all",
                           static_cast<double>(urn.games) + games, 0, at);
    urn.games += static_cast<std::int64_t>(games);
    urn.last[urn.cells] = urn.games;
    cell[urn.cells++] = {entry, value, what};
    return {};
  }

  void close() {
    urn.set_games(urn.games, most_cells);
    std::int64_t k = 0;
    for (std::int64_t b = 0; b << urn.shift < urn.games; ++b) {
      while (urn.last[k] <= b << urn.shift) ++k;
      urn.guide[b] = static_cast<std::uint32_t>(k);
    }
  }
};

inline std::int64_t most_cells(const comparison_shape& shape, bool weighted) {
  return weighted ? 3 * shape.rows : 3 * (graph_builder::most_entries(shape) / 2);
}

// Rows are sorted by opponent, so the lower items of a row appear in the order in which an outer loop meets them.
inline void find_mirrors(const comparison_graph& g, std::int64_t* cursor, std::int64_t* mirror) {
  for (std::int64_t i = 0; i < g.items; ++i) cursor[i] = g.offsets[i];
  for (std::int64_t i = 0; i < g.items; ++i)
    for (std::int64_t e = g.offsets[i]; e < g.offsets[i + 1]; ++e) mirror[e] = cursor[g.opponent[e]]++;
}

inline std::int64_t find_entry(const comparison_graph& g, std::int64_t i, std::int64_t j) {
  const std::int32_t* first = g.opponent + g.offsets[i];
  const std::int32_t* last = g.opponent + g.offsets[i + 1];
  const std::int32_t* at = std::lower_bound(first, last, static_cast<std::int32_t>(j));
  return at != last && *at == j ? at - g.opponent : -1;
}

inline status fill_urn(const comparison_graph& g, urn_memory& urn) {
  status s;
  for (std::int64_t i = 0; s.ok() && i < g.items; ++i)
    for (std::int64_t e = g.offsets[i]; s.ok() && e < g.offsets[i + 1]; ++e) {
      if (g.opponent[e] < i) continue;
      s = urn.add(g.won[e], 1, e, outcome::win, i);
      if (s.ok()) s = urn.add(g.lost[e], 1, e, outcome::loss, i);
      if (s.ok() && g.tied != nullptr) s = urn.add(g.tied[e], 1, e, outcome::tie, i);
    }
  return s;
}

// With weights the games of a row are a kind of their own; without weight they were not played.
inline status fill_weighted_urn(const comparisons<space::host>& data, const comparison_shape& shape,
                                const comparison_graph& g, urn_memory& urn) {
  status s;
  for (std::int64_t k = 0; s.ok() && k < shape.rows; ++k) {
    const comparison_row r = pair_row(data, k);
    if (!(r.total() > 0)) continue;
    const std::int64_t e = find_entry(g, r.first, r.second);
    s = urn.add(r.first_wins, r.weight, e, outcome::win, k);
    if (s.ok()) s = urn.add(r.second_wins, r.weight, e, outcome::loss, k);
    if (s.ok()) s = urn.add(r.ties, r.weight, e, outcome::tie, k);
  }
  return s;
}

// What one replicate needs: counts of its own on the shared graph, and arrays to fit them.
struct bootstrap_lane {
  comparison_graph graph = {};
  solver_memory arrays = {};
  std::uint32_t* drawn = nullptr;  // [cells]
  double* sorted = nullptr;        // [replicates]

  void carve(arena& memory, const bradley_terry_bootstrap& o, const comparison_shape& shape, bool weighted) {
    const std::int64_t entries = graph_builder::most_entries(shape), padded = entries + graph_builder::padding;
    graph.won = memory.take<double>(padded);
    graph.lost = memory.take<double>(padded);
    if (shape.ties) graph.tied = memory.take<double>(padded);
    arrays.carve(memory, shape.items, entries, o.fit.ties != tie_model::half && shape.ties);
    drawn = memory.take<std::uint32_t>(most_cells(shape, weighted));
    sorted = memory.take<double>(o.replicates);
  }
};

struct bootstrap_memory {
  urn_memory urn = {};
  double* start = nullptr;    // [items] ratings of all games
  double* samples = nullptr;  // [replicates, items]
  bootstrap_lane* lanes = nullptr;
  std::int64_t lane_count = 0;

  void carve(arena& memory, const bradley_terry_bootstrap& o, const comparison_shape& shape, bool weighted) {
    urn.carve(memory, shape.items, most_cells(shape, weighted), graph_builder::most_entries(shape));
    start = memory.take<double>(shape.items);
    samples = memory.take<double>(o.replicates * shape.items);
    lane_count = std::min(o.lanes > 0 ? o.lanes : 16, std::max(o.replicates, shape.items));
    lanes = memory.take<bootstrap_lane>(lane_count);
    for (std::int64_t l = 0; l < lane_count; ++l) {
      bootstrap_lane one;
      one.carve(memory, o, shape, weighted);
      if (lanes != nullptr) lanes[l] = one;
    }
  }
};

inline void measure_bootstrap(arena& memory, const bradley_terry_bootstrap& o, const comparison_shape& shape,
                              bool weighted) {
  measure_fit(memory, o.fit, shape);
  bootstrap_memory().carve(memory, o, shape, weighted);
}

template <space S>
PREFER_HD void store_interval(const bootstrap_outputs<S>& out, std::int64_t i, const rating_interval& r) {
  store_number(out.lower, i, r.lower);
  store_number(out.upper, i, r.upper);
  store_number(out.standard_errors, i, r.standard_error);
}

class bootstrap_run {
 public:
  bootstrap_run(const cpu& exec, isa level, const bradley_terry_bootstrap& options, const comparison_graph& graph,
                const bootstrap_memory& memory, double tie)
      : exec_(exec), level_(level), o_(options), graph_(graph), m_(memory), tie_(tie) {}

  void replicate_all() {
    auto lane = [&](std::int64_t l) {
      for (std::int64_t b = l; b < o_.replicates; b += m_.lane_count) replicate(m_.lanes[l], b);
    };
    run_tasks(exec_, m_.lane_count, lane);
  }

  std::int64_t store(const bootstrap_outputs<space::host>& out) {
    const std::int64_t n = graph_.items;
    auto lane = [&](std::int64_t l) {
      for (std::int64_t i = l; i < n; i += m_.lane_count) summarise(m_.lanes[l].sorted, i, out);
    };
    run_tasks(exec_, m_.lane_count, lane);
    std::int64_t failed = 0;
    for (std::int64_t b = 0; b < o_.replicates; ++b) {
      failed += math::is_nan(m_.samples[b * n]) ? 1 : 0;
      for (std::int64_t i = 0; out.samples.given() && i < n; ++i)
        store_element<double>(out.samples.data, out.samples.type, b * out.samples.stride[0] + i * out.samples.stride[1],
                              m_.samples[b * n + i], false);
    }
    return failed;
  }

 private:
  const cpu& exec_;
  isa level_;
  const bradley_terry_bootstrap& o_;
  const comparison_graph& graph_;
  const bootstrap_memory& m_;
  double tie_;

  void draw(bootstrap_lane& lane, std::int64_t b) const {
    const game_urn& urn = m_.urn.urn;
    std::fill(lane.drawn, lane.drawn + urn.cells, 0u);
    for (std::int64_t g = 0; g < urn.games; g += 2) {
      const random_pair bits =
          draw_pair(o_.seed, bootstrap_stream + static_cast<std::uint64_t>(b), static_cast<std::uint64_t>(g / 2));
      ++lane.drawn[urn.draw(bits.first)];
      if (g + 1 < urn.games) ++lane.drawn[urn.draw(bits.second)];
    }
    comparison_graph& r = lane.graph;
    for (double* a : {r.won, r.lost, r.tied})
      if (a != nullptr) std::fill(a, a + r.entries, 0.0);
    for (std::int64_t k = 0; k < urn.cells; ++k) add(r, m_.urn.cell[k], lane.drawn[k] * m_.urn.cell[k].value);
  }

  void add(comparison_graph& r, const game_cell& c, double count) const {
    const std::int64_t e = c.entry, other = m_.urn.mirror[e];
    if (c.what == outcome::win)
      r.won[e] += count, r.lost[other] += count;
    else if (c.what == outcome::loss)
      r.lost[e] += count, r.won[other] += count;
    else
      r.tied[e] += count, r.tied[other] += count;
  }

  void replicate(bootstrap_lane& lane, std::int64_t b) const {
    const std::int64_t n = graph_.items;
    double* sample = m_.samples + b * n;
    lane.graph.items = n;
    lane.graph.entries = graph_.entries;
    lane.graph.offsets = graph_.offsets;
    lane.graph.opponent = graph_.opponent;
    draw(lane, b);
    const model_choice model = choose_model(o_.fit, lane.graph);
    bool good = check_existence(o_.fit, lane.graph, lane.arrays.links, model).ok();
    if (good) {
      std::copy(m_.start, m_.start + n, lane.arrays.rating);
      const cpu alone{.isa = exec_.isa};
      good = solve_model(alone, level_, model.ties, lane.graph, lane.arrays, settings_of(o_.fit, n), false, true, tie_)
                 .result.converged;
    }
    if (good) place_ratings(o_.fit, n, lane.arrays.rating);
    for (std::int64_t i = 0; i < n; ++i)
      sample[i] = good ? lane.arrays.rating[i] : math::detail::not_a_number<double>();
  }

  void summarise(double* sorted, std::int64_t i, const bootstrap_outputs<space::host>& out) const {
    std::int64_t count = 0;
    for (std::int64_t b = 0; b < o_.replicates; ++b) {
      const double r = m_.samples[b * graph_.items + i];
      if (!math::is_nan(r)) sorted[count++] = r;
    }
    std::sort(sorted, sorted + count);
    store_interval(out, i, interval_of(sorted, count, o_.level));
  }
};

}  // namespace detail

// Bytes that the bootstrap needs, from extents, form and options alone. Views that do not fit together give 0.
inline std::size_t bootstrap_bradley_terry_workspace(const cpu&, const bradley_terry_bootstrap& options,
                                                     const comparisons<space::host>& data) {
  comparison_shape shape;
  if (!require::comparison_views(data, shape).ok()) return 0;
  detail::arena memory;
  detail::measure_bootstrap(memory, options, shape, data.weight.given());
  return memory.bytes();
}

// Errors: those of fit_bradley_terry, for the fit of all games; bad_label for a count that is not a whole number, and
// for more than 2^31 - 1 games. Cost: a draw per game and a fit from a near start per replicate.
inline status bootstrap_bradley_terry(const cpu& exec, const bradley_terry_bootstrap& options,
                                      const comparisons<space::host>& data, const bootstrap_outputs<space::host>& out) {
  comparison_shape shape;
  isa level;
  status s = detail::check_fit(exec, options.fit, data, shape, level);
  if (s.ok()) s = require::bootstrap_arguments(options, shape.items, out);
  if (!s.ok()) return s;
  s = require::bootstrap_overlap(data, out);
  detail::host_scratch lent;
  if (s.ok()) s = lent.provide(exec.workspace, bootstrap_bradley_terry_workspace(exec, options, data));
  if (!s.ok()) return s;

  detail::arena memory(lent.data);
  detail::comparison_graph graph;
  s = detail::make_graph({data, shape, false, exec.content != content::none}, memory, graph);
  if (!s.ok()) return s;
  detail::solver_memory arrays;
  arrays.carve(memory, shape.items, detail::graph_builder::most_entries(shape),
               options.fit.ties != tie_model::half && shape.ties);
  const detail::model_choice model = detail::choose_model(options.fit, graph);
  s = detail::check_existence(options.fit, graph, arrays.links, model);
  if (!s.ok()) return s;

  detail::bootstrap_memory m;
  m.carve(memory, options, shape, data.weight.given());
  detail::find_mirrors(graph, m.urn.cursor, m.urn.mirror);
  s = data.weight.given() ? detail::fill_weighted_urn(data, shape, graph, m.urn) : detail::fill_urn(graph, m.urn);
  if (!s.ok()) return s;
  m.urn.close();

  const detail::fitted f =
      detail::solve_model(exec, level, model.ties, graph, arrays, detail::settings_of(options.fit, shape.items), false);
  s = detail::not_converged(f.result, options.fit.tolerance);
  if (!s.ok()) return s;
  std::copy(arrays.rating, arrays.rating + shape.items, m.start);
  detail::bootstrap_run run(exec, level, options, graph, m, f.result.tie_parameter);
  run.replicate_all();
  const std::int64_t failed = run.store(out);
  if (out.failed.given()) detail::store_count(out.failed.data, out.failed.type, failed);
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
