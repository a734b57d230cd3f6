// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/select/detail/sort_entries.hpp>
#include <prefer/shape/detail/active_forest.hpp>
#include <prefer/shape/detail/line_projection.hpp>
#include <prefer/shape/detail/ordered_sum.hpp>
#include <prefer/shape/lipschitz_extension.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// The L-Lipschitz values nearest to given ones in weighted least squares, with a certificate.
namespace prefer {

struct lipschitz_projection {
  scalar constant = 1.0;     // L: units of the values per unit of the metric; 0 makes all values equal
  double tolerance = 1e-6;   // ends when `error` is at most this many standard deviations of the values
  std::int64_t rounds = 64;  // or after so many looks at all pairs

  constexpr status check() const {
    if (rounds < 1) return require::fail(errc::bad_parameter, "rounds", "at least", static_cast<double>(rounds), 1);
    return first_error(require::not_negative(constant, "constant"),
                       require::not_negative(scalar(tolerance), "tolerance"));
  }
};

template <space S>
struct projection_inputs {
  value_samples<S> samples = {};
  input_view<1, S> weight = {};  // N: above 0; 1 if not given
};

// Any of them may be left out, not all.
template <space S>
struct projection_outputs {
  output_view<1, S> value = {};      // N: NaN for a sample that is left out
  output_view<1, S> component = {};  // N: the lowest sample of those that move together; -1 for one that is left out
  output_view<1, S> error = {};      // 1: at most so far from the exact ones, root of the weighted mean square
  output_view<1, S> rounds = {};     // 1: how often all pairs were looked at, int32 or int64
};

// What the projection wrote, and the gradient that comes from above.
template <space S>
struct projection_gradient_inputs {
  input_view<1, S> component = {};  // N
  input_view<1, S> gradient = {};   // N: dF / df
  input_view<1, S> weight = {};     // N: as the projection had them
  input_view<1, S> value = {};      // N: f; for the gradient by the constant alone
};

// Either may be left out.
template <space S>
struct projection_gradient_outputs {
  output_view<1, S> value = {};     // N: by the values that were projected
  output_view<1, S> constant = {};  // 1: by L; double or float
};

inline namespace PREFER_ABI {
namespace detail {

struct projection_sinks {
  sink value, component, error, rounds;
};

// The samples of a call, in double.
struct projection_samples {
  std::int64_t n = 0;
  double *reward = nullptr, *weight = nullptr;  // the value less the mean; weight 0: it is left out
  double* part = nullptr;                       // of sums
  double* number = nullptr;                     // mean, sum of weights, standard deviation, largest deviation
  std::uint8_t* counts = nullptr;

  template <class Memory>
  void carve(Memory& memory, std::int64_t samples) {
    n = samples;
    reward = memory.template take<double>(n), weight = memory.template take<double>(n);
    part = memory.template take<double>(sum_parts + 1), number = memory.template take<double>(4);
    counts = memory.template take<std::uint8_t>(n);
  }
};

// What a call keeps between its looks at all pairs.
struct projection_state : projection_samples {
  active_forest forest;
  double *upper = nullptr, *lower = nullptr;                                       // envelopes of f
  double *upper_bound = nullptr, *lower_bound = nullptr;                           // L times how far their samples are
  std::int64_t *upper_index = nullptr, *lower_index = nullptr, *lowest = nullptr;  // lowest: member of a tree, by label
  double* least_error = nullptr;                                                   // so far
  std::int64_t* count = nullptr;                                                   // looks so far
  std::uint8_t* done = nullptr;

  template <class Memory>
  void carve(Memory& memory, std::int64_t samples) {
    projection_samples::carve(memory, samples);
    forest.carve(memory, n), forest.reward = reward, forest.weight = weight;
    for (double** a : {&upper, &lower, &upper_bound, &lower_bound}) *a = memory.template take<double>(n);
    for (std::int64_t** a : {&upper_index, &lower_index, &lowest}) *a = memory.template take<std::int64_t>(n);
    least_error = memory.template take<double>(1), count = memory.template take<std::int64_t>(1);
    done = memory.template take<std::uint8_t>(1);
  }

  // Every sample a tree of its own.
  template <class Team>
  PREFER_HD void begin(const Team& team, const row_source&) const {
    team.once([&]() PREFER_HD_LAMBDA {
      *least_error = math::detail::infinity<double>();
      *count = 0, *done = 0;
    });
    forest.begin(team);
  }
};

// Samples in the order in which they are on a line, those that are left out behind them.
struct line_order {
  std::int64_t n = 0;
  std::uint64_t* key = nullptr;
  std::int64_t* sample = nullptr;
  std::uint64_t* spare = nullptr;  // 4 n

  PREFER_HD std::int64_t* places() const { return reinterpret_cast<std::int64_t*>(spare + n); }

  template <class Memory>
  void carve(Memory& memory, std::int64_t samples) {
    n = samples;
    key = memory.template take<std::uint64_t>(n), sample = memory.template take<std::int64_t>(n);
    spare = memory.template take<std::uint64_t>(4 * n);
  }
};
inline std::size_t order_bytes(const cpu&, const line_order&) { return 0; }
inline status sort_line(const cpu&, const line_order& o) {
  sort_entry* const entries = reinterpret_cast<sort_entry*>(o.spare);
  for (std::int64_t i = 0; i < o.n; ++i) entries[i] = {o.key[i], i};
  sort_by_key(entries, entries + o.n, o.n);
  for (std::int64_t k = 0; k < o.n; ++k) o.sample[k] = entries[k].at;
  return {};
}

struct line_state : projection_samples {
  line_projection line;
  line_order order;

  template <class Memory>
  void carve(Memory& memory, std::int64_t samples) {
    projection_samples::carve(memory, samples);
    line.carve(memory, n), order.carve(memory, n);
  }
  template <class Team>
  PREFER_HD void begin(const Team& team, const row_source& point) const {
    team.each(n, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const double x = load_element<double>(point.data, point.type, i * point.row_stride);
      order.key[i] = counts[i] != 0 ? sortable(x) : left_out, order.places()[i] = i;
    });
  }
};

// Which samples count, and their values less the mean.
template <class State>
struct projection_begin {
  State state;
  row_source point;
  source value, weight, mask;
  std::int64_t width;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range&) const {
    const projection_samples& t = state;
    team.each(t.n, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const double w = read_item<double>(weight, i);
      const bool counts = is_point<double>(point, value, mask, width, i) && math::is_finite(w) && w > 0;
      t.counts[i] = counts ? 1 : 0;
      t.weight[i] = counts ? w : 0, t.reward[i] = counts ? read_item<double>(value, i) : 0;
    });
    scale_weights(team);
    const double weights = ordered_sum(team, t.n, t.part, [&](std::int64_t i) PREFER_HD_LAMBDA { return t.weight[i]; });
    const double sum =
        ordered_sum(team, t.n, t.part, [&](std::int64_t i) PREFER_HD_LAMBDA { return t.weight[i] * t.reward[i]; });
    const double mean = weights > 0 ? sum / weights : 0;
    team.each(t.n, [&](std::int64_t i) PREFER_HD_LAMBDA {
      if (t.counts[i] != 0) t.reward[i] -= mean;
    });
    const double squares = ordered_sum(
        team, t.n, t.part, [&](std::int64_t i) PREFER_HD_LAMBDA { return t.weight[i] * t.reward[i] * t.reward[i]; });
    const ranked largest = team.first(t.n, [&](std::int64_t i) PREFER_HD_LAMBDA {
      return ranked{sortable(-math::abs(t.reward[i])), i};
    });
    team.once([&]() PREFER_HD_LAMBDA {
      t.number[0] = mean, t.number[1] = weights;
      t.number[2] = weights > 0 ? math::sqrt(squares / weights) : 0;
      t.number[3] = largest.item < 0 ? 0 : math::abs(t.reward[largest.item]);
    });
    state.begin(team, point);
  }

