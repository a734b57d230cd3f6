// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>
#include <prefer/core/status.hpp>

#include <cstddef>
#include <cstdint>

// Carving arrays out of one piece of memory. The same code, run without memory, measures how much is needed.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

class arena {
 public:
  static constexpr std::size_t alignment = 64;

  arena() = default;  // measures
  PREFER_HD explicit arena(void* memory) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory);
    base_ = static_cast<char*>(memory) + ((address + alignment - 1) / alignment * alignment - address);
  }

  template <class T>
  PREFER_HD T* take(std::int64_t count) {
    T* at = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + used_);
    used_ += (static_cast<std::size_t>(count) * sizeof(T) + alignment - 1) / alignment * alignment;
    if (used_ > peak_) peak_ = used_;
    return at;
  }

  // Everything taken after mark() is given back by release(); the peak remembers it.
  std::size_t mark() const { return used_; }
  void release(std::size_t mark) { used_ = mark; }

  // What a workspace of any alignment has to have.
  std::size_t bytes() const { return peak_ + alignment; }

 private:
  char* base_ = nullptr;
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
};

// The caller's workspace of a call on the CPU, which must have the bytes that `measured` took.
inline status lend(const cpu& exec, const arena& measured, arena& memory) {
  if (exec.workspace.data == nullptr || exec.workspace.bytes < measured.bytes())
    return require::fail(errc::small_workspace, "exec.workspace.bytes", "at least",
                         static_cast<double>(exec.workspace.data == nullptr ? 0 : exec.workspace.bytes),
                         static_cast<double>(measured.bytes()));
  memory = arena(exec.workspace.data);
  return {};
}

}  // namespace detail

// Runs f(scratch, rest) with `bytes` bytes of the workspace; `rest` is exec for the calls inside.
template <class F>
status with_scratch(const cpu& exec, std::size_t bytes, F f) {
  if (bytes == 0) return f(nullptr, exec);
  const std::size_t needed = bytes + detail::arena::alignment;
  if (exec.workspace.data == nullptr || exec.workspace.bytes < needed)
    return require::fail(errc::small_workspace, "exec.workspace.bytes", "at least",
                         static_cast<double>(exec.workspace.bytes), static_cast<double>(needed));
  constexpr std::uintptr_t unit = detail::arena::alignment;
  const auto u = reinterpret_cast<std::uintptr_t>(exec.workspace.data);
  return f(static_cast<char*>(exec.workspace.data) + ((u + unit - 1) / unit * unit - u), exec);
}

}  // namespace PREFER_ABI
}  // namespace prefer
