// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/segmented_map_reduce.hpp>
#include <prefer/core/evaluate.hpp>
#include <prefer/core/pair.hpp>

#include <cstdint>

// evaluate_tokens: a loss over pairs from per-token log-probabilities. Tokens are summed per response, the loss runs on
// the sums, and its gradient goes back to every token, in one pass.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// A loss as the body of segmented_map_reduce.
template <class Loss>
struct token_body : loss_body<Loss> {
  using kind = kind_of<Loss>;
  static constexpr int segments = kind::segments;

  static constexpr token_role input_role(int k) {
    return k < loss_body<Loss>::fields ? kind::input_roles[k] : token_role{};
  }
  static constexpr token_role output_role(int m) { return kind::output_roles[m]; }

  PREFER_HD token_body ready(double normalizer) const {
    token_body b = *this;
    b.scale = scalar(1.0 / normalizer);
    return b;
  }
};

// One kind of segment of a call, as its checks and its primitive need it.
template <space S>
struct listed_segment {
  listed<input_view<1, S>> offsets, ends, mask;
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
  if (!s.mask.given()) return {};
  return require::vector(s.mask.name, *s.mask.view, tokens < 0 ? s.mask.view->extent[0] : tokens, same_extent,
                         require::holds::flags);
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
  r.tokens = tokens < 0 ? 0 : tokens;
  return r;
}

template <class Loss, space S>
void list_tokens(const pair_token_inputs<S>& in, const pair_outputs<S>& out, call_list<Loss, S>& list,
                 listed_segment<S> (&segments)[2]) {
  using kind = kind_of<Loss>;
  list_items(in, out, list, [&](auto f) { kind::each_token_input(in, f); });
  for (int k = 0; k < list.inputs; ++k) {
    const token_role r = kind::input_roles[k];
    list.in[k].group = r.role == role::tokens ? 1 + r.segment : r.role == role::length ? computed : 0;
  }
  for (int m = 0; m < list.outputs; ++m)
    if (kind::output_roles[m].role == role::tokens) list.out[m].group = 1 + kind::output_roles[m].segment;
  segments[0] = {{"chosen_offsets", &in.chosen_offsets, 0},
                 {"chosen_ends", &in.chosen_ends, 0},
                 {"chosen_mask", &in.chosen_mask, 1}};
  segments[1] = {{"rejected_offsets", &in.rejected_offsets, 0},
                 {"rejected_ends", &in.rejected_ends, 0},
                 {"rejected_mask", &in.rejected_mask, 2}};
}

// Offsets are structure: they are followed, so they are looked at first on the CPU.
inline status check_segments(const cpu& exec, const segment_source (&segment)[2],
                             const listed_segment<space::host> (&listed)[2], std::int64_t n) {
  if (exec.content == content::none) return {};
  for (int p = 0; p < 2; ++p)
    if (const status s =
            check_offsets(segment[p], n, listed[p].ends.given() ? listed[p].ends.name : listed[p].offsets.name);
        !s.ok())
      return s;
  return {};
}
template <space S>
status check_segments(const cuda&, const segment_source (&)[2], const listed_segment<S> (&)[2], std::int64_t) {
  return {};
}

// Labels of the pairs, and with content::all NaN in their selected tokens too.
template <class Body>
status check_token_content(const cpu& exec, const content_rule (&rules)[Body::inputs],
                           const segmented_arguments_of<Body>& a) {
  if (exec.content == content::none) return {};
  for (int k = 0; k < Body::inputs; ++k) {
    const token_role r = Body::input_role(k);
    if (r.role == role::item)
      if (const status s = check_source(a.items.in[k], a.items.mask, rules[k], exec.content, a.items.n); !s.ok())
        return s;
    if (r.role != role::tokens || exec.content != content::all || a.items.in[k].data == nullptr) continue;
    for (std::int64_t i = 0; i < a.items.n; ++i) {
      const token_range range = range_of(a.segment[r.segment], i);
      for (std::int64_t t = range.begin; selects(a.items.mask, i) && t < range.end; ++t) {
        const double x = load_element<double>(a.items.in[k].data, a.items.in[k].type, t * a.items.in[k].stride);
        if (selects(a.segment[r.segment].mask, t) && math::is_nan(x))
          return require::fail(errc::not_a_number, rules[k].name, "a number, but it is NaN", x, 0, t);
      }
    }
  }
  return {};
}
template <class Body>
status check_token_content(const cuda&, const content_rule (&)[Body::inputs], const segmented_arguments_of<Body>&) {
  return {};
}

}  // namespace detail

// Value and gradients of `loss` over n pairs whose log-probabilities come per token: pair_token_inputs says how tokens
// are assigned to pairs. A response's log-probability is the sum over its selected tokens, its length their number (a
// loss that normalises by length needs nothing else). Gradients by policy_* and reference_* have one element per token,
// and grad_policy_chosen and grad_policy_rejected may be the same view when both responses live in one array. An empty
// response has log-probability 0. Sums and the loss are computed in double; each token log-probability is read once,
// each token gradient written once, in one launch on CUDA. Returns the first thing that is wrong; then nothing has been
// written.
template <class Exec, class Loss>
status evaluate_tokens(const Exec& exec, const Loss& loss, const pair_token_inputs<Exec::memory>& in,
                       const pair_outputs<Exec::memory>& out) {
  detail::call_list<Loss, Exec::memory> list;
  detail::listed_segment<Exec::memory> listed[2];
  detail::list_tokens(in, out, list, listed);
  std::int64_t extent[3] = {-1, -1, -1};
  for (const auto& s : listed)
    if (const status r = detail::check_segment(s, -1, extent[0]); !r.ok()) return r;
  if (const status s = detail::check_call(loss, list, extent, true); !s.ok()) return s;
  for (int p = 0; p < 2; ++p)
    if (const status r = detail::check_segment(listed[p], extent[1 + p], extent[0]); !r.ok()) return r;

  using body = detail::token_body<Loss>;
  segmented_arguments_of<body> arguments{detail::make_arguments(list, extent[0]), {}};
  for (int p = 0; p < 2; ++p) arguments.segment[p] = detail::make_segment(listed[p], extent[1 + p]);
  if (const status s = detail::check_segments(exec, arguments.segment, listed, extent[0]); !s.ok()) return s;
  static constexpr detail::content_rules<Loss> rules;
  if (const status s = detail::check_token_content<body>(exec, rules.list, arguments); !s.ok()) return s;
  return segmented_map_reduce(exec, body{{loss}}, arguments);
}

}  // namespace PREFER_ABI
}  // namespace prefer
