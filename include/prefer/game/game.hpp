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

// Games of different sizes, one behind the other: arrays of actions hold those of all games, [1, N], and arrays of
// preferences all tables, [1, 1, M]. Game b has the actions from offsets[b] up to offsets[b + 1], and its table is that
// many rows of as many entries from entry tables[b] on. Tables may lie anywhere, in any order; games may share one.
template <space Space>
struct game_packing {
  view<const std::int64_t, 1, Space> offsets = {};  // [B + 1]; not given: games are not packed
  view<const std::int64_t, 1, Space> tables = {};   // [B]
  std::int64_t actions = 0;                         // N, of all games
  std::int64_t largest = 0;                         // n, of the largest game
};

// B symmetric games of up to n actions. preference(b, i, j) is the probability that action i beats action j in game b:
// within [0, 1], and preference(i, j) + preference(j, i) = 1, so that the diagonal is 1/2. T, double or float, is the
// storage of the tables; float halves what a step reads. Any strides of 0 or above: a stride of 0 shares a table
// between the games, a transposed one gives the game with sides swapped.
//
// Games of fewer than n actions say so in `actions`: game b is the leading block of its [n, n] table, and nothing else
// of it is read. Or games are `packed`: then what is [B, n, n] here is [1, 1, M], and everything that a call takes or
// gives per action is [1, N] instead of [B, n]; what belongs to no game is not read and not written. An action that is
// not `possible` is never played and what the tables hold about it is not read as a number either (it may be NaN).
//
// `reference` holds logarithms of weights, a policy's log-probabilities say; they need not sum to 1, and -inf forbids
// an action to the calls that stay near the reference. If not given, all possible actions weigh the same.
template <space Space, class T = double>
struct games {
  view<const T, 3, Space> preference = {};          // [B, n, n]
  view<const T, 2, Space> reference = {};           // [B, n]; uniform if not given
  view<const bool, 2, Space> possible = {};         // [B, n]; all if not given
  view<const std::int32_t, 1, Space> actions = {};  // [B]: from 1 to n; n if not given
  game_packing<Space> packed = {};
};

// How far preference(i, j) + preference(j, i) may be from 1: some roundings of T. Call antisymmetrize for more.
template <class T>
inline constexpr double antisymmetry_tolerance = sizeof(T) == 4 ? 1e-6 : 1e-12;

