// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/outputs.hpp>
#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/select/selection.hpp>

#include <cmath>
#include <cstdint>
#include <type_traits>

// Which labelled pairs to keep: by the confidence of a reward model, by how consistent a judge is within a prompt, by
// what follows from the two sides.
namespace prefer {

// Confidence-driven curation. A reward model is as sure of a pair as p = sigmoid(chosen - rejected).
struct curate_pairs {
  std::int64_t most_examples = 8;  // retrieved for the judges of a pair of which the model is not sure

  constexpr status check() const {
    return require::that(most_examples >= 1, "most_examples", static_cast<double>(most_examples), "1 or above");
  }
};

template <space S>
struct curation_inputs {
  input_view<1, S> chosen = {}, rejected = {};            // [n]: rewards under the best model so far
  input_view<1, S> gold_chosen = {}, gold_rejected = {};  // [n]: under the model that was trained on verified pairs
  input_view<1, S> judge = {};                            // [n] bool or uint8: the judges agree with the label
};
template <space S>
struct curation_outputs {
  output_view<1, S> confidence = {};   // [n]: p
  output_view<1, S> examples = {};     // [n] int32 or int64: how many examples to retrieve
  output_view<1, S> needs_judge = {};  // [n] bool or uint8: p <= 1/2 (or NaN)
  output_view<1, S> consistent = {};   // [n] bool or uint8: gold agrees, and the judges or the best model do
};

// Keep a judge's right answers where it is right often enough.
struct consistency_filter {
  scalar accuracy = 0.5;  // of a group: at least

  constexpr status check() const { return require::not_negative(accuracy, "accuracy"); }
};
template <space S>
struct consistency_inputs {
  input_view<1, S> predicted = {}, label = {};  // [n] bool or uint8: which side a pair's judge and label prefer
  input_view<1, S> mask = {};                   // [n] bool or uint8: zero leaves a pair out
  sample_groups<S> groups = {};
};
template <space S>
struct consistency_outputs {
  output_view<1, S> accuracy = {};  // [B]: right pairs over pairs; 0 for a group without any
  selection_outputs<S> selected = {};
};

// Several judgements of each pair, of which the more frequent counts.
template <space S>
struct vote_inputs {
  input_view<2, S> votes = {};  // [n, J] bool or uint8: the first side is preferred, by each of J judgements
  input_view<2, S> mask = {};   // [n, J] bool or uint8: zero leaves a judgement out
};
template <space S>
struct vote_outputs {
  output_view<1, S> label = {};     // [n]: 1 if the first is preferred, 0 if the second, 1/2 on a tie
  output_view<1, S> majority = {};  // [n] bool or uint8: more than half prefer the first; 0 on a tie
  output_view<1, S> decided = {};   // [n] bool or uint8: 0 on a tie, and where nobody voted
  output_view<1, S> share = {};     // [n]: of the votes, for the first; 1/2 where nobody voted
};

// Keep a pair if what follows from its chosen side is better on average.
template <space S>
struct consequence_inputs {
  input_view<2, S> chosen = {}, rejected = {};  // [n, R], [n, R']: rewards of revisions that were made from each side
};
template <space S>
struct consequence_outputs {
  output_view<1, S> mask = {};            // [n] bool or uint8: the chosen mean is larger
  output_view<1, S> difference = {};      // [n]: of the means
  output_view<1, S> standard_error = {};  // [n]: of that difference; 0 for a side of one revision
};

inline namespace PREFER_ABI {
namespace detail {

struct curation_work {
  source chosen, rejected, gold_chosen, gold_rejected, judge;
  std::int64_t most;
  sink confidence, examples, needs_judge, consistent;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { write(g.first + i); });
  }
  PREFER_HD void write(std::int64_t s) const {
    const double d = read_item<double>(chosen, s) - read_item<double>(rejected, s);
    const bool sure = d > 0 && !math::is_nan(d);
    if (confidence.data != nullptr) write_item(confidence, s, true, math::sigmoid(d), false);
    if (examples.data != nullptr) {
      const auto k = static_cast<std::int64_t>(::ceil(static_cast<double>(most) * math::sigmoid(-(sure ? d : 0.0))));
      write_index(examples, s, !sure ? most : k < 1 ? 1 : k);
    }
    write_flag(needs_judge, s, !sure);
    if (consistent.data == nullptr) return;
    const double gold = read_item<double>(gold_chosen, s) - read_item<double>(gold_rejected, s);
    const bool agrees = gold > 0 && !math::is_nan(gold);
    write_flag(consistent, s, agrees && (sure || (judge.data != nullptr && selects(judge, s))));
  }
};

struct consistency_work {
  source predicted, label, mask;
  scalar least = 0.0;
  sink accuracy;
  selection_sinks to;

