// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/status.hpp>
#include <prefer/core/view.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

struct CUstream_st;

namespace prefer {

class thread_pool;

// Scratch memory lent by the caller; its needed size depends on shapes and types only. No alignment is asked for.
struct workspace {
  void* data = nullptr;
  std::size_t bytes = 0;
};

// Runs `tasks` independent tasks, in any order, on any threads, and returns when all are done. Non-owning: it refers to
// a prefer::thread_pool (see core/thread_pool.hpp) or to any callable f(std::int64_t tasks, auto task) that calls
// task(i) once for every i in [0, tasks).
struct task_runner {
  using task = void (*)(void* argument, std::int64_t index);

  void* context = nullptr;
  void (*run)(void* context, std::int64_t tasks, task call, void* argument) = nullptr;

  constexpr task_runner() = default;

  template <class F>
  requires(!std::same_as<std::remove_cv_t<F>, task_runner>) constexpr task_runner(F& f)
      : context(const_cast<void*>(static_cast<const void*>(&f))),
        run([](void* self, std::int64_t tasks, task call, void* argument) {
          (*static_cast<F*>(self))(tasks, [=](std::int64_t index) { call(argument, index); });
        }) {
    static_assert(
        requires(F & runner) { runner(std::int64_t{}, [](std::int64_t) {}); },
        "prefer: what runs tasks is a prefer::thread_pool or a callable f(std::int64_t tasks, auto task)");
  }

  constexpr explicit operator bool() const { return run != nullptr; }
};

// Instruction-set levels that a plain build carries: base is what the compiler was told, the others are chosen at run
// time on x86-64.
enum class isa : std::uint8_t { automatic, base, avx2, avx512 };

// What is looked at before anything is computed. `structure`: offsets, indices and labels, which are few. `all`: also
// NaN in every input, which costs a second pass over memory. `none`: the caller vouches for the content.
enum class content : std::uint8_t { structure, all, none };

// Runs on the calling thread, unless lent threads.
struct cpu {
  static constexpr space memory = space::host;
  task_runner pool = {};          // a prefer::thread_pool of the caller
  task_runner parallel_for = {};  // or any other way to run tasks
  prefer::isa isa = prefer::isa::automatic;
  prefer::content content = prefer::content::structure;
  prefer::workspace workspace = {};
};

// A CUDA stream by name only, so that no CUDA header is needed here. There is no default stream on purpose.
struct stream_ref {
  CUstream_st* stream;
  constexpr stream_ref(CUstream_st* s) : stream(s) {}
};

// One word of device memory, written by kernels that meet bad content (an index out of range, say): which and where
// first. The caller fills it with 0xff bytes before and reads it when it likes; nothing is synchronised.
struct content_report {
  unsigned long long word = ~0ull;

  constexpr errc code() const { return word == ~0ull ? errc::ok : static_cast<errc>(word & 0xff); }
  constexpr std::int64_t index() const { return word == ~0ull ? -1 : static_cast<std::int64_t>(word >> 8); }
};

// Enqueues on a stream and returns. Without a workspace, scratch memory comes stream-ordered from the device's pool.
struct cuda {
  static constexpr space memory = space::device;
  stream_ref stream;
  prefer::workspace workspace = {};
  content_report* report = nullptr;  // device memory
};

}  // namespace prefer