 private:
  // By the power of two in the largest, so that no sum overflows; the answer depends on their ratios alone.
  template <class Team>
  PREFER_HD void scale_weights(const Team& team) const {
    constexpr double least = 0x1p-900;
    const projection_samples& t = state;
    const ranked heaviest = team.first(t.n, [&](std::int64_t i) PREFER_HD_LAMBDA {
      return ranked{sortable(-t.weight[i]), i};
    });
    if (heaviest.item < 0) return;
    const double largest = -from_sortable(heaviest.key);  // not read from where others already divide
    if (!(largest >= 0x1p-1022)) return;
    const double unit = power_of_two_in(largest);
    team.each(t.n, [&](std::int64_t i) PREFER_HD_LAMBDA {
      if (t.weight[i] > 0) t.weight[i] = math::max(t.weight[i] / unit, least);
    });
  }
  static PREFER_HD double power_of_two_in(double x) {
    return __builtin_bit_cast(double, __builtin_bit_cast(std::uint64_t, x) & 0x7ff0000000000000u);
  }
};

// Samples in order: their projection, and what is known of it.
template <class Metric>
struct line_solve {
  Metric metric;
  line_state state;
  scalar constant = 1.0;
  row_source point;
  projection_sinks out;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range&) const {
    line_projection line = state.line;
    const std::int64_t* const sample = state.order.sample;
    const std::int64_t n = state.n;
    line.n = team.total(n, [&](std::int64_t i) PREFER_HD_LAMBDA { return std::int64_t{state.counts[i]}; });
    team.each(line.n, [&](std::int64_t k) PREFER_HD_LAMBDA {
      line.reward[k] = state.reward[sample[k]], line.weight[k] = state.weight[sample[k]];
      line.reach[k] = k + 1 < line.n ? reach(sample[k], sample[k + 1]) : 0;
    });
    team.once([&]() PREFER_HD_LAMBDA {
      line.solve(4e-15 * state.number[3]);
      const double shift = line.shift(), gap = take_components(line, shift);
      state.number[0] += shift;
      write_item(out.error, 0, true, gap == 0 ? 0 : math::sqrt(2 * gap / state.number[1]), false);
      write_index(out.rounds, 0, 0);
    });
    const double mean = state.number[0];
    team.each(n, [&](std::int64_t k) PREFER_HD_LAMBDA {
      const bool counts = k < line.n;
      write_item(out.value, sample[k], true, counts ? line.value[k] + mean : math::detail::not_a_number<double>(),
                 false);
      write_index(out.component, sample[k], counts ? lowest()[k] : -1);
    });
  }

 private:
  // Values differ by no more than twice the largest of them.
  PREFER_HD double reach(std::int64_t i, std::int64_t j) const {
    return math::min(constant.as<double>() * distance_of(metric, point, i, point, j, 1), 4 * state.number[3]);
  }
  PREFER_HD std::int64_t* lowest() const { return reinterpret_cast<std::int64_t*>(state.order.key); }

  // Names the components; the duality gap.
  PREFER_HD double take_components(const line_projection& line, double shift) const {
    const std::int64_t* const sample = state.order.sample;
    double gap = 0;
    for (std::int64_t first = 0, last; first < line.n; first = last + 1) {
      std::int64_t name = sample[first];
      for (last = first; line.tight[last] != 0; ++last) name = name < sample[last + 1] ? name : sample[last + 1];
      for (std::int64_t k = first; k <= last; ++k) lowest()[k] = name;
      gap += line.gap(first, last, shift);
    }
    return gap;
  }
};

