// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/row_reduce.hpp>
#include <prefer/logp/logit_rows.hpp>
#include <prefer/logp/picked_softmax.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

// Log-probabilities of several candidate tokens per row of logits, and the gradient back to the logits.
namespace prefer {

// `candidates` is [M, K] of int32 or int64: tokens, or ignore_index; a row stride of 0 gives all rows the same ones.
// Derivatives of the caller's objective by the answers, times grad_scale: any sign; those of ignored entries are not
// read. Rows where all are 0 get a gradient of 0 without being read for it.
template <space S>
struct candidate_logp_inputs {
  input_view<2, S> logits = {};      // [M, V], any row stride and alignment
  input_view<2, S> candidates = {};  // [M, K], K from 1 to 1024
  input_view<1, S> rows = {};        // [R] ascending rows of the logits: all others then have R rows or elements
  input_view<2, S> grad_logp = {};   // [M, K]
  input_view<1, S> grad_log_sum_exp = {};
  scalar grad_scale = 1.0;
};
template <space S>
struct candidate_logp_outputs {
  output_view<2, S> logp = {};         // [M, K] log p, not above 0; 0 where the entry is ignored
  output_view<1, S> max = {};          // of z; float or double
  output_view<1, S> log_sum = {};      // log-sum-exp minus max; float or double
  output_view<2, S> grad_logits = {};  // [M, V]; may be the logits themselves
};

// The same upstream derivatives, with what candidate_logp (or top_k_logp, or token_logp) answered.
template <space S>
struct candidate_logp_gradient_inputs {
  input_view<2, S> logits = {};
  input_view<2, S> candidates = {};
  input_view<1, S> rows = {};
  input_view<1, S> max = {}, log_sum = {};
  input_view<2, S> grad_logp = {};
  input_view<1, S> grad_log_sum_exp = {};
  scalar grad_scale = 1.0;
};
template <space S>
struct candidate_logp_gradient_outputs {
  output_view<2, S> grad_logits = {};
};

inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::int64_t most_candidates = 1024;  // what a block of threads on a GPU holds, four each

// Shapes and memory of one call: inputs, then outputs, then what shares memory.
template <class Inputs, class Outputs>
class candidate_call {
 public:
  static constexpr bool saved = requires(const Inputs& in) { in.log_sum; };

  candidate_call(const token_softmax& options, const Inputs& in, const Outputs& out)
      : options_(options), in_(in), out_(out), items_(in.rows.given() ? in.rows.extent[0] : in.logits.extent[0]) {}

  status check() const {
    status s = check_inputs();
    if (s.ok()) s = check_answers();
    if (s.ok()) s = check_needs();
    return s.ok() ? check_overlap() : s;
  }
  // What can be said without outputs.
  status check_inputs() const {
    const status s = first_error(check_picked_options(options_), require::is_finite(in_.grad_scale, "grad_scale"),
                                 check_logits(in_.logits, out_.grad_logits), check_candidates());
    if (!s.ok()) return s;
    return first_error(optional("rows", in_.rows, require::holds::indices),
                       optional("grad_log_sum_exp", in_.grad_log_sum_exp, require::holds::numbers),
                       in_.grad_logp.given()
                           ? require::matrix("grad_logp", in_.grad_logp, items_, in_.candidates.extent[1])
                           : status{});
  }

  row_reduce_arguments rows() const { return logit_rows(in_.logits, in_.rows, out_.grad_logits); }
  picked_arguments arguments() const {
    picked_arguments a;
    a.columns = in_.logits.extent[1];
    a.picks = static_cast<int>(in_.candidates.extent[1]);
    a.saved = saved;
    a.candidates = place_of(in_.candidates);
    a.grad_logp = place_of(in_.grad_logp);
    a.grad_log_sum_exp = place_of(in_.grad_log_sum_exp);
    a.grad_scale = in_.grad_scale;
    if constexpr (saved)
      a.saved_max = place_of(in_.max), a.saved_log_sum = place_of(in_.log_sum);
    else
      a.logp = place_of(out_.logp), a.max = place_of(out_.max), a.log_sum = place_of(out_.log_sum);
    return a;
  }