  PREFER_HD bool right(std::int64_t s) const { return selects(mask, s) && selects(predicted, s) == selects(label, s); }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const std::int64_t n =
        team.total(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { return selects(mask, g.first + i) ? 1 : 0; });
    const std::int64_t k =
        team.total(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { return right(g.first + i) ? 1 : 0; });
    const double rate = n > 0 ? static_cast<double>(k) / static_cast<double>(n) : 0;
    const bool kept = n > 0 && rate >= least.as<double>();
    to.write(team, g, kept ? k : 0, [&](std::int64_t i) PREFER_HD_LAMBDA { return kept && right(g.first + i); });
    team.once([&]() PREFER_HD_LAMBDA { write_item(accuracy, g.index, true, rate, false); });
  }
};

struct vote_work {
  row_source votes, mask;
  std::int64_t judges;
  sink label, majority, decided, share;

  static PREFER_HD bool is_set(const row_source& r, std::int64_t row, std::int64_t j) {
    return load_element<float>(r.data, r.type, row * r.row_stride + j * r.stride) != 0.0f;
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t s = g.first + i;
      std::int64_t all = 0, first = 0;
      for (std::int64_t j = 0; j < judges; ++j) {
        if (mask.data != nullptr && !is_set(mask, s, j)) continue;
        ++all, first += is_set(votes, s, j) ? 1 : 0;
      }
      const std::int64_t lead = 2 * first - all;
      write_item(label, s, true, lead > 0 ? 1.0 : lead < 0 ? 0.0 : 0.5, false);
      write_flag(majority, s, lead > 0);
      write_flag(decided, s, lead != 0);
      write_item(share, s, true, all > 0 ? static_cast<double>(first) / static_cast<double>(all) : 0.5, false);
    });
  }
};

// Mean and squared error of the mean of a row.
struct row_mean {
  double mean = 0, error = 0;
};
PREFER_HD row_mean mean_of(const row_source& r, std::int64_t row, std::int64_t n) {
  const auto at = [&](std::int64_t k) PREFER_HD_LAMBDA {
    return load_element<double>(r.data, r.type, row * r.row_stride + k * r.stride);
  };
  row_mean m;
  for (std::int64_t k = 0; k < n; ++k) m.mean += at(k);
  m.mean /= static_cast<double>(n);
  for (std::int64_t k = 0; k < n; ++k) m.error += (at(k) - m.mean) * (at(k) - m.mean);
  m.error = n > 1 ? m.error / (static_cast<double>(n - 1) * static_cast<double>(n)) : 0;
  return m;
}

struct consequence_work {
  row_source chosen, rejected;
  std::int64_t chosen_count, rejected_count;
  sink mask, difference, standard_error;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t s = g.first + i;
      const row_mean a = mean_of(chosen, s, chosen_count), b = mean_of(rejected, s, rejected_count);
      const double d = a.mean - b.mean;
      write_flag(mask, s, d > 0 && !math::is_nan(d));
      write_item(difference, s, true, d, false);
      write_item(standard_error, s, true, math::sqrt(a.error + b.error), false);
    });
  }
};

template <space S>
status make_curation(const curate_pairs& options, const curation_inputs<S>& in, const curation_outputs<S>& out,
                     std::int64_t& n, curation_work& w) {
  using require::holds;
  if (const status s = options.check(); !s.ok()) return s;
  if (!in.chosen.given()) return require::fail(errc::missing_input, "chosen", "one reward per pair");
  if (!in.rejected.given()) return require::fail(errc::missing_input, "rejected", "one reward per pair");
  if (const status s = some_output(out.confidence, out.examples, out.needs_judge, out.consistent); !s.ok()) return s;
  const bool gold = in.gold_chosen.given() && in.gold_rejected.given();
  if (out.consistent.given() && !gold)
    return require::fail(errc::missing_input, in.gold_chosen.given() ? "gold_rejected" : "gold_chosen",
                         "the gold model's reward per pair, for consistent");
  n = in.chosen.extent[0];
  if (n < 0) return require::fail(errc::bad_extent, "chosen", "at least", static_cast<double>(n), 0);
  constexpr const char* per_pair = "the number of pairs,";
  call_checks<5, 4> call;
  call.read("chosen", in.chosen, n, "", holds::numbers),
      call.read("rejected", in.rejected, n, per_pair, holds::numbers);
  call.read("gold_chosen", in.gold_chosen, n, per_pair, holds::numbers);
  call.read("gold_rejected", in.gold_rejected, n, per_pair, holds::numbers);
  call.read("judge", in.judge, n, per_pair, holds::flags);
  call.write("confidence", out.confidence, n, per_pair, holds::numbers);
  call.write("examples", out.examples, n, per_pair, holds::indices);
  call.write("needs_judge", out.needs_judge, n, per_pair, holds::flags);
  call.write("consistent", out.consistent, n, per_pair, holds::flags);
  w = {place_of(in.chosen),       place_of(in.rejected),   place_of(in.gold_chosen), place_of(in.gold_rejected),
       place_of(in.judge),        options.most_examples,   place_of(out.confidence), place_of(out.examples),
       place_of(out.needs_judge), place_of(out.consistent)};
  return call.check();
}

