// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/outputs.hpp>
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

// How to look for ranks; every choice has the same answer. `fronts`: samples are sorted so that none comes before one
// that dominates it, and each looks for its front among those so far by bisection (Zhang et al. 2015, ENS-BS).
// `all_pairs`: rounds of comparisons of all with all. `automatic` chooses (docs/select/ranks.md).
enum class rank_algorithm : std::uint8_t { automatic, fronts, all_pairs };

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
  sinks = {sink_of(out.rank), sink_of(out.fronts)};
  return first_error(check_optional("rank", out.rank, t.samples, "the number of samples,", holds::indices),
                     check_optional("fronts", out.fronts, t.groups, "the number of groups,", holds::indices));
}

template <space S>
status check_rank_overlap(const objective_samples<S>& in, const non_dominated_ranks_outputs<S>& out) {
  require::footprints<5, 2> all;
  read_samples(in, all);
  write_optional(all, "rank", out.rank), write_optional(all, "fronts", out.fronts);
  return all.check();
}

template <class Exec>
status run_non_dominated_ranks(const Exec&, const objective_table&, const non_dominated_sorting&, const rank_sinks&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace detail

template <class Exec>
status non_dominated_ranks(const Exec& exec, const non_dominated_sorting& options,
                           const std::type_identity_t<objective_samples<Exec::memory>>& in,
                           const std::type_identity_t<non_dominated_ranks_outputs<Exec::memory>>& out) {
  detail::objective_table table;
  detail::rank_sinks sinks;
  if (const status s = detail::make_objective_table(options.objectives, in, table); !s.ok()) return s;
  if (const status s = first_error(options.check(), detail::make_rank_sinks(table, out, sinks),
                                   detail::check_rank_overlap(in, out));
      !s.ok())
    return s;
  return run_non_dominated_ranks(exec, table, options, sinks);
}

}  // namespace PREFER_ABI
}  // namespace prefer
