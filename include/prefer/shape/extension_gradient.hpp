// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/for_groups.hpp>
#include <prefer/backend/cpu/gather_sum.hpp>
#include <prefer/core/pair_plan.hpp>
#include <prefer/shape/detail/ordered_sum.hpp>
#include <prefer/shape/lipschitz_extension.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Gradients through Lipschitz envelopes, projections and extensions (shape/lipschitz_extension.hpp).
namespace prefer {

// The inputs of the extension, who set its envelopes, and the gradients that come from above by its outputs.
template <space S>
struct extension_gradient_inputs {
  extension_inputs<S> extension = {};
  input_view<1, S> upper_index = {};  // M, as the extension wrote them; -1 for a query that has none
  input_view<1, S> lower_index = {};  // M
  input_view<1, S> value = {};        // M: dF / dvalue; 0 if not given, as the next two
  input_view<1, S> upper = {};        // M
  input_view<1, S> lower = {};        // M
};

// dF by what the extension was given. Any of them may be left out, not all.
template <space S>
struct extension_gradient_outputs {
  output_view<1, S> value = {};     // N: by the values of the samples
  output_view<1, S> constant = {};  // 1: by L; double or float
  output_view<2, S> query = {};     // [M, D]; only if the extension has queries
  output_view<2, S> point = {};     // [N, D]; without queries the samples are both
};

inline namespace PREFER_ABI {
namespace detail {

template <class Metric>
inline constexpr bool has_derivative = false;
template <class Metric>
requires requires(const Metric& m) { m.derivative(0.0, 0.0, std::int64_t{}); }
inline constexpr bool has_derivative<Metric> = true;

// Everything about one call: where its arrays are, and the gradients by envelopes with their distances, per query.
struct envelope_gradients {
  scalar constant = 1.0;
  row_source point, query;
  std::int64_t samples = 0, queries = 0, width = 0;
  bool same = false;
  source index[2], from_value, from[2];  // upper, lower
  sink value, total;
  row_sink by_query, by_point;
  double *gradient[2] = {}, *distance[2] = {};  // [queries]; 0 for none
  double* part = nullptr;
  std::int64_t *offsets = nullptr, *entries = nullptr;

  template <class Memory>
  void carve(Memory& memory) {
    for (int side = 0; side < 2; ++side) {
      gradient[side] = memory.template take<double>(queries);
      distance[side] = memory.template take<double>(queries);
    }
    part = memory.template take<double>(sum_parts + 1);
    offsets = memory.template take<std::int64_t>(samples + 1);
    entries = memory.template take<std::int64_t>(2 * queries);
  }
  bool wants_points() const { return by_query.data != nullptr || by_point.data != nullptr; }
  PREFER_HD std::int64_t sample(std::int64_t i, int side) const {
    return load_index(index[side].data, index[side].type, i * index[side].stride);
  }
};

// The gradients by both envelopes of a query, and how far their samples are.
template <class Metric>
struct envelope_work : envelope_gradients {
  Metric metric;

  envelope_work(const envelope_gradients& g, const Metric& of) : envelope_gradients(g), metric(of) {}

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(g.count, [&](std::int64_t i) PREFER_HD_LAMBDA { find(team, g.first + i); });
  }
  template <class Team>
  PREFER_HD void find(const Team& team, std::int64_t i) const {
    for (int side = 0; side < 2; ++side) {
      const std::int64_t j = sample(i, side);
      const bool there = j >= 0 && j < samples;
      if (j >= samples) team.fault(errc::bad_index, i);
      gradient[side][i] = there ? read_item<double>(from_value, i) / 2 + read_item<double>(from[side], i) : 0;
      distance[side][i] = there ? distance_of(metric, query, i, point, j, width) : 0;
    }
  }
};

// sum of gradient_upper d_upper - gradient_lower d_lower.
struct constant_gradient_work : envelope_gradients {
  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range&) const {
    const double sum = ordered_sum(team, queries, part, [&](std::int64_t i) PREFER_HD_LAMBDA {
      return gradient[0][i] * distance[0][i] - gradient[1][i] * distance[1][i];
    });
    team.once([&]() PREFER_HD_LAMBDA { write_item(total, 0, true, sum, false); });
  }
};

// One row, a coordinate at a time: of a query, and of a sample that others' envelopes lead to.
template <class Metric>
struct row_gradient_work : envelope_gradients {
  Metric metric;
  row_sink to;
  bool as_query, as_point;

  row_gradient_work(const envelope_gradients& g, const Metric& of, const row_sink& out, bool queries_rows,
                    bool points_rows)
      : envelope_gradients(g), metric(of), to(out), as_query(queries_rows), as_point(points_rows) {}

