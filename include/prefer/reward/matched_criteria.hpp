// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/reward/detail/matrices.hpp>

#include <cstdint>
#include <type_traits>

namespace prefer {

// Precision and recall of predictions that were matched to references (assignments), from the quality q of each pair
// (giou, say):
//
//   held(x)   = 0 below `low`, 1 above `high`, else x
//   precision = sum of held(q) over the pairs / (number of pairs, or of the longer side)
//   recall    = held(number of pairs with q >= match / number of references)
//   reward    = precision + recall
//
// Both are 1 with nothing predicted and nothing to find, and 0 with nothing predicted, or nothing to find, alone. No
// gradient. Start with low 0.5 and high 0.75 and tighten to 0.75 and 0.9 (match 0.5, then 0.75; in the paper at step
// 1500): the three may be pointers. As published, precision is the mean over pairs, so that boxes too many cost
// nothing; `count_unmatched` divides by max(n, m) (proposed here). A pair whose quality is NaN makes both NaN. Errors:
// low <= high, finite; shapes, element types, memory that overlaps, numbers of rows and columns and partners out of
// range (on the CPU; on CUDA the problem is NaN and reported), with content::all the NaN of a pair. O(B n); one launch,
// no workspace. Source: Vision-R1 (arXiv 2503.18013), released code, where a problem without references but with
// predictions was not read.
struct matched_criteria {
  scalar low = 0.5;
  scalar high = 0.75;
  scalar match = 0.5;
  bool count_unmatched = false;

  constexpr status check() const {
    if (const status s = first_error(require::is_finite(low, "low"), require::is_finite(high, "high"),
                                     require::is_finite(match, "match"));
        !s.ok())
      return s;
    return require::that(low.by_pointer() || high.by_pointer() || low.value64 <= high.value64, "high", high.value64,
                         "no less than low");
  }
};

template <space S>
struct matched_inputs {
  input_view<3, S> quality = {};    // [B, n, m]
  input_view<2, S> column_of = {};  // [B, n] int32 or int64: of assignments
  input_view<1, S> rows = {};       // B int32 or int64: predictions; n if not given
  input_view<1, S> columns = {};    // B: references; m if not given
};
template <space S>
struct matched_outputs {
  output_view<1, S> precision = {};  // B
  output_view<1, S> recall = {};     // B
  output_view<1, S> reward = {};     // B
};

inline namespace PREFER_ABI {
namespace detail {

struct matched_work {
  matched_criteria rule;
  matrix_sizes sizes;
  matrix_batch quality;
  row_source column_of;
  sink precision, recall, reward;

  PREFER_HD std::int64_t partner(std::int64_t b, std::int64_t i) const {
    return load_index(column_of.data, column_of.type, b * column_of.row_stride + i * column_of.stride);
  }
  // The first row of a problem whose partner is none of its columns; -1 if there is none.
  PREFER_HD std::int64_t stray_row(std::int64_t b) const {
    for (std::int64_t i = 0; i < sizes.rows_of(b); ++i)
      if (const std::int64_t j = partner(b, i); j < -1 || j >= sizes.columns_of(b)) return i;
    return -1;
  }
  PREFER_HD bool valid(std::int64_t b) const { return sizes.valid(b) && stray_row(b) < 0; }
  PREFER_HD double held(double x) const { return x < rule.low.as<double>() ? 0 : x > rule.high.as<double>() ? 1 : x; }
  PREFER_HD void write(std::int64_t b, double p, double r) const {
    write_item(precision, b, true, p, false), write_item(recall, b, true, r, false);
    write_item(reward, b, true, p + r, false);
  }
  PREFER_HD void judge(std::int64_t b) const {
    const std::int64_t rows = sizes.rows_of(b), columns = sizes.columns_of(b);
    if (rows == 0 || columns == 0) {
      const double both = rows == columns ? 1 : 0;
      return write(b, both, both);
    }
    double sum = 0, good = 0, nan = 0;
    std::int64_t pairs = 0;
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t j = partner(b, i);
      if (j < 0) continue;
      const double q = quality.at(b, i, j);
      sum += held(q), good += q >= rule.match.as<double>() ? 1 : 0, nan += math::nan_of(q), ++pairs;
    }
    const std::int64_t longer = rows > columns ? rows : columns, all = rule.count_unmatched ? longer : pairs;
    write(b, (all > 0 ? sum / static_cast<double>(all) : 0) + nan, held(good / static_cast<double>(columns)) + nan);
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t at) PREFER_HD_LAMBDA {
      const std::int64_t b = g.first + at;
      if (valid(b)) return judge(b);
      team.fault(errc::bad_index, b);
      write(b, math::detail::not_a_number<double>(), math::detail::not_a_number<double>());
    });
  }
};

