// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/outputs.hpp>
#include <prefer/select/detail/present_rows.hpp>
#include <prefer/select/objectives.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// The knee of a front: the sample that lies furthest beyond the plane through its extremes. Objectives are scaled over
// the front, u_k = 0 for its worst value (nadir), 1 for its best (ideal), so that more is better; an extreme is 1 in
// one objective and 0 in the others, and
//   distance(i) = (sum over k of u_k(i) - 1) / sqrt(K'),   K' objectives in which the front is not flat,
// of which flat ones are left out of the sum too. For two objectives this is the distance from the line through the two
// ends of the front (Das 1999, Branke et al. 2004); for more the plane goes through the unit points, which need not be
// samples (proposed here: planes through the extreme samples may degenerate). The largest distance wins, of equal ones
// the lowest number. Below 0 for all: the front is bent the other way, and the least bad sample is named.
// Infinite values count as the limit of a growing number: of -M and M for M to infinity. NaN by the nan_policy.
namespace prefer {

struct knee_point {
  prefer::objectives objectives = {};  // dominance, tolerances and duplicates play no part
};

template <space S>
struct knee_point_inputs {
  objective_samples<S> samples = {};  // with constraints only the samples with the least violation are looked at
  // [samples] int32 or int64, as of non_dominated_ranks: those with rank 0 are the front. All samples unless given.
  input_view<1, S> rank = {};
};

// Any of them may be left out, not all.
template <space S>
struct knee_point_outputs {
  output_view<1, S> index = {};     // [B] int32 or int64: the number of the sample; -1 in a group without any
  output_view<1, S> distance = {};  // [B] numbers; 0 for a front that is flat in all objectives or has no sample
};

inline namespace PREFER_ABI {
namespace detail {

struct knee_call {
  objective_table table;  // without steps
  source rank;
  sink index, distance;

  PREFER_HD bool in_front(std::int64_t s) const {
    return rank.data == nullptr || load_index(rank.data, rank.type, s * rank.stride) == 0;
  }
};

// A key over the range of its front, from 0 to 1; 0 if the front is flat.
PREFER_HD double scaled_gain(double key, double nadir, double ideal) {
  const double infinite = math::detail::infinity<double>();
  if (!(ideal > nadir)) return 0;
  const int open = (ideal == infinite) + (nadir == -infinite);
  if (open > 0) return static_cast<double>((key == infinite) + (key > -infinite && nadir == -infinite)) / open;
  const double range = ideal - nadir;
  return range < infinite ? (key - nadir) / range : (0.5 * key - 0.5 * nadir) / (0.5 * ideal - 0.5 * nadir);
}

// Of a sample of a front with these ends, whose keys are key(k).
template <class Key>
PREFER_HD double knee_distance(int count, const Key& key, const double* nadir, const double* ideal) {
  double sum = 0;
  int wide = 0;
  for (int k = 0; k < count; ++k) {
    sum += scaled_gain(key(k), nadir[k], ideal[k]);
    wide += ideal[k] > nadir[k] ? 1 : 0;
  }
  return wide > 0 ? (sum - 1) / math::sqrt(static_cast<double>(wide)) : 0;
}

// The keys of a sample one after the other.
struct key_row {
  const double* at;
  PREFER_HD double operator()(int k) const { return at[k]; }
};

struct knee_answer {
  std::int64_t sample = -1;
  double distance = 0;

  // The furthest of both, the lowest number on ties.
  PREFER_HD void merge(const knee_answer& other) {
    const bool further = other.distance > distance || (other.distance == distance && other.sample < sample);
    if (other.sample >= 0 && (sample < 0 || further)) *this = other;
  }
};

template <space S>
status make_knee_call(const knee_point& options, const knee_point_inputs<S>& in, const knee_point_outputs<S>& out,
                      knee_call& call) {
  using require::holds;
  if (const status s = make_objective_table(options.objectives, in.samples, call.table); !s.ok()) return s;
  call.table.stepped = false;
  if (!out.index.given() && !out.distance.given())
    return require::fail(errc::missing_output, "outputs", "at least one output to write");
  call.rank = place_of(in.rank), call.index = place_of(out.index), call.distance = place_of(out.distance);
  if (const status s = first_error(
          check_optional("rank", in.rank, call.table.samples, "the number of samples,", holds::indices),
          check_optional("index", out.index, call.table.groups, "the number of groups,", holds::indices),
          check_optional("distance", out.distance, call.table.groups, "the number of groups,", holds::numbers));
      !s.ok())
    return s;
  require::footprints<6, 2> all;
  read_samples(in.samples, all);
  all.read("rank", in.rank);
  all.write("index", out.index), all.write("distance", out.distance);
  return all.check();
}

template <class Exec>
status run_knee_point(const Exec&, const knee_call&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

// On the CPU: one group, in two passes.
template <class T>
class knee_search {
 public:
  knee_search(isa level, const knee_call& call, const group_rows& g)
      : level_(level), call_(call), group_(g), violation_(least_violation(call.table, g)) {
    std::fill_n(nadir_, call.table.count, math::detail::infinity<double>());
    std::fill_n(ideal_, call.table.count, -math::detail::infinity<double>());
  }

  // The answer is the first sample of the group that has a NaN, or -1.
  std::int64_t run(knee_answer& answer) {
    const std::int64_t nan = each([&](const double* x, std::int64_t) { extend(x); });
    each([&](const double* x, std::int64_t sample) {
      answer.merge({sample, knee_distance(call_.table.count, key_row{x}, nadir_, ideal_)});
    });
    return nan;
  }

 private:
  const isa level_;
  const knee_call& call_;
  const group_rows& group_;
  const double violation_;
  double nadir_[objectives::most], ideal_[objectives::most];

  // f(keys, number) of the samples of the front.
  template <class F>
  std::int64_t each(F f) const {
    return each_tile<T>(level_, call_.table, group_, violation_, [&](const objective_tile<T>& tile) {
      each_present(tile, [&](int i) {
        const std::int64_t sample = group_.first + tile.first + i;
        if (!call_.in_front(sample)) return;
        double x[objectives::most];
        for (int k = 0; k < call_.table.count; ++k) x[k] = tile.keys[k * tile.stride + i];
        f(x, sample);
      });
    });
  }
  void extend(const double* x) {
    for (int k = 0; k < call_.table.count; ++k)
      nadir_[k] = std::min(nadir_[k], x[k]), ideal_[k] = std::max(ideal_[k], x[k]);
  }
};

// The memory: answers of all groups, since nothing is written before NaN is looked for.
inline status run_knee_point(const cpu& exec, const knee_call& call) {
  const objective_table& t = call.table;
  isa level;
  if (const status s = first_error(resolve_isa(exec, level), check_runner(exec)); !s.ok()) return s;
  if (exec.content != content::none)
    if (const status s = check_group_offsets(t); !s.ok()) return s;
  arena measured;
  measured.take<knee_answer>(t.groups);
  host_scratch scratch;
  if (const status s = scratch.provide(exec.workspace, measured.bytes()); !s.ok()) return s;
  knee_answer* const answers = arena(scratch.data).take<knee_answer>(t.groups);
  const std::int64_t nan = group_tasks(t).run(exec, [&](std::int64_t first, std::int64_t end, std::int64_t) {
    std::int64_t found = -1;
    for (std::int64_t b = first; b < end; ++b) {
      const group_rows g = t.group(b);
      answers[b] = {};
      const std::int64_t at = t.needs_double() ? knee_search<double>(level, call, g).run(answers[b])
                                               : knee_search<float>(level, call, g).run(answers[b]);
      if (found < 0 && at >= 0) found = g.first + at;
    }
    return found;
  });
  if (nan >= 0 && t.nan == nan_policy::reject && exec.content != content::none) return nan_sample_of(t, nan);
  for (std::int64_t b = 0; b < t.groups; ++b) {
    store_index(call.index, b, answers[b].sample);
    store_number(call.distance, b, answers[b].distance);
  }
  return {};
}

}  // namespace detail

// Bytes of workspace of knee_points on the CPU: 16 per group. 0 for views that do not fit together.
template <space S>
std::size_t knee_points_workspace(const cpu&, const knee_point& options, const knee_point_inputs<S>& in) {
  detail::objective_table t;
  if (!detail::make_objective_table(options.objectives, in.samples, t).ok()) return 0;
  detail::arena memory;
  memory.take<detail::knee_answer>(t.groups);
  return memory.bytes();
}

template <class Exec>
status knee_points(const Exec& exec, const knee_point& options,
                   const std::type_identity_t<knee_point_inputs<Exec::memory>>& in,
                   const std::type_identity_t<knee_point_outputs<Exec::memory>>& out) {
  detail::knee_call call;
  if (const status s = detail::make_knee_call(options, in, out, call); !s.ok()) return s;
  return run_knee_point(exec, call);
}

}  // namespace PREFER_ABI
}  // namespace prefer
