// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/outputs.hpp>
#include <prefer/select/objectives.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// The knee of a front: the sample that lies furthest beyond the plane through its extremes. Objectives are scaled over
// the front, u_k = 0 for its worst value (nadir), 1 for its best (ideal), so that more is better; an extreme is 1 in one
// objective and 0 in the others, and
//   distance(i) = (sum over k of u_k(i) - 1) / sqrt(K'),   K' objectives in which the front is not flat,
// of which flat ones are left out of the sum too. For two objectives this is the distance from the line through the two
// ends of the front (Das 1999, Branke et al. 2004); for more the plane goes through the unit points, which need not be
// samples (proposed here: planes through the extreme samples may degenerate). The largest distance wins, of equal ones
// the lowest number. Below 0 for all: the front is bent the other way, and the least bad sample is named.
// Infinite values count as the limit of a growing number: of -M and M for M to infinity. NaN by the nan_policy.
namespace prefer {

struct knee_point {
  prefer::objectives objectives = {};  // dominance, tolerances and duplicates play no part
};

template <space S>
struct knee_point_inputs {
  objective_samples<S> samples = {};  // with constraints only the samples with the least violation are looked at
  // [samples] int32 or int64, as of non_dominated_ranks: those with rank 0 are the front. All samples unless given.
  input_view<1, S> rank = {};
};

// Any of them may be left out, not all.
template <space S>
struct knee_point_outputs {
  output_view<1, S> index = {};     // [B] int32 or int64: the number of the sample; -1 in a group without any
  output_view<1, S> distance = {};  // [B] numbers; 0 for a front that is flat in all objectives or has no sample
};

inline namespace PREFER_ABI {
namespace detail {

struct knee_call {
  objective_table table;  // without steps
  source rank;
  sink index, distance;

  PREFER_HD bool in_front(std::int64_t s) const {
    return rank.data == nullptr || load_index(rank.data, rank.type, s * rank.stride) == 0;
  }
};

// A key over the range of its front, from 0 to 1; 0 if the front is flat.
PREFER_HD double scaled_gain(double key, double nadir, double ideal) {
  const double infinite = math::detail::infinity<double>();
  if (!(ideal > nadir)) return 0;
  const int open = (ideal == infinite) + (nadir == -infinite);
  if (open > 0) return static_cast<double>((key == infinite) + (key > -infinite && nadir == -infinite)) / open;
  const double range = ideal - nadir;
  return range < infinite ? (key - nadir) / range : (0.5 * key - 0.5 * nadir) / (0.5 * ideal - 0.5 * nadir);
}

template <space S>
status make_knee_call(const knee_point& options, const knee_point_inputs<S>& in, const knee_point_outputs<S>& out,
                      knee_call& call) {
  using require::holds;
  if (const status s = make_objective_table(options.objectives, in.samples, call.table); !s.ok()) return s;
  call.table.stepped = false;
  if (!out.index.given() && !out.distance.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  call.rank = source_of(in.rank), call.index = sink_of(out.index), call.distance = sink_of(out.distance);
  if (const status s = first_error(
          check_optional("rank", in.rank, call.table.samples, "the number of samples,", holds::indices),
          check_optional("index", out.index, call.table.groups, "the number of groups,", holds::indices),
          check_optional("distance", out.distance, call.table.groups, "the number of groups,", holds::numbers));
      !s.ok())
    return s;
  require::footprints<6, 2> all;
  read_samples(in.samples, all);
  read_optional(all, "rank", in.rank);
  write_optional(all, "index", out.index), write_optional(all, "distance", out.distance);
  return all.check();
}

template <class Exec>
status run_knee_point(const Exec&, const knee_call&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace detail

template <class Exec>
status knee_points(const Exec& exec, const knee_point& options,
                   const std::type_identity_t<knee_point_inputs<Exec::memory>>& in,
                   const std::type_identity_t<knee_point_outputs<Exec::memory>>& out) {
  detail::knee_call call;
  if (const status s = detail::make_knee_call(options, in, out, call); !s.ok()) return s;
  return run_knee_point(exec, call);
}

}  // namespace PREFER_ABI
}  // namespace prefer
