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
  // The loss and the gradients that training asks for.
  static constexpr unsigned usual = kind::trained == 0 ? 0 : 1u | ((1u << kind::trained) - 1) << sums;

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
    kind::emit(item, term, weight, weight * scale.template as<V>(), [&](const V& x) PREFER_HD_LAMBDA { out[m++] = x; });
    int r = 0;
    kind::add_up(item, term, weight, [&](const V& x) PREFER_HD_LAMBDA { sum[r++] = x; });
    unrolled<parts_of<Loss>>([&](auto i) PREFER_HD_LAMBDA {
      sum[own_totals + decltype(i)::value] = term.part[decltype(i)::value] * weight;
    });
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
    kind::emit(item, term, tracer(1), tracer(1), [&](tracer x) PREFER_HD_LAMBDA {
      reads |= x.reads;
      provides[m++] = x.written;
    });
    int r = 0;
    kind::add_up(item, term, tracer(1), [&](tracer x) PREFER_HD_LAMBDA {
      reads |= x.reads;
      provides_total[r++] = x.written;
    });
  }
};

// The vectors of one call as a list, so that the checks are written once for all kinds and drivers. An absent field is
// null or an empty view. `group` says which extent a vector shares: 0 for items, others for tokens or samples.
template <class View>
struct listed {
  const char* name;
  const View* view;
  int group;

  bool given() const { return view != nullptr && view->given(); }
};

inline constexpr int computed = -1;  // the group of an input that the driver provides

template <class Loss, space S>
struct call_list {
  static constexpr int inputs = loss_body<Loss>::fields;
  static constexpr int outputs = loss_body<Loss>::outputs;
  static constexpr int totals = loss_body<Loss>::own_totals;
  using input = listed<input_view<1, S>>;
  using output = listed<output_view<1, S>>;

  input in[inputs];
  input weight, mask;
  output out[outputs];
  output total[totals];
  output terms;
  normalizer divisor;
  bool accumulate;
  bool needs_output = true;  // not when only looked at, or when the driver writes something of its own
};

// The fields that the inputs and outputs of every driver share.
template <class Loss, space S, class Inputs, class Outputs>
void list_common(const Inputs& in, const Outputs& out, call_list<Loss, S>& list) {
  list.weight = {"weight", &in.weight, 0};
  list.mask = {"mask", &in.mask, 0};
  int r = 0;
  kind_of<Loss>::each_total(out, [&](const auto& v) {
    list.total[r] = {kind_of<Loss>::total_fields[r], &v, 0};
    ++r;
  });
  list.terms = {"terms", &out.terms, 0};
  list.divisor = in.normalizer;
  list.accumulate = out.accumulate;
}

// `each_input` calls its argument with every input view, in the order of the kind's input_fields.
template <class Loss, space S, class Inputs, class Outputs, class EachInput>
void list_items(const Inputs& in, const Outputs& out, call_list<Loss, S>& list, EachInput each_input) {
  using kind = kind_of<Loss>;
  list_common(in, out, list);
  int k = 0, m = 0;
  each_input([&](const auto& v) {
    list.in[k] = {kind::input_fields[k].name, &v, 0};
    ++k;
  });
  kind::each_output(out, [&](const auto& v) {
    list.out[m] = {kind::output_fields[m], &v, 0};
    ++m;
  });
}

inline constexpr const char* same_extent = "the extent of the inputs that belong with it,";

// One input: there if it is read, absent if not, of its group's extent. The first vector of a group sets the extent.
template <space S>
status check_input(const listed<input_view<1, S>>& a, bool read, bool required, std::int64_t (&extent)[3]) {
  if (a.group == computed) return {};
  if (!a.given())
    return read && required
               ? require::fail(errc::missing_input, a.name, "one number per item, since this loss reads it")
               : status{};
  if (!read) return require::fail(errc::unused_input, a.name, "to be left out, since this loss does not read it");
  std::int64_t& n = extent[a.group];
  if (n < 0) n = a.view->extent[0];
  if (n < 0) return require::fail(errc::bad_extent, a.name, "at least", static_cast<double>(n), 0);
  return require::vector(a.name, *a.view, n, same_extent, require::holds::numbers);
}

template <class Loss, space S>
status check_inputs(const call_list<Loss, S>& list, std::uint64_t reads, std::int64_t (&extent)[3]) {
  using kind = kind_of<Loss>;
  for (int k = 0; k < list.inputs; ++k)
    if (const status s = check_input(list.in[k], (reads >> k & 1u) != 0, kind::input_fields[k].required, extent);
        !s.ok())
      return s;
  if (extent[0] < 0) return require::fail(errc::missing_input, list.in[0].name, "one number per item");
  if (list.weight.given())
    if (const status s = require::vector("weight", *list.weight.view, extent[0], same_extent, require::holds::numbers);
        !s.ok())
      return s;
  if (list.mask.given())
    if (const status s = require::vector("mask", *list.mask.view, extent[0], same_extent, require::holds::flags);
        !s.ok())
      return s;
  return list.divisor.given ? require::positive(list.divisor.value, "normalizer") : status{};
}

// One output: something the loss provides, writable, of its extent.
template <space S>
status check_output(const listed<output_view<1, S>>& a, bool provided, std::int64_t n, require::holds what) {
  if (!provided)
    return require::fail(errc::unavailable_output, a.name, "to be left out, since this loss does not provide it");
  return require::vector(a.name, *a.view, n, n == 1 ? "one element:" : same_extent, what);
}

