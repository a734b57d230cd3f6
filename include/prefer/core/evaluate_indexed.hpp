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

// Value and gradients of `loss` over n pairs of N samples: the inputs name samples and two index lists. Gradients of
// samples need the plan of the two lists (make_pair_plan, once per list) and scratch memory for the gradients of the
// pairs: on the CPU a workspace is required for them. Indices are checked first on the CPU; on CUDA a pair with an
// index out of range is NaN and reported. Returns the first thing that is wrong; then nothing has been written.
template <class Compute, class Exec, class Loss>
status evaluate_indexed(const Exec& exec, const Loss& loss, const std::type_identity_t<index_inputs_of<Loss, Exec>>& in,
                        const std::type_identity_t<index_outputs_of<Loss, Exec>>& out) {
  detail::call_list<Loss, Exec::memory> list;
  detail::list_indexed(in, out, list);
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
  if (const status s = detail::check_call(loss, list, extent, true); !s.ok()) return s;
  const std::int64_t samples = extent[1] < 0 ? 0 : extent[1];

  auto arguments = detail::make_arguments(list, n);
  detail::content_rules<Loss> rules;
  detail::gather_by_index<Loss>(in, samples, arguments, rules.list);
  if (const status s = check_content(exec, rules.list, arguments); !s.ok()) return s;

  // Gradients of samples go to one column of scratch memory per side first.
  const int columns = detail::sample_outputs<Loss>(out);
  std::size_t bytes = 0;
  for (int m = 0; m < columns; ++m) bytes += list.out[m].given() ? detail::column_bytes<Compute>(n) : 0;
  if (bytes > 0 || (columns > 0 && n == 0))
    for (int m = 0; m < columns; ++m)
      if (list.out[m].given())
        if (const status s = detail::check_plan(in, samples, n); !s.ok()) return s;

  return with_scratch(exec, bytes, [&](char* scratch, const Exec& rest) {
    sink sums[detail::loss_body<Loss>::outputs];
    for (int m = 0; m < columns; ++m) {
      if (!list.out[m].given()) continue;
      sums[m] = arguments.out[m];
      arguments.out[m] = {scratch, 1, element_of<Compute>(), true};
      scratch += detail::column_bytes<Compute>(n);
    }
    if (const status s = map_reduce<Compute>(rest, detail::loss_body<Loss>{loss}, arguments); !s.ok()) return s;
    for (int m = 0; m < columns; m += 2) {
      if (sums[m].data == nullptr) continue;
      gather_sum_arguments<Compute> g;
      g.samples = samples;
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
