// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/moments.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/select/selection.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Several factors, the most important first, turned into preferences between pairs.
namespace prefer {

template <space S>
struct hierarchy_inputs {
  input_view<2, S> factors = {};             // [n, L] in the order of their priority; more is better
  input_view<1, S> margins = {};             // [L]: a difference decides if it is larger than this; 0 if not given
  input_view<1, S> signs = {};               // [L]: multiply factors, -1 where less is better; 1 if not given
  input_view<1, S> first = {}, second = {};  // [P] int32 or int64: the samples of a pair
};
template <space S>
struct hierarchy_outputs {
  output_view<1, S> label = {};    // [P]: 1 if the first is preferred, 0 if the second, 1/2 if no factor decides
  output_view<1, S> decided = {};  // [P] bool or uint8: 0 if no factor decides
  output_view<1, S> level = {};    // [P] int32 or int64: the factor that decided, from 0; -1 for none
};

// Margins in units of each factor's spread.
struct spread_margins {
  scalar scale = 1.0;

  constexpr status check() const { return require::not_negative(scale, "scale"); }
};
template <space S>
struct margin_inputs {
  input_view<2, S> factors = {};  // [n, L]; a NaN is left out of its factor
  input_view<1, S> mask = {};     // [n] bool or uint8: zero leaves a sample out; it may hold anything
};
template <space S>
struct margin_outputs {
  output_view<1, S> margins = {};  // [L]
};

inline namespace PREFER_ABI {
namespace detail {

struct hierarchy_work {
  row_source factors;
  std::int64_t samples, levels;
  source margins, signs, first, second;
  sink label, decided, level;

  PREFER_HD std::int64_t sample_of(const source& list, std::int64_t pair) const {
    const std::int64_t i = load_index(list.data, list.type, pair * list.stride);
    return i >= 0 && i < samples ? i : -1;
  }
  PREFER_HD double factor(std::int64_t i, std::int64_t l) const {
    return load_element<double>(factors.data, factors.type, i * factors.row_stride + l * factors.stride);
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t k) PREFER_HD_LAMBDA {
      const std::int64_t pair = g.first + k, i = sample_of(first, pair), j = sample_of(second, pair);
      const bool known = i >= 0 && j >= 0;
      if (!known) team.fault(errc::bad_index, pair);
      std::int64_t by = -1;
      double answer = known ? 0.5 : math::detail::not_a_number<double>();
      for (std::int64_t l = 0; known && by < 0 && l < levels; ++l) {
        const double d = (factor(i, l) - factor(j, l)) * (signs.data == nullptr ? 1 : read_item<double>(signs, l));
        const double margin = margins.data == nullptr ? 0 : read_item<double>(margins, l);
        if (!math::is_nan(d) && math::abs(d) > margin) by = l, answer = d > 0 ? 1 : 0;
      }
      write_item(label, pair, true, answer, false);
      write_flag(decided, pair, by >= 0);
      write_index(level, pair, by);
    });
  }
};

inline status check_hierarchy_content(const cpu& exec, const hierarchy_work& w, std::int64_t pairs) {
  for (std::int64_t p = 0; exec.content != content::none && p < pairs; ++p)
    for (const bool is_first : {true, false})
      if (const source& list = is_first ? w.first : w.second; w.sample_of(list, p) < 0)
        return require::fail(errc::bad_index, is_first ? "first" : "second",
                             "0 or above and below the number of samples",
                             static_cast<double>(load_index(list.data, list.type, p * list.stride)), 0, p);
  return {};
}
inline status check_hierarchy_content(const cuda&, const hierarchy_work&, std::int64_t) { return {}; }

// A group is a factor; its samples in pieces, of which moments are merged in order.
struct margin_work {
  static constexpr std::int64_t pieces = 256;
  row_source factors;
  source mask;
  std::int64_t samples;
  scalar scale = 1.0;
  sink margins;
  moments* part = nullptr;  // [L, pieces]

