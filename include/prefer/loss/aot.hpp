// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/arena.hpp>
#include <prefer/core/sortable.hpp>
#include <prefer/loss/bradley_terry.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace prefer {

// Alignment by optimal transport (AOT): the chosen responses' distribution of log-ratios is to dominate the rejected
// ones', quantile by quantile. It looks at a whole batch at once.
//
//   paired:    u = policy_chosen - policy_rejected,     v = reference_chosen - reference_rejected
//   unpaired:  u = policy_chosen - reference_chosen,    v = policy_rejected - reference_rejected
//   d_r = beta (u_(r) - v_(r)), u and v sorted each on its own,  p = 1 - label_smoothing
//   value = mean over ranks r of  -p log sigmoid(d_r) - (1 - p) log sigmoid(-d_r)
//   gradient: g_r = beta (sigmoid(d_r) - p) / n goes to the sample that holds rank r: paired, +g to its policy_chosen
//   and -g to its policy_rejected; unpaired, +g to policy_chosen by the rank of u, -g to policy_rejected by the rank of
//   v
//
// Equal numbers are ranked by their place in the batch. The sort is over the call's items: split batches are other
// losses. Errors: beta must be finite and above 0, label_smoothing in [0, 1/2).
// Source: Melnyk et al. 2024, arXiv 2406.05882, with the logistic loss.
struct aot {
  scalar beta = 0.01;
  scalar label_smoothing = 0.0;
  bool paired = true;

  constexpr status check() const {
    return first_error(require::positive(beta, "beta"),
                       require::below(label_smoothing, 0.5, "label_smoothing", "0 or above and below 0.5"));
  }
};

template <space S>
struct aot_inputs {
  input_view<1, S> policy_chosen = {}, policy_rejected = {};
  input_view<1, S> reference_chosen = {}, reference_rejected = {};
  input_view<1, S> mask = {};          // bool or uint8: zero leaves the item out of both distributions
  prefer::normalizer normalizer = {};  // what sums are divided by; the number of selected items if not given
};

template <space S>
struct aot_outputs {
  output_view<1, S> loss = {};  // one element
  output_view<1, S> grad_policy_chosen = {}, grad_policy_rejected = {};
  output_view<1, S> count = {};  // one element: the number of selected items
  bool accumulate = false;       // add to the outputs instead of overwriting them
};

