// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/fetched_views.cuh>
#include <prefer/game/validate.hpp>

#include <type_traits>

namespace prefer {
inline namespace PREFER_ABI {

template <class T = double>
status validate_games(const cuda& exec, const std::type_identity_t<games<space::device, T>>& in,
                      const std::type_identity_t<view<const T, 2, space::device>>& policy = {}) {
  detail::game_tables<T> g;
  if (const status s = detail::prepare_look(in, policy, g); !s.ok()) return s;
  view<const T, 2> weights = detail::any_space(policy);
  detail::fetched_views fetch(exec);
  fetch.in_place(g.preference), fetch.in_place(g.reference), fetch.in_place(g.possible), fetch.in_place(g.actions);
  fetch.in_place(g.offsets), fetch.in_place(g.tables), fetch.in_place(weights);
  if (const status s = fetch.wait(); !s.ok()) return s;
  const cpu looking = {.content = content::all};
  return first_error(detail::check_games(looking, g), detail::check_log_weights(looking, "policy", g, weights));
}

}  // namespace PREFER_ABI
}  // namespace prefer
