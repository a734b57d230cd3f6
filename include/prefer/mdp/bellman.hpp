// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/core/arena.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/core/shapes.hpp>

#include <cstddef>
#include <cstdint>

// Batches of finite Markov decision processes: optimal values, values and successor features of given policies, greedy
// policies. Small problems, many at a time: one process per task on the CPU, one per block of threads on CUDA.
namespace prefer {

// B processes of S states and A actions. Transitions are either deterministic (`next`) or given by probabilities
// (`transition`); terminal states have value 0 and end every path. A stride of 0 shares an array between the processes.
template <space Space>
struct mdp {
  view<const double, 3, Space> reward = {};      // [B, S, A]; successor_features does not read it
  view<const std::int32_t, 3, Space> next = {};  // [B, S, A]: the state that follows, or
  view<const double, 3, Space> transition = {};  // [B, S A, S]: the probability of every state that may follow
  view<const bool, 2, Space> terminal = {};      // [B, S]; none if not given
  double discount = 0.99;                        // in [0, 1]
};

struct fixed_point {
  double tolerance = 1e-10;              // stop when no value changes by more
  std::int64_t max_iterations = 100000;  // or after this many sweeps
};

// Everything is optional. A residual above the tolerance says that the sweeps ran out.
template <space Space>
struct value_outputs {
  view<double, 2, Space> value = {};             // [B, S]
  view<double, 3, Space> action_value = {};      // [B, S, A]
  view<double, 3, Space> policy = {};            // [B, S, A]: greedy, equal probabilities for actions that tie exactly
  view<std::int64_t, 1, Space> iterations = {};  // [B]
  view<double, 1, Space> residual = {};          // [B]: the largest change of the last sweep
};

template <space Space>
struct feature_outputs {
  view<double, 3, Space> successor = {};  // [B, S, F]
  view<std::int64_t, 1, Space> iterations = {};
  view<double, 1, Space> residual = {};
};

inline namespace PREFER_ABI {
namespace detail {

// One fixed-point problem for both backends: what a sweep does to one state. `width` numbers per state are iterated:
// one value, or the successor features.
struct bellman_problem {
  std::int64_t batch = 0, states = 0, actions = 0, width = 1;
  view<const double, 3> reward, transition, policy, features;
  view<const std::int32_t, 3> next;
  view<const bool, 2> terminal;
  double discount = 0;
  fixed_point stop;

  PREFER_HD bool ends(std::int64_t b, std::int64_t s) const {
    return terminal.data != nullptr && terminal.data[b * terminal.stride[0] + s * terminal.stride[1]];
  }
  template <class T, int Rank>
  static PREFER_HD T at(const view<T, Rank>& v, std::int64_t i, std::int64_t j, std::int64_t k) {
    return v.data[i * v.stride[0] + j * v.stride[1] + k * v.stride[2]];
  }
  PREFER_HD bool follows(std::int64_t b, std::int64_t s, std::int64_t a) const {
    const std::int32_t n = at(next, b, s, a);
    return n >= 0 && n < states;
  }

  // The expected number f of the state that follows; NaN for a state that does not exist.
  PREFER_HD double expected(std::int64_t b, std::int64_t s, std::int64_t a, const double* x, std::int64_t f) const {
    if (next.data != nullptr)
      return follows(b, s, a) ? x[at(next, b, s, a) * width + f] : math::detail::not_a_number<double>();
    double sum = 0;
    for (std::int64_t n = 0; n < states; ++n) sum += at(transition, b, s * actions + a, n) * x[n * width + f];
    return sum;
  }
  PREFER_HD double action_value(std::int64_t b, std::int64_t s, std::int64_t a, const double* x) const {
    if (ends(b, s)) return 0;
    return at(reward, b, s, a) + discount * expected(b, s, a, x, 0);
  }

  // One sweep's number f of state s: the best action's, or the policy's average.
  PREFER_HD double backup(std::int64_t b, std::int64_t s, std::int64_t f, const double* x) const {
    if (ends(b, s)) return 0;
    if (policy.data == nullptr) {
      double best = action_value(b, s, 0, x);
      for (std::int64_t a = 1; a < actions; ++a) {
        const double q = action_value(b, s, a, x);
        best = q > best || q != q ? q : best;
      }
      return best;
    }
    double sum = 0;
    for (std::int64_t a = 0; a < actions; ++a) {
      const double p = at(policy, b, s, a);
      if (p == 0) continue;  // what an action that is never taken would give is irrelevant
      const double now = features.data != nullptr ? at(features, s, a, f) : at(reward, b, s, a);
      sum += p * (now + discount * expected(b, s, a, x, f));
    }
    return sum;
  }

  // What the values x say about state s, written where asked for.
  template <class Outputs>
  PREFER_HD void write_state(const Outputs& out, std::int64_t b, std::int64_t s, const double* x) const {
    if (out.value.data != nullptr) out.value.data[b * out.value.stride[0] + s * out.value.stride[1]] = x[s];
    double best = action_value(b, s, 0, x), ties = 0;
    for (std::int64_t a = 1; a < actions; ++a) {
      const double q = action_value(b, s, a, x);
      best = q > best ? q : best;
    }
    for (std::int64_t a = 0; a < actions; ++a) ties += action_value(b, s, a, x) == best ? 1 : 0;
    for (std::int64_t a = 0; a < actions; ++a) {
      const double q = action_value(b, s, a, x);
      if (out.action_value.data != nullptr) element(out.action_value, b, s, a) = q;
      if (out.policy.data != nullptr) element(out.policy, b, s, a) = q == best ? 1 / ties : 0;
    }
  }
  template <class View>
  static PREFER_HD double& element(const View& v, std::int64_t i, std::int64_t j, std::int64_t k) {
    return v.data[i * v.stride[0] + j * v.stride[1] + k * v.stride[2]];
  }
};

inline status check_fixed_point(const fixed_point& stop, double discount) {
  return first_error(
      require::that(discount >= 0 && discount <= 1, "discount", discount, "from 0 to 1"),
      require::not_negative(stop.tolerance, "tolerance"),
      require::that(stop.max_iterations > 0, "max_iterations", static_cast<double>(stop.max_iterations), "above 0"));
}

// The problem of a call; extents come from `next` or `transition`.
template <space S>
status make_problem(const mdp<S>& m, const fixed_point& stop, bool with_reward, bellman_problem& p) {
  const bool deterministic = m.next.extent[0] != 0 || m.next.data != nullptr;
  const bool random = m.transition.extent[0] != 0 || m.transition.data != nullptr;
  if (deterministic == random)
    return require::fail(errc::missing_input, "next", "either next or transition, and not both");
  if (const status s = check_fixed_point(stop, m.discount); !s.ok()) return s;
  p.batch = deterministic ? m.next.extent[0] : m.transition.extent[0];
  p.states = deterministic ? m.next.extent[1] : m.transition.extent[2];
  p.actions = deterministic ? m.next.extent[2] : p.states > 0 ? m.transition.extent[1] / p.states : 0;
  const std::int64_t cube[3] = {p.batch, p.states, p.actions};
  if (p.batch < 0 || p.states < 1 || p.actions < 1)
    return require::fail(errc::bad_extent, deterministic ? "next" : "transition", "at least one state and one action",
                         static_cast<double>(p.states), 1);
  if (const status s = deterministic
                           ? check_shape("next", m.next, cube, true)
                           : check_shape("transition", m.transition, {p.batch, p.states * p.actions, p.states}, true);
      !s.ok())
    return s;
  if (with_reward)
    if (const status s = check_shape("reward", m.reward, cube, true); !s.ok()) return s;
  if (const status s = check_shape("terminal", m.terminal, {p.batch, p.states}, false); !s.ok()) return s;
  p.reward = any_space(m.reward);
  p.next = any_space(m.next);
  p.transition = any_space(m.transition);
  p.terminal = any_space(m.terminal);
  p.discount = m.discount;
  p.stop = stop;
  return {};
}

// States that do not exist would be followed: they are looked for first on the CPU. A policy's row must be a
// distribution over the actions of every state that is not terminal.
inline status check_problem_content(const cpu& exec, const bellman_problem& p) {
  if (exec.content == content::none) return {};
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t s = 0; s < p.states; ++s) {
      double sum = 0;
      for (std::int64_t a = 0; a < p.actions; ++a) {
        if (p.next.data != nullptr && !p.ends(b, s) && !p.follows(b, s, a))
          return require::fail(errc::bad_index, "next", "a state, from 0 and below",
                               static_cast<double>(bellman_problem::at(p.next, b, s, a)), static_cast<double>(p.states),
                               (b * p.states + s) * p.actions + a);
        if (p.policy.data != nullptr) sum += bellman_problem::at(p.policy, b, s, a);
      }
      if (p.policy.data != nullptr && !p.ends(b, s) && !(sum > 1 - 1e-6 && sum < 1 + 1e-6))
        return require::fail(errc::bad_label, "policy", "probabilities that sum to", sum, 1, b * p.states + s);
    }
  return {};
}
inline status check_problem_content(const cuda&, const bellman_problem&) { return {}; }

// Sweeps until nothing moves: two buffers of states * width numbers per process, the result in `x`.
struct sweep_result {
  const double* x;
  std::int64_t iterations;
  double residual;
};
inline sweep_result run_sweeps(const bellman_problem& p, std::int64_t b, double* memory) {
  const std::int64_t size = p.states * p.width;
  double *old = memory, *fresh = memory + size;
  for (std::int64_t i = 0; i < size; ++i) old[i] = 0;
  sweep_result r{old, 0, 0};
  do {
    r.residual = 0;
    for (std::int64_t s = 0; s < p.states; ++s)
      for (std::int64_t f = 0; f < p.width; ++f) {
        const double x = p.backup(b, s, f, old), change = math::abs(x - old[s * p.width + f]);
        fresh[s * p.width + f] = x;
        r.residual = change > r.residual || change != change ? change : r.residual;
      }
    double* const swapped = old;
    old = fresh;
    fresh = swapped;
    ++r.iterations;
  } while (r.residual > p.stop.tolerance && r.iterations < p.stop.max_iterations);
  r.x = old;
  return r;
}

template <class Exec, class Outputs, class Write>
status solve_bellman(const Exec&, const bellman_problem&, const Outputs&, const Write&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

// `write(problem, process, x)` stores what the caller asked for.
template <class Outputs, class Write>
status solve_bellman(const cpu& exec, const bellman_problem& p, const Outputs& out, const Write& write) {
  const std::int64_t per_process = 2 * p.states * p.width;
  arena measured, lent;
  measured.take<double>(p.batch * per_process);
  if (const status s = lend(exec, measured, lent); !s.ok()) return s;
  double* const memory = lent.take<double>(p.batch * per_process);
  for_blocks(exec, p.batch, p.batch * p.states * p.actions * p.width * 64, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t b = first; b < last; ++b) {
      const sweep_result r = run_sweeps(p, b, memory + b * per_process);
      write(p, b, r.x);
      if (out.iterations.data != nullptr) out.iterations.data[b * out.iterations.stride[0]] = r.iterations;
      if (out.residual.data != nullptr) out.residual.data[b * out.residual.stride[0]] = r.residual;
    }
  });
  return {};
}

template <class Outputs>
struct write_values {
  Outputs out;
  PREFER_HD void state(const bellman_problem& p, std::int64_t b, std::int64_t s, const double* x) const {
    p.write_state(out, b, s, x);
  }
  void operator()(const bellman_problem& p, std::int64_t b, const double* x) const {
    for (std::int64_t s = 0; s < p.states; ++s) state(p, b, s, x);
  }
};
template <class Outputs>
struct write_features {
  Outputs out;
  PREFER_HD void state(const bellman_problem& p, std::int64_t b, std::int64_t s, const double* x) const {
    if (out.successor.data == nullptr) return;
    for (std::int64_t f = 0; f < p.width; ++f) bellman_problem::element(out.successor, b, s, f) = x[s * p.width + f];
  }
  void operator()(const bellman_problem& p, std::int64_t b, const double* x) const {
    for (std::int64_t s = 0; s < p.states; ++s) state(p, b, s, x);
  }
};

// f(name, view) of every output.
template <space S, class F>
void each_output(const value_outputs<S>& out, F f) {
  f("value", out.value), f("action_value", out.action_value), f("policy", out.policy);
  f("iterations", out.iterations), f("residual", out.residual);
}
template <space S, class F>
void each_output(const feature_outputs<S>& out, F f) {
  f("successor", out.successor), f("iterations", out.iterations), f("residual", out.residual);
}

// No output may share memory with the process, with another output, or with `more` that the call reads.
template <space S, class Outputs, class... More>
status check_mdp_overlap(const mdp<S>& m, const Outputs& out, const More&... more) {
  require::footprints<4 + sizeof...(More), 5> all;
  all.read(require::footprint_of("reward", m.reward)), all.read(require::footprint_of("next", m.next));
  all.read(require::footprint_of("transition", m.transition)), all.read(require::footprint_of("terminal", m.terminal));
  (all.read(require::footprint_of("policy or features", more)), ...);
  each_output(out, [&](const char* name, const auto& v) { all.write(require::footprint_of(name, v)); });
  return all.check();
}

template <space S>
status check_value_outputs(const bellman_problem& p, const value_outputs<S>& out) {
  return first_error(check_shape("value", out.value, {p.batch, p.states}, false),
                     check_shape("action_value", out.action_value, {p.batch, p.states, p.actions}, false),
                     check_shape("policy", out.policy, {p.batch, p.states, p.actions}, false),
                     check_shape("iterations", out.iterations, {p.batch}, false),
                     check_shape("residual", out.residual, {p.batch}, false));
}

}  // namespace detail

