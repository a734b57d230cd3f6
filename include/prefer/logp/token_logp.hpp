// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/row_reduce.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/logp/logit_rows.hpp>
#include <prefer/logp/token_softmax.hpp>

#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

// From logits to log-probabilities of tokens, with entropy and log-sum-exp, and the gradient back to the logits.
namespace prefer {

// A part of the vocabulary, whose other columns are elsewhere (tensor parallel): column v of the logits is token
// first + v of `vocabulary`, and targets are tokens. 0: the logits are all there is.
struct token_shard {
  std::int64_t first = 0, vocabulary = 0;
};

// Derivatives of the caller's objective by the answers of a row, times grad_scale: any sign. Rows where all given ones
// are 0 get a gradient of 0 without being read for it. Stride 0 gives one number to all rows.
template <space S>
struct token_logp_inputs {
  input_view<2, S> logits = {};  // [M, V], any row stride and alignment
  input_view<1, S> target = {};  // [M] int32 or int64; left out: no logp, no loss
  input_view<1, S> rows = {};    // [R] ascending rows of the logits: all other vectors then have R elements
  input_view<1, S> grad_logp = {}, grad_loss = {}, grad_entropy = {}, grad_log_sum_exp = {};
  scalar grad_scale = 1.0;
  token_shard shard = {};
};
template <space S>
struct token_logp_outputs {
  output_view<1, S> logp = {};         // log p_y, not above 0
  output_view<1, S> loss = {};         // see token_softmax
  output_view<1, S> max = {};          // of z; float or double
  output_view<1, S> log_sum = {};      // log-sum-exp minus max; float or double
  output_view<1, S> entropy = {};      // -sum_v p_v log p_v, in nats
  output_view<1, S> choices = {};      // the number of logits that are not -inf; float or double
  output_view<1, S> argmax = {};       // the first v with the largest z; int32 or int64
  output_view<1, S> argmax_prob = {};  // its probability
  output_view<2, S> grad_logits = {};  // [M, V]; may be the logits themselves
  // For combine_token_shards, all float or double: the largest z of the tokens that are not the target, the sum of
  // e^(z - max) over them, and the target's z, -inf if it is not here.
  output_view<1, S> shard_max = {}, shard_sum = {}, shard_target = {};
};

// The same upstream derivatives, with what token_logp answered. `entropy` is needed with grad_entropy only; `choices`
// with label_smoothing, and only where logits are -inf (left out: V).
template <space S>
struct token_logp_gradient_inputs {
  input_view<2, S> logits = {};
  input_view<1, S> target = {};
  input_view<1, S> rows = {};
  input_view<1, S> logp = {}, max = {}, log_sum = {}, entropy = {}, choices = {};
  input_view<1, S> grad_logp = {}, grad_loss = {}, grad_entropy = {}, grad_log_sum_exp = {};
  scalar grad_scale = 1.0;
  token_shard shard = {};
};
template <space S>
struct token_logp_gradient_outputs {
  output_view<2, S> grad_logits = {};
};

inline namespace PREFER_ABI {
namespace detail {

// The fields that both calls have, by name: f(name, view) of the upstream derivatives, in the order of the body.
template <class Inputs, class F>
void each_upstream(const Inputs& in, F f) {
  f("grad_logp", in.grad_logp), f("grad_loss", in.grad_loss);
  f("grad_entropy", in.grad_entropy), f("grad_log_sum_exp", in.grad_log_sum_exp);
}
template <class Inputs, class F>
void each_saved(const Inputs& in, F f) {
  f("logp", in.logp), f("max", in.max), f("log_sum", in.log_sum), f("entropy", in.entropy), f("choices", in.choices);
}
template <class Outputs, class F>
void each_answer(const Outputs& out, F f) {
  using require::holds;
  f("logp", out.logp, holds::numbers), f("loss", out.loss, holds::numbers), f("max", out.max, holds::totals);
  f("log_sum", out.log_sum, holds::totals), f("entropy", out.entropy, holds::numbers);
  f("choices", out.choices, holds::totals), f("argmax_prob", out.argmax_prob, holds::numbers);
  f("argmax", out.argmax, holds::indices), f("shard_max", out.shard_max, holds::totals);
  f("shard_sum", out.shard_sum, holds::totals), f("shard_target", out.shard_target, holds::totals);
}

// Shapes and memory of one call: inputs, then outputs, then what shares memory.
template <class Inputs, class Outputs>
class token_call {
 public:
  static constexpr bool saved = requires(const Inputs& in) { in.log_sum; };

  token_call(const token_softmax& options, const Inputs& in, const Outputs& out)
      : options_(options), in_(in), out_(out), items_(in.rows.given() ? in.rows.extent[0] : in.logits.extent[0]) {
    each_upstream(in_, [&](const char*, const auto& v) { any_upstream_ = any_upstream_ || v.given(); });
    if constexpr (!saved)
      each_answer(out_, [&](const char*, const auto& v, require::holds) { any_answer_ = any_answer_ || v.given(); });
  }

  status check() const {
    status s = check_inputs();
    if (s.ok()) s = check_needs();
    if constexpr (saved)
      if (s.ok()) s = check_saved();
    return s.ok() ? check_overlap() : s;
  }
  // What can be said without outputs.
  status check_inputs() const {
    status s = first_error(options_.check(), require::is_finite(in_.grad_scale, "grad_scale"),
                           check_logits(in_.logits, out_.grad_logits));
    if (s.ok()) s = check_shard();
    return s.ok() ? check_vectors() : s;
  }

  row_reduce_arguments rows() const {
    row_reduce_arguments a = logit_rows(in_.logits, in_.rows, out_.grad_logits);
    if constexpr (!saved) a.arg = out_.argmax.given();
    return a;
  }
  token_arguments arguments() const {
    token_arguments a;
    a.columns = in_.logits.extent[1];
    a.first = in_.shard.first;
    a.vocabulary = sharded() ? in_.shard.vocabulary : a.columns;
    a.saved = saved;
    a.answers = any_answer_;
    a.target = place_of(in_.target);
    int k = 0;
    each_upstream(in_, [&](const char*, const auto& v) { a.upstream[k++] = place_of(v); });
    a.grad_scale = in_.grad_scale;
    if constexpr (saved) {
      a.saved_logp = place_of(in_.logp), a.saved_max = place_of(in_.max);
      a.saved_log_sum = place_of(in_.log_sum), a.saved_entropy = place_of(in_.entropy);
      a.saved_choices = place_of(in_.choices);
    } else {
      a.logp = place_of(out_.logp), a.loss = place_of(out_.loss), a.max = place_of(out_.max);
      a.log_sum = place_of(out_.log_sum), a.entropy = place_of(out_.entropy);
      a.choices = place_of(out_.choices), a.argmax_prob = place_of(out_.argmax_prob);
      a.argmax = place_of(out_.argmax), a.shard_max = place_of(out_.shard_max);
      a.shard_sum = place_of(out_.shard_sum), a.shard_target = place_of(out_.shard_target);
    }
    return a;
  }

  bool sharded() const { return in_.shard.vocabulary != 0; }
  bool smooths() const { return in_.grad_loss.given() && !options_.label_smoothing.is_zero(); }
  // Whether the sums that entropy and smoothing need are wanted.
  bool full() const {
    bool wanted = smooths() || in_.grad_entropy.given();
    if constexpr (!saved)
      wanted = wanted || out_.entropy.given() || out_.choices.given() ||
               (out_.loss.given() && !options_.label_smoothing.is_zero());
    return wanted;
  }

 private:
  const token_softmax& options_;
  const Inputs& in_;
  const Outputs& out_;
  std::int64_t items_;
  bool any_upstream_ = false, any_answer_ = false;

  // A shard knows sums and choices; what belongs to the whole distribution comes after combine_token_shards.
  status check_shard() const {
    const auto refuse = [&](const char* expected) {
      return require::that(false, "shard.first", static_cast<double>(in_.shard.first), expected);
    };
    if (!sharded()) return in_.shard.first == 0 ? status{} : refuse("0 where there is no shard");
    const std::int64_t most = in_.shard.vocabulary - in_.logits.extent[1];
    if (in_.shard.first < 0 || in_.shard.first > most) return refuse("0 or above, all columns inside the vocabulary");
    status first;
    if constexpr (!saved)
      each_answer(out_, [&](const char* name, const auto& v, require::holds) {
        const bool partial = name == std::string_view("choices") || std::string_view(name).starts_with("shard_");
        if (first.ok() && v.given() && !partial)
          first = require::fail(errc::unavailable_output, name, "to be left out: a shard does not know it");
      });
    if (!saved && first.ok() && out_.grad_logits.given())
      first = require::fail(errc::unavailable_output, "grad_logits", "to be left out: see token_logp_gradient");
    return first;
  }

  status check_vectors() const {
    status first;
    const auto look = [&](const char* name, const auto& v, require::holds what) {
      if (first.ok()) first = check_row_vector(name, v, items_, what);
    };
    look("rows", in_.rows, require::holds::indices);
    look("target", in_.target, require::holds::indices);
    each_upstream(in_, [&](const char* name, const auto& v) { look(name, v, require::holds::numbers); });
    if constexpr (saved)
      each_saved(in_, [&](const char* name, const auto& v) { look(name, v, require::holds::numbers); });
    else
      each_answer(out_, look);
    return first;
  }

  status check_needs() const {
    if (!any_answer_ && !out_.grad_logits.given())
      return require::fail(errc::missing_output, "outputs", "at least one output to write");
    if (out_.grad_logits.given() && !any_upstream_)
      return require::fail(errc::missing_input, "grad_logp", "the derivative by some answer, for grad_logits");
    status first;
    each_upstream(in_, [&](const char* name, const auto& v) {
      if (first.ok() && v.given() && !out_.grad_logits.given())
        first = require::fail(errc::unused_input, name, "to be left out, since grad_logits is not asked for");
    });
    bool needs_target = in_.grad_logp.given() || in_.grad_loss.given();
    if constexpr (!saved) needs_target = needs_target || out_.logp.given() || out_.loss.given();
    if (first.ok() && needs_target && !in_.target.given())
      first = require::fail(errc::missing_input, "target", "one token per row, for its log-probability");
    return first;
  }

  status check_saved() const {
    const auto need = [](const char* name, const auto& v, bool wanted, bool required) {
      if (v.given() && !wanted)
        return require::fail(errc::unused_input, name, "to be left out, since this gradient does not read it");
      if (!v.given() && required) return require::fail(errc::missing_input, name, "what token_logp answered");
      return status{};
    };
    const bool target = in_.target.given(), entropy = in_.grad_entropy.given();
    return first_error(need("max", in_.max, true, true), need("log_sum", in_.log_sum, true, true),
                       need("logp", in_.logp, target, target), need("entropy", in_.entropy, entropy, entropy),
                       need("choices", in_.choices, smooths(), false));
  }

  status check_overlap() const {
    require::footprints<13, 12> all;
    const auto reads = [&](const char* name, const auto& v) { all.read(name, v); };
    if (!lies_over(out_.grad_logits, in_.logits)) all.read("logits", in_.logits);
    all.read("target", in_.target), all.read("rows", in_.rows);
    each_upstream(in_, reads);
    if constexpr (saved)
      each_saved(in_, reads);
    else
      each_answer(out_, [&](const char* name, const auto& v, require::holds) { all.write(name, v); });
    all.write("grad_logits", out_.grad_logits);
    return all.check();
  }
};

// What a row's target says about it.
struct token_look {
  const token_softmax& options;
  const token_arguments& io;

  item_look operator()(std::int64_t i) const {
    if (io.target.data == nullptr) return {};
    const std::int64_t target = load_index(io.target.data, io.target.type, i * io.target.stride);
    if (target == options.ignore_index) return {.reads = false};
    return {.wrong = check_token(target, io.vocabulary, "target", i)};
  }
};

template <class T, bool Capped, bool Full, class Exec, class Call>
status run_token_call(const Exec& exec, const token_softmax& options, const Call& call) {
  token_body<T, Capped, Full> body;
  body.options = options;
  body.io = call.arguments();
  const row_reduce_arguments rows = call.rows();
  if (const status s = check_logit_rows(exec, rows, token_look{options, body.io}); !s.ok()) return s;
  return row_reduce<T>(exec, body, rows);
}

template <class T, class Exec, class Inputs, class Outputs>
status run_token_logp(const Exec& exec, const token_softmax& options, const Inputs& in, const Outputs& out) {
  static_assert(std::same_as<T, float> || std::same_as<T, double>,
                "prefer: token_logp<Compute> computes in float or double; the views choose their own element types");
  const token_call<Inputs, Outputs> call(options, in, out);
  if (const status s = call.check(); !s.ok()) return s;
  const bool capped = !options.soft_cap.is_zero();
  if (call.full())
    return capped ? run_token_call<T, true, true>(exec, options, call)
                  : run_token_call<T, false, true>(exec, options, call);
  return capped ? run_token_call<T, true, false>(exec, options, call)
                : run_token_call<T, false, false>(exec, options, call);
}

}  // namespace detail

// Log-probabilities of the targets of M rows of V logits, and whatever else `out` asks for, in one read of the logits;
// with grad_logits also the gradient of the caller's objective, whose derivatives by the answers are in `in`:
//
//   token_logp<float>(cpu{}, token_softmax{}, {.logits = {x, M, V}, .target = {y, M}}, {.logp = {logp, M}});
//
//   d logp / d z_v = [v = y] - p_v                     d log_sum_exp / d z_v = p_v
//   d entropy / d z_v = -p_v (log p_v + entropy)       d loss / d z_v = p_v (1 + 2 z_loss log_sum_exp)
//                                                          - (1 - label_smoothing) [v = y] - label_smoothing / choices
//
// With a gradient known up to a factor (grad_loss 1 everywhere and grad_scale 1 / M, say) this is forward and backward
// at once: on the CPU a row that fits in a cache is read from memory once. Columns are computed in Compute (float or
// double), rows in double.
//
// Rows: a logit of -inf has probability 0. A NaN or +inf anywhere (without a soft cap, which makes +inf finite), or
// nothing but -inf, makes all answers of the row and its gradient NaN (max may stay a number; argmax is -1). A target
// of -inf has logp -inf. Ignored rows: see token_softmax. Rows that `rows` does not list are neither read nor written.
//
// Error: at most u (150 + 2 log V) |logp| for logp where z = x, u the rounding unit of Compute: relative to logp, not
// to the logits. docs/logp/token_logp.md has the bounds of the other answers and the reasons. Cost: one exponential per
// logit, one more for the gradient. Workspace: none on the CPU; on CUDA token_logp_workspace(M, V) bytes, else taken in
// stream order. Source: online softmax, Milakov and Gimelshein 2018, arXiv 1805.02867; z-loss: Chowdhery et al. 2022,
// arXiv 2204.02311, section 5; the options are those of the language models that use them.
//
// Errors: shapes, element types, memory that overlaps (the gradient may lie over the logits), what is missing or not
// used, parameters. A target that is neither ignore_index nor in [0, V), and rows that do not ascend, are errors on the
// CPU; on CUDA that row's answers (and for a target its gradient) are NaN, and it is reported.
template <class Compute, class Exec>
status token_logp(const Exec& exec, const token_softmax& options,
                  const std::type_identity_t<token_logp_inputs<Exec::memory>>& in,
                  const std::type_identity_t<token_logp_outputs<Exec::memory>>& out) {
  return detail::run_token_logp<Compute>(exec, options, in, out);
}

// The gradient alone, from the logits and what token_logp answered for them: one read and one write, in place if the
// gradient is given the logits' own memory. 1 - p_y is formed from logp, so that it is exact for p_y close to 1.
template <class Compute, class Exec>
status token_logp_gradient(const Exec& exec, const token_softmax& options,
                           const std::type_identity_t<token_logp_gradient_inputs<Exec::memory>>& in,
                           const std::type_identity_t<token_logp_gradient_outputs<Exec::memory>>& out) {
  return detail::run_token_logp<Compute>(exec, options, in, out);
}

}  // namespace PREFER_ABI
}  // namespace prefer
