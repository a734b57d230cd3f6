// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/outputs.hpp>
#include <prefer/core/arena.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/sortable.hpp>
#include <prefer/shape/detail/column_moments.hpp>

#include <cstdint>
#include <type_traits>

// Perceptual step rewards: which features tell a step of a task from the others, and how well a frame fits a step.
namespace prefer {

// How features of a step are scored. With frames standardised (over all frames of any step), of the step and of the
// others: score = separation |mean - mean of the others| - (std + std of the others).
struct step_model_fit {
  scalar separation = 5.0;
  scalar least_deviation = 1e-3;  // of a selected feature, in units of its deviation over all frames

  constexpr status check() const {
    return first_error(require::not_negative(separation, "separation"),
                       require::positive(least_deviation, "least_deviation"));
  }
};

template <space S>
struct step_fit_inputs {
  input_view<2, S> feature = {};  // [N, D]
  input_view<1, S> step = {};     // [N] int32 or int64: the step of each frame, as segment_steps finds it; frames of
                                  // none (-1, or any number that is no step) take no part
};
// What tells K steps apart: M features of each, the best first.
template <space S>
struct step_fit_outputs {
  output_view<2, S> score = {};      // [K, D]
  output_view<2, S> selected = {};   // [K, M] int32 or int64: which features
  output_view<2, S> mean = {};       // [K, M]: of these in frames of the step, in their units
  output_view<2, S> deviation = {};  // [K, M]
};

// As the density of a Gaussian has it, or as equation 2 of the paper is printed: without the sign, and divided by the
// deviation itself.
enum class step_reward_form : std::uint8_t { gaussian, as_printed };

template <space S>
struct step_reward_inputs {
  input_view<2, S> feature = {};               // [N, D]
  input_view<2, S> selected = {};              // [K, M] int32 or int64
  input_view<2, S> mean = {}, deviation = {};  // [K, M]; deviations above 0
  input_view<2, S> upstream = {};              // [N, K]: derivatives of an objective by `reward`; 1 if not given
};
template <space S>
struct step_reward_outputs {
  output_view<2, S> reward = {};        // [N, K]
  output_view<2, S> grad_feature = {};  // [N, D]: sum over steps of upstream * the reward's derivative
};

// Which of a frame's step rewards count how much.
struct step_combination {
  bool binary = false;     // first replace each reward by whether it is above the threshold
  scalar threshold = 0.5;  // for rewards that are probabilities