// Bytes of workspace for value_iteration and policy_evaluation; for successor_features with F features.
inline std::size_t bellman_workspace(std::int64_t batch, std::int64_t states, std::int64_t features = 1) {
  return static_cast<std::size_t>(2 * batch * states * features) * sizeof(double) + 512;  // and alignment, CUDA's too
}

// No output of these three may share memory with another argument, by the ranges of their addresses.

// Optimal values by value iteration: V(s) = max_a [r(s, a) + discount E V(s')], from 0, all states of a sweep at once.
// With max |change| <= tolerance the values are within tolerance discount / (1 - discount) of the optimal ones. The
// workspace is exec.workspace (bellman_workspace bytes); on CUDA one launch, the loop and its end on the device.
// Errors: shapes, a state in `next` that does not exist (CUDA: the process's values become NaN), discount outside [0,
// 1].
template <class Exec>
status value_iteration(const Exec& exec, const mdp<Exec::memory>& m, const fixed_point& stop,
                       const value_outputs<Exec::memory>& out) {
  detail::bellman_problem p;
  if (const status s = detail::make_problem(m, stop, true, p); !s.ok()) return s;
  if (const status s = first_error(detail::check_value_outputs(p, out), detail::check_mdp_overlap(m, out)); !s.ok())
    return s;
  if (const status s = detail::check_problem_content(exec, p); !s.ok()) return s;
  return solve_bellman(exec, p, out, detail::write_values<value_outputs<Exec::memory>>{out});
}

