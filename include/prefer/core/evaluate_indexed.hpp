// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/gather_sum.hpp>
#include <prefer/core/arena.hpp>
#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair_plan.hpp>

#include <cstddef>
#include <cstdint>

// evaluate_indexed: a loss over pairs that are given as indices into samples. A sample may take part in many pairs; its
// gradient is the sum over them, in pair order.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T>
constexpr std::size_t column_bytes(std::int64_t n) {
  return (static_cast<std::size_t>(n) * sizeof(T) + arena::alignment - 1) / arena::alignment * arena::alignment;
}

// How many outputs of the loss are gradients of samples: they come first, two per kind of gradient.
template <class Loss, class Outputs>
int sample_outputs(const Outputs& out) {
  int count = 0;
  kind_of<Loss>::each_index_output(out, [&](const auto&, const char*, bool of_sample) { count += of_sample ? 1 : 0; });
  return count;
}

template <class Loss, space S, class Inputs, class Outputs>
void list_indexed(const Inputs& in, const Outputs& out, call_list<Loss, S>& list) {
  using kind = kind_of<Loss>;
  list_common(in, out, list);
  int k = 0, m = 0;
  kind::each_index_input(in, [&](const auto& v, const char* name, int side) {
    list.in[k] = {name, &v, side < 0 ? 0 : 1};
    ++k;
  });
  kind::each_index_output(out, [&](const auto& v, const char* name, bool of_sample) {
    list.out[m] = {name, &v, of_sample ? 1 : 0};
    ++m;
  });
}

template <class Loss, class Inputs>
void gather_by_index(const Inputs& in, std::int64_t samples, map_reduce_arguments_of<loss_body<Loss>>& a,
                     content_rule (&rules)[loss_body<Loss>::inputs]) {
  int k = 0;
  kind_of<Loss>::each_index_input(in, [&](const auto& v, const char* name, int side) {
    rules[k].name = name;
    if (side >= 0 && v.given()) {
      const auto& list = side == 0 ? in.chosen : in.rejected;
      source& s = a.in[k];
      s.index = list.data;
      s.index_stride = list.stride[0];
      s.index_type = list.type;
      s.bound = samples;
      rules[k].index_name = side == 0 ? "chosen" : "rejected";
    }
    ++k;
  });
}

}  // namespace detail

template <class Loss, class Exec>
using index_inputs_of = typename kind_of<Loss>::template index_inputs<Exec::memory>;
template <class Loss, class Exec>
using index_outputs_of = typename kind_of<Loss>::template index_outputs<Exec::memory>;

// Bytes of workspace that evaluate_indexed<Compute> needs on the CPU for n pairs when gradients are asked for. Without
// gradients it needs none.
template <class Compute, class Loss>
std::size_t evaluate_indexed_workspace(const cpu&, const Loss&, std::int64_t n) {
  return detail::arena::alignment + 4 * detail::column_bytes<Compute>(n);
}