  template <class Team>
  PREFER_HD void operator()(const Team& team, const group_range& g) const {
    team.each(width, [&](std::int64_t d) PREFER_HD_LAMBDA {
      double sum = 0;
      if (as_query)
        for (int side = 0; side < 2; ++side) sum += term(g.index, side, d);
      if (as_point)
        for (std::int64_t e = offsets[g.index]; e < offsets[g.index + 1]; ++e)
          sum -= term(entries[e] / 2, static_cast<int>(entries[e] % 2), d);
      store_element(to.data, to.type, g.index * to.row_stride + d * to.stride, sum, false);
    });
  }
  // By coordinate d of query i through one envelope; that by the sample's is the negative.
  PREFER_HD double term(std::int64_t i, int side, std::int64_t d) const {
    const double apart = distance[side][i];
    if (!(apart > 0)) return 0;
    const std::int64_t j = sample(i, side);
    const double difference = load_element<double>(query.data, query.type, i * query.row_stride + d * query.stride) -
                              load_element<double>(point.data, point.type, j * point.row_stride + d * point.stride);
    const double sign = side == 0 ? 1 : -1;
    if constexpr (has_derivative<Metric>)
      return sign * gradient[side][i] * constant.as<double>() * metric.derivative(difference, apart, d);
    else
      return 0;
  }
};

template <class Exec>
status plan_envelopes(const Exec&, const envelope_gradients&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
template <space S>
input_view<1, S> list_of(const source& s, std::int64_t n) {
  input_view<1, S> v;
  v.data = s.data, v.extent[0] = n, v.stride[0] = s.stride, v.type = s.type;
  return v;
}
inline status plan_envelopes(const cpu&, const envelope_gradients& g) {
  count_uses(list_of<space::host>(g.index[0], g.queries), list_of<space::host>(g.index[1], g.queries), g.samples,
             {g.offsets, g.samples + 1}, {g.entries, 2 * g.queries});
  return {};
}
inline std::size_t plan_bytes(const cpu&, const envelope_gradients&) { return 0; }

// A call, in memory of its own and of the plan.
template <class Metric>
struct extension_gradient_call {
  envelope_gradients g;
  Metric metric;

  template <class Memory>
  void carve(Memory& memory) {
    g.carve(memory);
  }
  template <class Exec>
  std::size_t inner_bytes(const Exec& exec) const {
    return plan_bytes(exec, g);
  }
  template <class Exec>
  status run(const Exec& exec) const {
    const group_table queries = pieces_of(g.queries);
    status s = for_groups(exec, queries, envelope_work<Metric>(g, metric));
    if (s.ok() && (g.value.data != nullptr || g.by_point.data != nullptr)) s = plan_envelopes(exec, g);
    if (s.ok() && g.value.data != nullptr) s = gather_sum(exec, sums());
    if (s.ok() && g.total.data != nullptr) s = for_groups(exec, rows(1, 1), constant_gradient_work{g});
    if (s.ok() && g.by_query.data != nullptr)
      s = for_groups(exec, rows(g.queries, g.width), row_gradient_work<Metric>(g, metric, g.by_query, true, false));
    if (s.ok() && g.by_point.data != nullptr)
      s = for_groups(exec, rows(g.samples, g.width), row_gradient_work<Metric>(g, metric, g.by_point, g.same, true));
    return s;
  }

 private:
  static group_table rows(std::int64_t n, std::int64_t width) {
    group_table t;
    t.samples = n * width, t.size = width, t.groups = n;
    return t;
  }
  gather_sum_arguments<double> sums() const {
    gather_sum_arguments<double> a;
    a.samples = g.samples, a.offsets = g.offsets, a.entries = g.entries, a.entry_count = 2 * g.queries;
    a.even = g.gradient[0], a.odd = g.gradient[1], a.out = g.value;
    return a;
  }
};

inline status check_listed_samples(const cuda&, const envelope_gradients&) { return {}; }
inline status check_listed_samples(const cpu& exec, const envelope_gradients& g) {
  for (std::int64_t i = 0; exec.content != content::none && i < g.queries; ++i)
    for (int side = 0; side < 2; ++side)
      if (g.sample(i, side) >= g.samples)
        return require::fail(errc::bad_index, side == 0 ? "upper_index" : "lower_index", "below the number of samples",
                             static_cast<double>(g.sample(i, side)), static_cast<double>(g.samples), i);
  return {};
}

template <class Metric, space S>
status make_extension_gradient(const extension_gradient_inputs<S>& in, const extension_gradient_outputs<S>& out,
                               envelope_gradients& g) {
  using require::holds;
  const extension_inputs<S>& from = in.extension;
  sample_values v;
  if (const status s = make_sample_values(from.samples, v); !s.ok()) return s;
  if (!in.upper_index.given() || !in.lower_index.given())
    return require::fail(errc::missing_input, in.upper_index.given() ? "lower_index" : "upper_index",
                         "what the extension wrote");
  if (!in.value.given() && !in.upper.given() && !in.lower.given())
    return require::fail(errc::missing_input, "value", "a gradient by an output of the extension");
  if (const status s = some_output(out.value, out.constant, out.query, out.point); !s.ok()) return s;
  if (out.query.given() && !from.query.given())
    return require::fail(errc::unavailable_output, "query", "not given where the samples are the queries: see point");
  if (!has_derivative<Metric> && (out.query.given() || out.point.given()))
    return require::fail(errc::unavailable_output, out.query.given() ? "query" : "point",
                         "not given for a metric without a derivative");
  const std::int64_t n = from.query.given() ? from.query.extent[0] : v.samples;
  if (n < 0) return require::fail(errc::bad_extent, "query", "rows, at least", static_cast<double>(n), 0);
  call_checks<9, 4> call;
  read_samples(from.samples, call);
  call.read("query", from.query, n, v.width);
  constexpr const char* per_query = "the number of queries,";
  call.read("upper_index", in.upper_index, n, per_query, holds::indices);
  call.read("lower_index", in.lower_index, n, per_query, holds::indices);
  call.read("value", in.value, n, per_query, holds::numbers);
  call.read("upper", in.upper, n, per_query, holds::numbers);
  call.read("lower", in.lower, n, per_query, holds::numbers);
  call.write("value", out.value, v.samples, "the number of samples,", holds::numbers);
  call.write("constant", out.constant, 1, "one number,", holds::totals);
  call.write("query", out.query, n, v.width, holds::numbers);
  call.write("point", out.point, v.samples, v.width, holds::numbers);
  g.same = !from.query.given();
  g.point = v.point, g.query = g.same ? v.point : place_of(from.query);
  g.samples = v.samples, g.queries = n, g.width = v.width;
  g.index[0] = place_of(in.upper_index), g.index[1] = place_of(in.lower_index);
  g.from_value = place_of(in.value), g.from[0] = place_of(in.upper), g.from[1] = place_of(in.lower);
  g.value = place_of(out.value), g.total = place_of(out.constant);
  g.by_query = place_of(out.query), g.by_point = place_of(out.point);
  return call.check();
}

}  // namespace detail

// Bytes of workspace: 48 per query and 8 per sample; on CUDA also those of make_pair_plan. 0 for views that do not fit
// together.
template <class Exec, class Metric>
std::size_t extension_gradient_workspace(const Exec& exec, const Metric& metric,
                                         const std::type_identity_t<extension_gradient_inputs<Exec::memory>>& in,
                                         const std::type_identity_t<extension_gradient_outputs<Exec::memory>>& out) {
  detail::envelope_gradients g;
  if (!detail::make_extension_gradient<Metric>(in, out, g).ok()) return 0;
  detail::extension_gradient_call<Metric> call{g, metric};
  return call_bytes(exec, call);
}

// The gradient of a number F through extend (shape/lipschitz_extension.hpp), from those by its outputs. With
// u(i), l(i) the samples that set the envelopes of query i, and
//
//   U_i = dF/dupper_i + dF/dvalue_i / 2,       L_i = dF/dlower_i + dF/dvalue_i / 2,
//   by v_j        sum of U_i over i with u(i) = j, and of L_i over i with l(i) = j
//   by constant   sum over i of U_i d(x_i, x_u(i)) - L_i d(x_i, x_l(i))
//   by x_i        constant (U_i d'(x_i - x_u(i)) - L_i d'(x_i - x_l(i))),    by x_j  the negatives, summed as by v_j
//
//   extend(exec, options, metric, in, {.value = f, .upper_index = u, .lower_index = l});
//   extend_gradient(exec, options, metric, {.extension = in, .upper_index = u, .lower_index = l, .value = df},
//                   {.value = dv});
//
// A gradient wherever the envelopes are differentiable, else one of their generalised ones (the lowest of several
// samples was taken; d' is 0 at distance 0). In double from the elements, summed in the order of queries. By points and
// queries only for a metric with a `derivative`. Queries with index -1 have no gradient.
//
// Cost: O(M D + N D). extension_gradient_workspace bytes of the workspace, or one allocation on the CPU and memory in
// stream order on CUDA; a launch per output, one more, and those of make_pair_plan. Errors: shapes, types, overlap, a
// constant that is not positive, an index that is no sample (on CUDA it is reported and skipped); nothing has been
// written then.
template <class Exec, class Metric>
status extend_gradient(const Exec& exec, const lipschitz_extension& options, const Metric& metric,
                       const std::type_identity_t<extension_gradient_inputs<Exec::memory>>& in,
                       const std::type_identity_t<extension_gradient_outputs<Exec::memory>>& out) {
  detail::envelope_gradients g;
  if (const status s = first_error(options.check(), detail::make_extension_gradient<Metric>(in, out, g)); !s.ok())
    return s;
  if (const status s = detail::check_listed_samples(exec, g); !s.ok()) return s;
  g.constant = options.constant;
  detail::extension_gradient_call<Metric> call{g, metric};
  return run_in_memory(exec, call);
}

}  // namespace PREFER_ABI
}  // namespace prefer
