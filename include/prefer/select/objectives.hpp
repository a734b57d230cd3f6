// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/convert.hpp>
#include <prefer/backend/map_reduce.hpp>
#include <prefer/backend/place_of.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>

// What all Pareto calls share: the objectives and what is better, the samples and their groups, and the one definition
// of "dominates" that the backends and the tests use.
namespace prefer {

enum class direction : std::uint8_t { maximize, minimize };

// When a sample dominates another. `pareto`: it is nowhere worse and somewhere better. `strict`: it is better in every
// objective, so that fewer samples are dominated (those left are the weakly efficient ones).
enum class dominance : std::uint8_t { pareto, strict };

// Of samples that are equal in every objective and that nothing dominates: all are kept, the one with the lowest index,
// or none (each weakly dominates the other).
enum class duplicates : std::uint8_t { keep, first, drop };

// What a sample with a NaN among its objectives (or for a violation) is. `reject`: an error; where content is not
// looked at (on CUDA, with content::none) as `ignore`, and reported on CUDA. `worst`: the NaN counts as the worst value
// there is, equal to an infinite one (a violation as an infinite one). `ignore`: the sample is never selected and
// influences nobody, as if the mask left it out.
enum class nan_policy : std::uint8_t { reject, worst, ignore };

// How to look for non-dominated samples; every choice has the same answer. `automatic` chooses by the numbers of
// objectives and samples (docs/decisions/013_pareto_algorithms.md).
enum class pareto_algorithm : std::uint8_t { automatic, all_pairs, sorted, partitioned };

// `count` values on the host that a call reads before it returns; empty unless given.
template <class T>
struct host_list {
  const T* data = nullptr;
  std::int64_t count = 0;

  constexpr host_list() = default;
  template <std::integral I>
  constexpr host_list(const T* values, I n) : data(values), count(static_cast<std::int64_t>(n)) {}
  template <std::size_t N>
  constexpr host_list(const T (&values)[N]) : data(values), count(static_cast<std::int64_t>(N)) {}

  constexpr bool given() const { return data != nullptr || count != 0; }
};

// K objectives, up to 256: K is that of the samples. Objectives are compared exactly; with a tolerance t > 0 as
// multiples of it: two values are equal if floor(x / t) of both are (of -x where less is better), else the larger one
// is better. Steps of a grid, as in epsilon-archives (Laumanns et al. 2002), because "equal within t" is not
// transitive: three samples can dominate each other in a circle, and no set would be left.
struct objectives {
  static constexpr std::int64_t most = 256;