template <class Loss, space S>
status check_outputs(const call_list<Loss, S>& list, const traits_of_loss<Loss>& traits,
                     const std::int64_t (&extent)[3]) {
  bool any = list.terms.given();
  for (int m = 0; m < list.outputs; ++m) {
    if (!list.out[m].given()) continue;
    any = true;
    const status s = check_output(list.out[m], traits.provides[m], extent[list.out[m].group], require::holds::numbers);
    if (!s.ok()) return s;
  }
  for (int r = 0; r < list.totals; ++r) {
    if (!list.total[r].given()) continue;
    any = true;
    if (const status s = check_output(list.total[r], traits.provides_total[r], 1, require::holds::totals); !s.ok())
      return s;
  }
  if (list.terms.given())
    if (const status s = check_output(list.terms, parts_of<Loss> != 0, parts_of<Loss>, require::holds::totals); !s.ok())
      return s;
  return any || !list.needs_output ? status{}
                                   : require::fail(errc::missing_output, "outputs", "at least one output to write");
}

template <class Loss, space S, class Footprints>
void add_footprints(const call_list<Loss, S>& list, Footprints& all) {
  for (const auto& a : list.in) all.read(a);
  all.read(list.weight);
  all.read(list.mask);
  // A gradient that is listed once per side is one output.
  for (int m = 0; m < list.outputs; ++m)
    if (m == 0 || list.out[m].view != list.out[m - 1].view) all.write(list.out[m]);
  for (const auto& a : list.total) all.write(a);
  all.write(list.terms);
}

template <class Loss, space S>
status check_overlap(const call_list<Loss, S>& list) {
  using list_type = call_list<Loss, S>;
  require::footprints<list_type::inputs + 2, list_type::outputs + list_type::totals + 1> all;
  add_footprints(list, all);
  return all.check();
}

template <class Loss>
status check_parameters(const Loss& loss) {
  if constexpr (requires { loss.check(); })
    return loss.check();
  else
    return {};
}

// Everything that can be said about a call without looking at content. Extents that are not known yet are -1.
template <class Loss, space S>
status check_call(const Loss& loss, const call_list<Loss, S>& list, std::int64_t (&extent)[3]) {
  const traits_of_loss<Loss> traits(loss);
  if (const status s = check_parameters(loss); !s.ok()) return s;
  if (const status s = check_inputs(list, traits.reads, extent); !s.ok()) return s;
  if (const status s = check_outputs(list, traits, extent); !s.ok()) return s;
  return check_overlap(list);
}

template <space S>
void set_source(source& s, const listed<input_view<1, S>>& a, float neutral) {
  s.neutral = neutral;
  if (!a.given()) return;
  s.data = a.view->data;
  s.stride = a.view->stride[0];
  s.type = a.view->type;
}
template <space S>
sink sink_of(const listed<output_view<1, S>>& a) {
  return a.given() ? sink{a.view->data, a.view->stride[0], a.view->type} : sink{};
}

template <class Loss, space S>
map_reduce_arguments_of<loss_body<Loss>> make_arguments(const call_list<Loss, S>& list, std::int64_t n) {
  using kind = kind_of<Loss>;
  using body = loss_body<Loss>;
  map_reduce_arguments_of<body> a;
  a.n = n;
  a.accumulate = list.accumulate;
  a.normalizer = list.divisor;
  for (int k = 0; k < list.inputs; ++k) set_source(a.in[k], list.in[k], kind::input_fields[k].neutral);
  set_source(a.in[body::fields], list.weight, 1);
  set_source(a.mask, list.mask, 1);
  for (int m = 0; m < list.outputs; ++m) a.out[m] = sink_of(list.out[m]);
  for (int r = 0; r < list.totals; ++r) {
    const sink s = sink_of(list.total[r]);
    a.sum[r] = {s.data, s.type, r != kind::count_total};
  }
  const sink terms = sink_of(list.terms);
  for (int i = 0; i < parts_of<Loss>; ++i)
    if (terms.data != nullptr)
      a.sum[body::own_totals + i] = {static_cast<char*>(terms.data) + i * terms.stride * size_of(terms.type),
                                     terms.type, true};
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

// What a call is for: to compute, or only to be looked at (core/validate.hpp), which needs no outputs.
enum class purpose : std::uint8_t { compute, look };

// All checks of `evaluate`, and what it computes from.
template <class Exec, class Loss>
status prepare_items(const Exec& exec, const Loss& loss, const inputs_of<Loss, Exec>& in,
                     const outputs_of<Loss, Exec>& out, purpose why, map_reduce_arguments_of<loss_body<Loss>>& a) {
  call_list<Loss, Exec::memory> list;
  list_items(in, out, list, [&](auto f) { kind_of<Loss>::each_input(in, f); });
  list.needs_output = why == purpose::compute;
  std::int64_t extent[3] = {-1, -1, -1};
  if (const status s = check_call(loss, list, extent); !s.ok()) return s;
  a = make_arguments(list, extent[0]);
  static constexpr content_rules<Loss> rules;
  return check_content(exec, rules.list, a);
}

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
  map_reduce_arguments_of<detail::loss_body<Loss>> arguments;
  if (const status s = detail::prepare_items(exec, loss, in, out, detail::purpose::compute, arguments); !s.ok())
    return s;
  return map_reduce<Compute>(exec, detail::loss_body<Loss>{loss}, arguments);
}

}  // namespace PREFER_ABI
}  // namespace prefer
