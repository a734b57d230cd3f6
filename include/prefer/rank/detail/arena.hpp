// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/checks.hpp>
#include <prefer/core/execution.hpp>
#include <prefer/core/status.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

// Carving arrays out of one piece of memory. The same code, run without memory, measures how much is needed.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

class arena {
 public:
  static constexpr std::size_t alignment = 64;

  arena() = default;  // measures
  explicit arena(void* memory) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory);
    base_ = static_cast<char*>(memory) + ((address + alignment - 1) / alignment * alignment - address);
  }

  template <class T>
  T* take(std::int64_t count) {
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

struct free_memory {
  void operator()(char* p) const { ::operator delete(p); }
};

// The caller's workspace, or one allocation that lives as long as the call.
struct host_scratch {
  std::unique_ptr<char, free_memory> owned = {};
  void* data = nullptr;

  status provide(const workspace& lent, std::size_t bytes) {
    if (lent.data != nullptr || lent.bytes != 0) {
      if (lent.data == nullptr)
        return require::fail(errc::null_data, "workspace", "a pointer to its bytes, but it is null");
      if (lent.bytes < bytes)
        return require::fail(errc::small_workspace, "workspace", "bytes: at least", static_cast<double>(lent.bytes),
                             static_cast<double>(bytes));
      data = lent.data;
      return {};
    }
    owned.reset(static_cast<char*>(::operator new(bytes, std::nothrow)));
    data = owned.get();
    if (data == nullptr)
      return require::fail(errc::small_workspace, "workspace", "memory that could not be allocated:", 0,
                           static_cast<double>(bytes));
    return {};
  }
};

// Runs f(task) for all tasks on the threads that the caller lent, or here.
template <class F>
void run_tasks(const cpu& exec, std::int64_t tasks, F& f) {
  const task_runner& runner = exec.pool ? exec.pool : exec.parallel_for;
  if (!runner || tasks <= 1) {
    for (std::int64_t i = 0; i < tasks; ++i) f(i);
    return;
  }
  runner.run(
      runner.context, tasks, [](void* self, std::int64_t i) { (*static_cast<F*>(self))(i); }, &f);
}

inline status check_runner(const cpu& exec) {
  if (exec.pool && exec.parallel_for)
    return require::fail(errc::bad_execution, "exec.parallel_for", "pool or parallel_for, not both");
  return {};
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
