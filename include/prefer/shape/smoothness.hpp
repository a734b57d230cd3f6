// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/cpu/segmented_map_reduce.hpp>
#include <prefer/core/arena.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/evaluate_rows.hpp>
#include <prefer/shape/detail/row_length.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

// Penalties that make a policy smooth in time and in its observations (CAPS), with their gradients by the actions.
namespace prefer {

// The penalty of one distance x >= 0: coefficient x, or coefficient x^2 if `squared`. A loss over single scores.
//
// The original (Mysore et al. 2021, arXiv 2012.06644, equations 2 and 3; the norm from a summary) is the L2 norm: every
// difference pulls with the same force, and at a difference of 0, where the norm has a kink, with none (a subgradient).
// Squared, small differences are left alone. Errors: coefficient must be finite and not negative.
struct smoothness_penalty {
  scalar coefficient = 1.0;
  bool squared = false;

  constexpr status check() const { return require::not_negative(coefficient, "coefficient"); }
  template <class V>
  PREFER_HD scored_term<V> operator()(const scored<V>& x) const {
    const V c = coefficient.as<V>();
    scored_term<V> t;
    t.value = c * x.score * (squared ? x.score : V(1));
    t.d_score = squared ? V(2) * c * x.score : c;
    return t;
  }
};

// What a policy answers to n states, and to the same states with noise: n x D each.
template <space S>
struct action_rows {
  input_view<2, S> action = {}, perturbed = {};
};
template <space S>
struct action_row_gradients {
  output_view<2, S> action = {}, perturbed = {};
};

// Spatial smoothness: the distance |action - perturbed| of two rows as a score of evaluate_rows, with the derivatives
// d / |d| and -d / |d|, d = action - perturbed; 0 where d = 0.
//
//   evaluate_rows<float>(cpu{}, action_distance{}, smoothness_penalty{},
//                        {.rows = {.action = {a, n, D}, .perturbed = {b, n, D}}},
//                        {.loss = {&loss, 1}, .grad = {.action = {by_a, n, D}, .perturbed = {by_b, n, D}}});
//
// is coefficient / n sum_i w_i |a_i - b_i| with b_i the actions at s_i + sigma z_i (perturb_samples draws those). CAPS
// trains both sides. Squares are summed in Compute inside a tile: distances whose squares leave its range (1e-19 to
// 1e19 in float) are 0 or infinite.
struct action_distance {
  static constexpr bool mean = false;
  static constexpr int arrays = 2, gradients = 2, factors = 1, sums = 1, kept = 1;
  template <space S>
  using rows = action_rows<S>;
  template <space S>
  using gradient_rows = action_row_gradients<S>;
  template <space S>
  struct item_factors {};
  static constexpr const char* pair_names[2][2] = {{"chosen.action", "chosen.perturbed"},
                                                   {"rejected.action", "rejected.perturbed"}};
  static constexpr const char* response_names[1][2] = {{"rows.action", "rows.perturbed"}};
  static constexpr const char* factor_names[1] = {""};
  struct gradient_names {
    static constexpr const char* pair_names[2][2] = {{"grad_chosen.action", "grad_chosen.perturbed"},
                                                     {"grad_rejected.action", "grad_rejected.perturbed"}};
    static constexpr const char* response_names[1][2] = {{"grad.action", "grad.perturbed"}};
  };

  constexpr status check() const { return {}; }
  constexpr bool reads(int) const { return true; }
  constexpr bool provides(int) const { return true; }
  template <class Rows, class F>
  static void each_row(const Rows& r, F f) {
    f(r.action), f(r.perturbed);
  }
  template <class Rows, class F>
  static void each_gradient(const Rows& r, F f) {
    f(r.action), f(r.perturbed);
  }
  template <class Factors, class F>
  static void each_factor(const Factors&, F) {}

  template <class V>
  PREFER_HD void terms(const V (&x)[arrays], const V (&)[factors], V (&t)[sums]) const {
    const V d = x[0] - x[1];
    t[0] = d * d;
  }
  PREFER_HD double finish(const double (&sum)[sums], double (&keep)[kept]) const {
    const detail::length_of_row length(sum[0], 0);
    keep[0] = length.inverse;
    return length.norm;
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], const V (&keep)[kept],
                        V (&slope)[gradients]) const {
    slope[0] = keep[0] * (x[0] - x[1]);
    slope[1] = -slope[0];
  }
};

