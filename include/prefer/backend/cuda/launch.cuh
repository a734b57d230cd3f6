// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>
#include <prefer/core/status.hpp>

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

// What every CUDA primitive needs around its kernel: scratch memory in stream order, and errors as statuses.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline status cuda_status(cudaError_t e, const char* call) {
  status s;
  if (e == cudaSuccess) return s;
  s.code = errc::cuda_failure;
  s.native = static_cast<std::int32_t>(e);
  s.argument = call;
  return s;
}

inline status launch_status(const char* kernel) { return cuda_status(cudaPeekAtLastError(), kernel); }

// The bits of a number up to `largest`, for sorting by it.
inline int bits_for(std::int64_t largest) {
  int bits = 1;
  while (bits < 63 && (largest >> bits) != 0) ++bits;
  return bits;
}

inline constexpr std::size_t scratch_alignment = 256;

// Scratch memory of one call: the caller's workspace, or memory taken from the device's pool in stream order and given
// back in stream order when the call has enqueued its work.
class scratch {
 public:
  scratch() = default;
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() {
    if (owned_ != nullptr) cudaFreeAsync(owned_, stream_);
  }

  // `bytes` include scratch_alignment to spare.
  status reserve(const cuda& exec, std::size_t bytes) {
    stream_ = exec.stream.stream;
    if (exec.workspace.data != nullptr) {
      if (exec.workspace.bytes < bytes)
        return require::fail(errc::small_workspace, "exec.workspace.bytes", "at least",
                             static_cast<double>(exec.workspace.bytes), static_cast<double>(bytes));
      at_ = align(static_cast<char*>(exec.workspace.data));
      return {};
    }
    cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
    if (const status s = cuda_status(cudaStreamIsCapturing(stream_, &capturing), "cudaStreamIsCapturing"); !s.ok())
      return s;
    if (capturing != cudaStreamCaptureStatusNone)
      return require::fail(errc::capture_needs_workspace, "exec.workspace",
                           "memory of the caller while the stream is captured");
    if (const status s = cuda_status(cudaMallocAsync(&owned_, bytes, stream_), "cudaMallocAsync"); !s.ok()) return s;
    at_ = align(static_cast<char*>(owned_));
    return {};
  }

  // The next `count` elements; always suitably aligned.
  template <class T>
  T* take(std::size_t count) {
    T* p = reinterpret_cast<T*>(at_);
    at_ = align(at_ + count * sizeof(T));
    return p;
  }

 private:
  static char* align(char* p) {
    const auto u = reinterpret_cast<std::uintptr_t>(p);
    return reinterpret_cast<char*>((u + scratch_alignment - 1) / scratch_alignment * scratch_alignment);
  }

  void* owned_ = nullptr;
  cudaStream_t stream_ = nullptr;
  char* at_ = nullptr;
};

// The bytes that `take<T>(count)` uses up.
template <class T>
constexpr std::size_t scratch_bytes(std::size_t count) {
  return (count * sizeof(T) + scratch_alignment - 1) / scratch_alignment * scratch_alignment;
}

// The bytes that with_scratch takes of a workspace for `bytes`.
constexpr std::size_t lent_bytes(std::size_t bytes) { return scratch_alignment + scratch_bytes<char>(bytes); }

}  // namespace detail

// Runs f(scratch, rest) with `bytes` bytes of the workspace, or of memory in stream order; `rest` is exec with what is
// left of its workspace.
template <class F>
status with_scratch(const cuda& exec, std::size_t bytes, F f) {
  if (bytes == 0) return f(nullptr, exec);
  detail::scratch memory;
  cuda mine = exec, rest = exec;
  const std::size_t whole = detail::lent_bytes(bytes);
  if (const status s = memory.reserve(mine, whole); !s.ok()) return s;
  char* const columns = memory.take<char>(bytes);
  if (exec.workspace.data != nullptr)
    rest.workspace = {static_cast<char*>(exec.workspace.data) + whole, exec.workspace.bytes - whole};
  return f(columns, rest);
}

}  // namespace PREFER_ABI
}  // namespace prefer