// After a look at all pairs: how good is what we have, and, unless that is enough, which pairs are apart.
template <class Metric>
struct projection_round {
  Metric metric;
  projection_state state;
  scalar constant = 1.0;
  double tolerance;
  std::int64_t rounds;
  row_source point;
  std::int64_t width;
  projection_sinks out;

  static constexpr std::int64_t passes = 16;

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range&) const {
    if (*state.done != 0) return;
    const active_forest& t = state.forest;
    const double weights = state.number[1], deviation = state.number[2];
    const std::int64_t looks = *state.count;  // before anyone adds to it
    // Between the envelopes of f all pairs hold; with the mean of f it is as near to f as it can be moved.
    const auto between = [&](std::int64_t i) PREFER_HD_LAMBDA { return (state.upper[i] + state.lower[i]) / 2; };
    const double moved = ordered_sum(team, t.n, state.part, [&](std::int64_t i) PREFER_HD_LAMBDA {
      return t.weight[i] > 0 ? t.weight[i] * (t.f[i] - between(i)) : 0.0;
    });
    const double shift = weights > 0 ? moved / weights : 0;
    const double gap = ordered_sum(team, t.n, state.part, [&](std::int64_t i) PREFER_HD_LAMBDA {
      return t.weight[i] > 0 ? gap_of(i, between(i) + shift, between) : 0.0;
    });
    const double error = gap == 0 ? 0 : math::sqrt(2 * gap / weights);
    const bool better = looks == 0 || error < *state.least_error;
    if (better) write(team, between, shift, error);
    find_bounds(team);
    const bool apart = error > tolerance * deviation && looks + 1 < rounds && raise_pairs(team);
    team.once([&]() PREFER_HD_LAMBDA {
      if (better) *state.least_error = error;
      write_index(out.rounds, 0, ++*state.count);
      *state.done = apart ? 0 : 1;
    });
    if (apart) t.refresh(team);
  }

 private:
  // This sample's share of the primal value less the dual one: with values g for which all pairs hold,
  // 1/2 sum w (g - f)^2 + sum of flows times what their pairs are away from being tight. Nothing cancels. A flow the
  // wrong way, or one that rounding may have turned, is one of the same pair the other way round.
  template <class F>
  PREFER_HD double gap_of(std::int64_t i, double value, const F& between) const {
    const active_forest& t = state.forest;
    const bool root = t.parent[i] < 0;
    const double away = math::abs(value - t.f[i]) + (root ? t.noise[i] / t.weight[i] : 0.0);
    const double share = t.weight[i] * away * away / 2;
    if (root) return share;
    const double above = between(i) - between(t.parent[i]), apart = t.high[i] != 0 ? above : -above;
    const double with = math::max(t.flow[i], 0.0) + t.noise[i], against = math::max(t.noise[i] - t.flow[i], 0.0);
    return share + math::max(with * (t.bound[i] - apart), 0.0) + math::max(against * (t.bound[i] + apart), 0.0);
  }

  template <class Team>
  PREFER_HD void find_bounds(const Team& team) const {
    const auto reach = [&](std::int64_t i, std::int64_t j) PREFER_HD_LAMBDA {
      return j < 0 ? 0.0 : constant.as<double>() * distance_of(metric, point, i, point, j, width);
    };
    team.each(state.forest.n, [&](std::int64_t i) PREFER_HD_LAMBDA {
      state.upper_bound[i] = reach(i, state.upper_index[i]), state.lower_bound[i] = reach(i, state.lower_index[i]);
    });
  }

  // Raises the pairs that were found until none of them is apart by more than rounding; whether any was.
  template <class Team>
  PREFER_HD bool raise_pairs(const Team& team) const {
    const active_forest& t = state.forest;
    const double rounding = 4e-15 * state.number[3];
    bool any = false;
    for (std::int64_t pass = 0; pass < passes; ++pass) {
      bool some = false;
      for (std::int64_t i = 0; i < t.n; ++i)
        for (int side = 0; side < 2; ++side) {
          const std::int64_t j = side == 0 ? state.upper_index[i] : state.lower_index[i];
          const std::int64_t p = side == 0 ? i : j, q = side == 0 ? j : i;
          const double bound = side == 0 ? state.upper_bound[i] : state.lower_bound[i];
          if (j < 0 || !(t.f[p] - t.f[q] - bound > rounding)) continue;
          t.raise(team, p, q, bound);
          some = any = true;
        }
      if (!some) break;
    }
    return any;
  }

  template <class Team, class F>
  PREFER_HD void write(const Team& team, const F& between, double shift, double error) const {
    const active_forest& t = state.forest;
    const double mean = state.number[0];
    team.once([&]() PREFER_HD_LAMBDA {
      for (std::int64_t i = t.n; i-- > 0;) state.lowest[t.label[i]] = i;
      write_item(out.error, 0, true, error, false);
    });
    team.each(t.n, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const bool counts = state.counts[i] != 0;
      write_item(out.value, i, true, counts ? between(i) + shift + mean : math::detail::not_a_number<double>(), false);
      write_index(out.component, i, counts ? state.lowest[t.label[i]] : -1);
    });
  }
};

