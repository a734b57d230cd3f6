// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/core/sortable.hpp>
#include <prefer/mdp/bellman.hpp>

#include <cstdint>
#include <type_traits>

// Explicable rewards: how clearly a designed reward says which actions are right, in the long run and within a few
// steps, and whether the target policy stays optimal under it. For finite processes, many at a time.
namespace prefer {

// Local gaps look 0, 1, ... steps ahead; informativeness averages over looking `first` to `last` steps ahead.
struct horizons {
  std::int64_t first = 0, last = 0;

  constexpr status check() const {
    return first_error(
        require::that(first >= 0, "horizons.first", static_cast<double>(first), "0 or above"),
        require::that(last >= first, "horizons.last", static_cast<double>(last), "horizons.first or above"));
  }
};

// The set of the released code: from half of 1 / (1 - discount) to that, rounded down. A discount below 1.
constexpr horizons explicable_horizons(double discount) {
  const double reach = 1 / (1 - discount) * (1 + 1e-12);  // 1 / (1 - 0.9) is 10, and not a little below
  return {static_cast<std::int64_t>(reach / 2), static_cast<std::int64_t>(reach)};
}

template <space S>
struct explicability_inputs {
  view<const double, 3, S> policy = {};        // [B, S, A]: the target; actions of probability 0 are not optimal
  view<const double, 2, S> required_gap = {};  // [B, S], not negative; 0 if not given
};

// Everything is optional, and only what is given is computed. In terminal states gaps are 0, and they count nowhere.
template <space S>
struct explicability_outputs {
  view<double, 3, S> gap = {};               // [B, S, A]: V(s) - Q(s, a) under the target policy
  view<double, 3, S> local_gap = {};         // [B, S, A]: the same within horizons.last steps
  view<double, 2, S> least_gap = {};         // [B, S]: the least gap of an action that is not optimal; 0 if all are
  view<double, 2, S> shortfall = {};         // [B, S]: mean over horizons of how much a local gap lacks at most
  view<double, 1, S> informativeness = {};   // [B]: -mean shortfall of the states that are not terminal; 0 at best
  view<double, 1, S> violation = {};         // [B]: the most that a gap lacks; 0 where the target is what is required
  view<std::int64_t, 1, S> iterations = {};  // [B]: of the fixed point that gaps come from
  view<double, 1, S> residual = {};          // [B]: its last change
};

inline namespace PREFER_ABI {
namespace detail {

template <space S>
struct explicability_work {
  bellman_problem p;
  view<const double, 2> required;
  horizons ahead;
  explicability_outputs<S> out;
  double* memory;  // [B, 3 S]

  template <class View>
  static PREFER_HD auto& cell(const View& v, std::int64_t i, std::int64_t j) {
    return v.data[i * v.stride[0] + j * v.stride[1]];
  }
  PREFER_HD double needed(std::int64_t b, std::int64_t s) const {
    return required.data != nullptr ? cell(required, b, s) : 0;
  }
  PREFER_HD bool optimal(std::int64_t b, std::int64_t s, std::int64_t a) const {
    return bellman_problem::at(p.policy, b, s, a) > 0;
  }
  // With x the values of what follows.
  PREFER_HD double gap(std::int64_t b, std::int64_t s, std::int64_t a, const double* x) const {
    return p.backup(b, s, 0, x) - p.action_value(b, s, a, x);
  }
  // The most that an action that is not optimal lacks of the required gap, and 0 if none does; NaN wins.
  PREFER_HD double lack(std::int64_t b, std::int64_t s, const double* x) const {
    double worst = 0;
    for (std::int64_t a = 0; a < p.actions && !p.ends(b, s); ++a) {
      const double missing = optimal(b, s, a) ? 0 : needed(b, s) - gap(b, s, a, x);
      worst = missing > worst || math::is_nan(missing) ? missing : worst;
    }
    return worst;
  }
  // The same of all actions: those that are optimal have gaps of 0 or above (then 0).
  PREFER_HD double violation(std::int64_t b, std::int64_t s, const double* x) const {
    double worst = lack(b, s, x);
    for (std::int64_t a = 0; a < p.actions && !p.ends(b, s); ++a) {
      const double missing = optimal(b, s, a) ? -gap(b, s, a, x) : 0;
      worst = missing > worst || math::is_nan(missing) ? missing : worst;
    }
    return worst;
  }
  PREFER_HD double least_gap(std::int64_t b, std::int64_t s, const double* x) const {
    double least = 0;
    bool any = false;
    for (std::int64_t a = 0; a < p.actions && !p.ends(b, s); ++a) {
      if (optimal(b, s, a)) continue;
      const double here = gap(b, s, a, x);
      if (!any || here < least || math::is_nan(here)) least = here, any = true;
    }
    return least;
  }
  PREFER_HD void write_gaps(const view<double, 3, S>& to, std::int64_t b, std::int64_t s, const double* x) const {
    if (to.data == nullptr) return;
    for (std::int64_t a = 0; a < p.actions; ++a)
      bellman_problem::element(to, b, s, a) = p.ends(b, s) ? 0 : gap(b, s, a, x);
  }

  // The largest of n numbers, on every thread; NaN wins.
  template <class Team, class F>
  PREFER_HD double largest(const Team& team, std::int64_t n, F f) const {
    const ranked best = team.first(n, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const double x = f(i);
      return ranked{math::is_nan(x) ? 0 : sortable(-x), i};
    });
    return best.key == 0 ? math::detail::not_a_number<double>() : -from_sortable(best.key);
  }

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    double* const mine = memory + 3 * p.states * g.index;
    if (out.local_gap.data != nullptr || out.shortfall.data != nullptr || out.informativeness.data != nullptr)
      look_ahead(team, g.index, mine, mine + p.states, mine + 2 * p.states);
    if (out.gap.data != nullptr || out.least_gap.data != nullptr || out.violation.data != nullptr ||
        out.iterations.data != nullptr || out.residual.data != nullptr)
      find_gaps(team, g.index, mine, mine + p.states);
  }

 private:
  // h sweeps from 0 give the values of h steps, and so the local gaps of looking h steps ahead.
  template <class Team>
  PREFER_HD void look_ahead(const Team& team, std::int64_t b, double* old, double* fresh, double* lacks) const {
    team.each(p.states, [&](std::int64_t s) PREFER_HD_LAMBDA { old[s] = 0, lacks[s] = 0; });
    for (std::int64_t h = 0; h <= ahead.last; ++h) {
      team.each(p.states, [&](std::int64_t s) PREFER_HD_LAMBDA {
        if (h >= ahead.first) lacks[s] += lack(b, s, old);
        if (h == ahead.last) write_gaps(out.local_gap, b, s, old);
        fresh[s] = p.backup(b, s, 0, old);
      });
      double* const swapped = old;
      old = fresh;
      fresh = swapped;
    }
    team.once([&]() PREFER_HD_LAMBDA {
      const auto looks = static_cast<double>(ahead.last - ahead.first + 1);
      double sum = 0, states = 0;
      for (std::int64_t s = 0; s < p.states; ++s) {
        sum += lacks[s] / looks;
        states += p.ends(b, s) ? 0 : 1;
        if (out.shortfall.data != nullptr) cell(out.shortfall, b, s) = lacks[s] / looks;
      }
      if (out.informativeness.data != nullptr)
        out.informativeness.data[b * out.informativeness.stride[0]] = states > 0 ? 0 - sum / states : 0;
    });
  }

  template <class Team>
  PREFER_HD void find_gaps(const Team& team, std::int64_t b, double* old, double* fresh) const {
    team.each(p.states, [&](std::int64_t s) PREFER_HD_LAMBDA { old[s] = 0; });
    std::int64_t iterations = 0;
    double residual = 0;
    do {
      team.each(p.states, [&](std::int64_t s) PREFER_HD_LAMBDA { fresh[s] = p.backup(b, s, 0, old); });
      residual = largest(team, p.states, [&](std::int64_t s) PREFER_HD_LAMBDA { return math::abs(fresh[s] - old[s]); });
      double* const swapped = old;
      old = fresh;
      fresh = swapped;
      ++iterations;
    } while (residual > p.stop.tolerance && iterations < p.stop.max_iterations);
    team.each(p.states, [&](std::int64_t s) PREFER_HD_LAMBDA {
      write_gaps(out.gap, b, s, old);
      if (out.least_gap.data != nullptr) cell(out.least_gap, b, s) = least_gap(b, s, old);
    });
    const double worst = largest(team, p.states, [&](std::int64_t s) PREFER_HD_LAMBDA { return violation(b, s, old); });
    team.once([&]() PREFER_HD_LAMBDA {
      if (out.violation.data != nullptr) out.violation.data[b * out.violation.stride[0]] = worst + 0.0;
      if (out.iterations.data != nullptr) out.iterations.data[b * out.iterations.stride[0]] = iterations;
      if (out.residual.data != nullptr) out.residual.data[b * out.residual.stride[0]] = residual + 0.0;
    });
  }
};

template <space S>
status check_explicability(const bellman_problem& p, const mdp<S>& m, const explicability_inputs<S>& in,
                           const explicability_outputs<S>& out) {
  const std::int64_t cube[3] = {p.batch, p.states, p.actions}, square[2] = {p.batch, p.states}, line[1] = {p.batch};
  if (const status s = first_error(
          check_shape("policy", in.policy, cube, true), check_shape("required_gap", in.required_gap, square, false),
          check_shape("gap", out.gap, cube, false), check_shape("local_gap", out.local_gap, cube, false),
          check_shape("least_gap", out.least_gap, square, false),
          check_shape("shortfall", out.shortfall, square, false),
          check_shape("informativeness", out.informativeness, line, false),
          check_shape("violation", out.violation, line, false), check_shape("iterations", out.iterations, line, false),
          check_shape("residual", out.residual, line, false));
      !s.ok())
    return s;
  require::footprints<6, 8> all;
  const auto reads = [&](const char* name, const auto& v) { all.read(require::footprint_of(name, v)); };
  int given = 0;
  const auto writes = [&](const char* name, const auto& v) {
    given += v.data != nullptr ? 1 : 0;
    all.write(require::footprint_of(name, v));
  };
  reads("reward", m.reward), reads("next", m.next), reads("transition", m.transition), reads("terminal", m.terminal);
  reads("policy", in.policy), reads("required_gap", in.required_gap);
  writes("gap", out.gap), writes("local_gap", out.local_gap), writes("least_gap", out.least_gap);
  writes("shortfall", out.shortfall), writes("informativeness", out.informativeness);
  writes("violation", out.violation), writes("iterations", out.iterations), writes("residual", out.residual);
  if (given == 0 && p.batch > 0) return require::fail(errc::missing_output, "outputs", "at least one output to write");
  return all.check();
}

constexpr std::size_t explicability_scratch(std::int64_t batch, std::int64_t states) {
  return static_cast<std::size_t>(3 * batch * states) * sizeof(double);
}

}  // namespace detail