namespace detail {

template <class Inputs>
status check_plan(const Inputs& in, std::int64_t samples, std::int64_t n) {
  const auto& plan = in.plan;
  if (plan.offsets.data == nullptr || (plan.entries.data == nullptr && n > 0))
    return require::fail(errc::missing_input, "plan",
                         "the plan of chosen and rejected (make_pair_plan), since gradients are asked for");
  if (plan.offsets.extent[0] != samples + 1)
    return require::fail(errc::bad_extent, "plan.offsets", "one more than the number of samples,",
                         static_cast<double>(plan.offsets.extent[0]), static_cast<double>(samples + 1));
  if (plan.entries.extent[0] != 2 * n)
    return require::fail(errc::bad_extent, "plan.entries", "two per pair,", static_cast<double>(plan.entries.extent[0]),
                         static_cast<double>(2 * n));
  return {};
}

// What a call computes from; how many outputs are gradients of samples, and whether any is asked for.
template <class Loss>
struct indexed_call {
  map_reduce_arguments_of<loss_body<Loss>> arguments;
  content_rules<Loss> rules;
  source list[2];                     // chosen and rejected
  source plan_offsets, plan_entries;  // if they are looked at
  std::int64_t samples = 0;
  int columns = 0;
  bool any_gradient = false;
};

// No output may share memory with the index lists, or with the plan.
template <class Loss, space S, class Inputs>
status check_indexed_overlap(const call_list<Loss, S>& list, const Inputs& in) {
  using list_type = call_list<Loss, S>;
  using input = listed<input_view<1, S>>;
  const input_view<1, S> offsets(in.plan.offsets), entries(in.plan.entries);
  require::footprints<list_type::inputs + 6, list_type::outputs + list_type::totals + 1> all;
  add_footprints(list, all);
  all.read(input{"chosen", &in.chosen, 0}), all.read(input{"rejected", &in.rejected, 0});
  all.read(input{"plan.offsets", &offsets, 0}), all.read(input{"plan.entries", &entries, 0});
  return all.check();
}

// Whether the plan is the one of the two index lists, whose indices have been looked at.
template <class Loss>
status check_plan_content(const indexed_call<Loss>& call) {
  const std::int64_t uses = 2 * call.arguments.n;
  std::int64_t at = 0;
  for (std::int64_t s = 0; s <= call.samples; ++s) {
    const std::int64_t end = load_index(call.plan_offsets.data, element::i64, s * call.plan_offsets.stride);
    if (end < at || end > uses || (s == 0 && end != 0) || (s == call.samples && end != uses))
      return require::fail(errc::bad_offsets, "plan.offsets", "the plan of chosen and rejected (make_pair_plan)",
                           static_cast<double>(end), 0, s);
    for (std::int64_t before = -1; at < end; ++at) {
      const std::int64_t entry = load_index(call.plan_entries.data, element::i64, at * call.plan_entries.stride);
      const source& list = call.list[entry % 2 != 0];
      if (entry <= before || entry >= uses ||
          load_index(list.data, list.type, entry / 2 * list.stride) != s - 1)
        return require::fail(errc::bad_index, "plan.entries", "the plan of chosen and rejected (make_pair_plan)",
                             static_cast<double>(entry), 0, at);
      before = entry;
    }
  }
  return {};
}

// Indices and labels, with content::all NaN and the plan too.
template <class Loss>
status check_indexed_content(const cpu& exec, const indexed_call<Loss>& call) {
  if (const status s = check_content(exec, call.rules.list, call.arguments); !s.ok()) return s;
  const bool whole = exec.content == content::all && call.plan_offsets.data != nullptr;
  return whole ? check_plan_content(call) : status{};
}
template <class Loss>
status check_indexed_content(const cuda&, const indexed_call<Loss>&) {
  return {};
}

// All checks of `evaluate_indexed`, and what it computes from. A plan that is given is checked, and one is needed for
// gradients.
template <class Exec, class Loss>
status prepare_indexed(const Exec& exec, const Loss& loss, const index_inputs_of<Loss, Exec>& in,
                       const index_outputs_of<Loss, Exec>& out, purpose why, indexed_call<Loss>& call) {
  call_list<Loss, Exec::memory> list;
  list_indexed(in, out, list);
  list.needs_output = why == purpose::compute;
  const std::int64_t n = in.chosen.extent[0];
  if (!in.chosen.given()) return require::fail(errc::missing_input, "chosen", "the index of each pair's chosen sample");
  if (!in.rejected.given())
    return require::fail(errc::missing_input, "rejected", "the index of each pair's rejected sample");
  if (const status s = require::vector("chosen", in.chosen, n < 0 ? 0 : n, "0 or more,", require::holds::indices);
      !s.ok())
    return s;
  if (const status s = require::vector("rejected", in.rejected, n, "the extent of chosen,", require::holds::indices);
      !s.ok())
    return s;
  std::int64_t extent[3] = {n, -1, -1};
  if (const status s = check_call(loss, list, extent); !s.ok()) return s;
  call.samples = extent[1] < 0 ? 0 : extent[1];
  call.columns = sample_outputs<Loss>(out);
  for (int m = 0; m < call.columns; ++m) call.any_gradient = call.any_gradient || list.out[m].given();
  const bool plan_given = in.plan.offsets.data != nullptr || in.plan.entries.data != nullptr;
  const bool planned = call.any_gradient || (why == purpose::look && plan_given);
  if (planned)
    if (const status s = check_plan(in, call.samples, n); !s.ok()) return s;
  if (const status s = check_indexed_overlap(list, in); !s.ok()) return s;
  call.arguments = make_arguments(list, n);
  gather_by_index<Loss>(in, call.samples, call.arguments, call.rules.list);
  call.list[0] = {in.chosen.data, in.chosen.stride[0], in.chosen.type};
  call.list[1] = {in.rejected.data, in.rejected.stride[0], in.rejected.type};
  if (planned) {
    call.plan_offsets = {in.plan.offsets.data, in.plan.offsets.stride[0], element::i64};
    call.plan_entries = {in.plan.entries.data, in.plan.entries.stride[0], element::i64};
  }
  return check_indexed_content(exec, call);
}

}  // namespace detail