  constexpr status check() const { return require::is_finite(threshold, "threshold"); }
};

inline namespace PREFER_ABI {
namespace detail {

PREFER_HD double number_at(const row_source& r, std::int64_t row, std::int64_t column) {
  return load_element<double>(r.data, r.type, row * r.row_stride + column * r.stride);
}

// Scores of all features of all steps from the moments, and the key that sorts features by them.
struct score_features {
  std::int64_t steps, features;
  const moments* of;  // [steps, features]
  scalar separation;
  row_sink score;
  std::uint64_t* key;

  PREFER_HD void write(std::int64_t k, std::int64_t f) const {
    const moments mine = of[k * features + f];
    moments others;
    for (std::int64_t i = 0; i < steps; ++i)
      if (i != k) others = merge(others, of[i * features + f]);
    const double all = merge(others, mine).std(deviation::population);
    const double apart = others.count > 0 ? math::abs(mine.mean - others.mean) : 0;
    const double spread = mine.std(deviation::population) + others.std(deviation::population);
    const bool empty = mine.count == 0, constant = all == 0;
    const double z = empty      ? math::detail::not_a_number<double>()
                     : constant ? 0
                                : (separation.as<double>() * apart - spread) / all;
    store_number(score, k, f, z);
    // A feature that never changes has a score of 0, which noise does not reach, but says nothing: it comes last.
    key[k * features + f] = constant && !empty ? left_out - 2 : sortable(0.0 - z);
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count,
              [&](std::int64_t i) PREFER_HD_LAMBDA { write((g.first + i) / features, (g.first + i) % features); });
  }
};

// The features of each step with the smallest keys: a team per step.
struct select_features {
  std::int64_t steps, features, count;
  const moments* of;
  const std::uint64_t* key;
  scalar least_deviation;
  row_sink selected, mean, deviations;

  PREFER_HD void write(std::int64_t k, std::int64_t m, std::int64_t f) const {
    if (selected.data != nullptr)
      store_index(selected.data, selected.type, k * selected.row_stride + m * selected.stride, f);
    moments all;
    for (std::int64_t i = 0; i < steps; ++i) all = merge(all, of[i * features + f]);
    const moments mine = of[k * features + f];
    const double nan = math::detail::not_a_number<double>();
    const double least = least_deviation.as<double>() * all.std(deviation::population);
    store_number(mean, k, m, mine.count > 0 ? mine.mean : nan);
    store_number(deviations, k, m, mine.count > 0 ? math::max(mine.std(deviation::population), least) : nan);
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const std::int64_t k = g.index;
    ranked last{0, -1};
    for (std::int64_t m = 0; m < count; ++m) {
      last = team.first(features, [&](std::int64_t f) PREFER_HD_LAMBDA {
        const ranked x{key[k * features + f], f};
        return m == 0 || last < x ? x : ranked{left_out, f};
      });
      team.once([&]() PREFER_HD_LAMBDA { write(k, m, last.item); });
    }
  }
};

struct step_reward_job {
  std::int64_t frames = 0, features = 0, steps = 0, count = 0;
  row_source feature, selected, mean, deviations, upstream;
  bool printed = false;
  row_sink reward, gradient;

  PREFER_HD std::int64_t feature_of(std::int64_t k, std::int64_t m) const {
    return load_index(selected.data, selected.type, k * selected.row_stride + m * selected.stride);
  }
  PREFER_HD bool inside(std::int64_t f) const { return f >= 0 && f < features; }
  // What the squared distance of a feature is multiplied with.
  PREFER_HD double weight(std::int64_t k, std::int64_t m) const {
    const double s = number_at(deviations, k, m), n = static_cast<double>(count);
    return printed ? 1 / (n * s) : -1 / (n * s * s);
  }
  PREFER_HD double reward_of(std::int64_t t, std::int64_t k) const {
    double sum = 0;
    for (std::int64_t m = 0; m < count; ++m) {
      const std::int64_t f = feature_of(k, m);
      if (!inside(f)) return math::detail::not_a_number<double>();
      const double d = number_at(feature, t, f) - number_at(mean, k, m);
      sum += weight(k, m) * d * d;
    }
    return sum;
  }
};

struct write_step_rewards : step_reward_job {
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t t = (g.first + i) / steps, k = (g.first + i) % steps;
      store_number(reward, t, k, reward_of(t, k));
    });
  }
};

// A team per frame: most features are of no step. Steps share features, so that the first entry of a feature adds up
// what all have.
struct write_step_gradient : step_reward_job {
  PREFER_HD std::int64_t entry(std::int64_t at) const { return feature_of(at / count, at % count); }
  PREFER_HD void write(std::int64_t t, std::int64_t at) const {
    const std::int64_t f = entry(at);
    bool writes = inside(f);
    for (std::int64_t before = 0; before < at && writes; ++before) writes = entry(before) != f;
    if (!writes) return;
    double sum = 0;
    for (std::int64_t e = at; e < steps * count; ++e) {
      if (entry(e) != f) continue;
      const std::int64_t k = e / count, m = e % count;
      const double up = upstream.data != nullptr ? number_at(upstream, t, k) : 1;
      sum += up * 2 * weight(k, m) * (number_at(feature, t, f) - number_at(mean, k, m));
    }
    store_number(gradient, t, f, sum);
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(features, [&](std::int64_t f) PREFER_HD_LAMBDA { store_number(gradient, g.index, f, 0); });
    team.each(steps * count, [&](std::int64_t at) PREFER_HD_LAMBDA { write(g.index, at); });
  }
};

// An index that is no feature.
struct report_features : step_reward_job {
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t at = g.first + i;
      if (!inside(feature_of(at / count, at % count))) team.fault(errc::bad_index, at);
    });
  }
};

struct combine_work {
  std::int64_t steps;
  row_source reward;
  bool binary;
  scalar threshold;
  sink combined;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      double sum = 0, factor = 1;
      for (std::int64_t k = 1; k < steps; ++k) {
        factor *= 2;
        const double r = number_at(reward, g.first + i, k);
        sum += factor * (binary ? (r > threshold.as<double>() ? 1.0 : 0.0) : r);
      }
      write_item(combined, g.first + i, true, sum, false);
    });
  }
};

