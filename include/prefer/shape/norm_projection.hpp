// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/scalar.hpp>
#include <prefer/shape/detail/layers.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Rows or columns of a weight scaled down to a norm, which bounds the norm of the layer as an operator.
namespace prefer {

// Which lines, by which norm, down to what.
struct norm_projection {
  enum class line : std::uint8_t { rows, columns };
  enum class norm : std::uint8_t { l1, l2 };

  line along = line::rows;
  norm by = norm::l1;
  scalar limit = 1.0;

  constexpr status check() const { return require::not_negative(limit, "limit"); }
};

template <space S>
struct norm_projection_inputs {
  input_view<2, S> weight = {};    // [m, n]
  input_view<2, S> upstream = {};  // [m, n]: derivatives of an objective by `projected`, for grad_weight
};
// Any of them may be left out, not all.
template <space S>
struct norm_projection_outputs {
  output_view<2, S> projected = {};    // [m, n]; may be the weight itself
  output_view<1, S> norm = {};         // [m] or [n]: of the lines before
  output_view<2, S> grad_weight = {};  // [m, n]; may be `upstream` itself
};

inline namespace PREFER_ABI {
namespace detail {

// A line and the derivatives by it, as a score of row_map_reduce.
struct projected_line {
  scalar limit;
  bool absolute;

  static constexpr int arrays = 2, gradients = 2, factors = 1, sums = 2, kept = 2;
  template <class T>
  PREFER_HD void begin(std::int64_t, T (&)[factors]) const {}
  template <class V>
  PREFER_HD void terms(const V (&x)[arrays], const V (&)[factors], V (&t)[sums]) const {
    t[0] = absolute ? math::abs(x[0]) : x[0] * x[0];
    t[1] = x[0] * x[1];
  }
  PREFER_HD double finish(const double (&sum)[sums], double (&keep)[kept]) const {
    const double most = limit.as<double>(), norm = absolute ? sum[0] : math::sqrt(sum[0]);
    const bool longer = norm > most;
    keep[0] = longer ? most / norm : 1;
    keep[1] = longer ? -keep[0] * sum[1] / norm / (absolute ? 1 : norm) : 0;
    return norm;
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], const V (&keep)[kept],
                        V (&slope)[gradients]) const {
    const V sign = math::select(x[0] > V(0), V(1), math::select(x[0] < V(0), V(-1), V(0)));
    slope[0] = keep[0] * x[0];
    slope[1] = math::fma(keep[0], x[1], keep[1] * (absolute ? sign : x[0]));
  }
};

// The norm goes out as well.
struct projected_line_body {
  static constexpr int inputs = 1, outputs = 2, sums = 1;
  PREFER_HD projected_line_body ready(double) const { return *this; }
  template <class V>
  PREFER_HD void operator()(const V (&in)[inputs], V (&out)[outputs], V (&sum)[sums]) const {
    out[0] = V(1), out[1] = in[0];
    sum[0] = V(0);
  }
};

template <space S>
status check_norm_projection(const norm_projection& o, const norm_projection_inputs<S>& in,
                             const norm_projection_outputs<S>& out) {
  layer_checks<2, 3> call(in.weight);
  call.look(some_output(out.projected, out.norm, out.grad_weight));
  if (out.grad_weight.given() != in.upstream.given())
    call.look(in.upstream.given() ? require::fail(errc::unused_input, "upstream",
                                                  "to be left out, since no gradient is asked for")
                                  : require::fail(errc::missing_input, "upstream",
                                                  "the derivatives by the projected weight, for grad_weight"));
  call.matrix("weight", in.weight), call.matrix("upstream", in.upstream);
  call.matrix("projected", out.projected), call.matrix("grad_weight", out.grad_weight);
  const bool rows = o.along == norm_projection::line::rows;
  call.vector("norm", out.norm, rows ? call.rows : call.columns, "one per line that is projected,");
  call.read("weight", in.weight, out.projected), call.read("upstream", in.upstream, out.grad_weight);
  call.write("projected", out.projected), call.write("norm", out.norm), call.write("grad_weight", out.grad_weight);
  return call.check();
}

}  // namespace detail

// Every row (or column) w of a weight W [m, n] scaled down to a norm of at most `limit`:
//
//   projected = w min(1, limit / |w|)        dL/dw = s (g - <g, w> / |w| d|w|/dw) where |w| > limit, else g
//
// with s = limit / |w|, d|w|/dw = sign w for l1 and w / |w| for l2, and g the derivatives by the projected weight. What
// that bounds of the layer x -> W x:
//
//   rows by l1       |W x|_inf <= limit |x|_inf
//   columns by l1    |W x|_1 <= limit |x|_1
//   rows by l2       |W x|_inf <= limit |x|_2, and |W x|_2 <= limit sqrt(m) |x|_2
//   columns by l2    |W x|_2 <= limit |x|_1, and |W x|_2 <= limit sqrt(n) |x|_2
//
// Networks of layers of one of the first two kinds and activations that are 1-Lipschitz element by element (ReLU, tanh,
// GroupSort) are limit^layers-Lipschitz in that norm. By l2 it is the Euclidean projection of the line; by l1 it is not
// (that one would subtract and clip), but keeps its direction.
//
//   project_norms<float>(cpu{}, {.limit = 1.0}, {.weight = {w, m, n}}, {.projected = {w, m, n}});
//
// A line of norm `limit` or less keeps its bits, so that projecting again changes little: rounding may leave a norm a
// few roundings above the limit. At |w| = limit, a kink, the gradient is g. Limit 0 gives zeros. A line with a NaN
// stays as it is. Squares are summed in Compute inside a tile, in double beyond; those outside its range (1e-19 to 1e19
// in float) are 0 or infinite.
//
// Each line is read once for its norm and once more to be written; columns are read with strides, which is slower. Nothing
// is allocated on the CPU; one launch on CUDA, with project_norms_workspace bytes of workspace or memory in stream
// order. Errors: a limit that is negative or not finite, shapes, types, overlap (but outputs may lie where their inputs
// do); nothing has been written then. Elementary; as weight constraints e.g. Keras' MaxNorm.
template <class Compute, class Exec>
status project_norms(const Exec& exec, const norm_projection& options,
                     const std::type_identity_t<norm_projection_inputs<Exec::memory>>& in,
                     const std::type_identity_t<norm_projection_outputs<Exec::memory>>& out) {
  static_assert(std::is_same_v<Compute, float> || std::is_same_v<Compute, double>,
                "prefer: project_norms<Compute> computes in float or double; the views choose their own types");
  if (const status s = first_error(options.check(), detail::check_norm_projection(options, in, out)); !s.ok()) return s;
  const bool rows = options.along == norm_projection::line::rows;
  const auto turned = [rows](auto place) {
    const std::int64_t step = place.row_stride;
    if (!rows) place.row_stride = place.stride, place.stride = step;
    return place;
  };
  row_arguments<detail::projected_line, detail::projected_line_body, 1> a;
  a.items.n = in.weight.extent[rows ? 0 : 1], a.elements = in.weight.extent[rows ? 1 : 0];
  a.items.normalizer = 1.0;
  a.items.out[1] = detail::place_of(out.norm);
  a.computed = 1;
  a.row[0][0] = turned(detail::place_of(in.weight)), a.row[0][1] = turned(detail::place_of(in.upstream));
  a.gradient[0][0] = turned(detail::place_of(out.projected));
  a.gradient[0][1] = turned(detail::place_of(out.grad_weight));
  return row_map_reduce<Compute>(
      exec, detail::projected_line{options.limit, options.by == norm_projection::norm::l1},
      detail::projected_line_body{}, a);
}

}  // namespace PREFER_ABI
}  // namespace prefer