template <space S>
status make_consistency(const consistency_filter& options, const consistency_inputs<S>& in,
                        const consistency_outputs<S>& out, group_table& t, consistency_work& w) {
  using require::holds;
  if (const status s = options.check(); !s.ok()) return s;
  if (!in.predicted.given()) return require::fail(errc::missing_input, "predicted", "one flag per pair");
  if (!in.label.given()) return require::fail(errc::missing_input, "label", "one flag per pair");
  if (const status s = out.accuracy.given() ? status{} : some_selection(out.selected); !s.ok()) return s;
  const std::int64_t n = in.predicted.extent[0];
  if (const status s = make_groups(in.groups, "predicted", n, t); !s.ok()) return s;
  constexpr const char* per_pair = "the number of pairs,";
  call_checks<4, 6> call;
  call.read("predicted", in.predicted, n, "", holds::flags), call.read("label", in.label, n, per_pair, holds::flags);
  call.read("mask", in.mask, n, per_pair, holds::flags);
  call.read("groups.offsets", in.groups.offsets, t.groups + 1, "", holds::indices);
  call.write("accuracy", out.accuracy, t.groups, "the number of groups,", holds::numbers);
  w.predicted = place_of(in.predicted), w.label = place_of(in.label), w.mask = place_of(in.mask);
  w.least = options.accuracy;
  w.accuracy = place_of(out.accuracy);
  return make_selection_sinks(out.selected, t, call, w.to);
}

template <space S>
status make_vote(const vote_inputs<S>& in, const vote_outputs<S>& out, std::int64_t& n, vote_work& w) {
  using require::holds;
  if (!in.votes.given()) return require::fail(errc::missing_input, "votes", "judgements of each pair, [n, J]");
  if (const status s = some_output(out.label, out.majority, out.decided, out.share); !s.ok()) return s;
  const std::int64_t judges = in.votes.extent[1];
  n = in.votes.extent[0];
  for (const auto& [name, x, least] : {named_extent{"votes", n, 0}, {"votes", judges, 1}})
    if (x < least)
      return require::fail(errc::bad_extent, name, "at least", static_cast<double>(x), static_cast<double>(least));
  call_checks<2, 4> call;
  call.first = first_error(check_optional("votes", in.votes, n, judges, holds::flags),
                           check_optional("mask", in.mask, n, judges, holds::flags));
  if (call.first.ok()) call.all.read("votes", in.votes), call.all.read("mask", in.mask);
  constexpr const char* per_pair = "the number of pairs,";
  call.write("label", out.label, n, per_pair, holds::numbers);
  call.write("majority", out.majority, n, per_pair, holds::flags);
  call.write("decided", out.decided, n, per_pair, holds::flags);
  call.write("share", out.share, n, per_pair, holds::numbers);
  w = {place_of(in.votes),    place_of(in.mask),  judges, place_of(out.label), place_of(out.majority),
       place_of(out.decided), place_of(out.share)};
  return call.check();
}

template <space S>
status make_consequence(const consequence_inputs<S>& in, const consequence_outputs<S>& out, std::int64_t& n,
                        consequence_work& w) {
  using require::holds;
  if (!in.chosen.given()) return require::fail(errc::missing_input, "chosen", "rewards of revisions, [n, R]");
  if (!in.rejected.given()) return require::fail(errc::missing_input, "rejected", "rewards of revisions, [n, R]");
  if (const status s = some_output(out.mask, out.difference, out.standard_error); !s.ok()) return s;
  n = in.chosen.extent[0];
  if (n < 0) return require::fail(errc::bad_extent, "chosen", "at least", static_cast<double>(n), 0);
  const std::int64_t r = in.chosen.extent[1], q = in.rejected.extent[1];
  for (const auto& [name, count, least] : {named_extent{"chosen", r, 1}, {"rejected", q, 1}})
    if (count < least)
      return require::fail(errc::bad_extent, name, "revisions per pair: at least", static_cast<double>(count),
                           static_cast<double>(least));
  call_checks<2, 3> call;
  call.read("chosen", in.chosen, n, r), call.read("rejected", in.rejected, n, q);
  call.write("mask", out.mask, n, "the number of pairs,", holds::flags);
  call.write("difference", out.difference, n, "the number of pairs,", holds::numbers);
  call.write("standard_error", out.standard_error, n, "the number of pairs,", holds::numbers);
  w = {place_of(in.chosen),      place_of(in.rejected),       r, q, place_of(out.mask),
       place_of(out.difference), place_of(out.standard_error)};
  return call.check();
}

}  // namespace detail