inline namespace PREFER_ABI {
namespace detail {

// One call, for both backends.
struct aot_problem {
  std::int64_t n = 0;
  source policy[2], reference[2], mask;
  sink gradient[2];
  scalar beta = 1.0;
  bool paired = true, accumulate = false;

  PREFER_HD void keys(std::int64_t i, std::uint64_t (&key)[2]) const {
    key[0] = key[1] = left_out;
    if (!selects(mask, i)) return;
    const double pc = read_item<double>(policy[0], i), pr = read_item<double>(policy[1], i);
    const double rc = read_item<double>(reference[0], i), rr = read_item<double>(reference[1], i);
    const double b = beta.as<double>();
    key[0] = sortable(b * (paired ? pc - pr : pc - rc));
    key[1] = sortable(b * (paired ? rc - rr : pr - rr));
  }
  PREFER_HD void write(int side, std::int64_t i, bool selected, double x) const {
    write_item(gradient[side], i, selected, x, accumulate);
  }
  PREFER_HD void clear(std::int64_t i) const { write(0, i, false, 0), write(1, i, false, 0); }
  // The derivative g by the sorted d at one rank, to the items that hold the rank in u and in v.
  PREFER_HD void route(double g, std::int64_t by_u, std::int64_t by_v) const {
    const double slope = beta.as<double>() * g;
    write(0, by_u, true, slope);
    write(1, paired ? by_u : by_v, true, -slope);
  }
};

// The sorted batch as arguments of the Bradley-Terry loss.
template <space S>
struct sorted_batch {
  double *chosen, *rejected, *slope;
  bool* selected;
  std::int64_t n;

  template <class Exec>
  status evaluate_on(const Exec& exec, const aot& loss, const aot_inputs<S>& in, const aot_outputs<S>& out) const {
    reward_pair_outputs<S> o;
    o.loss = out.loss, o.count = out.count, o.accumulate = out.accumulate;
    o.grad_chosen = view<double, 1, S>(slope, n);
    reward_pair_inputs<S> i;
    i.chosen = view<const double, 1, S>(chosen, n), i.rejected = view<const double, 1, S>(rejected, n);
    i.mask = view<const bool, 1, S>(selected, n), i.normalizer = in.normalizer;
    return evaluate<double>(exec, bradley_terry{.label_smoothing = loss.label_smoothing}, i, o);
  }
};

template <space S>
status check_aot(const aot& loss, const aot_inputs<S>& in, const aot_outputs<S>& out, aot_problem& p) {
  using named_input = listed<input_view<1, S>>;
  using named_output = listed<output_view<1, S>>;
  const named_input vectors[] = {{"policy_chosen", &in.policy_chosen, 0},
                                 {"policy_rejected", &in.policy_rejected, 0},
                                 {"reference_chosen", &in.reference_chosen, 0},
                                 {"reference_rejected", &in.reference_rejected, 0}};
  const named_output gradients[] = {{"grad_policy_chosen", &out.grad_policy_chosen, 0},
                                    {"grad_policy_rejected", &out.grad_policy_rejected, 0}};
  const named_output totals[] = {{"loss", &out.loss, 0}, {"count", &out.count, 0}};
  if (const status s = loss.check(); !s.ok()) return s;
  p.n = in.policy_chosen.extent[0];
  if (p.n < 0) return require::fail(errc::bad_extent, "policy_chosen", "at least", static_cast<double>(p.n), 0);
  require::footprints<5, 4> all;
  for (const named_input& v : vectors) {
    if (!v.given()) return require::fail(errc::missing_input, v.name, "one number per item");
    if (const status s = require::vector(v.name, *v.view, p.n, same_extent, require::holds::numbers); !s.ok()) return s;
    all.read(v);
  }
  const named_input mask = {"mask", &in.mask, 0};
  if (mask.given())
    if (const status s = require::vector("mask", in.mask, p.n, same_extent, require::holds::flags); !s.ok()) return s;
  all.read(mask);
  if (in.normalizer.given)
    if (const status s = require::positive(in.normalizer.value, "normalizer"); !s.ok()) return s;
  bool any = false;
  for (const named_output& v : gradients) {
    if (v.given())
      if (const status s = require::vector(v.name, *v.view, p.n, same_extent, require::holds::numbers); !s.ok())
        return s;
    any = any || v.given();
    all.write(v);
  }
  for (const named_output& v : totals) {
    if (v.given())
      if (const status s = require::vector(v.name, *v.view, 1, "one element:", require::holds::totals); !s.ok())
        return s;
    any = any || v.given();
    all.write(v);
  }
  if (!any) return require::fail(errc::missing_output, "outputs", "at least one output to write");
  for (int side = 0; side < 2; ++side) {
    set_source(p.policy[side], vectors[side], 0);
    set_source(p.reference[side], vectors[2 + side], 0);
    p.gradient[side] = sink_of(gradients[side]);
  }
  set_source(p.mask, mask, 1);
  p.beta = loss.beta, p.paired = loss.paired, p.accumulate = out.accumulate;
  return all.check();
}

template <class Exec>
status run_aot(const Exec&, const aot&, const aot_problem&, const aot_inputs<Exec::memory>&,
               const aot_outputs<Exec::memory>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}

struct aot_memory {
  ranked *by_u, *by_v;
  sorted_batch<space::host> batch;

  aot_memory(arena& memory, std::int64_t n)
      : by_u(memory.take<ranked>(n)),
        by_v(memory.take<ranked>(n)),
        batch{memory.take<double>(n), memory.take<double>(n), memory.take<double>(n), memory.take<bool>(n), n} {}
};

inline status run_aot(const cpu& exec, const aot& loss, const aot_problem& p, const aot_inputs<space::host>& in,
                      const aot_outputs<space::host>& out) {
  arena measured, lent;
  aot_memory(measured, p.n);
  if (const status s = lend(exec, measured, lent); !s.ok()) return s;
  const auto [by_u, by_v, batch] = aot_memory(lent, p.n);
  for (std::int64_t i = 0; i < p.n; ++i) {
    std::uint64_t key[2];
    p.keys(i, key);
    by_u[i] = {key[0], i}, by_v[i] = {key[1], i};
  }
  std::sort(by_u, by_u + p.n);
  std::sort(by_v, by_v + p.n);
  for (std::int64_t r = 0; r < p.n; ++r) {
    batch.chosen[r] = from_sortable(by_u[r].key), batch.rejected[r] = from_sortable(by_v[r].key);
    batch.selected[r] = by_u[r].key != left_out;
    batch.slope[r] = 0;
  }
  if (const status s = batch.evaluate_on(exec, loss, in, out); !s.ok()) return s;
  for (std::int64_t r = 0; r < p.n; ++r) {
    if (batch.selected[r])
      p.route(batch.slope[r], by_u[r].item, by_v[r].item);
    else
      p.clear(by_u[r].item);
  }
  return {};
}

}  // namespace detail

// Bytes of workspace for evaluate_aot of n items on the CPU.
inline std::size_t aot_workspace(std::int64_t n) {
  detail::arena measured;
  detail::aot_memory(measured, n);
  return measured.bytes();
}

// Value and gradients of AOT over one batch; sorting and arithmetic in double. Workspace: exec.workspace of
// aot_workspace(n) bytes (on CUDA optional, aot_cuda_workspace(n) bytes). Returns the first thing that is wrong; then
// nothing has been written. NaN sorts last and makes the loss NaN. Cost: two sorts and one pass.
template <class Exec>
status evaluate_aot(const Exec& exec, const aot& loss, const aot_inputs<Exec::memory>& in,
                    const aot_outputs<Exec::memory>& out) {
  detail::aot_problem p;
  if (const status s = detail::check_aot(loss, in, out, p); !s.ok()) return s;
  return run_aot(exec, loss, p, in, out);
}

}  // namespace PREFER_ABI
}  // namespace prefer
