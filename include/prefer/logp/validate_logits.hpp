// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/logp/candidate_logp.hpp>
#include <prefer/logp/token_divergence.hpp>
#include <prefer/logp/token_logp.hpp>
#include <prefer/logp/top_k_logp.hpp>

#include <type_traits>

// validate_token_logp, validate_candidate_logp, validate_top_k_logp, validate_token_divergence: all checks of the call
// of that name that need no outputs, without the computation, and a look at every logit. They take the inputs of the
// call, write nothing, and answer with its sentences: a target or candidate that is neither ignore_index nor a token
// (the index is the row's, or that of the list of rows), rows that do not ascend, and NaN in the logits of rows that
// are read. On CUDA they are the
// calls that synchronise. See core/validate.hpp for the other calls.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// f(rows, look, tokens, name): what check_logit_rows wants to know of a call, once its shapes are right, and what else
// `look` looks at.
template <space S, class F>
status with_token_rows(const token_softmax& options, const token_logp_inputs<S>& in, const F& f) {
  const token_logp_outputs<S> nothing = {};
  const token_call call(options, in, nothing);
  if (const status s = call.check_inputs(); !s.ok()) return s;
  token_arguments io = call.arguments();
  return f(call.rows(), token_look{options, io}, io.target, "logits");
}
template <space S, class F>
status with_candidate_rows(const token_softmax& options, const candidate_logp_inputs<S>& in, const F& f) {
  const candidate_logp_outputs<S> nothing = {};
  const candidate_call call(options, in, nothing);
  if (const status s = call.check_inputs(); !s.ok()) return s;
  picked_arguments arguments = call.arguments();
  return f(call.rows(), candidate_look{options, arguments}, arguments.candidates, "logits");
}
template <space S, class F>
status with_top_k_rows(const token_softmax& options, const top_k_logp_inputs<S>& in, const F& f) {
  const top_k_logp_outputs<S> nothing = {};
  const top_k_call<S> call(options, in, nothing);
  if (const status s = call.check_inputs(); !s.ok()) return s;
  source none;
  return f(call.rows(), [](std::int64_t) { return item_look{}; }, none, "logits");
}
template <space S, class F>
status with_divergence_rows(const row_divergence& options, const token_divergence_inputs<S>& in, const F& f) {
  const token_divergence_outputs<S> nothing = {};
  const divergence_call call(options, in, nothing);
  if (const status s = call.check_inputs(); !s.ok()) return s;
  const row_source x[2] = {place_of(in.p_logits), place_of(in.q_logits)};
  source mask = place_of(in.mask);
  const auto side = [&](const row_reduce_arguments& rows, const auto& look, const char* name) {
    return f(rows, look, mask, name);
  };
  return check_divergence_rows(call, mask, x, side);
}

// The check of the CPU that looks at everything.
inline auto looking_at_rows(cpu exec) {
  exec.content = content::all;
  return [exec](const row_reduce_arguments& rows, const auto& look, auto&, const char* name) {
    return check_logit_rows(exec, rows, look, name);
  };
}

}  // namespace detail

inline status validate_token_logp(const cpu& exec, const token_softmax& options,
                                  const token_logp_inputs<space::host>& in) {
  return detail::with_token_rows(options, in, detail::looking_at_rows(exec));
}
inline status validate_candidate_logp(const cpu& exec, const token_softmax& options,
                                      const candidate_logp_inputs<space::host>& in) {
  return detail::with_candidate_rows(options, in, detail::looking_at_rows(exec));
}
inline status validate_top_k_logp(const cpu& exec, const token_softmax& options,
                                  const top_k_logp_inputs<space::host>& in) {
  return detail::with_top_k_rows(options, in, detail::looking_at_rows(exec));
}
inline status validate_token_divergence(const cpu& exec, const row_divergence& options,
                                        const token_divergence_inputs<space::host>& in) {
  return detail::with_divergence_rows(options, in, detail::looking_at_rows(exec));
}

}  // namespace PREFER_ABI
}  // namespace prefer
