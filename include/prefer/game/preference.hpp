// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/game/game.hpp>

#include <cstdint>
#include <type_traits>

// Preference tables [B, n, n] from what people have: noisy tables, counts of wins, scores, somebody to ask. Every pair
// is computed once and its mirror is 1 minus it, so that the result is antisymmetric; the diagonal is 1/2.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// One pair of actions each: P(i, j) for i < j, and what is wrong with what it is made of.
template <class T>
struct repaired_pair {
  static constexpr const char* argument = "preference";
  view<const T, 3> in;
  PREFER_HD double operator()(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return (at(b, i, j) + (1 - at(b, j, i))) / 2;
  }
  PREFER_HD double at(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return static_cast<double>(in.data[b * in.stride[0] + i * in.stride[1] + j * in.stride[2]]);
  }
  status check(std::int64_t b, std::int64_t i, std::int64_t j) const {
    const double x = at(b, i, j);
    const std::int64_t index = (b * in.extent[1] + i) * in.extent[1] + j;
    if (math::is_nan(x))
      return require::fail(errc::not_a_number, argument, "a probability, but it is NaN", x, 0, index);
    return x >= 0 && x <= 1 ? status{}
                            : require::fail(errc::bad_label, argument, "a probability, from 0 to 1", x, 0, index);
  }
};
template <class T>
struct counted_pair {
  static constexpr const char* argument = "wins";
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
               : require::fail(math::is_nan(x) ? errc::not_a_number : errc::bad_label, argument,
                               "a finite count, 0 or above", x, 0, (b * wins.in.extent[1] + i) * wins.in.extent[1] + j);
  }
};
template <class T>
struct scored_pair {
  static constexpr const char* argument = "scores";
  view<const T, 2> scores;
  double scale;
  PREFER_HD double at(std::int64_t b, std::int64_t i) const {
    return static_cast<double>(scores.data[b * scores.stride[0] + i * scores.stride[1]]);
  }
  PREFER_HD double operator()(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return math::sigmoid(scale * (at(b, i) - at(b, j)));
  }
  status check(std::int64_t b, std::int64_t i, std::int64_t) const {
    return require::finite(at(b, i))
               ? status{}
               : require::fail(math::is_nan(at(b, i)) ? errc::not_a_number : errc::bad_label, argument,
                               "a finite score", at(b, i), 0, b * scores.extent[1] + i);
  }
};

// A pair and its mirror, or an entry of the diagonal, for i <= j.
template <class T, class Pair>
PREFER_HD void write_pair(const Pair& pair, const view<T, 3>& out, std::int64_t b, std::int64_t i, std::int64_t j) {
  T* const table = out.data + b * out.stride[0];
  const T p = i == j ? T(0.5) : static_cast<T>(pair(b, i, j));
  table[i * out.stride[1] + j * out.stride[2]] = p;
  table[j * out.stride[1] + i * out.stride[2]] = T(1) - p;
}

template <class T, class Pair>
status fill_tables(const cpu& exec, const Pair& pair, const view<T, 3>& out) {
  const std::int64_t batch = out.extent[0], n = out.extent[1];
  if (exec.content != content::none)
    for (std::int64_t k = 0; k < batch * n * n; ++k)
      if (const status s = pair.check(k / (n * n), k / n % n, k % n); !s.ok()) return s;
  for_blocks(exec, batch * n, batch * n * n, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row)
      for (std::int64_t j = row % n; j < n; ++j) write_pair(pair, out, row / n, row % n, j);
  });
  return {};
}
template <class Exec, class T, class Pair>
status fill_tables(const Exec&, const Pair&, const view<T, 3>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

// `out` has tables of the width of `in`, and shares memory with it only where `in_place` allows the very same view.
template <class T, class In, space S>
status check_tables(const char* name, const In& in, const view<T, 3, S>& out, bool in_place) {
  const std::int64_t batch = in.extent[0], n = in.extent[1];
  std::int64_t shape[In::rank] = {batch, n};
  if constexpr (In::rank == 3) shape[2] = n;
  if (const status s =
          first_error(check_shape(name, in, shape, true), check_shape("out", out, {batch, n, n}, true));
      !s.ok())
    return s;
  if constexpr (In::rank == 3)
    if (in_place && in.data == out.data && in.stride[0] == out.stride[0] && in.stride[1] == out.stride[1] &&
        in.stride[2] == out.stride[2])
      return {};
  require::footprints<1, 1> all;
  all.read(require::footprint_of(name, in)), all.write(require::footprint_of("out", out));
  return all.check();
}

}  // namespace detail

