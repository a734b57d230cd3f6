// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/core/validate.hpp>

#include <algorithm>
#include <vector>

namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::int64_t validated_at_once = 1 << 16;  // items
inline constexpr std::int64_t row_elements_at_once = 1 << 22;

// Parts of arrays in device memory, copied to the host, where the checks of the CPU look at them. Each call replaces
// what it is given by the copy; `wait` says when that may be read, and what went wrong first.
class host_copy {
 public:
  explicit host_copy(const cuda& exec) : stream_(exec.stream.stream) {}

  // `count` elements from `first` on; of an input with an index list, the whole array and that part of the list.
  void take(source& s, std::int64_t first, std::int64_t count) {
    if (s.index != nullptr) {
      copy(s.index, s.index_stride, s.index_type, first, count);
      first = 0, count = s.bound;
    }
    copy(s.data, s.stride, s.type, first, count);
  }
  template <int Inputs, int Outputs, int Sums>
  void take(map_reduce_arguments<Inputs, Outputs, Sums>& a, std::int64_t first) {
    for (source& s : a.in) take(s, first, a.n);
    take(a.mask, first, a.n);
  }
  void take(segment_source& s, std::int64_t n) {
    copy(s.begin, s.begin_stride, s.begin_type, 0, n);
    copy(s.end, s.end_stride, s.end_type, 0, n);
    take(s.mask, 0, s.tokens);
    take(s.weight, 0, s.tokens);
  }
  // `count` rows from `first` on, with what lies between their elements if they are not side by side.
  void take(row_source& r, std::int64_t first, std::int64_t count, std::int64_t elements) {
    if (r.data == nullptr || count == 0 || elements == 0) return;
    const std::int64_t size = size_of(r.type), row = (elements - 1) * r.stride + 1;
    const void* from = static_cast<const char*>(r.data) + first * r.row_stride * size;
    if (r.row_stride > row) {
      r.data = enqueue(from, r.row_stride * size, row * size, count);
      r.row_stride = row;
    } else {
      r.data = enqueue(from, 0, ((count - 1) * r.row_stride + row) * size, 1);
    }
  }

  status wait() {
    const status s = cuda_status(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
    return first_error(first_, s);
  }

 private:
  cudaStream_t stream_;
  std::vector<std::vector<char>> parts_;
  status first_;

  void copy(const void*& data, std::int64_t& stride, element type, std::int64_t first, std::int64_t count) {
    if (data == nullptr || count == 0) return;
    const std::int64_t size = size_of(type);
    const void* from = static_cast<const char*>(data) + first * stride * size;
    data = stride == 1 ? enqueue(from, 0, count * size, 1)
                       : enqueue(from, stride * size, size, stride == 0 ? 1 : count);
    stride = stride == 0 ? 0 : 1;
  }
  // Rows of `width` bytes, one behind the other.
  const void* enqueue(const void* from, std::int64_t pitch, std::int64_t width, std::int64_t rows) {
    const auto w = static_cast<std::size_t>(width), r = static_cast<std::size_t>(rows);
    std::vector<char>& to = parts_.emplace_back(w * r);
    const cudaError_t e = rows == 1 ? cudaMemcpyAsync(to.data(), from, w, cudaMemcpyDeviceToHost, stream_)
                                    : cudaMemcpy2DAsync(to.data(), w, from, static_cast<std::size_t>(pitch), w, r,
                                                        cudaMemcpyDeviceToHost, stream_);
    first_ = first_error(first_, cuda_status(e, "cudaMemcpyAsync"));
    return to.data();
  }
};

// look(first, count) at all items, so many at a time; an index that it answers is one of its part.
template <class Look>
status look_in_parts(std::int64_t n, std::int64_t at_once, const Look& look) {
  for (std::int64_t first = 0; first < n; first += at_once) {
    status s = look(first, std::min(n - first, at_once));
    if (s.ok()) continue;
    if (s.index >= 0) s.index += first;
    return s;
  }
  return {};
}

}  // namespace detail