inline bool is_done(const cpu&, const projection_state& s) { return *s.done != 0; }
inline bool is_done(const cuda&, const projection_state&) { return false; }

// A call, in memory of its own and of pair_fold.
template <class Metric>
struct lipschitz_projection_call {
  projection_begin<projection_state> begin;
  projection_round<Metric> round;
  pair_fold_arguments pairs;

  using value_type = double;

  template <class Memory>
  void carve(Memory& memory) {
    projection_state& s = round.state;
    s.carve(memory, pairs.points);
    begin.state = s;
    pairs.other = {s.forest.f, 1, element::f64}, pairs.mask = {s.counts, 1, element::u8};
    pairs.stop = s.done;
  }
  template <class Exec>
  std::size_t inner_bytes(const Exec& exec) const {
    return pair_fold_workspace<double>(exec, pairs);
  }
  template <class Exec>
  status run(const Exec& exec) const {
    const projection_state& s = round.state;
    group_table all;
    all.samples = all.size = pairs.points, all.groups = 1;
    const auto column = [](auto* data, element type) { return sink{data, 1, type}; };
    const extension_fold<double, Metric> envelopes{round.metric,
                                                   round.constant,
                                                   pairs.point,
                                                   pairs.point,
                                                   pairs.other,
                                                   pairs.width,
                                                   {{},
                                                    {},
                                                    column(s.upper, element::f64),
                                                    column(s.lower, element::f64),
                                                    column(s.upper_index, element::i64),
                                                    column(s.lower_index, element::i64)}};
    status done = for_groups(exec, all, begin);
    for (std::int64_t k = 0; done.ok() && k < round.rounds && !is_done(exec, s); ++k) {
      done = pair_fold<double>(exec, round.metric, envelopes, pairs);
      if (done.ok()) done = for_groups(exec, all, round);
    }
    return done;
  }
};

