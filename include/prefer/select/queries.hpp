// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/row_map_reduce.hpp>
#include <prefer/core/scalar.hpp>
#include <prefer/select/detail/score_order.hpp>
#include <prefer/select/selection.hpp>

#include <cstdint>
#include <type_traits>

// What to ask a labeller next: scores of pairs by an ensemble of reward models, scores along a direction, and a subset
// of samples that covers all of them. The best by a score are picked by select_top.
namespace prefer {

template <space S>
struct query_inputs {
  input_view<2, S> first = {},
                   second = {};  // [M, n]: returns of both sides under each of M models; second 0 if not given
};
template <space S>
struct query_outputs {
  output_view<1, S> mean = {};          // [n]: of the probability that the first is preferred
  output_view<1, S> disagreement = {};  // [n]: its standard deviation over the models (divided by M)
  output_view<1, S> entropy = {};       // [n]: the mean entropy of a model's answer, in nats
};

template <space S>
struct direction_inputs {
  input_view<2, S> rewards = {};     // [n, K]
  input_view<2, S> directions = {};  // [B, K], one per group (row stride 0: one for all), usually of length 1
  sample_groups<S> groups = {};
};
template <space S>
struct direction_outputs {
  output_view<1, S> score = {};  // [n]: direction . rewards
};

// So many centres per group.
struct k_center {
  std::int64_t count = 1;

  constexpr status check() const {
    return require::that(count >= 0, "count", static_cast<double>(count), "0 or above");
  }
};
template <space S>
struct k_center_inputs {
  input_view<2, S> features = {};  // [n, D]
  input_view<1, S> labelled = {};  // [n] bool or uint8: centres from before
  input_view<1, S> mask = {};      // [n] bool or uint8: zero leaves a sample out; it may hold anything
  sample_groups<S> groups = {};
};
template <space S>
struct k_center_outputs {
  output_view<1, S> centers = {};   // [B, count] as one vector, int32 or int64: in the order they were taken; -1: none
  output_view<1, S> mask = {};      // [n] bool or uint8: 1 for a new centre
  output_view<1, S> radius = {};    // [B]: the largest distance of a sample from its next centre
  output_view<1, S> distance = {};  // [n] double or float, needed as memory: of each sample from its next centre
};

inline namespace PREFER_ABI {
namespace detail {

struct query_work {
  row_source first, second;
  std::int64_t models;
  sink mean, disagreement, entropy;

  PREFER_HD double difference(std::int64_t m, std::int64_t s) const {
    const auto at = [&](const row_source& r) PREFER_HD_LAMBDA {
      return r.data == nullptr ? 0.0 : load_element<double>(r.data, r.type, m * r.row_stride + s * r.stride);
    };
    return at(first) - at(second);
  }
  // Of a choice with probability sigmoid(d). Beyond 800 all is 0, where inf * 0 is not; a NaN stays.
  static PREFER_HD double entropy_of(double d) {
    const double far = math::abs(d), within = far > 800 ? 800 : far;
    return math::softplus(-within) + within * math::sigmoid(-within);
  }
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t s = g.first + i;
      double average = 0, square = 0, nats = 0;  // running, by Welford: one pass over the models
      for (std::int64_t m = 0; m < models; ++m) {
        const double d = difference(m, s), off = math::sigmoid(d) - average;
        average += off / static_cast<double>(m + 1);
        square += off * (off - off / static_cast<double>(m + 1));
        if (entropy.data != nullptr) nats += entropy_of(d);
      }
      const double n = static_cast<double>(models);
      write_item(mean, s, true, average, false);
      write_item(disagreement, s, true, math::sqrt(square / n), false);
      write_item(entropy, s, true, nats / n, false);
    });
  }
};

struct direction_work {
  row_source rewards, directions;
  std::int64_t objectives;
  sink score;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      double sum = 0;
      for (std::int64_t k = 0; k < objectives; ++k)
        sum +=
            load_element<double>(rewards.data, rewards.type, (g.first + i) * rewards.row_stride + k * rewards.stride) *
            load_element<double>(directions.data, directions.type,
                                 g.index * directions.row_stride + k * directions.stride);
      write_item(score, g.first + i, true, sum, false);
    });
  }
};

struct center_work {
  row_source features;
  std::int64_t width, wanted;
  source labelled, mask;
  sink centers, chosen, radius, distance;

