// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/outputs.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>

#include <cstdint>
#include <type_traits>

namespace prefer {

// What a set of findings (defects, faults that a critic names) is worth beside the true one: G and C, as flags over M
// possible elements.
//
//   jaccard: overlap = |G and C| / |G or C|       f1: overlap = 2 |G and C| / (|G| + |C|)       1 if both are empty
//   reward  = overlap + judge_weight judge, or with `indicator` 1 where overlap > above, strictly, in its place
//
// Which findings are the same is for the caller (a judge model) to say. No gradient. A critic's pairs for DPO are those
// of strictly larger reward. Errors: weights finite, above from 0 to 1; shapes, element types, memory that overlaps.
// O(N M); one launch, no workspace. Source: Critic-V (arXiv 2411.18203: Jaccard and a judge from 0 to 10 whose weight
// is about 0.1), EvoPresent (arXiv 2510.05571: the indicator of F1); empty sets are proposed here.
struct set_overlap {
  enum class measure : std::uint8_t { jaccard, f1 };

  measure by = measure::jaccard;
  bool indicator = false;
  scalar above = 0.5;
  scalar judge_weight = 0.1;

  constexpr status check() const {
    return first_error(require::from_0_to_1(above, "above"), require::is_finite(judge_weight, "judge_weight"));
  }
};

template <space S>
struct set_inputs {
  input_view<2, S> found = {};  // [N, M] bool or uint8
  input_view<2, S> truth = {};  // [N, M]; row stride 0: one for all
  input_view<1, S> judge = {};  // N; 0 if not given
};
template <space S>
struct set_outputs {
  output_view<1, S> reward = {};   // N
  output_view<1, S> overlap = {};  // N: the measure itself
};

inline namespace PREFER_ABI {
namespace detail {

struct overlap_work {
  set_overlap rule;
  row_source found, truth;
  std::int64_t elements;
  source judge;
  sink reward, overlap;

  static PREFER_HD bool has(const row_source& sets, std::int64_t i, std::int64_t e) {
    return static_cast<const std::uint8_t*>(sets.data)[i * sets.row_stride + e * sets.stride] != 0;
  }
  PREFER_HD double overlap_of(std::int64_t i) const {
    std::int64_t both = 0, sum = 0;
    for (std::int64_t e = 0; e < elements; ++e) {
      const bool f = has(found, i, e), t = has(truth, i, e);
      both += f && t, sum += (f ? 1 : 0) + (t ? 1 : 0);
    }
    if (sum == 0) return 1;
    return rule.by == set_overlap::measure::f1 ? 2 * static_cast<double>(both) / static_cast<double>(sum)
                                               : static_cast<double>(both) / static_cast<double>(sum - both);
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t s = g.first + i;
      const double x = overlap_of(s), gained = rule.indicator ? (x > rule.above.as<double>() ? 1 : 0) : x;
      write_item(overlap, s, true, x, false);
      write_item(reward, s, true, gained + rule.judge_weight.as<double>() * read_item<double>(judge, s), false);
    });
  }
};

template <space S>
status make_overlap(const set_overlap& rule, const set_inputs<S>& in, const set_outputs<S>& out, std::int64_t& n,
                    overlap_work& w) {
  using require::holds;
  if (const status s = rule.check(); !s.ok()) return s;
  if (!in.found.given()) return require::fail(errc::missing_input, "found", "flags of the elements, [N, M]");
  if (!in.truth.given()) return require::fail(errc::missing_input, "truth", "flags of the elements, [N, M]");
  if (!out.reward.given() && !out.overlap.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  n = in.found.extent[0];
  const std::int64_t m = in.found.extent[1];
  for (const std::int64_t x : {n, m})
    if (x < 0) return require::fail(errc::bad_extent, "found", "at least", static_cast<double>(x), 0);
  constexpr const char* items = "the number of items,";
  if (const status s = first_error(check_optional("found", in.found, n, m, holds::flags),
                                   check_optional("truth", in.truth, n, m, holds::flags),
                                   check_optional("judge", in.judge, n, items, holds::numbers),
                                   check_optional("reward", out.reward, n, items, holds::numbers),
                                   check_optional("overlap", out.overlap, n, items, holds::numbers));
      !s.ok())
    return s;
  w = {
      rule, place_of(in.found), place_of(in.truth), m, place_of(in.judge), place_of(out.reward), place_of(out.overlap)};
  require::footprints<3, 2> all;
  all.read("found", in.found), all.read("truth", in.truth), all.read("judge", in.judge);
  all.write("reward", out.reward), all.write("overlap", out.overlap);
  return all.check();
}

}  // namespace detail

template <class Exec>
status set_rewards(const Exec& exec, const set_overlap& rule, const std::type_identity_t<set_inputs<Exec::memory>>& in,
                   const std::type_identity_t<set_outputs<Exec::memory>>& out) {
  std::int64_t n = 0;
  detail::overlap_work work;
  if (const status s = detail::make_overlap(rule, in, out, n, work); !s.ok()) return s;
  if (const status s = detail::check_numbers(exec, "judge", work.judge, {}, n); !s.ok()) return s;
  return for_groups(exec, detail::pieces_of(n), work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