// Whether a distance of rows of one number is a multiple of their difference: only neighbours can be too far apart
// then.
template <class Metric>
inline constexpr bool is_line_metric = false;
template <>
inline constexpr bool is_line_metric<metric::l1> = true;
template <>
inline constexpr bool is_line_metric<metric::l2> = true;
template <>
inline constexpr bool is_line_metric<metric::linf> = true;
template <>
inline constexpr bool is_line_metric<metric::weighted_l2> = true;

// A call for samples on a line.
template <class Metric>
struct line_projection_call {
  projection_begin<line_state> begin;
  line_solve<Metric> solve;
  std::int64_t samples = 0;

  explicit line_projection_call(const lipschitz_projection_call<Metric>& from)
      : begin{{}, from.begin.point, from.begin.value, from.begin.weight, from.begin.mask, from.begin.width},
        solve{from.round.metric, {}, from.round.constant, from.begin.point, from.round.out},
        samples(from.pairs.points) {}

  template <class Memory>
  void carve(Memory& memory) {
    solve.state.carve(memory, samples);
    begin.state = solve.state;
  }
  template <class Exec>
  std::size_t inner_bytes(const Exec& exec) const {
    return order_bytes(exec, solve.state.order);
  }
  template <class Exec>
  status run(const Exec& exec) const {
    group_table all;
    all.samples = all.size = samples, all.groups = 1;
    if (const status s = for_groups(exec, all, begin); !s.ok()) return s;
    if (const status s = sort_line(exec, solve.state.order); !s.ok()) return s;
    return for_groups(exec, all, solve);
  }
};

// f(the call that is made for these samples).
template <class Metric, class F>
auto with_call(lipschitz_projection_call<Metric>& call, F f) {
  if constexpr (is_line_metric<Metric>)
    if (call.begin.width == 1) {
      line_projection_call<Metric> line(call);
      return f(line);
    }
  return f(call);
}

inline status check_weights(const cuda&, const source&, const source&, std::int64_t) { return {}; }
inline status check_weights(const cpu& exec, const source& weight, const source& mask, std::int64_t n) {
  for (std::int64_t i = 0; exec.content == content::all && weight.data != nullptr && i < n; ++i)
    if (const double w = read_item<double>(weight, i); selects(mask, i) && !(math::is_finite(w) && w > 0))
      return require::fail(errc::bad_parameter, "weight", "a number above", w, 0, i);
  return {};
}