  host_list<direction> directions = {};  // [K]; all are maximised unless given
  host_list<double> tolerances = {};     // [K], each 0 or above and finite; all 0 unless given
  prefer::dominance dominance = prefer::dominance::pareto;
  prefer::duplicates duplicates = prefer::duplicates::keep;
  nan_policy nan = nan_policy::reject;
};

// Samples with K objectives each, in groups that do not see each other. Either [N, K], one group, or with offsets the
// groups [offsets[b], offsets[b + 1]); or [B, N, K], whose samples are numbered through: b * N + i. What belongs to
// samples (inputs here, outputs of calls) is a vector over all of them. Samples of no group (before the first offset,
// from the last on) are not read, and their outputs are untouched.
template <space S>
struct objective_samples {
  input_view<2, S> rewards = {};        // [N, K]: double, float, half or bfloat16
  input_view<3, S> reward_groups = {};  // or [B, N, K]
  input_view<1, S> offsets = {};        // [B + 1] int32 or int64, with `rewards` only
  // How much a sample violates constraints, in total: 0 or less is feasible. A feasible sample dominates any that is
  // not; of two that are not, the one with less does, whatever their objectives; equal ones are compared by objectives.
  input_view<1, S> violation = {};
  input_view<1, S> mask = {};  // bool or uint8: zero leaves a sample out; it may hold anything
};

inline namespace PREFER_ABI {
namespace detail {

// The samples of one group: `count` of them from number `first` on. Sample i of the group has its objectives at the
// elements base + i * row_stride + k * objective_stride. A count of -1 says that the offsets are bad (CUDA).
struct group_rows {
  std::int64_t first = 0, count = 0, base = 0;
};

// What a sample is, apart from its numbers.
enum class sample_state : std::uint8_t { present, masked, not_a_number };

// A call's samples as both backends see them. Passed to kernels by value (2.4 KB).
struct objective_table {
  const char* rewards = "rewards";  // the name of the argument
  const void* data = nullptr;
  element type = element::none;
  std::int64_t group_stride = 0, row_stride = 0, objective_stride = 0;
  std::int64_t samples = 0;    // of all groups
  std::int64_t groups = 0;
  std::int64_t per_group = 0;  // the most that a group can have
  int count = 0;               // K
  bool stepped = false;        // some tolerance is not 0
  prefer::dominance dominance = prefer::dominance::pareto;
  prefer::duplicates duplicates = prefer::duplicates::keep;
  nan_policy nan = nan_policy::reject;
  source offsets, violation, mask;
  std::uint64_t minimized[objectives::most / 64] = {};  // one bit per objective
  double tolerance[objectives::most] = {};

  // Keys are exact in float unless elements are double or there are steps, which may be many.
  PREFER_HD bool needs_double() const { return type == element::f64 || stepped; }
  PREFER_HD bool minimizes(int k) const { return (minimized[k >> 6] >> (k & 63) & 1) != 0; }

  PREFER_HD group_rows group(std::int64_t b) const {
    if (offsets.data == nullptr) return {b * per_group, per_group, b * group_stride};
    const std::int64_t begin = load_index(offsets.data, offsets.type, b * offsets.stride);
    const std::int64_t end = load_index(offsets.data, offsets.type, (b + 1) * offsets.stride);
    if (begin < 0 || end < begin || end > samples) return {0, -1, 0};
    return {begin, end - begin, begin * row_stride};
  }

  // Objective k as a number of which more is better, infinitely bad for NaN. T is double if needs_double().
  template <class T>
  PREFER_HD T key(T x, int k) const {
    if (math::is_nan(x)) return -math::detail::infinity<T>();
    const T more = minimizes(k) ? -x : x;
    if (!stepped || !(tolerance[k] > 0)) return more;
    return static_cast<T>(::floor(static_cast<double>(more) / tolerance[k]));
  }
  template <class T>
  PREFER_HD T key_at(const group_rows& g, std::int64_t i, int k) const {
    return key(load_element<T>(data, type, g.base + i * row_stride + k * objective_stride), k);
  }
  // 0 for a feasible sample, infinite for NaN. `s` is the number of a sample, group.first + i.
  PREFER_HD double violation_of(std::int64_t s) const {
    if (violation.data == nullptr) return 0;
    const double x = load_element<double>(violation.data, violation.type, s * violation.stride);
    return math::is_nan(x) ? math::detail::infinity<double>() : x > 0 ? x : 0;
  }
  PREFER_HD bool in_mask(std::int64_t s) const {
    return mask.data == nullptr || load_element<float>(mask.data, mask.type, s * mask.stride) != 0.0f;
  }
  // The first objective of a sample that is NaN, K if it is the violation, -1 for none.
  PREFER_HD int first_nan(const group_rows& g, std::int64_t i) const {
    for (int k = 0; k < count; ++k)
      if (math::is_nan(load_element<double>(data, type, g.base + i * row_stride + k * objective_stride))) return k;
    if (violation.data == nullptr) return -1;
    const std::int64_t at = (g.first + i) * violation.stride;
    return math::is_nan(load_element<double>(violation.data, violation.type, at)) ? count : -1;
  }
  // Those that are not present are never selected and influence nobody.
  PREFER_HD sample_state state_of(const group_rows& g, std::int64_t i) const {
    if (!in_mask(g.first + i)) return sample_state::masked;
    return nan != nan_policy::worst && first_nan(g, i) >= 0 ? sample_state::not_a_number : sample_state::present;
  }
};

// The definition: one pair after the other (V is double or float), or as many as a lane has. Show it all objectives.
template <class V>
struct dominance_test {
  using mask = decltype(V() < V());
  mask somewhere_worse = mask(false), somewhere_better = mask(false), everywhere_better = mask(true);

  // Keys of a and b in one objective.
  PREFER_HD void see(const V& a, const V& b) {
    const mask better = a > b, worse = a < b;
    somewhere_better = somewhere_better | better;
    somewhere_worse = somewhere_worse | worse;
    everywhere_better = everywhere_better & better;
  }
  // Does a dominate b?
  PREFER_HD mask dominates(dominance d) const {
    return d == dominance::strict ? everywhere_better : somewhere_better & !somewhere_worse;
  }
  PREFER_HD mask equal() const { return !(somewhere_better | somewhere_worse); }
};

// What sample a of a group is to sample b of the same, both present, as the definition has it: constraints first.
enum class relation : std::uint8_t { none, dominates, equals };
template <class T>
PREFER_HD relation relation_of(const objective_table& t, const group_rows& g, std::int64_t a, std::int64_t b) {
  const double of_a = t.violation_of(g.first + a), of_b = t.violation_of(g.first + b);
  if (of_a != of_b) return of_a < of_b ? relation::dominates : relation::none;
  dominance_test<T> test;
  for (int k = 0; k < t.count; ++k) test.see(t.key_at<T>(g, a, k), t.key_at<T>(g, b, k));
  return test.dominates(t.dominance) ? relation::dominates : test.equal() ? relation::equals : relation::none;
}

// Whether sample a keeps sample b out of the non-dominated set.
template <class T>
PREFER_HD bool excludes(const objective_table& t, const group_rows& g, std::int64_t a, std::int64_t b) {
  const relation r = relation_of<T>(t, g, a, b);
  if (r == relation::dominates) return true;
  if (r == relation::none || t.duplicates == duplicates::keep || a == b) return false;
  return t.duplicates == duplicates::drop || a < b;
}

inline status check_objectives(const objectives& o, const char* rewards, std::int64_t count) {
  if (const status s = require::one_to(rewards, count, objectives::most, "objectives per sample: at least",
                                       "objectives per sample: at most");
      !s.ok())
    return s;
  const auto length = [&](const char* name, const auto& list) {
    if (list.given() && list.count != count)
      return require::fail(errc::bad_extent, name, "one per objective,", static_cast<double>(list.count),
                           static_cast<double>(count));
    if (list.given() && list.data == nullptr)
      return require::fail(errc::null_data, name, "a pointer to its elements, but it is null");
    return status{};
  };
  if (const status s = first_error(length("directions", o.directions), length("tolerances", o.tolerances)); !s.ok())
    return s;
  const auto bad = [](const char* name, auto got, const char* expected, std::int64_t at = -1) {
    return require::fail(errc::bad_parameter, name, expected, static_cast<double>(got), 0, at);
  };
  for (std::int64_t k = 0; k < o.directions.count; ++k)
    if (o.directions.data[k] > direction::minimize)
      return bad("directions", static_cast<int>(o.directions.data[k]), "maximize or minimize", k);
  for (std::int64_t k = 0; k < o.tolerances.count; ++k)
    if (!(o.tolerances.data[k] >= 0 && require::finite(o.tolerances.data[k])))
      return bad("tolerances", o.tolerances.data[k], "a finite number, 0 or above", k);
  if (o.dominance > dominance::strict) return bad("dominance", static_cast<int>(o.dominance), "pareto or strict");
  if (o.duplicates > duplicates::drop)
    return bad("duplicates", static_cast<int>(o.duplicates), "keep, first or drop");
  if (o.nan > nan_policy::ignore) return bad("nan", static_cast<int>(o.nan), "reject, worst or ignore");
  return {};
}

// Numbers of samples within a group fit into 32 bits.
inline constexpr std::int64_t most_rows = std::numeric_limits<std::int32_t>::max();

template <int Rank, space S>
status check_rewards(const char* name, const input_view<Rank, S>& v) {
  if (const status s = require::element_type(name, v.type, require::holds::numbers); !s.ok()) return s;
  std::int64_t expected[Rank];
  for (int r = 0; r < Rank; ++r) {
    expected[r] = v.extent[r];
    if (v.extent[r] < 0)
      return require::fail(errc::bad_extent, name, "at least", static_cast<double>(v.extent[r]), 0);
  }
  if (v.extent[Rank - 2] > most_rows)
    return require::fail(errc::bad_extent, name, "samples in a group: at most",
                         static_cast<double>(v.extent[Rank - 2]), static_cast<double>(most_rows));
  if constexpr (Rank == 2)
    return require::matrix(name, v, expected[0], expected[1]);
  else
    return require::batch(name, v, expected);
}

// Everything that the host can see. `t` is complete if the answer is ok, and has no meaning otherwise.
template <space S>
status make_objective_table(const objectives& o, const objective_samples<S>& in, objective_table& t) {
  const auto& flat = in.rewards;
  const auto& grouped = in.reward_groups;
  if (flat.given() == grouped.given())
    return flat.given()
               ? require::fail(errc::unused_input, "reward_groups", "to be left out, since there are rewards")
               : require::fail(errc::missing_input, "rewards", "samples: rewards [N, K] or reward_groups [B, N, K]");
  if (const status s = flat.given() ? check_rewards("rewards", flat) : check_rewards("reward_groups", grouped);
      !s.ok())
    return s;
  if (const status s = flat.given() ? check_objectives(o, "rewards", flat.extent[1])
                                    : check_objectives(o, "reward_groups", grouped.extent[2]);
      !s.ok())
    return s;
  if (in.offsets.given()) {
    if (grouped.given())
      return require::fail(errc::unused_input, "offsets", "to be left out with reward_groups, whose groups are equal");
    if (in.offsets.extent[0] < 1)
      return require::fail(errc::bad_extent, "offsets", "one more than there are groups: at least",
                           static_cast<double>(in.offsets.extent[0]), 1);
    if (const status s = require::vector("offsets", in.offsets, in.offsets.extent[0], "", require::holds::indices);
        !s.ok())
      return s;
  }
  t.count = static_cast<int>(flat.given() ? flat.extent[1] : grouped.extent[2]);
  t.rewards = flat.given() ? "rewards" : "reward_groups";
  t.data = flat.given() ? flat.data : grouped.data;
  t.type = flat.given() ? flat.type : grouped.type;
  t.row_stride = flat.given() ? flat.stride[0] : grouped.stride[1];
  t.objective_stride = flat.given() ? flat.stride[1] : grouped.stride[2];
  t.group_stride = flat.given() ? 0 : grouped.stride[0];
  t.groups = grouped.given() ? grouped.extent[0] : in.offsets.given() ? in.offsets.extent[0] - 1 : 1;
  t.per_group = flat.given() ? flat.extent[0] : grouped.extent[1];
  t.samples = flat.given() ? flat.extent[0] : grouped.extent[0] * grouped.extent[1];
  const auto per_sample = [&](const char* name, const input_view<1, S>& v, require::holds what) {
    return check_optional(name, v, t.samples, "the number of samples,", what);
  };
  if (const status s = first_error(per_sample("violation", in.violation, require::holds::numbers),
                                   per_sample("mask", in.mask, require::holds::flags));
      !s.ok())
    return s;
  t.offsets = place_of(in.offsets), t.violation = place_of(in.violation), t.mask = place_of(in.mask);
  t.dominance = o.dominance, t.duplicates = o.duplicates, t.nan = o.nan;
  for (int k = 0; k < t.count; ++k) {
    if (o.directions.given() && o.directions.data[k] == direction::minimize)
      t.minimized[k >> 6] |= std::uint64_t{1} << (k & 63);
    t.tolerance[k] = o.tolerances.given() ? o.tolerances.data[k] : 0;
    t.stepped = t.stepped || t.tolerance[k] > 0;
  }
  return {};
}

// The memory of the inputs, for the overlap test of a call: 5 of them at most.
template <int Inputs, int Outputs, space S>
void read_samples(const objective_samples<S>& in, require::footprints<Inputs, Outputs>& all) {
  const auto read = [&](const char* name, const auto& v) {
    if (v.given()) all.read(require::footprint_of(name, v));
  };
  read("rewards", in.rewards), read("reward_groups", in.reward_groups), read("offsets", in.offsets);
  read("violation", in.violation), read("mask", in.mask);
}

// On the CPU, before anything is written: offsets that decrease or leave the samples.
inline status check_group_offsets(const objective_table& t) {
  if (t.offsets.data == nullptr) return {};
  std::int64_t before = 0;
  for (std::int64_t b = 0; b <= t.groups; ++b) {
    const std::int64_t at = load_index(t.offsets.data, t.offsets.type, b * t.offsets.stride);
    if (at < before || at > t.samples)
      return require::fail(errc::bad_offsets, "offsets",
                           "0 or more, no less than the offset before it, no more than the number of samples",
                           static_cast<double>(at), 0, b);
    before = at;
  }
  return {};
}

// The same for NaN, where they are rejected: what is wrong with sample i of a group, of which some objective is NaN.
// The index is that of the element: sample * K + objective, or the sample's for a violation.
inline status nan_sample(const objective_table& t, const group_rows& g, std::int64_t i) {
  const int k = t.first_nan(g, i);
  const bool objective = k < t.count;
  return require::fail(errc::not_a_number, objective ? t.rewards : "violation",
                       "a number, but it is NaN (or another nan_policy)", 0, 0,
                       objective ? (g.first + i) * t.count + k : g.first + i);
}

// The same by the sample's number in all groups.
inline status nan_sample_of(const objective_table& t, std::int64_t sample) {
  for (std::int64_t b = 0; b < t.groups; ++b)
    if (const group_rows g = t.group(b); sample >= g.first && sample < g.first + g.count)
      return nan_sample(t, g, sample - g.first);
  return {};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