// The first given output says how many steps there are, and how many features of each.
struct fit_shape {
  std::int64_t steps = -1, count = 0;
};
template <space S>
fit_shape shape_of(const step_fit_outputs<S>& out) {
  fit_shape s;
  if (out.score.given()) s.steps = out.score.extent[0];
  for (const auto* v : {&out.selected, &out.mean, &out.deviation})
    if (v->given()) s.steps = v->extent[0], s.count = v->extent[1];
  return s;
}

template <space S>
status check_step_fit(const step_fit_inputs<S>& in, const step_fit_outputs<S>& out, const fit_shape& shape) {
  if (!in.feature.given()) return require::fail(errc::missing_input, "feature", "one row per frame");
  if (!in.step.given()) return require::fail(errc::missing_input, "step", "the step of each frame");
  if (shape.steps < 0) return require::fail(errc::missing_output, "outputs", "at least one output to write");
  const std::int64_t n = in.feature.extent[0], d = in.feature.extent[1];
  if (n < 0 || d < 0)
    return require::fail(errc::bad_extent, "feature", "at least", static_cast<double>(n < 0 ? n : d), 0);
  if (shape.count > d)
    return require::fail(errc::bad_extent, "selected", "at most as many features as there are,",
                         static_cast<double>(shape.count), static_cast<double>(d));
  using require::holds;
  const auto numbers = [&](const char* name, const auto& v, std::int64_t columns, holds what = holds::numbers) {
    return check_optional(name, v, shape.steps, columns, what);
  };
  if (const status s =
          first_error(require::matrix("feature", in.feature, n, d),
                      require::vector("step", in.step, n, "one per frame:", holds::indices),
                      numbers("score", out.score, d), numbers("selected", out.selected, shape.count, holds::indices),
                      numbers("mean", out.mean, shape.count), numbers("deviation", out.deviation, shape.count));
      !s.ok())
    return s;
  require::footprints<2, 4> all;
  all.read("feature", in.feature), all.read("step", in.step);
  all.write("score", out.score), all.write("selected", out.selected);
  all.write("mean", out.mean), all.write("deviation", out.deviation);
  return all.check();
}

// Every step has frames.
inline status check_steps(const cpu& exec, const source& step, std::int64_t frames, std::int64_t steps) {
  if (exec.content == content::none) return {};
  for (std::int64_t k = 0; k < steps; ++k) {
    bool any = false;
    for (std::int64_t i = 0; i < frames && !any; ++i) any = load_index(step.data, step.type, i * step.stride) == k;
    if (!any)
      return require::fail(errc::bad_label, "step", "at least one frame of this step, whose number this is",
                           static_cast<double>(k), 0);
  }
  return {};
}
inline status check_steps(const cuda&, const source&, std::int64_t, std::int64_t) { return {}; }

template <space S>
status check_step_rewards(const step_reward_inputs<S>& in, const step_reward_outputs<S>& out) {
  if (!in.feature.given()) return require::fail(errc::missing_input, "feature", "one row per frame");
  if (!in.selected.given()) return require::fail(errc::missing_input, "selected", "one row of features per step");
  if (!in.mean.given()) return require::fail(errc::missing_input, "mean", "one row per step");
  if (!in.deviation.given()) return require::fail(errc::missing_input, "deviation", "one row per step");
  if (!out.reward.given() && !out.grad_feature.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  if (in.upstream.given() && !out.grad_feature.given())
    return require::fail(errc::unused_input, "upstream", "to be left out, since no gradient is asked for");
  const std::int64_t n = in.feature.extent[0], d = in.feature.extent[1];
  const std::int64_t k = in.selected.extent[0], m = in.selected.extent[1];
  if (n < 0 || d < 0)
    return require::fail(errc::bad_extent, "feature", "at least", static_cast<double>(n < 0 ? n : d), 0);
  if (k < 1 || m < 1)
    return require::fail(errc::bad_extent, "selected", "at least", static_cast<double>(k < 1 ? k : m), 1);
  const auto matrix = [](const char* name, const auto& v, std::int64_t rows, std::int64_t columns) {
    return v.given() ? require::matrix(name, v, rows, columns) : status{};
  };
  if (const status s = first_error(
          matrix("feature", in.feature, n, d), require::matrix("selected", in.selected, k, m, require::holds::indices),
          matrix("mean", in.mean, k, m), matrix("deviation", in.deviation, k, m), matrix("upstream", in.upstream, n, k),
          matrix("reward", out.reward, n, k), matrix("grad_feature", out.grad_feature, n, d));
      !s.ok())
    return s;
  require::footprints<5, 2> all;
  all.read("feature", in.feature), all.read("selected", in.selected), all.read("mean", in.mean);
  all.read("deviation", in.deviation), all.read("upstream", in.upstream);
  all.write("reward", out.reward), all.write("grad_feature", out.grad_feature);
  return all.check();
}

inline status check_selected(const cpu& exec, const step_reward_job& job) {
  if (exec.content == content::none) return {};
  for (std::int64_t at = 0; at < job.steps * job.count; ++at)
    if (const std::int64_t f = job.feature_of(at / job.count, at % job.count); !job.inside(f))
      return require::fail(errc::bad_index, "selected", "0 or above and below the number of features",
                           static_cast<double>(f), 0, at);
  return {};
}
// Kernels guard themselves; what they meet is reported by this.
template <class Exec>
status check_selected(const Exec& exec, const step_reward_job& job) {
  return exec.report == nullptr ? status{} : for_groups(exec, pieces_of(job.steps * job.count), report_features{job});
}

constexpr std::size_t fit_scratch(std::int64_t steps, std::int64_t features) {
  return static_cast<std::size_t>(steps * features) * (sizeof(moments) + sizeof(std::uint64_t));
}

}  // namespace detail

