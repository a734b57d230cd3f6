// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/shape/detail/upper_bound.hpp>

#include <cstdint>
#include <type_traits>

// The Lipschitz constant of a network is at most the product of those of its layers.
namespace prefer {

template <space S>
struct norm_product_inputs {
  input_view<1, S> norm = {};  // [L]: the layers' constants, 0 or above
};
// Any of them may be left out, not all.
template <space S>
struct norm_product_outputs {
  output_view<1, S> bound = {};      // 1: the product; double or float
  output_view<1, S> log_bound = {};  // 1: its logarithm, finite where the product is too large or small for a double
  output_view<1, S> grad = {};       // [L]: derivatives of the product by the norms
};

inline namespace PREFER_ABI {
namespace detail {

// A number x 2^exponent with x in [1, 2), or 0, infinite or NaN.
struct scaled_number {
  double x = 1;
  std::int64_t exponent = 0;

  static PREFER_HD scaled_number of(double value) {
    scaled_number r{value, 0};
    if (value < 0x1p-1000) r = {value * 0x1p200, -200};
    const auto bits = bits_as<std::uint64_t>(r.x);
    const auto biased = static_cast<std::int64_t>(bits >> 52 & 0x7ff);
    if (biased == 0 || biased == 0x7ff || bits >> 63 != 0) return {value, 0};
    r.x = bits_as<double>((bits & ~(std::uint64_t{0x7ff} << 52)) | std::uint64_t{1023} << 52);
    r.exponent += biased - 1023;
    return r;
  }
  PREFER_HD scaled_number times(const scaled_number& o) const { return moved(of(x * o.x), exponent + o.exponent); }
  PREFER_HD scaled_number over(const scaled_number& o) const { return moved(of(x / o.x), exponent - o.exponent); }
  static PREFER_HD scaled_number moved(scaled_number n, std::int64_t by) {
    n.exponent += by;
    return n;
  }
  static PREFER_HD double power(std::int64_t e) { return bits_as<double>(static_cast<std::uint64_t>(e + 1023) << 52); }
  PREFER_HD double value() const {
    if (exponent > 1023) return x * 0x1p1023 * 2;
    if (exponent >= -1022) return x * power(exponent);
    return exponent < -1080 ? x * 0x1p-1022 * 0x1p-100 : x * power(exponent + 200) * 0x1p-200;
  }
  PREFER_HD double log() const { return math::log(x) + static_cast<double>(exponent) * 0.693147180559945309417; }
};

struct norm_product_work {
  source norm;
  sink bound, log_bound, grad;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.once([&]() PREFER_HD_LAMBDA {
      scaled_number all;  // of the norms that are neither 0 nor infinite
      std::int64_t zeros = 0, infinite = 0, bad = -1;
      for (std::int64_t i = g.count; i-- > 0;) {
        const double x = read_item<double>(norm, i);
        if (x < 0) bad = i;
        if (x == 0)
          ++zeros;
        else if (is_infinite(x))
          ++infinite;
        else
          all = all.times(scaled_number::of(x));
      }
      if (bad >= 0) team.fault(errc::bad_label, bad), all = {math::detail::not_a_number<double>(), 0};
      const double top = math::detail::infinity<double>();
      const auto product = [&](std::int64_t of_zeros, std::int64_t of_infinite, double of_none, double of_rest) {
        return math::is_nan(all.x) ? all.x : of_zeros > 0 ? of_none : of_infinite > 0 ? top : of_rest;
      };
      write_item(bound, 0, true, product(zeros, infinite, 0, rounded_up(all, g.count)), false);
      write_item(log_bound, 0, true, product(zeros, infinite, -top, all.log()), false);
      for (std::int64_t i = 0; i < g.count && grad.data != nullptr; ++i) {
        const double x = read_item<double>(norm, i);
        const bool is_in = x != 0 && !is_infinite(x);
        const double rest = is_in ? all.over(scaled_number::of(x)).value() : all.value();
        write_item(grad, i, true, product(zeros - (x == 0 ? 1 : 0), infinite - (is_infinite(x) ? 1 : 0), 0, rest),
                   false);
      }
    });
  }
  static PREFER_HD bool is_infinite(double x) { return x > 0 && !math::is_finite(x) && !math::is_nan(x); }
  // So that what bounds of layers give is a bound.
  PREFER_HD double rounded_up(const scaled_number& all, std::int64_t layers) const {
    const double up = 1 + static_cast<double>(layers + 2) * 0x1p-52;
    const double above = all.value() * up + (all.exponent < -1020 && all.x > 0 ? 0x1p-1074 : 0.0);
    return not_below(layers < 2 ? all.value() : above, bound.type);
  }
};

inline status check_norms(const cuda&, const source&, std::int64_t) { return {}; }
inline status check_norms(const cpu& exec, const source& norm, std::int64_t n) {
  for (std::int64_t i = 0; exec.content != content::none && i < n; ++i) {
    const double x = read_item<double>(norm, i);
    if (x < 0) return require::fail(errc::bad_label, "norm", "0 or above", x, 0, i);
    if (exec.content == content::all && math::is_nan(x))
      return require::fail(errc::not_a_number, "norm", "a number, but it is NaN", x, 0, i);
  }
  return {};
}

}  // namespace detail

// The product of the norms of L layers and its gradient,
//
//   bound = prod_i norm_i      d bound / d norm_i = prod_{j != i} norm_j      log_bound = sum_i log norm_i
//
// which bounds the Lipschitz constant of layers one after the other, with 1-Lipschitz activations between them, in the
// norm that the layers' constants are for. The bound is loose: it takes the worst input of each layer, whether or not
// the layer before can produce it. From upper bounds (`bound` of find_spectral_norm) it is an upper bound, and is
// rounded upwards as one; from sigma, which are lower bounds, it is an estimate.
//
//   multiply_norms(cpu{}, {.norm = {norms, L}}, {.bound = {&bound, 1}, .grad = {by_norm, L}});
//
// Exponents are kept apart, so that nothing overflows on the way; derivatives are right where norms are 0 or
// infinite, too; 0 times infinity is 0, since what follows a layer of norm 0 is constant. No layers have bound 1. A NaN
// reaches everything. Arithmetic in double, by one thread, since layers are few; nothing is
// allocated, one launch on CUDA. Errors: shapes, types, overlap, and on the CPU a negative norm; nothing has been
// written then. On CUDA a negative norm makes all outputs NaN and is reported. Elementary; for networks Szegedy et al.
// 2014, arXiv 1312.6199, section 4.3.
template <class Exec>
status multiply_norms(const Exec& exec, const std::type_identity_t<norm_product_inputs<Exec::memory>>& in,
                      const std::type_identity_t<norm_product_outputs<Exec::memory>>& out) {
  using require::holds;
  if (!in.norm.given()) return require::fail(errc::missing_input, "norm", "one number per layer");
  const std::int64_t n = in.norm.extent[0];
  if (const status s = detail::some_output(out.bound, out.log_bound, out.grad); !s.ok()) return s;
  detail::call_checks<1, 3> call;
  call.read("norm", in.norm, n < 0 ? 0 : n, "the number of layers,", holds::numbers);
  call.write("bound", out.bound, 1, "one number,", holds::totals);
  call.write("log_bound", out.log_bound, 1, "one number,", holds::totals);
  call.write("grad", out.grad, n, "the number of layers,", holds::numbers);
  if (const status s = call.check(); !s.ok()) return s;
  const source norm = detail::place_of(in.norm);
  if (const status s = detail::check_norms(exec, norm, n); !s.ok()) return s;
  detail::group_table all;
  all.samples = all.size = n, all.groups = 1;
  return for_groups(exec, all,
                    detail::norm_product_work{norm, detail::place_of(out.bound), detail::place_of(out.log_bound),
                                              detail::place_of(out.grad)});
}

}  // namespace PREFER_ABI
}  // namespace prefer