inline namespace PREFER_ABI {
namespace detail {

// The preferences of one game.
template <class T>
struct game_matrix {
  T* data;
  std::int64_t row, column;
  PREFER_HD T& operator()(std::int64_t i, std::int64_t j) const { return data[i * row + j * column]; }
};

// Where the games of one call lie, side by side or packed.
struct game_layout {
  std::int64_t batch = 0, width = 0;            // width: n, of the largest game
  view<const std::int32_t, 1> actions;          // of games side by side
  view<const std::int64_t, 1> offsets, tables;  // of packed ones
  std::int64_t all_actions = 0, all_entries = 0;

  PREFER_HD bool packed() const { return offsets.data != nullptr; }
  PREFER_HD std::int64_t offset(std::int64_t b) const { return offsets.data[b * offsets.stride[0]]; }
  PREFER_HD std::int64_t table(std::int64_t b) const { return tables.data[b * tables.stride[0]]; }

  // Actions of game b; 0 for a number or an offset that is out of range, so that nothing is read.
  PREFER_HD std::int64_t size(std::int64_t b) const {
    if (packed()) return good_offsets(b) && good_table(b) ? offset(b + 1) - offset(b) : 0;
    if (actions.data == nullptr) return width;
    const std::int64_t n = actions.data[b * actions.stride[0]];
    return n >= 1 && n <= width ? n : 0;
  }
  PREFER_HD bool good_offsets(std::int64_t b) const {
    const std::int64_t first = offset(b), end = offset(b + 1);
    return first >= 0 && end > first && end - first <= width && end <= all_actions;
  }
  PREFER_HD bool good_table(std::int64_t b) const {  // of good offsets
    const std::int64_t n = offset(b + 1) - offset(b);
    return table(b) >= 0 && table(b) <= all_entries - n * n;
  }

  // How many elements of its row an output of game b has: up to the width, or its own.
  PREFER_HD std::int64_t written(std::int64_t b) const { return packed() ? size(b) : width; }

  // Where an array of actions holds action i of game b, and one of tables the table of game b.
  template <class X>
  PREFER_HD X& place(const view<X, 2>& v, std::int64_t b, std::int64_t i) const {
    return packed() ? v.data[(offset(b) + i) * v.stride[1]] : v.data[b * v.stride[0] + i * v.stride[1]];
  }
  template <class X>
  PREFER_HD game_matrix<X> matrix(const view<X, 3>& v, std::int64_t b) const {
    if (!packed()) return {v.data + b * v.stride[0], v.stride[1], v.stride[2]};
    return {v.data + table(b) * v.stride[2], size(b) * v.stride[2], v.stride[2]};
  }

  // What errors count: elements of arrays of actions and of tables.
  PREFER_HD std::int64_t action_index(std::int64_t b, std::int64_t i) const {
    return packed() ? offset(b) + i : b * width + i;
  }
  PREFER_HD std::int64_t entry_index(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return packed() ? table(b) + i * size(b) + j : (b * width + i) * width + j;
  }
  PREFER_HD errc size_error() const { return packed() ? errc::bad_offsets : errc::bad_index; }
};

// The games of one call as both backends see them.
template <class T>
struct game_tables : game_layout {
  view<const T, 3> preference;
  view<const T, 2> reference;
  view<const bool, 2> possible;

  PREFER_HD game_matrix<const T> preferences(std::int64_t b) const { return matrix(preference, b); }
  PREFER_HD bool can_play(std::int64_t b, std::int64_t i) const {
    return possible.data == nullptr || place(possible, b, i);
  }
  // The logarithm of an action's weight, not normalised: -inf for an action that is not possible.
  PREFER_HD double log_weight(std::int64_t b, std::int64_t i) const {
    if (!can_play(b, i)) return -math::detail::infinity<double>();
    return reference.data == nullptr ? 0 : static_cast<double>(place(reference, b, i));
  }
};

// An array of actions has the shape that the games give it.
template <class View>
status check_actions(const char* name, const View& v, const game_layout& g, bool required = false) {
  if (g.packed()) return check_shape(name, v, {1, g.all_actions}, required);
  return check_shape(name, v, {g.batch, g.width}, required);
}
template <class View>
status check_tables_shape(const char* name, const View& v, const game_layout& g) {
  if (g.packed()) return check_shape(name, v, {1, 1, g.all_entries}, true);
  return check_shape(name, v, {g.batch, g.width, g.width}, true);
}

// The layout of games whose argument `name` is [batch, n, ...], or packed, with so many entries of tables in all.
template <space S>
status make_layout(const char* name, std::int64_t batch, std::int64_t n, std::int64_t entries,
                   const game_packing<S>& packed, game_layout& g) {
  g.batch = batch, g.width = n;
  if (packed.offsets.data != nullptr || packed.offsets.extent[0] != 0) {
    g.batch = packed.offsets.extent[0] - 1, g.width = packed.largest;
    g.all_actions = packed.actions, g.all_entries = entries;
    g.offsets = any_space(packed.offsets), g.tables = any_space(packed.tables);
    const status lists = first_error(
        require::that(packed.actions >= 0, "packed.actions", static_cast<double>(packed.actions), "0 or above"),
        check_shape("packed.offsets", packed.offsets, {g.batch < 0 ? 1 : g.batch + 1}, true),
        check_shape("packed.tables", packed.tables, {g.batch}, true));
    if (!lists.ok()) return lists;
  }
  if (g.batch < 0 || (g.width < 1 && g.batch > 0))
    return require::fail(errc::bad_extent, g.packed() ? "packed.largest" : name,
                         "at least this many actions:", static_cast<double>(g.width), 1);
  return {};
}

// What the host can see of `in`: shapes, strides, null.
template <space S, class T>
status make_games(const games<S, T>& in, game_tables<T>& g) {
  const std::int64_t(&shape)[3] = in.preference.extent;
  if (const status s = make_layout("preference", shape[0], shape[1], shape[2], in.packed, g); !s.ok()) return s;
  if (g.packed() && in.actions.data != nullptr)
    return require::fail(errc::unused_input, "actions", "to be left out, since offsets say how many there are");
  const status shapes = first_error(check_tables_shape("preference", in.preference, g),
                                    check_actions("reference", in.reference, g),
                                    check_actions("possible", in.possible, g),
                                    check_shape("actions", in.actions, {g.batch}, false));
  if (!shapes.ok()) return shapes;
  g.preference = any_space(in.preference);
  g.reference = any_space(in.reference);
  g.possible = any_space(in.possible);
  g.actions = any_space(in.actions);
  return {};
}

template <space S, class All>
void read_packing(const game_packing<S>& packed, All& all) {
  all.read(require::footprint_of("packed.offsets", packed.offsets));
  all.read(require::footprint_of("packed.tables", packed.tables));
}

// The inputs of a call for the overlap test; `All` is a require::footprints with room for six.
template <space S, class T, class All>
void read_games(const games<S, T>& in, All& all) {
  all.read(require::footprint_of("preference", in.preference));
  all.read(require::footprint_of("reference", in.reference));
  all.read(require::footprint_of("possible", in.possible));
  all.read(require::footprint_of("actions", in.actions));
  read_packing(in.packed, all);
}

// What is wrong with entry (i, j) of a game and its mirror, both of actions that are possible.
template <class T>
PREFER_HD errc entry_error(const game_matrix<const T>& m, std::int64_t i, std::int64_t j) {
  const double p = static_cast<double>(m(i, j)), off = p + static_cast<double>(m(j, i)) - 1;
  if (math::is_nan(p)) return errc::not_a_number;
  const bool fits = off <= antisymmetry_tolerance<T> && off >= -antisymmetry_tolerance<T>;
  return p >= 0 && p <= 1 && (fits || math::is_nan(off)) ? errc::ok : errc::bad_label;
}

template <class T>
status check_game_entry(const game_tables<T>& g, std::int64_t b, std::int64_t i, std::int64_t j) {
  const game_matrix<const T> m = g.preferences(b);
  const errc code = entry_error(m, i, j);
  if (code == errc::ok) return {};
  const double p = static_cast<double>(m(i, j));
  const char* const expected = code == errc::not_a_number ? "a probability, but it is NaN"
                               : p >= 0 && p <= 1
                                   ? "1 minus the entry across the diagonal (antisymmetrize repairs a table)"
                                   : "a probability, from 0 to 1";
  return require::fail(code, "preference", expected, p, 0, g.entry_index(b, i, j));
}

// Whether all pairs pass check_game_entry, in an order that is kind to caches. Only a table that does not is worth
// looking for the first entry.
template <class T>
bool all_antisymmetric(const game_tables<T>& g, std::int64_t b, std::int64_t n) {
  constexpr std::int64_t block = 32;
  const game_matrix<const T> m = g.preferences(b);
  for (std::int64_t first = 0; first < n; first += block)
    for (std::int64_t left = 0; left <= first; left += block)
      for (std::int64_t i = first; i < first + block && i < n; ++i)
        for (std::int64_t j = left; j < left + block && j <= i; ++j)
          if (g.can_play(b, i) && g.can_play(b, j) &&
              (entry_error(m, i, j) != errc::ok || entry_error(m, j, i) != errc::ok))
            return false;
  return true;
}

// How many actions game b has.
inline status check_size(const game_layout& g, std::int64_t b) {
  if (g.size(b) > 0) return {};
  if (!g.packed())
    return require::fail(errc::bad_index, "actions", "from 1 to the width of the tables",
                         static_cast<double>(g.actions.data[b * g.actions.stride[0]]), static_cast<double>(g.width), b);
  if (!g.good_offsets(b))
    return require::fail(errc::bad_offsets, "packed.offsets",
                         "the first of 1 to `largest` actions of a game, of all the `actions`",
                         static_cast<double>(g.offset(b)), 0, b);
  return require::fail(errc::bad_offsets, "packed.tables", "the first entry of a table that ends within all entries",
                       static_cast<double>(g.table(b)), 0, b);
}

template <class T>
status check_game(const game_tables<T>& g, std::int64_t b) {
  if (const status s = check_size(g, b); !s.ok()) return s;
  const std::int64_t n = g.size(b);
  bool some = false;
  for (std::int64_t i = 0; i < n; ++i) {
    if (!g.can_play(b, i)) continue;
    const double w = g.log_weight(b, i);
    if (math::is_nan(w))
      return require::fail(errc::not_a_number, "reference", "a log-probability, but it is NaN", w, 0,
                           g.action_index(b, i));
    if (w == math::detail::infinity<double>())
      return require::fail(errc::bad_label, "reference", "a log-probability, below infinity", w, 0,
                           g.action_index(b, i));
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
// n] or of the packed [M], one of `reference` those of [B, n] or [N], others games. On CUDA the host looks at nothing:
// see game/game.cuh.
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

// Log-weights of policies: not NaN, below infinity, and some mass on an action that is possible.
template <class T>
status check_log_weights(const cpu& exec, const char* name, const game_tables<T>& g, const view<const T, 2>& x) {
  if (exec.content == content::none || x.data == nullptr) return {};
  for (std::int64_t b = 0; b < g.batch; ++b) {
    bool some = false;
    for (std::int64_t i = 0; i < g.size(b); ++i) {
      if (!g.can_play(b, i)) continue;
      const auto w = static_cast<double>(g.place(x, b, i));
      if (math::is_nan(w) || w == math::detail::infinity<double>())
        return require::fail(math::is_nan(w) ? errc::not_a_number : errc::bad_label, name,
                             "a log-probability, below infinity", w, 0, g.action_index(b, i));
      some = some || w > -math::detail::infinity<double>();
    }
    if (!some) return require::fail(errc::bad_label, name, "mass on some possible action of this game", 0, 0, b);
  }
  return {};
}
template <class T>
status check_log_weights(const cuda&, const char*, const game_tables<T>&, const view<const T, 2>&) {
  return {};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
