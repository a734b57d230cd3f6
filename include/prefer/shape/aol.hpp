// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/matrix_product.hpp>
#include <prefer/shape/detail/layers.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Almost-orthogonal layers: a weight whose columns are rescaled so that its spectral norm is at most 1.
namespace prefer {

template <space S>
struct aol_inputs {
  input_view<2, S> weight = {};    // [m, n]: m outputs, n inputs
  input_view<2, S> upstream = {};  // [m, n]: derivatives of an objective by `rescaled`, for grad_weight
};
// Any of them may be left out, not all.
template <space S>
struct aol_outputs {
  output_view<2, S> rescaled = {};     // [m, n]; may be the weight itself
  output_view<1, S> scale = {};        // [n]: what each column was multiplied with
  output_view<2, S> grad_weight = {};  // [m, n]; may be `upstream` itself
};

inline namespace PREFER_ABI {
namespace detail {

// Numbers of columns of a Gram matrix of order n, column by column: what for_columns runs.
//   sums:   scale[j] = (sum_i |G_ij|)^(-1/2), 0 for a column of zeros
//   slopes: slope[j] = -1/2 scale[j]^3 sum_k g_kj W_kj
template <class T>
struct aol_columns {
  std::int64_t rows = 0, order = 0;
  const T* gram = nullptr;
  T *scale = nullptr, *slope = nullptr;
  row_source weight, upstream;
  sink scale_out;
  bool slopes = false;

  PREFER_HD void operator()(std::int64_t j) const {
    double sum = 0;
    if (slopes) {
      for (std::int64_t k = 0; k < rows; ++k) sum += at(upstream, k, j) * at(weight, k, j);
      const double s = static_cast<double>(scale[j]);
      slope[j] = static_cast<T>(-0.5 * s * s * s * sum);
      return;
    }
    // A row of a symmetric matrix is its column; threads next to each other read numbers next to each other.
    for (std::int64_t i = 0; i < order; ++i) sum += math::abs(static_cast<double>(gram[i * order + j]));
    const double s = sum == 0 ? 0 : 1 / math::sqrt(sum);
    scale[j] = static_cast<T>(s);
    write_item(scale_out, j, true, s, false);
  }
  static PREFER_HD double at(const row_source& m, std::int64_t k, std::int64_t j) {
    return load_element<double>(m.data, m.type, k * m.row_stride + j * m.stride);
  }
};

// (slope_l + slope_j) sign G_lj: what the weight is multiplied with in its gradient.
template <class T>
struct aol_slope_side {
  const T *gram, *slope;
  std::int64_t order;

  PREFER_HD T at(std::int64_t l, std::int64_t j) const {
    const T g = gram[l * order + j], c = slope[l] + slope[j];
    return math::is_nan(g) ? g : g > T(0) ? c : g < T(0) ? -c : T(0);
  }
  template <class Isa>
  void fill(std::int64_t l, std::int64_t first, int count, T* to, Isa) const {
    for (int k = 0; k < count; ++k) to[k] = at(l, first + k);
  }
};

// x0 * x1 + x2: columns times their scale, and for the gradient what comes on top.
struct scaled_column_rows : map_of_rows<3, 1> {
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&)[factors], V (&slope)[gradients]) const {
    slope[0] = math::fma(x[0], x[1], x[2]);
  }
};

template <class T>
struct aol_call {
  using value_type = T;
  aol_columns<T> columns;
  row_sink rescaled, gradient;
  T *gram = nullptr, *product = nullptr;

