// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/segmented_map_reduce.hpp>
#include <prefer/core/evaluate.hpp>

#include <cstdint>

// evaluate_tokens: a loss from numbers per token (log-probabilities of a response, rewards of a trajectory). Tokens are
// summed per segment, the loss runs on the sums, and its gradient goes back to every token, in one pass.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// A loss as the body of segmented_map_reduce.
template <class Loss>
struct segmented_body : loss_body<Loss> {
  using kind = kind_of<Loss>;
  static constexpr int segments = kind::segments;

  static constexpr token_role input_role(int k) {
    return k < loss_body<Loss>::fields ? kind::input_roles[k] : token_role{};
  }
  static constexpr token_role output_role(int m) { return kind::output_roles[m]; }

  PREFER_HD segmented_body ready(double normalizer) const {
    segmented_body b = *this;
    b.scale = scalar(1.0 / normalizer);
    return b;
  }
};

// One kind of segment of a call, as its checks and its primitive need it.
template <space S>
struct listed_segment {
  listed<input_view<1, S>> offsets, ends, mask, weight;
};

template <space S>
status check_segment(const listed_segment<S>& s, std::int64_t tokens, std::int64_t& n) {
  const char* whose = "one offset per pair and one more (without ends), or one per pair (with ends), which is";
  if (!s.offsets.given()) return require::fail(errc::missing_input, s.offsets.name, "where each response begins");
  const std::int64_t extra = s.ends.given() ? 0 : 1;
  if (n < 0) n = s.offsets.view->extent[0] - extra;
  if (n < 0)
    return require::fail(errc::bad_extent, s.offsets.name, "at least", static_cast<double>(s.offsets.view->extent[0]),
                         1);
  if (const status r = require::vector(s.offsets.name, *s.offsets.view, n + extra, whose, require::holds::indices);
      !r.ok())
    return r;
  if (s.ends.given())
    if (const status r = require::vector(s.ends.name, *s.ends.view, n, same_extent, require::holds::indices); !r.ok())
      return r;
  const auto per_token = [&](const auto& a, require::holds what) {
    if (!a.given()) return status{};
    return require::vector(a.name, *a.view, tokens < 0 ? a.view->extent[0] : tokens, same_extent, what);
  };
  return first_error(per_token(s.mask, require::holds::flags), per_token(s.weight, require::holds::numbers));
}

template <space S>
segment_source make_segment(const listed_segment<S>& s, std::int64_t tokens) {
  segment_source r;
  const auto& begin = *s.offsets.view;
  r.begin = begin.data;
  r.begin_stride = begin.stride[0];
  r.begin_type = begin.type;
  r.end = static_cast<const char*>(begin.data) + begin.stride[0] * size_of(begin.type);
  r.end_stride = begin.stride[0];
  r.end_type = begin.type;
  if (s.ends.given()) {
    r.end = s.ends.view->data;
    r.end_stride = s.ends.view->stride[0];
    r.end_type = s.ends.view->type;
  }
  set_source(r.mask, s.mask, 1);
  set_source(r.weight, s.weight, 1);
  // A loss may read nothing of a segment but its length: then the mask says how many tokens there are.
  r.tokens = tokens >= 0 ? tokens : s.mask.given() ? s.mask.view->extent[0] : 0;
  return r;
}

template <class Loss, space S, class Inputs, class Outputs>
void list_tokens(const Inputs& in, const Outputs& out, call_list<Loss, S>& list,
                 listed_segment<S> (&segments)[kind_of<Loss>::segments]) {
  using kind = kind_of<Loss>;
  list_items(in, out, list, [&](auto f) { kind::each_token_input(in, f); });
  for (int k = 0; k < list.inputs; ++k) {
    const token_role r = kind::input_roles[k];
    list.in[k].group = r.role == role::tokens ? 1 + r.segment : r.role == role::length ? computed : 0;
  }
  for (int m = 0; m < list.outputs; ++m)
    if (kind::output_roles[m].role == role::tokens) list.out[m].group = 1 + kind::output_roles[m].segment;
  int p = 0;
  kind::each_segment(in, [&](const auto& names, const auto& offsets, const auto& ends, const auto& mask,
                             const auto& weight) {
    segments[p] = {{names[0], &offsets, 0}, {names[1], &ends, 0}, {names[2], &mask, 1 + p}, {names[3], &weight, 1 + p}};
    ++p;
  });
}

// One call of evaluate_tokens: its vectors by name, and what its primitive needs once they have been checked. It refers
// to the call's inputs and outputs.
template <class Loss, space S>
struct segmented_call {
  static constexpr int segments = kind_of<Loss>::segments;
  using body = segmented_body<Loss>;
  using list_type = call_list<Loss, S>;

  list_type list;
  listed_segment<S> listed[segments];
  segmented_arguments_of<body> arguments;

  template <class Inputs, class Outputs>
  segmented_call(const Inputs& in, const Outputs& out) {
    list_tokens(in, out, list, listed);
    arguments.weights = {in.discount, in.tail};
  }