// Bytes of workspace that fit_step_model needs on the CPU for K steps and D features; on CUDA (with the .cuh) too.
inline std::size_t fit_step_model_workspace(const cpu&, std::int64_t steps, std::int64_t features) {
  return detail::fit_scratch(steps, features) + (steps * features > 0 ? detail::arena::alignment : 0);
}

// Which features tell each of K steps from the others, by frames with steps:
//
//   z = separation |mu+ - mu-| - (sd+ + sd-)      + frames of the step, - frames of the other steps; standardised
//
// and the mean and the deviation of the M with the largest z, in the units of the features: what a Gaussian with a
// diagonal covariance needs. Of equal z the lowest feature first. Deviations are the population's; those of selected
// features are at least least_deviation of what the feature varies by over all frames. A feature that never changes has
// z = 0 and is taken last of all (its deviation is 0 then: rewards of it are NaN or infinite). NaN features too come
// last. With one step there are no other frames: mu- = mu+, sd- = 0.
//
//   fit_step_model(exec, {}, {.feature = {x, N, D}, .step = {s, N}},
//                  {.selected = {which, K, M}, .mean = {mu, K, M}, .deviation = {sd, K, M}});
//
// K and M are the extents of the outputs; M at most D. Arithmetic in double, moments in two passes: features may be far
// from 0. Cost K D (2 N / K + K) + K M D; on CUDA three launches. Errors: parameters, shapes, types, overlap,
// workspace; on the CPU a step without frames (CUDA: NaN); then nothing has been written. Source: Sermanet, Xu & Levine
// 2016, arXiv 1612.06699, section 3.2, alpha = 5 and M = 32 (text read); least_deviation is proposed here.
template <class Exec>
status fit_step_model(const Exec& exec, const step_model_fit& fit,
                      const std::type_identity_t<step_fit_inputs<Exec::memory>>& in,
                      const std::type_identity_t<step_fit_outputs<Exec::memory>>& out) {
  const detail::fit_shape shape = detail::shape_of(out);
  if (const status s = first_error(fit.check(), detail::check_step_fit(in, out, shape)); !s.ok()) return s;
  const std::int64_t d = in.feature.extent[1], k = shape.steps;
  if (const status s = detail::check_steps(exec, detail::place_of(in.step), in.feature.extent[0], d > 0 ? k : 0);
      !s.ok())
    return s;
  return with_scratch(exec, detail::fit_scratch(k, d), [&](void* memory, const Exec& rest) {
    if (k * d == 0) return status{};
    auto* const of = static_cast<moments*>(memory);
    auto* const key = reinterpret_cast<std::uint64_t*>(of + k * d);
    const detail::column_moments find{in.feature.extent[0], d, detail::place_of(in.feature), detail::place_of(in.step),
                                      of};
    if (const status s = find_column_moments(rest, find, k); !s.ok()) return s;
    const detail::score_features score{k, d, of, fit.separation, detail::place_of(out.score), key};
    if (const status s = for_groups(rest, detail::pieces_of(k * d), score); !s.ok() || shape.count == 0) return s;
    detail::group_table steps;
    steps.samples = k * d, steps.groups = k, steps.size = d;
    return for_groups(
        rest, steps,
        detail::select_features{k, d, shape.count, of, key, fit.least_deviation, detail::place_of(out.selected),
                                detail::place_of(out.mean), detail::place_of(out.deviation)});
  });
}

