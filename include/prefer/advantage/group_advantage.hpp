// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/rules.hpp>
#include <prefer/backend/cpu/group_map.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// group_advantages: advantages from the scores of groups of responses, by any rule of advantage/rules.hpp.
namespace prefer {

// N scores in n groups: group i owns the scores [offsets[i], offsets[i + 1]).
template <space S>
struct advantage_inputs {
  input_view<1, S> score = {};    // N
  input_view<1, S> offsets = {};  // n + 1; int32 or int64
  input_view<1, S> mask = {};     // N; bool or uint8: zero leaves the score out of its group
  input_view<1, S> batch = {};    // 3 doubles side by side: the moments of the batch, if known (see batch_moments)
  bool exclude_nan = false;       // a score that is NaN is left out, instead of making its group NaN
  input_view<2, S> moments = {};  // [n, 3] doubles side by side: the moments of the groups, if not those of the scores
};

template <space S>
struct advantage_outputs {
  output_view<1, S> advantage = {};  // N; 0 where a score is left out
  output_view<1, S> mean = {};       // n: of the selected scores; 0 for none
  output_view<1, S> std = {};        // n: their population standard deviation; exactly 0 where all are equal
  output_view<1, S> count = {};      // n: how many they are
};

inline namespace PREFER_ABI {
namespace detail {

inline constexpr const char* one_per_score = "one per score:";
inline constexpr const char* one_per_group = "one per group, one less than offsets:";
inline constexpr const char* per_group_row = "three doubles per group without gaps: a row stride of";
inline constexpr const char* three_moments = "number, mean and squares, that is";

// Three doubles side by side.
template <bool Mutable, space S>
status check_moments(const char* name, const erased_view<Mutable, 1, S>& v) {
  if (v.type != element::f64) return require::fail(errc::bad_element, name, "elements of type double");
  if (const status s = require::vector(name, v, 3, three_moments, require::holds::totals); !s.ok()) return s;
  return v.stride[0] == 1 ? status{}
                          : require::fail(errc::bad_stride, name, "exactly", static_cast<double>(v.stride[0]), 1);
}

// Rows of three doubles side by side.
template <bool Mutable, space S>
status check_moment_rows(const erased_view<Mutable, 2, S>& v, std::int64_t n, const char* whose) {
  if (v.type != element::f64) return require::fail(errc::bad_element, "moments", "elements of type double");
  if (const status s = require::matrix("moments", v, n, 3, require::holds::totals); !s.ok()) return s;
  if (v.stride[1] == 1 && (v.stride[0] == 3 || n < 2)) return {};
  return require::fail(errc::bad_stride, "moments", whose, static_cast<double>(v.stride[0]), 3);
}

template <space S>
status check_groups(const advantage_inputs<S>& in, const advantage_outputs<S>& out, bool takes_batch) {
  if (!in.score.given()) return require::fail(errc::missing_input, "score", "one score per response");
  if (!in.offsets.given()) return require::fail(errc::missing_input, "offsets", "where each group begins, and the end");
  if (in.batch.given() && !takes_batch)
    return require::fail(errc::unused_input, "batch", "to be left out, since this call does not read it");
  const std::int64_t scores = in.score.extent[0], n = in.offsets.extent[0] - 1;
  if (n < 0 || scores < 0)
    return require::fail(errc::bad_extent, n < 0 ? "offsets" : "score", "at least",
                         static_cast<double>(n < 0 ? n + 1 : scores), n < 0 ? 1 : 0);
  if (in.moments.given() && takes_batch && !in.batch.given())
    return require::fail(errc::missing_input, "batch", "three numbers, since the moments of the groups are given");
  using require::holds;
  const auto optional = [](const char* name, const auto& v, std::int64_t extent, const char* whose, holds what) {
    return v.given() ? require::vector(name, v, extent, whose, what) : status{};
  };
  if (const status s = first_error(require::vector("score", in.score, scores, one_per_score, holds::numbers),
                                   require::vector("offsets", in.offsets, n + 1, one_per_group, holds::indices),
                                   optional("mask", in.mask, scores, one_per_score, holds::flags),
                                   in.batch.given() ? check_moments("batch", in.batch) : status{},
                                   in.moments.given() ? check_moment_rows(in.moments, n, per_group_row) : status{},
                                   optional("advantage", out.advantage, scores, one_per_score, holds::numbers),
                                   optional("mean", out.mean, n, one_per_group, holds::numbers),
                                   optional("std", out.std, n, one_per_group, holds::numbers),
                                   optional("count", out.count, n, one_per_group, holds::numbers));
      !s.ok())
    return s;
  require::footprints<5, 4> all;
  const auto reads = [&](const char* name, const auto& v) {
    if (v.given()) all.read(require::footprint_of(name, v));
  };
  const auto writes = [&](const char* name, const auto& v) {
    if (v.given()) all.write(require::footprint_of(name, v));
  };
  reads("score", in.score), reads("offsets", in.offsets), reads("mask", in.mask), reads("batch", in.batch);
  reads("moments", in.moments);
  writes("advantage", out.advantage), writes("mean", out.mean), writes("std", out.std), writes("count", out.count);
  return all.check();
}

template <space S>
group_arguments make_group_arguments(const advantage_inputs<S>& in, const advantage_outputs<S>& out) {
  group_arguments a;
  a.groups = in.offsets.extent[0] - 1;
  a.scores = segments_of(in.offsets, in.score.extent[0]);
  a.scores.mask = place_of(in.mask);
  a.score = place_of(in.score);
  a.exclude_nan = in.exclude_nan;
  a.batch = static_cast<const double*>(in.batch.data);
  a.known = static_cast<const double*>(in.moments.data);
  a.out = place_of(out.advantage);
  a.mean = place_of(out.mean), a.std = place_of(out.std), a.count = place_of(out.count);
  return a;
}

// Offsets; with content::all NaN in selected scores too, unless they are excluded.
inline status check_group_content(const cpu& exec, const group_arguments& a) {
  if (exec.content == content::none) return {};
  if (const status s = check_offsets(a.scores, a.groups, "offsets"); !s.ok()) return s;
  if (exec.content != content::all || a.exclude_nan) return {};
  for (std::int64_t g = 0; g < a.groups; ++g)
    for (token_range r = range_of(a.scores, g); r.begin < r.end; ++r.begin)
      if (selects(a.scores.mask, r.begin) && math::is_nan(read_item<double>(a.score, r.begin)))
        return require::fail(errc::not_a_number, "score", "a number, but it is NaN", 0, 0, r.begin);
  return {};
}
inline status check_group_content(const cuda&, const group_arguments&) { return {}; }

}  // namespace detail

// f(Count doubles of scratch memory where the call runs, exec for the calls inside).
template <int Count, class F>
status with_doubles(const cpu& exec, F f) {
  double some[Count];
  return f(some, exec);
}

// The advantages of N scores in n groups, and the moments of the groups; what is not given is not computed.
//
//   group_advantages(cpu{.pool = pool}, grpo{}, {.score = {x, N}, .offsets = {o, n + 1}}, {.advantage = {a, N}});
//
// Arithmetic is in double whatever the elements are; what that costs and how exact and reproducible it is, is in
// backend/group_map.hpp. On CUDA 1 to 6 launches, and group_advantages_workspace bytes of scratch memory. Returns the
// first thing that is wrong (shapes, types, parameters, overlap; on the CPU offsets too); then nothing has been
// written. On CUDA a group of bad offsets is reported: its mean is NaN, its advantages are not written.
template <class Exec, class Rule>
status group_advantages(const Exec& exec, const Rule& rule,
                        const std::type_identity_t<advantage_inputs<Exec::memory>>& in,
                        const std::type_identity_t<advantage_outputs<Exec::memory>>& out) {
  static_assert(detail::advantage_rule<Rule>,
                "prefer: group_advantages takes a rule that makes a function of the moments of a group: see "
                "advantage/rules.hpp; ranks and baselines have calls of their own");
  if constexpr (detail::advantage_rule<Rule>) {  // else the sentence above is enough
    if (const status s = rule.check(); !s.ok()) return s;
    if (const status s = detail::check_groups(in, out, detail::learns_batch<Rule>); !s.ok()) return s;
    if (!out.advantage.given() && !out.mean.given() && !out.std.given() && !out.count.given())
      return require::fail(errc::missing_output, "outputs", "at least one output to write");
    const group_arguments a = detail::make_group_arguments(in, out);
    if (const status s = detail::check_group_content(exec, a); !s.ok()) return s;
    return group_map(exec, rule, a);
  }
}

// What `rule`, one that learns of the batch, wants to know of it: the moments (number, mean, sum of squared deviations)
// of what the groups contribute, as three doubles. Merge them over processes (merge_processes, core/moments.hpp), or
// over micro-batches, and give them to group_advantages as `batch`: then all parts are normalised alike.
template <class Exec, class Rule>
status batch_moments(const Exec& exec, const Rule& rule, const std::type_identity_t<advantage_inputs<Exec::memory>>& in,
                     const std::type_identity_t<output_view<1, Exec::memory>>& out) {
  static_assert(detail::learns_batch<Rule>, "prefer: batch_moments takes a rule that learns of the batch");
  if (const status s = rule.check(); !s.ok()) return s;
  if (!out.given()) return require::fail(errc::missing_output, "moments", "three doubles");
  if (in.moments.given())
    return require::fail(errc::unused_input, "moments", "to be left out, since those of the scores are found");
  if (const status s = detail::check_groups(in, advantage_outputs<Exec::memory>{}, false); !s.ok()) return s;
  if (const status s = detail::check_moments("moments", out); !s.ok()) return s;
  require::footprints<3, 1> all;
  all.read(require::footprint_of("score", in.score)), all.read(require::footprint_of("offsets", in.offsets));
  if (in.mask.given()) all.read(require::footprint_of("mask", in.mask));
  all.write(require::footprint_of("moments", out));
  if (const status s = all.check(); !s.ok()) return s;
  group_arguments a = detail::make_group_arguments(in, advantage_outputs<Exec::memory>{});
  a.batch_out = static_cast<double*>(out.data);
  if (const status s = detail::check_group_content(exec, a); !s.ok()) return s;
  return group_map(exec, rule, a);
}

}  // namespace PREFER_ABI
}  // namespace prefer