// Repairs a table that is not antisymmetric, from a judge with a bias for what it sees first, say:
// out(i, j) = (in(i, j) + 1 - in(j, i)) / 2, the nearest antisymmetric table. `out` may be `in` itself. Errors: shapes;
// on the CPU an entry that is NaN or outside [0, 1] (on CUDA its pair follows from it). Cost: one pass.
template <class T = double, class Exec>
status antisymmetrize(const Exec& exec, const std::type_identity_t<view<const T, 3, Exec::memory>>& in,
                      const std::type_identity_t<view<T, 3, Exec::memory>>& out) {
  if (const status s = detail::check_tables<T>("preference", in, out, true); !s.ok()) return s;
  return fill_tables(exec, detail::repaired_pair<T>{detail::any_space(in)}, detail::any_space(out));
}

// From counts, wins(b, i, j) how often i beat j: out(i, j) = (wins(i, j) + prior) / (wins(i, j) + wins(j, i) + 2
// prior), 1/2 for a pair without comparisons and prior. The diagonal is not read. A half win each is a tie. Errors:
// shapes, prior below 0; on the CPU a count that is negative or not finite.
template <class T = double, class Exec>
status preference_from_counts(const Exec& exec, const std::type_identity_t<view<const T, 3, Exec::memory>>& wins,
                              double prior, const std::type_identity_t<view<T, 3, Exec::memory>>& out) {
  if (const status s =
          first_error(require::not_negative(prior, "prior"), detail::check_tables<T>("wins", wins, out, false));
      !s.ok())
    return s;
  return fill_tables(exec, detail::counted_pair<T>{{detail::any_space(wins)}, prior}, detail::any_space(out));
}

// From scores [B, n] by the Bradley-Terry model: out(i, j) = 1 / (1 + exp(-scale (score(i) - score(j)))). Such a game
// is transitive: its best score is its minimax winner. Errors: shapes, a scale that is not finite; on the CPU a score
// that is not finite.
template <class T = double, class Exec>
status preference_from_scores(const Exec& exec, const std::type_identity_t<view<const T, 2, Exec::memory>>& scores,
                              double scale, const std::type_identity_t<view<T, 3, Exec::memory>>& out) {
  if (const status s =
          first_error(require::is_finite(scale, "scale"), detail::check_tables<T>("scores", scores, out, false));
      !s.ok())
    return s;
  return fill_tables(exec, detail::scored_pair<T>{detail::any_space(scores), scale}, detail::any_space(out));
}

// From somebody to ask: ask(b, i, j), the probability that i beats j in game b, called once for every pair i < j in
// that order, on the calling thread. The size is that of `out`. Errors: shapes, an answer outside [0, 1] or NaN, after
// which nobody is asked again (pairs before it are written).
template <class T = double, class Ask>
status preference_from(const cpu&, Ask&& ask, const std::type_identity_t<view<T, 3, space::host>>& out) {
  const std::int64_t batch = out.extent[0], n = out.extent[1];
  if (const status s = detail::check_shape("out", out, {batch, n, n}, true); !s.ok()) return s;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = i; j < n; ++j) {
        const double p = i == j ? 0.5 : static_cast<double>(ask(b, i, j));
        if (!(p >= 0 && p <= 1))
          return require::fail(math::is_nan(p) ? errc::not_a_number : errc::bad_label, "ask",
                               "a probability, from 0 to 1", p, 0, (b * n + i) * n + j);
        const auto answer = [p](std::int64_t, std::int64_t, std::int64_t) { return p; };
        detail::write_pair(answer, detail::any_space(out), b, i, j);
      }
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
