// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/host_scratch.hpp>
#include <prefer/select/detail/score_order.hpp>
#include <prefer/select/detail/sort_entries.hpp>
#include <prefer/select/selection.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Ranks of scores within their group, as numbers between 0 and 1.
namespace prefer {

template <space S>
struct normalized_rank_inputs {
  input_view<1, S> score = {};  // [n]; a NaN has no rank, and counts nowhere
  input_view<1, S> mask = {};   // [n] bool or uint8: zero leaves a sample out; it may hold anything
  sample_groups<S> groups = {};
};
// Any of them may be left out, not all. 0 for what the mask leaves out, NaN for a NaN.
template <space S>
struct normalized_rank_outputs {
  output_view<1, S> normalized = {};  // [n]: (rank - 1/2) / samples of the group
  output_view<1, S> rank = {};        // [n]: from 1, the smallest score's; of equal scores the mean of their ranks
};

inline namespace PREFER_ABI {
namespace detail {

struct score_rank_call {
  score_order order;
  sink normalized, rank;

  // Of `ranked` samples `less` are smaller and `equal`, itself among them, are the same.
  PREFER_HD void write(std::int64_t s, std::int64_t less, std::int64_t equal, std::int64_t ranked) const {
    const auto twice = static_cast<double>(2 * less + equal);
    write_item(normalized, s, true, twice / static_cast<double>(2 * ranked), false);
    write_item(rank, s, true, 0.5 * (twice + 1), false);
  }
  PREFER_HD void write_unranked(std::int64_t s) const {
    const double x = selects(order.mask, s) ? math::detail::not_a_number<double>() : 0;
    write_item(normalized, s, true, x, false);
    write_item(rank, s, true, x, false);
  }
};

template <space S>
status make_score_ranks(const normalized_rank_inputs<S>& in, const normalized_rank_outputs<S>& out, group_table& t,
                  score_rank_call& c) {
  using require::holds;
  if (!in.score.given()) return require::fail(errc::missing_input, "score", "one number per sample");
  if (const status s = some_output(out.normalized, out.rank); !s.ok()) return s;
  const std::int64_t n = in.score.extent[0];
  if (const status s = make_groups(in.groups, "score", n, t); !s.ok()) return s;
  constexpr const char* per_sample = "the number of samples,";
  call_checks<3, 2> call;
  call.read("score", in.score, n, "", holds::numbers), call.read("mask", in.mask, n, per_sample, holds::flags);
  call.read("groups.offsets", in.groups.offsets, t.groups + 1, "", holds::indices);
  call.write("normalized", out.normalized, n, per_sample, holds::numbers);
  call.write("rank", out.rank, n, per_sample, holds::numbers);
  c.order.score = place_of(in.score), c.order.mask = place_of(in.mask), c.order.smallest = true;
  c.normalized = place_of(out.normalized), c.rank = place_of(out.rank);
  return call.check();
}

// On the CPU: a group is sorted by one thread.
struct sort_score_ranks {
  score_rank_call call;
  sort_entry *entries, *spare;  // [n] each

  std::int64_t gather(const group_range& g, sort_entry* to) const {
    std::uint64_t keys[tile_items];
    std::int64_t n = 0;
    for (std::int64_t i = 0; i < g.count; i += tile_items) {
      const int count = static_cast<int>(smaller(tile_items, g.count - i));
      call.order.fill(g.first + i, count, keys);
      for (int k = 0; k < count; ++k) {
        if (keys[k] == left_out)
          call.write_unranked(g.first + i + k);
        else
          to[n++] = {keys[k], g.first + i + k};
      }
    }
    return n;
  }
  template <class Team>
  void operator()(const Team&, const group_range& g) const {
    sort_entry* const mine = entries + g.first;
    const std::int64_t n = gather(g, mine);
    if (n > 0) sort_by_key(mine, spare + g.first, n);
    for (std::int64_t i = 0, end; i < n; i = end) {
      for (end = i + 1; end < n && mine[end].key == mine[i].key;) ++end;
      for (std::int64_t j = i; j < end; ++j) call.write(mine[j].at, i, end - i, n);
    }
  }
};

inline std::size_t score_rank_bytes(std::int64_t n, sort_score_ranks& w, void* memory = nullptr) {
  arena a = memory != nullptr ? arena(memory) : arena();
  w.entries = a.take<sort_entry>(n);
  w.spare = a.take<sort_entry>(n);
  return a.bytes();
}

inline status run_score_ranks(const cpu& exec, const group_table& groups, const score_rank_call& call) {
  sort_score_ranks work{call, nullptr, nullptr};
  host_scratch scratch;
  if (const status s = scratch.provide(exec.workspace, score_rank_bytes(groups.samples, work)); !s.ok()) return s;
  score_rank_bytes(groups.samples, work, scratch.data);
  return for_groups(exec, groups, work);
}
template <class Exec>
status run_score_ranks(const Exec&, const group_table&, const score_rank_call&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

}  // namespace detail

// Bytes of workspace of normalized_ranks on the CPU: 32 per sample.
inline std::size_t normalized_ranks_workspace(const cpu&, std::int64_t samples) {
  detail::sort_score_ranks work{};
  return samples < 0 ? 0 : detail::score_rank_bytes(samples, work);
}

// Rank normalisation: of the n samples of a group that take part, rank 1 being the smallest score,
//
//   normalized_i = (rank_i - 1/2) / n = (2 less_i + equal_i) / (2 n)  in (0, 1)
//
// with less_i samples below i and equal_i as large (midranks: the mean of the ranks that equal scores share). A
// quantile of the group whatever the scale of a score, of mean 1/2: what makes rewards of several models comparable
// before they are added, and leaves their order alone. Scores 3, 1, 2 become 5/6, 1/6, 1/2. 0 and -0 are equal,
// infinite scores are the ends. Integers are counted, so that both backends have the same bits; half and bfloat16 hold
// ranks up to 2048 and 256 exactly. Errors: shapes, element types, memory that overlaps, offsets, with content::all a
// NaN score. O(n log n), a workspace of normalized_ranks_workspace bytes or one allocation; on CUDA one launch for
// groups of up to 512 samples on average, O(n^2) comparisons each, and one sort beyond. Source: AttriCtrl, arXiv
// 2508.02151 (from a summary); midranks are proposed here.
template <class Exec>
status normalized_ranks(const Exec& exec, const std::type_identity_t<normalized_rank_inputs<Exec::memory>>& in,
                        const std::type_identity_t<normalized_rank_outputs<Exec::memory>>& out) {
  detail::group_table groups;
  detail::score_rank_call call;
  if (const status s = detail::make_score_ranks(in, out, groups, call); !s.ok()) return s;
  if (const status s = detail::check_groups(exec, groups); !s.ok()) return s;
  if (const status s = detail::check_numbers(exec, "score", call.order.score, call.order.mask, groups.samples); !s.ok())
    return s;
  return run_score_ranks(exec, groups, call);
}

}  // namespace PREFER_ABI
}  // namespace prefer