 private:
  const token_softmax& options_;
  const Inputs& in_;
  const Outputs& out_;
  std::int64_t items_;

  template <class View>
  status optional(const char* name, const View& v, require::holds what) const {
    return check_row_vector(name, v, items_, what);
  }

  status check_candidates() const {
    const auto& c = in_.candidates;
    if (!c.given()) return require::fail(errc::missing_input, "candidates", "a matrix of tokens, one row per row");
    return first_error(
        require::one_to("candidates", c.extent[1], most_candidates, "per row at least", "per row at most"),
        require::matrix("candidates", c, items_, c.extent[1], require::holds::indices));
  }

  status check_answers() const {
    using require::holds;
    if constexpr (saved) {
      if (!in_.max.given()) return require::fail(errc::missing_input, "max", "what candidate_logp answered");
      if (!in_.log_sum.given()) return require::fail(errc::missing_input, "log_sum", "what candidate_logp answered");
      return first_error(optional("max", in_.max, holds::numbers), optional("log_sum", in_.log_sum, holds::numbers));
    } else {
      return first_error(out_.logp.given() ? require::matrix("logp", out_.logp, items_, in_.candidates.extent[1])
                                           : status{},
                         optional("max", out_.max, holds::totals), optional("log_sum", out_.log_sum, holds::totals));
    }
  }

  status check_needs() const {
    bool answers = false;
    if constexpr (!saved) answers = out_.logp.given() || out_.max.given() || out_.log_sum.given();
    const bool gradient = out_.grad_logits.given(), upstream = in_.grad_logp.given() || in_.grad_log_sum_exp.given();
    if (!answers && !gradient)
      return require::fail(errc::missing_output, "outputs", "at least one output to write");
    if (gradient && !upstream)
      return require::fail(errc::missing_input, "grad_logp", "the derivative by some answer, for grad_logits");
    if (!gradient && upstream)
      return require::fail(errc::unused_input, in_.grad_logp.given() ? "grad_logp" : "grad_log_sum_exp",
                           "to be left out, since grad_logits is not asked for");
    return {};
  }

  status check_overlap() const {
    require::footprints<7, 4> all;
    if (!lies_over(out_.grad_logits, in_.logits)) all.read("logits", in_.logits);
    all.read("candidates", in_.candidates), all.read("rows", in_.rows);
    all.read("grad_logp", in_.grad_logp), all.read("grad_log_sum_exp", in_.grad_log_sum_exp);
    if constexpr (saved)
      all.read("max", in_.max), all.read("log_sum", in_.log_sum);
    else
      all.write("logp", out_.logp), all.write("max", out_.max), all.write("log_sum", out_.log_sum);
    all.write("grad_logits", out_.grad_logits);
    return all.check();
  }
};

// What a row's candidates say about it: the first that is wrong.
struct candidate_look {
  const token_softmax& options;
  const picked_arguments& call;

