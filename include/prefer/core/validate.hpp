// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_indexed.hpp>
#include <prefer/core/evaluate_lists.hpp>
#include <prefer/core/evaluate_rows.hpp>
#include <prefer/core/evaluate_tokens.hpp>

// validate, validate_tokens, validate_indexed, validate_rows, validate_lists: all checks of the call of that name
// (evaluate, evaluate_tokens, ...) without the computation, and a look at every number. They take the inputs of the
// call, write nothing, and answer with its sentences. On CUDA they are the calls that synchronise.
//
// Each form has a name of its own, as the calls have: inputs are written as braces, which no overload could tell apart.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// A call on the CPU that looks at everything.
inline cpu looking(cpu exec) {
  exec.content = content::all;
  return exec;
}

}  // namespace detail

// Looks at all inputs of evaluate(exec, loss, in, ...): parameters, shapes, and in every selected item labels and NaN.
// Returns the first thing that is wrong. Cost: one pass over the inputs.
template <class Loss>
status validate(const cpu& exec, const Loss& loss, const std::type_identity_t<inputs_of<Loss, cpu>>& in) {
  map_reduce_arguments_of<detail::loss_body<Loss>> arguments;
  return detail::prepare_items(detail::looking(exec), loss, in, {}, detail::purpose::look, arguments);
}

// The same of evaluate_tokens: offsets and ends too, and NaN in selected tokens and their weights (the index is the
// token's).
template <class Loss>
status validate_tokens(const cpu& exec, const Loss& loss, const std::type_identity_t<token_inputs_of<Loss, cpu>>& in) {
  const outputs_of<Loss, cpu> nothing = {};
  detail::segmented_call<Loss, space::host> call(in, nothing);
  if (const status s = call.check(loss, detail::purpose::look); !s.ok()) return s;
  return detail::check_token_content(detail::looking(exec), call);
}

// The same of evaluate_indexed: indices, NaN in the samples that selected pairs name (the index is the pair's), and, if
// a plan is given, whether it is that of the two index lists.
template <class Loss>
status validate_indexed(const cpu& exec, const Loss& loss, const std::type_identity_t<index_inputs_of<Loss, cpu>>& in) {
  detail::indexed_call<Loss> call;
  return detail::prepare_indexed(detail::looking(exec), loss, in, {}, detail::purpose::look, call);
}

// The same of evaluate_rows: NaN in the rows and factors of selected items (the index is the item's).
template <class Score, class Loss>
status validate_rows(const cpu& exec, const Score& score, const Loss& loss,
                     const std::type_identity_t<detail::row_inputs_of<Score, Loss, cpu>>& in) {
  using call = detail::row_call<Score, Loss, cpu>;
  typename call::arguments arguments;
  const typename call::outputs nothing = {};
  return call(score, loss, in, nothing).prepare(detail::looking(exec), detail::purpose::look, arguments);
}

// The same of evaluate_lists: offsets, rankings, NaN in the grades and scores of the items that take part. It needs
// the workspace of the call.
template <class Loss>
status validate_lists(const cpu& exec, const Loss& loss, const list_inputs<space::host>& in) {
  detail::list_arguments a;
  if (const status s = detail::prepare_lists(loss, in, list_outputs<space::host>{}, detail::purpose::look, a); !s.ok())
    return s;
  return detail::check_list_content(detail::looking(exec), a);
}

}  // namespace PREFER_ABI
}  // namespace prefer
