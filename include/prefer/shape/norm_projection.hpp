// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/scalar.hpp>
#include <prefer/shape/detail/layers.hpp>
#include <prefer/shape/detail/matrix_norms.hpp>

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
  scalar limit = 1.0;
  bool absolute = false;

  static constexpr int arrays = 2, gradients = 2, factors = 1, sums = 2, kept = 2;
  template <class T>
  PREFER_HD void begin(std::int64_t, T (&)[factors]) const {}
  template <class V>
  PREFER_HD void terms(const V (&x)[arrays], const V (&)[factors], V (&t)[sums]) const {
    t[0] = absolute ? math::abs(x[0]) : x[0] * x[0];
    t[1] = x[0] * x[1];
  }
  // What a line is multiplied with, and what of d|w| the gradient gets on top; returns the norm.
  PREFER_HD double finish(const double (&sum)[sums], double (&keep)[kept]) const {
    const double most = limit.as<double>(), norm = absolute ? sum[0] : math::sqrt(sum[0]);
    const bool longer = norm > most;
    keep[0] = longer ? most / norm : 1;
    keep[1] = longer ? -keep[0] * sum[1] / norm / (absolute ? 1 : norm) : 0;
    return norm;
  }
  template <class V>
  static PREFER_HD void slopes_of(bool absolute, const V& x, const V& g, const V (&keep)[kept], V (&slope)[gradients]) {
    const V sign = math::select(x > V(0), V(1), math::select(x < V(0), V(-1), V(0)));
    slope[0] = keep[0] * x;
    slope[1] = math::fma(keep[0], g, keep[1] * (absolute ? sign : x));
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], const V (&keep)[kept],
                        V (&slope)[gradients]) const {
    slopes_of(absolute, x[0], x[1], keep, slope);
  }
};