// What to do with each of n labelled pairs, by d = chosen - rejected under the best reward model so far:
//
//   confidence   p = sigmoid(d)
//   examples     most_examples if p <= 1/2, else ceil(most_examples (1 - p)), at least 1: how many similar verified
//                pairs a judge is shown
//   needs_judge  p <= 1/2: the model disagrees with the label (or is undecided); else the pair is kept as it is
//   consistent   gold_chosen > gold_rejected, and the judges agree with the label or the best model does (without
//                `judge`: the model). Pairs that are not can be used with their sides exchanged.
//
// 1 - p is computed as sigmoid(-d), so that examples does not become 0 where p rounds to 1. A NaN reward makes the
// model unsure. Errors: parameters, shapes, element types, memory that overlaps. One pass, one launch on CUDA. Source:
// Liu et al. 2025 (Skywork-Reward-V2), arXiv 2507.01352 (read in the paper); the floor of 1 is proposed here.
template <class Exec>
status curate(const Exec& exec, const curate_pairs& options,
              const std::type_identity_t<curation_inputs<Exec::memory>>& in,
              const std::type_identity_t<curation_outputs<Exec::memory>>& out) {
  std::int64_t n = 0;
  detail::curation_work work;
  if (const status s = detail::make_curation(options, in, out, n, work); !s.ok()) return s;
  return for_groups(exec, detail::pieces_of(n), work);
}

// Keeps the pairs of each group (the pairs of one prompt, judged by one rubric) that the judge gets right, if it gets
// at least `accuracy` of the group right; otherwise none. Errors: parameters, shapes, element types, memory that
// overlaps, offsets. O(n); lists need a workspace, see select/selection.hpp. Source: Liu et al. 2025 (OpenRubrics),
// arXiv 2510.07743 (read in the paper).
template <class Exec>
status select(const Exec& exec, const consistency_filter& options,
              const std::type_identity_t<consistency_inputs<Exec::memory>>& in,
              const std::type_identity_t<consistency_outputs<Exec::memory>>& out) {
  detail::group_table groups;
  detail::consistency_work work;
  if (const status s = detail::make_consistency(options, in, out, groups, work); !s.ok()) return s;
  if (const status s = detail::check_groups(exec, groups); !s.ok()) return s;
  return detail::run_selection(exec, groups, work);
}

// Majority vote over J judgements of each of n pairs (voting@5 with J = 5): whoever more of them prefer. A tie,
// possible where J is even or judgements are left out, is no preference: leave it out by `decided`, or learn from label
// 1/2. `majority` may be the `predicted` of a consistency_filter, `label` a loss's label, `share` a soft one. Errors:
// shapes, element types, memory that overlaps. O(n J); one launch on CUDA. Source: Liu et al. 2025 (OpenRubrics), arXiv
// 2510.07743 (read in the paper, which votes with 5); ties are proposed here.
template <class Exec>
status majority_vote(const Exec& exec, const std::type_identity_t<vote_inputs<Exec::memory>>& in,
                     const std::type_identity_t<vote_outputs<Exec::memory>>& out) {
  std::int64_t n = 0;
  detail::vote_work work;
  if (const status s = detail::make_vote(in, out, n, work); !s.ok()) return s;
  return for_groups(exec, detail::pieces_of(n), work);
}

// Validates pairs by their consequences: revisions are made from either side (of a critique, say) and scored by a
// reward model; a pair is kept if and only if the mean of its chosen side is larger. The standard error is that of the
// difference of the means, sqrt(var / R + var' / R') with variances over R - 1. A NaN keeps a pair out. Sums in double,
// in order. Errors: shapes, element types, memory that overlaps. One launch on CUDA. Source: Lan et al. 2024
// (MultiCritique), arXiv 2410.15287, from a summary; the standard error is proposed here.
template <class Exec>
status validate_by_consequence(const Exec& exec, const std::type_identity_t<consequence_inputs<Exec::memory>>& in,
                               const std::type_identity_t<consequence_outputs<Exec::memory>>& out) {
  std::int64_t n = 0;
  detail::consequence_work work;
  if (const status s = detail::make_consequence(in, out, n, work); !s.ok()) return s;
  return for_groups(exec, detail::pieces_of(n), work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
