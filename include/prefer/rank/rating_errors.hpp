// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>
#include <prefer/rank/bradley_terry_fit.hpp>

#include <algorithm>
#include <cstdint>

// Standard errors of fitted Bradley-Terry ratings. With H the curvature of the negative log-likelihood (with the
// prior's) at the ratings, and c_i the contrast that rating i is (see below),
//
//   hessian:   cov(i, j) = c_i' H^+ c_j
//   sandwich:  cov(i, j) = c_i' H^+ G H^+ c_j,   G = sum over games of (gradient of the game's loss)(the same)'
//
// The second stays right when games are not independent draws of the model (misfit, weights; a game of weight w counts
// w^2 in G). Prior games are not data and not in G. A tied game is one observation, in every tie model.
//
// The gauge: without a prior, ratings that sum to zero, c_i = e_i - (1, ..., 1)/n. With a prior, c_i = e_i. With an
// anchor, the difference to it, c_i = e_i - e_anchor, whose error is 0 for the anchor itself. The error of any
// difference r_i - r_j follows from the covariances, in every gauge the same: cov(i, i) + cov(j, j) - 2 cov(i, j).
//
// Nothing is added to the diagonal and nothing is dropped from H, so that the error of a newcomer with few games does
// not depend on how many games the others played. How H is inverted is said in standard_errors.hpp and .cuh.
//
// Sources: Huber 1967 and White 1982 (sandwich); Ford 1957 for when H has no other null vector than (1, ..., 1).
namespace prefer {

enum class error_estimate : std::uint8_t { hessian, sandwich };

struct bradley_terry_errors {
  bradley_terry_fit fit = {};  // as it was fitted: tie model, prior, anchor; the rest is not looked at
  error_estimate estimate = error_estimate::hessian;
  std::int64_t dense_items = 1024;  // up to so many the CPU factorises H; on CUDA it is not looked at
  double tolerance = 1e-12;         // of the residual of the conjugate gradients
};

template <space Space>
struct fitted_ratings {
  input_view<1, Space> ratings = {};        // [items] what fit_bradley_terry gave; their sum or anchor does not matter
  input_view<1, Space> tie_parameter = {};  // [1] eta or nu, for an estimated tie model
  input_view<1, Space> items = {};          // [k] whose errors are wanted, int32 or int64; absent: all, k = items
};

template <space Space>
struct error_outputs {
  output_view<1, Space> standard_errors = {};     // [k]
  output_view<2, Space> covariance = {};          // [k, k] of these ratings
  output_view<1, Space> tie_standard_error = {};  // [1] of eta, or of log nu; NaN if no tie parameter was estimated
};

namespace require {

template <space S>
constexpr status error_arguments(const bradley_terry_errors& o, std::int64_t items, const fitted_ratings<S>& at,
                                 const error_outputs<S>& out) {
  const std::int64_t k = at.items.given() ? at.items.extent[0] : items;
  status s = first_error(fit_parameters(o.fit, items),
                         that(o.estimate <= error_estimate::sandwich, "estimate", static_cast<double>(o.estimate),
                              "error_estimate::hessian or sandwich"),
                         that(o.dense_items >= 0, "dense_items", static_cast<double>(o.dense_items), "0 or more"),
                         that(o.tolerance > 0 && o.tolerance < 1, "tolerance", o.tolerance, "a number between 0 and 1"),
                         missing(at.ratings.given(), "ratings", "the fitted ratings"),
                         vector("ratings", at.ratings, items, "the number of items,", holds::totals));
  if (s.ok() && at.tie_parameter.given())
    s = vector("tie_parameter", at.tie_parameter, 1, "one element,", holds::totals);
  if (s.ok() && k < 0) s = fail(errc::bad_extent, "items", "at least", static_cast<double>(k), 0);
  if (s.ok() && at.items.given()) s = vector("items", at.items, k, "their number,", holds::indices);
  if (s.ok() && !out.standard_errors.given() && !out.covariance.given() && !out.tie_standard_error.given())
    s = fail(errc::missing_output, "outputs", "at least one output");
  if (s.ok())
    s = optional_output("standard_errors", out.standard_errors, k, "the number of requested items,", holds::totals);
  if (s.ok()) s = optional_output("tie_standard_error", out.tie_standard_error, 1, "one element,", holds::totals);
  if (!s.ok() || !out.covariance.given()) return s;
  const auto& c = out.covariance;
  s = element_type("covariance", c.type, holds::totals);
  if (s.ok() && (c.extent[0] != k || c.extent[1] != k))
    s = fail(errc::bad_extent, "covariance", "the number of requested items,",
             static_cast<double>(c.extent[0] != k ? c.extent[0] : c.extent[1]), static_cast<double>(k));
  if (s.ok() && c.data == nullptr && k > 0)
    s = fail(errc::null_data, "covariance", "a pointer to its elements, but it is null");
  if (s.ok() && k > 1 &&
      (c.stride[0] < 1 || c.stride[1] < 1 || (c.stride[0] < c.stride[1] * k && c.stride[1] < c.stride[0] * k)))
    s = fail(errc::bad_stride, "covariance", "rows or columns that do not overlap: at least",
             static_cast<double>(std::min(c.stride[0], c.stride[1])), static_cast<double>(k));
  return s;
}

template <space S>
status error_overlap(const comparisons<S>& c, const fitted_ratings<S>& at, const error_outputs<S>& out) {
  address_ranges all;
  all.read(c);
  all.read(at.ratings), all.read(at.tie_parameter), all.read(at.items);
  all.write("standard_errors", out.standard_errors);
  all.write("covariance", out.covariance);
  all.write("tie_standard_error", out.tie_standard_error);
  return all.check();
}

}  // namespace require

inline namespace PREFER_ABI {
namespace detail {

// Which contrast the rating of an item is.
struct rating_gauge {
  std::int64_t items = 0;
  bool prior = false;
  std::int64_t anchor = -1;

  PREFER_HD bool sums_to_zero() const { return anchor < 0 && !prior; }
  PREFER_HD double contrast(std::int64_t item, std::int64_t i) const {
    const double base = sums_to_zero() ? 1.0 / static_cast<double>(items) : i == anchor ? 1.0 : 0.0;
    return (i == item ? 1.0 : 0.0) - base;
  }
  // The contrast times y; the mean of y is read where ratings sum to zero.
  PREFER_HD double of(const double* y, std::int64_t item, double mean) const {
    return y[item] - (sums_to_zero() ? mean : anchor >= 0 ? y[anchor] : 0.0);
  }
};

inline rating_gauge gauge_of(const bradley_terry_fit& o, std::int64_t items) {
  return {items, o.prior_precision > 0 || o.pseudo_count > 0, o.anchor};
}

// Rounding may leave a variance of zero a little below it; NaN stays NaN.
PREFER_HD double error_of(double variance) { return variance < 0 ? 0 : math::sqrt(variance); }

// So many conjugate gradient steps are taken at most for one item.
PREFER_HD std::int64_t most_error_iterations(std::int64_t items) { return 20 * items + 1000; }

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