// Rows whose columns are projected: the kept numbers of every column come as rows, too.
struct projected_columns : map_of_rows<4, 2> {
  bool absolute;

  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], V (&slope)[gradients]) const {
    const V keep[2] = {x[2], x[3]};
    projected_line::slopes_of(absolute, x[0], x[1], keep, slope);
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

// What is kept of column j, for for_columns.
template <class T>
struct column_factors {
  projected_line line;
  norm_sums sums;
  T *scale = nullptr, *slope = nullptr;
  sink norm;

  PREFER_HD void operator()(std::int64_t j) const {
    const std::int64_t pieces = matrix_pieces(sums.rows), n = sums.columns;
    const double sum[2] = {add_pieces(sums.partial, pieces, n, j),
                           sums.products == nullptr ? 0 : add_pieces(sums.products, pieces, n, j)};
    double keep[2];
    write_item(norm, j, true, line.finish(sum, keep), false);
    scale[j] = static_cast<T>(keep[0]), slope[j] = static_cast<T>(keep[1]);
  }
};

template <class T>
struct norm_projection_call {
  projected_line line;
  bool rows;
  std::int64_t m, n;
  row_source weight, upstream;
  row_sink projected, gradient;
  sink norm;
  column_factors<T> columns;

  std::int64_t maps() const { return m; }
  template <class Memory>
  void carve(Memory& memory) {
    columns.sums.rows = m, columns.sums.columns = n, columns.sums.matrix = weight, columns.sums.other = upstream;
    columns.sums.squared_columns = !line.absolute;
    columns.sums.carve_columns(memory);
    columns.scale = memory.template take<T>(n), columns.slope = memory.template take<T>(n);
    columns.line = line, columns.norm = norm;
  }
  template <class Exec>
  status run(const Exec& exec) const {
    if (const status s = add_norms(exec, columns.sums); !s.ok()) return s;
    if (const status s = for_columns(exec, n, columns); !s.ok()) return s;
    auto a = rows_of_layer<projected_columns>(m, n);
    a.row[0][0] = weight, a.row[0][1] = upstream;
    a.row[0][2] = {columns.scale, 0, 1, element_of<T>()}, a.row[0][3] = {columns.slope, 0, 1, element_of<T>()};
    a.gradient[0][0] = projected, a.gradient[0][1] = gradient;
    return row_map_reduce<T>(exec, projected_columns{{}, line.absolute}, layer_rows{}, a);
  }
  template <class Exec>
  status run_rows(const Exec& exec) const {
    row_arguments<projected_line, projected_line_body, 1> a;
    a.items.n = m, a.elements = n;
    a.items.normalizer = 1.0;
    a.items.out[1] = norm;
    a.computed = 1;
    a.row[0][0] = weight, a.row[0][1] = upstream;
    a.gradient[0][0] = projected, a.gradient[0][1] = gradient;
    return row_map_reduce<T>(exec, line, projected_line_body{}, a);
  }
};

template <class T, space S>
norm_projection_call<T> make_norm_projection_call(const norm_projection& o, const norm_projection_inputs<S>& in,
                                                  const norm_projection_outputs<S>& out) {
  norm_projection_call<T> c;
  c.line = {o.limit, o.by == norm_projection::norm::l1};
  c.rows = o.along == norm_projection::line::rows;
  c.m = in.weight.extent[0], c.n = in.weight.extent[1];
  c.weight = place_of(in.weight), c.upstream = place_of(in.upstream);
  c.projected = place_of(out.projected), c.gradient = place_of(out.grad_weight), c.norm = place_of(out.norm);
  return c;
}

template <space S>
status check_norm_projection(const norm_projection& o, const norm_projection_inputs<S>& in,
                             const norm_projection_outputs<S>& out) {
  layer_checks<2, 3> call(in.weight);
  call.look(some_output(out.projected, out.norm, out.grad_weight));
  if (out.grad_weight.given() != in.upstream.given())
    call.look(in.upstream.given()
                  ? require::fail(errc::unused_input, "upstream", "to be left out, since no gradient is asked for")
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

// Bytes of workspace for project_norms: none for rows on the CPU; for columns sums of an eighth of the weight's size or
// less, in double. 0 for views that do not fit together.
template <class Compute, class Exec>
std::size_t project_norms_workspace(const Exec& exec, const norm_projection& options,
                                    const std::type_identity_t<norm_projection_inputs<Exec::memory>>& in,
                                    const std::type_identity_t<norm_projection_outputs<Exec::memory>>& out) {
  if (!first_error(options.check(), detail::check_norm_projection(options, in, out)).ok()) return 0;
  auto call = detail::make_norm_projection_call<Compute>(options, in, out);
  return call.rows ? map_bytes(exec, call) : layer_bytes(exec, call);
}

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
// Each number is read once for its norm and once more to be written. project_norms_workspace bytes of the workspace,
// or, for columns, one allocation on the CPU, and memory in stream order on CUDA: one launch for rows, three for
// columns. The same bits for any number of threads. Errors: a limit that is negative or not finite, shapes, types,
// overlap (but outputs may lie where their inputs do); nothing has been written then. Elementary; as weight constraints
// e.g. Keras' MaxNorm.
template <class Compute, class Exec>
status project_norms(const Exec& exec, const norm_projection& options,
                     const std::type_identity_t<norm_projection_inputs<Exec::memory>>& in,
                     const std::type_identity_t<norm_projection_outputs<Exec::memory>>& out) {
  static_assert(std::is_same_v<Compute, float> || std::is_same_v<Compute, double>,
                "prefer: project_norms<Compute> computes in float or double; the views choose their own types");
  if (const status s = first_error(options.check(), detail::check_norm_projection(options, in, out)); !s.ok()) return s;
  auto call = detail::make_norm_projection_call<Compute>(options, in, out);
  return call.rows ? call.run_rows(exec) : run_layer(exec, call);
}

}  // namespace PREFER_ABI
}  // namespace prefer
