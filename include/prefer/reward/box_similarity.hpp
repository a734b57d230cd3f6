// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/reward/detail/matrices.hpp>

#include <cstdint>
#include <type_traits>

namespace prefer {

// How alike two boxes are, for matching (assignments) and for the reward of what was matched (matched_criteria):
//
//   giou  = I / U - (H - U) / H     I, U: areas of intersection and union; H: of the smallest box around both; -1 to 1
//   score = giou_weight giou + class_weight class_score - distance_weight |p - g|_1
//
// Boxes are (x0, y0, x1, y1); one with x1 < x0 or y1 < y0 has no area. A ratio of areas that are both 0 is 0 (proposed
// here). The distance is in the units of the coordinates: pixels drown the other terms, as in the released code. No
// gradient. Errors: weights finite; shapes, element types, memory that overlaps, with content::all NaN (in boxes beyond
// a problem's number too, which are not known here). O(B n m); one launch, no workspace.
// Source: Vision-R1 (arXiv 2503.18013), released code: all three weights 1.
struct box_similarity {
  scalar giou_weight = 1.0;
  scalar class_weight = 1.0;
  scalar distance_weight = 1.0;

  constexpr status check() const {
    return first_error(require::is_finite(giou_weight, "giou_weight"), require::is_finite(class_weight, "class_weight"),
                       require::is_finite(distance_weight, "distance_weight"));
  }
};

// B problems of n predicted boxes and m true ones; those beyond a problem's number may hold anything, and so may then
// the outputs.
template <space S>
struct box_inputs {
  input_view<3, S> predicted = {};    // [B, n, 4]
  input_view<3, S> target = {};       // [B, m, 4]
  input_view<3, S> class_score = {};  // [B, n, m]: of a predicted box for the class of a true one; 0 if not given
};
template <space S>
struct box_outputs {
  output_view<3, S> score = {};  // [B, n, m]
  output_view<3, S> giou = {};   // [B, n, m]
};

inline namespace PREFER_ABI {
namespace detail {

struct box {
  double side[4];

  PREFER_HD double area() const { return length(side[0], side[2]) * length(side[1], side[3]); }
  static PREFER_HD double length(double from, double to) { return to < from ? 0 : to - from; }
};
PREFER_HD double ratio_of_areas(double part, double all) { return all == 0 ? 0 : part / all; }
PREFER_HD double generalized_iou(const box& a, const box& b) {
  box inner, hull;
  for (int k = 0; k < 4; ++k) {
    const bool less = a.side[k] < b.side[k], corner = k < 2;
    inner.side[k] = less == corner ? b.side[k] : a.side[k];
    hull.side[k] = less == corner ? a.side[k] : b.side[k];
  }
  const double shared = inner.area(), either = a.area() + b.area() - shared, around = hull.area();
  return ratio_of_areas(shared, either) - ratio_of_areas(around - either, around);
}

struct box_work {
  box_similarity rule;
  std::int64_t rows, columns;
  matrix_batch predicted, target, class_score, score, giou;

  static PREFER_HD box load(const matrix_batch& boxes, std::int64_t b, std::int64_t i) {
    return {{boxes.at(b, i, 0), boxes.at(b, i, 1), boxes.at(b, i, 2), boxes.at(b, i, 3)}};
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t at) PREFER_HD_LAMBDA {
      const std::int64_t e = g.first + at, j = e % columns, i = e / columns % rows, b = e / columns / rows;
      const box p = load(predicted, b, i), t = load(target, b, j);
      double apart = 0;
      for (int k = 0; k < 4; ++k) apart += math::abs(p.side[k] - t.side[k]);
      const double alike = generalized_iou(p, t);
      giou.write(b, i, j, alike);
      const double named = class_score.data != nullptr ? class_score.at(b, i, j) : 0;
      score.write(b, i, j,
                  rule.giou_weight.as<double>() * alike + rule.class_weight.as<double>() * named -
                      rule.distance_weight.as<double>() * apart);
    });
  }
};

template <space S>
status make_boxes(const box_similarity& rule, const box_inputs<S>& in, const box_outputs<S>& out, box_work& w,
                  std::int64_t& elements) {
  if (const status s = rule.check(); !s.ok()) return s;
  if (!in.predicted.given()) return require::fail(errc::missing_input, "predicted", "boxes, [B, n, 4]");
  if (!in.target.given()) return require::fail(errc::missing_input, "target", "boxes, [B, m, 4]");
  if (!out.score.given() && !out.giou.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  const std::int64_t b = in.predicted.extent[0], n = in.predicted.extent[1], m = in.target.extent[1];
  for (const std::int64_t x : {b, n})
    if (x < 0) return require::fail(errc::bad_extent, "predicted", "at least", static_cast<double>(x), 0);
  if (m < 0) return require::fail(errc::bad_extent, "target", "at least", static_cast<double>(m), 0);
  if (const status s =
          first_error(check_batch("predicted", in.predicted, {b, n, 4}), check_batch("target", in.target, {b, m, 4}),
                      check_batch("class_score", in.class_score, {b, n, m}), check_batch("score", out.score, {b, n, m}),
                      check_batch("giou", out.giou, {b, n, m}));
      !s.ok())
    return s;
  elements = b * n * m;
  w = {rule,
       n,
       m,
       batch_of(in.predicted),
       batch_of(in.target),
       batch_of(in.class_score),
       batch_of(out.score),
       batch_of(out.giou)};
  require::footprints<3, 2> all;
  all.read("predicted", in.predicted), all.read("target", in.target), all.read("class_score", in.class_score);
  all.write("score", out.score), all.write("giou", out.giou);
  return all.check();
}

}  // namespace detail

template <class Exec>
status box_similarities(const Exec& exec, const box_similarity& rule,
                        const std::type_identity_t<box_inputs<Exec::memory>>& in,
                        const std::type_identity_t<box_outputs<Exec::memory>>& out) {
  std::int64_t elements = 0;
  detail::box_work work;
  if (const status s = detail::make_boxes(rule, in, out, work, elements); !s.ok()) return s;
  const std::int64_t b = in.predicted.extent[0], n = work.rows, m = work.columns;
  if (const status s = first_error(detail::check_numbers(exec, "predicted", work.predicted, {b, n, 4}),
                                   detail::check_numbers(exec, "target", work.target, {b, m, 4}),
                                   detail::check_numbers(exec, "class_score", work.class_score, {b, n, m}));
      !s.ok())
    return s;
  return for_groups(exec, detail::pieces_of(elements), work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