  PREFER_HD double distance_of(std::int64_t s, std::int64_t c) const {
    double sum = 0;
    for (std::int64_t d = 0; d < width; ++d) {
      const auto at = [&](std::int64_t row) PREFER_HD_LAMBDA {
        return load_element<double>(features.data, features.type, row * features.row_stride + d * features.stride);
      };
      const double off = at(s) - at(c);
      sum += off * off;
    }
    return math::sqrt(sum);
  }
  PREFER_HD double near(std::int64_t s) const {
    return load_element<double>(distance.data, distance.type, s * distance.stride);
  }
  PREFER_HD bool is_labelled(std::int64_t s) const { return labelled.data != nullptr && selects(labelled, s); }
  // Everyone is as near to c as before, or nearer.
  template <class Team>
  PREFER_HD void add(const Team& team, const group_range& g, std::int64_t c) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t s = g.first + i;
      if (!selects(mask, s)) return;
      const double d = s == c ? 0 : distance_of(s, c);
      if (!math::is_nan(d) && d < near(s)) write_item(distance, s, true, d, false);
    });
  }
  // The farthest sample that can still be taken; none if what is left is where centres are.
  template <class Team>
  PREFER_HD ranked farthest(const Team& team, const group_range& g) const {
    return team.first(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t s = g.first + i;
      const double d = near(s);
      return selects(mask, s) && d > 0 ? ranked{sortable(-d), i} : ranked{left_out, i};
    });
  }

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    const double unreached = 1.7976931348623157e308;
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA {
      write_item(distance, g.first + i, selects(mask, g.first + i), unreached, false);
      write_flag(chosen, g.first + i, false);
    });
    for (std::int64_t i = 0; labelled.data != nullptr && i < g.count; ++i)
      if (is_labelled(g.first + i) && selects(mask, g.first + i)) add(team, g, g.first + i);
    for (std::int64_t k = 0; k < wanted; ++k) {
      const ranked far = farthest(team, g);
      const bool found = far.key != left_out;
      team.once([&]() PREFER_HD_LAMBDA {
        write_index(centers, g.index * wanted + k, found ? g.first + far.item : -1);
        if (found) write_flag(chosen, g.first + far.item, true);
      });
      if (found) add(team, g, g.first + far.item);
    }
    const ranked far = farthest(team, g);
    team.once([&]() PREFER_HD_LAMBDA {
      write_item(radius, g.index, true, far.key == left_out ? 0.0 : near(g.first + far.item), false);
    });
  }
};

template <space S>
status make_query(const query_inputs<S>& in, const query_outputs<S>& out, std::int64_t& n, query_work& w) {
  using require::holds;
  if (!in.first.given()) return require::fail(errc::missing_input, "first", "returns of each model, [M, n]");
  if (const status s = some_output(out.mean, out.disagreement, out.entropy); !s.ok()) return s;
  const std::int64_t m = in.first.extent[0];
  n = in.first.extent[1];
  for (const auto& [name, x, least] : {named_extent{"first", m, 1}, {"first", n, 0}})
    if (x < least)
      return require::fail(errc::bad_extent, name, "at least", static_cast<double>(x), static_cast<double>(least));
  call_checks<2, 3> call;
  call.read("first", in.first, m, n), call.read("second", in.second, m, n);
  call.write("mean", out.mean, n, "the number of pairs,", holds::numbers);
  call.write("disagreement", out.disagreement, n, "the number of pairs,", holds::numbers);
  call.write("entropy", out.entropy, n, "the number of pairs,", holds::numbers);
  w = {place_of(in.first), place_of(in.second),        m,
       place_of(out.mean), place_of(out.disagreement), place_of(out.entropy)};
  return call.check();
}

template <space S>
status make_direction(const direction_inputs<S>& in, const direction_outputs<S>& out, group_table& t,
                      direction_work& w) {
  if (!in.rewards.given()) return require::fail(errc::missing_input, "rewards", "K rewards per sample, [n, K]");
  if (!in.directions.given()) return require::fail(errc::missing_input, "directions", "K numbers per group, [B, K]");
  if (!out.score.given()) return require::fail(errc::missing_output, "score", "one number per sample");
  const std::int64_t n = in.rewards.extent[0], k = in.rewards.extent[1];
  if (const status s = make_groups(in.groups, "rewards", n, t); !s.ok()) return s;
  if (k < 1)
    return require::fail(errc::bad_extent, "rewards", "rewards per sample: at least", static_cast<double>(k), 1);
  call_checks<3, 1> call;
  call.read("rewards", in.rewards, n, k), call.read("directions", in.directions, t.groups, k);
  call.read("groups.offsets", in.groups.offsets, t.groups + 1, "", require::holds::indices);
  call.write("score", out.score, n, "the number of samples,", require::holds::numbers);
  w = {place_of(in.rewards), place_of(in.directions), k, place_of(out.score)};
  return call.check();
}

