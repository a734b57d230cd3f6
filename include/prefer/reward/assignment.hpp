// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/core/sortable.hpp>
#include <prefer/reward/detail/matrices.hpp>

#include <cstdint>
#include <type_traits>

namespace prefer {

// Rewards of what has to be matched one to one: the best assignment of rows (what was generated) to columns (what was
// asked for), exactly, and its sum.
//
//   reward = sum over pairs (i, j) of score_ij / divisor,     the pairs that make the sum largest (or smallest)
//
// min(rows, columns) pairs are made; with `partial` only those that help (a score above 0, or a cost below). Divisors:
// none; rows; columns (a reference without a partner counts 0); longer = max(rows, columns) (too many predictions cost,
// too); pairs. A divisor of 0 gives a reward of 0. The derivative of the reward by a score is upstream / divisor where
// the two are a pair, else 0: the assignment is piecewise constant, and at a tie this is one of the subgradients.
//
// One face generated for two references is worth 0.6 by (0.6, 0.6), where a sum of best matches would say 1.2.
struct assignment {
  enum class goal : std::uint8_t { largest, smallest };
  enum class divisor : std::uint8_t { none, rows, columns, longer, pairs };

  goal sum = goal::largest;
  bool partial = false;
  divisor over = divisor::none;

  constexpr status check() const { return {}; }
};

// B problems of up to n rows and m columns, of which each has as many as `rows` and `columns` say.
template <space S>
struct assignment_inputs {
  input_view<3, S> score = {};     // [B, n, m], n and m at most 1024
  input_view<1, S> rows = {};      // B int32 or int64; n if not given
  input_view<1, S> columns = {};   // B; m if not given
  input_view<1, S> upstream = {};  // B: the derivative of an objective by the rewards; 1 if not given
};
template <space S>
struct assignment_outputs {
  output_view<2, S> column_of = {};   // [B, n] int32 or int64: the partner of each row; -1 for none
  output_view<2, S> row_of = {};      // [B, m]: the same of each column
  output_view<1, S> reward = {};      // B
  output_view<3, S> grad_score = {};  // [B, n, m]; 0 where a problem has no element
};

inline namespace PREFER_ABI {
namespace detail {

inline constexpr int most_matched = 1024;
inline constexpr double largest_score = 1e300;  // sums of differences of scores stay finite

// What the search for one problem keeps: potentials, and a tree of shortest paths. Lines are matched to places, of
// which there are no fewer.
struct matching_state {
  double line_potential[most_matched], place_potential[most_matched], distance[most_matched], cost[most_matched];
  std::int16_t line_of[most_matched], place_of[most_matched], before[most_matched];
  bool reached[most_matched];
};

// Shortest augmenting paths (Jonker and Volgenant 1987): one line after the other is matched, along the path of least
// cost in potentials, the lowest place first where lengths are equal. load(line) puts the costs of a line at all places
// into the state. Sums and differences only: the same steps on either backend.
template <class Team, class Load>
PREFER_HD void match_lines(const Team& team, int lines, int places, const Load& load, matching_state& s) {
  team.each(lines, [&](std::int64_t i) PREFER_HD_LAMBDA { s.line_potential[i] = 0, s.place_of[i] = -1; });
  team.each(places, [&](std::int64_t j) PREFER_HD_LAMBDA { s.place_potential[j] = 0, s.line_of[j] = -1; });
  for (int line = 0; line < lines; ++line) {
    team.each(places, [&](std::int64_t j)
                          PREFER_HD_LAMBDA { s.distance[j] = math::detail::infinity<double>(), s.reached[j] = false; });
    double reached = 0;
    int place = -1;
    for (int at = line; at >= 0;) {
      load(at);
      const double potential = s.line_potential[at];
      const ranked next = team.first(places, [&](std::int64_t j) PREFER_HD_LAMBDA {
        if (s.reached[j]) return ranked{left_out, j};
        const double there = reached + ((s.cost[j] - potential) - s.place_potential[j]);
        if (there < s.distance[j]) s.distance[j] = there, s.before[j] = static_cast<std::int16_t>(at);
        return ranked{sortable(s.distance[j]), j};
      });
      place = static_cast<int>(next.item);
      reached = s.distance[place];
      at = s.line_of[place];
      team.once([&]() PREFER_HD_LAMBDA { s.reached[place] = true; });
    }
    team.each(places, [&](std::int64_t j) PREFER_HD_LAMBDA {
      if (!s.reached[j]) return;
      const double slack = reached - s.distance[j];
      s.place_potential[j] -= slack;
      if (s.line_of[j] >= 0) s.line_potential[s.line_of[j]] += slack;
    });
    team.once([&]() PREFER_HD_LAMBDA {
      s.line_potential[line] += reached;
      for (int to = place; to >= 0;) {  // back along the path: every line moves on to the place after it
        const int from = s.before[to], left = s.place_of[from];
        s.line_of[to] = static_cast<std::int16_t>(from), s.place_of[from] = static_cast<std::int16_t>(to);
        to = from == line ? -1 : left;
      }
    });
  }
}

struct assignment_call {
  assignment rule;
  matrix_sizes sizes;
  matrix_batch score, gradient;
  source upstream;
  row_sink column_of, row_of;
  sink reward;

  PREFER_HD bool usable(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return math::abs(score.at(b, i, j)) <= largest_score;
  }
  // What is made least.
  PREFER_HD double cost_of(double x) const {
    const double cost = rule.sum == assignment::goal::largest ? -x : x;
    return rule.partial && cost > 0 ? 0 : cost;
  }
  PREFER_HD bool pairs(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return !rule.partial || cost_of(score.at(b, i, j)) < 0;
  }
  // The costs of `n` scores that lie `step` apart. The type is looked at once.
  template <class Team>
  PREFER_HD void load_costs(const Team& team, std::int64_t first, std::int64_t step, int n, double* to) const {
    with_elements(score.data, score.type, [&](const auto* p) PREFER_HD_LAMBDA {
      team.each(n, [&](std::int64_t j)
                       PREFER_HD_LAMBDA { to[j] = cost_of(static_cast<double>(widen(p[first + j * step]))); });
    });
  }
  PREFER_HD double divisor(std::int64_t rows, std::int64_t columns, std::int64_t paired) const {
    using d = assignment::divisor;
    const std::int64_t longer = rows > columns ? rows : columns;
    return rule.over == d::none ? 1
                                : static_cast<double>(rule.over == d::rows      ? rows
                                                      : rule.over == d::columns ? columns
                                                      : rule.over == d::longer  ? longer
                                                                                : paired);
  }

  // One problem. Thread 0 adds up in the order of the rows.
  template <class Team>
  PREFER_HD void solve(const Team& team, std::int64_t b, matching_state& s) const {
    const std::int64_t rows = sizes.rows_of(b), columns = sizes.columns_of(b);
    if (rows < 0 || columns < 0) return refuse(team, b, errc::bad_index);
    const std::int64_t unusable = team.total(rows * columns, [&](std::int64_t e) PREFER_HD_LAMBDA {
      return usable(b, e / columns, e % columns) ? std::int64_t{0} : std::int64_t{1};
    });
    if (unusable != 0) return refuse(team, b, errc::not_a_number);
    const bool wide = rows <= columns;
    const int lines = static_cast<int>(wide ? rows : columns), places = static_cast<int>(wide ? columns : rows);
    const std::int64_t next_line = score.stride[wide ? 1 : 2], next_place = score.stride[wide ? 2 : 1];
    match_lines(
        team, lines, places,
        [&](int line)
            PREFER_HD_LAMBDA { load_costs(team, b * score.stride[0] + line * next_line, next_place, places, s.cost); },
        s);
    const auto partner = [&](std::int64_t i) PREFER_HD_LAMBDA {
      if (i >= rows) return std::int64_t{-1};
      const std::int64_t j = wide ? s.place_of[i] : s.line_of[i];
      return j >= 0 && pairs(b, i, j) ? j : -1;
    };
    write(team, b, rows, columns, partner);
    team.each(sizes.columns, [&](std::int64_t j) PREFER_HD_LAMBDA {
      const std::int64_t i = j >= columns ? -1 : wide ? s.line_of[j] : s.place_of[j];
      store_index(row_of, b, j, i >= 0 && pairs(b, i, j) ? i : -1);
    });
  }

 private:
  template <class Team, class Partner>
  PREFER_HD void write(const Team& team, std::int64_t b, std::int64_t rows, std::int64_t columns,
                       const Partner& partner) const {
    const std::int64_t paired = team.total(
        rows, [&](std::int64_t i) PREFER_HD_LAMBDA { return partner(i) >= 0 ? std::int64_t{1} : std::int64_t{0}; });
    const double by = divisor(rows, columns, paired);
    team.each(sizes.rows, [&](std::int64_t i) PREFER_HD_LAMBDA { store_index(column_of, b, i, partner(i)); });
    if (reward.data != nullptr)
      team.once([&]() PREFER_HD_LAMBDA {
        double sum = 0;
        for (std::int64_t i = 0; i < rows; ++i)
          if (const std::int64_t j = partner(i); j >= 0) sum += score.at(b, i, j);
        write_item(reward, b, true, by != 0 ? sum / by : 0.0, false);
      });
    if (gradient.data == nullptr) return;
    const double slope = by != 0 ? read_item<double>(upstream, b) / by : 0;
    team.each(sizes.rows * sizes.columns, [&](std::int64_t e) PREFER_HD_LAMBDA {
      const std::int64_t i = e / sizes.columns, j = e % sizes.columns;
      gradient.write(b, i, j, partner(i) == j ? slope : 0);
    });
  }
  template <class Team>
  PREFER_HD void refuse(const Team& team, std::int64_t b, errc code) const {
    const double nan = math::detail::not_a_number<double>();
    team.once([&]() PREFER_HD_LAMBDA {
      team.fault(code, b);
      write_item(reward, b, true, nan, false);
    });
    team.each(sizes.rows, [&](std::int64_t i) PREFER_HD_LAMBDA { store_index(column_of, b, i, -1); });
    team.each(sizes.columns, [&](std::int64_t j) PREFER_HD_LAMBDA { store_index(row_of, b, j, -1); });
    team.each(gradient.data != nullptr ? sizes.rows * sizes.columns : 0,
              [&](std::int64_t e) PREFER_HD_LAMBDA { gradient.write(b, e / sizes.columns, e % sizes.columns, nan); });
  }
};

template <space S>
status make_assignment(const assignment& rule, const assignment_inputs<S>& in, const assignment_outputs<S>& out,
                       assignment_call& call) {
  using require::holds;
  if (!in.score.given())
    return require::fail(errc::missing_input, "score", "of every row with every column, [B, n, m]");
  const auto& shape = in.score.extent;
  for (const int r : {1, 2})
    if (shape[r] > most_matched)
      return require::fail(errc::bad_extent, "score", r == 1 ? "rows: at most" : "columns: at most",
                           static_cast<double>(shape[r]), most_matched);
  if (!out.column_of.given() && !out.row_of.given() && !out.reward.given() && !out.grad_score.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  if (in.upstream.given() && !out.grad_score.given())
    return require::fail(errc::unused_input, "upstream", "to be left out, since no gradient is asked for");
  constexpr const char* per_problem = "one per problem:";
  if (const status s = first_error(make_sizes("score", shape, in.rows, in.columns, call.sizes),
                                   check_batch("score", in.score, shape),
                                   check_optional("upstream", in.upstream, shape[0], per_problem, holds::numbers),
                                   check_optional("column_of", out.column_of, shape[0], shape[1], holds::indices),
                                   check_optional("row_of", out.row_of, shape[0], shape[2], holds::indices),
                                   check_optional("reward", out.reward, shape[0], per_problem, holds::numbers),
                                   check_batch("grad_score", out.grad_score, shape));
      !s.ok())
    return s;
  call.rule = rule;
  call.score = batch_of(in.score), call.gradient = batch_of(out.grad_score);
  call.upstream = place_of(in.upstream), call.upstream.neutral = 1;
  call.column_of = place_of(out.column_of), call.row_of = place_of(out.row_of), call.reward = place_of(out.reward);
  require::footprints<4, 4> all;
  all.read("score", in.score), all.read("rows", in.rows), all.read("columns", in.columns);
  all.read("upstream", in.upstream);
  all.write("column_of", out.column_of), all.write("row_of", out.row_of), all.write("reward", out.reward);
  all.write("grad_score", out.grad_score);
  return all.check();
}

// With content::all: numbers that can be added up.
inline status check_scores(const cpu& exec, const assignment_call& call) {
  const matrix_sizes& z = call.sizes;
  for (std::int64_t b = 0; exec.content == content::all && b < z.batch; ++b)
    for (std::int64_t e = 0; e < z.rows_of(b) * z.columns_of(b); ++e)
      if (!call.usable(b, e / z.columns_of(b), e % z.columns_of(b)))
        return require::fail(errc::not_a_number, "score", "numbers of at most 1e300 in size, but in this problem not",
                             0, 0, b);
  return {};
}

template <class Exec>
status solve_assignments(const Exec&, const assignment_call&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status solve_assignments(const cpu& exec, const assignment_call& call) {
  if (const status s = first_error(check_sizes(exec, call.sizes), check_scores(exec, call)); !s.ok()) return s;
  const std::int64_t blocks = smaller(call.sizes.batch, max_blocks);
  for_blocks(exec, blocks, call.sizes.batch * call.sizes.rows * call.sizes.columns,
             [&](std::int64_t first, std::int64_t last) {
               matching_state state;
               for (std::int64_t b = call.sizes.batch * first / blocks; b < call.sizes.batch * last / blocks; ++b)
                 call.solve(one_thread{nullptr}, b, state);
             });
  return {};
}

}  // namespace detail

// The best assignments of B problems. Equal sums: the one that paths of the lowest indices lead to, the same on both
// backends and for any number of threads. Arithmetic in double; O(min(n, m)^2 max(n, m)) per problem; no workspace; one
// launch on CUDA, a block per problem. A problem with a NaN, or a score beyond 1e300 (for pairs that must not be, use
// -1e30, say, and `partial`), has a reward and gradient of NaN and no pairs (CUDA reports it; content::all refuses it
// on the CPU); so has one whose `rows` or `columns` is out of range on CUDA, where the CPU refuses it. Elements beyond
// a problem's rows and columns may hold anything. Errors: shapes, element types, memory that overlaps, and these.
// Source: MultiCrafter (arXiv 2509.21953), whose divisor was not read; Vision-R1 (arXiv 2503.18013) matches boxes so.
template <class Exec>
status assignments(const Exec& exec, const assignment& rule,
                   const std::type_identity_t<assignment_inputs<Exec::memory>>& in,
                   const std::type_identity_t<assignment_outputs<Exec::memory>>& out) {
  detail::assignment_call call;
  if (const status s = detail::make_assignment(rule, in, out, call); !s.ok()) return s;
  return solve_assignments(exec, call);
}

}  // namespace PREFER_ABI
}  // namespace prefer
