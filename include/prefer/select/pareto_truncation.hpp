// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/outputs.hpp>
#include <prefer/core/host_scratch.hpp>
#include <prefer/select/detail/present_rows.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// Truncation to a budget, as NSGA-II selects its next population (Deb et al. 2002, section III-C): the crowded
// comparison prefers the lower rank, among equal ranks the larger distance, and here, among equal ones, the lower
// number. Distances may be any score by which a front is to be thinned out (hypervolume contributions, say).
namespace prefer {

struct pareto_truncation {
  std::int64_t budget = 0;      // samples to keep per group, 0 or more
  std::int64_t group_size = 0;  // groups of so many samples; without it and without offsets there is one group

  status check() const {
    if (budget < 0) return require::that(false, "budget", static_cast<double>(budget), "0 or more samples per group");
    return require::that(group_size >= 0, "group_size", static_cast<double>(group_size), "0 (not given) or more");
  }
};

template <space S>
struct pareto_truncation_inputs {
  input_view<1, S> rank = {};  // [samples] int32 or int64, as of non_dominated_ranks; below 0: never kept
  input_view<1, S> distance =
      {};  // [samples] numbers, as of crowding_distances; NaN is the least. All alike unless given
  input_view<1, S> offsets = {};  // [B + 1] int32 or int64: group b has the samples [offsets[b], offsets[b + 1])
};

// Any of them may be left out, not all.
template <space S>
struct pareto_truncation_outputs {
  output_view<1, S> mask = {};     // [samples] bool or uint8: 1 for those that are kept, else 0
  output_view<1, S> count = {};    // [B] int32 or int64: how many are kept
  output_view<2, S> indices = {};  // [B, budget] int32 or int64: numbers of samples, the best first; -1 where too few
};

inline namespace PREFER_ABI {
namespace detail {

struct truncation_call {
  std::int64_t budget = 0, samples = 0, groups = 0, group_size = 0;
  source rank, distance, offsets;
  sink mask, count;
  row_sink indices;

  // The samples of a group; an end before the begin says that the offsets are bad (CUDA).
  struct range {
    std::int64_t begin = 0, end = 0;
  };
  PREFER_HD range group(std::int64_t b) const {
    if (offsets.data == nullptr) return {b * group_size, (b + 1) * group_size};
    const std::int64_t begin = load_index(offsets.data, offsets.type, b * offsets.stride);
    const std::int64_t end = load_index(offsets.data, offsets.type, (b + 1) * offsets.stride);
    if (begin < 0 || end < begin || end > samples) return {0, -1};
    return {begin, end};
  }
  PREFER_HD std::int64_t rank_of(std::int64_t s) const { return load_index(rank.data, rank.type, s * rank.stride); }
  PREFER_HD double distance_of(std::int64_t s) const {
    if (distance.data == nullptr) return 0;
    const double x = load_element<double>(distance.data, distance.type, s * distance.stride);
    return math::is_nan(x) ? -math::detail::infinity<double>() : x;
  }
};

// The crowded comparison: is a, with rank and distance, preferred to b?
struct crowded {
  std::int64_t rank;
  double distance;
  std::int64_t sample;

  friend PREFER_HD bool operator<(const crowded& a, const crowded& b) {
    if (a.rank != b.rank) return a.rank < b.rank;
    if (a.distance != b.distance) return a.distance > b.distance;
    return a.sample < b.sample;
  }
};

template <space S>
status check_truncation_overlap(const pareto_truncation_inputs<S>& in, const pareto_truncation_outputs<S>& out) {
  require::footprints<3, 3> all;
  all.read("rank", in.rank), all.read("distance", in.distance);
  all.read("offsets", in.offsets);
  all.write("mask", out.mask), all.write("count", out.count);
  all.write("indices", out.indices);
  return all.check();
}

template <space S>
status make_truncation_call(const pareto_truncation& options, const pareto_truncation_inputs<S>& in,
                            const pareto_truncation_outputs<S>& out, truncation_call& call) {
  using require::holds;
  if (const status s = options.check(); !s.ok()) return s;
  if (!in.rank.given()) return require::fail(errc::missing_input, "rank", "the front of every sample");
  if (!out.mask.given() && !out.count.given() && !out.indices.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  const std::int64_t n = in.rank.extent[0] < 0 ? 0 : in.rank.extent[0];
  if (const status s =
          first_error(require::vector("rank", in.rank, n, "", holds::indices),
                      check_optional("distance", in.distance, n, "the number of samples,", holds::numbers));
      !s.ok())
    return s;
  call.budget = options.budget, call.samples = n, call.groups = 1, call.group_size = n;
  if (in.offsets.given()) {
    if (options.group_size != 0)
      return require::fail(errc::unused_input, "offsets", "to be left out with a group_size");
    if (in.offsets.extent[0] < 1)
      return require::fail(errc::bad_extent, "offsets", "one more than there are groups: at least",
                           static_cast<double>(in.offsets.extent[0]), 1);
    if (const status s = require::vector("offsets", in.offsets, in.offsets.extent[0], "", holds::indices); !s.ok())
      return s;
    call.groups = in.offsets.extent[0] - 1;
  } else if (options.group_size > 0) {
    if (n % options.group_size != 0)
      return require::fail(errc::bad_extent, "rank", "whole groups: a multiple of", static_cast<double>(n),
                           static_cast<double>(options.group_size));
    call.groups = n / options.group_size, call.group_size = options.group_size;
  }
  call.rank = place_of(in.rank), call.distance = place_of(in.distance), call.offsets = place_of(in.offsets);
  call.mask = place_of(out.mask), call.count = place_of(out.count), call.indices = place_of(out.indices);
  return first_error(check_optional("mask", out.mask, n, "the number of samples,", holds::flags),
                     check_optional("count", out.count, call.groups, "the number of groups,", holds::indices),
                     check_optional("indices", out.indices, call.groups, options.budget, holds::indices),
                     check_truncation_overlap(in, out));
}

template <class Exec>
status run_truncation(const Exec&, const truncation_call&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

// On the CPU: the samples of a group that may be kept, in any order; the answer is how many.
inline std::int64_t list_group(const truncation_call& call, const truncation_call::range& g, crowded* to) {
  std::int64_t n = 0;
  for (std::int64_t s = g.begin; s < g.end; ++s)
    if (const std::int64_t rank = call.rank_of(s); rank >= 0) to[n++] = {rank, call.distance_of(s), s};
  return n;
}

inline void truncate_group(const truncation_call& call, std::int64_t b, crowded* list) {
  const truncation_call::range g = call.group(b);
  const std::int64_t n = list_group(call, g, list), kept = std::min(n, call.budget);
  if (kept < n) std::nth_element(list, list + kept, list + n);
  std::sort(list, list + kept);
  auto* const mask = static_cast<std::uint8_t*>(call.mask.data);
  for (std::int64_t s = g.begin; mask != nullptr && s < g.end; ++s) mask[s * call.mask.stride] = 0;
  for (std::int64_t i = 0; i < kept; ++i) {
    if (mask != nullptr) mask[list[i].sample * call.mask.stride] = 1;
    store_index(call.indices, b, i, list[i].sample);
  }
  for (std::int64_t i = kept; call.indices.data != nullptr && i < call.budget; ++i) store_index(call.indices, b, i, -1);
  store_index(call.count, b, kept);
}

inline status run_truncation(const cpu& exec, const truncation_call& call) {
  isa level;
  if (const status s = first_error(resolve_isa(exec, level), check_runner(exec)); !s.ok()) return s;
  if (exec.content != content::none) {
    objective_table t;
    t.offsets = call.offsets, t.groups = call.groups, t.samples = call.samples;
    if (const status s = check_group_offsets(t); !s.ok()) return s;
  }
  arena measured;
  measured.take<crowded>(call.samples);
  host_scratch scratch;
  if (const status s = scratch.provide(exec.workspace, measured.bytes()); !s.ok()) return s;
  crowded* const list = arena(scratch.data).take<crowded>(call.samples);
  group_tasks(call.groups, call.samples).run(exec, [&](std::int64_t first, std::int64_t end, std::int64_t) {
    for (std::int64_t b = first; b < end; ++b) truncate_group(call, b, list + call.group(b).begin);
    return std::int64_t{-1};
  });
  return {};
}

}  // namespace detail

// Bytes of workspace of truncate_fronts on the CPU: 24 per sample.
template <space S>
std::size_t truncate_fronts_workspace(const cpu&, const pareto_truncation&, const pareto_truncation_inputs<S>& in) {
  detail::arena memory;
  memory.take<detail::crowded>(in.rank.extent[0] < 0 ? 0 : in.rank.extent[0]);
  return memory.bytes();
}

template <class Exec>
status truncate_fronts(const Exec& exec, const pareto_truncation& options,
                       const std::type_identity_t<pareto_truncation_inputs<Exec::memory>>& in,
                       const std::type_identity_t<pareto_truncation_outputs<Exec::memory>>& out) {
  detail::truncation_call call;
  if (const status s = detail::make_truncation_call(options, in, out, call); !s.ok()) return s;
  return run_truncation(exec, call);
}

}  // namespace PREFER_ABI
}  // namespace prefer
