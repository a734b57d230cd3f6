// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/fetched_views.cuh>
#include <prefer/select/validate.hpp>

#include <cstdint>
#include <type_traits>

// The CUDA half of select/validate.hpp: waits for the work on exec.stream, copies the inputs to the host, allocating
// memory for all of them, and looks at them there. Cannot be captured. For finding a fault, not for every step.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline objective_samples<space::host> fetch_samples(fetched_views& fetch, const objective_samples<space::device>& in) {
  return {fetch(in.rewards), fetch(in.reward_groups), fetch(in.offsets), fetch(in.violation), fetch(in.mask)};
}

}  // namespace detail

inline status validate_samples(const cuda& exec, const objectives& options,
                               const objective_samples<space::device>& in) {
  if (const status s = detail::check_shapes(options, in); !s.ok()) return s;
  detail::fetched_views fetch(exec);
  const objective_samples<space::host> here = detail::fetch_samples(fetch, in);
  const status s = fetch.wait();
  return s.ok() ? validate_samples(cpu{}, options, here) : s;
}

inline status validate_scalarized_picks(const cuda& exec, const scalarization& options,
                                        const scalarized_pick_inputs<space::device>& in) {
  detail::pick_call call;
  if (const status s = detail::check_shapes(options, in, call); !s.ok()) return s;
  detail::fetched_views fetch(exec);
  const scalarized_pick_inputs<space::host> here = {detail::fetch_samples(fetch, in.samples), fetch(in.weights),
                                                    fetch(in.reference)};
  const status s = fetch.wait();
  return s.ok() ? validate_scalarized_picks(cpu{}, options, here) : s;
}

inline status validate_scores(const cuda& exec, const top_inputs<space::device>& in) {
  detail::group_table t;
  if (const status s = detail::check_shapes(in, t); !s.ok()) return s;
  detail::fetched_views fetch(exec);
  const top_inputs<space::host> here = {
      fetch(in.score), fetch(in.mask), {.offsets = fetch(in.groups.offsets), .size = in.groups.size}};
  const status s = fetch.wait();
  return s.ok() ? validate_scores(cpu{}, here) : s;
}

inline status validate_hierarchy(const cuda& exec, const hierarchy_inputs<space::device>& in) {
  std::int64_t pairs = 0;
  detail::hierarchy_work work;
  if (const status s = detail::check_shapes(in, pairs, work); !s.ok()) return s;
  detail::fetched_views fetch(exec);
  const hierarchy_inputs<space::host> here = {fetch(in.factors), fetch(in.margins), fetch(in.signs), fetch(in.first),
                                              fetch(in.second)};
  const status s = fetch.wait();
  return s.ok() ? validate_hierarchy(cpu{}, here) : s;
}

inline status validate_front(const cuda& exec, const objectives& options, const device_running_front& front,
                             const device_front_samples& in) {
  if (const status s =
          first_error(detail::check_front(options, front), detail::check_front_samples(front, in)); !s.ok())
    return s;
  detail::fetched_views fetch(exec);
  const running_front here = {fetch(front.rewards), fetch(front.ids), fetch(front.violation), fetch(front.count)};
  const front_samples block = {fetch(in.rewards), fetch(in.ids), fetch(in.violation), fetch(in.mask), in.first_id};
  const status s = fetch.wait();
  return s.ok() ? validate_front(cpu{}, options, here, block) : s;
}

}  // namespace PREFER_ABI
}  // namespace prefer
