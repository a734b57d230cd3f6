// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_tokens.hpp>

#include <cstdint>

// The reward of a trajectory, split equally over its steps: what makes a win rate (game/win_rate.hpp) a reward that any
// method of reinforcement learning takes step by step.
namespace prefer {

// n trajectories; number i owns the steps [offsets[i], offsets[i + 1]), or [offsets[i], ends[i]) if ends are given.
template <space S>
struct split_reward_inputs {
  input_view<1, S> reward = {};           // [n]
  input_view<1, S> offsets = {};          // [n + 1], or [n] with ends; int32 or int64
  input_view<1, S> ends = {};             // [n]
  input_view<1, S> step_mask = {};        // [steps] bool or uint8: zero leaves a step out
  input_view<1, S> trajectory_mask = {};  // [n] the same: its steps get 0
};
template <space S>
struct split_reward_outputs {
  output_view<1, S> step_reward = {};  // [steps]
};

inline namespace PREFER_ABI {
namespace detail {

// The split as the body of segmented_map_reduce: a number of the item and the length of its segment in, one number for
// every step out.
struct split_body {
  static constexpr int inputs = 2, outputs = 1, sums = 1, segments = 1;
  static constexpr token_role input_role(int k) { return k == 0 ? token_role{} : token_role{role::length, 0}; }
  static constexpr token_role output_role(int) { return {role::tokens, 0}; }

  PREFER_HD split_body ready(double) const { return *this; }
  template <class V>
  PREFER_HD void operator()(const V (&in)[inputs], V (&out)[outputs], V (&sum)[sums]) const {
    out[0] = in[0] / in[1];
    sum[0] = V(0);
  }
};

template <space S>
struct split_call {
  listed_segment<S> runs;
  segmented_arguments_of<split_body> arguments;

  split_call(const split_reward_inputs<S>& in)
      : runs{{"offsets", &in.offsets, 0}, {"ends", &in.ends, 0}, {"step_mask", &in.step_mask, 1}, {"", nullptr, 1}} {
  }

  status check(const split_reward_inputs<S>& in, const split_reward_outputs<S>& out) {
    using require::holds;
    const auto& steps = out.step_reward;
    if (!steps.given()) return require::fail(errc::missing_output, "step_reward", "one number per step");
    if (!in.reward.given()) return require::fail(errc::missing_input, "reward", "one number per trajectory");
    std::int64_t n = -1;
    if (const status s = check_segment(runs, steps.extent[0], n); !s.ok()) return s;
    if (const status s =
            first_error(require::vector("reward", in.reward, n, same_extent, holds::numbers),
                        require::vector("step_reward", steps, steps.extent[0], same_extent, holds::numbers));
        !s.ok())
      return s;
    const auto& kept = in.trajectory_mask;
    if (kept.given())
      if (const status s = require::vector("trajectory_mask", kept, n, same_extent, holds::flags); !s.ok()) return s;
    require::footprints<5, 1> all;
    const listed<input_view<1, S>> mask{"trajectory_mask", &in.trajectory_mask, 0}, reward{"reward", &in.reward, 0};
    all.read(reward), all.read(mask), all.read(runs.offsets), all.read(runs.ends), all.read(runs.mask);
    all.write(require::footprint_of("step_reward", steps));
    auto& items = arguments.items;
    items.n = n;
    items.normalizer = 1.0;
    set_source(items.in[0], reward, 0);
    set_source(items.mask, mask, 1);
    items.out[0] = {steps.data, steps.stride[0], steps.type};
    arguments.segment[0] = make_segment(runs, steps.extent[0]);
    return all.check();
  }
};

inline status check_split_bounds(const cpu& exec, const segmented_arguments_of<split_body>& a, bool ends) {
  return exec.content == content::none ? status{} : check_offsets(a.segment[0], a.items.n, ends ? "ends" : "offsets");
}
inline status check_split_bounds(const cuda&, const segmented_arguments_of<split_body>&, bool) { return {}; }

}  // namespace detail

// step_reward_t = reward_i / T_i for the T_i steps of trajectory i that the mask does not leave out, so that they add
// up to its reward; 0 for steps that are left out. Steps of no trajectory are untouched. Arithmetic in double; one
// launch on CUDA, with split_reward_workspace(n) bytes of workspace or memory in stream order. Errors: shapes, element
// types, memory that overlaps, offsets that decrease or pass the end (on CUDA they are not followed, and reported).
// Source: Swamy et al. 2024, arXiv 2401.04056 (from a summary).
template <class Exec>
status split_rewards(const Exec& exec, const std::type_identity_t<split_reward_inputs<Exec::memory>>& in,
                     const std::type_identity_t<split_reward_outputs<Exec::memory>>& out) {
  detail::split_call<Exec::memory> call(in);
  if (const status s = call.check(in, out); !s.ok()) return s;
  if (const status s = detail::check_split_bounds(exec, call.arguments, in.ends.given()); !s.ok()) return s;
  return segmented_map_reduce(exec, detail::split_body{}, call.arguments);
}

}  // namespace PREFER_ABI
}  // namespace prefer