template <space S>
status make_centers(const k_center& options, const k_center_inputs<S>& in, const k_center_outputs<S>& out,
                    group_table& t, center_work& w) {
  using require::holds;
  if (const status s = options.check(); !s.ok()) return s;
  if (!in.features.given()) return require::fail(errc::missing_input, "features", "D numbers per sample, [n, D]");
  if (!out.distance.given())
    return require::fail(errc::missing_output, "distance", "one number per sample, which the search needs");
  const std::int64_t n = in.features.extent[0], d = in.features.extent[1];
  if (const status s = make_groups(in.groups, "features", n, t); !s.ok()) return s;
  if (d < 1)
    return require::fail(errc::bad_extent, "features", "numbers per sample: at least", static_cast<double>(d), 1);
  constexpr const char* per_sample = "the number of samples,";
  call_checks<4, 4> call;
  call.read("features", in.features, n, d);
  call.read("labelled", in.labelled, n, per_sample, holds::flags),
      call.read("mask", in.mask, n, per_sample, holds::flags);
  call.read("groups.offsets", in.groups.offsets, t.groups + 1, "", holds::indices);
  call.write("centers", out.centers, t.groups * options.count, "`count` per group,", holds::indices);
  call.write("mask", out.mask, n, per_sample, holds::flags);
  call.write("radius", out.radius, t.groups, "the number of groups,", holds::numbers);
  call.write("distance", out.distance, n, per_sample, holds::totals);
  w = {place_of(in.features), d,
       options.count,         place_of(in.labelled),
       place_of(in.mask),     place_of(out.centers),
       place_of(out.mask),    place_of(out.radius),
       place_of(out.distance)};
  return call.check();
}

}  // namespace detail

// How much an ensemble of M models disagrees about each of n pairs, and how unsure its models are:
//
//   p_m = sigmoid(first_m - second_m),   disagreement = std_m p_m,   entropy = mean_m H(p_m)
//
// Pick the largest with select_top. The entropy is log(1 + e^-|d|) + |d| sigmoid(-|d|): no 0 log 0. A NaN return makes
// its pair NaN, and select_top leaves it out. Errors: shapes, element types, memory that overlaps. O(M n); one launch
// on CUDA. Source: RL-VLM-F, Wang et al. 2024, and B-Pref, Lee et al. 2021 (released code).
template <class Exec>
status query_scores(const Exec& exec, const std::type_identity_t<query_inputs<Exec::memory>>& in,
                    const std::type_identity_t<query_outputs<Exec::memory>>& out) {
  std::int64_t n = 0;
  detail::query_work work;
  if (const status s = detail::make_query(in, out, n, work); !s.ok()) return s;
  return for_groups(exec, detail::pieces_of(n), work);
}

// score_i = sum_k v_k r_ik with the direction v of i's group: select_top on it is the directional best-of-n of DPA.
// Sums in double in the order of the rewards; heads have to share a scale before a direction means anything. Errors:
// shapes, element types, memory that overlaps, offsets. O(n K); one launch on CUDA. Source: Wang et al. 2024 (DPA),
// arXiv 2402.18571 (README of the released code).
template <class Exec>
status directional_scores(const Exec& exec, const std::type_identity_t<direction_inputs<Exec::memory>>& in,
                          const std::type_identity_t<direction_outputs<Exec::memory>>& out) {
  detail::group_table groups;
  detail::direction_work work;
  if (const status s = detail::make_direction(in, out, groups, work); !s.ok()) return s;
  if (const status s = detail::check_groups(exec, groups); !s.ok()) return s;
  return for_groups(exec, groups, work);
}

// Greedy k-centre of each group: again and again the sample that is farthest (Euclid) from the centres so far, the
// lowest index on ties, so that the radius is at most twice the best possible (Gonzalez 1985). `labelled` samples are
// centres to begin with; without any the first centre is the first sample. Samples at distance 0 of a centre, or at a
// NaN distance from all, are not taken: then there are fewer centres, and -1. A distance that nothing determined is the
// largest double (infinity as float). Errors: parameters, shapes, element types, memory that overlaps, offsets.
// O(k n D) with the distances kept in `distance`; one launch on CUDA, where a group is the work of one warp or block.
// Source: RL-VLM-F (released code, which recomputes distances); the treatment of duplicates is proposed here. Distances
// of the two backends may differ by a rounding, and then which of two equally far samples comes first.
template <class Exec>
status select_centers(const Exec& exec, const k_center& options,
                      const std::type_identity_t<k_center_inputs<Exec::memory>>& in,
                      const std::type_identity_t<k_center_outputs<Exec::memory>>& out) {
  detail::group_table groups;
  detail::center_work work;
  if (const status s = detail::make_centers(options, in, out, groups, work); !s.ok()) return s;
  if (const status s = detail::check_groups(exec, groups); !s.ok()) return s;
  return for_groups(exec, groups, work);
}

}  // namespace PREFER_ABI
}  // namespace prefer