// Values of a given policy [B, S, A]: V(s) = sum_a policy(a | s) [r(s, a) + discount E V(s')]. The output `policy` is
// the greedy improvement. Errors as in value_iteration, and a policy whose rows do not sum to 1 (CPU).
template <class Exec>
status policy_evaluation(const Exec& exec, const mdp<Exec::memory>& m,
                         const view<const double, 3, Exec::memory>& policy, const fixed_point& stop,
                         const value_outputs<Exec::memory>& out) {
  detail::bellman_problem p;
  if (const status s = detail::make_problem(m, stop, true, p); !s.ok()) return s;
  if (const status s = detail::check_shape("policy", policy, {p.batch, p.states, p.actions}, true); !s.ok()) return s;
  if (const status s = first_error(detail::check_value_outputs(p, out), detail::check_mdp_overlap(m, out, policy));
      !s.ok())
    return s;
  p.policy = detail::any_space(policy);
  if (const status s = detail::check_problem_content(exec, p); !s.ok()) return s;
  return solve_bellman(exec, p, out, detail::write_values<value_outputs<Exec::memory>>{out});
}

// Successor features of given policies: psi(s) = sum_a policy(a | s) [phi(s, a) + discount E psi(s')], with features
// phi [S, A, F] shared by the batch. For a reward that is linear, r = phi . w, the policy's value is psi . w. Terminal
// states have psi = 0. Source: Dayan 1993; Barreto et al. 2017, arXiv 1606.05312.
template <class Exec>
status successor_features(const Exec& exec, const mdp<Exec::memory>& m,
                          const view<const double, 3, Exec::memory>& policy,
                          const view<const double, 3, Exec::memory>& features, const fixed_point& stop,
                          const feature_outputs<Exec::memory>& out) {
  detail::bellman_problem p;
  if (const status s = detail::make_problem(m, stop, false, p); !s.ok()) return s;
  const std::int64_t width = features.extent[2];
  const status shapes =
      first_error(require::that(width > 0, "features", static_cast<double>(width), "at least one feature"),
                  detail::check_shape("policy", policy, {p.batch, p.states, p.actions}, true),
                  detail::check_shape("features", features, {p.states, p.actions, width}, true),
                  detail::check_shape("successor", out.successor, {p.batch, p.states, width}, true),
                  detail::check_shape("iterations", out.iterations, {p.batch}, false),
                  detail::check_shape("residual", out.residual, {p.batch}, false),
                  detail::check_mdp_overlap(m, out, policy, features));
  if (!shapes.ok()) return shapes;
  p.width = width;
  p.policy = detail::any_space(policy);
  p.features = detail::any_space(features);
  if (const status s = detail::check_problem_content(exec, p); !s.ok()) return s;
  return solve_bellman(exec, p, out, detail::write_features<feature_outputs<Exec::memory>>{out});
}

}  // namespace PREFER_ABI
}  // namespace prefer