template <space S>
status make_matched(const matched_criteria& rule, const matched_inputs<S>& in, const matched_outputs<S>& out,
                    matched_work& w) {
  using require::holds;
  if (const status s = rule.check(); !s.ok()) return s;
  if (!in.quality.given()) return require::fail(errc::missing_input, "quality", "of every row with every column");
  if (!in.column_of.given()) return require::fail(errc::missing_input, "column_of", "the partner of every row");
  if (!out.precision.given() && !out.recall.given() && !out.reward.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  const auto& shape = in.quality.extent;
  constexpr const char* per_problem = "one per problem:";
  if (const status s = first_error(make_sizes("quality", shape, in.rows, in.columns, w.sizes),
                                   check_batch("quality", in.quality, shape),
                                   check_optional("column_of", in.column_of, shape[0], shape[1], holds::indices),
                                   check_optional("precision", out.precision, shape[0], per_problem, holds::numbers),
                                   check_optional("recall", out.recall, shape[0], per_problem, holds::numbers),
                                   check_optional("reward", out.reward, shape[0], per_problem, holds::numbers));
      !s.ok())
    return s;
  w.rule = rule, w.quality = batch_of(in.quality), w.column_of = place_of(in.column_of);
  w.precision = place_of(out.precision), w.recall = place_of(out.recall), w.reward = place_of(out.reward);
  require::footprints<4, 3> all;
  all.read("quality", in.quality), all.read("column_of", in.column_of), all.read("rows", in.rows);
  all.read("columns", in.columns);
  all.write("precision", out.precision), all.write("recall", out.recall), all.write("reward", out.reward);
  return all.check();
}

inline status check_partners(const cpu& exec, const matched_work& w) {
  if (const status s = check_sizes(exec, w.sizes); !s.ok()) return s;
  for (std::int64_t b = 0; exec.content != content::none && b < w.sizes.batch; ++b)
    if (const std::int64_t i = w.stray_row(b); i >= 0)
      return require::fail(errc::bad_index, "column_of", "-1 or a column of its problem, in all rows of this problem",
                           static_cast<double>(w.partner(b, i)), 0, b);
  for (std::int64_t b = 0; exec.content == content::all && b < w.sizes.batch; ++b)
    for (std::int64_t i = 0; i < w.sizes.rows_of(b); ++i)
      if (const std::int64_t j = w.partner(b, i); j >= 0 && math::is_nan(w.quality.at(b, i, j)))
        return require::fail(errc::not_a_number, "quality", "numbers where there is a pair, but one is NaN", 0, 0, b);
  return {};
}
inline status check_partners(const cuda&, const matched_work&) { return {}; }

}  // namespace detail

template <class Exec>
status matched_rewards(const Exec& exec, const matched_criteria& rule,
                       const std::type_identity_t<matched_inputs<Exec::memory>>& in,
                       const std::type_identity_t<matched_outputs<Exec::memory>>& out) {
  detail::matched_work work;
  if (const status s = detail::make_matched(rule, in, out, work); !s.ok()) return s;
  if (const status s = detail::check_partners(exec, work); !s.ok()) return s;
  return for_groups(exec, detail::pieces_of(work.sizes.batch), work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
