// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/game/game.hpp>

#include <cstdint>
#include <type_traits>

// Preference tables [B, n, n] from what people have: noisy tables, counts of wins, scores, somebody to ask. Every pair
// is computed once and its mirror is 1 minus it, so that the result is antisymmetric; the diagonal is 1/2. All calls
// end with an optional game_packing (game.hpp): with it tables are packed, [1, 1, M], and scores [1, N].
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// One pair of actions each: P(i, j) for i < j, and what is wrong with what it is made of.
template <class T>
struct repaired_pair {
  game_layout games;
  view<const T, 3> in;
  PREFER_HD double operator()(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return (at(b, i, j) + (1 - at(b, j, i))) / 2;
  }
  PREFER_HD double at(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return static_cast<double>(games.matrix(in, b)(i, j));
  }
  status check(std::int64_t b, std::int64_t i, std::int64_t j) const {
    const double x = at(b, i, j);
    const std::int64_t index = games.entry_index(b, i, j);
    if (math::is_nan(x))
      return require::fail(errc::not_a_number, "preference", "a probability, but it is NaN", x, 0, index);
    return x >= 0 && x <= 1 ? status{}
                            : require::fail(errc::bad_label, "preference", "a probability, from 0 to 1", x, 0, index);
  }
};
template <class T>
struct counted_pair {
  repaired_pair<T> wins;
  double prior;
  PREFER_HD double operator()(std::int64_t b, std::int64_t i, std::int64_t j) const {
    const double won = wins.at(b, i, j) + prior, lost = wins.at(b, j, i) + prior;
    return won + lost == 0 ? 0.5 : won / (won + lost);
  }
  status check(std::int64_t b, std::int64_t i, std::int64_t j) const {
    const double x = wins.at(b, i, j);
    return i == j || (x >= 0 && require::finite(x))
               ? status{}
               : require::fail(math::is_nan(x) ? errc::not_a_number : errc::bad_label, "wins",
                               "a finite count, 0 or above", x, 0, wins.games.entry_index(b, i, j));
  }
};
template <class T>
struct scored_pair {
  game_layout games;
  view<const T, 2> scores;
  double scale;
  PREFER_HD double at(std::int64_t b, std::int64_t i) const { return static_cast<double>(games.place(scores, b, i)); }
  PREFER_HD double operator()(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return math::sigmoid(scale * (at(b, i) - at(b, j)));
  }
  status check(std::int64_t b, std::int64_t i, std::int64_t) const {
    return require::finite(at(b, i))
               ? status{}
               : require::fail(math::is_nan(at(b, i)) ? errc::not_a_number : errc::bad_label, "scores",
                               "a finite score", at(b, i), 0, games.action_index(b, i));
  }
};

// A pair and its mirror, or an entry of the diagonal, for i <= j.
template <class T, class Pair>
PREFER_HD void write_pair(const Pair& pair, const game_matrix<T>& table, std::int64_t b, std::int64_t i,
                          std::int64_t j) {
  const T p = i == j ? T(0.5) : static_cast<T>(pair(b, i, j));
  table(i, j) = p, table(j, i) = T(1) - p;
}

// What is wrong with the sizes of games, and then with what their pairs are made of.
template <class Pair>
status check_pairs(const game_layout& g, const Pair& pair) {
  for (std::int64_t b = 0; b < g.batch; ++b) {
    if (const status s = check_size(g, b); !s.ok()) return s;
    const std::int64_t n = g.size(b);
    for (std::int64_t k = 0; k < n * n; ++k)
      if (const status s = pair.check(b, k / n, k % n); !s.ok()) return s;
  }
  return {};
}

template <class T, class Pair>
status fill_tables(const cpu& exec, const game_layout& g, const Pair& pair, const view<T, 3>& out) {
  if (exec.content != content::none)
    if (const status s = check_pairs(g, pair); !s.ok()) return s;
  for_blocks(exec, g.batch * g.width, g.batch * g.width * g.width, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const std::int64_t b = row / g.width, i = row % g.width, n = g.size(b);
      if (i >= n) row += g.width - 1 - i;  // on to the next game
      for (std::int64_t j = i; j < n; ++j) write_pair(pair, g.matrix(out, b), b, i, j);
    }
  });
  return {};
}
template <class Exec, class T, class Pair>
status fill_tables(const Exec&, const game_layout&, const Pair&, const view<T, 3>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

// `out` has tables of the shape of `in`, which is one of tables or, with an entry per action, of actions, and shares
// memory with it only where `in_place` allows the very same view.
template <class T, class In, space S>
status make_tables(const char* name, const In& in, const view<T, 3, S>& out, const game_packing<S>& packed,
                   bool in_place, game_layout& g) {
  if (const status s = make_layout(name, in.extent[0], in.extent[1], out.extent[2], packed, g); !s.ok()) return s;
  status shape;
  if constexpr (In::rank == 3)
    shape = check_tables_shape(name, in, g);
  else
    shape = check_actions(name, in, g, true);
  if (const status s = first_error(shape, check_tables_shape("out", out, g)); !s.ok()) return s;
  require::footprints<3, 1> all;
  bool same = false;
  if constexpr (In::rank == 3)
    same = in_place && in.data == out.data && in.stride[0] == out.stride[0] && in.stride[1] == out.stride[1] &&
           in.stride[2] == out.stride[2];
  if (!same) all.read(require::footprint_of(name, in));
  read_packing(packed, all), all.write(require::footprint_of("out", out));
  return all.check();
}

}  // namespace detail

