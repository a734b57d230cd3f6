// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/outputs.hpp>
#include <prefer/select/objectives.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Crowding distance: how far the neighbours of a sample within its front are (Deb et al. 2002, section III-B). With the
// values of a front in objective k sorted,
//   distance(i) = sum over k of (next larger value - next smaller value) / (largest - smallest value) / copies,
// infinite for a sample that has the largest or the smallest value of some objective. As proposed here, so that the
// numbering of samples does not matter, "next" are different values and `copies` is how many samples of the front have
// this value: the mean of the textbook's answers over all orders of equal values. An objective in which all samples of
// the front are equal adds 0. A front of one sample has distance infinity.
// Infinite values count as the limit of a growing number: of -M and M for M to infinity. NaN by the nan_policy.
namespace prefer {

struct crowding {
  // Directions do not change distances; dominance, tolerances and duplicates play no part.
  prefer::objectives objectives = {};
};

template <space S>
struct crowding_inputs {
  objective_samples<S> samples = {};  // `violation` plays no part and is refused
  // [samples] int32 or int64: the fronts, as non_dominated_ranks numbers them; below 0: left out. Unless given, all
  // samples of a group are one front.
  input_view<1, S> rank = {};
};

template <space S>
struct crowding_outputs {
  output_view<1, S> distance = {};  // [samples] double, float, half or bfloat16; 0 for samples that are left out
};

inline namespace PREFER_ABI {
namespace detail {

struct crowding_call {
  objective_table table;  // without steps
  source rank;
  sink distance;

  // The front of a sample by its number in all groups, below 0 for none.
  PREFER_HD std::int64_t front_of(std::int64_t s) const {
    return rank.data == nullptr ? 0 : load_index(rank.data, rank.type, s * rank.stride);
  }
};

// What one objective adds for a value between its neighbours: `copies` samples have it. Halves keep the difference of
// large numbers finite.
PREFER_HD double crowding_term(double smaller, double larger, double smallest, double largest, double copies) {
  const double infinite = math::detail::infinity<double>();
  const int open = (largest == infinite) + (smallest == -infinite);
  if (open > 0) return static_cast<double>((larger == infinite) + (smaller == -infinite)) / open / copies;
  const double range = largest - smallest;
  if (range < infinite) return (larger - smaller) / range / copies;
  return (0.5 * larger - 0.5 * smaller) / (0.5 * largest - 0.5 * smallest) / copies;
}

template <space S>
status make_crowding_call(const crowding& options, const crowding_inputs<S>& in, const crowding_outputs<S>& out,
                          crowding_call& call) {
  using require::holds;
  if (const status s = make_objective_table(options.objectives, in.samples, call.table); !s.ok()) return s;
  if (in.samples.violation.given())
    return require::fail(errc::unused_input, "violation", "to be left out: distances are between objectives");
  call.table.stepped = false;
  call.rank = source_of(in.rank), call.distance = sink_of(out.distance);
  if (!out.distance.given()) return require::fail(errc::missing_output, "distance", "the output to write");
  if (const status s =
          first_error(check_optional("rank", in.rank, call.table.samples, "the number of samples,", holds::indices),
                      check_optional("distance", out.distance, call.table.samples, "the number of samples,",
                                     holds::numbers));
      !s.ok())
    return s;
  require::footprints<6, 1> all;
  read_samples(in.samples, all);
  read_optional(all, "rank", in.rank), write_optional(all, "distance", out.distance);
  return all.check();
}

template <class Exec>
status run_crowding(const Exec&, const crowding_call&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace detail

template <class Exec>
status crowding_distances(const Exec& exec, const crowding& options,
                          const std::type_identity_t<crowding_inputs<Exec::memory>>& in,
                          const std::type_identity_t<crowding_outputs<Exec::memory>>& out) {
  detail::crowding_call call;
  if (const status s = detail::make_crowding_call(options, in, out, call); !s.ok()) return s;
  return run_crowding(exec, call);
}

}  // namespace PREFER_ABI
}  // namespace prefer