  // Everything but content.
  status check(const Loss& loss, purpose why) {
    list.needs_output = why == purpose::compute;
    std::int64_t extent[3] = {-1, -1, -1};
    for (const auto& s : listed)
      if (const status r = check_segment(s, -1, extent[0]); !r.ok()) return r;
    if (const status s = check_call(loss, list, extent); !s.ok()) return s;
    for (int p = 0; p < segments; ++p)
      if (const status r = check_segment(listed[p], extent[1 + p], extent[0]); !r.ok()) return r;
    if (const status s = check_overlap(); !s.ok()) return s;
    const position_weights& w = arguments.weights;
    if (const status s = first_error(require::is_finite(w.discount, "discount"), require::is_finite(w.tail, "tail"));
        !s.ok())
      return s;
    arguments.items = make_arguments(list, extent[0]);
    for (int p = 0; p < segments; ++p) arguments.segment[p] = make_segment(listed[p], extent[1 + p]);
    return {};
  }

  template <class Footprints>
  void add_to(Footprints& all) const {
    add_footprints(list, all);
    for (const listed_segment<S>& s : listed)
      all.read(s.offsets), all.read(s.ends), all.read(s.mask), all.read(s.weight);
  }
  static constexpr int reads = list_type::inputs + 2 + 4 * segments;
  static constexpr int writes = list_type::outputs + list_type::totals + 1;

 private:
  // No output may share memory with what says which tokens belong where and count how much.
  status check_overlap() const {
    require::footprints<reads, writes> all;
    add_to(all);
    return all.check();
  }
};

// Offsets are structure: they are followed, so they are looked at first on the CPU.
template <class Loss, space S>
status check_bounds(const cpu& exec, const segmented_call<Loss, S>& call) {
  const auto& a = call.arguments;
  for (int p = 0; exec.content != content::none && p < call.segments; ++p) {
    const listed_segment<S>& s = call.listed[p];
    if (const status r = check_offsets(a.segment[p], a.items.n, s.ends.given() ? s.ends.name : s.offsets.name); !r.ok())
      return r;
  }
  return {};
}
template <class Loss, space S>
status check_bounds(const cuda&, const segmented_call<Loss, S>&) {
  return {};
}

// NaN in the selected tokens of selected items.
inline status check_tokens(const source& s, const segment_source& segment, const source& mask, const char* name,
                           std::int64_t n) {
  for (std::int64_t i = 0; s.data != nullptr && i < n; ++i) {
    const token_range range = selects(mask, i) ? range_of(segment, i) : token_range{};
    for (std::int64_t t = range.begin; t < range.end; ++t)
      if (selects(segment.mask, t) && math::is_nan(read_item<double>(s, t)))
        return require::fail(errc::not_a_number, name, "a number, but it is NaN", read_item<double>(s, t), 0, t);
  }
  return {};
}

// Offsets and labels; with content::all NaN too.
template <class Loss, space S>
status check_token_content(const cpu& exec, const segmented_call<Loss, S>& call) {
  using body = segmented_body<Loss>;
  static constexpr content_rules<Loss> rules;
  const auto& a = call.arguments;
  if (exec.content == content::none) return {};
  if (const status s = check_bounds(exec, call); !s.ok()) return s;
  for (int k = 0; k < body::inputs; ++k) {
    const token_role r = body::input_role(k);
    status s;
    if (r.role == role::item)
      s = check_source(a.items.in[k], a.items.mask, rules.list[k], exec.content, a.items.n);
    else if (r.role == role::tokens && exec.content == content::all)
      s = check_tokens(a.items.in[k], a.segment[r.segment], a.items.mask, rules.list[k].name, a.items.n);
    if (!s.ok()) return s;
  }
  for (int p = 0; p < body::segments && exec.content == content::all; ++p)
    if (const status s =
            check_tokens(a.segment[p].weight, a.segment[p], a.items.mask, call.listed[p].weight.name, a.items.n);
        !s.ok())
      return s;
  return {};
}
template <class Loss, space S>
status check_token_content(const cuda&, const segmented_call<Loss, S>&) {
  return {};
}

template <class Loss, class Exec>
struct token_inputs {
  static_assert(sizeof(Loss) == 0, "prefer: losses of this kind have no form per token");
};
template <class Loss, class Exec>
requires requires { kind_of<Loss>::segments; }
struct token_inputs<Loss, Exec> {
  using type = typename kind_of<Loss>::template token_inputs<Exec::memory>;
};

}  // namespace detail

template <class Loss, class Exec>
using token_inputs_of = typename detail::token_inputs<Loss, Exec>::type;

// Value and gradients of `loss` over n items whose numbers come per token: the kind's token inputs say how tokens are
// assigned to items. A segment's number is the sum over its selected tokens, each times its weight if weights are
// given, its length their number (a loss that normalises by length needs nothing else). Gradients have one element per
// token where the input has, and two of them may be the same view when both segments live in one array. An empty
// segment sums to 0. `discount` weighs the k-th token of a segment by discount^k, `tail` those behind the end of the
// item's shortest segment. Sums and the loss are computed in double; each token is read once, each token gradient
// written once, in one launch on CUDA. Returns the first thing that is wrong; then nothing has been written.
template <class Exec, class Loss>
status evaluate_tokens(const Exec& exec, const Loss& loss, const std::type_identity_t<token_inputs_of<Loss, Exec>>& in,
                       const std::type_identity_t<outputs_of<Loss, Exec>>& out) {
  detail::segmented_call<Loss, Exec::memory> call(in, out);
  if (const status s = call.check(loss, detail::purpose::compute); !s.ok()) return s;
  if (const status s = detail::check_token_content(exec, call); !s.ok()) return s;
  return segmented_map_reduce(exec, detail::segmented_body<Loss>{{loss}}, call.arguments);
}

}  // namespace PREFER_ABI
}  // namespace prefer