// Which differences along time: a_{t+1} - a_t, or a_{t+2} - 2 a_{t+1} + a_t.
enum class difference_order : std::uint8_t { first = 1, second = 2 };

// The actions of n time steps, episodes one after the other.
template <space S>
struct action_sequence_inputs {
  input_view<2, S> action = {};        // [n, D]
  input_view<1, S> offsets = {};       // [episodes + 1] int32 or int64: episode e is [offsets[e], offsets[e + 1]);
                                       // one episode if not given. Steps of no episode take no part
  input_view<1, S> weight = {};        // [n] of any sign: the weight of the difference that begins here; 1 if not given
  input_view<1, S> mask = {};          // [n] bool or uint8: zero leaves a step out, and every difference that it is in
  prefer::normalizer normalizer = {};  // the number of differences that count if not given
};
template <space S>
struct action_sequence_outputs {
  output_view<1, S> loss = {};         // one element
  output_view<2, S> grad_action = {};  // [n, D]
  output_view<1, S> losses = {};       // [n]: weight * penalty of the difference that begins here; 0 where none does
  output_view<1, S> count = {};        // one element: the number of differences that count
  bool accumulate = false;             // add to the outputs instead of overwriting them
};

inline namespace PREFER_ABI {
namespace detail {

// A difference of neighbouring rows, and its length, as what a score finds of rows t, t + 1 and t + 2.
struct neighbour_distance {
  bool second = false;

  static constexpr int arrays = 3, gradients = 1, factors = 1, sums = 1, kept = 1, answers = 1;

  template <class V>
  PREFER_HD V difference(const V& a, const V& b, const V& c) const {
    return second ? (c - b) - (b - a) : b - a;
  }
  template <class T>
  PREFER_HD void begin(std::int64_t, T (&)[factors]) const {}
  template <class V>
  PREFER_HD void terms(const V (&x)[arrays], const V (&)[factors], V (&t)[sums]) const {
    const V d = difference(x[0], x[1], x[2]);
    t[0] = d * d;
  }
  PREFER_HD double finish(const double (&sum)[sums], double (&keep)[kept]) const {
    const length_of_row length(sum[0], 0);
    keep[0] = length.inverse;
    return length.norm;
  }
  // Neighbours share rows, so the gradients of rows are summed by another loop.
  template <class V>
  PREFER_HD void slopes(const V (&)[arrays], const V (&)[factors], const V (&)[kept], V (&slope)[gradients]) const {
    slope[0] = V(0);
  }
};

// The length, its inverse and the weight in; the loss and the factor that the difference itself has in gradients out.
struct smoothness_body {
  smoothness_penalty penalty;
  scalar scale = 1.0;

  static constexpr int inputs = 3, outputs = 3, sums = 2;

  PREFER_HD smoothness_body ready(double normalizer) const {
    smoothness_body b = *this;
    b.scale = scalar(1.0 / normalizer);
    return b;
  }
  template <class V>
  PREFER_HD void operator()(const V (&in)[inputs], V (&out)[outputs], V (&sum)[sums]) const {
    const scored_term<V> t = penalty(scored<V>{.score = in[0]});
    out[0] = V(0);
    out[1] = t.value * in[2];
    out[2] = t.d_score * in[1] * in[2] * scale.as<V>();
    sum[0] = out[1];
    sum[1] = V(1);
  }
};

// Which differences count: those within one episode, of steps that the mask selects.
struct keep_differences {
  std::int64_t steps;
  int order;
  source mask;
  std::uint8_t* keep;
  bool clear;  // all of them, instead

  PREFER_HD bool counts(std::int64_t t, std::int64_t end) const {
    bool all = !clear && t + order < end;
    for (int k = 0; k <= order && all; ++k) all = selects(mask, t + k);
    return all;
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count,
              [&](std::int64_t i) PREFER_HD_LAMBDA { keep[g.first + i] = counts(g.first + i, g.first + g.count); });
  }
};
struct keep_pieces : keep_differences {  // of one episode, in pieces
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { keep[g.first + i] = counts(g.first + i, steps); });
  }
};

// The gradient by every action: over the differences s that action t is in, the sum of (the action's coefficient in the
// difference) factor_s (difference s).
struct difference_gradient {
  std::int64_t n = 0, columns = 0;
  neighbour_distance distance;
  row_source action;
  const double* factor = nullptr;
  row_sink out;
  bool accumulate = false;