// How well each of N frames fits each of K steps, over the step's M features:
//
//   gaussian:     reward = -1 / M sum (x - mean)^2 / deviation^2,   the log-density but for constants
//   as_printed:   reward =  1 / M sum (x - mean)^2 / deviation,     equation 2 of the paper: small is good
//
// and the gradient by the frames, sum_k upstream_k d reward_k / d x (-2 (x - mean) / (M deviation^2)), 0 for features
// that no step has selected. As printed the unit of a feature matters: standardise frames before the fit and here.
//
// Arithmetic in double. Nothing is allocated and no workspace is needed; on CUDA one launch per output, one more with a
// report. Cost N K M; the gradient N (D + K^2 M^2). Errors: shapes, types, overlap, an index that is no feature (CUDA:
// that step's rewards are NaN, and it is reported); then nothing has been written. Source: as fit_step_model.
template <class Exec>
status step_rewards(const Exec& exec, step_reward_form form,
                    const std::type_identity_t<step_reward_inputs<Exec::memory>>& in,
                    const std::type_identity_t<step_reward_outputs<Exec::memory>>& out) {
  if (const status s = detail::check_step_rewards(in, out); !s.ok()) return s;
  detail::step_reward_job job;
  job.frames = in.feature.extent[0], job.features = in.feature.extent[1];
  job.steps = in.selected.extent[0], job.count = in.selected.extent[1];
  job.feature = detail::place_of(in.feature), job.selected = detail::place_of(in.selected);
  job.mean = detail::place_of(in.mean), job.deviations = detail::place_of(in.deviation);
  job.upstream = detail::place_of(in.upstream);
  job.printed = form == step_reward_form::as_printed;
  job.reward = detail::place_of(out.reward), job.gradient = detail::place_of(out.grad_feature);
  if (const status s = check_selected(exec, job); !s.ok()) return s;
  if (out.reward.given())
    if (const status s = for_groups(exec, detail::pieces_of(job.frames * job.steps), detail::write_step_rewards{job});
        !s.ok())
      return s;
  if (!out.grad_feature.given()) return {};
  detail::group_table frames;
  frames.samples = job.frames * job.features, frames.groups = job.features > 0 ? job.frames : 0;
  frames.size = job.features;
  return for_groups(exec, frames, detail::write_step_gradient{job});
}

// One reward of a frame from those of its K steps, the later ones counting more: sum over k >= 1 of 2^k reward_k, from
// 0 (so the first step, in which every video begins, does not count); with `binary` of [reward_k > threshold] instead.
// reward [N, K], combined [N]. Errors: shapes, types, overlap. Reconstructed: the paper's appendix was not read.
template <class Exec>
status combine_step_rewards(const Exec& exec, const step_combination& how,
                            const std::type_identity_t<input_view<2, Exec::memory>>& reward,
                            const std::type_identity_t<output_view<1, Exec::memory>>& combined) {
  if (const status s = how.check(); !s.ok()) return s;
  if (!reward.given()) return require::fail(errc::missing_input, "reward", "one row per frame");
  if (!combined.given()) return require::fail(errc::missing_output, "combined", "one number per frame");
  const std::int64_t n = reward.extent[0], k = reward.extent[1];
  if (n < 0 || k < 0)
    return require::fail(errc::bad_extent, "reward", "at least", static_cast<double>(n < 0 ? n : k), 0);
  if (const status s = first_error(require::matrix("reward", reward, n, k),
                                   require::vector("combined", combined, n, "one per frame:", require::holds::numbers));
      !s.ok())
    return s;
  require::footprints<1, 1> all;
  all.read("reward", reward), all.write("combined", combined);
  if (const status s = all.check(); !s.ok()) return s;
  return for_groups(
      exec, detail::pieces_of(n),
      detail::combine_work{k, detail::place_of(reward), how.binary, how.threshold, detail::place_of(combined)});
}

}  // namespace PREFER_ABI
}  // namespace prefer
