// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/game.hpp>

#include <type_traits>

// Whether games, and policies in them, are what the calls under prefer/game take: all checks of those calls without the
// computation, with their sentences, on either backend. On CUDA it is the call that synchronises.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <space S, class T>
status prepare_look(const games<S, T>& in, const view<const T, 2, S>& policy, game_tables<T>& g) {
  if (const status s = make_games(in, g); !s.ok()) return s;
  return check_actions("policy", policy, g);
}

}  // namespace detail

// Looks at all of `in` and at log-weights of policies [B, n] ([1, N] packed; a `start` of self_play, a `policy` of
// duality_gap): shapes, offsets, numbers of actions, then entry by entry, the first game first. What is wrong is named
// with its place: an entry of `preference` by its index in [B, n, n] (game index / n^2, row index / n mod n, column
// index mod n) or in the packed [M], one of `reference` and `policy` in [B, n] or [N], anything else by its game. Cost:
// one pass; on CUDA a copy of all of it to host memory, which is allocated, so that it cannot be captured.
template <class T = double>
status validate_games(const cpu& exec, const std::type_identity_t<games<space::host, T>>& in,
                      const std::type_identity_t<view<const T, 2, space::host>>& policy = {}) {
  detail::game_tables<T> g;
  if (const status s = detail::prepare_look(in, policy, g); !s.ok()) return s;
  cpu looking = exec;
  looking.content = content::all;
  return first_error(detail::check_games(looking, g),
                     detail::check_log_weights(looking, "policy", g, detail::any_space(policy)));
}

}  // namespace PREFER_ABI
}  // namespace prefer