  PREFER_HD int order() const { return distance.second ? 2 : 1; }
  // Of action t in difference t - back: b - a, or a - 2 b + c.
  PREFER_HD double coefficient(int back) const { return distance.second ? (back == 1 ? -2 : 1) : back == 0 ? -1 : 1; }
  // 0 where none begins, which is so at the end.
  PREFER_HD double factor_of(std::int64_t s) const { return s < 0 ? 0 : factor[s]; }
  // add(back, f) for the terms of action t, in the order in which they are added: f times the difference t - back. What
  // the rows of a difference without a factor hold is irrelevant.
  template <class T, class Add>
  PREFER_HD void each_term(std::int64_t t, Add add) const {
    for (int back = order(); back >= 0; --back)
      if (const double s = factor_of(t - back); s != 0) add(back, static_cast<T>(coefficient(back) * s));
  }
};

inline constexpr int gradient_tile = 256;          // columns at a time on the CPU
inline constexpr std::int64_t gradient_rows = 64;  // steps at a time

struct gradient_tiles {
  const difference_gradient* job;
  std::int64_t first, last;  // of blocks of steps times tiles of columns
};

template <class T>
struct difference_gradient_work {
  // Rows t, t + 1 and t + 2, and differences t - 2, t - 1 and t, each where its number leaves a remainder of 3.
  struct rings {
    alignas(64) T row[3][gradient_tile], difference[3][gradient_tile], sum[gradient_tile];
  };

  template <class Level>
  static inline __attribute__((always_inline)) void run(gradient_tiles& part) {
    const difference_gradient& job = *part.job;
    const std::int64_t tiles = (job.columns + gradient_tile - 1) / gradient_tile;
    rings r{};
    for (std::int64_t i = part.first; i < part.last; ++i) {
      const std::int64_t begin = i / tiles * gradient_rows, column = i % tiles * gradient_tile;
      const int count = static_cast<int>(smaller(gradient_tile, job.columns - column));
      walk<Level>(job, r, begin, smaller(begin + gradient_rows, job.n), column, count);
    }
  }

 private:
  template <class Level>
  static inline __attribute__((always_inline)) void walk(const difference_gradient& job, rings& r, std::int64_t begin,
                                                         std::int64_t end, std::int64_t column, int count) {
    using V = lane<T, Level>;
    const int order = job.order();
    const std::int64_t before = begin < order ? 0 : begin - order;
    const auto load = [&](std::int64_t t) PREFER_HD_LAMBDA {
      if (t < job.n) load_strided(row_at(job.action, t), column, count, r.row[t % 3], isa_of<Level>);
    };
    for (std::int64_t t = before; t < before + order; ++t) load(t);
    for (std::int64_t t = before; t < end; ++t) {
      load(t + order);
      if (job.factor_of(t) != 0) {
        const T *a = r.row[t % 3], *b = r.row[(t + 1) % 3], *c = r.row[(t + 2) % 3];
        for (int k = 0; k < count; k += V::width)
          job.distance.difference(V::load(a + k), V::load(b + k), V::load(c + k)).store(r.difference[t % 3] + k);
      }
      if (t < begin) continue;
      bool any = false;
      job.each_term<T>(t, [&](int back, T factor) PREFER_HD_LAMBDA {
        const V f(factor);
        const T* d = r.difference[(t - back) % 3];
        for (int k = 0; k < count; k += V::width) {
          const V x = f * V::load(d + k);
          (any ? V::load(r.sum + k) + x : x).store(r.sum + k);
        }
        any = true;
      });
      if (!any)
        for (int k = 0; k < count; k += V::width) V(0).store(r.sum + k);
      store_strided(row_at(job.out, t), column, count, r.sum, nullptr, job.accumulate, isa_of<Level>);
    }
  }
  static source row_at(const row_source& r, std::int64_t row) {
    return {static_cast<const char*>(r.data) + row * r.row_stride * size_of(r.type), r.stride, r.type};
  }
  static sink row_at(const row_sink& r, std::int64_t row) {
    return {static_cast<char*>(r.data) + row * r.row_stride * size_of(r.type), r.stride, r.type};
  }
};

