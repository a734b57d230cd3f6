// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/mdp/bellman.hpp>

#include <cstdint>

// The value of the best of K known policies under a linear reward, softened so that it has a gradient: what learning a
// reward from regret preferences needs in place of an optimal value.
namespace prefer {

// K policies known by their successor features in S states, and a reward r = phi . w.
template <space Space>
struct policy_values {
  view<const double, 3, Space> successor = {};  // [K, S, F]
  view<const double, 1, Space> weights = {};    // [F]
  double temperature = 1e-3;                    // above 0, in units of value
};

inline namespace PREFER_ABI {
namespace detail {

struct softmax_value_problem {
  std::int64_t policies = 0, states = 0, features = 0;
  view<const double, 3> successor;
  view<const double, 1> weights;
  double temperature = 0;

  PREFER_HD double value_of(std::int64_t k, std::int64_t s) const {
    double v = 0;
    for (std::int64_t f = 0; f < features; ++f)
      v += bellman_problem::at(successor, k, s, f) * weights.data[f * weights.stride[0]];
    return v;
  }
  PREFER_HD double best(std::int64_t s) const {
    double top = value_of(0, s);
    for (std::int64_t k = 1; k < policies; ++k) top = math::max(value_of(k, s), top);
    return top;
  }
  // sum_k p_k v_k, relative to the best so that nothing overflows; `total` is the sum of the weights e^((v - best) /
  // T).
  PREFER_HD double soft_value(std::int64_t s, double top, double& total) const {
    double shortfall = 0;
    total = 0;
    for (std::int64_t k = 0; k < policies; ++k) {
      const double behind = value_of(k, s) - top, weight = math::exp(behind / temperature);
      total += weight;
      shortfall += weight * behind;
    }
    return top + shortfall / total;
  }
  // factor_k = p_k (1 + (v_k - value) / T), so that d value(s) / d w = sum_k factor_k psi_k(s): f(k, factor_k).
  // (The pragma: on the CPU f is a host function.)
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
  template <class F>
  PREFER_HD void each_factor(std::int64_t s, F f) const {
    double total;
    const double top = best(s), value = soft_value(s, top, total);
    for (std::int64_t k = 0; k < policies; ++k) {
      const double v = value_of(k, s);
      f(k, math::exp((v - top) / temperature) / total * (1 + (v - value) / temperature));
    }
  }
  PREFER_HD double slope(std::int64_t s, std::int64_t feature) const {
    double sum = 0;
    each_factor(s, [&](std::int64_t k, double factor)
                       PREFER_HD_LAMBDA { sum += factor * bellman_problem::at(successor, k, s, feature); });
    return sum;
  }
};

template <space S>
status make_softmax_problem(const policy_values<S>& in, softmax_value_problem& p) {
  p.policies = in.successor.extent[0];
  p.states = in.successor.extent[1];
  p.features = in.successor.extent[2];
  const status bad = first_error(
      require::that(p.policies > 0, "successor", static_cast<double>(p.policies), "at least one policy"),
      check_shape("successor", in.successor, {p.policies, p.states, p.features}, true),
      check_shape("weights", in.weights, {p.features}, true), require::positive(in.temperature, "temperature"));
  p.successor = any_space(in.successor);
  p.weights = any_space(in.weights);
  p.temperature = in.temperature;
  return bad;
}

// The output may not share memory with what is read.
template <space S, class... More>
status check_softmax_overlap(const policy_values<S>& in, const char* name, const view<double, 1, S>& out,
                             const More&... more) {
  require::footprints<2 + sizeof...(More), 1> all;
  all.read(require::footprint_of("successor", in.successor)), all.read(require::footprint_of("weights", in.weights));
  (all.read(require::footprint_of("upstream", more)), ...);
  all.write(require::footprint_of(name, out));
  return all.check();
}

template <class Exec>
status run_softmax_value(const Exec&, const softmax_value_problem&, const view<double, 1, Exec::memory>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
template <class Exec>
status run_softmax_gradient(const Exec&, const softmax_value_problem&, const view<const double, 1, Exec::memory>&,
                            const view<double, 1, Exec::memory>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

inline status run_softmax_value(const cpu& exec, const softmax_value_problem& p,
                                const view<double, 1, space::host>& value) {
  for_blocks(exec, p.states, p.states * p.policies * p.features, [&](std::int64_t first, std::int64_t last) {
    double total;
    for (std::int64_t s = first; s < last; ++s) value.data[s * value.stride[0]] = p.soft_value(s, p.best(s), total);
  });
  return {};
}
inline status run_softmax_gradient(const cpu&, const softmax_value_problem& p,
                                   const view<const double, 1, space::host>& upstream,
                                   const view<double, 1, space::host>& gradient) {
  for (std::int64_t f = 0; f < p.features; ++f) gradient.data[f * gradient.stride[0]] = 0;
  for (std::int64_t s = 0; s < p.states; ++s) {
    const double g = upstream.data[s * upstream.stride[0]];
    if (g == 0) continue;
    p.each_factor(s, [&](std::int64_t k, double factor) PREFER_HD_LAMBDA {
      for (std::int64_t f = 0; f < p.features; ++f)
        gradient.data[f * gradient.stride[0]] += g * factor * bellman_problem::at(p.successor, k, s, f);
    });
  }
  return {};
}

}  // namespace detail

// The softened value of every state: value(s) = sum_k p_k(s) v_k(s), v_k = psi_k(s) . w, p = softmax(v / temperature).
// It lies between the mean and the maximum of the v_k and tends to the maximum as the temperature falls. Computed
// relative to the maximum: exact for temperatures far below the spread of the values. Errors: shapes, no policy,
// temperature not above 0. Cost: K S F. Source: Knox et al. 2022, arXiv 2206.02231, appendix (successor features).
template <class Exec>
status softmax_value(const Exec& exec, const policy_values<Exec::memory>& in,
                     const view<double, 1, Exec::memory>& value) {
  detail::softmax_value_problem p;
  if (const status s = detail::make_softmax_problem(in, p); !s.ok()) return s;
  if (const status s = first_error(detail::check_shape("value", value, {p.states}, true),
                                   detail::check_softmax_overlap(in, "value", value));
      !s.ok())
    return s;
  return run_softmax_value(exec, p, value);
}

// The gradient by the weights of sum_s upstream(s) value(s), with upstream [S] the derivative of a loss by every
// state's value (most are 0):
//
//   gradient = sum_s upstream(s) sum_k p_k(s) [1 + (v_k(s) - value(s)) / temperature] psi_k(s)
//
// Derived for this library. Errors as in softmax_value. Cost: 4 K S F on
// the CPU, F times that on CUDA, where features run in parallel; states with upstream 0 are left out.
template <class Exec>
status softmax_value_gradient(const Exec& exec, const policy_values<Exec::memory>& in,
                              const view<const double, 1, Exec::memory>& upstream,
                              const view<double, 1, Exec::memory>& gradient) {
  detail::softmax_value_problem p;
  if (const status s = detail::make_softmax_problem(in, p); !s.ok()) return s;
  if (const status s = first_error(detail::check_shape("upstream", upstream, {p.states}, true),
                                   detail::check_shape("gradient", gradient, {p.features}, true),
                                   detail::check_softmax_overlap(in, "gradient", gradient, upstream));
      !s.ok())
    return s;
  return run_softmax_gradient(exec, p, upstream, gradient);
}

}  // namespace PREFER_ABI
}  // namespace prefer
