// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/execution.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/core/shapes.hpp>

#include <cstdint>

// Preference games: two players name an action each, and a preference says how often one beats the other. The shared
// vocabulary of the calls under prefer/game.
namespace prefer {

// B symmetric games of up to n actions. preference(b, i, j) is the probability that action i beats action j in game b:
// within [0, 1], and preference(i, j) + preference(j, i) = 1, so that the diagonal is 1/2. T, double or float, is the
// storage of the tables; float halves what a step reads. Any strides of 0 or above: a stride of 0 shares a table
// between the games, a transposed one gives the game with sides swapped.
//
// Games of fewer than n actions say so in `actions`: game b is the leading block of its [n, n] table, and nothing else
// of it is read. An action that is not `possible` is never played and what the tables hold about it is not read as a
// number either (it may be NaN).
//
// `reference` holds logarithms of weights, a policy's log-probabilities say; they need not sum to 1, and -inf forbids
// an action to the calls that stay near the reference. If not given, all possible actions weigh the same.
template <space Space, class T = double>
struct games {
  view<const T, 3, Space> preference = {};          // [B, n, n]
  view<const T, 2, Space> reference = {};           // [B, n]; uniform if not given
  view<const bool, 2, Space> possible = {};         // [B, n]; all if not given
  view<const std::int32_t, 1, Space> actions = {};  // [B]: from 1 to n; n if not given
};

// How far preference(i, j) + preference(j, i) may be from 1: some roundings of T. Call antisymmetrize for more.
template <class T>
inline constexpr double antisymmetry_tolerance = sizeof(T) == 4 ? 1e-6 : 1e-12;

inline namespace PREFER_ABI {
namespace detail {

// The games of one call as both backends see them.
template <class T>
struct game_tables {
  std::int64_t batch = 0, width = 0;  // width: n, of the largest game
  view<const T, 3> preference;
  view<const T, 2> reference;
  view<const bool, 2> possible;
  view<const std::int32_t, 1> actions;

  // Actions of game b; 0 for a number that is out of range, so that nothing is read.
  PREFER_HD std::int64_t size(std::int64_t b) const {
    if (actions.data == nullptr) return width;
    const std::int64_t n = actions.data[b * actions.stride[0]];
    return n >= 1 && n <= width ? n : 0;
  }
  PREFER_HD const T* row(std::int64_t b, std::int64_t i) const {
    return preference.data + b * preference.stride[0] + i * preference.stride[1];
  }
  PREFER_HD T beats(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return row(b, i)[j * preference.stride[2]];
  }
  PREFER_HD bool can_play(std::int64_t b, std::int64_t i) const {
    return possible.data == nullptr || possible.data[b * possible.stride[0] + i * possible.stride[1]];
  }
  // The logarithm of an action's weight, not normalised: -inf for an action that is not possible.
  PREFER_HD double log_weight(std::int64_t b, std::int64_t i) const {
    if (!can_play(b, i)) return -math::detail::infinity<double>();
    return reference.data == nullptr
               ? 0
               : static_cast<double>(reference.data[b * reference.stride[0] + i * reference.stride[1]]);
  }
};

// What the host can see of `in`: shapes, strides, null.
template <space S, class T>
status make_games(const games<S, T>& in, game_tables<T>& g) {
  g.batch = in.preference.extent[0];
  g.width = in.preference.extent[1];
  if (g.batch < 0 || (g.width < 1 && g.batch > 0))
    return require::fail(errc::bad_extent, "preference", "at least this many actions:", static_cast<double>(g.width),
                         1);
  const status shapes =
      first_error(check_shape("preference", in.preference, {g.batch, g.width, g.width}, true),
                  check_shape("reference", in.reference, {g.batch, g.width}, false),
                  check_shape("possible", in.possible, {g.batch, g.width}, false),
                  check_shape("actions", in.actions, {g.batch}, false));
  if (!shapes.ok()) return shapes;
  g.preference = any_space(in.preference);
  g.reference = any_space(in.reference);
  g.possible = any_space(in.possible);
  g.actions = any_space(in.actions);
  return {};
}

// The inputs of a call for the overlap test; `All` is a require::footprints with room for four.
template <space S, class T, class All>
void read_games(const games<S, T>& in, All& all) {
  all.read(require::footprint_of("preference", in.preference));
  all.read(require::footprint_of("reference", in.reference));
  all.read(require::footprint_of("possible", in.possible));
  all.read(require::footprint_of("actions", in.actions));
}

// What is wrong with entry (i, j) of game b and its mirror, both of actions that are possible.
template <class T>
PREFER_HD errc entry_error(const game_tables<T>& g, std::int64_t b, std::int64_t i, std::int64_t j) {
  const double p = static_cast<double>(g.beats(b, i, j)), off = p + static_cast<double>(g.beats(b, j, i)) - 1;
  if (math::is_nan(p)) return errc::not_a_number;
  const bool fits = off <= antisymmetry_tolerance<T> && off >= -antisymmetry_tolerance<T>;
  return p >= 0 && p <= 1 && (fits || math::is_nan(off)) ? errc::ok : errc::bad_label;
}

template <class T>
status check_game_entry(const game_tables<T>& g, std::int64_t b, std::int64_t i, std::int64_t j) {
  const errc code = entry_error(g, b, i, j);
  if (code == errc::ok) return {};
  const double p = static_cast<double>(g.beats(b, i, j));
  const char* const expected = code == errc::not_a_number ? "a probability, but it is NaN"
                               : p >= 0 && p <= 1
                                   ? "1 minus the entry across the diagonal (antisymmetrize repairs a table)"
                                   : "a probability, from 0 to 1";
  return require::fail(code, "preference", expected, p, 0, (b * g.width + i) * g.width + j);
}

// Whether all pairs pass check_game_entry, in an order that is kind to caches. Only a table that does not is worth
// looking for the first entry.
template <class T>
bool all_antisymmetric(const game_tables<T>& g, std::int64_t b, std::int64_t n) {
  constexpr std::int64_t block = 32;
  for (std::int64_t first = 0; first < n; first += block)
    for (std::int64_t left = 0; left <= first; left += block)
      for (std::int64_t i = first; i < first + block && i < n; ++i)
        for (std::int64_t j = left; j < left + block && j <= i; ++j)
          if (g.can_play(b, i) && g.can_play(b, j) &&
              (entry_error(g, b, i, j) != errc::ok || entry_error(g, b, j, i) != errc::ok))
            return false;
  return true;
}

template <class T>
status check_game(const game_tables<T>& g, std::int64_t b) {
  const std::int64_t n = g.size(b);
  if (n == 0)
    return require::fail(errc::bad_index, "actions", "from 1 to the width of the tables",
                         static_cast<double>(g.actions.data[b * g.actions.stride[0]]), static_cast<double>(g.width), b);
  bool some = false;
  for (std::int64_t i = 0; i < n; ++i) {
    if (!g.can_play(b, i)) continue;
    const double w = g.log_weight(b, i);
    if (math::is_nan(w))
      return require::fail(errc::not_a_number, "reference", "a log-probability, but it is NaN", w, 0, b * g.width + i);
    if (w == math::detail::infinity<double>())
      return require::fail(errc::bad_label, "reference", "a log-probability, below infinity", w, 0, b * g.width + i);
    some = some || w > -math::detail::infinity<double>();
  }
  if (!all_antisymmetric(g, b, n))
    for (std::int64_t k = 0; k < n * n; ++k)
      if (g.can_play(b, k / n) && g.can_play(b, k % n))
        if (const status s = check_game_entry(g, b, k / n, k % n); !s.ok()) return s;
  if (some) return {};
  return g.reference.data == nullptr
             ? require::fail(errc::bad_label, "possible", "at least one action that is possible in this game", 0, 1, b)
             : require::fail(errc::bad_label, "reference", "mass on some possible action of this game", 0, 1, b);
}

// The content of all games, unless the caller vouches for it. An index of `preference` counts the elements of [B, n,
// n], one of `reference` those of [B, n], others games. On CUDA the host looks at nothing: see game/game.cuh.
template <class T>
status check_games(const cpu& exec, const game_tables<T>& g) {
  if (exec.content == content::none) return {};
  for (std::int64_t b = 0; b < g.batch; ++b)
    if (const status s = check_game(g, b); !s.ok()) return s;
  return {};
}
template <class T>
status check_games(const cuda&, const game_tables<T>&) {
  return {};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