template <class T, class Exec>
status spread_differences(const Exec&, const difference_gradient&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
template <class T>
status spread_differences(const cpu& exec, const difference_gradient& job) {
  isa level;
  if (const status s = resolve_isa(exec, level); !s.ok()) return s;
  const std::int64_t tiles = (job.columns + gradient_tile - 1) / gradient_tile;
  const std::int64_t blocks = (job.n + gradient_rows - 1) / gradient_rows * tiles;
  for_blocks(exec, blocks, job.n * job.columns, [&](std::int64_t first, std::int64_t last) {
    gradient_tiles part{&job, first, last};
    run_at<difference_gradient_work<T>>(level, part);
  });
  return {};
}

template <space S>
status check_sequences(const action_sequence_inputs<S>& in, const action_sequence_outputs<S>& out) {
  if (!in.action.given()) return require::fail(errc::missing_input, "action", "one row per time step");
  if (!out.loss.given() && !out.grad_action.given() && !out.losses.given() && !out.count.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  const std::int64_t n = in.action.extent[0], d = in.action.extent[1];
  if (n < 0 || d < 0)
    return require::fail(errc::bad_extent, "action", "at least", static_cast<double>(n < 0 ? n : d), 0);
  const std::int64_t episodes = in.offsets.extent[0] - 1;
  if (in.offsets.given() && episodes < 0)
    return require::fail(errc::bad_extent, "offsets", "at least", static_cast<double>(episodes + 1), 1);
  using require::holds;
  const auto vector = [](const char* name, const auto& v, std::int64_t extent, const char* whose, holds what) {
    return check_optional(name, v, extent, whose, what);
  };
  constexpr const char *steps = "one per time step:", *one = "one element:";
  if (const status s = first_error(
          require::matrix("action", in.action, n, d),
          vector("offsets", in.offsets, episodes + 1, "one per episode and the end:", holds::indices),
          vector("weight", in.weight, n, steps, holds::numbers), vector("mask", in.mask, n, steps, holds::flags),
          vector("loss", out.loss, 1, one, holds::totals),
          out.grad_action.given() ? require::matrix("grad_action", out.grad_action, n, d) : status{},
          vector("losses", out.losses, n, steps, holds::numbers), vector("count", out.count, 1, one, holds::totals));
      !s.ok())
    return s;
  require::footprints<4, 4> all;
  all.read("action", in.action), all.read("offsets", in.offsets);
  all.read("weight", in.weight), all.read("mask", in.mask);
  all.write("loss", out.loss), all.write("grad_action", out.grad_action);
  all.write("losses", out.losses), all.write("count", out.count);
  return all.check();
}

// Offsets, on the CPU.
inline status check_sequence_content(const cpu& exec, const segment_source& offsets, std::int64_t episodes) {
  return exec.content == content::none || offsets.begin == nullptr ? status{}
                                                                   : check_offsets(offsets, episodes, "offsets");
}
inline status check_sequence_content(const cuda&, const segment_source&, std::int64_t) { return {}; }

// Scratch memory: a flag and a factor per step.
constexpr std::int64_t step_flags(std::int64_t n) { return (n + 255) / 256 * 256; }
constexpr std::size_t smoothness_scratch(std::int64_t n) {
  return static_cast<std::size_t>(step_flags(n)) + static_cast<std::size_t>(n) * sizeof(double);
}

template <space S>
row_source rows_from(const input_view<2, S>& v, std::int64_t step) {
  row_source r = place_of(v);
  if (r.data != nullptr) r.data = static_cast<const char*>(r.data) + step * r.row_stride * size_of(r.type);
  return r;
}

template <class Exec>
status mark_differences(const Exec& exec, const segment_source& offsets, std::int64_t episodes, keep_differences work) {
  const std::int64_t n = work.steps;
  work.clear = offsets.begin != nullptr;
  if (const status s = for_groups(exec, pieces_of(n), keep_pieces{work}); !s.ok() || !work.clear) return s;
  work.clear = false;
  group_table groups;
  groups.samples = n, groups.groups = episodes;
  groups.offsets = {offsets.begin, offsets.begin_stride, offsets.begin_type};
  return for_groups(exec, groups, work);
}

}  // namespace detail

// Bytes of workspace that temporal_smoothness needs on the CPU for n time steps; on CUDA (with the .cuh) too.
inline std::size_t temporal_smoothness_workspace(const cpu&, std::int64_t n) {
  return n > 0 ? detail::smoothness_scratch(n) + detail::arena::alignment : 0;
}

// Temporal smoothness of packed episodes:
//
//   loss = 1 / n sum_t w_t penalty(|d_t|),  d_t = a_{t+1} - a_t, or with difference_order::second
//                                           d_t = a_{t+2} - 2 a_{t+1} + a_t
//
//   temporal_smoothness<float>(cpu{.workspace = ...}, smoothness_penalty{}, difference_order::first,
//                              {.action = {a, n, D}, .offsets = {o, episodes + 1}},
//                              {.loss = {&loss, 1}, .grad_action = {by_a, n, D}});
//
// over differences whose steps are all in one episode and selected; n is their number, or the normaliser. No difference
// reaches over an episode's end; episodes of one step (of two, of second differences) have none. The gradient by the
// actions is that of every difference an action is in: for the norm, weights of 1 and first differences
//
//   d loss / d a_t = coefficient / n (d_{t-1} / |d_{t-1}| - d_t / |d_t|),   with 0 for d / |d| where d = 0
//
// First differences and the norm: CAPS, Mysore et al. 2021, arXiv 2012.06644. Second differences squared: Grad-CAPS,
// arXiv 2407.04315, from a summary; its normalisation by the displacement is not part of it. An action in [-1, 1] makes
// a natural unit; scale others first.
//
// Arithmetic in Compute (float or double), lengths in double. Actions are read once for the value, once more for the
// gradient. Nothing is allocated on the CPU, which needs workspace; on CUDA at most 5 launches, with workspace or
// memory in stream order. Steps left out may hold NaN; their gradients are 0. Errors: parameters, shapes, types,
// overlap, workspace, on the CPU offsets; then nothing has been written. On CUDA an episode with bad offsets has no
// differences and is reported.
template <class Compute, class Exec>
status temporal_smoothness(const Exec& exec, const smoothness_penalty& penalty, difference_order order,
                           const std::type_identity_t<action_sequence_inputs<Exec::memory>>& in,
                           const std::type_identity_t<action_sequence_outputs<Exec::memory>>& out) {
  static_assert(std::same_as<Compute, float> || std::same_as<Compute, double>,
                "prefer: temporal_smoothness<Compute> computes in float or double; the views choose their own types");
  using namespace detail;
  const int reach = static_cast<int>(order);
  if (const status s = first_error(penalty.check(), require::that(reach == 1 || reach == 2, "order", reach, "1 or 2"),
                                   check_sequences(in, out));
      !s.ok())
    return s;
  const std::int64_t n = in.action.extent[0], episodes = in.offsets.given() ? in.offsets.extent[0] - 1 : 1;
  const segment_source offsets = in.offsets.given() ? segments_of(in.offsets, n) : segment_source{};
  if (const status s = check_sequence_content(exec, offsets, episodes); !s.ok()) return s;
  return with_scratch(exec, n > 0 ? smoothness_scratch(n) : 0, [&](void* memory, const Exec& rest) {
    auto* const keep = static_cast<std::uint8_t*>(memory);
    auto* const factor = n > 0 ? reinterpret_cast<double*>(keep + step_flags(n)) : nullptr;
    if (const status s = mark_differences(exec, offsets, episodes, {n, reach, place_of(in.mask), keep, false}); !s.ok())
      return s;
    const neighbour_distance distance{reach == 2};
    row_arguments<neighbour_distance, smoothness_body, 1> a;
    a.items.n = n;
    a.items.in[2] = place_of(in.weight);
    a.items.in[2].neutral = 1;
    if (n > 0) a.items.mask = {keep, 1, element::u8};
    a.items.normalizer = in.normalizer;
    a.items.accumulate = out.accumulate;
    a.items.out[1] = place_of(out.losses);
    if (out.grad_action.given()) a.items.out[2] = {factor, 1, element::f64, true};
    a.items.sum[0] = {out.loss.data, out.loss.type, true};
    a.items.sum[1] = {out.count.data, out.count.type, false};
    a.elements = in.action.extent[1];
    a.computed = 2;
    for (int k = 0; k <= reach; ++k) a.row[0][k] = rows_from(in.action, k);
    if (const status s = row_map_reduce<Compute>(rest, distance, smoothness_body{penalty}, a); !s.ok()) return s;
    if (!out.grad_action.given()) return status{};
    return spread_differences<Compute>(exec, difference_gradient{n, a.elements, distance, place_of(in.action), factor,
                                                                 place_of(out.grad_action), out.accumulate});
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
