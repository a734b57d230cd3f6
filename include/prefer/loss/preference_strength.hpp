// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/arena.hpp>
#include <prefer/core/evaluate.hpp>
#include <prefer/core/sortable.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace prefer {

// How strongly an ensemble of reward models prefers each pair's chosen response, and what a loss makes of it.
//
//   d_m = chosen_m - rejected_m,  strength = mean over models of d_m,  deviation = their population standard deviation
//   flip:   the pairs of lowest strength, up to flip_share of all, and with flip_negative those with strength < 0
//   keep:   all but the pairs that come next in strength, up to drop_share of all
//   label:  1 - a, of a flipped pair a, with a = smoothing, or smoothing_negative where strength < 0
//   margin: margin_scale strength
//
// label, margin and keep are bradley_terry's `label`, `margin` and `mask`, for the rewards of the model that is
// trained. The margin of a flipped pair needs no other sign: its label is near 0, and a rejected reward that exceeds
// the chosen one by -strength then costs what a margin asks. A recipe is what is asked for: see
// docs/loss/preference_strength.md.
//
// With normalize the rewards of each model are first divided by their standard deviation over both responses of all
// selected pairs (their mean cancels), so that one model cannot outvote the others; a constant model counts 0.
// Shares are rounded to a whole number of selected pairs; equal strengths are ranked by their place.
//
// Nothing here has a gradient: the outputs are constants to a loss. Errors: shares from 0 to 1, together at most 1;
// smoothings from 0 to 1/2; margin_scale finite. Source: Wang et al. 2024, arXiv 2401.06080 (strength, flipping the
// lowest 20 %, smoothing, adaptive margin; from notes on it). That a negative pair is smoothed and not flipped first,
// as in its last recipe, and drop_share are this library's reading.
struct preference_strength {
  scalar flip_share = 0.0;
  bool flip_negative = false;
  scalar drop_share = 0.0;
  scalar smoothing = 0.0;
  scalar smoothing_negative = 0.0;
  scalar margin_scale = 1.0;
  bool normalize = false;

  PREFER_HD constexpr bool ranks() const { return !flip_share.is_zero() || !drop_share.is_zero(); }

  constexpr status check() const {
    const auto within = [](const scalar& x, double most, const char* name, const char* expected) {
      return require::that(x.by_pointer() || (x.value64 >= 0 && x.value64 <= most), name, x.value64, expected);
    };
    const bool known = !flip_share.by_pointer() && !drop_share.by_pointer();
    return first_error(within(flip_share, 1, "flip_share", "a share, from 0 to 1"),
                       within(drop_share, 1, "drop_share", "a share, from 0 to 1"),
                       require::that(!known || flip_share.value64 + drop_share.value64 <= 1, "drop_share",
                                     drop_share.value64, "at most what flip_share leaves of 1"),
                       within(smoothing, 0.5, "smoothing", "from 0 to 1/2"),
                       within(smoothing_negative, 0.5, "smoothing_negative", "from 0 to 1/2"),
                       require::is_finite(margin_scale, "margin_scale"));
  }
};

// Rewards of M models for N pairs.
template <space S>
struct preference_strength_inputs {
  input_view<2, S> chosen = {}, rejected = {};  // M x N, of any strides
  input_view<1, S> mask = {};                   // N; bool or uint8: zero leaves the pair out
};

// Everything is optional. Pairs that the mask leaves out get 0 and false everywhere.
template <space S>
struct preference_strength_outputs {
  output_view<1, S> strength = {}, deviation = {};  // N each, as are the others
  output_view<1, S> label = {}, margin = {};
  output_view<1, S> flip = {}, keep = {};  // bool or uint8
};

