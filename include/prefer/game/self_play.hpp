// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/detail/game_driver.hpp>
#include <prefer/game/methods.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Iterative methods for preference games: tables, masks and sizes as game/game.hpp says, methods from
// game/methods.hpp. Thousands of small games in one call, or a large one.
namespace prefer {

// Which policy the gap is measured of: the last, or the average of those played against.
enum class iterate : std::uint8_t { last, average };

template <space Space, class T = double>
struct play_options {
  view<const T, 2, Space> start = {};  // [B, n] log-weights; the reference if not given
  std::int64_t max_iterations = 1000;  // steps
  double tolerance = 0;                // a game is done when its measured gap is at most this
  std::int64_t every = 16;             // steps between measurements, each of which is one more product
  iterate measured = iterate::last;
};

// Everything is optional; log-probabilities are -inf for actions that do not exist. The gap is that at the method's
// temperature (0 for `proximal`), and is measured only if it, `converged`, `history` or a tolerance is asked for.
template <space Space, class T = double>
struct play_outputs {
  view<T, 2, Space> policy = {};                 // [B, n]: log-probabilities of the last policy
  view<T, 2, Space> average = {};                // [B, n]: log of the mean of the probabilities played against
  view<double, 1, Space> gap = {};               // [B]: the last that was measured
  view<std::int64_t, 1, Space> iterations = {};  // [B]: steps
  view<bool, 1, Space> converged = {};           // [B]: whether the gap is at most the tolerance
  view<double, 2, Space> history = {};           // [B, max_iterations / every]: gaps; NaN after the end
};

inline namespace PREFER_ABI {
namespace detail {

// f(name, view) of every output.
template <space S, class T, class F>
void each_play_output(const play_outputs<S, T>& out, F f) {
  f("policy", out.policy), f("average", out.average), f("gap", out.gap);
  f("iterations", out.iterations), f("converged", out.converged), f("history", out.history);
}

template <class Method, space S, class T>
status make_play(const Method& method, const games<S, T>& in, const play_options<S, T>& how,
                 const play_outputs<S, T>& out, game_plan<T>& p) {
  if (const status s = make_games(in, p.games); !s.ok()) return s;
  const std::int64_t batch = p.games.batch;
  const status parameters = first_error(
      method.check(), require::not_negative(how.tolerance, "tolerance"),
      require::that(how.max_iterations >= 0, "max_iterations", static_cast<double>(how.max_iterations), "0 or above"),
      require::that(how.every > 0, "every", static_cast<double>(how.every), "above 0"));
  if (!parameters.ok()) return parameters;
  const status shapes = first_error(
      check_actions("start", how.start, p.games), check_actions("policy", out.policy, p.games),
      check_actions("average", out.average, p.games), check_shape("gap", out.gap, {batch}, false),
      check_shape("iterations", out.iterations, {batch}, false),
      check_shape("converged", out.converged, {batch}, false),
      check_shape("history", out.history, {batch, how.max_iterations / how.every}, false));
  if (!shapes.ok()) return shapes;
  require::footprints<7, 6> all;
  read_games(in, all), all.read(require::footprint_of("start", how.start));
  each_play_output(out, [&](const char* name, const auto& v) { all.write(require::footprint_of(name, v)); });
  if (const status s = all.check(); !s.ok()) return s;
  p.start = any_space(how.start);
  p.max_steps = how.max_iterations;
  p.every = how.every;
  p.tolerance = how.tolerance;
  p.temperature = method.gap_temperature();
  p.measure_average = how.measured == iterate::average;
  p.averaging = p.measure_average || out.average.data != nullptr;
  p.measuring = how.tolerance > 0 || out.gap.data != nullptr || out.converged.data != nullptr ||
                out.history.data != nullptr;
  p.policy = any_space(out.policy);
  p.average = any_space(out.average);
  p.gap = any_space(out.gap);
  p.iterations = any_space(out.iterations);
  p.converged = any_space(out.converged);
  p.history = any_space(out.history);
  return {};
}

}  // namespace detail

// Plays every game of a batch against itself: from `start`, steps of `method` until the measured duality gap is at most
// the tolerance or the steps run out. Everything is in log space, with one log-sum-exp per product: 0 times -inf is 0,
// and an action without mass stays without, unless the reference gives it some. The gap certifies what it is measured
// of, whatever the method:
//
//   gap = 2 tau KL(pi | br), log br = log mu + P pi / tau - c,   at tau = 0   gap = 2 (max_i (P pi)_i - 1/2)
//
// (the first is max_y [P_tau(y > pi)] - min_y [P_tau(pi > y)] of the regularised preference, written so that nothing
// cancels; it is infinite where pi has mass and mu has none). A step costs `phases` products with the matrix, a
// game_measurement one more. Vectors are double whatever T is; with float tables a product is summed in float over 1024
// columns, so that win rates carry errors of about 1e-7.
//
// CPU: one game per thread, or, for one game or games of 1024 actions and more, game after game with the rows of each
// product over the caller's threads. Rows whose elements are side by side are read at the speed of memory; others are
// slower. CUDA: a block of threads per game, one launch for all, the loop and its end on the device; for games of 1024
// actions and more launches per step, 2 per product, of kernels that do nothing once a game is done, so that
// max_iterations bounds what is enqueued. Results do not depend on threads.
//
// Errors: parameters, shapes, overlap; on the CPU content: a preference that is NaN, outside [0, 1] or not 1 minus its
// mirror (the index counts the elements of [B, n, n]), a count of actions outside [1, n], offsets that leave arrays, a
// reference or start that is NaN or infinite or leaves a game without any mass. On CUDA nothing is looked at
// beforehand (validate_games does): NaN and a count or offset out of range make their own game's results NaN, and
// exec.report, where given, is told of bad preferences, counts and offsets by one more launch. Workspace:
// game_workspace bytes, of which the CPU uses what 64 games need.
template <class T = double, class Exec, class Method>
status self_play(const Exec& exec, const Method& method, const std::type_identity_t<games<Exec::memory, T>>& in,
                 const std::type_identity_t<play_options<Exec::memory, T>>& how,
                 const std::type_identity_t<play_outputs<Exec::memory, T>>& out) {
  detail::game_plan<T> plan;
  if (const status s = detail::make_play(method, in, how, out, plan); !s.ok()) return s;
  if (const status s = first_error(detail::check_games(exec, plan.games),
                                   detail::check_log_weights(exec, "start", plan.games, plan.start));
      !s.ok())
    return s;
  return play_games(exec, method, plan);
}

}  // namespace PREFER_ABI
}  // namespace prefer