// Bytes of workspace that explicability needs, on either backend.
inline std::size_t explicability_workspace(std::int64_t batch, std::int64_t states) {
  return detail::explicability_scratch(batch, states) + 1024;  // and alignment, CUDA's too
}

// What a reward R says about a target policy pi, process by process:
//
//   gap(s, a)         = Q(s, pi) - Q(s, a),       Q the values of following pi after a
//   local gap(s, a)   = Q_h(s, pi) - Q_h(s, a),   Q_h the sum of the h + 1 rewards of the next steps (h =
//   horizons.last) shortfall(s)      = mean over h of max(0, max over a not optimal of required_gap(s) - local gap_h(s,
//   a)) informativeness   = -mean of the shortfalls over states that are not terminal violation         = max over s, a
//   of (required_gap(s) if a is not optimal, else 0) - gap(s, a)
//
// Invariance: with violation 0 (or what rounding and `stop` leave of it) pi is optimal under R, and every action that
// it never takes is worse by the required gap. The least_gap of the original reward is what to require of a designed
// one. Several optimal policies, or several rewards, are a batch; a stride of 0 shares what they have in common. For a
// policy that is not deterministic Q(s, pi) is the mean over its actions.
//
//   explicability(exec, {.reward = ..., .next = ..., .discount = g}, {.policy = pi}, explicable_horizons(g), {},
//                 {.gap = ..., .informativeness = ...});
//
// Gaps come from a fixed point (`stop`; error tolerance 2 g / (1 - g)), local gaps from horizons.last + 1 sweeps. In
// double. The workspace is exec.workspace, explicability_workspace bytes (CUDA: or memory in stream order); one launch.
// Errors: those of policy_evaluation, horizons. Source: Devidze et al. 2021, "Explicable reward design for
// reinforcement learning agents" (ExPRD; gaps and informativeness from the released code, by its description; its cap
// on horizons is not here).
template <class Exec>
status explicability(const Exec& exec, const std::type_identity_t<mdp<Exec::memory>>& m,
                     const std::type_identity_t<explicability_inputs<Exec::memory>>& in, const horizons& ahead,
                     const fixed_point& stop, const std::type_identity_t<explicability_outputs<Exec::memory>>& out) {
  detail::bellman_problem p;
  if (const status s = first_error(detail::make_problem(m, stop, true, p), ahead.check()); !s.ok()) return s;
  if (const status s = detail::check_explicability(p, m, in, out); !s.ok()) return s;
  p.policy = detail::any_space(in.policy);
  if (const status s = detail::check_problem_content(exec, p); !s.ok()) return s;
  return with_scratch(exec, detail::explicability_scratch(p.batch, p.states), [&](void* memory, const Exec& rest) {
    detail::group_table processes;
    processes.samples = p.batch * p.states, processes.groups = p.batch, processes.size = p.states;
    return for_groups(rest, processes,
                      detail::explicability_work<Exec::memory>{p, detail::any_space(in.required_gap), ahead, out,
                                                               static_cast<double*>(memory)});
  });
}

}  // namespace PREFER_ABI

