// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/launch.cuh>
#include <prefer/core/validate.hpp>

#include <vector>

namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::int64_t validated_at_once = 1 << 16;  // items

// Replaces a source in device memory by a copy of some of its elements at `to`; moves `to` behind them.
inline status fetch(cudaStream_t stream, source& s, std::int64_t first, std::int64_t count, char*& to) {
  if (s.data == nullptr) return {};
  const auto size = static_cast<std::size_t>(size_of(s.type));
  const char* from = static_cast<const char*>(s.data) + first * s.stride * size_of(s.type);
  const std::size_t rows = s.stride == 0 ? 1 : static_cast<std::size_t>(count);
  const std::size_t pitch = s.stride == 0 ? size : static_cast<std::size_t>(s.stride) * size;
  s.data = to;
  s.stride = s.stride == 0 ? 0 : 1;
  to += rows * size;
  return cuda_status(
      cudaMemcpy2DAsync(const_cast<void*>(s.data), size, from, pitch, size, rows, cudaMemcpyDeviceToHost, stream),
      "cudaMemcpy2DAsync");
}

}  // namespace detail

// The same on CUDA. Waits for the work on exec.stream, copies the inputs to the host part by part and looks at them
// there: it allocates host memory for 65536 items, synchronises, and cannot be captured. For finding a fault, not for
// every step.
template <class Loss>
status validate(const cuda& exec, const Loss& loss, const std::type_identity_t<inputs_of<Loss, cuda>>& in) {
  using body = detail::loss_body<Loss>;
  map_reduce_arguments_of<body> all;
  if (const status s = detail::checked_arguments<Loss, cuda>(loss, in, all); !s.ok()) return s;
  static constexpr detail::content_rules<Loss> rules;
  const cudaStream_t stream = exec.stream.stream;
  std::vector<char> host(static_cast<std::size_t>(std::min(all.n, detail::validated_at_once)) * (body::inputs + 1) *
                             sizeof(double) +
                         sizeof(double));
  for (std::int64_t first = 0; first < all.n; first += detail::validated_at_once) {
    map_reduce_arguments_of<body> part = all;
    part.n = std::min(all.n - first, detail::validated_at_once);
    char* to = host.data();
    for (source& s : part.in)
      if (const status failed = detail::fetch(stream, s, first, part.n, to); !failed.ok()) return failed;
    if (const status failed = detail::fetch(stream, part.mask, first, part.n, to); !failed.ok()) return failed;
    if (const status failed = detail::cuda_status(cudaStreamSynchronize(stream), "cudaStreamSynchronize"); !failed.ok())
      return failed;
    status s = check_content(cpu{.content = content::all}, rules.list, part);
    if (s.ok()) continue;
    s.index += first;
    return s;
  }
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
