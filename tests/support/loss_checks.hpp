// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <support/loss_suite.hpp>

#include <doctest/doctest.h>

#include <string>

// What the suites of both backends check alike.
namespace prefer_test {

// `roundings` bounds the error of an output in units of the compute type, relative to the largest element of that
// output (a slope inherits the rounding of its argument); storing adds a unit of the storage type.
template <class S, class Kind>
void check_against(kind_call<Kind, S>& c, const expectation<Kind>& e, double roundings) {
  using C = compute_for<S>;
  const long double unit = std::ldexp(1.0L, 1 - storage<C>::digits);
  for (int m = 0; m < output_count<Kind>; ++m) {
    if (!c.facts.provides[m]) continue;
    for (std::int64_t i = 0; i < c.n; ++i) {
      const long double exact = e.out[c.at(m)][static_cast<std::size_t>(i)];
      const long double bound = roundings * unit * e.largest[c.at(m)] +
                                std::ldexp(std::fabs(exact), 1 - storage<S>::digits) +
                                std::ldexp(1.0L, storage<S>::least_exponent);
      INFO(Kind::output_fields[m] << " of item " << i << " of " << c.n << ": " << c.out[c.at(m)].get(i) << " for "
                                  << static_cast<double>(exact));
      if (std::fabs(exact) > largest_of<S>)
        CHECK((std::fabs(c.out[c.at(m)].get(i)) > 0.99 * largest_of<S> && (c.out[c.at(m)].get(i) > 0) == (exact > 0)));
      else
        CHECK(std::fabs(c.out[c.at(m)].get(i) - exact) <= bound);
    }
  }
  for (int r = 0; r < total_count<Kind>; ++r) {
    if (!c.facts.provides_total[r]) continue;
    INFO(Kind::total_fields[r] << " of " << c.n << ": " << c.total[c.at(r)].get(0) << " for "
                               << static_cast<double>(e.total[r]));
    // A sum in a tile passes through at most 36 additions.
    CHECK(std::fabs(c.total[c.at(r)].get(0) - e.total[r]) <= (roundings + 36) * unit * e.total_size[r]);
  }
}

// Fills what the mask leaves out with a number that must not matter.
template <class Kind, class S>
void poison(kind_call<Kind, S>& c, double x) {
  for (std::int64_t i = 0; i < c.n; ++i) {
    if (c.mask.at(i)) continue;
    for (auto& b : c.in) b.set(i, x);
    c.weight.set(i, x);
  }
}

// Calls that must be refused, built from good inputs by breaking one thing at a time; each is given to
// refused(code, argument, in, out).
template <class Kind, class S, class Inputs, class Outputs, class Refused>
void each_bad_argument(kind_call<Kind, S>& c, const Inputs& in, const Outputs& out, Refused refused) {
  // Breaks the k-th input of a copy.
  const auto broken = [&](int k, auto change) {
    Inputs x = in;
    int j = 0;
    Kind::each_input(x, [&](auto& v) {
      if (j++ == k) change(v);
    });
    return x;
  };
  int first = -1;  // sets the extent, so that its own is never the odd one out
  for (int k = 0; k < field_count<Kind>; ++k) {
    const char* name = Kind::input_fields[k].name;
    if (!c.reads(k)) {
      refused(prefer::errc::unused_input, name, broken(k, [&](auto& v) { v = in.weight; }), out);
      continue;
    }
    if (Kind::input_fields[k].required)
      refused(prefer::errc::missing_input, name, broken(k, [](auto& v) { v = {}; }), out);
    if (first >= 0)
      refused(prefer::errc::bad_extent, name, broken(k, [](auto& v) { v.extent[0] -= 1; }), out);
    else
      first = k;
    refused(prefer::errc::null_data, name, broken(k, [](auto& v) { v.data = nullptr; }), out);
    refused(prefer::errc::bad_stride, name, broken(k, [](auto& v) { v.stride[0] = -1; }), out);
    refused(prefer::errc::bad_element, name, broken(k, [&](auto& v) { v = in.mask; }), out);
  }
  const auto with = [&](auto change) {
    Inputs x = in;
    change(x);
    return x;
  };
  refused(prefer::errc::bad_extent, "weight", with([](Inputs& x) { x.weight.extent[0] += 1; }), out);
  refused(prefer::errc::bad_extent, "mask", with([](Inputs& x) { x.mask.extent[0] += 1; }), out);
  refused(prefer::errc::bad_element, "mask", with([](Inputs& x) { x.mask = x.weight; }), out);
  for (double bad : {0.0, -2.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    refused(prefer::errc::bad_parameter, "normalizer", with([&](Inputs& x) { x.normalizer = bad; }), out);
  refused(prefer::errc::missing_output, "outputs", in, Outputs{});
  for (int m = 0; m < output_count<Kind>; ++m) {
    const auto spoilt = [&](auto change) {
      Outputs x = out;
      int j = 0;
      Kind::each_output(x, [&](auto& v) {
        if (j++ == m) change(v);
      });
      return x;
    };
    const char* name = Kind::output_fields[m];
    if (!c.facts.provides[m]) {
      Outputs x = out;
      int j = 0, some = 0;
      while (!c.facts.provides[some]) ++some;
      decltype(x.loss) other;
      Kind::each_output(x, [&](auto& v) {
        if (j++ == some) other = v;
      });
      j = 0;
      Kind::each_output(x, [&](auto& v) {
        if (j == some) v = {};
        if (j++ == m) v = other;
      });
      refused(prefer::errc::unavailable_output, name, in, x);
      continue;
    }
    refused(prefer::errc::bad_extent, name, in, spoilt([](auto& v) { v.extent[0] -= 1; }));
    refused(prefer::errc::null_data, name, in, spoilt([](auto& v) { v.data = nullptr; }));
    refused(prefer::errc::bad_stride, name, in, spoilt([](auto& v) { v.stride[0] = 0; }));
    refused(prefer::errc::overlap, name, in, spoilt([&](auto& v) { v.data = const_cast<void*>(in.weight.data); }));
  }
}

}  // namespace prefer_test
