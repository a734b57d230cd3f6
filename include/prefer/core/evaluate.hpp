// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/content.hpp>
#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/backend/map_reduce.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/kind.hpp>
#include <prefer/core/tracer.hpp>

#include <concepts>
#include <cstdint>

// evaluate: value and gradients of a loss over n items, in one pass over memory, on the backend of the first argument.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

template <class T, std::size_t N>
constexpr int length(const T (&)[N]) {
  return static_cast<int>(N);
}

// How many losses a combination has; 0 for any other loss.
template <class Loss>
inline constexpr int parts_of = 0;
template <class Loss>
  requires requires { Loss::parts; }
inline constexpr int parts_of<Loss> = Loss::parts;

// A loss as the body of map_reduce.
template <class Loss>
struct loss_body {
  using kind = kind_of<Loss>;
  static constexpr int fields = length(kind::input_fields);
  static constexpr int inputs = fields + 1;  // and the weight
  static constexpr int outputs = length(kind::output_fields);
  static constexpr int own_totals = length(kind::total_fields);
  static constexpr int sums = own_totals + parts_of<Loss>;

  Loss loss;
  scalar scale = 1.0;  // 1 / normalizer

  PREFER_HD loss_body ready(double normalizer) const {
    loss_body b = *this;
    b.scale = scalar(1.0 / normalizer);
    return b;
  }

  template <class T>
  PREFER_HD errc invalid(const T (&in)[inputs]) const {
    errc code = errc::ok;
    unrolled<fields>([&](auto i) PREFER_HD_LAMBDA {
      constexpr int k = decltype(i)::value;
      if constexpr (kind::input_fields[k].content == content_of::probability)
        if (!(in[k] >= T(0) && in[k] <= T(1))) code = errc::bad_label;
    });
    return code;
  }

  template <class V>
  PREFER_HD void operator()(const V (&in)[inputs], V (&out)[outputs], V (&sum)[sums]) const {
    typename kind::template item<V> item;
    int k = 0;
    kind::each_input(item, [&](V& field) PREFER_HD_LAMBDA { field = in[k++]; });
    const V& weight = in[fields];
    const typename kind::template term<V> term = loss(item);
    int m = 0;
    kind::emit(term, weight, weight * scale.template as<V>(), [&](const V& x) PREFER_HD_LAMBDA { out[m++] = x; });
    int r = 0;
    kind::add_up(term, weight, [&](const V& x) PREFER_HD_LAMBDA { sum[r++] = x; });
    unrolled<parts_of<Loss>>([&](auto i) PREFER_HD_LAMBDA { sum[own_totals + decltype(i)::value] = term.part[decltype(i)::value] * weight; });
  }
};

// What a loss reads and provides, found by evaluating it on tracers.
template <class Loss>
struct traits_of_loss {
  std::uint64_t reads = 0;
  bool provides[loss_body<Loss>::outputs] = {};
  bool provides_total[loss_body<Loss>::own_totals] = {};

  explicit traits_of_loss(const Loss& loss) {
    using kind = kind_of<Loss>;
    typename kind::template item<tracer> item;
    int k = 0;
    kind::each_input(item, [&](tracer& field) PREFER_HD_LAMBDA { field = tracer::field(k++); });
    const auto term = loss(item);
    int m = 0;
    kind::emit(term, tracer(1), tracer(1), [&](tracer x) PREFER_HD_LAMBDA {
      reads |= x.reads;
      provides[m++] = x.written;
    });
    int r = 0;
    kind::add_up(term, tracer(1), [&](tracer x) PREFER_HD_LAMBDA {
      reads |= x.reads;
      provides_total[r++] = x.written;
    });
  }
};

template <class Loss, class Inputs>
status check_inputs(const traits_of_loss<Loss>& traits, const Inputs& in, std::int64_t& n) {
  using kind = kind_of<Loss>;
  status result;
  n = -1;
  int k = 0;
  kind::each_input(in, [&](const auto& v) {
    const input_field& field = kind::input_fields[k];
    const bool read = (traits.reads >> k++ & 1u) != 0;
    if (!result.ok()) return;
    if (!v.given()) {
      if (read && field.required) result = require::fail(errc::missing_input, field.name, "one number per item, since this loss reads it");
      return;
    }
    if (!read) {
      result = require::fail(errc::unused_input, field.name, "to be left out, since this loss does not read it");
      return;
    }
    if (n < 0) n = v.extent[0];
    result = n < 0 ? require::fail(errc::bad_extent, field.name, "at least", static_cast<double>(v.extent[0]), 0)
                   : require::vector(field.name, v, n, "the extent of the inputs before it,", require::holds::numbers);
  });
  if (!result.ok()) return result;
  if (n < 0) return require::fail(errc::missing_input, kind::input_fields[0].name, "one number per item");
  if (in.weight.given()) result = require::vector("weight", in.weight, n, "the extent of the inputs before it,", require::holds::numbers);
  if (result.ok() && in.mask.given())
    result = require::vector("mask", in.mask, n, "the extent of the inputs before it,", require::holds::flags);
  if (result.ok() && in.normalizer.given) result = require::positive(in.normalizer.value, "normalizer");
  return result;
}