// A learner's policy, the target's advantages under the original reward, the learner's own under the designed one.
template <space S>
struct adaptive_inputs {
  view<const double, 3, S> policy = {};           // [B, S, A]
  view<const double, 3, S> advantage = {};        // [B, S, A]: A_T
  view<const double, 3, S> local_advantage = {};  // [B, S, A]: A_h; the negative of `local_gap` of the learner's policy
  view<const double, 2, S> weight = {};           // [B, S]: of states; 1 / S if not given
};
template <space S>
struct adaptive_outputs {
  view<double, 1, S> informativeness = {};       // [B]
  view<double, 3, S> grad_local_advantage = {};  // [B, S, A]
};

inline namespace PREFER_ABI {
namespace detail {

template <space S>
struct adaptive_work {
  std::int64_t states, actions;
  view<const double, 3> policy, advantage, local;
  view<const double, 2> weight;
  adaptive_outputs<S> out;

  PREFER_HD double slope(std::int64_t b, std::int64_t s, std::int64_t a) const {
    double mean = 0;
    for (std::int64_t i = 0; i < actions; ++i)
      mean += bellman_problem::at(policy, b, s, i) * bellman_problem::at(advantage, b, s, i);
    const double w = weight.data != nullptr ? weight.data[b * weight.stride[0] + s * weight.stride[1]]
                                            : 1 / static_cast<double>(states);
    return w * bellman_problem::at(policy, b, s, a) * (bellman_problem::at(advantage, b, s, a) - mean);
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const std::int64_t b = g.index;
    if (out.grad_local_advantage.data != nullptr)
      team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
        bellman_problem::element(out.grad_local_advantage, b, i / actions, i % actions) =
            slope(b, i / actions, i % actions);
      });
    if (out.informativeness.data == nullptr) return;
    team.once([&]() PREFER_HD_LAMBDA {
      double sum = 0;
      for (std::int64_t i = 0; i < g.count; ++i)
        sum += slope(b, i / actions, i % actions) * bellman_problem::at(local, b, i / actions, i % actions);
      out.informativeness.data[b * out.informativeness.stride[0]] = sum;
    });
  }
};

}  // namespace detail

