// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/item.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/call_checks.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/core/sortable.hpp>

#include <cstdint>
#include <type_traits>

// refine_step: loops that revise and score again, one for each item of a batch: a gate that ends them, a step back from
// what got worse, and the best that was seen at the end.
namespace prefer {

// What an item does next.
enum class refine_action : std::uint8_t {
  go_on = 0,      // revise this state
  roll_back = 1,  // it got worse: restore the state before it and revise that
  stop = 2,       // this state is the answer: it passed the gate, or it is the best of all rounds
  take_best = 3,  // the rounds are over: the state of round `best_round` is the answer
  stopped = 4     // it has stopped before
};

// A score from `gate` on stops an item. Otherwise, with `roll_back`, a score below that of the state before restores
// that state; an equal one does not. After `rounds` scores the best is the answer, of equal ones the first. The running
// best never falls; with roll_back the accepted score does not either.
//
// A NaN score is worse than any other, never best, and does not pass. Errors: gate must be a number (infinite: none),
// rounds at least 1. Source: EvoPresent (arXiv 2510.05571), as described (gate 8 of 10); rounds, ties and NaN: here.
struct refinement {
  scalar gate = 8.0;
  std::int64_t rounds = 4;
  bool roll_back = true;

  constexpr status check() const {
    return first_error(
        require::that(gate.by_pointer() || gate.value64 == gate.value64, "gate", gate.value64, "a number"),
        require::that(rounds >= 1, "rounds", static_cast<double>(rounds), "at least 1"));
  }
};

template <space S>
struct refine_inputs {
  input_view<1, S> score = {};  // n: of the states that were just made
  input_view<1, S> mask = {};   // n; bool or uint8: zero leaves the item as it is; its score may be anything
};

// What is kept from step to step, in the caller's memory: zeros to begin with.
template <space S>
struct refine_state {
  output_view<1, S> round = {};       // n, int32 or int64: scores so far; below 0 once the item has stopped
  output_view<1, S> accepted = {};    // n, float or double: the score of the state that is revised
  output_view<1, S> best = {};        // n, float or double
  output_view<1, S> best_round = {};  // n, int32 or int64: from 1
};

template <space S>
struct refine_outputs {
  output_view<1, S> action = {};  // n, bool or uint8 storage: refine_action; stopped for what the mask leaves out
};

inline namespace PREFER_ABI {

// The state of one item, and its next step.
struct refine_item {
  std::int64_t round = 0, best_round = 0;
  double accepted = 0, best = 0;

  PREFER_HD refine_action step(double gate, std::int64_t rounds, bool roll_back, double given) {
    if (round < 0) return refine_action::stopped;
    const double score = math::is_nan(given) ? -math::detail::infinity<double>() : given;
    const bool first = ++round == 1, worse = !first && score < accepted;
    if (first || score > best) best = score, best_round = round;
    const bool passes = !math::is_nan(given) && score >= gate, ends = passes || round >= rounds;
    const bool restores = !ends && roll_back && worse;
    if (!restores) accepted = score;
    const bool own = passes || best_round == round;
    if (ends) round = -round;
    return ends       ? own ? refine_action::stop : refine_action::take_best
           : restores ? refine_action::roll_back
                      : refine_action::go_on;
  }
};

namespace detail {

struct refine_work {
  refinement rule;
  source score, mask;
  sink round, accepted, best, best_round, action;

  static PREFER_HD double number(const sink& s, std::int64_t i) {
    return load_element<double>(s.data, s.type, i * s.stride);
  }
  static PREFER_HD std::int64_t index(const sink& s, std::int64_t i) {
    return load_index(s.data, s.type, i * s.stride);
  }
  PREFER_HD refine_action step(std::int64_t i, double gate) const {
    refine_item item{index(round, i), index(best_round, i), number(accepted, i), number(best, i)};
    const refine_action next = item.step(gate, rule.rounds, rule.roll_back, read_item<double>(score, i));
    write_index(round, i, item.round), write_index(best_round, i, item.best_round);
    write_item(accepted, i, true, item.accepted, false), write_item(best, i, true, item.best, false);
    return next;
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const double gate = rule.gate.as<double>();
    team.each(g.count, [&](std::int64_t k) PREFER_HD_LAMBDA {
      const std::int64_t i = g.first + k;
      const refine_action next = selects(mask, i) ? step(i, gate) : refine_action::stopped;
      static_cast<std::uint8_t*>(action.data)[i * action.stride] = static_cast<std::uint8_t>(next);
    });
  }
};

}  // namespace detail

// One step of n loops: takes the scores of the states that were just made, updates what is kept, and says what each
// item does next.
//
//   refine_step(exec, refinement{.gate = 8.0, .rounds = 4}, {.score = {s, n}},
//               {.round = {t, n}, .accepted = {a, n}, .best = {b, n}, .best_round = {r, n}}, {.action = {next, n}});
//
// An item that has stopped stays as it is: its score is not looked at. Scores are compared in double: where `accepted`
// and `best` are float, a score in double may be above what is kept of itself. One launch on CUDA, no workspace; O(n).
// Errors: parameters; shapes, types, memory that overlaps.
template <class Exec>
status refine_step(const Exec& exec, const refinement& rule,
                   const std::type_identity_t<refine_inputs<Exec::memory>>& in,
                   const std::type_identity_t<refine_state<Exec::memory>>& state,
                   const std::type_identity_t<refine_outputs<Exec::memory>>& out) {
  using require::holds;
  if (const status s = rule.check(); !s.ok()) return s;
  if (!in.score.given()) return require::fail(errc::missing_input, "score", "one score per item");
  const auto needed = [](const char* name, const auto& v, const char* what) {
    return v.given() ? status{} : require::fail(errc::missing_output, name, what);
  };
  if (const status s = first_error(needed("round", state.round, "one integer per item, which is updated"),
                                   needed("accepted", state.accepted, "one number per item, which is updated"),
                                   needed("best", state.best, "one number per item, which is updated"),
                                   needed("best_round", state.best_round, "one integer per item, which is updated"),
                                   needed("action", out.action, "one byte per item"));
      !s.ok())
    return s;
  const std::int64_t n = in.score.extent[0];
  if (n < 0) return require::fail(errc::bad_extent, "score", "at least", static_cast<double>(n), 0);
  const char* per_item = "the number of scores,";
  detail::call_checks<2, 5> call;
  call.read("score", in.score, n, per_item, holds::numbers), call.read("mask", in.mask, n, per_item, holds::flags);
  call.write("round", state.round, n, per_item, holds::indices);
  call.write("accepted", state.accepted, n, per_item, holds::totals);
  call.write("best", state.best, n, per_item, holds::totals);
  call.write("best_round", state.best_round, n, per_item, holds::indices);
  call.write("action", out.action, n, per_item, holds::flags);
  if (const status s = call.check(); !s.ok()) return s;
  using detail::place_of;
  return for_groups(
      exec, detail::pieces_of(n),
      detail::refine_work{rule, place_of(in.score), place_of(in.mask), place_of(state.round), place_of(state.accepted),
                          place_of(state.best), place_of(state.best_round), place_of(out.action)});
}

}  // namespace PREFER_ABI
}  // namespace prefer
