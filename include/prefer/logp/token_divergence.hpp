// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/row_map_reduce.hpp>
#include <prefer/backend/cpu/row_reduce.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/logp/divergence_score.hpp>
#include <prefer/logp/logit_rows.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// Divergences between two models' distributions of the next token, row by row, and their gradients by both models'
// logits: distillation, penalties of a policy against its reference over the whole vocabulary.
namespace prefer {

enum class divergence_kind : std::uint8_t { forward_kl, reverse_kl, jensen_shannon };

// Which divergence of p = softmax(p_logits / temperature) and q = softmax(q_logits / temperature), in nats:
//
//   forward_kl       KL(p || q) = sum_v p_v log(p_v / q_v)
//   reverse_kl       KL(q || p)
//   jensen_shannon   beta KL(p || m) + (1 - beta) KL(q || m),   m = beta p + (1 - beta) q
//
// In distillation p is the teacher and q the student; then beta is that of GKD. Its limits: jensen_shannon / beta goes
// to KL(p || q) for beta to 0, and jensen_shannon / (1 - beta) to KL(q || p) for beta to 1. The value itself goes to 0
// at both ends, which is why beta must be inside; where a framework lets beta 0 and 1 mean the two KLs, ask for those.
// beta = 1/2 is the symmetric one, at most log 2. Errors: temperature above 0; beta above 0 and below 1.
// Sources: Agarwal et al. 2023 (GKD), arXiv 2306.13649; Lin 1991, doi 10.1109/18.61115.
struct row_divergence {
  divergence_kind kind = divergence_kind::forward_kl;
  scalar beta = 0.5;  // of jensen_shannon
  scalar temperature = 1.0;

