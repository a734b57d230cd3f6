// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/pair_fold.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/host_scratch.hpp>

#include <cstddef>
#include <cstdint>

// Values at points, as the tools on all pairs take them.
namespace prefer {

// N points with D coordinates and a value each.
template <space S>
struct value_samples {
  input_view<2, S> point = {};  // [N, D]
  input_view<1, S> value = {};  // N
  input_view<1, S> mask = {};   // N; bool or uint8: zero leaves a sample out; it may hold anything
};

inline namespace PREFER_ABI {
namespace detail {

struct sample_values {
  row_source point;
  source value, mask;
  std::int64_t samples = 0, width = 0;
  bool in_double = false;

  // f(T) with T = double if anything is double, else float.
  template <class F>
  auto with_type(F f) const {
    return in_double ? f(double{}) : f(float{});
  }
};

template <space S>
status make_points(const input_view<2, S>& point, sample_values& v) {
  if (!point.given()) return require::fail(errc::missing_input, "point", "one row of coordinates per sample");
  v.samples = point.extent[0], v.width = point.extent[1];
  if (v.samples < 0 || v.width < 1)
    return require::fail(errc::bad_extent, "point",
                         v.samples < 0 ? "rows, at least" : "coordinates per sample, at least",
                         static_cast<double>(v.samples < 0 ? v.samples : v.width), v.samples < 0 ? 0 : 1);
  v.point = place_of(point), v.in_double = point.type == element::f64;
  return {};
}

template <space S>
status make_sample_values(const value_samples<S>& in, sample_values& v) {
  if (in.point.given() && !in.value.given())
    return require::fail(errc::missing_input, "value", "one number per sample");
  v.value = place_of(in.value), v.mask = place_of(in.mask);
  const status s = make_points(in.point, v);
  v.in_double = v.in_double || in.value.type == element::f64;
  return s;
}

template <space S, int Inputs, int Outputs>
void read_samples(const value_samples<S>& in, call_checks<Inputs, Outputs>& call) {
  constexpr const char* per_sample = "the number of samples,";
  const std::int64_t n = in.point.extent[0];
  call.read("point", in.point, n, in.point.extent[1]);
  call.read("value", in.value, n, per_sample, require::holds::numbers);
  call.read("mask", in.mask, n, per_sample, require::holds::flags);
}

inline status check_finite_samples(const cuda&, const sample_values&) { return {}; }
// With content::all a selected sample that is not finite is an error.
inline status check_finite_samples(const cpu& exec, const sample_values& v) {
  if (exec.content != content::all) return {};
  for (std::int64_t i = 0; i < v.samples; ++i) {
    if (!selects(v.mask, i)) continue;
    if (!math::is_finite(read_item<double>(v.value, i)))
      return require::fail(errc::not_a_number, "value", "a finite number", read_item<double>(v.value, i), 0, i);
    if (!is_point<double>(v.point, v.value, {}, v.width, i))
      return require::fail(errc::not_a_number, "point", "finite numbers in every row", 0, 0, i);
  }
  return {};
}

// A call has memory of its own, which it carves from an arena, and that of the primitives inside, `inner_bytes`.
template <class Call>
std::size_t call_bytes(const cpu& exec, Call& call) {
  arena own;
  call.carve(own);
  return own.bytes() + call.inner_bytes(exec);
}
template <class Call>
status run_in_memory(const cpu& exec, Call& call) {
  host_scratch scratch;
  const std::size_t bytes = call_bytes(exec, call);
  if (const status s = scratch.provide(exec.workspace, bytes); !s.ok()) return s;
  arena own(scratch.data);
  call.carve(own);
  cpu rest = exec;
  rest.workspace = {static_cast<char*>(scratch.data) + own.bytes(), bytes - own.bytes()};
  return call.run(rest);
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