// Informativeness for the learner at hand: how well the designed reward, within a few steps, agrees with the target
// about the actions that the learner takes.
//
//   I = sum_s mu(s) sum_a pi(a | s) (A_T(s, a) - sum_a' pi(a' | s) A_T(s, a')) A_h(s, a)
//
// and its gradient by A_h, which is the factor of it. Linear in A_h, so in the designed reward. Nothing is allocated,
// no workspace; one launch. Errors: shapes, overlap, no output. Cost B S A^2. Source: Devidze et al. 2024,
// "Informativeness of reward functions in reinforcement learning", arXiv 2402.07019; reconstructed from memory of it.
template <class Exec>
status adaptive_informativeness(const Exec& exec, const std::type_identity_t<adaptive_inputs<Exec::memory>>& in,
                                const std::type_identity_t<adaptive_outputs<Exec::memory>>& out) {
  using namespace detail;
  const std::int64_t b = in.policy.extent[0], s = in.policy.extent[1], a = in.policy.extent[2];
  if (b < 0 || s < 1 || a < 1)
    return require::fail(errc::bad_extent, "policy", "at least one state and one action", static_cast<double>(s), 1);
  if (out.informativeness.data == nullptr && out.grad_local_advantage.data == nullptr && b > 0)
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  if (const status bad = first_error(
          check_shape("policy", in.policy, {b, s, a}, true), check_shape("advantage", in.advantage, {b, s, a}, true),
          check_shape("local_advantage", in.local_advantage, {b, s, a}, out.informativeness.data != nullptr),
          check_shape("weight", in.weight, {b, s}, false),
          check_shape("informativeness", out.informativeness, {b}, false),
          check_shape("grad_local_advantage", out.grad_local_advantage, {b, s, a}, false));
      !bad.ok())
    return bad;
  require::footprints<4, 2> all;
  all.read(require::footprint_of("policy", in.policy)), all.read(require::footprint_of("advantage", in.advantage));
  all.read(require::footprint_of("local_advantage", in.local_advantage));
  all.read(require::footprint_of("weight", in.weight));
  all.write(require::footprint_of("informativeness", out.informativeness));
  all.write(require::footprint_of("grad_local_advantage", out.grad_local_advantage));
  if (const status bad = all.check(); !bad.ok()) return bad;
  group_table processes;
  processes.samples = b * s * a, processes.groups = b, processes.size = s * a;
  return for_groups(exec, processes,
                    adaptive_work<Exec::memory>{s, a, any_space(in.policy), any_space(in.advantage),
                                                any_space(in.local_advantage), any_space(in.weight), out});
}

}  // namespace PREFER_ABI
}  // namespace prefer