inline namespace PREFER_ABI {
namespace detail {

// One call, for both backends.
struct strength_problem {
  struct rewards {
    const void* data = nullptr;
    std::int64_t model_stride = 0, stride = 0;
    element type = element::none;

    PREFER_HD double at(std::int64_t model, std::int64_t i) const {
      return load_element<double>(data, type, model * model_stride + i * stride);
    }
  };
  struct flags {
    std::uint8_t* data = nullptr;
    std::int64_t stride = 0;

    PREFER_HD void set(std::int64_t i, bool x) const {
      if (data != nullptr) data[i * stride] = x ? 1 : 0;
    }
  };
  // Pairs below `flip` in strength are flipped, those from there to below `drop` left out.
  struct cuts {
    ranked flip = {0, 0}, drop = {0, 0};
  };

  preference_strength options;
  std::int64_t models = 0, n = 0;
  rewards side[2];  // chosen, rejected
  source mask;
  sink strength, deviation, label, margin;
  flags flip, keep;
  const double* scale = nullptr;  // per model, with `normalize`

  PREFER_HD double difference(std::int64_t model, std::int64_t i) const {
    const double d = side[0].at(model, i) - side[1].at(model, i);
    return scale == nullptr ? d : scale[model] * d;
  }
  // Relative to the first model's, so that models that agree have no deviation.
  PREFER_HD double mean(std::int64_t i) const {
    const double first = difference(0, i);
    double sum = 0;
    for (std::int64_t m = 1; m < models; ++m) sum += difference(m, i) - first;
    return first + sum / static_cast<double>(models);
  }
  PREFER_HD double spread(std::int64_t i, double mean) const {
    double sum = 0;
    for (std::int64_t m = 0; m < models; ++m) sum += (difference(m, i) - mean) * (difference(m, i) - mean);
    return math::sqrt(sum / static_cast<double>(models));
  }
  // Pairs are ranked by their sum, which is not rounded by a division: equal ones tie.
  PREFER_HD std::uint64_t key(std::int64_t i) const {
    if (!selects(mask, i)) return left_out;
    double sum = 0;
    for (std::int64_t m = 0; m < models; ++m) sum += difference(m, i);
    return sortable(sum);  // never -0, since it began as 0
  }
  // How many of the selected pairs a share is.
  PREFER_HD std::int64_t pairs(double share, std::int64_t selected) const {
    const auto count = static_cast<std::int64_t>(share * static_cast<double>(selected) + 0.5);
    return count < 0 ? 0 : count > selected ? selected : count;
  }
  // at(k): the k-th pair in strength.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class At>
  PREFER_HD cuts cut(std::int64_t selected, At at) const {
    const double flipped = options.flip_share.as<double>(), dropped = options.drop_share.as<double>();
    const std::int64_t first = pairs(flipped, selected), second = pairs(flipped + dropped, selected);
    const ranked end = {left_out, 0};
    return {first < selected ? at(first) : end, second < selected ? at(second) : end};
  }
  PREFER_HD void write(std::int64_t i, const cuts& c) const {
    const bool selected = selects(mask, i);
    const double u = selected ? mean(i) : 0;
    const ranked here = {options.ranks() ? key(i) : left_out, i};
    const bool negative = u < 0;
    const bool flipped = selected && (here < c.flip || (options.flip_negative && negative));
    const double a = (negative ? options.smoothing_negative : options.smoothing).as<double>();
    const double nothing = math::detail::not_a_number<double>();
    write_item(strength, i, selected, u, false);
    if (deviation.data != nullptr) write_item(deviation, i, selected, selected ? spread(i, u) : 0, false);
    write_item(label, i, selected, math::is_nan(u) ? nothing : flipped ? a : 1 - a, false);
    write_item(margin, i, selected, options.margin_scale.as<double>() * u, false);
    flip.set(i, flipped);
    keep.set(i, selected && (here < c.flip || !(here < c.drop)));
  }

  // What a model's differences are multiplied by, from its variance.
  static PREFER_HD double scale_of(double variance) { return variance > 0 ? 1 / math::sqrt(variance) : 0; }
};

template <space S>
status check_strength(const preference_strength& options, const preference_strength_inputs<S>& in,
                      const preference_strength_outputs<S>& out, strength_problem& p) {
  using require::holds;
  if (const status s = options.check(); !s.ok()) return s;
  p.options = options;
  p.models = in.chosen.extent[0], p.n = in.chosen.extent[1];
  require::footprints<3, 6> all;
  const struct {
    const char* name;
    const input_view<2, S>* view;
  } rewards[] = {{"chosen", &in.chosen}, {"rejected", &in.rejected}};
  for (int side = 0; side < 2; ++side) {
    const auto& [name, v] = rewards[side];
    if (!v->given()) return require::fail(errc::missing_input, name, "rewards, one row per model");
    if (p.models < 1 || p.n < 0)
      return require::fail(errc::bad_extent, name, "at least", static_cast<double>(p.models < 1 ? p.models : p.n),
                           p.models < 1 ? 1 : 0);
    if (const status s = require::matrix(name, *v, p.models, p.n); !s.ok()) return s;
    all.reads[all.read_count++] = require::footprint_of(name, *v);
    p.side[side] = {v->data, v->stride[0], v->stride[1], v->type};
  }
  const listed<input_view<1, S>> mask = {"mask", &in.mask, 0};
  if (mask.given())
    if (const status s = require::vector("mask", in.mask, p.n, same_extent, holds::flags); !s.ok()) return s;
  all.read(mask);
  set_source(p.mask, mask, 1);
  const struct {
    listed<output_view<1, S>> vector;
    holds what;
    sink* to;
    strength_problem::flags* to_flags;
  } outputs[] = {{{"strength", &out.strength, 0}, holds::numbers, &p.strength, nullptr},
                 {{"deviation", &out.deviation, 0}, holds::numbers, &p.deviation, nullptr},
                 {{"label", &out.label, 0}, holds::numbers, &p.label, nullptr},
                 {{"margin", &out.margin, 0}, holds::numbers, &p.margin, nullptr},
                 {{"flip", &out.flip, 0}, holds::flags, nullptr, &p.flip},
                 {{"keep", &out.keep, 0}, holds::flags, nullptr, &p.keep}};
  bool any = false;
  for (const auto& o : outputs) {
    if (!o.vector.given()) continue;
    any = true;
    if (const status s = require::vector(o.vector.name, *o.vector.view, p.n, same_extent, o.what); !s.ok()) return s;
    all.write(o.vector);
    const sink to = sink_of(o.vector);
    if (o.to != nullptr)
      *o.to = to;
    else
      *o.to_flags = {static_cast<std::uint8_t*>(to.data), to.stride};
  }
  if (!any) return require::fail(errc::missing_output, "outputs", "at least one output to write");
  return all.check();
}

// NaN is looked for with content::all, as everywhere.
inline status check_rewards(const cpu& exec, const strength_problem& p) {
  if (exec.content != content::all) return {};
  for (int side = 0; side < 2; ++side)
    for (std::int64_t m = 0; m < p.models; ++m)
      for (std::int64_t i = 0; i < p.n; ++i)
        if (selects(p.mask, i) && math::is_nan(p.side[side].at(m, i)))
          return require::fail(errc::not_a_number, side == 0 ? "chosen" : "rejected", "a number, but it is NaN",
                               p.side[side].at(m, i), 0, i);
  return {};
}

inline double model_scale(const strength_problem& p, std::int64_t model) {
  const auto sum = [&](auto f) {
    double total = 0;
    for (std::int64_t i = 0; i < p.n; ++i)
      if (selects(p.mask, i)) total += f(p.side[0].at(model, i)) + f(p.side[1].at(model, i));
    return total;
  };
  const double count = sum([](double) { return 1.0; });
  const double mean = sum([](double x) { return x; }) / count;
  return p.scale_of(sum([=](double x) { return (x - mean) * (x - mean); }) / count);
}

struct strength_memory {
  double* scale;
  ranked* order;

  strength_memory(arena& memory, const preference_strength& o, std::int64_t models, std::int64_t n)
      : scale(memory.take<double>(o.normalize ? models : 0)), order(memory.take<ranked>(o.ranks() ? n : 0)) {}
};

inline strength_problem::cuts rank_pairs(const strength_problem& p, ranked* order) {
  std::int64_t selected = 0;
  for (std::int64_t i = 0; i < p.n; ++i) {
    order[i] = {p.key(i), i};
    selected += order[i].key != left_out ? 1 : 0;
  }
  return p.cut(selected, [&](std::int64_t k) {
    std::nth_element(order, order + k, order + p.n);
    return order[k];
  });
}

template <class Exec>
status run_strength(const Exec&, const strength_problem&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

inline status run_strength(const cpu& exec, const strength_problem& given) {
  strength_problem p = given;
  if (const status s = check_rewards(exec, p); !s.ok()) return s;
  strength_problem::cuts c;
  if (p.options.normalize || p.options.ranks()) {
    arena measured, lent;
    strength_memory(measured, p.options, p.models, p.n);
    if (const status s = lend(exec, measured, lent); !s.ok()) return s;
    const strength_memory memory(lent, p.options, p.models, p.n);
    if (p.options.normalize) {
      for_blocks(exec, p.models, 2 * p.models * p.n, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t m = first; m < last; ++m) memory.scale[m] = model_scale(p, m);
      });
      p.scale = memory.scale;
    }
    if (p.options.ranks()) c = rank_pairs(p, memory.order);
  }
  for_blocks(exec, p.n, p.n * p.models, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) p.write(i, c);
  });
  return {};
}

}  // namespace detail

// Bytes of workspace on the CPU for M models and N pairs; none is needed without a share and without normalize.
inline std::size_t preference_strength_workspace(const preference_strength& options, std::int64_t models,
                                                 std::int64_t pairs) {
  detail::arena measured;
  detail::strength_memory(measured, options, models, pairs);
  return measured.bytes();
}

// The strengths of N pairs under M models, in double. Workspace: exec.workspace of preference_strength_workspace bytes
// (on CUDA optional, preference_strength_cuda_workspace bytes). Returns the first thing that is wrong; then nothing has
// been written. NaN in a pair's rewards makes its numbers NaN and ranks it last (with normalize, every pair's). Cost:
// each reward is read once per output pass, a share adds a selection (on CUDA a sort) over N, normalize two passes.
template <class Exec>
status measure_strength(const Exec& exec, const preference_strength& options,
                        const preference_strength_inputs<Exec::memory>& in,
                        const preference_strength_outputs<Exec::memory>& out) {
  detail::strength_problem p;
  if (const status s = detail::check_strength(options, in, out, p); !s.ok()) return s;
  return run_strength(exec, p);
}

}  // namespace PREFER_ABI
}  // namespace prefer