template <class Metric, space S>
status make_projection(const lipschitz_projection& options, const Metric& metric, const projection_inputs<S>& in,
                       const projection_outputs<S>& out, sample_values& v, lipschitz_projection_call<Metric>& made) {
  using require::holds;
  if (const status s = make_sample_values(in.samples, v); !s.ok()) return s;
  if (const status s = some_output(out.value, out.component, out.error, out.rounds); !s.ok()) return s;
  call_checks<4, 4> call;
  read_samples(in.samples, call);
  constexpr const char* per_sample = "the number of samples,";
  call.read("weight", in.weight, v.samples, per_sample, holds::numbers);
  call.write("value", out.value, v.samples, per_sample, holds::numbers);
  call.write("component", out.component, v.samples, per_sample, holds::indices);
  call.write("error", out.error, 1, "one number,", holds::totals);
  call.write("rounds", out.rounds, 1, "one number,", holds::indices);
  source weight = place_of(in.weight);
  if (!in.weight.given()) weight.neutral = 1;
  made.begin = {{}, v.point, v.value, weight, v.mask, v.width};
  made.round = {
      metric,           {},
      options.constant, options.tolerance,
      options.rounds,   v.point,
      v.width,          {place_of(out.value), place_of(out.component), place_of(out.error), place_of(out.rounds)}};
  made.pairs.point = v.point, made.pairs.width = v.width;
  made.pairs.points = made.pairs.queries = v.samples;
  made.pairs.among = pairs_among::all;
  return call.check();
}

}  // namespace detail

// Bytes of workspace: some 200 per sample; on the CPU the points once more in double, on CUDA a byte per sample. 0 for
// views that do not fit together.
template <class Exec, class Metric>
std::size_t lipschitz_projection_workspace(const Exec& exec, const lipschitz_projection& options, const Metric& metric,
                                           const std::type_identity_t<projection_inputs<Exec::memory>>& in,
                                           const std::type_identity_t<projection_outputs<Exec::memory>>& out) {
  detail::sample_values v;
  detail::lipschitz_projection_call<Metric> call;
  if (!detail::make_projection(options, metric, in, out, v, call).ok()) return 0;
  return with_call(call, [&](auto& made) { return call_bytes(exec, made); });
}

// The values f nearest to v among all that are L-Lipschitz at N samples,
//
//   min over f of sum w_i (f_i - v_i)^2   with   |f_i - f_j| <= L d(x_i, x_j) for all i, j,
//
// by a metric of shape/metric.hpp. Unlike the projection in the largest deviation (extend), which moves what is near an
// outlier as far as the outlier, this moves the fewest, keeps the weighted mean (sum w f = sum w v), and is the one
// to take for a batch of noisy rewards.
//
//   project(cpu{.pool = pool}, {.constant = 2.0}, metric::l2{},
//           {.samples = {.point = {x, N, D}, .value = {v, N}}}, {.value = {f, N}, .error = {&error, 1}});
//
// The result is L-Lipschitz to the rounding of double, whatever is left to do: it lies between the envelopes of the
// iterate. `error` is a certificate, from the duality gap: sqrt(sum w (f - exact)^2 / sum w) <= sqrt(2 gap / sum w).
// The call ends when it is at most `tolerance` times the weighted standard deviation of v, when no pair is apart by
// more than rounding, or after `rounds` looks at all pairs; read `error` to know. `component` says which samples move
// together: f_i is their weighted mean plus what L and the distances fix, which gives the gradient (project_gradient).
//
// An active-set method, not a sequence that converges: each look at all pairs names those that are furthest apart, and
// these are then made to hold exactly (detail/active_forest.hpp). Few looks are needed, about 5 to 20 for batches of
// some hundred samples, whatever their weights: measured with ratios of up to 1e24. Ratios beyond 2^900 count as that
// much. Samples on a line (rows of one number, by a metric of shape/metric.hpp) are sorted, and only neighbours are
// looked at: detail/line_projection.hpp, exact to rounding, `tolerance` and `rounds` play no part, and `rounds` reads
// 0. Everything is in double, in whatever type the inputs are. Values that are L-Lipschitz are kept to rounding; L = 0
// gives their weighted mean.
//
// Samples that are masked out or not finite, or whose weight is not a number above 0, are left out: NaN and -1 (with
// content::all on the CPU they are errors, but for masks). Cost: N^2 D differences per look, shared by threads, and
// O(N) for each of the pairs made to hold, about N in all, by one thread, on CUDA by one block: meant for batches up
// to some 10^4, on CUDA 10^3. On a line O(N) after sorting, and what knots of the values' functions move: 2 to 11 moves
// a sample for noise, up to 100 for values that alternate (at N = 10^5; N at worst); by one thread, but for sorting on
// CUDA. The result is the same for any number of threads. lipschitz_projection_workspace bytes of the workspace, or one
// allocation on the CPU and memory in stream order on CUDA, where there are 1 + 3 `rounds` launches or 1 + 4 `rounds`
// (those behind the end return at once), two and a sort on a line, and nothing is waited for. Errors: shapes, types,
// overlap, a negative constant or tolerance; nothing has been written then.
//
// Source: the problem is a quadratic program whose dual is a transport problem; dual active sets Goldfarb and Idnani
// 1983. That active sets may be taken as forests, whose steps are explicit, is elementary and tested against Hildreth's
// method (1957). On a line: dynamic programming as for the fused lasso (Johnson 2013), derived anew for bounds.
template <class Exec, class Metric>
status project(const Exec& exec, const lipschitz_projection& options, const Metric& metric,
               const std::type_identity_t<projection_inputs<Exec::memory>>& in,
               const std::type_identity_t<projection_outputs<Exec::memory>>& out) {
  detail::sample_values v;
  detail::lipschitz_projection_call<Metric> call;
  if (const status s = first_error(options.check(), detail::make_projection(options, metric, in, out, v, call));
      !s.ok())
    return s;
  if (const status s = first_error(detail::check_finite_samples(exec, v),
                                   detail::check_weights(exec, call.begin.weight, v.mask, v.samples));
      !s.ok())
    return s;
  return with_call(call, [&](auto& made) { return run_in_memory(exec, made); });
}