  item_look operator()(std::int64_t i) const {
    item_look seen = {.reads = false};
    const row_source& c = call.candidates;
    for (int k = 0; k < call.picks && seen.wrong.ok(); ++k) {
      const std::int64_t token = load_index(c.data, c.type, i * c.row_stride + k * c.stride);
      if (token == options.ignore_index) continue;
      seen.reads = true;
      seen.wrong = check_token(token, call.columns, "candidates", i);
    }
    return seen;
  }
};

template <class T, bool Capped, class Exec, class Call>
status run_candidate_call(const Exec& exec, const token_softmax& options, const Call& call) {
  candidate_body<T, Capped> body;
  body.options = options;
  body.call = call.arguments();
  const row_reduce_arguments rows = call.rows();
  if (const status s = check_logit_rows(exec, rows, candidate_look{options, body.call}); !s.ok()) return s;
  return row_reduce<T>(exec, body, rows);
}

template <class T, class Exec, class Inputs, class Outputs>
status run_candidate_logp(const Exec& exec, const token_softmax& options, const Inputs& in, const Outputs& out) {
  static_assert(std::same_as<T, float> || std::same_as<T, double>,
                "prefer: candidate_logp<Compute> computes in float or double; views choose their own element types");
  const candidate_call<Inputs, Outputs> call(options, in, out);
  if (const status s = call.check(); !s.ok()) return s;
  return options.soft_cap.is_zero() ? run_candidate_call<T, false>(exec, options, call)
                                    : run_candidate_call<T, true>(exec, options, call);
}

}  // namespace detail

// Log-probabilities of K candidates of each of M rows of V logits, in one read of the logits; with grad_logits also the
// gradient of the caller's objective, whose derivatives by the answers are in `in`:
//
//   candidate_logp<float>(cpu{}, {}, {.logits = {x, M, V}, .candidates = {c, M, K}}, {.logp = {logp, M, K}});
//
//   logp_k = z_{c_k} - log sum_v e^{z_v}      d logp_k / d z_v = [v = c_k] - p_v      d log_sum_exp / d z_v = p_v
//
// Distillation on a teacher's K tokens with probabilities q is grad_logp = -q: forward and backward in one call. The
// options are those of token_logp (temperature, logit_scale, soft_cap, ignore_index), without label_smoothing and
// z_loss. Columns are computed in Compute (float or double), rows and candidates in double, and the gradient of a
// candidate is rounded to the gradient's type once. The sums leave out the largest candidate, so that log p and 1 - p
// keep their digits where p is close to 1, whichever candidate that is; one candidate gives what token_logp gives.
//
// Entries may repeat: their derivatives add up. An entry of ignore_index has logp 0 and no gradient; a row of nothing
// else is not read, and all of it is 0. A logit of -inf has logp -inf. A NaN or +inf in the row (without a soft cap),
// or nothing but -inf, makes all answers of the row and its gradient NaN, save the logp of ignored entries.
//
// Error and cost: as token_logp, plus what belongs to candidates; the gradient compares them with each other, K^2 times
// a row, which is little up to some hundreds. 1024 are what a block of threads on a GPU holds in registers while it
// writes the gradient over what it has read, four per thread. Workspace: none on the CPU; on CUDA
// candidate_logp_workspace(M, V) bytes, else taken in stream order. Source: the derivative of a softmax; no paper.
//
// Errors: shapes, element types, memory that overlaps (the gradient may lie over the logits), what is missing or not
// used, parameters, K above 1024. An entry that is neither ignore_index nor in [0, V), and rows that do not ascend, are
// errors on the CPU (the index is the row's); on CUDA that row's answers are NaN (and for an entry its gradient), and
// it is reported.
template <class Compute, class Exec>
status candidate_logp(const Exec& exec, const token_softmax& options,
                      const std::type_identity_t<candidate_logp_inputs<Exec::memory>>& in,
                      const std::type_identity_t<candidate_logp_outputs<Exec::memory>>& out) {
  return detail::run_candidate_logp<Compute>(exec, options, in, out);
}

// The gradient alone, from the logits and what was answered for them: one read and one write, in place if the gradient
// is given the logits' own memory. 1 - p needs max and log_sum as they were computed: in double for logits in double.
template <class Compute, class Exec>
status candidate_logp_gradient(const Exec& exec, const token_softmax& options,
                               const std::type_identity_t<candidate_logp_gradient_inputs<Exec::memory>>& in,
                               const std::type_identity_t<candidate_logp_gradient_outputs<Exec::memory>>& out) {
  return detail::run_candidate_logp<Compute>(exec, options, in, out);
}

}  // namespace PREFER_ABI
}  // namespace prefer
