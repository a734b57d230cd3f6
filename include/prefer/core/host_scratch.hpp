// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/arena.hpp>

#include <new>

namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// The caller's workspace, or one allocation that lives as long as the call.
struct host_scratch {
  void* owned = nullptr;
  void* data = nullptr;

  host_scratch() = default;
  host_scratch(const host_scratch&) = delete;
  host_scratch& operator=(const host_scratch&) = delete;
  ~host_scratch() { ::operator delete(owned); }

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
    data = owned = ::operator new(bytes, std::nothrow);
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