template <class Loss, class Outputs>
status check_outputs(const traits_of_loss<Loss>& traits, const Outputs& out, std::int64_t n) {
  using kind = kind_of<Loss>;
  status result;
  bool any = false;
  int m = 0;
  kind::each_output(out, [&](const auto& v) {
    const int at = m++;
    if (!result.ok() || !v.given()) return;
    any = true;
    const char* name = kind::output_fields[at];
    if (!traits.provides[at]) result = require::fail(errc::unavailable_output, name, "to be left out, since this loss does not provide it");
    else result = require::vector(name, v, n, "the extent of the inputs,", require::holds::numbers);
  });
  int r = 0;
  kind::each_total(out, [&](const auto& v) {
    const int at = r++;
    if (!result.ok() || !v.given()) return;
    any = true;
    const char* name = kind::total_fields[at];
    if (!traits.provides_total[at]) result = require::fail(errc::unavailable_output, name, "to be left out, since this loss does not provide it");
    else result = require::vector(name, v, 1, "one element:", require::holds::totals);
  });
  if (result.ok() && out.terms.given()) {
    any = true;
    result = parts_of<Loss> == 0
                 ? require::fail(errc::unavailable_output, "terms", "to be left out, since this loss is not a combination")
                 : require::vector("terms", out.terms, parts_of<Loss>, "the number of combined losses,", require::holds::totals);
  }
  if (result.ok() && !any) result = require::fail(errc::missing_output, "outputs", "at least one output to write");
  return result;
}

template <class Loss, class Inputs, class Outputs>
status check_overlap(const Inputs& in, const Outputs& out) {
  using kind = kind_of<Loss>;
  require::footprints<loss_body<Loss>::inputs + 1 + loss_body<Loss>::outputs + loss_body<Loss>::own_totals + 1> all;
  int k = 0, m = 0, r = 0;
  kind::each_input(in, [&](const auto& v) { all.add(kind::input_fields[k++].name, v); });
  all.add("weight", in.weight);
  all.add("mask", in.mask);
  kind::each_output(out, [&](const auto& v) { all.add(kind::output_fields[m++], v); });
  kind::each_total(out, [&](const auto& v) { all.add(kind::total_fields[r++], v); });
  all.add("terms", out.terms);
  return all.check();
}

template <class Loss>
status check_parameters(const Loss& loss) {
  if constexpr (requires { loss.check(); }) return loss.check();
  else return {};
}

// Everything that can be said about a call without looking at content; n is the number of items.
template <class Loss, class Inputs, class Outputs>
status check_call(const Loss& loss, const Inputs& in, const Outputs& out, std::int64_t& n) {
  const traits_of_loss<Loss> traits(loss);
  if (const status s = check_parameters(loss); !s.ok()) return s;
  if (const status s = check_inputs(traits, in, n); !s.ok()) return s;
  if (const status s = check_outputs(traits, out, n); !s.ok()) return s;
  return check_overlap<Loss>(in, out);
}

template <class Loss, class Inputs, class Outputs>
map_reduce_arguments_of<loss_body<Loss>> make_arguments(const Inputs& in, const Outputs& out, std::int64_t n) {
  using kind = kind_of<Loss>;
  using body = loss_body<Loss>;
  map_reduce_arguments_of<body> a;
  a.n = n;
  a.accumulate = out.accumulate;
  a.normalizer = in.normalizer;
  int k = 0, m = 0, r = 0;
  kind::each_input(in, [&](const auto& v) {
    a.in[k] = make_source(v, kind::input_fields[k].neutral);
    ++k;
  });
  a.in[body::fields] = make_source(in.weight, 1);
  a.mask = make_source(in.mask, 1);
  kind::each_output(out, [&](const auto& v) { a.out[m++] = make_sink(v); });
  kind::each_total(out, [&](const auto& v) {
    a.sum[r] = {v.data, v.type, r != kind::count_total};
    ++r;
  });
  for (int i = 0; i < parts_of<Loss>; ++i)
    if (out.terms.given())
      a.sum[body::own_totals + i] = {static_cast<char*>(out.terms.data) + i * out.terms.stride[0] * size_of(out.terms.type),
                                     out.terms.type, true};
  return a;
}

template <class Loss>
struct content_rules {
  content_rule list[loss_body<Loss>::inputs];
  constexpr content_rules() {
    for (int k = 0; k < loss_body<Loss>::fields; ++k)
      list[k] = {kind_of<Loss>::input_fields[k].name, "", kind_of<Loss>::input_fields[k].content};
    list[loss_body<Loss>::fields].name = "weight";
  }
};

}  // namespace detail

// Value and gradients of `loss` over the items of `in`, written to `out`; arithmetic in Compute (float or double). The
// inputs and outputs are the structs of the loss's kind for the memory of `exec`, spelled as braces with names:
//
//   evaluate<float>(cpu{}, dpo{.beta = 0.1}, {.policy_chosen = {pc, n}, ...}, {.loss = {&loss, 1}, ...});
//
// Returns the first thing that is wrong; then nothing has been written. On CUDA the work is enqueued on exec.stream.
template <class Compute, class Exec, class Loss>
status evaluate(const Exec& exec, const Loss& loss, const std::type_identity_t<inputs_of<Loss, Exec>>& in,
                const std::type_identity_t<outputs_of<Loss, Exec>>& out) {
  static_assert(std::same_as<Compute, float> || std::same_as<Compute, double>,
                "prefer: evaluate<Compute> computes in float or double; the views choose their own element types");
  std::int64_t n = 0;
  if (const status s = detail::check_call(loss, in, out, n); !s.ok()) return s;
  const auto arguments = detail::make_arguments<Loss>(in, out, n);
  const detail::content_rules<Loss> rules;
  if (const status s = check_content(exec, rules.list, arguments); !s.ok()) return s;
  return map_reduce<Compute>(exec, detail::loss_body<Loss>{loss}, arguments);
}

}  // namespace PREFER_ABI
}  // namespace prefer