  constexpr bool mixes() const { return kind == divergence_kind::jensen_shannon; }
  constexpr status check() const {
    const bool inside = beta.by_pointer() || (beta.value64 > 0 && beta.value64 < 1);
    return first_error(require::that(kind <= divergence_kind::jensen_shannon, "kind", static_cast<double>(kind),
                                     "one of divergence_kind"),
                       require::positive(temperature, "temperature"),
                       require::that(inside || !mixes(), "beta", beta.value64, "above 0 and below 1"));
  }
};

// grad_divergence: the derivative of the caller's objective by a row's divergence, times grad_scale: any sign; stride 0
// gives one number to all rows.
template <space S>
struct token_divergence_inputs {
  input_view<2, S> p_logits = {}, q_logits = {};  // [M, V] each, of any types, row strides and alignments
  input_view<1, S> mask = {};                     // [M] rows that count; others are not read, and get zeros
  input_view<1, S> rows = {};                     // [R] ascending rows: all other vectors then have R elements
  input_view<1, S> grad_divergence = {};
  scalar grad_scale = 1.0;
};
// Each is optional. What token_divergence_gradient wants of them are the statistics, and the values of the sides whose
// gradient is asked for.
template <space S>
struct token_divergence_outputs {
  output_view<1, S> divergence = {};  // float or double
  // Statistics: the largest logit; log sum_v e^(z - max). Float or double (double keeps more).
  output_view<1, S> p_max = {}, p_log_sum = {}, q_max = {}, q_log_sum = {};
  output_view<1, S> p_to_mixture = {}, q_to_mixture = {};    // KL(p || m), KL(q || m); jensen_shannon only
  output_view<2, S> grad_p_logits = {}, grad_q_logits = {};  // [M, V]; may be the logits of the same side
};

// What token_divergence answered: `divergence` for a KL and the logits of its first distribution only; for
// jensen_shannon the ..._to_mixture of each side whose gradient is asked for.
template <space S>
struct token_divergence_gradient_inputs {
  input_view<2, S> p_logits = {}, q_logits = {};
  input_view<1, S> mask = {};
  input_view<1, S> rows = {};
  input_view<1, S> p_max = {}, p_log_sum = {}, q_max = {}, q_log_sum = {};
  input_view<1, S> divergence = {}, p_to_mixture = {}, q_to_mixture = {};
  input_view<1, S> grad_divergence = {};
  scalar grad_scale = 1.0;
};
template <space S>
struct token_divergence_gradient_outputs {
  output_view<2, S> grad_p_logits = {}, grad_q_logits = {};
};

inline namespace PREFER_ABI {
namespace detail {

// One call: what is wrong with it, and its arguments for the primitives.
template <class Inputs, class Outputs>
class divergence_call {
 public:
  static constexpr bool saved = requires(const Inputs& in) { in.p_max; };

  divergence_call(const row_divergence& options, const Inputs& in, const Outputs& out)
      : options_(options), in_(in), out_(out), items_(in.rows.given() ? in.rows.extent[0] : in.p_logits.extent[0]) {}

  status check() const {
    status s = check_inputs();
    if (s.ok()) s = check_statistics();
    if (s.ok()) s = check_gradients();
    if (s.ok()) s = check_needs();
    return s.ok() ? check_overlap() : s;
  }
  // What can be said without outputs.
  status check_inputs() const {
    const status s = first_error(options_.check(), require::is_finite(in_.grad_scale, "grad_scale"), check_matrices());
    using require::holds;
    return s.ok() ? first_error(check_row_vector("rows", in_.rows, items_, holds::indices),
                                check_row_vector("mask", in_.mask, items_, holds::flags),
                                check_row_vector("grad_divergence", in_.grad_divergence, items_, holds::numbers))
                  : s;
  }

  std::int64_t items() const { return items_; }
  divergence_body body() const { return {in_.grad_scale}; }

  // The statistics of one side.
  row_reduce_arguments side(const row_source& x) const {
    row_reduce_arguments a;
    a.items = items_;
    a.rows = in_.p_logits.extent[0];
    a.columns = in_.p_logits.extent[1];
    a.x = x;
    a.index = place_of(in_.rows);
    return a;
  }
  template <class T>
  row_normalizer_body<T> normalizer(const sink& max, const sink& log_sum) const {
    row_normalizer_body<T> b;
    b.temperature = options_.temperature;
    b.mask = place_of(in_.mask);
    b.max = max, b.log_sum = log_sum;
    return b;
  }

  template <bool Mixture>
  divergence_score<Mixture> score() const {
    divergence_score<Mixture> s;
    s.temperature = options_.temperature;
    s.weight_of_p = options_.beta;
    s.is_saved = saved;
    const auto& from = statistics();
    const auto stored = [](const auto& v) { return source{v.data, v.stride[0], v.type}; };
    const int p = first_is_q() ? 1 : 0;
    s.max[p] = stored(from.p_max), s.log_sum[p] = stored(from.p_log_sum);
    s.max[1 - p] = stored(from.q_max), s.log_sum[1 - p] = stored(from.q_log_sum);
    if constexpr (saved) {
      s.saved[0] = place_of(Mixture ? in_.p_to_mixture : in_.divergence);
      if (Mixture) s.saved[1] = place_of(in_.q_to_mixture);
    }
    return s;
  }
  template <bool Mixture>
  row_arguments<divergence_score<Mixture>, divergence_body, 1> pairs() const {
    row_arguments<divergence_score<Mixture>, divergence_body, 1> a;
    a.items.n = items_;
    a.items.mask = place_of(in_.mask);
    a.items.normalizer = 1.0;
    a.items.in[5] = place_of(in_.grad_divergence);
    a.computed = 5;
    a.elements = in_.p_logits.extent[1];
    a.rows = in_.p_logits.extent[0];
    a.index = place_of(in_.rows);
    const int p = first_is_q() ? 1 : 0;
    a.row[0][p] = place_of(in_.p_logits), a.row[0][1 - p] = place_of(in_.q_logits);
    a.gradient[0][p] = place_of(out_.grad_p_logits), a.gradient[0][1 - p] = place_of(out_.grad_q_logits);
    if constexpr (!saved) {
      a.items.out[1] = place_of(out_.divergence);
      a.items.out[2 + p] = place_of(out_.p_log_sum), a.items.out[3 - p] = place_of(out_.q_log_sum);
      if (Mixture) a.items.out[4] = place_of(out_.p_to_mixture), a.items.out[5] = place_of(out_.q_to_mixture);
    }
    return a;
  }

 private:
  const row_divergence& options_;
  const Inputs& in_;
  const Outputs& out_;
  std::int64_t items_;

  // KL(q || p) is the forward one with the two changed over.
  bool first_is_q() const { return options_.kind == divergence_kind::reverse_kl; }
  const auto& statistics() const {
    if constexpr (saved)
      return in_;
    else
      return out_;
  }
  template <class F>
  void each_statistic(F f) const {
    const auto& s = statistics();
    f("p_max", s.p_max), f("p_log_sum", s.p_log_sum), f("q_max", s.q_max), f("q_log_sum", s.q_log_sum);
  }
  template <class F>
  void each_value(F f) const {
    const auto& s = statistics();
    f("divergence", s.divergence), f("p_to_mixture", s.p_to_mixture), f("q_to_mixture", s.q_to_mixture);
  }
  bool any_gradient() const { return out_.grad_p_logits.given() || out_.grad_q_logits.given(); }

  status check_matrices() const {
    const auto& p = in_.p_logits;
    if (!p.given()) return require::fail(errc::missing_input, "p_logits", "a matrix of one row per token");
    if (!in_.q_logits.given()) return require::fail(errc::missing_input, "q_logits", "a matrix of one row per token");
    for (int r = 0; r < 2; ++r)
      if (p.extent[r] < 0)
        return require::fail(errc::bad_extent, "p_logits", "at least", static_cast<double>(p.extent[r]), 0);
    return first_error(require::matrix("p_logits", p, p.extent[0], p.extent[1]),
                       require::matrix("q_logits", in_.q_logits, p.extent[0], p.extent[1]),
                       gradient("grad_p_logits", out_.grad_p_logits), gradient("grad_q_logits", out_.grad_q_logits));
  }
  template <class View>
  status gradient(const char* name, const View& g) const {
    return g.given() ? require::matrix(name, g, in_.p_logits.extent[0], in_.p_logits.extent[1]) : status{};
  }

  status check_statistics() const {
    status first;
    const auto number = [&](const char* name, const auto& v) {
      if (first.ok()) first = check_row_vector(name, v, items_, require::holds::totals);
    };
    each_statistic([&](const char* name, const auto& v) {
      if (first.ok() && saved && !v.given())
        first = require::fail(errc::missing_input, name, "what token_divergence answered");
      number(name, v);
    });
    each_value(number);
    return first;
  }

  status check_gradients() const {
    if (any_gradient() && !in_.grad_divergence.given())
      return require::fail(errc::missing_input, "grad_divergence", "the derivative by the divergence of each row");
    if (!any_gradient() && in_.grad_divergence.given())
      return require::fail(errc::unused_input, "grad_divergence", "to be left out, since no gradient is asked for");
    return {};
  }

  // Values are outputs of one call and inputs of the other.
  status check_needs() const {
    const bool mixes = options_.mixes(), p = out_.grad_p_logits.given(), q = out_.grad_q_logits.given();
    if constexpr (saved) {
      if (!p && !q) return require::fail(errc::missing_output, "outputs", "at least one gradient to write");
      const auto need = [](const char* name, const auto& v, bool wanted) {
        if (v.given() == wanted) return status{};
        return wanted ? require::fail(errc::missing_input, name, "what token_divergence answered")
                      : require::fail(errc::unused_input, name, "to be left out, since this gradient does not read it");
      };
      return first_error(need("divergence", in_.divergence, !mixes && (first_is_q() ? q : p)),
                         need("p_to_mixture", in_.p_to_mixture, mixes && p),
                         need("q_to_mixture", in_.q_to_mixture, mixes && q));
    } else {
      const auto refuse = [](const char* name) {
        return require::fail(errc::unavailable_output, name, "to be left out, since a KL has no mixture");
      };
      if (!mixes && out_.p_to_mixture.given()) return refuse("p_to_mixture");
      if (!mixes && out_.q_to_mixture.given()) return refuse("q_to_mixture");
      bool any = p || q;
      const auto look = [&](const char*, const auto& v) { any = any || v.given(); };
      each_statistic(look), each_value(look);
      return any ? status{} : require::fail(errc::missing_output, "outputs", "at least one output to write");
    }
  }

  status check_overlap() const {
    require::footprints<12, 9> all;
    const auto reads = [&](const char* name, const auto& v) { all.read(name, v); };
    const auto writes = [&](const char* name, const auto& v) { all.write(name, v); };
    if (!lies_over(out_.grad_p_logits, in_.p_logits)) all.read("p_logits", in_.p_logits);
    if (!lies_over(out_.grad_q_logits, in_.q_logits)) all.read("q_logits", in_.q_logits);
    all.read("mask", in_.mask), all.read("rows", in_.rows), all.read("grad_divergence", in_.grad_divergence);
    if constexpr (saved)
      each_statistic(reads), each_value(reads);
    else
      each_statistic(writes), each_value(writes);
    all.write("grad_p_logits", out_.grad_p_logits), all.write("grad_q_logits", out_.grad_q_logits);
    return all.check();
  }
};

// What a row's mask says about it.
struct divergence_look {
  const source& mask;

  item_look operator()(std::int64_t i) const { return {.reads = selects(mask, i)}; }
};

// f(rows, look, name), what is wrong with the rows of one side, of both: the first row that is wrong, or that list.
template <class Call, class F>
status check_divergence_rows(const Call& call, const source& mask, const row_source (&x)[2], const F& f) {
  const divergence_look look{mask};
  const status p = f(call.side(x[0]), look, "p_logits"), q = f(call.side(x[1]), look, "q_logits");
  const bool first_is_q = q.code == errc::not_a_number && (p.code != errc::not_a_number || q.index < p.index);
  return first_is_q ? q : p;
}

template <class T, bool Mixture, class Exec, class Inputs, class Outputs>
status run_divergence(const Exec& exec, const divergence_call<Inputs, Outputs>& call, const row_source (&x)[2],
                      [[maybe_unused]] const Outputs& out) {
  if constexpr (!divergence_call<Inputs, Outputs>::saved) {
    const auto p = call.template normalizer<T>(place_of(out.p_max), place_of(out.p_log_sum));
    const auto q = call.template normalizer<T>(place_of(out.q_max), place_of(out.q_log_sum));
    if (const status s = row_reduce<T>(exec, p, call.side(x[0])); !s.ok()) return s;
    if (const status s = row_reduce<T>(exec, q, call.side(x[1])); !s.ok()) return s;
  }
  return row_map_reduce<T>(exec, call.template score<Mixture>(), call.body(), call.template pairs<Mixture>());
}

template <class T, class Exec, class Inputs, class Outputs>
status run_divergence(const Exec& exec, const row_divergence& options, const Inputs& in, const Outputs& out) {
  const divergence_call<Inputs, Outputs> call(options, in, out);
  const row_source x[2] = {place_of(in.p_logits), place_of(in.q_logits)};
  return options.mixes() ? run_divergence<T, true>(exec, call, x, out) : run_divergence<T, false>(exec, call, x, out);
}

// The second pass reads the statistics of the first: those that are not answers lie in `memory`, at most
// kept_statistics numbers per row.
inline constexpr std::int64_t kept_statistics = 4;
template <space S>
bool lacks_statistics(const token_divergence_outputs<S>& out) {
  return !(out.p_max.given() && out.p_log_sum.given() && out.q_max.given() && out.q_log_sum.given());
}
template <space S>
token_divergence_outputs<S> with_statistics(token_divergence_outputs<S> out, std::int64_t items, double* memory) {
  for (output_view<1, S>* v : {&out.p_max, &out.p_log_sum, &out.q_max, &out.q_log_sum}) {
    if (!v->given()) *v = {memory, items};
    memory += items;
  }
  return out;
}

template <class T, class Exec, class Inputs, class Outputs>
status run_without_statistics(const Exec& exec, const row_divergence& options, const Inputs& in, const Outputs& out,
                              std::int64_t items) {
  const auto bytes = static_cast<std::size_t>(kept_statistics * items) * sizeof(double);
  return with_scratch(exec, bytes, [&](void* memory, const Exec& rest) {
    return run_divergence<T>(rest, options, in, with_statistics(out, items, static_cast<double*>(memory)));
  });
}
// On the CPU some rows at a time, so that their statistics have room on the stack.
template <class T>
status run_without_statistics(const cpu& exec, const row_divergence& options,
                              const token_divergence_inputs<space::host>& in,
                              const token_divergence_outputs<space::host>& out, std::int64_t items) {
  constexpr std::int64_t most = 256;
  double memory[kept_statistics * most];
  for (std::int64_t first = 0; first < items; first += most) {
    const std::int64_t count = smaller(most, items - first);
    token_divergence_inputs<space::host> from = in;
    token_divergence_outputs<space::host> to = out;
    for (auto* v : {&from.mask, &from.rows, &from.grad_divergence}) keep_rows(*v, first, count);
    for (auto* v :
         {&to.divergence, &to.p_max, &to.p_log_sum, &to.q_max, &to.q_log_sum, &to.p_to_mixture, &to.q_to_mixture})
      keep_rows(*v, first, count);
    if (!in.rows.given()) {
      keep_rows(from.p_logits, first, count), keep_rows(from.q_logits, first, count);
      keep_rows(to.grad_p_logits, first, count), keep_rows(to.grad_q_logits, first, count);
    }
    if (const status s = run_divergence<T>(exec, options, from, with_statistics(to, count, memory)); !s.ok()) return s;
  }
  return {};
}

template <class T, class Exec, class Inputs, class Outputs>
status run_token_divergence(const Exec& exec, const row_divergence& options, const Inputs& in, const Outputs& out) {
  static_assert(std::same_as<T, float> || std::same_as<T, double>,
                "prefer: token_divergence<Compute> computes in float or double; the views choose their own types");
  const divergence_call<Inputs, Outputs> call(options, in, out);
  if (const status s = call.check(); !s.ok()) return s;
  const row_source x[2] = {place_of(in.p_logits), place_of(in.q_logits)};
  const status content = check_divergence_rows(
      call, place_of(in.mask), x, [&](const row_reduce_arguments& rows, const auto& look, const char* name) {
        return check_logit_rows(exec, rows, look, name);
      });
  if (!content.ok()) return content;
  if constexpr (!divergence_call<Inputs, Outputs>::saved)
    if (lacks_statistics(out)) return run_without_statistics<T>(exec, options, in, out, call.items());
  return run_divergence<T>(exec, options, in, out);
}

}  // namespace detail

// The divergence of M rows of V logits from M others, and whatever else `out` asks for; with grad_p_logits or
// grad_q_logits also the gradient of the caller's objective, whose derivative by each divergence is in `in`:
//
//   token_divergence<float>(cpu{}, row_divergence{}, {.p_logits = {teacher, M, V}, .q_logits = {student, M, V}},
//       {.divergence = {d, M}});
//
// With z = logits / temperature:
//
//   KL(p || q)      d / d z_p,v = p_v (log(p_v / q_v) - KL)                d / d z_q,v = q_v - p_v
//   jensen_shannon  d / d z_p,v = beta p_v (log(p_v / m_v) - KL(p || m))   d / d z_q,v = (1 - beta) q_v (log(q_v / m_v)
//                                                                                            - KL(q || m))
//
// Memory: each row is read once for its statistics, and both together once more for the divergence and, from a cache if
// two rows fit, for the gradients, which are written once. Columns are computed in Compute, rows in double. Why two
// passes: log p_v - log q_v needs both normalisers, and one joint pass would have to form a small divergence as the
// difference of large sums.
//
// Rows: a logit of -inf has probability 0. p_v = 0 adds 0 to KL(p || q); q_v = 0 where p_v > 0 makes it +inf, with the
// gradient by q's logits still q - p (negative at v) and the one by p's logits 0. Jensen-Shannon is finite there. A
// probability below e^-87 (float) or e^-708 (double) counts as 0. A NaN or +inf anywhere, or nothing but -inf, on
// either side makes the row's answers and gradients NaN (the maxima may be numbers). Rows that the mask leaves out:
// zeros.
//
// The divergence is never negative, and its error is relative to itself: at most u (150 + 2 log V + 4 D) of it, u the
// rounding unit of Compute and D the largest |log p_v| or |log q_v| that counts, however near p and q are
// (docs/logp/token_divergence.md has the reasons, and the gradients). Cost: four exponentials per pair of logits, two
// or three more for the gradients. Workspace: none on the CPU; on CUDA token_divergence_workspace(M, V) bytes, else
// taken in stream order; statistics that are not asked for lie there. Launches: three.
//
// Errors: shapes, element types, memory that overlaps (a gradient may lie over its own logits), what is missing or not
// used, parameters. Rows that do not ascend are errors on the CPU; on CUDA their answers are NaN and they are reported.
template <class Compute, class Exec>
status token_divergence(const Exec& exec, const row_divergence& options,
                        const std::type_identity_t<token_divergence_inputs<Exec::memory>>& in,
                        const std::type_identity_t<token_divergence_outputs<Exec::memory>>& out) {
  return detail::run_token_divergence<Compute>(exec, options, in, out);
}

// The gradients alone, from both rows of logits and what token_divergence answered for them: one read of each row, one
// write of each gradient, one launch.
template <class Compute, class Exec>
status token_divergence_gradient(const Exec& exec, const row_divergence& options,
                                 const std::type_identity_t<token_divergence_gradient_inputs<Exec::memory>>& in,
                                 const std::type_identity_t<token_divergence_gradient_outputs<Exec::memory>>& out) {
  return detail::run_token_divergence<Compute>(exec, options, in, out);
}

}  // namespace PREFER_ABI
}  // namespace prefer