namespace detail {

// Sums over components, and what follows from them.
struct projection_gradient_work {
  scalar constant = 1.0;
  std::int64_t samples = 0;
  source component, value, weight, gradient;
  sink by_value, by_constant;
  double *weights = nullptr, *gradients = nullptr, *values = nullptr;  // by lowest sample
  double* part = nullptr;

  template <class Memory>
  void carve(Memory& memory) {
    for (double** a : {&weights, &gradients, &values}) *a = memory.template take<double>(samples);
    part = memory.template take<double>(sum_parts + 1);
  }
  PREFER_HD std::int64_t of(std::int64_t i) const {
    const std::int64_t c = load_index(component.data, component.type, i * component.stride);
    return c < samples ? c : -1;
  }

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range&) const {
    team.each(samples, [&](std::int64_t i) PREFER_HD_LAMBDA {
      weights[i] = gradients[i] = values[i] = 0;
      if (load_index(component.data, component.type, i * component.stride) >= samples) team.fault(errc::bad_index, i);
    });
    team.once([&]() PREFER_HD_LAMBDA {
      for (std::int64_t i = 0; i < samples; ++i) {
        const std::int64_t c = of(i);
        if (c < 0) continue;
        const double w = read_item<double>(weight, i);
        weights[c] += w, gradients[c] += read_item<double>(gradient, i), values[c] += w * read_item<double>(value, i);
      }
    });
    team.each(samples, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t c = of(i);
      write_item(by_value, i, true, c < 0 ? 0.0 : read_item<double>(weight, i) * gradients[c] / weights[c], false);
    });
    if (by_constant.data == nullptr) return;
    const double sum = ordered_sum(team, samples, part, [&](std::int64_t i) PREFER_HD_LAMBDA {
      const std::int64_t c = of(i);
      return c < 0 ? 0.0 : read_item<double>(gradient, i) * (read_item<double>(value, i) - values[c] / weights[c]);
    });
    team.once([&]() PREFER_HD_LAMBDA { write_item(by_constant, 0, true, sum / constant.as<double>(), false); });
  }
};

struct projection_gradient_call {
  projection_gradient_work work;

  template <class Memory>
  void carve(Memory& memory) {
    work.carve(memory);
  }
  template <class Exec>
  std::size_t inner_bytes(const Exec&) const {
    return 0;
  }
  template <class Exec>
  status run(const Exec& exec) const {
    group_table all;
    all.samples = all.size = work.samples, all.groups = 1;
    return for_groups(exec, all, work);
  }
};