  PREFER_HD moments of_samples(std::int64_t factor, std::int64_t first, std::int64_t end) const {
    moments m;
    for (std::int64_t i = first; i < end; ++i) {
      const double x =
          load_element<double>(factors.data, factors.type, i * factors.row_stride + factor * factors.stride);
      if (!selects(mask, i) || math::is_nan(x)) continue;
      const double off = x - m.mean;
      m.count += 1;
      m.mean += off / m.count;
      m.squares += off * (x - m.mean);
    }
    return m;
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    moments* const mine = part + g.index * pieces;
    team.each(pieces, [&](std::int64_t p) PREFER_HD_LAMBDA {
      mine[p] = of_samples(g.index, samples * p / pieces, samples * (p + 1) / pieces);
    });
    team.once([&]() PREFER_HD_LAMBDA {
      moments all = mine[0];
      for (std::int64_t p = 1; p < pieces; ++p) all = merge(all, mine[p]);
      write_item(margins, g.index, true, scale.as<double>() * all.std(deviation::population), false);
    });
  }
};

inline std::size_t margin_bytes(std::int64_t factors, margin_work& w, void* memory = nullptr) {
  arena a = memory != nullptr ? arena(memory) : arena();
  w.part = a.take<moments>(factors * margin_work::pieces);
  return a.bytes();
}

template <space S>
status make_margins(const spread_margins& options, const margin_inputs<S>& in, const margin_outputs<S>& out,
                    group_table& t, margin_work& w) {
  using require::holds;
  if (const status s = options.check(); !s.ok()) return s;
  if (!in.factors.given()) return require::fail(errc::missing_input, "factors", "L numbers per sample, [n, L]");
  if (!out.margins.given()) return require::fail(errc::missing_output, "margins", "one number per factor");
  const std::int64_t n = in.factors.extent[0], l = in.factors.extent[1];
  for (const auto& [name, x, least] : {named_extent{"factors", n, 0}, {"factors", l, 1}})
    if (x < least)
      return require::fail(errc::bad_extent, name, "at least", static_cast<double>(x), static_cast<double>(least));
  call_checks<2, 1> call;
  call.read("factors", in.factors, n, l);
  call.read("mask", in.mask, n, "the number of samples,", holds::flags);
  call.write("margins", out.margins, l, "the number of factors,", holds::numbers);
  t.samples = n * l, t.size = n, t.groups = l;
  w.factors = place_of(in.factors), w.mask = place_of(in.mask), w.samples = n;
  w.scale = options.scale, w.margins = place_of(out.margins);
  return call.check();
}

template <space S>
status make_hierarchy(const hierarchy_inputs<S>& in, const hierarchy_outputs<S>& out, std::int64_t& pairs,
                      hierarchy_work& w) {
  using require::holds;
  if (!in.factors.given()) return require::fail(errc::missing_input, "factors", "L numbers per sample, [n, L]");
  if (!in.first.given()) return require::fail(errc::missing_input, "first", "one index per pair");
  if (!in.second.given()) return require::fail(errc::missing_input, "second", "one index per pair");
  if (const status s = some_output(out.label, out.decided, out.level); !s.ok()) return s;
  const std::int64_t n = in.factors.extent[0], l = in.factors.extent[1];
  pairs = in.first.extent[0];
  for (const auto& [name, x, least] : {named_extent{"factors", n, 0}, {"factors", l, 1}, {"first", pairs, 0}})
    if (x < least)
      return require::fail(errc::bad_extent, name, "at least", static_cast<double>(x), static_cast<double>(least));
  constexpr const char *per_pair = "the number of pairs,", *per_factor = "the number of factors,";
  call_checks<5, 3> call;
  call.read("factors", in.factors, n, l);
  call.read("margins", in.margins, l, per_factor, holds::numbers);
  call.read("signs", in.signs, l, per_factor, holds::numbers);
  call.read("first", in.first, pairs, "", holds::indices),
      call.read("second", in.second, pairs, per_pair, holds::indices);
  call.write("label", out.label, pairs, per_pair, holds::numbers);
  call.write("decided", out.decided, pairs, per_pair, holds::flags);
  call.write("level", out.level, pairs, per_pair, holds::indices);
  w = {place_of(in.factors),
       n,
       l,
       place_of(in.margins),
       place_of(in.signs),
       place_of(in.first),
       place_of(in.second),
       place_of(out.label),
       place_of(out.decided),
       place_of(out.level)};
  return call.check();
}

}  // namespace detail

// Bytes of workspace of hierarchical_margins for so many factors.
inline std::size_t hierarchical_margins_workspace(std::int64_t factors) {
  detail::margin_work sized{};
  return factors < 0 ? 0 : detail::margin_bytes(factors, sized) + 1024;  // and to align it, on either backend
}

// margin_l = scale * std_l, the population standard deviation of factor l over a buffer of samples: HERON's margins,
// for compare_hierarchically. Compute them once per buffer and keep them, so that what a pair means does not depend on
// its batch; without any sample of a factor its margin is 0. Sums in double, in pieces that depend on n alone. Errors:
// parameters, shapes, element types, memory that overlaps. O(n L); a workspace of hierarchical_margins_workspace bytes
// (on CUDA otherwise memory in stream order); one launch on CUDA. Source: as compare_hierarchically.
template <class Exec>
status hierarchical_margins(const Exec& exec, const spread_margins& options,
                            const std::type_identity_t<margin_inputs<Exec::memory>>& in,
                            const std::type_identity_t<margin_outputs<Exec::memory>>& out) {
  detail::group_table factors;
  detail::margin_work work{};
  if (const status s = detail::make_margins(options, in, out, factors, work); !s.ok()) return s;
  return with_scratch(exec, detail::margin_bytes(factors.groups, work), [&](void* memory, const Exec& rest) {
    detail::margin_bytes(factors.groups, work, memory);
    return for_groups(rest, factors, work);
  });
}

// For each pair (i, j) the first factor l, in the order of priority, with
//
//   |z_il - z_jl| > margin_l
//
// decides: the sample with the larger (sign_l z) is preferred. If none does, the pair is undecided: leave it out by
// `decided`, which is a mask of bradley_terry's. HERON's margins are a standard deviation of each factor over its
// buffer (hierarchical_margins). Labels can be a loss's labels, levels its weights.
//
// The relation is NOT transitive: with margins A can beat B, B beat C and C beat A. Treat pairs as pairs and never sort
// by it (a sort may loop forever or read out of bounds). Without margins it is the lexicographic order. A NaN factor
// decides nothing. Errors: shapes, element types, memory that overlaps, indices out of range (on CUDA that pair is NaN,
// undecided, and reported). O(P L); nothing is allocated; one launch on CUDA. Source: Bukharin et al. 2023 (HERON),
// arXiv 2309.02632 (released code, whose Mountain Car variant has no margin at the second level).
template <class Exec>
status compare_hierarchically(const Exec& exec, const std::type_identity_t<hierarchy_inputs<Exec::memory>>& in,
                              const std::type_identity_t<hierarchy_outputs<Exec::memory>>& out) {
  std::int64_t pairs = 0;
  detail::hierarchy_work work;
  if (const status s = detail::make_hierarchy(in, out, pairs, work); !s.ok()) return s;
  if (const status s = detail::check_hierarchy_content(exec, work, pairs); !s.ok()) return s;
  return for_groups(exec, detail::pieces_of(pairs), work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