  std::int64_t maps() const { return columns.rows; }
  template <class Memory>
  void carve(Memory& memory) {
    const std::int64_t n = columns.order;
    gram = memory.template take<T>(n * n);
    columns.scale = memory.template take<T>(n);
    columns.gram = gram;
    if (gradient.data == nullptr) return;
    columns.slope = memory.template take<T>(n);
    product = memory.template take<T>(columns.rows * n);
  }
  template <class Exec>
  status run(const Exec& exec) const {
    const std::int64_t m = columns.rows, n = columns.order;
    const stored_side<T> side{columns.weight};
    if (const status s = matrix_product(exec, side, side, matrix_product_shape<T>{n, n, m, gram, true}); !s.ok())
      return s;
    if (const status s = for_columns(exec, columns.order, columns); !s.ok()) return s;
    if (gradient.data != nullptr)
      if (const status s = differentiate(exec); !s.ok()) return s;
    return rescaled.data != nullptr ? write(exec, columns.weight, nullptr, rescaled) : status{};
  }
  template <class Exec>
  status differentiate(const Exec& exec) const {
    aol_columns<T> slopes = columns;
    slopes.slopes = true;
    if (const status s = for_columns(exec, slopes.order, slopes); !s.ok()) return s;
    const std::int64_t m = columns.rows, n = columns.order;
    const stored_side<T> side{transposed(columns.weight)};
    if (const status s = matrix_product(exec, side, aol_slope_side<T>{gram, columns.slope, n},
                                        matrix_product_shape<T>{m, n, n, product, false});
        !s.ok())
      return s;
    return write(exec, columns.upstream, product, gradient);
  }
  template <class Exec>
  status write(const Exec& exec, const row_source& from, const T* more, const row_sink& to) const {
    const std::int64_t n = columns.order;
    auto a = rows_of_layer<scaled_column_rows>(columns.rows, n);
    a.row[0][0] = from;
    a.row[0][1] = {columns.scale, 0, 1, element_of<T>()};
    if (more != nullptr) a.row[0][2] = {more, n, 1, element_of<T>()};
    a.gradient[0][0] = to;
    return row_map_reduce<T>(exec, scaled_column_rows{}, layer_rows{}, a);
  }
};

template <space S>
status check_aol(const aol_inputs<S>& in, const aol_outputs<S>& out) {
  layer_checks<2, 3> call(in.weight);
  call.look(some_output(out.rescaled, out.scale, out.grad_weight));
  if (out.grad_weight.given() != in.upstream.given())
    call.look(in.upstream.given()
                  ? require::fail(errc::unused_input, "upstream", "to be left out, since no gradient is asked for")
                  : require::fail(errc::missing_input, "upstream",
                                  "the derivatives by the rescaled weight, for grad_weight"));
  call.matrix("weight", in.weight), call.matrix("upstream", in.upstream);
  call.matrix("rescaled", out.rescaled), call.matrix("grad_weight", out.grad_weight);
  call.vector("scale", out.scale, call.columns, "one per column of the weight,");
  call.read("weight", in.weight, out.rescaled), call.read("upstream", in.upstream, out.grad_weight);
  call.write("rescaled", out.rescaled), call.write("scale", out.scale), call.write("grad_weight", out.grad_weight);
  return call.check();
}

template <space S, class F>
auto with_aol_call(const aol_inputs<S>& in, const aol_outputs<S>& out, F f) {
  const auto make = [&](auto zero) {
    aol_call<decltype(zero)> c;
    c.columns.rows = in.weight.extent[0], c.columns.order = in.weight.extent[1];
    c.columns.weight = place_of(in.weight), c.columns.upstream = place_of(in.upstream);
    c.columns.scale_out = place_of(out.scale);
    c.rescaled = place_of(out.rescaled), c.gradient = place_of(out.grad_weight);
    return f(c);
  };
  return in.weight.type == element::f64 || in.upstream.type == element::f64 ? make(double{}) : make(float{});
}

}  // namespace detail

// Bytes of workspace for rescale_aol: n^2 numbers of the type of the arithmetic, m n more for the gradient. 0 for views
// that do not fit together.
template <class Exec>
std::size_t aol_workspace(const Exec& exec, const std::type_identity_t<aol_inputs<Exec::memory>>& in,
                          const std::type_identity_t<aol_outputs<Exec::memory>>& out) {
  if (!detail::check_aol(in, out).ok()) return 0;
  return detail::with_aol_call(in, out, [&](auto& call) { return layer_bytes(exec, call); });
}

// Almost-orthogonal rescaling of a weight W [m, n],
//
//   rescaled = W diag(scale),   scale_j = (sum_i |W^T W|_ij)^(-1/2)
//
// whose spectral norm is at most 1, so that x -> rescaled x is 1-Lipschitz. Proof: with G = W^T W and s = scale,
// |W S x|^2 = sum_ij x_i s_i G_ij s_j x_j <= sum_ij |G_ij| (s_i^2 x_i^2 + s_j^2 x_j^2) / 2 = sum_i x_i^2 s_i^2
// sum_j |G_ij| = |x|^2. A weight with orthogonal columns gets unit columns, and the norm is 1; others lose length.
//
// The gradient, from that by the rescaled weight, g: with c_j = -1/2 s_j^3 sum_k g_kj W_kj,
//
//   dL/dW_kj = g_kj s_j + sum_l W_kl (c_l + c_j) sign G_lj
//
// where sign 0 = 0, a subgradient: at columns that are orthogonal exactly the rescaling has a kink. A column of zeros
// stays one, with scale 0 and gradient 0.
//
//   rescale_aol(cpu{.pool = pool}, {.weight = {w, m, n}}, {.rescaled = {unit, m, n}});
//
// Arithmetic in float, in double if a matrix is double; sums of |G| in double. Rounding may take the norm above 1 by
// some 1e-6 (1e-15 in double), and by half a unit of the type that `rescaled` is stored in. Sums whose squares leave
// the range (|W| below 1e-19 or above 1e18 in float) are 0 or infinite. Cost m n^2 operations, and 2 m n^2 more for the
// gradient. The same bits for any number of threads. aol_workspace bytes of the workspace, or one allocation on the CPU
// and memory in stream order on CUDA: three launches, four more for the gradient. Errors: shapes, types, overlap, what
// is missing or not used; nothing has been written then.
//
// Source: Prach and Lampert 2022, arXiv 2208.03160, theorem 1 (from a summary; the proof above is this library's own,
// as is the gradient).
template <class Exec>
status rescale_aol(const Exec& exec, const std::type_identity_t<aol_inputs<Exec::memory>>& in,
                   const std::type_identity_t<aol_outputs<Exec::memory>>& out) {
  if (const status s = detail::check_aol(in, out); !s.ok()) return s;
  return detail::with_aol_call(in, out, [&](auto& call) { return run_layer(exec, call); });
}

}  // namespace PREFER_ABI
}  // namespace prefer