// Value and gradients of `loss` over n pairs of N samples: the inputs name samples and two index lists. Gradients of
// samples need the plan of the two lists (make_pair_plan, once per list) and scratch memory for the gradients of the
// pairs: on the CPU a workspace is required for them. Indices are checked first on the CPU; on CUDA a pair with an
// index out of range is NaN and reported. Returns the first thing that is wrong; then nothing has been written.
template <class Compute, class Exec, class Loss>
status evaluate_indexed(const Exec& exec, const Loss& loss, const std::type_identity_t<index_inputs_of<Loss, Exec>>& in,
                        const std::type_identity_t<index_outputs_of<Loss, Exec>>& out) {
  detail::indexed_call<Loss> call;
  if (const status s = detail::prepare_indexed(exec, loss, in, out, detail::purpose::compute, call); !s.ok()) return s;
  const std::int64_t n = in.chosen.extent[0];
  auto& arguments = call.arguments;

  // Gradients of samples go to one column of scratch memory per side first.
  std::size_t bytes = 0;
  for (int m = 0; m < call.columns; ++m)
    bytes += arguments.out[m].data != nullptr ? detail::column_bytes<Compute>(n) : 0;
  return with_scratch(exec, bytes, [&](char* scratch, const Exec& rest) {
    sink sums[detail::loss_body<Loss>::outputs];
    for (int m = 0; m < call.columns; ++m) {
      if (arguments.out[m].data == nullptr) continue;
      sums[m] = arguments.out[m];
      arguments.out[m] = {scratch, 1, element_of<Compute>(), true};
      scratch += detail::column_bytes<Compute>(n);
    }
    if (const status s = map_reduce<Compute>(rest, detail::loss_body<Loss>{loss}, arguments); !s.ok()) return s;
    for (int m = 0; m < call.columns; m += 2) {
      if (sums[m].data == nullptr) continue;
      gather_sum_arguments<Compute> g;
      g.samples = call.samples;
      g.offsets = in.plan.offsets.data;
      g.offset_stride = in.plan.offsets.stride[0];
      g.entries = in.plan.entries.data;
      g.entry_stride = in.plan.entries.stride[0];
      g.entry_count = 2 * n;
      g.even = static_cast<const Compute*>(arguments.out[m].data);
      g.odd = static_cast<const Compute*>(arguments.out[m + 1].data);
      g.out = sums[m];
      g.accumulate = out.accumulate;
      if (const status s = gather_sum(rest, g); !s.ok()) return s;
    }
    return status{};
  });
}

}  // namespace PREFER_ABI
}  // namespace prefer
