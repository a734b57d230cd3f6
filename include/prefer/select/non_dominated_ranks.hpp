// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/outputs.hpp>
#include <prefer/core/host_scratch.hpp>
#include <prefer/select/detail/rank_search.hpp>
#include <prefer/select/objectives.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

// Non-dominated sorting: the number of every sample's front. Front 0 is the non-dominated set, front r + 1 that of what
// is left without the fronts 0 to r (Deb et al. 2002, section III-A). The rank of a sample is the length of the longest
// chain of samples above it, each of which dominates the next:
//   rank(b) = 1 + max { rank(a) : a dominates b },  0 without such an a.
namespace prefer {

struct non_dominated_sorting {
  // With duplicates::first copies of a sample come one after the other: the first is in the front that it would be in
  // alone, each further one in the front after its predecessor's. duplicates::drop is refused: no front would ever have
  // a sample that has a copy. With constraints all fronts of a violation come before those of a larger one.
  prefer::objectives objectives = {};
  // Stop after so many fronts: what is in none of them gets this number as its rank. All unless given.
  std::int64_t most_fronts = std::numeric_limits<std::int32_t>::max();
  rank_algorithm method = rank_algorithm::automatic;

  status check() const {
    if (objectives.duplicates == duplicates::drop)
      return require::that(false, "duplicates", static_cast<double>(objectives.duplicates),
                           "keep or first: samples with a copy would be in no front");
    if (const status s = require::that(method <= rank_algorithm::all_pairs, "method", static_cast<double>(method),
                                       "automatic, fronts or all_pairs");
        !s.ok())
      return s;
    return require::that(most_fronts >= 1 && most_fronts <= std::numeric_limits<std::int32_t>::max(), "most_fronts",
                         static_cast<double>(most_fronts), "from 1 to 2147483647");
  }
};

// Either may be left out, not both. A group's answer does not depend on the other groups.
template <space S>
struct non_dominated_ranks_outputs {
  output_view<1, S> rank = {};    // [samples] int32 or int64, from 0; -1 for what the mask or nan_policy leaves out
  output_view<1, S> fronts = {};  // [B] int32 or int64: how many fronts the group has, most_fronts at most
};

inline namespace PREFER_ABI {
namespace detail {

// The outputs of a call as both backends see them.
struct rank_sinks {
  sink rank, fronts;
};

template <space S>
status make_rank_sinks(const objective_table& t, const non_dominated_ranks_outputs<S>& out, rank_sinks& sinks) {
  using require::holds;
  if (!out.rank.given() && !out.fronts.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  sinks = {place_of(out.rank), place_of(out.fronts)};
  return first_error(check_optional("rank", out.rank, t.samples, "the number of samples,", holds::indices),
                     check_optional("fronts", out.fronts, t.groups, "the number of groups,", holds::indices));
}

template <space S>
status check_rank_overlap(const objective_samples<S>& in, const non_dominated_ranks_outputs<S>& out) {
  require::footprints<5, 2> all;
  read_samples(in, all);
  all.write("rank", out.rank), all.write("fronts", out.fronts);
  return all.check();
}

template <class Exec>
status run_non_dominated_ranks(const Exec&, const objective_table&, const non_dominated_sorting&, const rank_sinks&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

// The memory of a call on the CPU: ranks and numbers of fronts of all groups; what a search needs is carved for all
// samples, and each task uses the part of its first group for all of its groups, which are no larger.
template <class T>
struct rank_plan {
  std::int32_t* rank = nullptr;
  std::int64_t* fronts = nullptr;
  rank_memory<T> memory;

  void carve(arena& from, const objective_table& t, rank_algorithm method) {
    rank = from.take<std::int32_t>(t.samples);
    fronts = from.take<std::int64_t>(t.groups);
    memory.carve(from, t.samples, t.count, needs_fronts(method, t.count));
  }
};

template <class T>
struct rank_groups {
  const cpu& exec;
  isa level;
  const objective_table& table;
  const non_dominated_sorting& options;
  rank_plan<T>& plan;

  // The first sample that has a NaN, or -1. Groups are spread over threads; large ones follow, each on all threads.
  std::int64_t run() const {
    const auto large = [&](const group_rows& g) { return g.count >= rank_memory<T>::huge; };
    std::int64_t first_nan = group_tasks(table).run(exec, [&](std::int64_t first, std::int64_t end, std::int64_t task) {
      const rank_memory<T> memory = plan.memory.part(table.group(first).first, task);
      std::int64_t nan = -1;
      for (std::int64_t b = first; b < end; ++b)
        if (!large(table.group(b))) note(run_group({}, b, memory), nan);
      return nan;
    });
    for (std::int64_t b = 0; b < table.groups; ++b)
      if (const group_rows g = table.group(b); large(g))
        note(run_group(exec, b, plan.memory.part(g.first, 0)), first_nan);
    return first_nan;
  }

  static void note(std::int64_t sample, std::int64_t& first) {
    if (sample >= 0 && (first < 0 || sample < first)) first = sample;
  }
  std::int64_t run_group(const cpu& on, std::int64_t b, const rank_memory<T>& memory) const {
    const group_rows g = table.group(b);
    rank_search<T> search(on, level, table, {options.most_fronts, options.method}, g, memory, plan.rank + g.first);
    search.run();
    plan.fronts[b] = search.fronts();
    return search.first_nan() < 0 ? -1 : g.first + search.first_nan();
  }

  void write(const rank_sinks& out) const {
    group_tasks(table).run(exec, [&](std::int64_t first, std::int64_t end, std::int64_t) {
      for (std::int64_t b = first; b < end; ++b) {
        const group_rows g = table.group(b);
        for (std::int64_t s = g.first; s < g.first + g.count; ++s) store_index(out.rank, s, plan.rank[s]);
        store_index(out.fronts, b, plan.fronts[b]);
      }
      return std::int64_t{-1};
    });
  }
};

template <class T>
status run_ranks_of(const cpu& exec, isa level, const objective_table& t, const non_dominated_sorting& options,
                    const rank_sinks& out) {
  rank_plan<T> plan;
  arena measured;
  plan.carve(measured, t, options.method);
  host_scratch scratch;
  if (const status s = scratch.provide(exec.workspace, measured.bytes()); !s.ok()) return s;
  arena memory(scratch.data);
  plan.carve(memory, t, options.method);
  const rank_groups<T> groups{exec, level, t, options, plan};
  const std::int64_t nan = groups.run();
  if (nan >= 0 && t.nan == nan_policy::reject && exec.content != content::none) return nan_sample_of(t, nan);
  groups.write(out);
  return {};
}

inline status run_non_dominated_ranks(const cpu& exec, const objective_table& t, const non_dominated_sorting& options,
                                      const rank_sinks& out) {
  isa level;
  if (const status s = first_error(resolve_isa(exec, level), check_runner(exec)); !s.ok()) return s;
  if (exec.content != content::none)
    if (const status s = check_group_offsets(t); !s.ok()) return s;
  return t.needs_double() ? run_ranks_of<double>(exec, level, t, options, out)
                          : run_ranks_of<float>(exec, level, t, options, out);
}

}  // namespace detail

// Bytes of workspace of non_dominated_ranks on the CPU: linear in the elements of the samples. 0 for views that do not
// fit together.
template <space S>
std::size_t non_dominated_ranks_workspace(const cpu&, const non_dominated_sorting& options,
                                          const objective_samples<S>& in) {
  detail::objective_table t;
  if (!detail::make_objective_table(options.objectives, in, t).ok()) return 0;
  const auto bytes = [&](auto key) {
    detail::arena memory;
    detail::rank_plan<decltype(key)> plan;
    plan.carve(memory, t, options.method);
    return memory.bytes();
  };
  return t.needs_double() ? bytes(double{}) : bytes(float{});
}

template <class Exec>
status non_dominated_ranks(const Exec& exec, const non_dominated_sorting& options,
                           const std::type_identity_t<objective_samples<Exec::memory>>& in,
                           const std::type_identity_t<non_dominated_ranks_outputs<Exec::memory>>& out) {
  detail::objective_table table;
  detail::rank_sinks sinks;
  if (const status s = detail::make_objective_table(options.objectives, in, table); !s.ok()) return s;
  if (const status s =
          first_error(options.check(), detail::make_rank_sinks(table, out, sinks), detail::check_rank_overlap(in, out));
      !s.ok())
    return s;
  return run_non_dominated_ranks(exec, table, options, sinks);
}

}  // namespace PREFER_ABI
}  // namespace prefer
