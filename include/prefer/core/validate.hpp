// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.hpp>

#include <algorithm>
#include <cstdint>

// validate: the checks of evaluate without the computation, and a look at every number. On CUDA it is the one call that
// synchronises; it answers with the same sentences as the CPU.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// What evaluate would compute from, after everything that the host can see has been checked.
template <class Loss, class Exec>
status checked_arguments(const Loss& loss, const inputs_of<Loss, Exec>& in,
                         map_reduce_arguments_of<loss_body<Loss>>& arguments) {
  const outputs_of<Loss, Exec> nothing{};
  call_list<Loss, Exec::memory> list;
  list_items(in, nothing, list, [&](auto f) { kind_of<Loss>::each_input(in, f); });
  std::int64_t extent[3] = {-1, -1, -1};
  const traits_of_loss<Loss> traits(loss);
  if (const status s = check_parameters(loss); !s.ok()) return s;
  if (const status s = check_inputs(list, traits.reads, extent); !s.ok()) return s;
  arguments = make_arguments(list, extent[0]);
  return {};
}

}  // namespace detail

// Looks at all inputs of evaluate(exec, loss, in, ...): parameters, shapes, and in every selected item labels and NaN.
// Returns the first thing that is wrong. Cost: one pass over the inputs.
template <class Loss>
status validate(const cpu& exec, const Loss& loss, const std::type_identity_t<inputs_of<Loss, cpu>>& in) {
  map_reduce_arguments_of<detail::loss_body<Loss>> arguments;
  if (const status s = detail::checked_arguments<Loss, cpu>(loss, in, arguments); !s.ok()) return s;
  static constexpr detail::content_rules<Loss> rules;
  cpu everything = exec;
  everything.content = content::all;
  return check_content(everything, rules.list, arguments);
}

}  // namespace PREFER_ABI
}  // namespace prefer