// Repairs a table that is not antisymmetric, from a judge with a bias for what it sees first, say:
// out(i, j) = (in(i, j) + 1 - in(j, i)) / 2, the nearest antisymmetric table. `out` may be `in` itself. Errors: shapes;
// on the CPU an entry that is NaN or outside [0, 1] (on CUDA its pair follows from it), and offsets that are out of
// range (on CUDA nothing is written of such a game). Cost: one pass.
template <class T = double, class Exec>
status antisymmetrize(const Exec& exec, const std::type_identity_t<view<const T, 3, Exec::memory>>& in,
                      const std::type_identity_t<view<T, 3, Exec::memory>>& out,
                      const game_packing<Exec::memory>& packed = {}) {
  detail::game_layout g;
  if (const status s = detail::make_tables<T>("preference", in, out, packed, true, g); !s.ok()) return s;
  return fill_tables(exec, g, detail::repaired_pair<T>{g, detail::any_space(in)}, detail::any_space(out));
}

// From counts, wins(b, i, j) how often i beat j: out(i, j) = (wins(i, j) + prior) / (wins(i, j) + wins(j, i) + 2
// prior), 1/2 for a pair without comparisons and prior. The diagonal is not read. A half win each is a tie. Errors:
// shapes, prior below 0; on the CPU a count that is negative or not finite, and offsets.
template <class T = double, class Exec>
status preference_from_counts(const Exec& exec, const std::type_identity_t<view<const T, 3, Exec::memory>>& wins,
                              double prior, const std::type_identity_t<view<T, 3, Exec::memory>>& out,
                              const game_packing<Exec::memory>& packed = {}) {
  detail::game_layout g;
  if (const status s = first_error(require::not_negative(prior, "prior"),
                                   detail::make_tables<T>("wins", wins, out, packed, false, g));
      !s.ok())
    return s;
  return fill_tables(exec, g, detail::counted_pair<T>{{g, detail::any_space(wins)}, prior}, detail::any_space(out));
}

// From scores [B, n] by the Bradley-Terry model: out(i, j) = 1 / (1 + exp(-scale (score(i) - score(j)))). Such a game
// is transitive: its best score is its minimax winner. Errors: shapes, a scale that is not finite; on the CPU a score
// that is not finite, and offsets.
template <class T = double, class Exec>
status preference_from_scores(const Exec& exec, const std::type_identity_t<view<const T, 2, Exec::memory>>& scores,
                              double scale, const std::type_identity_t<view<T, 3, Exec::memory>>& out,
                              const game_packing<Exec::memory>& packed = {}) {
  detail::game_layout g;
  if (const status s = first_error(require::is_finite(scale, "scale"),
                                   detail::make_tables<T>("scores", scores, out, packed, false, g));
      !s.ok())
    return s;
  return fill_tables(exec, g, detail::scored_pair<T>{g, detail::any_space(scores), scale}, detail::any_space(out));
}

// From somebody to ask: ask(b, i, j), the probability that i beats j in game b, called once for every pair i < j in
// that order, on the calling thread. The size is that of `out`. Errors: shapes, offsets, an answer outside [0, 1] or
// NaN, after which nobody is asked again (pairs before it are written).
template <class T = double, class Ask>
status preference_from(const cpu&, Ask&& ask, const std::type_identity_t<view<T, 3, space::host>>& out,
                       const game_packing<space::host>& packed = {}) {
  detail::game_layout g;
  const std::int64_t(&shape)[3] = out.extent;
  if (const status s = detail::make_layout("out", shape[0], shape[1], shape[2], packed, g); !s.ok()) return s;
  if (const status s = detail::check_tables_shape("out", out, g); !s.ok()) return s;
  for (std::int64_t b = 0; b < g.batch; ++b) {
    if (const status s = detail::check_size(g, b); !s.ok()) return s;
    for (std::int64_t i = 0; i < g.size(b); ++i)
      for (std::int64_t j = i; j < g.size(b); ++j) {
        const double p = i == j ? 0.5 : static_cast<double>(ask(b, i, j));
        if (!(p >= 0 && p <= 1))
          return require::fail(math::is_nan(p) ? errc::not_a_number : errc::bad_label, "ask",
                               "a probability, from 0 to 1", p, 0, g.entry_index(b, i, j));
        const auto answer = [p](std::int64_t, std::int64_t, std::int64_t) { return p; };
        detail::write_pair(answer, g.matrix(detail::any_space(out), b), b, i, j);
      }
  }
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