inline status check_components(const cuda&, const projection_gradient_work&) { return {}; }
inline status check_components(const cpu& exec, const projection_gradient_work& w) {
  for (std::int64_t i = 0; exec.content != content::none && i < w.samples; ++i)
    if (const std::int64_t c = load_index(w.component.data, w.component.type, i * w.component.stride); c >= w.samples)
      return require::fail(errc::bad_index, "component", "below the number of samples", static_cast<double>(c),
                           static_cast<double>(w.samples), i);
  return {};
}

template <space S>
status make_projection_gradient(const lipschitz_projection& options, const projection_gradient_inputs<S>& in,
                                const projection_gradient_outputs<S>& out, projection_gradient_work& w) {
  using require::holds;
  if (!in.component.given()) return require::fail(errc::missing_input, "component", "what the projection wrote");
  if (!in.gradient.given()) return require::fail(errc::missing_input, "gradient", "that by the projected values");
  if (out.constant.given() && !in.value.given())
    return require::fail(errc::missing_input, "value", "what the projection wrote, for the gradient by the constant");
  if (const status s = some_output(out.value, out.constant); !s.ok()) return s;
  const std::int64_t n = in.component.extent[0];
  if (n < 0) return require::fail(errc::bad_extent, "component", "samples, at least", static_cast<double>(n), 0);
  call_checks<4, 2> call;
  constexpr const char* per_sample = "the number of samples,";
  call.read("component", in.component, n, per_sample, holds::indices);
  call.read("gradient", in.gradient, n, per_sample, holds::numbers);
  call.read("weight", in.weight, n, per_sample, holds::numbers);
  call.read("value", in.value, n, per_sample, holds::numbers);
  call.write("value", out.value, n, per_sample, holds::numbers);
  call.write("constant", out.constant, 1, "one number,", holds::totals);
  w.constant = options.constant, w.samples = n;
  w.component = place_of(in.component), w.gradient = place_of(in.gradient);
  w.weight = place_of(in.weight), w.value = place_of(in.value);
  if (!in.weight.given()) w.weight.neutral = 1;
  w.by_value = place_of(out.value), w.by_constant = place_of(out.constant);
  return call.check();
}

}  // namespace detail

// Bytes of workspace: 24 per sample. 0 for views that do not fit together.
template <class Exec>
std::size_t projection_gradient_workspace(const Exec& exec,
                                          const std::type_identity_t<projection_gradient_inputs<Exec::memory>>& in,
                                          const std::type_identity_t<projection_gradient_outputs<Exec::memory>>& out) {
  detail::projection_gradient_call call;
  return detail::make_projection_gradient({}, in, out, call.work).ok() ? call_bytes(exec, call) : 0;
}

// The gradient of a number F through project: samples that move together share theirs by weight. With C the component
// of sample i,
//
//   dF / dv_i = w_i / (sum of w over C) * sum over C of dF / df_j
//   dF / dL   = sum over i of dF / df_i (f_i - the weighted mean of f over C) / L        (L above 0)
//
// Exact wherever the set of active pairs stays the same (almost everywhere), else one of the generalised gradients.
// Sums are taken in the order of samples; 0 for a sample that is left out (component -1). Cost: O(N), by one thread, on
// CUDA one block and one launch. projection_gradient_workspace bytes of the workspace, or one allocation on the CPU and
// memory in stream order on CUDA. Errors: shapes, types, overlap, L = 0 where its gradient is asked for, a component
// that is no sample (on CUDA it is reported and taken as left out); nothing has been written then.
template <class Exec>
status project_gradient(const Exec& exec, const lipschitz_projection& options,
                        const std::type_identity_t<projection_gradient_inputs<Exec::memory>>& in,
                        const std::type_identity_t<projection_gradient_outputs<Exec::memory>>& out) {
  detail::projection_gradient_call call;
  const status above_zero = out.constant.given() ? require::positive(options.constant, "constant") : status{};
  if (const status s =
          first_error(options.check(), above_zero, detail::make_projection_gradient(options, in, out, call.work));
      !s.ok())
    return s;
  if (const status s = detail::check_components(exec, call.work); !s.ok()) return s;
  return run_in_memory(exec, call);
}

}  // namespace PREFER_ABI
}  // namespace prefer