// The same on CUDA, for every form: waits for the work on exec.stream, copies the inputs to the host and looks at them
// there. They allocate host memory, for 65536 items or 4 million elements of each array of rows at a time, and for all
// of the inputs of the forms that follow offsets or indices; they synchronise, and cannot be captured. For finding a
// fault, not for every step.
template <class Loss>
status validate(const cuda& exec, const Loss& loss, const std::type_identity_t<inputs_of<Loss, cuda>>& in) {
  map_reduce_arguments_of<detail::loss_body<Loss>> all;
  if (const status s = detail::prepare_items(exec, loss, in, {}, detail::purpose::look, all); !s.ok()) return s;
  return detail::look_in_parts(all.n, detail::validated_at_once, [&](std::int64_t first, std::int64_t count) {
    static constexpr detail::content_rules<Loss> rules;
    detail::host_copy host(exec);
    auto part = all;
    part.n = count;
    host.take(part, first);
    if (const status s = host.wait(); !s.ok()) return s;
    return check_content(detail::looking({}), rules.list, part);
  });
}

template <class Loss>
status validate_tokens(const cuda& exec, const Loss& loss,
                       const std::type_identity_t<token_inputs_of<Loss, cuda>>& in) {
  using body = detail::segmented_body<Loss>;
  const outputs_of<Loss, cuda> nothing = {};
  detail::segmented_call<Loss, space::device> call(in, nothing);
  if (const status s = call.check(loss, detail::purpose::look); !s.ok()) return s;
  auto& a = call.arguments;
  detail::host_copy host(exec);
  for (int k = 0; k < body::inputs; ++k) {
    const token_role r = body::input_role(k);
    host.take(a.items.in[k], 0, r.role == role::tokens ? a.segment[r.segment].tokens : a.items.n);
  }
  host.take(a.items.mask, 0, a.items.n);
  for (segment_source& s : a.segment) host.take(s, a.items.n);
  if (const status s = host.wait(); !s.ok()) return s;
  return detail::check_token_content(detail::looking({}), call);
}

template <class Loss>
status validate_indexed(const cuda& exec, const Loss& loss,
                        const std::type_identity_t<index_inputs_of<Loss, cuda>>& in) {
  detail::indexed_call<Loss> call;
  if (const status s = detail::prepare_indexed(exec, loss, in, {}, detail::purpose::look, call); !s.ok()) return s;
  detail::host_copy host(exec);
  host.take(call.arguments, 0);
  for (source& s : call.list) host.take(s, 0, call.arguments.n);
  host.take(call.plan_offsets, 0, call.samples + 1);
  host.take(call.plan_entries, 0, 2 * call.arguments.n);
  if (const status s = host.wait(); !s.ok()) return s;
  return detail::check_indexed_content(detail::looking({}), call);
}

template <class Score, class Loss>
status validate_rows(const cuda& exec, const Score& score, const Loss& loss,
                     const std::type_identity_t<detail::row_inputs_of<Score, Loss, cuda>>& in) {
  using call = detail::row_call<Score, Loss, cuda>;
  typename call::arguments all;
  const typename call::outputs nothing = {};
  if (const status s = call(score, loss, in, nothing).prepare(exec, detail::purpose::look, all); !s.ok()) return s;
  const std::int64_t at_once = std::clamp<std::int64_t>(
      detail::row_elements_at_once / std::max<std::int64_t>(all.elements, 1), 1, detail::validated_at_once);
  return detail::look_in_parts(all.items.n, at_once, [&](std::int64_t first, std::int64_t count) {
    detail::host_copy host(exec);
    auto part = all;
    part.items.n = count;
    host.take(part.items, first);
    for (source& s : part.factor) host.take(s, first, count);
    for (auto& side : part.row)
      for (row_source& r : side) host.take(r, first, count, all.elements);
    if (const status s = host.wait(); !s.ok()) return s;
    return call::look_at(detail::looking({}), part);
  });
}

template <class Loss>
status validate_lists(const cuda& exec, const Loss& loss, const list_inputs<space::device>& in) {
  detail::list_arguments a;
  if (const status s = detail::prepare_lists(loss, in, list_outputs<space::device>{}, detail::purpose::look, a);
      !s.ok())
    return s;
  detail::host_copy host(exec);
  host.take(a.items, 0);
  host.take(a.lists, a.items.n);
  for (source* s : {&a.score, &a.grade, &a.ranking}) host.take(*s, 0, a.lists.tokens);
  if (const status s = host.wait(); !s.ok()) return s;
  std::vector<char> memory(evaluate_lists_workspace(a.items.n, a.lists.tokens));
  return detail::check_list_content(detail::looking({.workspace = {memory.data(), memory.size()}}), a);
}

}  // namespace PREFER_ABI
}  // namespace prefer
