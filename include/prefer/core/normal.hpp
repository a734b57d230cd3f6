// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/math.hpp>
#include <prefer/core/random.hpp>

#include <cstdint>

// Standard normal numbers by counting, for lanes too: one uniform number makes one normal number, by inversion.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Numerators and denominators of Wichura's PPND16 (inside functions, since device code has no static arrays).
struct normal_central_over {
  static constexpr int count = 8;
  static PREFER_HD constexpr double at(int i) {
    constexpr double terms[] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                                1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                3.3430575583588128105e+4, 2.5090809287301226727e+3};
    return terms[i];
  }
};
struct normal_central_under {
  static constexpr int count = 8;
  static PREFER_HD constexpr double at(int i) {
    constexpr double terms[] = {1.0,
                                4.2313330701600911252e+1,
                                6.8718700749205790830e+2,
                                5.3941960214247511077e+3,
                                2.1213794301586595867e+4,
                                3.9307895800092710610e+4,
                                2.8729085735721942674e+4,
                                5.2264952788528545610e+3};
    return terms[i];
  }
};
struct normal_near_over {
  static constexpr int count = 8;
  static PREFER_HD constexpr double at(int i) {
    constexpr double terms[] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                                3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                                2.27238449892691845833e-2, 7.74545014278341407640e-4};
    return terms[i];
  }
};
struct normal_near_under {
  static constexpr int count = 8;
  static PREFER_HD constexpr double at(int i) {
    constexpr double terms[] = {1.0,
                                2.05319162663775882187e0,
                                1.67638483018380384940e0,
                                6.89767334985100004550e-1,
                                1.48103976427480074590e-1,
                                1.51986665636164571966e-2,
                                5.47593808499534494600e-4,
                                1.05075007164441684324e-9};
    return terms[i];
  }
};
struct normal_far_over {
  static constexpr int count = 8;
  static PREFER_HD constexpr double at(int i) {
    constexpr double terms[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                                2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                2.71155556874348757815e-5, 2.01033439929228813265e-7};
    return terms[i];
  }
};
struct normal_far_under {
  static constexpr int count = 8;
  static PREFER_HD constexpr double at(int i) {
    constexpr double terms[] = {1.0,
                                5.99832206555887937690e-1,
                                1.36929880922735805310e-1,
                                1.48753612908506148525e-2,
                                7.86869131145613259100e-4,
                                1.84631831751005468180e-5,
                                1.42151175831644588870e-7,
                                2.04426310338993978564e-15};
    return terms[i];
  }
};

template <class Over, class Under, class V>
PREFER_HD V rational(const V& x) {
  return math::detail::polynomial<Over>(x) / math::detail::polynomial<Under>(x);
}

}  // namespace detail

// The standard normal number below which a share u of them lies, 0 < u < 1; V is double or a lane of doubles. Relative
// error below 1e-15 away from u = 1/2, where the result is 0. Source: Wichura 1988, Algorithm AS 241 (PPND16).
template <class V>
PREFER_HD V normal_quantile(const V& u) {
  const V q = u - V(0.5), tail = math::select(q < V(0), u, V(1) - u);
  const V central =
      q * detail::rational<detail::normal_central_over, detail::normal_central_under>(V(0.180625) - q * q);
  const V r = math::sqrt(-math::log(tail));
  const V near = detail::rational<detail::normal_near_over, detail::normal_near_under>(r - V(1.6));
  const V far = detail::rational<detail::normal_far_over, detail::normal_far_under>(r - V(5));
  const V size = math::select(r > V(5), far, near);
  return math::select(math::abs(q) > V(0.425), math::select(q < V(0), -size, size), central);
}

}  // namespace PREFER_ABI
}  // namespace prefer
