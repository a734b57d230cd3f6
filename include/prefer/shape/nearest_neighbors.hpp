// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/cpu/nearest.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/shape/detail/samples.hpp>
#include <prefer/shape/metric.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// The k nearest samples of every sample, exactly.
namespace prefer {

template <space S>
struct neighbor_inputs {
  input_view<2, S> point = {};  // [N, D]
  input_view<1, S> mask = {};   // N; bool or uint8: zero leaves a sample out; it may hold anything
  input_view<2, S> query = {};  // [M, D]; if not given, the samples themselves, none of which is its own neighbour
};

// Either may be left out; k is their number of columns.
template <space S>
struct neighbor_outputs {
  output_view<2, S> index = {};     // [M, k]: int32 or int64; -1 where there are fewer
  output_view<2, S> distance = {};  // [M, k]; infinity where there are fewer
};

inline namespace PREFER_ABI {
namespace detail {

// What was found, and distances from the elements in double, for for_groups over entries.
template <class T, class Metric>
struct neighbor_work {
  Metric metric;
  pair_fold_arguments pairs;
  nearest_lists<T> lists;
  row_sink index, distance;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { write(g.first + i); });
  }
  PREFER_HD void write(std::int64_t entry) const {
    const std::int64_t query = entry / lists.k, nth = entry % lists.k, point = lists.point[entry];
    const row_source& from = pairs.same() ? pairs.point : pairs.query;
    if (index.data != nullptr)
      store_index(index.data, index.type, query * index.row_stride + nth * index.stride, point);
    if (distance.data != nullptr)
      store_element(distance.data, distance.type, query * distance.row_stride + nth * distance.stride,
                    point < 0 ? math::detail::infinity<double>()
                              : distance_of(metric, from, query, pairs.point, point, pairs.width),
                    false);
  }
};

// A call, in memory of its own and of nearest.
template <class T, class Metric>
struct neighbor_call {
  neighbor_work<T, Metric> work;

  using value_type = T;

  template <class Memory>
  void carve(Memory& memory) {
    work.lists.distance = memory.template take<T>(work.pairs.queries * work.lists.k);
    work.lists.point = memory.template take<std::int64_t>(work.pairs.queries * work.lists.k);
  }
  template <class Exec>
  std::size_t inner_bytes(const Exec& exec) const {
    return pair_fold_workspace<T>(exec, work.pairs);
  }
  template <class Exec>
  status run(const Exec& exec) const {
    if (work.pairs.queries == 0 || work.lists.k == 0) return {};
    if (const status s = nearest<T>(exec, work.metric, work.lists, work.pairs); !s.ok()) return s;
    return for_groups(exec, pieces_of(work.pairs.queries * work.lists.k), work);
  }
};

struct neighbor_arguments {
  sample_values v;
  pair_fold_arguments pairs;
  std::int64_t k = 0;
  row_sink index, distance;

  template <class T, class Metric>
  neighbor_call<T, Metric> call(const Metric& metric) const {
    return {{metric, pairs, {k}, index, distance}};
  }
};

template <space S>
status make_neighbors(const neighbor_inputs<S>& in, const neighbor_outputs<S>& out, neighbor_arguments& a) {
  using require::holds;
  sample_values& v = a.v;
  if (const status s = make_points(in.point, v); !s.ok()) return s;
  if (const status s = some_output(out.index, out.distance); !s.ok()) return s;
  const std::int64_t n = in.query.given() ? in.query.extent[0] : v.samples;
  if (n < 0) return require::fail(errc::bad_extent, "query", "rows, at least", static_cast<double>(n), 0);
  const bool indices = out.index.given();
  a.k = indices ? out.index.extent[1] : out.distance.extent[1];
  if (a.k < 1)
    return require::fail(errc::bad_extent, indices ? "index" : "distance", "neighbours per query, at least",
                         static_cast<double>(a.k), 1);
  call_checks<3, 2> call;
  call.read("point", in.point, v.samples, v.width);
  call.read("mask", in.mask, v.samples, "the number of samples,", holds::flags);
  call.read("query", in.query, n, v.width);
  call.write("index", out.index, n, a.k, holds::indices);
  call.write("distance", out.distance, n, a.k, holds::numbers);
  v.mask = place_of(in.mask);
  v.in_double = v.in_double || in.query.type == element::f64;
  a.pairs.point = v.point, a.pairs.mask = v.mask, a.pairs.query = place_of(in.query);
  a.pairs.points = v.samples, a.pairs.queries = n, a.pairs.width = v.width;
  a.pairs.among = in.query.given() ? pairs_among::query_and_point : pairs_among::others;
  a.index = place_of(out.index), a.distance = place_of(out.distance);
  return call.check();
}

}  // namespace detail

// Bytes of workspace: per query and neighbour 12 or 16; on the CPU points and queries once more in the type of the
// arithmetic, on CUDA a byte each. 0 for views that do not fit together.
template <class Exec, class Metric>
std::size_t nearest_neighbors_workspace(const Exec& exec, const Metric& metric,
                                        const std::type_identity_t<neighbor_inputs<Exec::memory>>& in,
                                        const std::type_identity_t<neighbor_outputs<Exec::memory>>& out) {
  detail::neighbor_arguments a;
  if (!detail::make_neighbors(in, out, a).ok()) return 0;
  return a.v.with_type([&](auto zero) {
    auto call = a.call<decltype(zero)>(metric);
    return call_bytes(exec, call);
  });
}

// The k nearest of N samples to every query by a metric of shape/metric.hpp, nearest first, of equal distances the
// lowest sample first:
//
//   index_q = the k samples j with the least (d(x_q, x_j), j),     distance_qs = d(x_q, x_(index_qs))
//
//   find_nearest_neighbors(cpu{.pool = pool}, metric::l2{}, {.point = {x, N, D}}, {.index = {j, N, k}});
//
// Without `query` the queries are the samples, and a sample is not its own neighbour (an equal one is, at distance 0).
// Exact, not approximate: for find_neighbor_lipschitz_constant, densities and novelty, and as the truth that an
// approximate index is measured by. Distances are compared in float unless something is double, and reported in double
// from the elements; those of near duplicates far from 0 are right (see shape/lipschitz_constant.hpp). With fewer than
// k others, or for a query that is left out or not finite, the rest is -1 at distance infinity.
//
// Samples that are masked out or not finite are no one's neighbour (with content::all on the CPU the latter are an
// error). Cost: M N D differences, and per query about k log(N / k) insertions, each in k steps. Threads share queries;
// the result is the same for any number of them. nearest_neighbors_workspace bytes of the workspace, or one allocation
// on the CPU and memory in stream order on CUDA; three or four launches. Errors: shapes, types, overlap; nothing has
// been written then.
template <class Exec, class Metric>
status find_nearest_neighbors(const Exec& exec, const Metric& metric,
                              const std::type_identity_t<neighbor_inputs<Exec::memory>>& in,
                              const std::type_identity_t<neighbor_outputs<Exec::memory>>& out) {
  detail::neighbor_arguments a;
  if (const status s = detail::make_neighbors(in, out, a); !s.ok()) return s;
  if (const status s = detail::check_finite_samples(exec, a.v); !s.ok()) return s;
  return a.v.with_type([&](auto zero) {
    auto call = a.call<decltype(zero)>(metric);
    return run_in_memory(exec, call);
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
