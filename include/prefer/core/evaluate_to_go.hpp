// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate_tokens.hpp>

#include <cstdint>

// evaluate_to_go: policy-gradient losses from numbers per token, where a token answers for itself and what follows it,
// not for what came before.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// Tokens have no common value: only what has one number per token can be asked for.
template <class Loss, space S>
status check_to_go(const segmented_call<Loss, S>& call) {
  const auto refuse = [](const char* name) {
    return require::fail(errc::unavailable_output, name, "to be left out: sums from each token on have gradients only");
  };
  for (int m = 0; m < call.list.outputs; ++m)
    if (call.list.out[m].given() && kind_of<Loss>::output_roles[m].role != role::tokens)
      return refuse(call.list.out[m].name);
  for (const auto& t : call.list.total)
    if (t.given()) return refuse(t.name);
  if (call.list.terms.given()) return refuse("terms");
  for (const listed_segment<S>& s : call.listed)
    if (s.weight.given())
      return require::fail(errc::unused_input, s.weight.name, "to be left out: every token counts once");
  return require::that(call.arguments.weights.trivial(), "discount", call.arguments.weights.discount.value64,
                       "1: every token counts once");
}

// One response on the CPU: tiles of its tokens from the last to the first, walked from the end.
template <class Body>
struct to_go_walk {
  const Body& body;
  const segmented_arguments_of<Body>& a;
  double in[Body::inputs] = {};  // what the body sees at the present token
  double x[Body::inputs][tile_items];
  double out[Body::outputs][tile_items];
  double mask[tile_items];
  bool keep[tile_items];

  to_go_walk(const Body& b, const segmented_arguments_of<Body>& arguments) : body(b), a(arguments) {}

  void begin(std::int64_t item, bool selected) {
    for (int k = 0; k < Body::inputs; ++k)
      in[k] = selected && Body::input_role(k).role == role::item ? read_item<double>(a.items.in[k], item) : 0;
  }
  void load(std::int64_t first, int count) {
    for (int k = 0; k < Body::inputs; ++k)
      if (Body::input_role(k).role == role::tokens && a.items.in[k].data != nullptr)
        load_strided(a.items.in[k], first, count, x[k]);
    const source& flags = a.segment[0].mask;
    if (flags.data != nullptr) load_strided(flags, first, count, mask);
    for (int t = 0; t < count; ++t) keep[t] = flags.data == nullptr || mask[t] != 0;
  }
  void step(int t) {
    unrolled<Body::inputs>([&](auto i) PREFER_HD_LAMBDA {
      constexpr int k = decltype(i)::value;
      constexpr role what = Body::input_role(k).role;
      if constexpr (what == role::tokens) in[k] += a.items.in[k].data != nullptr ? x[k][t] : a.items.in[k].neutral;
      if constexpr (what == role::length) in[k] += 1;
    });
    double answer[Body::outputs], part[Body::sums];
    body(in, answer, part);
    for (int m = 0; m < Body::outputs; ++m) out[m][t] = answer[m];
  }
  void store(std::int64_t first, int count) const {
    for (int m = 0; m < Body::outputs; ++m)
      if (a.items.out[m].data != nullptr)
        store_strided(a.items.out[m], first, count, out[m], keep, a.items.accumulate);
  }
  void run(std::int64_t item) {
    const bool selected = selects(a.items.mask, item);
    const token_range range = range_of(a.segment[0], item);
    begin(item, selected);
    for (std::int64_t end = range.end; end > range.begin; end -= tile_items) {
      const int count = static_cast<int>(smaller(tile_items, end - range.begin));
      if (selected) load(end - count, count);
      for (int t = count; t-- > 0;) {
        keep[t] = selected && keep[t];
        for (int m = 0; m < Body::outputs && !keep[t]; ++m) out[m][t] = 0;
        if (keep[t]) step(t);
      }
      store(end - count, count);
    }
  }
};

template <class Exec, class Body>
status run_to_go(const Exec&, const Body&, const segmented_arguments_of<Body>&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
template <class Body>
status run_to_go(const cpu& exec, const Body& body, const segmented_arguments_of<Body>& a) {
  const std::int64_t n = a.items.n, blocks = smaller(n, max_blocks);
  const Body ready = body.ready(resolve_normalizer(a.items.normalizer, a.items.mask, n));
  for_blocks(exec, blocks, a.segment[0].tokens, [&](std::int64_t first, std::int64_t last) {
    to_go_walk<Body> walk(ready, a);
    for (std::int64_t i = n * first / blocks; i < n * last / blocks; ++i) walk.run(i);
  });
  return {};
}

}  // namespace detail

// The gradients of evaluate_tokens where the loss sees, at every token, sums over that token and those behind it in its
// response instead of over the whole response: the token's gradient is the derivative of the loss there.
//
// This is for losses that weigh log-probabilities with a constant (nash_md_pg). A token's weight may leave out what was
// decided before it, since the gradient of a log-probability has mean 0: the mean gradient stays that of whole
// responses, and varies less. For any other loss it is not a gradient of anything.
//
// Inputs are those of evaluate_tokens without token weights and discount; outputs the gradients per token. Lengths
// count from the token on. Sums are in double, in an order that depends on the response's length alone. One thread per
// response on the CPU, a block of threads on CUDA: one launch, two where the default normaliser counts a mask; a
// workspace of evaluate_to_go_workspace(loss, n) bytes there, or memory in stream order. Errors are those of
// evaluate_tokens, and every other output.
template <class Exec, class Loss>
status evaluate_to_go(const Exec& exec, const Loss& loss, const std::type_identity_t<token_inputs_of<Loss, Exec>>& in,
                      const std::type_identity_t<outputs_of<Loss, Exec>>& out) {
  static_assert(kind_of<Loss>::segments == 1, "prefer: evaluate_to_go takes losses of single responses");
  detail::segmented_call<Loss, Exec::memory> call(in, out);
  if (const status s = call.check(loss, detail::purpose::compute); !s.ok()) return s;
  if (const status s = detail::check_to_go(call); !s.ok()) return s;
  if (const status s = detail::check_token_content(exec, call); !s.ok()) return s;
  return run_to_go(exec, detail::segmented_body<Loss>{{loss}}, call.arguments);
}

}  // namespace PREFER_ABI
}  // namespace prefer
