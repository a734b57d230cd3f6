// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/check_numbers.hpp>
#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/outputs.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/reward/detail/columns.hpp>

#include <cstdint>
#include <type_traits>

namespace prefer {

// How far a reward is trusted, by how far its input lies outside what the reward model was trained on:
//
//   weight = exp(offset - slope uncertainty), held between lowest and highest
//
// It multiplies the losses of a policy and is a constant to them: no gradient. The published numbers never damp a
// sample below 1 (they weigh trusted ones up), and the upper bound is never reached, since e^0.7 < 2.21. A NaN stays
// NaN. Errors: slope not negative, offset finite, 0 <= lowest <= highest; shapes, memory that overlaps. O(N); one
// launch, no workspace. Source: PrefPaint (arXiv 2410.21966), and its released code for the numbers.
struct trust_weight {
  scalar slope = 0.05;
  scalar offset = 0.7;
  scalar lowest = 1.0;
  scalar highest = 2.21;

  constexpr status check() const {
    if (const status s = first_error(require::not_negative(slope, "slope"), require::is_finite(offset, "offset"),
                                     require::not_negative(lowest, "lowest"), require::is_finite(highest, "highest"));
        !s.ok())
      return s;
    return require::that(lowest.by_pointer() || highest.by_pointer() || lowest.value64 <= highest.value64, "highest",
                         highest.value64, "no less than lowest");
  }

  static constexpr int inputs = 1;  // uncertainty
  template <class V>
  PREFER_HD V reward(const V (&in)[1]) const {
    const V w = math::exp(V(offset.as<double>()) - V(slope.as<double>()) * in[0]);
    return math::min(math::max(w, V(lowest.as<double>())), V(highest.as<double>())) + math::nan_of(in[0]);
  }
};

template <space S>
struct trust_inputs {
  input_view<1, S> uncertainty = {};  // N: of feature_uncertainty, say
};
template <space S>
struct trust_outputs {
  output_view<1, S> weight = {};  // N
};

template <space S>
struct uncertainty_inputs {
  input_view<2, S> features = {};   // [N, D]: what goes into the head of the reward model
  input_view<2, S> whitening = {};  // [R, D]; the identity if not given: the features are white already
};
template <space S>
struct uncertainty_outputs {
  output_view<1, S> uncertainty = {};  // N
};

inline namespace PREFER_ABI {
namespace detail {

struct uncertainty_work {
  row_source features, whitening;
  std::int64_t width, rows;
  sink uncertainty;

  PREFER_HD double feature(std::int64_t i, std::int64_t d) const {
    return load_element<double>(features.data, features.type, i * features.row_stride + d * features.stride);
  }
  PREFER_HD double white(std::int64_t i, std::int64_t r) const {
    if (whitening.data == nullptr) return feature(i, r);
    double sum = 0;
    for (std::int64_t d = 0; d < width; ++d)
      sum += load_element<double>(whitening.data, whitening.type, r * whitening.row_stride + d * whitening.stride) *
             feature(i, d);
    return sum;
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      double square = 0;
      for (std::int64_t r = 0; r < rows; ++r) {
        const double x = white(g.first + i, r);
        square += x * x;
      }
      write_item(uncertainty, g.first + i, true, math::sqrt(square), false);
    });
  }
};

template <space S>
status make_uncertainty(const uncertainty_inputs<S>& in, const uncertainty_outputs<S>& out, std::int64_t& n,
                        uncertainty_work& w) {
  if (!in.features.given()) return require::fail(errc::missing_input, "features", "D numbers per item, [N, D]");
  if (!out.uncertainty.given()) return require::fail(errc::missing_output, "uncertainty", "one number per item");
  n = in.features.extent[0];
  const std::int64_t d = in.features.extent[1], r = in.whitening.given() ? in.whitening.extent[0] : d;
  for (const std::int64_t x : {n, d})
    if (x < 0) return require::fail(errc::bad_extent, "features", "at least", static_cast<double>(x), 0);
  if (r < 0) return require::fail(errc::bad_extent, "whitening", "at least", static_cast<double>(r), 0);
  require::footprints<2, 1> all;
  all.read("features", in.features), all.read("whitening", in.whitening), all.write("uncertainty", out.uncertainty);
  w = {place_of(in.features), in.whitening.given() ? place_of(in.whitening) : row_source{}, d, r,
       place_of(out.uncertainty)};
  return first_error(
      require::matrix("features", in.features, n, d),
      in.whitening.given() ? require::matrix("whitening", in.whitening, r, d) : status{},
      require::vector("uncertainty", out.uncertainty, n, "the number of items,", require::holds::numbers), all.check());
}

}  // namespace detail

template <class Exec>
status trust_weights(const Exec& exec, const trust_weight& rule,
                     const std::type_identity_t<trust_inputs<Exec::memory>>& in,
                     const std::type_identity_t<trust_outputs<Exec::memory>>& out) {
  if (const status s = rule.check(); !s.ok()) return s;
  detail::reward_call<trust_weight, Exec::memory> call;
  call.read("uncertainty", in.uncertainty, "one number per item");
  if (const status s = call.write(out.weight, "weight"); !s.ok()) return s;
  return call.run(exec, rule);
}

// uncertainty_i = |W f_i|, the length of the features once whitened. With V = lambda I + sum f f^T over the examples
// that the reward model was trained on, and V = L L^T (Cholesky):
//
//   W = L^-1    the bound of the paper, sqrt(f^T V^-1 f)
//   W = V^-1    what the released code takes
//
// Sums in double in the order of the features. O(N R D), one item per thread: for wide features multiply by W with a
// matrix product of yours, and leave `whitening` out. Errors: shapes, element types, memory that overlaps. One launch,
// no workspace. Source: PrefPaint (arXiv 2410.21966).
template <class Exec>
status feature_uncertainty(const Exec& exec, const std::type_identity_t<uncertainty_inputs<Exec::memory>>& in,
                           const std::type_identity_t<uncertainty_outputs<Exec::memory>>& out) {
  std::int64_t n = 0;
  detail::uncertainty_work work;
  if (const status s = detail::make_uncertainty(in, out, n, work); !s.ok()) return s;
  if (const status s = first_error(detail::check_numbers(exec, "features", work.features, {}, n, work.width),
                                   detail::check_numbers(exec, "whitening", work.whitening, {}, work.rows, work.width));
      !s.ok())
    return s;
  return for_groups(exec, detail::pieces_of(n), work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
