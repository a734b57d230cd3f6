// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/select_tokens.hpp>
#include <prefer/core/arena.hpp>
#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/logp/token_logp_chunks.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// The whole path of a trainer of language models: logits of packed tokens, log-probabilities of their targets, a loss
// of responses, and its gradient back to the logits.
namespace prefer {

// One row of logits per token, all responses in one packed array, chosen and rejected ones alike. Of the reference
// either the logits or what token_logp answered for them, if the loss reads it; neither if it does not.
template <space S>
struct policy_logits {
  input_view<2, S> logits = {};            // [M, V]
  input_view<2, S> reference_logits = {};  // [M, any V]
  input_view<1, S> target = {};            // [M] int32 or int64: the token that row predicts, or softmax.ignore_index
  input_view<1, S> reference_logp = {};    // [M]
  token_softmax softmax = {};              // of both; without label_smoothing and z_loss
  output_view<2, S> grad_logits = {};      // [M, V], overwritten; may be the logits themselves
};

// The same with logits that exist a chunk at a time. The gradient is computed if there is chunks.grad_logits.
template <space S>
struct policy_logits_chunks {
  logits_chunks<S> chunks = {};
  row_callback reference_logits = {};  // like chunks.logits, to the same buffer
  input_view<1, S> target = {};
  input_view<1, S> reference_logp = {};
  token_softmax softmax = {};
};

inline namespace PREFER_ABI {
namespace detail {

// What lies in the workspace: a few numbers per token.
template <space S>
struct token_arrays {
  std::int64_t tokens;
  std::int64_t* target;
  double *logp, *max, *log_sum, *reference, *gradient;
  std::uint8_t* counts;

  token_arrays(arena& memory, std::int64_t m)
      : tokens(m),
        target(memory.take<std::int64_t>(m)),
        logp(memory.take<double>(m)),
        max(memory.take<double>(m)),
        log_sum(memory.take<double>(m)),
        reference(memory.take<double>(m)),
        gradient(memory.take<double>(m)),
        counts(memory.take<std::uint8_t>(m)) {}

  static std::size_t bytes(std::int64_t m) {
    arena measured;
    token_arrays(measured, m);
    return measured.bytes();
  }

  token_logp_inputs<S> inputs() const { return {.target = {target, tokens}}; }
  token_logp_outputs<S> answers(bool for_gradient) const {
    token_logp_outputs<S> out = {.logp = {logp, tokens}};
    if (for_gradient) out.max = {max, tokens}, out.log_sum = {log_sum, tokens};
    return out;
  }
  token_logp_outputs<S> reference_answers() const { return {.logp = {reference, tokens}}; }
  token_logp_gradient_inputs<S> backward() const {
    return {.target = {target, tokens},
            .logp = {logp, tokens},
            .max = {max, tokens},
            .log_sum = {log_sum, tokens},
            .grad_logp = {gradient, tokens}};
  }
};

// Logits from a matrix. What makes them is asked for in three calls: log-probabilities of the policy, of the reference,
// and the gradient; `check` says beforehand whether they would be refused.
template <class Exec>
class logits_of_matrix {
 public:
  static constexpr space memory = Exec::memory;
  using given_type = policy_logits<memory>;

  logits_of_matrix(const Exec&, const given_type& given) : given_(given) {}

  std::int64_t tokens() const { return given_.logits.extent[0]; }
  bool makes_reference() const { return given_.reference_logits.given(); }
  bool makes_gradient() const { return given_.grad_logits.given(); }

  status check_shape() const {
    if (!given_.logits.given()) return require::fail(errc::missing_input, "logits", "a matrix of one row per token");
    return tokens() < 0 ? require::fail(errc::bad_extent, "logits", "at least", static_cast<double>(tokens()), 0)
                        : status{};
  }
  status check(const token_arrays<memory>& a) const {
    const token_logp_inputs<memory> in = policy(a);
    const token_logp_outputs<memory> out = a.answers(makes_gradient());
    if (const status s = token_call(given_.softmax, in, out).check(); !s.ok()) return s;
    if (makes_reference()) {
      const auto& r = given_.reference_logits;
      if (const status s = require::matrix("reference_logits", r, tokens(), r.extent[1]); !s.ok()) return s;
    }
    if (!makes_gradient()) return {};
    const token_logp_gradient_inputs<memory> saved = backward(a);
    const token_logp_gradient_outputs<memory> gradient = {given_.grad_logits};
    return token_call(given_.softmax, saved, gradient).check();
  }
  template <class Footprints>
  void add_to(Footprints& all) const {
    const auto& x = given_.logits;
    const auto& g = given_.grad_logits;
    if (!lies_over(g, x)) all.reads[all.read_count++] = require::footprint_of("logits", x);
    if (makes_reference())
      all.reads[all.read_count++] = require::footprint_of("reference_logits", given_.reference_logits);
    if (g.given()) all.writes[all.write_count++] = require::footprint_of("grad_logits", g);
  }

  template <class T>
  status reference(const Exec& exec, const token_arrays<memory>& a) const {
    token_logp_inputs<memory> in = a.inputs();
    in.logits = given_.reference_logits;
    return token_logp<T>(exec, given_.softmax, in, a.reference_answers());
  }
  template <class T>
  status logp(const Exec& exec, const token_arrays<memory>& a) const {
    return token_logp<T>(exec, given_.softmax, policy(a), a.answers(makes_gradient()));
  }
  template <class T>
  status gradient(const Exec& exec, const token_arrays<memory>& a) const {
    return token_logp_gradient<T>(exec, given_.softmax, backward(a), {.grad_logits = given_.grad_logits});
  }

 private:
  const given_type& given_;

  token_logp_inputs<memory> policy(const token_arrays<memory>& a) const {
    token_logp_inputs<memory> in = a.inputs();
    in.logits = given_.logits;
    return in;
  }
  token_logp_gradient_inputs<memory> backward(const token_arrays<memory>& a) const {
    token_logp_gradient_inputs<memory> in = a.backward();
    in.logits = given_.logits;
    return in;
  }
};

// Logits from callbacks, in the same three calls.
template <class Exec>
class logits_of_chunks {
 public:
  static constexpr space memory = Exec::memory;
  using given_type = policy_logits_chunks<memory>;

  logits_of_chunks(const Exec& exec, const given_type& given)
      : exec_(exec), given_(given), forward_(given.chunks), reference_(given.chunks) {
    forward_.grad_logits = reference_.grad_logits = {};
    reference_.logits = given.reference_logits;
  }

  std::int64_t tokens() const { return given_.chunks.rows; }
  bool makes_reference() const { return static_cast<bool>(given_.reference_logits); }
  bool makes_gradient() const { return static_cast<bool>(given_.chunks.grad_logits); }

  status check_shape() const {
    return tokens() < 0 ? require::fail(errc::bad_extent, "chunks.rows", "at least", static_cast<double>(tokens()), 0)
                        : status{};
  }
  // The targets of the workspace are not there yet: `structure` is looked at later.
  status check(const token_arrays<memory>& a) const {
    Exec shapes = exec_;
    if constexpr (memory == space::host) shapes.content = content::none;
    const token_logp_inputs<memory> in = a.inputs();
    const token_logp_outputs<memory> out = a.answers(makes_gradient());
    return chunked_call(shapes, given_.softmax, forward_, in, out).check();
  }
  template <class Footprints>
  void add_to(Footprints& all) const {
    all.writes[all.write_count++] = require::footprint_of("chunks.buffer", given_.chunks.buffer);
  }

  template <class T>
  status reference(const Exec& exec, const token_arrays<memory>& a) const {
    return token_logp_chunks<T>(exec, given_.softmax, reference_, a.inputs(), a.reference_answers());
  }
  template <class T>
  status logp(const Exec& exec, const token_arrays<memory>& a) const {
    return token_logp_chunks<T>(exec, given_.softmax, forward_, a.inputs(), a.answers(makes_gradient()));
  }
  // The last chunk of the policy's logits is still in the buffer.
  template <class T>
  status gradient(const Exec& exec, const token_arrays<memory>& a) const {
    return run_chunks<T>(exec, given_.softmax, given_.chunks, a.backward(), token_logp_gradient_outputs<memory>{}, true,
                         true);
  }

 private:
  const Exec& exec_;
  const given_type& given_;
  logits_chunks<memory> forward_, reference_;
};

// A lambda in the concept would do, but nvcc refuses it.
struct any_three {
  template <class A, class B, class C>
  void operator()(A&, B&, C&) const {}
};
template <class Loss>
concept has_logp = requires(typename kind_of<Loss>::template token_inputs<space::host>& in,
                            typename kind_of<Loss>::template outputs<space::host>& out) {
  kind_of<Loss>::each_logp(in, out, any_three{});
};

// Puts log-probabilities and their gradient in the workspace at the places of the token form where the loss reads
// them; `read` says of which segments.
template <class Loss, space S, class Given, class Inputs, class Outputs>
status complete_tokens(const Loss& loss, const Given& given, bool makes_reference, bool makes_gradient,
                       const token_arrays<S>& a, Inputs& in, Outputs& out, bool* read) {
  using kind = kind_of<Loss>;
  const traits_of_loss<Loss> traits(loss);
  const bool has_reference = makes_reference || given.reference_logp.given();
  bool reads_reference = false;
  status first;
  const auto refuse = [&](const auto& v, errc code, const char* name, const char* expected) {
    if (first.ok() && v.given()) first = require::fail(code, name, expected);
  };
  int p = 0;
  kind::each_logp(in, out, [&](auto& policy, auto& reference, auto& gradient) {
    const auto reads = [&](int field) { return (traits.reads >> field & 1u) != 0; };
    const int q = kind::segments + p;
    refuse(policy, errc::unused_input, kind::input_fields[p].name, "to be left out, since it comes from the logits");
    refuse(reference, errc::unused_input, kind::input_fields[q].name,
           "to be left out, since reference_logits or reference_logp give it");
    refuse(gradient, errc::unavailable_output, kind::output_fields[p],
           "to be left out, since grad_logits takes its place");
    read[p] = reads(p) || reads(q);
    reads_reference = reads_reference || reads(q);
    if (reads(p)) policy = {a.logp, a.tokens};
    if (reads(q) && has_reference) {
      reference = given.reference_logp;
      if (makes_reference) reference = {a.reference, a.tokens};
    }
    if (reads(p) && makes_gradient) {
      gradient = {a.gradient, a.tokens};
      if (first.ok() && !traits.provides[p])
        first = require::fail(errc::unavailable_output, "grad_logits",
                              "to be left out, since this loss does not provide a gradient");
    }
    ++p;
  });
  if (!first.ok()) return first;
  if (makes_reference && given.reference_logp.given())
    return require::fail(errc::unused_input, "reference_logp", "to be left out, since there are reference_logits");
  if (reads_reference && !has_reference)
    return require::fail(errc::missing_input, "reference_logp",
                         "log-probabilities (or reference_logits), since this loss reads those of a reference");
  if (has_reference && !reads_reference)
    return require::fail(errc::unused_input, makes_reference ? "reference_logits" : "reference_logp",
                         "to be left out, since this loss does not read a reference");
  return {};
}

template <class Given>
status check_given(const Given& given, std::int64_t tokens) {
  const token_softmax& o = given.softmax;
  const char* nothing = "0, since a loss of log-probabilities does not read it";
  if (const status s =
          first_error(require::that(o.label_smoothing.is_zero(), "label_smoothing", o.label_smoothing.value64, nothing),
                      require::that(o.z_loss.is_zero(), "z_loss", o.z_loss.value64, nothing));
      !s.ok())
    return s;
  if (!given.target.given()) return require::fail(errc::missing_input, "target", "one token per row");
  return require::vector("target", given.target, tokens, "one per row of logits:", require::holds::indices);
}

// No output may share memory with any other argument, whichever of the calls inside reads or writes it.
template <class Source, class Given, class Call>
status check_logits_overlap(const Source& source, const Given& given, const Call& call) {
  require::footprints<Call::reads + 4, Call::writes + 1> all;
  call.add_to(all);
  source.add_to(all);
  all.reads[all.read_count++] = require::footprint_of("target", given.target);
  if (given.reference_logp.given())
    all.reads[all.read_count++] = require::footprint_of("reference_logp", given.reference_logp);
  return all.check();
}

template <class T, class Source, class Exec, class Loss, class Inputs, class Outputs>
status run_logits(const Exec& exec, const Loss& loss, const typename Source::given_type& given, Inputs in,
                  Outputs out) {
  static constexpr space memory = Exec::memory;
  static_assert(has_logp<Loss>,
                "prefer: losses of this kind are not of log-probabilities: they have no form from logits");
  using call_type = segmented_call<Loss, memory>;
  const Source source(exec, given);
  if (const status s = source.check_shape(); !s.ok()) return s;
  const std::int64_t tokens = source.tokens();
  if (const status s = check_given(given, tokens); !s.ok()) return s;
  return with_scratch(exec, token_arrays<memory>::bytes(tokens), [&](char* scratch, const Exec& rest) {
    arena carved(scratch);
    const token_arrays<memory> arrays(carved, tokens);
    token_selection<call_type::segments> selection;
    if (const status s = complete_tokens(loss, given, source.makes_reference(), source.makes_gradient(), arrays, in,
                                         out, selection.read);
        !s.ok())
      return s;
    const input_view<1, memory> counts = {arrays.counts, tokens};
    bool masked[call_type::segments] = {};
    int nth = 0;
    kind_of<Loss>::each_segment(in, [&](const auto&, const auto&, const auto&, auto& mask, const auto&) {
      masked[nth++] = mask.given();
      if (!mask.given()) mask = counts;
    });
    call_type call(in, out);
    if (const status s = call.check(loss, purpose::compute); !s.ok()) return s;
    if (const status s = check_bounds(rest, call); !s.ok()) return s;
    if (const status s = source.check(arrays); !s.ok()) return s;
    if (const status s = check_logits_overlap(source, given, call); !s.ok()) return s;

    selection.items = call.arguments.items.n;
    selection.tokens = tokens;
    selection.mask = call.arguments.items.mask;
    for (int p = 0; p < call_type::segments; ++p) {
      selection.segment[p] = call.arguments.segment[p];
      if (!masked[p]) selection.segment[p].mask = {};
    }
    selection.target = place_of(given.target);
    selection.ignored = given.softmax.ignore_index;
    selection.targets = arrays.target, selection.counts = arrays.counts, selection.gradient = arrays.gradient;
    if (const status s = select_tokens(rest, selection); !s.ok()) return s;
    kind_of<Loss>::each_segment(in,
                                [&](const auto&, const auto&, const auto&, auto& mask, const auto&) { mask = counts; });

    if (source.makes_reference())
      if (const status s = source.template reference<T>(rest, arrays); !s.ok()) return s;
    if (const status s = source.template logp<T>(rest, arrays); !s.ok()) return s;
    if (const status s = evaluate_tokens(rest, loss, in, out); !s.ok()) return s;
    return source.makes_gradient() ? source.template gradient<T>(rest, arrays) : status{};
  });
}

}  // namespace detail

// Bytes of workspace that evaluate_logits and evaluate_logits_chunks need on the CPU for M tokens: about 49 per token.
template <class Compute, class Loss>
std::size_t evaluate_logits_workspace(const cpu&, const Loss&, std::int64_t tokens, std::int64_t /*columns*/,
                                      std::int64_t /*items*/) {
  return detail::token_arrays<space::host>::bytes(tokens) + detail::arena::alignment;
}

// Value of `loss` and its gradient by logits: token_logp, evaluate_tokens and token_logp_gradient in one call, with
// bitwise their results. Logits are read once for the value; for the gradient they are read and it is written once
// more.
//
//   evaluate_logits<float>(cpu{.workspace = ...}, dpo{.beta = 0.1},
//                          {.logits = {x, M, V}, .target = {y, M}, .reference_logp = {r, M}, .grad_logits = {g, M, V}},
//                          {.chosen_offsets = ..., .rejected_offsets = ..., .chosen_ends = ..., .rejected_ends = ...},
//                          {.loss = {&loss, 1}});
//
// `tokens` are those of evaluate_tokens (offsets, ends, masks, weights, labels), without what comes from the logits:
// policy*, reference*. `out` are its outputs, without grad_policy*. All segments are in the one array of M tokens, and
// a token belongs to at most one of them.
//
// A token counts if it lies in a segment of an item that the item mask selects, its segment's mask selects it and its
// target is not softmax.ignore_index: lengths count those tokens. Rows of all others are never read, nor those of a
// segment whose log-probabilities the loss does not read; their gradient is 0.
//
// Compute (float or double) is the type of the arithmetic on logits; what is per token is double. `accumulate` of `out`
// is about the outputs of the loss: grad_logits is overwritten. A workspace of evaluate_logits_workspace<Compute>(exec,
// loss, M, V, items) bytes is needed on the CPU; on CUDA, without one, it is taken in stream order.
//
// Errors: those of the three calls; what the logits give must be left out; a reference that is missing or not read;
// label_smoothing and z_loss, which are not log-probabilities. Nothing has been written then, but the workspace.
template <class Compute, class Exec, class Loss>
status evaluate_logits(const Exec& exec, const Loss& loss,
                       const std::type_identity_t<policy_logits<Exec::memory>>& logits,
                       const std::type_identity_t<token_inputs_of<Loss, Exec>>& tokens,
                       const std::type_identity_t<outputs_of<Loss, Exec>>& out) {
  return detail::run_logits<Compute, detail::logits_of_matrix<Exec>>(exec, loss, logits, tokens, out);
}

// The same when the matrix of logits never exists. For each chunk, first to last, reference_logits (if given) and then
// chunks.logits make its rows in the buffer and log-probabilities are taken; then the loss is computed; then, last to
// first, the logits are made again (the last chunk's are still there), their gradient replaces them in the buffer and
// chunks.grad_logits takes it. Bitwise the result of evaluate_logits, whatever the size of the chunks.
//
// Every row is made, also of tokens that do not count: what is in those rows is not read, their gradient is 0. What a
// callback answers, if it is not ok, is the answer: before chunks.grad_logits is called for the first time nothing but
// the buffer and the workspace has been written, after it the outputs of the loss have.
template <class Compute, class Exec, class Loss>
status evaluate_logits_chunks(const Exec& exec, const Loss& loss,
                              const std::type_identity_t<policy_logits_chunks<Exec::memory>>& logits,
                              const std::type_identity_t<token_inputs_of<Loss, Exec>>& tokens,
                              const std::type_identity_t<outputs_of<Loss, Exec>>& out) {
  return detail::run_logits<Compute, detail::logits_of_chunks<Exec>>(exec, loss, logits, tokens, out);
}

}  // namespace PREFER_ABI
}  // namespace prefer
