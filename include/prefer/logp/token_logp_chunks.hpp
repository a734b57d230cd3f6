// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/logp/token_logp.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

// token_logp when the matrix of logits is too large to exist: the caller makes a few rows at a time, the product of
// hidden states and a head say, and takes the gradient of those rows back.
namespace prefer {

// Non-owning reference to a callable f(std::int64_t first, std::int64_t count) that deals with rows [first, first +
// count). It answers with a status, of which one that is not ok ends the call and is its answer, or with nothing.
struct row_callback {
  void* context = nullptr;
  status (*run)(void* context, std::int64_t first, std::int64_t count) = nullptr;

  constexpr row_callback() = default;

  template <class F>
  requires(!std::same_as<std::remove_cv_t<F>, row_callback> &&
           std::invocable<F&, std::int64_t, std::int64_t>) constexpr row_callback(F& f)
      : context(const_cast<void*>(static_cast<const void*>(&f))),
        run([](void* self, std::int64_t first, std::int64_t count) {
          F& call = *static_cast<F*>(self);
          if constexpr (std::is_void_v<std::invoke_result_t<F&, std::int64_t, std::int64_t>>) {
            call(first, count);
            return status{};
          } else {
            return call(first, count);
          }
        }) {}

  constexpr explicit operator bool() const { return run != nullptr; }
  status operator()(std::int64_t first, std::int64_t count) const { return run(context, first, count); }
};

// M rows of logits in chunks of C. On CUDA the callbacks enqueue their work on the call's stream.
template <space S>
struct logits_chunks {
  std::int64_t rows = 0;          // M
  output_view<2, S> buffer = {};  // [C, V], any C from 1: all that exists of the logits and of their gradient
  row_callback logits = {};       // writes rows [first, first + count) of the logits to the first rows of the buffer
  row_callback grad_logits = {};  // takes their gradient from there
};

inline namespace PREFER_ABI {
namespace detail {

// The vectors with one element per row of a call of token_logp or its gradient: f(name, view).
template <class X, class F>
void each_row_vector(X& x, F f) {
  if constexpr (requires { x.target; }) {
    f("target", x.target), f("grad_logp", x.grad_logp), f("grad_loss", x.grad_loss);
    f("grad_entropy", x.grad_entropy), f("grad_log_sum_exp", x.grad_log_sum_exp);
  }
  if constexpr (requires { x.log_sum; }) {
    f("logp", x.logp), f("max", x.max), f("log_sum", x.log_sum), f("entropy", x.entropy), f("choices", x.choices);
  }
  if constexpr (requires { x.argmax; }) {
    f("loss", x.loss), f("argmax", x.argmax), f("argmax_prob", x.argmax_prob);
    f("shard_max", x.shard_max), f("shard_sum", x.shard_sum), f("shard_target", x.shard_target);
  }
}

// One call in chunks: what is said before the first, and each of them.
template <class Exec, class Inputs, class Outputs>
class chunked_call {
 public:
  static constexpr space memory = Exec::memory;

  chunked_call(const Exec& exec, const token_softmax& options, const logits_chunks<memory>& chunks, const Inputs& in,
               const Outputs& out)
      : exec_(exec), options_(options), chunks_(chunks), in_(in), out_(out) {}

  std::int64_t count() const {
    const std::int64_t size = chunks_.buffer.extent[0];
    return size < 1 ? 0 : (chunks_.rows + size - 1) / size;
  }

  status check() const {
    status s = first_error(check_chunks(), check_rows());
    if (s.ok()) s = check_overlap();
    if (!s.ok()) return s;
    const Inputs in = inputs(0);
    const Outputs out = outputs(0);
    const token_call<Inputs, Outputs> first(options_, in, out);
    s = first.check();
    return s.ok() ? check_targets(first.arguments()) : s;
  }

  // Chunk k; `made` says that its logits are in the buffer already.
  template <class T>
  status run(std::int64_t k, bool made) const {
    const std::int64_t first = k * chunks_.buffer.extent[0], rows = rows_of(k);
    if (!made)
      if (const status s = chunks_.logits(first, rows); !s.ok()) return s;
    if (const status s = run_token_logp<T>(exec_, options_, inputs(k), outputs(k)); !s.ok()) return s;
    return chunks_.grad_logits ? chunks_.grad_logits(first, rows) : status{};
  }

 private:
  const Exec& exec_;
  const token_softmax& options_;
  const logits_chunks<memory>& chunks_;
  const Inputs& in_;
  const Outputs& out_;

  std::int64_t rows_of(std::int64_t k) const {
    const std::int64_t size = chunks_.buffer.extent[0], left = chunks_.rows - k * size;
    return left < size ? left : size;
  }
  output_view<2, memory> part_of_buffer(std::int64_t k) const {
    output_view<2, memory> x = chunks_.buffer;
    x.extent[0] = rows_of(k);
    return x;
  }
  Inputs inputs(std::int64_t k) const {
    Inputs in = in_;
    each_row_vector(in, [&](const char*, auto& v) { keep_rows(v, k * chunks_.buffer.extent[0], rows_of(k)); });
    const output_view<2, memory> x = part_of_buffer(k);
    in.logits.data = x.data;
    in.logits.type = x.type;
    for (int r = 0; r < 2; ++r) in.logits.extent[r] = x.extent[r], in.logits.stride[r] = x.stride[r];
    return in;
  }
  Outputs outputs(std::int64_t k) const {
    Outputs out = out_;
    each_row_vector(out, [&](const char*, auto& v) { keep_rows(v, k * chunks_.buffer.extent[0], rows_of(k)); });
    if (chunks_.grad_logits) out.grad_logits = part_of_buffer(k);
    return out;
  }

  status check_chunks() const {
    const auto& b = chunks_.buffer;
    if (in_.logits.given() || in_.rows.given())
      return require::fail(errc::unused_input, in_.logits.given() ? "logits" : "rows",
                           "to be left out, since rows are made in chunks");
    if (out_.grad_logits.given())
      return require::fail(errc::unavailable_output, "grad_logits", "to be left out, since a callback takes it");
    if (!chunks_.logits)
      return require::fail(errc::missing_input, "chunks.logits", "a callback that writes rows of logits to the buffer");
    if (!b.given()) return require::fail(errc::missing_input, "chunks.buffer", "memory for a few rows of logits");
    if (chunks_.rows < 0)
      return require::fail(errc::bad_extent, "chunks.rows", "at least", static_cast<double>(chunks_.rows), 0);
    for (int r = 0; r < 2; ++r)
      if (b.extent[r] < 1)
        return require::fail(errc::bad_extent, "chunks.buffer", "at least", static_cast<double>(b.extent[r]), 1);
    return require::matrix("chunks.buffer", b, b.extent[0], b.extent[1]);
  }

  status check_rows() const {
    status first;
    const auto look = [&](const char* name, const auto& v) {
      if (first.ok() && v.given() && v.extent[0] != chunks_.rows)
        first = require::fail(errc::bad_extent, name, "one element per row:", static_cast<double>(v.extent[0]),
                              static_cast<double>(chunks_.rows));
    };
    each_row_vector(in_, look), each_row_vector(out_, look);
    return first;
  }

  // On the CPU all targets are looked at before the first chunk is made; `all` are the arguments of that chunk.
  status check_targets(token_arguments all) const {
    if constexpr (memory == space::host) {
      cpu targets = exec_;
      if (targets.content == content::all) targets.content = content::structure;
      all.target = place_of(in_.target);
      row_reduce_arguments rows;
      rows.items = rows.rows = chunks_.rows;
      return check_logit_rows(targets, rows, token_look{options_, all});
    }
    return {};
  }

  status check_overlap() const {
    require::footprints<10, 12> all;
    each_row_vector(in_, [&](const char* name, const auto& v) {
      if (v.given()) all.reads[all.read_count++] = require::footprint_of(name, v);
    });
    each_row_vector(out_, [&](const char* name, const auto& v) {
      if (v.given()) all.writes[all.write_count++] = require::footprint_of(name, v);
    });
    all.writes[all.write_count++] = require::footprint_of("chunks.buffer", chunks_.buffer);
    return all.check();
  }
};

// From the first chunk to the last, or backwards; `made`: the logits of the chunk that comes first are in the buffer.
template <class T, class Exec, class Inputs, class Outputs>
status run_chunks(const Exec& exec, const token_softmax& options, const logits_chunks<Exec::memory>& chunks,
                  const Inputs& in, const Outputs& out, bool backwards, bool made) {
  const chunked_call<Exec, Inputs, Outputs> call(exec, options, chunks, in, out);
  if (const status s = call.check(); !s.ok()) return s;
  const std::int64_t n = call.count();
  for (std::int64_t k = 0; k < n; ++k)
    if (const status s = call.template run<T>(backwards ? n - 1 - k : k, made && k == 0); !s.ok()) return s;
  return {};
}

}  // namespace detail

// token_logp over rows of logits that exist a chunk at a time: chunks.logits makes them in the buffer, the answers of
// those rows are written, and with chunks.grad_logits the gradient replaces them in the buffer and is handed over. One
// pass: the derivatives of the objective are in `in`, as for token_logp (a likelihood, say). `in` and `out` are those
// of token_logp without logits, rows and grad_logits; vectors have chunks.rows elements. The result is bitwise that of
// token_logp on the whole matrix, whatever C is.
//
// Everything is checked before the first callback, except NaN in logits (content::all). What a callback answers, if it
// is not ok, is the answer; rows of earlier chunks have then been written.
template <class Compute, class Exec>
status token_logp_chunks(const Exec& exec, const token_softmax& options, const logits_chunks<Exec::memory>& chunks,
                         const std::type_identity_t<token_logp_inputs<Exec::memory>>& in,
                         const std::type_identity_t<token_logp_outputs<Exec::memory>>& out) {
  return detail::run_chunks<Compute>(exec, options, chunks, in, out, false, false);
}

// token_logp_gradient in the same way, from the last chunk to the first: the logits are made again.
template <class Compute, class Exec>
status token_logp_gradient_chunks(const Exec& exec, const token_softmax& options,
                                  const logits_chunks<Exec::memory>& chunks,
                                  const std::type_identity_t<token_logp_gradient_inputs<Exec::memory>>& in) {
  if (!chunks.grad_logits)
    return require::fail(errc::missing_output, "chunks.grad_logits", "a callback that takes the gradient");
  return detail::run_chunks<Compute>(exec, options, chunks, in, token_logp_gradient_outputs<Exec::memory>{}, true,
                                     false);
}

}  // namespace PREFER_ABI
}  // namespace prefer
