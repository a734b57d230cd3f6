// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/aggregate/aggregate.hpp>
#include <prefer/aggregate/detail/for_rewards.hpp>

#include <cstdint>
#include <type_traits>

// What K rewards carry from batch to batch: moments of a running window, ideals, and weights that adapt. All of it lies
// in memory of the caller, in the space of the execution, and is updated there, so that a captured graph can go on.
namespace prefer {

// W batches of moments, the newest at (cursor - 1) mod W. Zeros in the beginning.
template <space S>
struct moment_window {
  output_view<3, S> slots = {};    // [W, K, 3] doubles without gaps; updated
  output_view<1, S> cursor = {};   // 1; int64: how many batches there have been; updated
  output_view<2, S> moments = {};  // [K, 3] doubles: of the last W batches together
};

template <space S>
struct weight_inputs {
  input_view<2, S> moments = {};     // [K, 3] doubles: reward_moments of the batch, or of a window
  input_view<1, S> covariance = {};  // K: of each reward with what the update weighs samples by
  input_view<1, S> target = {};      // K
};
template <space S>
struct weight_outputs {
  output_view<1, S> weight = {};   // K: as `aggregate` and `decoupled_advantages` take them
  output_view<1, S> dual = {};     // K; double or float; updated
  output_view<1, S> average = {};  // K; double or float; updated
};

inline namespace PREFER_ABI {

// The arguments of a rule for adapt_weights, and what all rules have to say. A rule is a value with
//
//   static constexpr bool reads_moments, reads_covariance, reads_target, keeps_dual, keeps_average;
//   constexpr status check() const;
//   constexpr status check_rewards(std::int64_t count) const;          // may be left out
//   PREFER_HD double operator()(const weight_state& s, int k) const;   // the weight of reward k; updates its own state
struct weight_state {
  int count = 0;
  const moments* of = nullptr;
  source covariances, targets;
  sink duals, averages;

  PREFER_HD double covariance(int k) const { return detail::read_item<double>(covariances, k); }
  PREFER_HD double target(int k) const { return detail::read_item<double>(targets, k); }
  PREFER_HD static double at(const sink& s, int k) {
    return detail::load_element<double>(s.data, s.type, k * s.stride);
  }
  PREFER_HD static void set(const sink& s, int k, double x) { detail::write_item(s, k, true, x, false); }
};

// w_k = K c_k / (sum_l c_l + epsilon) with the coefficients of variation c_k = S_k / (|M_k| + epsilon) of the batch: a
// saturated reward, which hardly varies any more, loses its weight. Not invariant under shifts, and without bounds
// where a mean is near 0: for positive rewards. A NaN among the moments makes all weights NaN. Source: SAW (arXiv
// 2606.07705) and its code, for two rewards there. Its GRPO form weighs rewards (`weighted_sum`, then `grpo`), its GDPO
// form normalised ones (`gdpo`, over tokens).
struct saturation_aware {
  static constexpr bool reads_moments = true, reads_covariance = false, reads_target = false;
  static constexpr bool keeps_dual = false, keeps_average = false;
  scalar epsilon = 1e-8;
  deviation std = deviation::sample;

  constexpr status check() const { return require::not_negative(epsilon, "epsilon"); }
  PREFER_HD double operator()(const weight_state& s, int k) const {
    double sum = 0;
    for (int l = 0; l < s.count; ++l) sum += variation(s.of[l]);
    const double below = sum + epsilon.as<double>();
    return below == 0 ? 0 : s.count * variation(s.of[k]) / below;
  }

 private:
  PREFER_HD double variation(const moments& m) const {
    const double deviation = m.std(std);
    return deviation == 0 ? 0 : deviation / (::fabs(m.mean) + epsilon.as<double>());
  }
};

// Multipliers of constraints: dual_k <- dual_k + rate (target_k - M_k), held between 0 and `most`, for rewards whose
// mean is to be at least the target; the weight is the dual. With `costs` the mean is to be at most the target: the
// sign of the step is turned, and the weight is -dual. The reward `primary` keeps its dual and has weight 1. A reward
// without samples, or whose mean is NaN, keeps its dual. Duals begin at 0. Source: projected dual ascent; as CTWA's
// repository has it (arXiv 2602.06869, rate 0.01), and for costs as Constrained GRPO (arXiv 2602.05863), which mixes
// normalised rewards (`gdpo`), since a group's deviation would undo the multipliers of a sum; `most` is proposed here.
struct lagrangian {
  static constexpr bool reads_moments = true, reads_covariance = false, reads_target = true;
  static constexpr bool keeps_dual = true, keeps_average = false;
  scalar rate = 0.01;
  scalar most = 100.0;
  std::int64_t primary = 0;  // -1: none
  bool costs = false;

  constexpr status check() const {
    return first_error(require::positive(rate, "rate"), require::positive(most, "most"),
                       check_rewards(detail::most_rewards));
  }
  constexpr status check_rewards(std::int64_t count) const {
    return require::that(primary >= -1 && primary < count, "primary", static_cast<double>(primary),
                         "the number of a reward, or -1 for none");
  }
  PREFER_HD double operator()(const weight_state& s, int k) const {
    if (k == primary) return 1;
    double dual = weight_state::at(s.duals, k);
    const double missing = s.target(k) - s.of[k].mean, limit = most.as<double>();
    if (s.of[k].count > 0 && !math::is_nan(missing)) {
      dual += rate.as<double>() * (costs ? -missing : missing);
      dual = dual < 0 ? 0 : dual > limit ? limit : dual;
      weight_state::set(s.duals, k, dual);
    }
    return costs ? -dual : dual;
  }
};

// average_k <- (1 - smoothing) average_k + smoothing covariance_k; dual_k <- dual_k + rate max(0, target_k -
// average_k); the weight is e^dual_k: a reward that the update follows less than it should counts more. A covariance
// that is NaN changes nothing. Duals begin at 0, averages where the caller wants, and weights only grow: divide by
// their sum (soft_min's do not need it) or set duals back. Source: CTWA (arXiv 2602.06869) and its code, whose targets
// are 0.05 to 0.15, of the covariance (or correlation) within prompts of a reward with the clipped weight of its
// sample.
struct covariance_targeted {
  static constexpr bool reads_moments = false, reads_covariance = true, reads_target = true;
  static constexpr bool keeps_dual = true, keeps_average = true;
  scalar rate = 0.05;
  scalar smoothing = 0.1;

  constexpr status check() const {
    return first_error(require::positive(rate, "rate"),
                       require::that(smoothing.by_pointer() || (smoothing.value64 > 0 && smoothing.value64 <= 1),
                                     "smoothing", smoothing.value64, "above 0 and at most 1"));
  }
  PREFER_HD double operator()(const weight_state& s, int k) const {
    double average = weight_state::at(s.averages, k), dual = weight_state::at(s.duals, k);
    const double covariance = s.covariance(k), step = smoothing.as<double>();
    if (!math::is_nan(covariance)) {
      average += step * (covariance - average);
      const double missing = s.target(k) - average;
      if (!(missing <= 0)) dual += rate.as<double>() * missing;
      weight_state::set(s.averages, k, average), weight_state::set(s.duals, k, dual);
    }
    return ::exp(dual);
  }
};

namespace detail {

template <class Rule>
struct weight_work {
  Rule rule;
  weight_state state;
  sink weight;
  PREFER_HD void operator()(int k) const { write_item(weight, k, true, rule(state, k), false); }
  PREFER_HD void finish() const {}
};

struct moment_ring_work {
  const double* batch;
  double* slots;
  std::int64_t* cursor;
  double* out;
  std::int64_t batches;
  int rewards;

  PREFER_HD void operator()(int k) const {
    const std::int64_t newest = ((*cursor % batches) + batches) % batches;
    moments all;
    for (std::int64_t age = 1; age <= batches; ++age) {  // the oldest first
      double* const slot = slots + ((newest + age) % batches * rewards + k) * 3;
      if (age == batches)
        for (int m = 0; m < 3; ++m) slot[m] = batch[3 * k + m];
      all = merge(all, {slot[0], slot[1], slot[2]});
    }
    out[3 * k] = all.count, out[3 * k + 1] = all.mean, out[3 * k + 2] = all.squares;
  }
  PREFER_HD void finish() const { ++*cursor; }
};

// The largest selected reward k from sample `from` on, every `step`, and `most`; NaN are passed over.
PREFER_HD double largest_reward(const aggregate_arguments& a, int k, std::int64_t from, std::int64_t step,
                                double most) {
  for (std::int64_t i = from; i < a.n; i += step) {
    if (!selects(a.mask, i)) continue;
    const double x = load_element<double>(a.reward.data, a.reward.type, i * a.reward.row_stride + k * a.reward.stride);
    most = x > most ? x : most;
  }
  return most;
}

template <class Exec>
status run_best_rewards(const Exec&, const aggregate_arguments&, const sink&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status run_best_rewards(const cpu& exec, const aggregate_arguments& a, const sink& ideal) {
  for_blocks(exec, a.rewards, a.n * a.rewards, [&](std::int64_t first, std::int64_t last) {
    for (int k = static_cast<int>(first); k < last; ++k)
      weight_state::set(ideal, k, largest_reward(a, k, 0, 1, weight_state::at(ideal, k)));
  });
  return {};
}

inline status weight_needs(const char* name, bool given, bool needed, const char* what) {
  if (given == needed) return {};
  return needed ? require::fail(errc::missing_input, name, what)
                : require::fail(errc::unused_input, name, "to be left out, since this rule does not use it");
}

template <class Rule, space S>
status check_weights(const weight_inputs<S>& in, const weight_outputs<S>& out) {
  if (!out.weight.given()) return require::fail(errc::missing_output, "weight", "one number per reward");
  const std::int64_t k = out.weight.extent[0];
  if (k < 1 || k > most_rewards)
    return require::fail(errc::bad_extent, "weight", k < 1 ? "rewards, at least" : "rewards, at most",
                         static_cast<double>(k), k < 1 ? 1 : most_rewards);
  if (const status s = first_error(
          weight_needs("moments", in.moments.given(), Rule::reads_moments, "three numbers per reward"),
          weight_needs("covariance", in.covariance.given(), Rule::reads_covariance, "one per reward"),
          weight_needs("target", in.target.given(), Rule::reads_target, "one per reward"),
          weight_needs("dual", out.dual.given(), Rule::keeps_dual, "one per reward, which is updated"),
          weight_needs("average", out.average.given(), Rule::keeps_average, "one per reward, which is updated"));
      !s.ok())
    return s;
  const auto optional = [&](const char* name, const auto& v, require::holds what) {
    return v.given() ? require::vector(name, v, k, "one per reward:", what) : status{};
  };
  if (const status s = first_error(
          optional("weight", out.weight, require::holds::numbers), check_reward_moments("moments", in.moments, k),
          optional("covariance", in.covariance, require::holds::numbers),
          optional("target", in.target, require::holds::numbers), optional("dual", out.dual, require::holds::totals),
          optional("average", out.average, require::holds::totals));
      !s.ok())
    return s;
  require::footprints<3, 3> all;
  all.read("moments", in.moments), all.read("covariance", in.covariance), all.read("target", in.target);
  all.write("weight", out.weight), all.write("dual", out.dual), all.write("average", out.average);
  return all.check();
}

template <space S>
status check_window(const input_view<2, S>& batch, const moment_window<S>& window) {
  if (!batch.given()) return require::fail(errc::missing_input, "batch", "three doubles per reward");
  if (!window.slots.given()) return require::fail(errc::missing_output, "slots", "three doubles per batch and reward");
  if (!window.cursor.given()) return require::fail(errc::missing_output, "cursor", "one int64");
  if (!window.moments.given()) return require::fail(errc::missing_output, "moments", "three doubles per reward");
  const std::int64_t k = batch.extent[0], batches = window.slots.extent[0];
  if (k < 1 || k > most_rewards)
    return require::fail(errc::bad_extent, "batch", k < 1 ? "rewards, at least" : "rewards, at most",
                         static_cast<double>(k), k < 1 ? 1 : most_rewards);
  if (batches < 1) return require::fail(errc::bad_extent, "slots", "at least", static_cast<double>(batches), 1);
  if (window.slots.type != element::f64) return require::fail(errc::bad_element, "slots", "elements of type double");
  if (window.cursor.type != element::i64) return require::fail(errc::bad_element, "cursor", "an element of type int64");
  if (const status s =
          first_error(check_reward_moments("batch", batch, k), check_reward_moments("moments", window.moments, k),
                      require::batch("slots", window.slots, {batches, k, 3}),
                      require::vector("cursor", window.cursor, 1, "one element,", require::holds::indices));
      !s.ok())
    return s;
  if (window.slots.stride[2] != 1 || window.slots.stride[1] != 3 || (batches > 1 && window.slots.stride[0] != 3 * k))
    return require::fail(errc::bad_stride, "slots", "doubles without gaps: a stride of batches of",
                         static_cast<double>(window.slots.stride[0]), static_cast<double>(3 * k));
  require::footprints<1, 3> all;
  all.read(require::footprint_of("batch", batch));
  all.write(require::footprint_of("slots", window.slots)), all.write(require::footprint_of("cursor", window.cursor));
  all.write(require::footprint_of("moments", window.moments));
  return all.check();
}

}  // namespace detail

// The moments of K rewards over a running window: `batch`, which reward_moments found, takes the place of the oldest of
// W, and all of them are merged, the oldest first, so that the bits depend on what is in the window alone. In the
// beginning, of zeros, the window has the batches that there have been. One launch on CUDA, no workspace.
//
//   window_moments(exec, {batch, K, 3}, {.slots = {s, W, K, 3}, .cursor = {c, 1}, .moments = {m, K, 3}});
template <class Exec>
status window_moments(const Exec& exec, const std::type_identity_t<input_view<2, Exec::memory>>& batch,
                      const std::type_identity_t<moment_window<Exec::memory>>& window) {
  if (const status s = detail::check_window(batch, window); !s.ok()) return s;
  const detail::moment_ring_work work{static_cast<const double*>(batch.data),
                                      static_cast<double*>(window.slots.data),
                                      static_cast<std::int64_t*>(window.cursor.data),
                                      static_cast<double*>(window.moments.data),
                                      window.slots.extent[0],
                                      static_cast<int>(batch.extent[0])};
  return for_rewards(exec, work.rewards, work);
}

// The best of each of K rewards so far: ideal_k <- max(ideal_k, the selected rewards k of N samples), as `tchebycheff`
// takes it. Begin with -infinity, or with what is known to be reachable. NaN are passed over. The same for any order of
// batches, threads and ranks (max). On the CPU threads share the rewards; on CUDA a block takes one, in one launch.
//
//   best_rewards(exec, {r, N, K}, {}, {ideal, K});           // or {mask, N}
template <class Exec>
status best_rewards(const Exec& exec, const std::type_identity_t<input_view<2, Exec::memory>>& rewards,
                    const std::type_identity_t<input_view<1, Exec::memory>>& mask,
                    const std::type_identity_t<output_view<1, Exec::memory>>& ideal) {
  if (const status s = detail::check_rewards(rewards); !s.ok()) return s;
  if (!ideal.given()) return require::fail(errc::missing_output, "ideal", "one number per reward");
  const std::int64_t n = rewards.extent[0], k = rewards.extent[1];
  if (const status s = first_error(
          require::vector("ideal", ideal, k, "one per reward:", require::holds::totals),
          mask.given() ? require::vector("mask", mask, n, "one per sample:", require::holds::flags) : status{});
      !s.ok())
    return s;
  require::footprints<2, 1> all;
  all.read(require::footprint_of("rewards", rewards)), all.read("mask", mask);
  all.write(require::footprint_of("ideal", ideal));
  if (const status s = all.check(); !s.ok()) return s;
  detail::aggregate_arguments a;
  a.n = n, a.rewards = static_cast<int>(k);
  a.reward = detail::place_of(rewards), a.mask = detail::place_of(mask);
  return run_best_rewards(exec, a, detail::place_of(ideal));
}

// Weights of K rewards, 1 <= K <= 64, by a rule: saturation_aware, lagrangian, covariance_targeted, or one of their
// shape; updates what the rule keeps. One launch on CUDA, no workspace. Returns the first thing that is wrong (shapes,
// types, parameters, overlap, what the rule needs or does not use); then nothing has been written.
//
//   adapt_weights(exec, lagrangian{}, {.moments = {m, K, 3}, .target = {t, K}}, {.weight = {w, K}, .dual = {d, K}});
template <class Exec, class Rule>
status adapt_weights(const Exec& exec, const Rule& rule, const std::type_identity_t<weight_inputs<Exec::memory>>& in,
                     const std::type_identity_t<weight_outputs<Exec::memory>>& out) {
  if (const status s = rule.check(); !s.ok()) return s;
  if (const status s = detail::check_weights<Rule>(in, out); !s.ok()) return s;
  const auto rewards = static_cast<int>(out.weight.extent[0]);
  if constexpr (requires { rule.check_rewards(rewards); })
    if (const status s = rule.check_rewards(rewards); !s.ok()) return s;
  const weight_state state{rewards,
                           static_cast<const moments*>(in.moments.data),
                           detail::place_of(in.covariance),
                           detail::place_of(in.target),
                           detail::place_of(out.dual),
                           detail::place_of(out.average)};
  return for_rewards(exec, rewards, detail::weight_work<Rule>{rule, state, detail::place_of(out.weight)});
}

}  // namespace PREFER_ABI
}  // namespace prefer
